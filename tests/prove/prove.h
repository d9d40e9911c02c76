/* SPDX-License-Identifier: MIT */
/*
 * Small-scope proof of the ring walkers: guest memory is tried in every content within stated
 * bounds, and each walk is held against what the specification says of that content.
 *
 * Three regions of RAM touch each other; on either side there is memory that nobody may touch, so
 * that an access out of bounds ends the program. A device with one queue stands on them.
 */
#ifndef TESTS_PROVE_H
#define TESTS_PROVE_H

#include <stdbool.h>
#include <stdint.h>

#include "virtio/vq.h"

enum {
    REGIONS = 3,
    REGION = 64 * 1024,
    RAM_A = 0x10000,
    RAM_B = RAM_A + REGION,
    RAM_C = RAM_B + REGION,
    RAM_END = RAM_C + REGION,
    DESC_AT = RAM_A,
    DRIVER_AT = RAM_A + 0x1000,
    DEVICE_AT = RAM_A + 0x2000,
    TABLE_AT = RAM_A + 0x3000,
    BUFFER = 64,
    KINDS = 5,
};

/* Where a buffer lies. */
struct kind {
    const char *name;
    uint64_t addr;
    uint32_t len;
    unsigned pieces; /* that it is for the host */
    bool ram;
};
extern const struct kind kinds[KINDS];

struct rig {
    struct vdev *dev;
    struct vq *vq;
    uint8_t *ram;             /* of RAM_A; the others follow */
    struct vq_chain *held[4]; /* in flight while the case is tried */
    unsigned n_held;
    uint64_t cases, good, bad;
};

/* features: bits besides VERSION_1. Ends the program where the host has no memory. */
void rig_make(struct rig *r, uint64_t features, uint16_t size);
void rig_free(struct rig *r);

/* The ring as after its set-up; memory is as it is. */
void rig_again(struct rig *r);

/* Buffers that the walker took up since the last call. */
unsigned rig_steps(void);

/* What the specification says of the chain at hand. */
struct verdict {
    bool good;
    bool none;       /* nothing is available, which is not wrong either */
    unsigned steps;  /* buffers until its end, or until it is wrong */
    unsigned pieces; /* of host memory, of good ones */
    uint64_t out, in;
    bool fault; /* not all of it is RAM */
};

void verdict_buffer(struct verdict *v, unsigned kind, bool write);

/* One case: pop, compare, use the buffers, give back. Ends the program with what is wrong. */
void rig_case(struct rig *r, const struct verdict *want);

/* Say what is wrong, and of what; the status is 1. */
void prove_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Content of the ring's memory, for prove_fail(). */
extern void (*prove_show)(void);

uint64_t prove_split(uint16_t size);
uint64_t prove_packed(uint16_t size);

#endif
