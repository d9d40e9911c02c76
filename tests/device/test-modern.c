// SPDX-License-Identifier: MIT
/*
 * The interface of virtio 1.x on PCI as a driver finds it: identity, capabilities, registers,
 * device configuration, and the window through configuration space. Groups C and P29..P32 of the
 * list of hostile inputs. Knows registers by the specification's offsets only.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/driver/common.h"
#include "tests/driver/echo.h"
#include "vmm/base/bits.h"

enum {
    COMMON = VIRTIO_PCI_CAP_COMMON,
    NOTIFY = VIRTIO_PCI_CAP_NOTIFY,
    ISR = VIRTIO_PCI_CAP_ISR,
    DEVICE = VIRTIO_PCI_CAP_DEVICE,
    WINDOW = VIRTIO_PCI_CAP_PCI,
    /* Registers of COMMON (4.1.4.3). */
    DEVICE_FEATURE_SELECT = 0x00,
    DEVICE_FEATURE = 0x04,
    DRIVER_FEATURE_SELECT = 0x08,
    DRIVER_FEATURE = 0x0c,
    CONFIG_VECTOR = 0x10,
    NUM_QUEUES = 0x12,
    STATUS = 0x14,
    GENERATION = 0x15,
    QUEUE_SELECT = 0x16,
    QUEUE_SIZE = 0x18,
    QUEUE_ENABLE = 0x1c,
    QUEUE_NOTIFY_OFF = 0x1e,
    QUEUE_DESC = 0x20,
    QUEUE_DEVICE = 0x30,
    COMMON_END = 0x40,
};

static uint64_t config(struct bench *b, unsigned off, unsigned len)
{
    return b->d.ops->config_read(&b->d, off, len);
}

static void identity(struct bench *b)
{
    struct gfunc *f = &b->d.func;

    assert_int_equal(gfunc_read(f, PCI_VENDOR_ID, 2), 0x1af4);
    assert_int_equal(gfunc_read(f, PCI_DEVICE_ID, 2), 0x1040 + ECHO_ID);
    assert_true(gfunc_read(f, PCI_REVISION, 1) >= 1);
    assert_true(gfunc_read(f, PCI_SUBSYS_ID, 2) >= 0x40);
    assert_int_equal(gfunc_read(f, PCI_REVISION, 4) >> 8, echo_type.class_code);
    assert_int_equal(gfunc_read(f, PCI_INT_PIN, 1), 1);
}

static void region_ok(struct bench *b, unsigned type, unsigned align, unsigned bytes)
{
    const struct dregion *r = &b->d.region[type];
    const uint64_t size = b->d.func.bar_size[r->bar];

    assert_true(r->cap && r->bar < PCI_BARS);
    assert_int_equal(r->off % align, 0);
    assert_true(r->len >= bytes);
    assert_true(range_ok(r->off, r->len, size));
}

static void capabilities(struct bench *b)
{
    struct gfunc *f = &b->d.func;
    const struct dregion *r = b->d.region;

    region_ok(b, COMMON, 4, COMMON_END);
    region_ok(b, NOTIFY, 4, (b->d.n_queues - 1) * b->d.notify_step + 4);
    region_ok(b, ISR, 1, 1);
    region_ok(b, DEVICE, 4, ECHO_C_SIZE);
    assert_true(r[WINDOW].cap);
    for (unsigned i = COMMON; i <= WINDOW; i++) {
        const unsigned longer = i == NOTIFY || i == WINDOW ? 20 : 16;

        assert_int_equal(gfunc_read(f, r[i].cap + 2, 1), longer);
        for (unsigned j = COMMON; j < i && i < WINDOW; j++) /* regions do not overlap */
            assert_true(r[i].bar != r[j].bar || r[i].off >= r[j].off + r[j].len ||
                        r[j].off >= r[i].off + r[i].len);
    }
    assert_true(is_pow2(b->d.notify_step));
    for (unsigned i = 0; i < b->d.n_queues; i++) {
        set(b, QUEUE_SELECT, 2, i);
        assert_int_equal(get(b, QUEUE_NOTIFY_OFF, 2), i); /* driver-modern.c relies on it */
    }
}

