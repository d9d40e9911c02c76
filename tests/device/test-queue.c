// SPDX-License-Identifier: MIT
/*
 * Setting queues up, enabling, resetting them: group Q of the list of hostile inputs as far as the
 * modern interface's registers are concerned. What happens inside a ring is in test-ring.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/driver/common.h"
#include "tests/driver/echo.h"
#include "vmm/base/bits.h"

/* Registers (4.1.4.3). */
enum {
    SELECT = 0x16,
    SIZE = 0x18,
    VECTOR = 0x1a,
    ENABLE = 0x1c,
    NOTIFY_OFF = 0x1e,
    DESC = 0x20,
    DRIVER = 0x28,
    DEVICE = 0x30,
    RESET = 0x3a,
    BYTES = 100,
};

static void set64(struct bench *b, unsigned off, uint64_t v)
{
    set(b, off, 4, v & 0xffffffff);
    set(b, off + 4, 4, v >> 32);
}

/* Everything up to where queues are set up. */
static void negotiated(struct bench *b)
{
    assert_true(drv_negotiate(&b->d, b->want));
    gfunc_msix_control(&b->d.func, b->d.use_msix, false);
}

static void areas(struct bench *b, uint64_t desc, uint64_t driver, uint64_t device)
{
    set64(b, DESC, desc);
    set64(b, DRIVER, driver);
    set64(b, DEVICE, device);
}

static void recovers(struct bench *b)
{
    b->d.queue_size = 128;
    bench_init(b);
    for (unsigned i = 0; i < b->d.n_queues; i++)
        echo_works(b, i, BYTES);
}

static void Q05_Q07_bad_size(struct bench *b)
{
    static const uint16_t bad[] = {0, 257, 512, 0x8000, 0xffff};

    negotiated(b);
    set(b, SELECT, 2, 0);
    assert_int_equal(get(b, SIZE, 2), ECHO_MAX);
    set(b, SIZE, 2, 64);
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        set(b, SIZE, 2, bad[i]);
        assert_int_equal(get(b, SIZE, 2), 64);
    }
    recovers(b);
}

/* For split rings only, and known only once it is settled which one it is (2.7-d2, 2.8-d2). */
static void Q05_not_a_power_of_two(struct bench *b)
{
    static const uint16_t odd[] = {3, 100, 127, 129, 255};
    const bool packed = bench_has(b, VIRTIO_F_RING_PACKED);

    drv_reset(&b->d);
    for (unsigned agreed = 0; agreed < 2; agreed++) {
        if (agreed)
            negotiated(b);
        set(b, SELECT, 2, 0);
        for (unsigned i = 0; i < ARRAY_SIZE(odd); i++) {
            set(b, SIZE, 2, 64);
            set(b, SIZE, 2, odd[i]);
            assert_int_equal(get(b, SIZE, 2), agreed && packed ? odd[i] : 64);
        }
    }
    recovers(b);
}

static void Q08_every_size(struct bench *b)
{
    b->d.frame = FRAME_WHOLE;
    for (unsigned size = 2; size <= ECHO_MAX; size *= 2) {
        b->d.queue_size = (uint16_t)size;
        bench_init(b);
        assert_int_equal(get(b, SIZE, 2), size);
        for (unsigned i = 0; i < 3 * size; i++)
            echo_works(b, i % b->d.n_queues, 1 + i);
    }
}

/* A ring of one has room for chains of one piece: here, in a table or without anything to write. */
static void Q08_size_one(struct bench *b)
{
    uint8_t out[] = {1, 2, 3};

    b->d.queue_size = 1;
    b->d.frame = FRAME_WHOLE;
    bench_init(b);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(dq_xfer(&b->d.q[0], out, sizeof(out), NULL, 0), 0);
}

static void Q10_changed_after_enable(struct bench *b)
{
    const struct dq *q = &b->d.q[0];
    const uint64_t other = drv_alloc(&b->d, 65536, 4096);

    set(b, SELECT, 2, 0);
    areas(b, other, other, other);
    set(b, SIZE, 2, 2);
    assert_int_equal(get(b, DESC, 4), q->desc);
    assert_int_equal(get(b, DRIVER, 4), q->driver);
    assert_int_equal(get(b, DEVICE, 4), q->device);
    assert_int_equal(get(b, SIZE, 2), q->size);
    echo_works(b, 0, BYTES);
}

static void Q11_never_written(struct bench *b)
{
    negotiated(b);
    for (unsigned i = 0; i < b->d.n_queues; i++) {
        set(b, SELECT, 2, i);
        set(b, ENABLE, 2, 1);
    }
    drv_go(&b->d);
    for (unsigned i = 0; i < b->d.n_queues; i++)
        b->d.ops->kick(&b->d, i);
    machine_settle(b->m);
    recovers(b);
}

