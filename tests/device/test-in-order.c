// SPDX-License-Identifier: MIT
/*
 * IN_ORDER (2.7.9, 2.8.8, 6.2-d5): requests come back in the order in which they were made
 * available, whatever ends first, on both rings; and one used entry for many where that is true.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/driver/echo.h"
#include "vmm/base/bits.h"

enum { BYTES = 40, N = 6, SELECT = 0x16, RESET = 0x3a };

static uint64_t buffers;

/* out bytes there, in back: the device writes the smaller of the two. */
static int request(struct bench *b, uint32_t out, uint32_t in)
{
    static struct chain c;

    c.n = 0;
    chain_out(&c, buffers, out);
    chain_in(&c, buffers + BYTES, in);
    return dq_add(&b->d.q[0], &c, NULL);
}

static void held(struct bench *b, unsigned n, int *id)
{
    buffers = drv_alloc(&b->d, 2 * BYTES, 64);
    echo_set_hold(b, ECHO_HOLD_IO);
    for (unsigned i = 0; i < n; i++)
        id[i] = request(b, BYTES, BYTES);
    dq_kick(&b->d.q[0]);
    echo_wait_held(b, n);
}

static void comes(struct bench *b, int id, uint32_t len)
{
    struct used u;

    assert_true(dq_poll(&b->d.q[0], &u));
    assert_int_equal(u.id, id);
    assert_int_equal(u.len, len);
}

static bool nothing(struct bench *b)
{
    return !b->d.q[0].ops->used_any(&b->d.q[0]);
}

static void works(struct bench *b)
{
    echo_set_hold(b, ECHO_AT_ONCE);
    for (unsigned i = 0; i < b->d.n_queues; i++)
        echo_works(b, i, 100);
}

static void later_ones_wait(struct bench *b)
{
    struct dirq irq;
    int id[N];

    held(b, N, id);
    irq = dq_arm(&b->d.q[0]);
    for (unsigned i = 0; i < N - 1; i++)
        echo_release_last(b);
    machine_settle(b->m);
    assert_true(nothing(b)); /* nor is anybody told */
    assert_false(dq_interrupted(&b->d.q[0], &irq));
    echo_release(b, 1);
    assert_true(dq_interrupted(&b->d.q[0], &irq));
    for (unsigned i = 0; i < N; i++)
        comes(b, id[i], BYTES);
    assert_true(nothing(b));
    works(b);
}

static void a_hole_in_the_middle(struct bench *b)
{
    int id[3];

    held(b, 3, id);
    echo_release_last(b);
    echo_release(b, 1);
    comes(b, id[0], BYTES);
    assert_true(nothing(b));
    echo_release(b, 1);
    comes(b, id[1], BYTES);
    comes(b, id[2], BYTES);
    works(b);
}

/* How many used entries did the device write for the first n requests? By what is in the ring. */
static unsigned entries_written(struct bench *b, unsigned n)
{
    struct dq *q = &b->d.q[0];
    unsigned count = 0;
    uint16_t flags;

    if (q->ops == &ring_split) {
        for (unsigned i = 0; i < n; i++)
            count += split_used_entry(q, (uint16_t)i).len != 0;
        return count;
    }
    for (unsigned i = 0; i < q->size; i++) {
        packed_entry(q, i, &flags);
        count += (flags & (PVIRTQ_AVAIL | PVIRTQ_USED)) == packed_used(true);
    }
    return count;
}

/* 2.7.9-d1, 2.8.8-d1 */
static void one_entry_for_a_batch(struct bench *b)
{
    struct vq_stats stats;
    int id[N];

    held(b, N, id);
    stats = bench_stats(b, 0);
    echo_release_batch(b, N);
    assert_int_equal(bench_stats(b, 0).interrupts, stats.interrupts + 1);
    assert_int_equal(entries_written(b, N), 1);
    for (unsigned i = 0; i < N; i++)
        comes(b, id[i], BYTES);
    assert_true(nothing(b));
    works(b);
}

/* 2.7.9-d2: the length of those that are not written completely must be told. */
static void short_ones_speak_for_themselves(struct bench *b)
{
    static const struct {
        uint32_t out, in;
    } rows[] = {{40, 40}, {40, 40}, {10, 40}, {40, 10}, {40, 40}, {1, 40}, {30, 31}, {40, 40}};
    struct dq *q = &b->d.q[0];
    int id[ARRAY_SIZE(rows)];

    buffers = drv_alloc(&b->d, 2 * BYTES, 64);
    for (unsigned round = 0; round < 60; round++) {
        for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
            id[i] = request(b, rows[i].out, rows[i].in);
        dq_kick(q);
        machine_settle(b->m);
        if (!round)
            assert_int_equal(entries_written(b, ARRAY_SIZE(rows)), 4);
        for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
            comes(b, id[i], (uint32_t)min_u64(rows[i].out, rows[i].in));
    }
    works(b);
}