/* 4.1.4-d5: capability bytes of all but the window are read-only. */
static void P04_capabilities_are_constant(struct bench *b)
{
    struct gfunc *f = &b->d.func;

    for (unsigned i = COMMON; i < WINDOW; i++) {
        const unsigned at = b->d.region[i].cap;

        for (unsigned off = at; off < at + 16; off += 4) {
            const uint32_t before = gfunc_read(f, off, 4);

            gfunc_write(f, off, 4, ~before);
            gfunc_write(f, off + 1, 1, (uint8_t) ~(before >> 8));
            assert_int_equal(gfunc_read(f, off, 4), before);
        }
    }
    echo_works(b, 0, 100);
}

static void values_after_reset(struct bench *b)
{
    drv_reset(&b->d);
    assert_int_equal(get(b, CONFIG_VECTOR, 2), 0xffff);
    assert_int_equal(get(b, NUM_QUEUES, 2), ECHO_QUEUES);
    assert_int_equal(get(b, STATUS, 1), 0);
    set(b, DRIVER_FEATURE_SELECT, 4, 0);
    assert_int_equal(get(b, DRIVER_FEATURE, 4), 0);
    for (unsigned i = 0; i < ECHO_QUEUES; i++) {
        const bool own = b->combo->ask >> VIRTIO_F_NOTIF_CONFIG_DATA & 1;
        const unsigned config_data = own ? i : 0; /* 4.1.4.3-d3 */

        set(b, QUEUE_SELECT, 2, i);
        assert_int_equal(get(b, QUEUE_SIZE, 2), ECHO_MAX);
        assert_int_equal(get(b, 0x1a, 2), 0xffff);
        assert_int_equal(get(b, QUEUE_ENABLE, 2), 0);
        for (unsigned off = QUEUE_DESC; off < COMMON_END; off += 2)
            assert_int_equal(get(b, off, 2), off == 0x38 ? config_data : 0);
    }
}

static void C10_read_only(struct bench *b)
{
    static const struct {
        uint8_t off, len;
    } rows[] = {{DEVICE_FEATURE, 4}, {NUM_QUEUES, 2}, {GENERATION, 1}, {QUEUE_NOTIFY_OFF, 2},
                {0x38, 2},           {0x3c, 2},       {0x3e, 2}};

    set(b, QUEUE_SELECT, 2, 1);
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        const uint64_t before = get(b, rows[i].off, rows[i].len);

        set(b, rows[i].off, rows[i].len, ~before & ones_for(rows[i].len));
        assert_int_equal(get(b, rows[i].off, rows[i].len), before);
    }
    assert_false(drv_broken(&b->d));
}

static void C11_widths(struct bench *b)
{
    const uint64_t v = UINT64_C(0x0123456789abc000);

    drv_negotiate(&b->d, b->want);
    set(b, QUEUE_SELECT, 2, 0);
    set(b, QUEUE_DESC, 8, v);
    assert_int_equal(get(b, QUEUE_DESC, 4), v & 0xffffffff);
    assert_int_equal(get(b, QUEUE_DESC + 4, 4), v >> 32);
    assert_true(get(b, QUEUE_DESC, 8) == v);
    set(b, QUEUE_DESC + 4, 4, 0x55); /* halves are independent: 4.1.3.2-d1 */
    assert_int_equal(get(b, QUEUE_DESC, 4), v & 0xffffffff);
    set(b, QUEUE_DESC, 1, 0xff);
    set(b, QUEUE_DESC, 2, 0xffff);
    set(b, QUEUE_DESC + 2, 4, 0xffffffff);
    assert_int_equal(get(b, QUEUE_DESC, 4), v & 0xffffffff);
    set(b, DEVICE_FEATURE_SELECT, 4, 1);
    set(b, DEVICE_FEATURE_SELECT, 2, 0);
    set(b, DEVICE_FEATURE_SELECT, 1, 0);
    assert_int_equal(get(b, DEVICE_FEATURE_SELECT, 4), 1);
    set(b, QUEUE_SIZE, 1, 2);
    assert_int_equal(get(b, QUEUE_SIZE, 2), ECHO_MAX);
}

