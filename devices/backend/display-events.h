/* SPDX-License-Identifier: MIT */
/* From a display to input devices: what the user does there as groups of evdev's events. */
#ifndef DEVICES_BACKEND_DISPLAY_EVENTS_H
#define DEVICES_BACKEND_DISPLAY_EVENTS_H

#include "devices/backend/display.h"
#include "devices/backend/evq.h"

enum events_of { EVENTS_OF_KEYBOARD, EVENTS_OF_MOUSE, EVENTS_OF_TABLET };

struct display_events;

/* Send what is of that kind to q. Buttons go to the pointer that moved last. Before the machine
 * runs. NULL with err filled. */
struct display_events *display_events_new(struct display *d, enum events_of of, struct evq *q,
                                          struct err *err);
/* After display_drop_inputs(). NULL is fine. */
void display_events_free(struct display_events *e);

#endif
