/* SPDX-License-Identifier: MIT */
/*
 * A device type for tests of the virtio core: every queue gives back what it reads. It can hold
 * requests, refuse to start or to agree, and has a configuration of every width.
 */
#ifndef TESTS_DRIVER_ECHO_H
#define TESTS_DRIVER_ECHO_H

#include "tests/driver/bench.h"

enum {
    ECHO_ID = VIRTIO_ID_9P, /* one that every interface can have */
    ECHO_QUEUES = 3,
    ECHO_MAX = 256, /* queue size */
    /* Features of its own. */
    ECHO_F_GATED = 0, /* the field at ECHO_C_GATED exists; offered unless conf says not */
    ECHO_F_CHILD = 1, /* needs GATED */
    ECHO_F_PICKY = 2, /* refused by the type without FRIEND */
    ECHO_F_FRIEND = 3,
    ECHO_F_HIGH = 50,
    ECHO_F_HIGHEST = 127,
    /* Configuration. */
    ECHO_C_CAPACITY = 0, /* 8 bytes */
    ECHO_C_NUMBER = 8,   /* 4 */
    ECHO_C_HALF = 12,    /* 2 */
    ECHO_C_BYTE = 14,    /* 1 */
    ECHO_C_BYTE_RW = 15, /* 1, writable */
    ECHO_C_WORD_RW = 16, /* 4, writable */
    ECHO_C_GATED = 20,   /* 4 */
    ECHO_C_LONG_RW = 24, /* 8, writable */
    ECHO_C_SIZE = 32,
};

#define ECHO_CAPACITY UINT64_C(0x1122334455667788)
#define ECHO_NUMBER   UINT32_C(0x99aabbcc)

enum echo_hold {
    ECHO_AT_ONCE,
    ECHO_HOLD,    /* until echo_release(); given back when stopped */
    ECHO_HOLD_IO, /* until echo_release(); as if host I/O were in flight, stop does not help */
};

struct echo_conf {
    unsigned n_queues; /* 0: ECHO_QUEUES */
    uint16_t max;      /* 0: ECHO_MAX */
    enum echo_hold hold;
    bool fail_start, not_gated, not_in_order;
    int fail_open; /* errno */
};

struct echo {
    const struct echo_conf *conf;
    enum echo_hold hold;
    bool fail_start;
    uint64_t capacity, long_rw;
    uint32_t word_rw;
    uint8_t byte_rw;
    struct vq_chain *first, *last; /* held */
    unsigned n_held;
    uint64_t served, kicks, starts, stops;
};

extern const struct virtio_type echo_type;
/* b->arg may be a struct echo_conf. */
extern const struct bench_kind echo_kind;

/* Calls from the test's thread: they take the device's lock themselves. */
void echo_set_hold(struct bench *b, enum echo_hold hold);
unsigned echo_held(struct bench *b);
/* Finish up to n held requests, the oldest first, and publish. Returns how many. */
unsigned echo_release(struct bench *b, unsigned n);
/* As echo_release(), published once when all are pushed. */
void echo_release_batch(struct bench *b, unsigned n);
/* Finish the newest one held: out of order. */
void echo_release_last(struct bench *b);
/* A new capacity, and tell the driver. */
void echo_resize(struct bench *b, uint64_t capacity);
uint64_t echo_served(struct bench *b);
uint64_t echo_kicks(struct bench *b);

/* A request there and back on a queue, contents compared: the device works. */
void echo_works(struct bench *b, unsigned queue, uint32_t len);

/* Put a request of len bytes, half of them to be written, on a queue and ring its doorbell. */
void echo_ask(struct bench *b, unsigned queue, uint32_t len);

/* Wait until n requests are held. */
void echo_wait_held(struct bench *b, unsigned n);

/* The device has failed as it must (clause 2.1.2-d3, d4): NEEDS_RESET shows, the configuration
 * interrupt came, it fetches nothing more; then it recovers: reset, initialise, works. */
void echo_failed_and_recovers(struct bench *b);

#endif