/* Any place, any width: nothing happens but what registers say; the BAR's holes read 0. */
static void C04_any_access(struct bench *b)
{
    const struct dregion *r = &b->d.region[COMMON];
    const uint64_t size = b->d.func.bar_size[r->bar];
    struct machine *m = b->m;

    for (uint64_t off = 0; off < size; off += 1)
        for (unsigned len = 1; len <= 8; len++) {
            const uint64_t at = b->d.func.bar[r->bar] + off;

            machine_read(m, BUS_MMIO, at, len);
            machine_write(m, BUS_MMIO, at, len, off * 0x9e3779b97f4a7c15);
        }
    for (unsigned off = 0; off < COMMON_END; off++) /* bytes make up what the whole is */
        assert_int_equal(get(b, off, 1), get(b, off & ~1u, 2) >> (8 * (off & 1)) & 0xff);
    machine_settle(m);
    bench_init(b);
    echo_works(b, 0, 100);
}

static void M02_past_the_end(struct bench *b)
{
    const struct dregion *r = &b->d.region[COMMON];
    const uint64_t end = b->d.func.bar[r->bar] + b->d.func.bar_size[r->bar];

    assert_true(machine_read(b->m, BUS_MMIO, end - 2, 4) == 0xffffffff);
    machine_write(b->m, BUS_MMIO, end - 2, 4, 0);
    echo_works(b, 0, 100);
}

static void C01_config_bounds(struct bench *b)
{
    for (unsigned off = ECHO_C_SIZE - 7; off < ECHO_C_SIZE + 64; off++)
        for (unsigned len = 1; len <= 8; len *= 2) {
            if (off + len <= ECHO_C_SIZE)
                continue;
            b->d.ops->config_write(&b->d, off, len, UINT64_MAX);
            assert_true(config(b, off, len) == 0);
        }
    assert_true(config(b, ECHO_C_LONG_RW, 8) == 0);
    assert_true(config(b, 0xff8, 8) == 0);
}

/* Reads of any width and alignment give the little-endian bytes (2.5-d1). */
static void C04_config_reads(struct bench *b)
{
    uint8_t bytes[ECHO_C_SIZE];

    b->d.ops->config_write(&b->d, ECHO_C_LONG_RW, 8, UINT64_C(0xfedcba9876543210));
    b->d.ops->config_write(&b->d, ECHO_C_WORD_RW, 4, 0xcafef00d);
    assert_true(config(b, ECHO_C_CAPACITY, 8) == ECHO_CAPACITY);
    assert_int_equal(config(b, ECHO_C_CAPACITY + 4, 4), ECHO_CAPACITY >> 32);
    assert_int_equal(config(b, ECHO_C_NUMBER, 4), ECHO_NUMBER);
    for (unsigned i = 0; i < ECHO_C_SIZE; i++)
        bytes[i] = (uint8_t)config(b, i, 1);
    assert_int_equal(le64_load(bytes + ECHO_C_LONG_RW), UINT64_C(0xfedcba9876543210));
    for (unsigned len = 1; len <= 8; len++)
        for (unsigned i = 0; i + len <= ECHO_C_SIZE; i++)
            assert_true(config(b, i, len) == order_load(ORDER_LITTLE, bytes + i, len));
}

