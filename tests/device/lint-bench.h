/* SPDX-License-Identifier: MIT */
/*
 * What tests of lint share. Every rule has a test that breaks it on purpose and ends with
 * lint_only(b, LINT_RULE): tests/unit/test-lint.c looks for one of each.
 */
#ifndef TESTS_DEVICE_LINT_BENCH_H
#define TESTS_DEVICE_LINT_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/driver/bench.h"
#include "virtio/lint.h"
#include "vmm/base/bits.h"

/* Registers of the common configuration (4.1.4.3). */
enum {
    C_DEVICE_FEATURE_SELECT = 0x00,
    C_DEVICE_FEATURE = 0x04,
    C_FEATURE_SELECT = 0x08,
    C_FEATURE = 0x0c,
    C_CONFIG_VECTOR = 0x10,
    C_NUM_QUEUES = 0x12,
    C_QUEUE_SELECT = 0x16,
    C_QUEUE_SIZE = 0x18,
    C_QUEUE_ENABLE = 0x1c,
    C_QUEUE_DESC = 0x20,
    C_QUEUE_DRIVER = 0x28,
    C_QUEUE_DEVICE = 0x30,
    C_QUEUE_RESET = 0x3a,
};

enum { S_ACK = 1, S_DRIVER = 3, S_FEATURES = 0x0b, S_READY = 0x0f };

static inline void cw(struct bench *b, unsigned off, unsigned len, uint64_t v)
{
    modern_write(&b->d, VIRTIO_PCI_CAP_COMMON, off, len, v);
}

static inline uint64_t cr(struct bench *b, unsigned off, unsigned len)
{
    return modern_read(&b->d, VIRTIO_PCI_CAP_COMMON, off, len);
}

static inline void status(struct bench *b, uint8_t v)
{
    b->d.ops->status_set(&b->d, v);
}

struct lint_expect {
    int rule; /* -1: none */
    uint64_t count;
};

static inline void lint_check(const struct vdev *dev, const struct lint_finding *f, void *ctx)
{
    struct lint_expect *e = (struct lint_expect *)ctx;
    char text[512];

    if ((int)f->rule == e->rule) {
        e->count = f->count;
        return;
    }
    lint_text(dev, f, text, sizeof(text));
    fail_msg("not expected: %s", text);
}

/* The driver broke this rule and no other one. */
static inline void lint_only(struct bench *b, int rule)
{
    struct lint_expect e = {.rule = rule};

    machine_settle(b->m);
    loop_lock(b->loop);
    lint_each(b->dev, lint_check, &e);
    loop_unlock(b->loop);
    if (rule >= 0 && !e.count)
        fail_msg("%s was not seen", lint_rules[rule].id);
}

static inline void lint_clean(struct bench *b)
{
    lint_only(b, -1);
}

static inline void negotiate(struct bench *b)
{
    assert_true(drv_negotiate(&b->d, b->want));
}

/* Areas of queue 0 that are in memory and aligned. */
static inline void areas(struct bench *b, uint64_t desc, uint64_t driver, uint64_t device)
{
    const uint64_t at[] = {desc, driver, device};

    cw(b, C_QUEUE_SELECT, 2, 0);
    for (unsigned i = 0; i < 3; i++) {
        cw(b, C_QUEUE_DESC + 8 * i, 4, at[i] & UINT32_MAX);
        cw(b, C_QUEUE_DESC + 8 * i + 4, 4, at[i] >> 32);
    }
}

static inline void areas_good(struct bench *b)
{
    areas(b, 0x100000, 0x110000, 0x120000);
}

#endif
