/* SPDX-License-Identifier: MIT */
/* What a target of one device type looks like. Included by each of them once. */
#ifndef TESTS_FUZZ_DEV_USE_H
#define TESTS_FUZZ_DEV_USE_H

#include "tests/fuzz/dev.h"
#include "vmm/base/bits.h"

static const enum fuzz_op use_ops[] = {
    OP_REQUEST, OP_REQUEST, OP_REQUEST, OP_REQUEST, OP_DESC,     OP_AVAIL, OP_INDEX,
    OP_POKE,    OP_KICK,    OP_TURN,    OP_TURN,    OP_TAKE,     OP_INIT,  OP_REG_WRITE,
    OP_HOST,    OP_HOST,    OP_HOST,    OP_PCI,     OP_REG_READ,
};

/* A device's target; the tables have these names: device_kind, device_requests, and so on. */
static inline void device_run(const struct fuzz_dev *dev, const uint8_t *data, size_t len)
{
    struct fuzz_in in = {data, len};

    fuzz_dev_run(dev, &in);
}

#endif
