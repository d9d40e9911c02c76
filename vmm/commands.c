// SPDX-License-Identifier: MIT
/*
 * Owns the commands of the control socket, one row each: names, arguments and answers as QMP has
 * them. Refuses to know how lines come and go, and does nothing that machine.h does not offer.
 */
#include "vmm/commands.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "devices/balloon.h"
#include "devices/blk.h"
#include "vmm/announce.h"
#include "vmm/base/bits.h"
#include "vmm/machine.h"
#include "vmm/query-virtio.h"
#include "vmm/screendump.h"
#include "vmm/typing.h"

static struct machine *machine_of(const struct control_call *call)
{
    return (struct machine *)call->ctx;
}

/* ---- asking ---- */

static json_t *query_status(struct control_call *call)
{
    const struct machine *m = machine_of(call);
    const bool halted = machine_halted(m);
    const char *why = machine_io_error(m) ? "io-error" : "paused";

    return json_pack("{s:b,s:s,s:b}", "running", !halted, "status", halted ? why : "running",
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

/* ---- the console ---- */

static void console_take(void *ctx, int fd)
{
    machine_console_give((struct machine *)ctx, fd);
}

/* From the answer on the connection is the console's: bytes, both ways. */
static json_t *console_attach(struct control_call *call)
{
    if (machine_console_taken(machine_of(call))) {
        err_set(&call->err, EBUSY, "somebody is attached to the console already");
        return NULL;
    }
    call->take = console_take;
    return json_object();
}

/* ---- devices ---- */

static json_t *query_devices(struct control_call *call)
{
    return query_virtio(machine_parts(machine_of(call)));
}

static struct part *disk_find(struct control_call *call)
{
    const char *name = control_string(call, "device");
    struct part *part = parts_find(machine_parts(machine_of(call)), name);

    if (part && part_is(part, &blk_type))
        return part;
    call->class = "DeviceNotFound";
    err_set(&call->err, ENOENT, "there is no disk '%.40s'; the first --disk is disk0", name);
    return NULL;
}

static uint64_t disk_bytes(const struct part *part)
{
    const struct reg *capacity = regs_find(blk_type.config, 0);

    return capacity->read(part->vpci->dev, capacity) * 512;
}

/* The file's size has changed, or is to: the guest is told. */
static json_t *block_resize(struct control_call *call)
{
    struct part *part = disk_find(call);
    uint64_t before, now;
    json_int_t size;
    int ret;

    if (!part)
        return NULL;
    loop_lock(part->loop);
    before = disk_bytes(part);
    if (control_integer(call, "size", &size))
        ret = blk_grow(part->vpci->dev, size > 0 ? (uint64_t)size : 0, &call->err);
    else
        ret = blk_resize(part->vpci->dev, &call->err);
    now = disk_bytes(part);
    loop_unlock(part->loop);
    if (ret < 0)
        return NULL;
    if (now != before)
        control_event(machine_control(machine_of(call)), "BLOCK_RESIZE",
                      json_pack("{s:s,s:I}", "device", part->name, "size", (json_int_t)now));
    return json_pack("{s:s,s:I}", "device", part->name, "size", (json_int_t)now);
}

static struct part *balloon_find(struct control_call *call)
{
    struct part *part = parts_find_type(machine_parts(machine_of(call)), &balloon_type);

    if (!part) {
        call->class = "DeviceNotActive";
        err_set(&call->err, ENODEV, "the machine has no balloon; start it with --balloon on");
    }
    return part;
}

static json_t *balloon(struct control_call *call)
{
    struct part *part = balloon_find(call);
    json_int_t value = 0;
    int ret;

    if (!part)
        return NULL;
    control_integer(call, "value", &value);
    loop_lock(part->loop);
    ret = balloon_resize(part->vpci->dev, value > 0 ? (uint64_t)value : 0, &call->err);
    loop_unlock(part->loop);
    return ret < 0 ? NULL : json_object();
}

/* New statistics come when the guest gets round to it: query-balloon counts them. */
static json_t *balloon_poll(struct control_call *call)
{
    struct part *part = balloon_find(call);
    int ret;

    if (!part)
        return NULL;
    loop_lock(part->loop);
    ret = balloon_stats_ask(part->vpci->dev, &call->err);
    loop_unlock(part->loop);
    call->class = "DeviceNotActive";
    return ret < 0 ? NULL : json_object();
}

static json_t *balloon_stats(const struct balloon_info *info)
{
    json_t *stats = json_object();

    for (unsigned i = 0; stats && i < BALLOON_STATS; i++)
        if (info->has >> i & 1)
            json_object_set_new(stats, balloon_stat_name[i],
                                json_integer((json_int_t)min_u64(info->stat[i], INT64_MAX)));
    return stats;
}

static json_t *query_balloon(struct control_call *call)
{
    struct part *part = balloon_find(call);
    struct balloon_info info;
    json_t *answer;

    if (!part)
        return NULL;
    loop_lock(part->loop);
    balloon_query(part->vpci->dev, &info);
    loop_unlock(part->loop);
    answer = json_pack("{s:I,s:I,s:I,s:I,s:b,s:I}", "actual", (json_int_t)info.actual, "target",
                       (json_int_t)info.target, "memory", (json_int_t)info.memory, "discarded",
                       (json_int_t)info.discarded, "driver", info.driver, "stats-updates",
                       (json_int_t)info.updates);
    if (!answer || !info.updates)
        return answer;
    json_object_set_new(answer, "stats", balloon_stats(&info));
    json_object_set_new(answer, "stats-age-ms",
                        json_integer((json_int_t)((clock_ns() - info.stats_ns) / 1000000)));
    return answer;
}

static json_t *announce(struct control_call *call)
{
    return announce_self(call, machine_parts(machine_of(call)));
}

/* ---- the keyboard ---- */

static json_t *send_key(struct control_call *call)
{
    struct evq *keyboard = parts_keyboard(machine_parts(machine_of(call)));

    return typing_keys(keyboard, control_string(call, "keys"), &call->err) < 0 ? NULL
                                                                               : json_object();
}

static json_t *type_text(struct control_call *call)
{
    struct evq *keyboard = parts_keyboard(machine_parts(machine_of(call)));

    return typing_text(keyboard, control_string(call, "text"), &call->err) < 0 ? NULL
                                                                               : json_object();
}

static json_t *screendump(struct control_call *call)
{
    return screendump_take(call, machine_parts(machine_of(call)));
}

const struct control_command machine_commands[] = {
    {"query-status", CONTROL_NO_ARGS, query_status},
    {"query-name", CONTROL_NO_ARGS, query_name},
    {"query-version", CONTROL_NO_ARGS, query_version},
    {"query-virtio", CONTROL_NO_ARGS, query_devices},
    {"stop", CONTROL_NO_ARGS, stop},
    {"cont", CONTROL_NO_ARGS, cont},
    {"system_powerdown", CONTROL_NO_ARGS, system_powerdown},
    {"system_reset", CONTROL_NO_ARGS, system_reset},
    {"quit", CONTROL_NO_ARGS, quit},
    {"console-attach", CONTROL_NO_ARGS, console_attach},
    {"block_resize", {{"device", JSON_STRING, true}, {"size", JSON_INTEGER, false}}, block_resize},
    {"balloon", {{"value", JSON_INTEGER, true}}, balloon},
    {"balloon_poll", CONTROL_NO_ARGS, balloon_poll},
    {"query-balloon", CONTROL_NO_ARGS, query_balloon},
    {"announce-self", {{"interfaces", JSON_ARRAY, false}}, announce},
    {"send-key", {{"keys", JSON_STRING, true}}, send_key},
    {"type", {{"text", JSON_STRING, true}}, type_text},
    {"screendump", {{"screen", JSON_INTEGER, false}}, screendump},
    {"screendump-read",
     {{"id", JSON_INTEGER, true}, {"offset", JSON_INTEGER, true}},
     screendump_read},
    {NULL, CONTROL_NO_ARGS, NULL},
};
