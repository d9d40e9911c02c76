// SPDX-License-Identifier: MIT
/* Owns the words by which a Linux kernel announces its end. */
#include "vmm/panic.h"

#include <stdint.h>

/* Its first character occurs nowhere else in it: after a mismatch only a fresh start can match. */
static const char panic_text[] = "Kernel panic - not syncing";

void panic_watch_feed(void *arg, const void *data, size_t len)
{
    struct panic_watch *watch = (struct panic_watch *)arg;
    const uint8_t *p = (const uint8_t *)data;

    for (size_t i = 0; i < len; i++) {
        if (p[i] != (uint8_t)panic_text[watch->matched])
            watch->matched = p[i] == (uint8_t)panic_text[0];
        else
            watch->matched++;
        if (!panic_text[watch->matched]) {
            atomic_store(&watch->seen, true);
            watch->matched = 0;
        }
    }
}

bool panic_watch_seen(const struct panic_watch *watch)
{
    return atomic_load(&watch->seen);
}

void panic_watch_reset(struct panic_watch *watch)
{
    watch->matched = 0;
    atomic_store(&watch->seen, false);
}
