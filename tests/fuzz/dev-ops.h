/* SPDX-License-Identifier: MIT */
/* Between dev.c and dev-ops.c: a device with its driver, and the operations as a table. */
#ifndef TESTS_FUZZ_DEV_OPS_H
#define TESTS_FUZZ_DEV_OPS_H

#include "tests/fuzz/dev.h"
#include "virtio/interfaces.h"

enum { FUZZ_DATA = 1 << 20, FUZZ_TABLE_SLOTS = 64 };

struct fuzz_rig {
    const struct fuzz_dev *dev;
    struct bench b;
    uint64_t data; /* FUZZ_DATA bytes of guest memory; indirect tables at its start */
    uint64_t next; /* requests' buffers go round in it */
    uint8_t int_line;
    bool dirty; /* rings are not what the driver thinks: nothing more is taken out of them */
};

void fuzz_rig_open(struct fuzz_rig *r);
/* Reset and initialise; the device may refuse the features. */
void fuzz_rig_init(struct fuzz_rig *r, uint64_t want, uint16_t size);
/* What to accept, out of the input. */
uint64_t fuzz_rig_features(const struct fuzz_rig *r, struct fuzz_in *in);

extern void (*const fuzz_ops[OPS])(struct fuzz_rig *r, struct fuzz_in *in);

#endif
