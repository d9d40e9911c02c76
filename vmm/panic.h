/* SPDX-License-Identifier: MIT */
/*
 * Did the guest's kernel say on its console that it panicked? A restart after that is a crash for
 * whoever waits for the exit status. Fed with console output, finds the line across any cuts.
 */
#ifndef VMM_PANIC_H
#define VMM_PANIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct panic_watch {
    unsigned matched; /* characters of the text so far; the feeding thread's */
    _Atomic bool seen;
};

/* arg is a struct panic_watch. One thread at a time. */
void panic_watch_feed(void *arg, const void *data, size_t len);

/* Any thread. */
bool panic_watch_seen(const struct panic_watch *watch);
void panic_watch_reset(struct panic_watch *watch);

#endif
