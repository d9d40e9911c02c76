/* SPDX-License-Identifier: MIT */
/*
 * The mode of the user's terminal: raw while a guest talks to it, as it was at every other moment,
 * on whatever path the process leaves or stops. One terminal per process.
 */
#ifndef DEVICES_BACKEND_TTY_MODE_H
#define DEVICES_BACKEND_TTY_MODE_H

#include <stdbool.h>

#include "vmm/base/err.h"

/*
 * Look after the terminal fd: remember its mode, put it back at exit, before death by a signal and
 * around a stop (SIGTSTP, SIGCONT). Handlers of signals that the program caught before are left
 * alone (SIGTERM and friends; it then calls tty_mode_restore()) or run after ours (crashes).
 * wake: eventfd that is signalled at SIGWINCH and SIGCONT, -1 for none; fd and wake stay valid
 * until tty_mode_release(). -EBUSY if a terminal is held already. Before threads start.
 */
int tty_mode_hold(int fd, int wake, struct err *err);

/*
 * The eventfd fd is signalled at SIGCONT as well, whether a terminal is held or not; -1: none any
 * more. For who has to know that the process was stopped: a signal has one handler. Before threads
 * start, or once they have ended.
 */
void tty_mode_tell_continue(int fd);

/* Put the mode back and forget fd. */
void tty_mode_release(void);

/*
 * Make it raw if it is held and this process is in the foreground; cheap if it is already.
 * false: in the background, do not read from it now. Any thread.
 */
bool tty_mode_raw(void);

/* Put the mode back, for good. Async-signal-safe, any thread, any number of times. */
void tty_mode_restore(void);

#endif
