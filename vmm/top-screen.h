/* SPDX-License-Identifier: MIT */
/*
 * A terminal that is drawn on again and again, and left as it was found, however this ends. One at
 * a time, main thread.
 */
#ifndef VMM_TOP_SCREEN_H
#define VMM_TOP_SCREEN_H

#include <stdbool.h>

#include "vmm/base/err.h"

/* Take the terminal that standard input and output are. -ENOTTY and so on with err filled. */
int screen_open(struct err *err);
void screen_close(void);

/* Show text: as many of its lines, and as much of each, as there is room for. */
void screen_draw(const char *text);

enum screen_event {
    SCREEN_TIME,    /* the time is over */
    SCREEN_RESIZED, /* draw again */
    SCREEN_KEY,     /* *key was pressed */
    SCREEN_END      /* a signal says so, or the terminal is gone */
};
enum screen_event screen_wait(unsigned ms, char *key);

#endif
