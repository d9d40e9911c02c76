/* SPDX-License-Identifier: MIT */
/*
 * Inputs for devices: a driver's deeds, one after the other, on a bench (tests/driver/bench.h).
 * The first bytes choose how the device is driven; then every operation is a byte that says which,
 * and its arguments. Most numbers that matter are chosen out of classes (places in guest memory,
 * registers by their tables), so that a mutation moves from one rule of the specification to
 * another and not among values that mean the same.
 */
#ifndef TESTS_FUZZ_DEV_H
#define TESTS_FUZZ_DEV_H

#include "tests/driver/bench.h"
#include "tests/fuzz/fuzz.h"

/* What a driver can do. */
enum fuzz_op {
    OP_REQUEST, /* well formed on the ring; what is in it is not */
    OP_DESC,    /* a descriptor, in a ring or in an indirect table */
    OP_AVAIL,   /* put a descriptor in the available ring and show it, or change a packed flag */
    OP_INDEX,   /* index, flags, events */
    OP_POKE,    /* bytes into a ring or into data */
    OP_KICK,
    OP_TURN, /* let the device work */
    OP_TAKE, /* what came back */
    OP_INIT, /* reset and initialise, with some of the features */
    OP_REG_WRITE,
    OP_REG_READ,
    OP_PCI,  /* configuration space, here and elsewhere */
    OP_BAR,  /* anywhere in a BAR */
    OP_BUS,  /* anywhere at all */
    OP_HOST, /* something happens on the host's side */
    OPS,
};

/* A request that the device knows, for seeds. */
struct fuzz_request {
    uint8_t queue, pieces; /* bits 0-3: of out; bits 4-7: of in; less one */
    uint16_t in_len, out_len;
    const char *out;
};

#define FUZZ_REQUEST(queue, in_len, out)       \
    {                                          \
        queue, 0, in_len, sizeof(out) - 1, out \
    }

enum { FUZZ_IN_PORTS = 0x40 }; /* of the first byte: doorbells are in ports too */

/* One kind of device under one kind of use. */
struct fuzz_dev {
    const struct bench_kind *kind;
    const enum fuzz_op *op; /* those that it uses, some more than once */
    unsigned n_ops;
    const struct ring_ops *ring; /* NULL: all of them */
    const struct fuzz_request *request;
    unsigned n_requests;
    void (*host)(struct bench *b, struct fuzz_in *in); /* OP_HOST */
    void (*calm)(struct bench *b);                     /* the host behaves again */
    void (*works)(struct bench *b);                    /* fails unless the device does */
};

/* One input from start to end. Afterwards the device comes to rest, is initialised and works. */
void fuzz_dev_run(const struct fuzz_dev *dev, struct fuzz_in *in);
/* Its requests over all ways to drive it. prefix: bytes in front. */
void fuzz_dev_seeds(const struct fuzz_dev *dev, const char *prefix, struct fuzz_seeds *to);

/* The input's beginning for combination i (or it with FUZZ_IN_PORTS), and one operation of a kind.
 */
void fuzz_put_start(struct fuzz_out *out, const struct fuzz_dev *dev, unsigned combo);
void fuzz_put_op(struct fuzz_out *out, const struct fuzz_dev *dev, enum fuzz_op op);

/* Devices that more than one target drives. */
extern const struct fuzz_dev fuzz_dev_blk, fuzz_dev_net, fuzz_dev_console, fuzz_dev_balloon,
    fuzz_dev_gpu;

#endif