static void C04_config_odd_writes(struct bench *b)
{
    struct drv *d = &b->d;

    d->ops->config_write(d, ECHO_C_WORD_RW, 4, 0x11111111);
    d->ops->config_write(d, ECHO_C_WORD_RW, 1, 0xff);
    d->ops->config_write(d, ECHO_C_WORD_RW, 2, 0xffff);
    d->ops->config_write(d, ECHO_C_WORD_RW + 1, 2, 0xffff);
    d->ops->config_write(d, ECHO_C_WORD_RW - 2, 4, 0xffffffff);
    assert_int_equal(config(b, ECHO_C_WORD_RW, 4), 0x11111111);
    d->ops->config_write(d, ECHO_C_LONG_RW + 4, 4, 0x77);
    assert_true(config(b, ECHO_C_LONG_RW, 8) == UINT64_C(0x7700000000));
    d->ops->config_write(d, ECHO_C_LONG_RW + 2, 4, 0xffffffff);
    assert_true(config(b, ECHO_C_LONG_RW, 8) == UINT64_C(0x7700000000));
}

static void C05_config_read_only(struct bench *b)
{
    for (unsigned off = 0; off < ECHO_C_BYTE_RW; off++)
        b->d.ops->config_write(&b->d, off, 1, 0xff);
    b->d.ops->config_write(&b->d, ECHO_C_CAPACITY, 8, 0);
    b->d.ops->config_write(&b->d, ECHO_C_CAPACITY, 4, 0);
    b->d.ops->config_write(&b->d, ECHO_C_NUMBER, 4, 0);
    b->d.ops->config_write(&b->d, ECHO_C_GATED, 4, 0);
    assert_true(config(b, ECHO_C_CAPACITY, 8) == ECHO_CAPACITY);
    assert_int_equal(config(b, ECHO_C_NUMBER, 4), ECHO_NUMBER);
    assert_int_not_equal(config(b, ECHO_C_GATED, 4), 0);
}

/* 2.5.2-d1, d2: before any negotiation, also what an offered feature brings. */
static void C07_config_before_features(struct bench *b)
{
    drv_reset(&b->d);
    assert_true(config(b, ECHO_C_CAPACITY, 8) == ECHO_CAPACITY);
    assert_int_not_equal(config(b, ECHO_C_GATED, 4), 0);
}

static void config_field_not_offered(struct bench *b)
{
    assert_int_equal(config(b, ECHO_C_GATED, 4), 0);
    assert_int_equal(config(b, ECHO_C_NUMBER, 4), ECHO_NUMBER);
}

static void C08_generation(struct bench *b)
{
    uint8_t before;

    for (unsigned i = 0; i < 300; i++) {
        before = b->d.ops->generation(&b->d);
        config(b, ECHO_C_CAPACITY, 4);
        echo_resize(b, i);
        config(b, ECHO_C_CAPACITY + 4, 4);
        assert_int_not_equal(before, b->d.ops->generation(&b->d));
    }
    before = b->d.ops->generation(&b->d);
    assert_int_equal(before, b->d.ops->generation(&b->d));
}

/* 4.1.4.3.1-d6: any number of changes between two reads must show, also the 256th. */
static void C08_generation_full_turn(struct bench *b)
{
    const uint8_t before = b->d.ops->generation(&b->d);

    config(b, ECHO_C_CAPACITY, 4);
    for (unsigned i = 0; i < 256; i++)
        echo_resize(b, i);
    assert_int_not_equal(before, b->d.ops->generation(&b->d));
}

/* ---- the window (4.1.4.9) ---- */

static void window_aim(struct bench *b, uint8_t bar, uint32_t off, uint32_t len)
{
    const unsigned cap = b->d.region[WINDOW].cap;

    gfunc_write(&b->d.func, cap + 4, 1, bar);
    gfunc_write(&b->d.func, cap + 8, 4, off);
    gfunc_write(&b->d.func, cap + 12, 4, len);
}

static uint32_t window_read(struct bench *b, unsigned type, uint32_t off, unsigned len)
{
    window_aim(b, b->d.region[type].bar, b->d.region[type].off + off, len);
    return gfunc_read(&b->d.func, b->d.region[WINDOW].cap + 16, len);
}

