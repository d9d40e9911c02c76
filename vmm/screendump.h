/* SPDX-License-Identifier: MIT */
/*
 * A screen's picture through the control socket: "screendump" keeps a copy of what is shown and
 * tells its size, "screendump-read" hands out its pixels piece by piece, so that the machine needs
 * no file and every answer is short. One copy at a time: the next one takes its place.
 */
#ifndef VMM_SCREENDUMP_H
#define VMM_SCREENDUMP_H

#include "vmm/control.h"
#include "vmm/parts.h"

struct control_client;

/* For commands: main thread. */
json_t *screendump_take(struct control_call *call, const struct parts *parts);
json_t *screendump_read(struct control_call *call);

/* The asking side: args has "file", and "screen" if that is not the first one. As
 * control_client_ask(). */
json_t *screendump_ask(struct control_client *client, json_t *args, struct err *err);

#endif
