/* SPDX-License-Identifier: MIT */
/*
 * The driver's half of a ring with as little work as can be: all requests are laid out once, and
 * making one available stores what the ring's layout asks for and nothing else. For measuring;
 * tests use tests/driver. Little-endian hosts and rings only.
 */
#ifndef TESTS_BENCH_LEAN_H
#define TESTS_BENCH_LEAN_H

#include "tests/driver/driver.h"

enum { LEAN_SLOTS = 256, LEAN_BYTES = 4096 };

struct lean;

struct lean_ops {
    const char *name; /* the ring_ops' */
    void (*put)(struct lean *l, unsigned n);
    unsigned (*take)(struct lean *l);
    void (*pretend)(struct lean *l, unsigned n);
};

/* One queue full of reads of 4 KiB. */
struct lean {
    const struct lean_ops *ops;
    struct dq *q;
    unsigned slots;
    unsigned step; /* descriptors of one request in the ring */
    uint8_t *desc, *avail, *used;
    uint16_t avail_at, used_at;
    bool avail_wrap, used_wrap; /* packed */
    bool interrupts;            /* keep asking for them: what a driver with event_idx stores */
    unsigned next;              /* slot to use next */
    uint64_t addr[LEAN_SLOTS], data[LEAN_SLOTS], table[LEAN_SLOTS];
    uint8_t *status[LEAN_SLOTS];
};

/*
 * Lay out requests for q, which is live: header, 4 KiB and status in three descriptors, or in an
 * indirect table of three. slots: how many are ever in flight. false: the queue is too small.
 */
bool lean_make(struct lean *l, struct dq *q, unsigned slots, bool indirect);

/* Make n requests available, at most slots in flight. */
static inline void lean_put(struct lean *l, unsigned n)
{
    l->ops->put(l, n);
}

/* Take back what was used; returns how many. */
static inline unsigned lean_take(struct lean *l)
{
    return l->ops->take(l);
}

/* Be the cheapest device: mark the oldest n requests used. For the driver's own cost. */
static inline void lean_pretend(struct lean *l, unsigned n)
{
    l->ops->pretend(l, n);
}

/* Did the requests in the first n slots end well? Poisons their status for the next look. */
bool lean_ended_well(struct lean *l, unsigned n);

#endif