static void window_write(struct bench *b, unsigned type, uint32_t off, unsigned len, uint32_t v)
{
    window_aim(b, b->d.region[type].bar, b->d.region[type].off + off, len);
    gfunc_write(&b->d.func, b->d.region[WINDOW].cap + 16, len, v);
}

/* A driver that has nothing but the window: whole life of a queue. */
static void P32_all_through_window(struct bench *b)
{
    struct dq *q = &b->d.q[0];
    const uint64_t at = drv_alloc(&b->d, 64, 64);

    echo_works(b, 0, 100);
    window_write(b, COMMON, STATUS, 1, 0);
    assert_int_equal(window_read(b, COMMON, STATUS, 1), 0);
    window_write(b, COMMON, STATUS, 1, 3);
    window_write(b, COMMON, DRIVER_FEATURE_SELECT, 4, 1);
    window_write(b, COMMON, DRIVER_FEATURE, 4, 1);
    window_write(b, COMMON, STATUS, 1, 11);
    assert_int_equal(window_read(b, COMMON, STATUS, 1), 11);
    q->event_idx = false;
    q->ops->open(q);
    window_write(b, COMMON, QUEUE_SELECT, 2, 0);
    window_write(b, COMMON, QUEUE_SIZE, 2, q->size);
    for (unsigned i = 0; i < 3; i++) {
        const uint64_t area[] = {q->desc, q->driver, q->device};

        window_write(b, COMMON, QUEUE_DESC + 8 * i, 4, (uint32_t)area[i]);
        window_write(b, COMMON, QUEUE_DESC + 8 * i + 4, 4, (uint32_t)(area[i] >> 32));
    }
    window_write(b, COMMON, QUEUE_ENABLE, 2, 1);
    window_write(b, COMMON, STATUS, 1, 15);
    gfunc_msix_control(&b->d.func, false, false);
    split_desc(q, 0, at, 16, VIRTQ_DESC_NEXT, 1);
    split_desc(q, 1, at + 16, 16, VIRTQ_DESC_WRITE, 0);
    machine_settle(b->m);
    split_avail(q, 0);
    split_avail_show(q);
    window_write(b, NOTIFY, 0, 2, 0);
    machine_settle(b->m);
    assert_int_equal(split_used_idx(q), 1);
    assert_true(gfunc_intx_line(&b->d.func));
    assert_int_equal(window_read(b, ISR, 0, 1), VIRTIO_ISR_QUEUE); /* and clears it */
    assert_false(gfunc_intx_line(&b->d.func));
    assert_int_equal(b->d.ops->isr(&b->d), 0);
    assert_int_equal(window_read(b, DEVICE, ECHO_C_NUMBER, 4), ECHO_NUMBER);
}

/* Reads 0, writes nothing; what was aimed at keeps what it had. */
static void window_is_dead(struct bench *b, uint8_t bar, uint32_t off, uint32_t len)
{
    const unsigned data = b->d.region[WINDOW].cap + 16;
    const uint32_t select = (uint32_t)get(b, DEVICE_FEATURE_SELECT, 4);

    window_aim(b, bar, off, len);
    assert_int_equal(gfunc_read(&b->d.func, data, 4), 0);
    gfunc_write(&b->d.func, data, 4, 0xffffffff);
    gfunc_write(&b->d.func, data, 1, 0x33);
    gfunc_read(&b->d.func, data + 2, 2);
    assert_int_equal(get(b, DEVICE_FEATURE_SELECT, 4), select);
    assert_int_equal(drv_status(&b->d), 15);
}

static void P29_window_other_bar(struct bench *b)
{
    const uint8_t own = b->d.region[COMMON].bar;

    for (unsigned bar = 0; bar < 256; bar++)
        if (bar != own)
            window_is_dead(b, (uint8_t)bar, 0, 4);
    for (unsigned bit = 14; bit < 32; bit++)
        window_is_dead(b, own, BIT32(bit), 4);
    window_is_dead(b, own, 0xfffffffc, 4);
    window_is_dead(b, own, (uint32_t)b->d.func.bar_size[own] - 1, 4);
    echo_works(b, 0, 100);
}

