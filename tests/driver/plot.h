/* SPDX-License-Identifier: MIT */
/*
 * A plot: a split queue of an echo device and buffers for one request, for tests that write the
 * descriptors themselves.
 */
#ifndef TESTS_DRIVER_PLOT_H
#define TESTS_DRIVER_PLOT_H

#include "tests/driver/echo.h"

enum {
    NEXT = VIRTQ_DESC_NEXT,
    WRITE = VIRTQ_DESC_WRITE,
    INDIRECT = VIRTQ_DESC_INDIRECT,
    BYTES = 64, /* of each buffer */
};

struct plot {
    struct bench *b;
    struct dq *q;
    uint64_t out, in, table; /* guest addresses; table: 64 KiB for indirect descriptors */
};

/* Queue 0; out holds 0x5c, in 0xee. */
struct plot plot_make(struct bench *b);

/* Entry i of the indirect table. */
void plot_entry(const struct plot *p, unsigned i, uint64_t addr, uint32_t len, uint16_t flags,
                uint16_t next);

/* Publish a head and kick whatever the device says. */
void plot_offer(const struct plot *p, uint16_t head);

/* The head breaks the device (NR): nothing is written, nothing given back; then it recovers. */
void plot_fails(const struct plot *p, uint16_t head);

/* The head comes back with this length. */
void plot_gives(const struct plot *p, uint16_t head, uint32_t len);

/* The first len bytes of in are those of out. */
void plot_echoed(const struct plot *p, uint32_t len);

/* Reset, initialise, works. */
void plot_recovers(struct bench *b);

#endif