static void Q13_alignment(struct bench *b)
{
    const uint64_t base = drv_alloc(&b->d, 65536, 4096);
    const bool packed = bench_has(b, VIRTIO_F_RING_PACKED);
    const struct {
        unsigned desc, driver, device;
        bool good;
    } rows[] = {
        {1, 0, 0, false}, {8, 0, 0, false}, {15, 0, 0, false}, {0, 1, 0, false},
        {0, 0, 1, false}, {0, 0, 2, false}, {0, 0, 3, false},  {16, 2, 4, !packed},
        {0, 3, 0, false}, {16, 4, 4, true}, {16, 4, 8, true},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        negotiated(b);
        set(b, SELECT, 2, 0);
        areas(b, base + rows[i].desc, base + 0x4000 + rows[i].driver,
              base + 0x8000 + rows[i].device);
        set(b, ENABLE, 2, 1);
        assert_int_equal(get(b, ENABLE, 2), rows[i].good);
        drv_go(&b->d);
        b->d.ops->kick(&b->d, 0);
        machine_settle(b->m);
    }
    recovers(b);
}

/* All areas at one place, and all queues there. Whatever comes of it, it ends with the reset. */
static void Q14_areas_overlap(struct bench *b)
{
    const uint64_t base = drv_alloc(&b->d, 65536, 4096);

    for (unsigned fill = 0; fill < 0x100; fill++) {
        negotiated(b);
        memset(drv_mem(&b->d, base, 65536), (int)fill, 65536);
        for (unsigned i = 0; i < b->d.n_queues; i++) {
            set(b, SELECT, 2, i);
            areas(b, base, base + 4 * i, base);
            set(b, ENABLE, 2, 1);
        }
        drv_go(&b->d);
        for (unsigned i = 0; i < b->d.n_queues; i++)
            b->d.ops->kick(&b->d, i);
        machine_settle(b->m);
    }
    recovers(b);
}

static void Q16_Q17_bad_enable(struct bench *b)
{
    static const uint16_t bad[] = {0, 2, 3, 0x100, 0xffff};

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        set(b, SELECT, 2, 0);
        set(b, ENABLE, 2, bad[i]);
        assert_int_equal(get(b, ENABLE, 2), 1);
        echo_works(b, 0, BYTES);
    }
    negotiated(b);
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        set(b, SELECT, 2, 0);
        areas(b, b->d.q[0].desc, b->d.q[0].driver, b->d.q[0].device);
        set(b, ENABLE, 2, bad[i]);
        assert_int_equal(get(b, ENABLE, 2), 0);
    }
    recovers(b);
}

static void no_queue_here(struct bench *b, uint16_t select)
{
    set(b, SELECT, 2, select);
    assert_int_equal(get(b, SELECT, 2), select);
    for (unsigned off = SIZE; off < 0x40; off += 2)
        set(b, off, 2, 1);
    set64(b, DESC, 0x12345000);
    for (unsigned off = SIZE; off < 0x40; off += 2)
        assert_int_equal(get(b, off, 2), off == VECTOR ? VIRTIO_NO_VECTOR : 0);
}

static void Q19_select_outside(struct bench *b)
{
    const uint16_t bad[] = {(uint16_t)b->d.n_queues, 0x100, 0x8000, 0xffff};

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
        no_queue_here(b, bad[i]);
    for (unsigned i = 0; i < b->d.n_queues; i++) {
        set(b, SELECT, 2, i);
        assert_int_equal(get(b, SIZE, 2), b->d.q[i].size);
        assert_int_equal(get(b, ENABLE, 2), 1);
        echo_works(b, i, BYTES);
    }
    negotiated(b);
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
        no_queue_here(b, bad[i]);
    recovers(b);
}

/* Everywhere in the BAR's notification area, at any width, with any value. */
static void Q20_notify_outside(struct bench *b)
{
    static const unsigned widths[] = {1, 2, 4, 8};
    static const uint32_t values[] = {0, 3, 0x8000, 0xffff, 0xffffffff};

    for (unsigned off = 0; off < 0x1000; off += 1)
        for (unsigned i = 0; i < ARRAY_SIZE(widths); i++)
            modern_write(&b->d, VIRTIO_PCI_CAP_NOTIFY, off, widths[i],
                         values[off % ARRAY_SIZE(values)]);
    machine_settle(b->m);
    assert_false(drv_broken(&b->d));
    for (unsigned i = 0; i < b->d.n_queues; i++)
        echo_works(b, i, BYTES);
}

