// SPDX-License-Identifier: MIT
/*
 * Owns the commands of the control socket, one row each: names, arguments and answers as QMP has
 * them. Refuses to know how lines come and go, and does nothing that machine.h does not offer.
 */
#include "vmm/commands.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "vmm/machine.h"

static struct machine *machine_of(const struct control_call *call)
{
    return (struct machine *)call->ctx;
}

/* ---- asking ---- */

static json_t *query_status(struct control_call *call)
{
    const bool halted = machine_halted(machine_of(call));

    return json_pack("{s:b,s:s,s:b}", "running", !halted, "status", halted ? "paused" : "running",
                     "singlestep", 0);
}

static json_t *query_name(struct control_call *call)
{
    const char *name = machine_config(machine_of(call))->name;

    return name ? json_pack("{s:s}", "name", name) : json_object();
}

static json_t *query_version(struct control_call *call)
{
    int major = 0, minor = 0;

    (void)call;
    sscanf(VMM_VERSION, "%d.%d", &major, &minor);
    return json_pack("{s:{s:i,s:i,s:i},s:s}", "vmm", "major", major, "minor", minor, "micro", 0,
                     "package", "vmm " VMM_VERSION);
}

/* ---- running and not ---- */

static json_t *stop(struct control_call *call)
{
    struct machine *m = machine_of(call);

    if (!machine_halted(m)) {
        machine_halt(m);
        control_event(machine_control(m), "STOP", NULL);
    }
    return json_object();
}

static json_t *cont(struct control_call *call)
{
    struct machine *m = machine_of(call);

    if (machine_halted(m)) {
        machine_continue(m);
        control_event(machine_control(m), "RESUME", NULL);
    }
    return json_object();
}

static json_t *system_powerdown(struct control_call *call)
{
    machine_power_button(machine_of(call));
    return json_object();
}

static json_t *system_reset(struct control_call *call)
{
    machine_restart_ask(machine_of(call));
    return json_object();
}

static json_t *quit(struct control_call *call)
{
    machine_quit_ask(machine_of(call));
    return json_object();
}

#define CONTROL_NO_ARGS            \
    {                              \
        {                          \
            NULL, JSON_NULL, false \
        }                          \
    }

const struct control_command machine_commands[] = {
    {"query-status", CONTROL_NO_ARGS, query_status},
    {"query-name", CONTROL_NO_ARGS, query_name},
    {"query-version", CONTROL_NO_ARGS, query_version},
    {"stop", CONTROL_NO_ARGS, stop},
    {"cont", CONTROL_NO_ARGS, cont},
    {"system_powerdown", CONTROL_NO_ARGS, system_powerdown},
    {"system_reset", CONTROL_NO_ARGS, system_reset},
    {"quit", CONTROL_NO_ARGS, quit},
    {NULL, CONTROL_NO_ARGS, NULL},
};
