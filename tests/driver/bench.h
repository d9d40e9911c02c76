/* SPDX-License-Identifier: MIT */
/*
 * The bench: one device of a type on a fake machine with a driver in front of it, and the matrix of
 * interfaces and rings over which each device test runs. A test is written once and appears as
 * "group/test/modern/split" and so on. Environment: BENCH_THREADS=1 lets loops run as threads,
 * BENCH_ONLY=word runs the tests whose names contain the word.
 */
#ifndef TESTS_DRIVER_BENCH_H
#define TESTS_DRIVER_BENCH_H

#include "tests/driver/driver.h"
#include "virtio/vpci.h"

/* One way to drive a device. */
struct combo {
    const char *name;       /* "modern/split" */
    const char *interfaces; /* what the device has, a word for interfaces_find() */
    const struct driver_ops *ops;
    const struct ring_ops *ring;
    enum byte_order order;
    uint64_t without; /* features not accepted */
    uint64_t ask;     /* features that are offered on request only */
    bool msix, ecam, indirect;
    enum frame frame;
};

extern const struct combo combos[];
extern const unsigned n_combos;

struct bench {
    struct machine *m;
    const struct combo *combo;
    struct loop *loop;
    struct vdev *dev;
    struct vpci *vp;
    struct drv d;
    uint64_t want;   /* features for bench_init(): all but the combo's `without` */
    const void *arg; /* the test's */
    void *conf;      /* what make_conf returned */
};

/* What a test program tests. */
struct bench_kind {
    const struct virtio_type *type;
    const char *name; /* of the device, for messages */
    /* For vdev_new(); NULL: none. free_conf after the device is gone. */
    void *(*make_conf)(struct bench *b);
    void (*free_conf)(struct bench *b);
};

enum {
    BENCH_RAW = 1,       /* do not initialise the device: the test does */
    BENCH_ONCE = 2,      /* only with the first combination: registers, say */
    BENCH_THREADS = 4,   /* always with loop threads */
    BENCH_TURNS = 8,     /* never: the test turns loops itself */
    BENCH_SPLIT = 16,    /* only where rings are split and each request has its own used entry: the
                            test writes and reads them itself */
    BENCH_INDIRECT = 32, /* only where indirect descriptors are accepted */
    BENCH_MODERN = 64,   /* only through the registers of virtio 1.x */
    BENCH_LEGACY = 128,  /* only through those of virtio 0.9 */
    BENCH_BOTH = 256,    /* only where the device has both */
    BENCH_PACKED = 512,  /* as BENCH_SPLIT, where rings are packed */
    BENCH_IN_ORDER = 1024, /* only where requests come back in order */
    BENCH_LITTLE = 2048,   /* only where the driver is little-endian */
    BENCH_LINT = 4096,     /* the driver is watched (virtio/lint.h) */
    BENCH_ADVICE = 8192,   /* ... advice included */
    BENCH_PORTS = 16384,   /* doorbells are better in ports (vmm/bus/pci.h) */
};

struct bench_test {
    const char *name;
    void (*fn)(struct bench *b);
    unsigned flags;
    const void *arg; /* b->arg; make_conf may look at it */
};

/* Run tests over all combinations that the kind can have. Returns what main() should. */
int bench_run(const char *group, const struct bench_kind *kind, const struct bench_test *tests,
              unsigned n);

/* A bench without a test around it, not initialised: for programs that are no tests. arg: b->arg;
 * flags: BENCH_THREADS, BENCH_LINT, BENCH_ADVICE, BENCH_PORTS or 0. */
void bench_open(struct bench *b, const struct bench_kind *kind, const struct combo *combo,
                const void *arg, unsigned flags);
void bench_close(struct bench *b, const struct bench_kind *kind);

/* drv_init() with b->want. */
void bench_init(struct bench *b);

/* What the device counted for a queue. */
struct vq_stats bench_stats(struct bench *b, unsigned queue);

/* Every feature that is offered to this driver is withheld in turn, then all of them, and works()
 * must find that the device works. */
void bench_withhold(struct bench *b, void (*works)(struct bench *b));

/* Was this feature accepted? */
static inline bool bench_has(const struct bench *b, unsigned feature)
{
    return b->d.features >> feature & 1;
}

#endif