static void Q23_spurious(struct bench *b)
{
    const uint64_t served = echo_served(b);

    for (unsigned i = 0; i < 20000; i++)
        b->d.ops->kick(&b->d, i % b->d.n_queues);
    machine_settle(b->m);
    assert_int_equal(echo_served(b), served);
    assert_int_equal(machine_settle(b->m), 0); /* at rest */
    echo_works(b, 0, BYTES);
}

static void Q25_no_queue(struct bench *b)
{
    negotiated(b);
    drv_go(&b->d);
    for (unsigned i = 0; i < b->d.n_queues; i++)
        b->d.ops->kick(&b->d, i);
    machine_settle(b->m);
    assert_false(drv_broken(&b->d));
    recovers(b);
}

static void Q26_one_queue(struct bench *b)
{
    negotiated(b);
    drv_queue(&b->d, 1, 0);
    drv_go(&b->d);
    b->d.ops->kick(&b->d, 0);
    b->d.ops->kick(&b->d, 2);
    echo_works(b, 1, BYTES);
    for (unsigned i = 0; i < b->d.n_queues; i++) {
        set(b, SELECT, 2, i);
        assert_int_equal(get(b, ENABLE, 2), i == 1);
    }
    recovers(b);
}

/* Whether the areas that end with RAM are good depends on the two bytes of the event index. */
static void Q29_ring_at_end_of_ram(struct bench *b)
{
    const uint64_t desc = b->d.q[0].desc;
    const unsigned size = 128, avail = 4 + 2 * size, used = 4 + 8 * size;
    const bool event = bench_has(b, VIRTIO_F_EVENT_IDX);
    const struct {
        uint64_t driver, device;
        bool good;
    } rows[] = {
        {b->d.q[0].driver, RAM_HOLE - used - 4, true},
        {b->d.q[0].driver, RAM_HOLE - used, !event},
        {b->d.q[0].driver, RAM_HOLE - used + 4, false},
        {RAM_END - avail - 2, b->d.q[0].device, true},
        {RAM_END - avail, b->d.q[0].device, !event},
        {RAM_END - avail + 2, b->d.q[0].device, false},
        {UINT64_MAX - 1, b->d.q[0].device, false},
        {b->d.q[0].driver, UINT64_MAX - 3, false},
        {b->d.q[0].driver, RAM_HOLE, false},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        negotiated(b);
        set(b, SELECT, 2, 0);
        set(b, SIZE, 2, size);
        areas(b, desc, rows[i].driver, rows[i].device);
        set(b, ENABLE, 2, 1);
        assert_int_equal(get(b, ENABLE, 2), rows[i].good);
    }
    recovers(b);
}

static void Q31_reset_not_negotiated(struct bench *b)
{
    b->want &= ~BIT64(VIRTIO_F_RING_RESET);
    bench_init(b);
    set(b, SELECT, 2, 0);
    set(b, RESET, 2, 1);
    assert_int_equal(get(b, RESET, 2), 0);
    assert_int_equal(get(b, ENABLE, 2), 1);
    echo_works(b, 0, BYTES);
}

static bool queue_is_reset(void *arg)
{
    struct bench *b = (struct bench *)arg;

    return get(b, RESET, 2) == 0;
}

/* Queue 0 is reset with requests in flight; queue 1 does not notice. */
static void Q32_reset_in_flight(struct bench *b)
{
    struct dq *q = &b->d.q[0];
    struct dirq irq;
    struct used u;

    echo_set_hold(b, ECHO_HOLD_IO);
    echo_ask(b, 0, BYTES);
    echo_ask(b, 0, BYTES);
    echo_ask(b, 1, BYTES);
    echo_wait_held(b, 3);
    set(b, SELECT, 2, 0);
    set(b, RESET, 2, 1);
    assert_int_equal(get(b, RESET, 2), 1);
    set(b, RESET, 2, 1);
    set(b, ENABLE, 2, 1);
    irq = dq_arm(q);
    echo_release(b, 1);
    assert_int_equal(get(b, RESET, 2), 1);
    echo_release(b, 1);
    assert_true(machine_until(b->m, queue_is_reset, b, WAIT_MS));
    assert_int_equal(get(b, ENABLE, 2), 0);
    assert_int_equal(get(b, SIZE, 2), ECHO_MAX);
    assert_false(q->ops->used_any(q));     /* 2.6.1.1.1-d1 */
    assert_false(dq_interrupted(q, &irq)); /* -d2 */
    b->d.ops->kick(&b->d, 0);
    machine_settle(b->m);
    echo_release(b, 1);
    assert_true(dq_wait(&b->d.q[1], &u, WAIT_MS));
    echo_set_hold(b, ECHO_AT_ONCE);
    echo_works(b, 1, BYTES);
    drv_queue(&b->d, 0, 32); /* with another size at another place */
    assert_int_equal(get(b, RESET, 2), 0);
    for (unsigned i = 0; i < 100; i++)
        echo_works(b, 0, 10);
}