static void P31_window_length(struct bench *b)
{
    static const uint32_t bad[] = {0, 3, 5, 8, 16, 0x10000, 0xffffffff, 0x80000004};

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
        window_is_dead(b, b->d.region[COMMON].bar, b->d.region[COMMON].off, bad[i]);
    window_is_dead(b, b->d.region[COMMON].bar, b->d.region[COMMON].off + 2, 4); /* misaligned */
    echo_works(b, 0, 100);
}

/* The window's own fields are ordinary memory of configuration space. */
static void window_fields(struct bench *b)
{
    const unsigned cap = b->d.region[WINDOW].cap;

    window_aim(b, 0xa5, 0x12345678, 0x9abcdef0);
    assert_int_equal(gfunc_read(&b->d.func, cap + 4, 1), 0xa5);
    assert_int_equal(gfunc_read(&b->d.func, cap + 8, 4), 0x12345678);
    assert_int_equal(gfunc_read(&b->d.func, cap + 12, 4), 0x9abcdef0);
    assert_int_equal(gfunc_read(&b->d.func, cap, 1), PCI_CAP_ID_VENDOR);
    gfunc_write(&b->d.func, cap, 4, 0);
    assert_int_equal(gfunc_read(&b->d.func, cap + 3, 1), WINDOW);
}

static const struct echo_conf not_gated = {.not_gated = true};

/* clang-format off */
#define ROW(fn) {#fn, fn, BENCH_MODERN, NULL}
#define ONCE(fn) {#fn, fn, BENCH_ONCE, NULL}
/* clang-format on */

int main(void)
{
    static const struct bench_test tests[] = {
        ONCE(identity),                     /* 4.1.2-d1, 4.1.2.1-d1..d6 */
        ROW(capabilities),                  /* 4.1.4-d1..d3, 4.1.4.3.1-d1, d2, 4.1.4.4-d1,
                                               4.1.4.4.1-d1..d6, 4.1.4.5.1-d1, 4.1.4.6-d1,
                                               4.1.4.6.1-d1, 4.1.4.9.1-d1, 4.1.5.1.1-d1 */
        ROW(P04_capabilities_are_constant), /* 4.1.4-d5 */
        ROW(values_after_reset),            /* 4.1.4.3.1-d7, d8, 4.1.4.3-d5, 4.1.5.1.2.1-d7 */
        ONCE(C01_config_bounds),
        ONCE(C04_any_access),
        ONCE(C04_config_reads), /* 2.5-d1, 4.1.3-d1, 4.1.3.2-d1 */
        ONCE(C04_config_odd_writes),
        ONCE(C05_config_read_only),
        ROW(C07_config_before_features), /* 2.5.2-d1, d2 */
        {"config_field_not_offered", config_field_not_offered, BENCH_ONCE, &not_gated},
        ROW(C08_generation),           /* 2.5-d2, 4.1.4.3.1-d6 */
        ROW(C08_generation_full_turn), /* 4.1.4.3.1-d6 */
        ROW(C10_read_only),            /* 4.1.4.3-d6 */
        ROW(C11_widths),               /* 4.1.3-d1, 4.1.3.2-d1 */
        ONCE(M02_past_the_end),
        ROW(P29_window_other_bar), /* 4.1.4.9.2-t2 */
        ROW(P31_window_length),    /* 4.1.4.9.2-t1 */
        {"P32_all_through_window", P32_all_through_window, BENCH_SPLIT | BENCH_MODERN, NULL},
        /* 4.1.4.9.1-d2, d3 */
        ROW(window_fields), /* 4.1.4.9-d1 */
    };

    return bench_run("modern", &echo_kind, tests, ARRAY_SIZE(tests));
}