/* Ended while the function may not reach memory (P19). */
static void P19_ends_while_off(struct bench *b)
{
    int id[3];

    held(b, 3, id);
    gfunc_command(&b->d.func, 0, PCI_CMD_MASTER);
    echo_release_last(b);
    echo_release(b, 1);
    assert_true(nothing(b));
    gfunc_command(&b->d.func, PCI_CMD_MASTER, 0);
    comes(b, id[0], BYTES);
    assert_true(nothing(b));
    gfunc_command(&b->d.func, 0, PCI_CMD_MASTER);
    echo_release(b, 1);
    assert_true(nothing(b));
    gfunc_command(&b->d.func, PCI_CMD_MASTER, 0);
    comes(b, id[1], BYTES);
    comes(b, id[2], BYTES);
    works(b);
}

/* Resets while some have ended and wait for others: all of it goes, at the last one's end. */
static void T04_reset_with_some_waiting(struct bench *b)
{
    int id[3];

    held(b, 3, id);
    echo_release_last(b);
    b->d.ops->status_set(&b->d, 0);
    assert_int_not_equal(drv_status(&b->d), 0);
    echo_release(b, 2);
    drv_reset(&b->d);
    assert_true(nothing(b));
    bench_init(b);
    works(b);
}

static bool queue_is_reset(void *arg)
{
    return modern_read(&((struct bench *)arg)->d, VIRTIO_PCI_CAP_COMMON, RESET, 2) == 0;
}

static void Q32_queue_reset_with_some_waiting(struct bench *b)
{
    struct drv *d = &b->d;
    int id[3];

    held(b, 3, id);
    echo_release_last(b);
    modern_write(d, VIRTIO_PCI_CAP_COMMON, SELECT, 2, 0);
    modern_write(d, VIRTIO_PCI_CAP_COMMON, RESET, 2, 1);
    assert_false(queue_is_reset(b));
    echo_release(b, 2);
    assert_true(machine_until(b->m, queue_is_reset, b, WAIT_MS));
    assert_true(nothing(b));
    drv_queue(d, 0, 0);
    works(b);
    echo_set_hold(b, ECHO_HOLD); /* and those that stop() gives up */
    request(b, 1, 1);
    request(b, 1, 1);
    dq_kick(&d->q[0]);
    echo_wait_held(b, 2);
    echo_release_last(b);
    modern_write(d, VIRTIO_PCI_CAP_COMMON, SELECT, 2, 0);
    modern_write(d, VIRTIO_PCI_CAP_COMMON, RESET, 2, 1);
    assert_true(queue_is_reset(b));
    drv_queue(d, 0, 0);
    works(b);
}

/* The register that replaces the index in doorbells, and the feature that goes with it. */
static void notif_config_data(struct bench *b)
{
    for (unsigned i = 0; i < b->d.n_queues; i++) {
        modern_write(&b->d, VIRTIO_PCI_CAP_COMMON, SELECT, 2, i);
        assert_int_equal(modern_read(&b->d, VIRTIO_PCI_CAP_COMMON, 0x38, 2), b->d.q[i].notify);
    }
    b->want &= ~(BIT64(VIRTIO_F_NOTIFICATION_DATA) | BIT64(VIRTIO_F_NOTIF_CONFIG_DATA));
    bench_init(b);
    works(b);
    b->want &= ~BIT64(VIRTIO_F_IN_ORDER); /* offered, not accepted: as ever */
    bench_init(b);
    works(b);
}

/* clang-format off */
#define ROW(fn) {#fn, fn, BENCH_IN_ORDER, NULL}
/* clang-format on */

int main(void)
{
    static const struct bench_test tests[] = {
        ROW(later_ones_wait), /* 6.2-d5 */
        ROW(a_hole_in_the_middle),
        ROW(one_entry_for_a_batch),
        ROW(short_ones_speak_for_themselves),
        ROW(P19_ends_while_off),
        ROW(T04_reset_with_some_waiting), /* 2.4.1-d1 */
        ROW(Q32_queue_reset_with_some_waiting),
        ROW(notif_config_data), /* 2.9-d1, 4.1.4.3-d3 */
    };

    return bench_run("in-order", &echo_kind, tests, ARRAY_SIZE(tests));
}
