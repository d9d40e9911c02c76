/* SPDX-License-Identifier: MIT */
/*
 * What the process gives up once it has all that it needs: its view of the file system, its
 * capabilities, most system calls. In this order: begin, everything is opened, enter, threads
 * start, close. All functions: main thread.
 */
#ifndef VMM_SANDBOX_H
#define VMM_SANDBOX_H

#include <stdbool.h>

#include "vmm/base/err.h"
#include "vmm/config.h"

/* Decide, and tell the log if that is no; from here on no threads run if it is yes. */
void sandbox_begin(const struct config *config);

/* Will there be one? What is needed after sandbox_enter() has to be asked for elsewhere then. */
bool sandbox_wanted(void);

/*
 * Give up all but system calls, which threads give up as they start: those that were held back
 * start here. What this host does not have is left out and told at info level; but with --sandbox
 * on filters of system calls are a must. 0 or -errno with err filled.
 */
int sandbox_enter(const struct config *config, struct err *err);

/* The calling thread becomes one of that kind: system calls outside of its list end the process
 * with a line that names them. sandbox_enter() was called. */
void sandbox_close(void);

#endif
