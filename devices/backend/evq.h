/* SPDX-License-Identifier: MIT */
/*
 * Events of the user's on their way to an input device: groups in evdev's terms, each ending in
 * SYN_REPORT, put by any thread and taken by the device on its loop. What does not fit is dropped
 * by whole groups; which keys are down is known all the same, and the guest is told of the
 * difference when it takes events again, so that no key stays down for ever (I02).
 */
#ifndef DEVICES_BACKEND_EVQ_H
#define DEVICES_BACKEND_EVQ_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/base/err.h"
#include "vmm/base/loop.h"

enum {
    EVQ_GROUP = 8,     /* events of a group at most, SYN_REPORT included */
    EVQ_EVENTS = 8192, /* that wait at most */
};

struct ev {
    uint16_t type, code; /* EV_*, KEY_* and so on */
    uint32_t value;
};

struct evq;

/* NULL with err filled. Nobody listens yet. */
struct evq *evq_new(struct err *err);
/* Nobody puts any more. NULL is fine. */
void evq_free(struct evq *q);

/*
 * Put a group of n events (EVQ_GROUP - 1 at most, without SYN_REPORT). Keys that are already as the
 * event says are left out: repeating is the guest's business. 0; -ENOTCONN: nobody listens;
 * -ENOSPC: dropped whole. Any thread.
 */
int evq_put(struct evq *q, const struct ev *ev, unsigned n);

/* Is this key down, as far as the user goes? Any thread. */
bool evq_down(struct evq *q, uint16_t code);

/* How many more events there is room for. Any thread. */
unsigned evq_room(struct evq *q);

/* ---- for the device: on its loop, or before it runs ---- */

/* ready: something came, on loop. NULL, NULL, NULL: the device goes. */
void evq_attach(struct evq *q, struct loop *loop, void (*ready)(void *arg), void *arg);

/* Take events from now on, beginning with none; or none any more, and forget those that wait. */
void evq_listen(struct evq *q, bool on);

/*
 * How many events the next group has, 0: there is none. It stays the next one until taken. Groups
 * of more than most events, which the guest has not the buffers for, are dropped whole.
 */
unsigned evq_next(struct evq *q, unsigned most);
/* Take it: as many as evq_next() said. */
void evq_take(struct evq *q, struct ev *to);

#endif
