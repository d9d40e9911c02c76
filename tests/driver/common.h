/* SPDX-License-Identifier: MIT */
/* For tests that go to the registers of 4.1.4.3 themselves. */
#ifndef TESTS_DRIVER_COMMON_H
#define TESTS_DRIVER_COMMON_H

#include "tests/driver/bench.h"

static inline uint64_t get(struct bench *b, unsigned off, unsigned len)
{
    return modern_read(&b->d, VIRTIO_PCI_CAP_COMMON, off, len);
}

static inline void set(struct bench *b, unsigned off, unsigned len, uint64_t v)
{
    modern_write(&b->d, VIRTIO_PCI_CAP_COMMON, off, len, v);
}

static inline void status(struct bench *b, uint8_t v)
{
    b->d.ops->status_set(&b->d, v);
}

#endif
