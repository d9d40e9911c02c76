// SPDX-License-Identifier: MIT
/* The block device through the interface of virtio 0.9: old names, the cache mode, framing. */
#include <pthread.h>
#include <time.h>

#include "tests/device/blk-bench.h"

enum { STATUS = 0x12, ACCEPT = 0x04, WRITEBACK = 32, ANY_LAYOUT = 27 };
enum { BEGUN = VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER, LIVE = BEGUN | VIRTIO_S_DRIVER_OK };

static uint64_t writeback(struct bench *b)
{
    return b->d.ops->config_read(&b->d, WRITEBACK, 1);
}

/* 5.2.6.3-l4 */
static void flush_out_is_flush(struct bench *b)
{
    const unsigned before = disk_steps(b, BLK_FLUSH);

    assert_int_equal(ask_status_of(b, T_FLUSH_OUT, 0, 0, 0), S_OK);
    assert_int_equal(ask_status_of(b, T_FLUSH_OUT, UINT64_MAX, 512, 0), S_OK);
    assert_int_equal(disk_steps(b, BLK_FLUSH), before + 2);
    assert_int_equal(ask_status_of(b, T_FLUSH_OUT | 0x80000000, 0, 0, 0), S_UNSUPP); /* -l5 */
    disk_reads(b, 3, 1024);
}

/* Reset, cache mode, features, one after the other; the mode holds (5.2.5.3-l1..l3). */
static void mode_holds(struct bench *b, uint8_t mode, uint32_t features)
{
    drv_reset(&b->d);
    b->d.ops->config_write(&b->d, WRITEBACK, 1, mode);
    assert_int_equal(writeback(b), mode);
    legacy_write(&b->d, STATUS, 1, VIRTIO_S_ACKNOWLEDGE);
    legacy_write(&b->d, STATUS, 1, BEGUN);
    assert_int_equal(writeback(b), mode);
    legacy_write(&b->d, ACCEPT, 4, features);
    assert_int_equal(writeback(b), mode);
    b->d.features = features;
    gfunc_msix_control(&b->d.func, b->d.use_msix, false);
    drv_queue(&b->d, 0, 0);
    assert_int_equal(writeback(b), mode);
    legacy_write(&b->d, STATUS, 1, LIVE);
}

static unsigned syncs_for_write(struct bench *b)
{
    const unsigned before = disk_steps(b, BLK_FLUSH);

    assert_int_equal(ask_status_of(b, T_OUT, 3, 512, 0), S_OK);
    return disk_steps(b, BLK_FLUSH) - before;
}

static void cache_mode(struct bench *b)
{
    static const uint32_t chooses[] = {BIT32(F_CONFIG_WCE), BIT32(F_CONFIG_WCE) | BIT32(F_FLUSH)};

    for (unsigned i = 0; i < ARRAY_SIZE(chooses); i++)
        for (uint8_t mode = 0; mode < 2; mode++) {
            mode_holds(b, mode, chooses[i]);
            assert_int_equal(writeback(b), mode);
            assert_int_equal(syncs_for_write(b), !mode || i == 0); /* it cannot flush */
            b->d.ops->config_write(&b->d, WRITEBACK, 1, !mode);    /* 5.2.6.2-d13 */
            assert_int_equal(syncs_for_write(b), mode || i == 0);
        }
}

/* DRIVER_OK of a driver that cannot choose it: now it follows from FLUSH (5.2.6.2-d12). */
static void cache_mode_without_choice(struct bench *b)
{
    for (uint8_t mode = 0; mode < 2; mode++) {
        mode_holds(b, mode, 0);
        assert_int_equal(syncs_for_write(b), 1);
        mode_holds(b, mode, BIT32(F_FLUSH));
        assert_int_equal(ask_status_of(b, T_FLUSH, 0, 0, 0), S_OK);
        assert_int_equal(syncs_for_write(b), 0);
    }
}

/* L11, 5.2.6.4-l1: header, data and status in a descriptor each, of a driver that knows no other
 * way; the device does not count on it. */
static void L11_historic_framing(struct bench *b)
{
    static struct chain c;
    struct ask_blk a = {.type = T_IN, .sector = 9, .in_len = 1024};

    b->want &= ~BIT64(ANY_LAYOUT);
    bench_init(b);
    for (unsigned split = 0; split < 3; split++) {
        const uint64_t mark = drv_mark(&b->d);
        const uint32_t first = split == 1 ? 8 : HEADER;

        ask_make(b, &a, NULL);
        c.n = 0;
        chain_out(&c, a.out, first);
        if (first < HEADER)
            chain_out(&c, a.out + first, HEADER - first);
        chain_in(&c, a.in, split == 2 ? 1 : a.in_len);
        if (split == 2)
            chain_in(&c, a.in + 1, a.in_len - 1);
        chain_in(&c, a.in + a.in_len, 1);
        dq_add_kick(&b->d.q[0], &c, &a);
        assert_int_equal(ask_ended(b, &a), S_OK);
        for (unsigned i = 0; i < a.in_len; i++)
            assert_int_equal(ask_data(b, &a)[i], image_byte(9 * 512 + i));
        drv_rewind(&b->d, mark);
    }
}

/* L05 */
static void use_before_driver_ok(struct bench *b)
{
    assert_true(drv_negotiate(&b->d, b->want));
    gfunc_msix_control(&b->d.func, b->d.use_msix, false);
    drv_queue(&b->d, 0, 0);
    disk_reads(b, 0, 4096);
    drv_go(&b->d);
    disk_reads(b, 1, 4096);
}

static void *release_soon(void *arg)
{
    const struct timespec nap = {.tv_nsec = 20000000};

    nanosleep(&nap, NULL);
    disk_release((struct bench *)arg);
    return NULL;
}

/* The driver's buffers are its own as soon as the write is through. */
static void T04_status_0_waits(struct bench *b)
{
    struct ask_blk a = {.type = T_IN, .sector = 2, .in_len = 4096};
    pthread_t thread;

    disk_hold(b);
    ask_make(b, &a, NULL);
    ask_kick(b, &a);
    assert_true(machine_until(b->m, disk_held, b, WAIT_MS));
    assert_int_equal(pthread_create(&thread, NULL, release_soon, b), 0);
    legacy_write(&b->d, STATUS, 1, 0);
    assert_false(disk_held(b));
    assert_int_equal(legacy_read(&b->d, STATUS, 1), 0);
    assert_false(b->d.q[0].ops->used_any(&b->d.q[0]));
    pthread_join(thread, NULL);
    bench_init(b);
    disk_reads(b, 2, 4096);
}

/* clang-format off */
#define ROW(fn) {#fn, fn, BENCH_LEGACY, NULL}
/* clang-format on */

int main(void)
{
    static const struct bench_test tests[] = {
        ROW(flush_out_is_flush), /* 5.2.6.3-l4, l5 */
        ROW(cache_mode),         /* 5.2.5.3-l1..l3, 3.1.2-l2 */
        ROW(cache_mode_without_choice),
        ROW(L11_historic_framing), /* 5.2.6.4-l1, 2.7.4.3-l1, 5.2.6.3-l1 */
        ROW(use_before_driver_ok), /* 3.1.2-l3 */
        {"T04_status_0_waits", T04_status_0_waits, BENCH_LEGACY | BENCH_THREADS, NULL},
    };

    return bench_run("blk-legacy", &disk_kind, tests, ARRAY_SIZE(tests));
}
