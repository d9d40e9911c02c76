/* SPDX-License-Identifier: MIT */
/* The signals by which people and service managers end a program. */
#ifndef VMM_BASE_ENDS_H
#define VMM_BASE_ENDS_H

#include <signal.h>

/*
 * SIGTERM, SIGINT and SIGHUP, but not what this process was started to ignore, by nohup or in a
 * script's background: a signal that is blocked and read from a descriptor arrives even if ignored.
 */
void ends_choose(sigset_t *set);

#endif
