/* SPDX-License-Identifier: MIT */
/*
 * What is around a device of the platform in unit tests: a bus, a record of interrupts, a loop, and
 * for those that have one a line to a back end in memory. One thread.
 */
#ifndef TESTS_UNIT_PLATFORM_RIG_H
#define TESTS_UNIT_PLATFORM_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "devices/backend/chr.h"
#include "tests/unit/fake-bus.h"
#include "vmm/base/bits.h"
#include "vmm/base/loop.h"

enum { OUT_MAX = 1 << 16 };

/* A back end that takes everything, and hands out input as there is room. */
struct fake_chr {
    struct chr chr;
    uint8_t out[OUT_MAX];
    size_t out_len;
    const uint8_t *in;
    size_t in_len;
    unsigned puts;
};

struct rig {
    struct fake_irq irq;
    struct irqs *irqs;
    struct bus *bus;
    struct loop *loop;
    struct fake_chr *line; /* NULL: none */
};

static inline int64_t fake_put(struct chr *chr, const void *data, size_t len)
{
    struct fake_chr *f = container_of(chr, struct fake_chr, chr);

    assert_true(len <= OUT_MAX - f->out_len);
    memcpy(f->out + f->out_len, data, len);
    f->out_len += len;
    f->puts++;
    return (int64_t)len;
}

static inline void fake_more(struct chr *chr)
{
    struct fake_chr *f = container_of(chr, struct fake_chr, chr);
    const size_t n = (size_t)min_u64(f->in_len, chr_room(chr));

    chr_input(chr, f->in, n);
    f->in += n;
    f->in_len -= n;
}

static inline struct rig *rig_new(void)
{
    struct rig *r = calloc(1, sizeof(*r));

    assert_non_null(r);
    r->irqs = fake_irqs_new(&r->irq);
    r->bus = bus_new(NULL);
    r->loop = loop_new("test", NULL);
    return r;
}

static inline struct chr *rig_line(struct rig *r)
{
    static const struct chr_ops ops = {.put = fake_put, .more = fake_more};

    r->line = calloc(1, sizeof(*r->line));
    assert_non_null(r->line);
    assert_int_equal(chr_init(&r->line->chr, "line", &ops, r->loop, 0, NULL), 0);
    return &r->line->chr;
}

/* When the device is gone: it has let go of its interrupt. */
static inline void rig_free(struct rig *r, unsigned gsi)
{
    assert_false(r->irq.level[gsi]);
    if (r->line)
        chr_done(&r->line->chr);
    loop_free(r->loop);
    bus_free(r->bus);
    irqs_free(r->irqs);
    free(r->line);
    free(r);
}

/* The user types. */
static inline void rig_type(struct rig *r, const char *text)
{
    loop_lock(r->loop);
    r->line->in = (const uint8_t *)text;
    r->line->in_len = strlen(text);
    fake_more(&r->line->chr);
    loop_unlock(r->loop);
}

/* Registers of four bytes in memory. */
static inline uint32_t rig_in(struct rig *r, uint64_t addr)
{
    uint32_t v = 0x5a5a5a5a;

    assert_true(bus_read(r->bus, BUS_MMIO, addr, &v, sizeof(v)));
    return v;
}

static inline void rig_out(struct rig *r, uint64_t addr, uint32_t v)
{
    assert_true(bus_write(r->bus, BUS_MMIO, addr, &v, sizeof(v)));
}

#endif