/* Those that the device can give up at once. */
static void Q32_reset_cancels(struct bench *b)
{
    echo_set_hold(b, ECHO_HOLD);
    echo_ask(b, 0, BYTES);
    echo_ask(b, 1, BYTES);
    echo_wait_held(b, 2);
    set(b, SELECT, 2, 0);
    set(b, RESET, 2, 1);
    assert_int_equal(get(b, RESET, 2), 0);
    assert_int_equal(get(b, ENABLE, 2), 0);
    assert_int_equal(echo_held(b), 1);
    echo_set_hold(b, ECHO_AT_ONCE);
    drv_queue(&b->d, 0, 0);
    echo_works(b, 0, BYTES);
    recovers(b);
}

static void Q22_notify_after_queue_reset(struct bench *b)
{
    uint64_t kicks;

    machine_settle(b->m);
    kicks = echo_kicks(b);
    set(b, SELECT, 2, 0);
    set(b, RESET, 2, 1);
    for (unsigned i = 0; i < 100; i++)
        b->d.ops->kick(&b->d, 0);
    machine_settle(b->m);
    assert_int_equal(echo_kicks(b), kicks);
    set(b, RESET, 2, 1);
    assert_int_equal(get(b, RESET, 2), 0);
    drv_queue(&b->d, 0, 0);
    echo_works(b, 0, BYTES);
}

/* A device reset in the middle of a queue reset: one end for both. */
static void Q32_device_reset_on_top(struct bench *b)
{
    echo_set_hold(b, ECHO_HOLD_IO);
    echo_ask(b, 0, BYTES);
    echo_wait_held(b, 1);
    set(b, SELECT, 2, 0);
    set(b, RESET, 2, 1);
    b->d.ops->status_set(&b->d, 0);
    assert_int_not_equal(drv_status(&b->d), 0);
    echo_release(b, 1);
    drv_reset(&b->d);
    assert_int_equal(get(b, RESET, 2), 0); /* 4.1.4.3.1-d9 */
    echo_set_hold(b, ECHO_AT_ONCE);
    recovers(b);
}

/* clang-format off */
#define ROW(fn) {#fn, fn, BENCH_MODERN, NULL}
#define SPLIT(fn) {#fn, fn, BENCH_SPLIT | BENCH_MODERN, NULL}
#define EVERY(fn) {#fn, fn, 0, NULL}
/* clang-format on */

int main(void)
{
    static const struct bench_test tests[] = {
        ROW(Q05_Q07_bad_size),       /* 4.1.4.3-d5 */
        ROW(Q05_not_a_power_of_two), /* 2.7-d2, 2.8-d2, 4.1.4.3.1-d15 */
        ROW(Q08_every_size),         /* 2.7-d2 */
        {"Q08_size_one", Q08_size_one, BENCH_ONCE, NULL},
        ROW(Q10_changed_after_enable),
        ROW(Q11_never_written),
        ROW(Q13_alignment), /* 2.7-d1 */
        ROW(Q14_areas_overlap),
        ROW(Q16_Q17_bad_enable), /* 4.1.4.3.1-d8 */
        ROW(Q19_select_outside), /* 4.1.4.3.1-d14, 2.6-d1 */
        ROW(Q20_notify_outside),
        ROW(Q22_notify_after_queue_reset), /* 4.1.4.3.1-d11, d13 */
        EVERY(Q23_spurious),               /* 2.7.10.2-d5 */
        EVERY(Q25_no_queue),
        ROW(Q26_one_queue),
        SPLIT(Q29_ring_at_end_of_ram), /* 2.7-d1 */
        ROW(Q31_reset_not_negotiated), /* 4.1.4.3-d3 */
        ROW(Q32_reset_in_flight),      /* 2.6.1.1.1-d1, d2, 2.6.1.2.1-d1, 4.1.4.3.1-d10, d12 */
        ROW(Q32_reset_cancels),        /* 4.1.4.3.1-d13 */
        ROW(Q32_device_reset_on_top),  /* 4.1.4.3.1-d9 */
    };

    return bench_run("queue", &echo_kind, tests, ARRAY_SIZE(tests));
}
