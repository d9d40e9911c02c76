/* SPDX-License-Identifier: MIT */
/*
 * A machine: all parts put together. The only file that names them all is machine.c.
 * Called from the main thread, which runs the machine's main loop.
 */
#ifndef VMM_MACHINE_H
#define VMM_MACHINE_H

#include "vmm/base/err.h"
#include "vmm/config.h"
#include "vmm/parts.h"

struct machine;
struct control;

/* How a run ended, as the process's exit status. */
enum machine_end {
    MACHINE_OFF = 0,     /* the guest switched itself off, or the user ended it */
    MACHINE_FAILED = 1,  /* set-up error; err tells */
    MACHINE_CRASHED = 2, /* the guest crashed, or was to restart after a panic under --no-reboot */
    MACHINE_LINT = 3,    /* as MACHINE_OFF, and a driver broke a rule under --lint=error */
};

/*
 * Build what config describes: KVM, memory, devices. Nothing runs yet, no image is changed. config
 * must outlive it. Signals that end or steer the machine are blocked in this thread from here on.
 * NULL with err filled.
 */
struct machine *machine_new(const struct config *config, struct err *err);

/* Load, start and run until it ends. err is filled for MACHINE_FAILED. */
enum machine_end machine_run(struct machine *machine, struct err *err);

/* Stop all threads, put the terminal back, close everything. NULL is fine. */
void machine_free(struct machine *machine);

/* ---- for commands: on the main loop ---- */

const struct config *machine_config(const struct machine *machine);
const struct parts *machine_parts(const struct machine *machine);
/* For events; NULL: there is none, which control_event() takes. */
struct control *machine_control(const struct machine *machine);

/* Stop all vCPUs until machine_continue(), across restarts; I/O that is under way ends. */
void machine_halt(struct machine *machine);
void machine_continue(struct machine *machine);
bool machine_halted(const struct machine *machine);
/* ... because the host refused a write, and not continued since. */
bool machine_io_error(const struct machine *machine);

/* The console for a client of the control socket, one at a time: is one there? fd does not block
 * and is taken over. */
bool machine_console_taken(struct machine *machine);
void machine_console_give(struct machine *machine, int fd);

/* As a PC's button: the guest decides what it means. */
void machine_power_button(struct machine *machine);

/* Soon, by machine_run(). --no-reboot is about the guest's wishes, not the user's. */
void machine_restart_ask(struct machine *machine);
void machine_quit_ask(struct machine *machine);

#endif
