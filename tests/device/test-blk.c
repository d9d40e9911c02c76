// SPDX-License-Identifier: MIT
/* The block device as drivers use it: I/O, configuration, durability, errors of the host. */
#include <errno.h>

#include "tests/device/blk-bench.h"

static void io_there_and_back(struct bench *b, uint64_t sector, uint32_t len)
{
    const uint64_t mark = drv_mark(&b->d);
    struct ask_blk w = {.type = T_OUT, .sector = sector, .out_len = len};
    struct ask_blk r = {.type = T_IN, .sector = sector, .in_len = len};
    uint8_t *data = (uint8_t *)malloc(len);

    for (uint32_t i = 0; i < len; i++)
        data[i] = (uint8_t)(i * 31 + sector);
    assert_int_equal(ask_run(b, &w, data), S_OK);
    assert_int_equal(w.used, 1);
    assert_int_equal(ask_run(b, &r, NULL), S_OK);
    assert_int_equal(r.used, len + 1);
    assert_memory_equal(ask_data(b, &r), data, len);
    free(data);
    drv_rewind(&b->d, mark);
}

static void io(struct bench *b)
{
    disk_reads(b, 0, 512);
    disk_reads(b, 7, 4096);
    io_there_and_back(b, 8, 512);
    io_there_and_back(b, 100, 8192);
    assert_int_equal(ask_status_of(b, T_FLUSH, 0, 0, 0), S_OK);
    disk_intact(0, 8 * 512);
    disk_intact(9 * 512, 100 * 512);
}

/* Many at once come back, each with its own data. */
static void io_many(struct bench *b)
{
    enum { N = 40 };
    static struct ask_blk ask[N];
    unsigned left = N;

    for (unsigned i = 0; i < N; i++) {
        ask[i] = (struct ask_blk){.type = T_IN, .sector = i * 17, .in_len = 512};
        ask_make(b, &ask[i], NULL);
    }
    for (unsigned i = 0; i < N;) {
        struct chain c = {0};
        struct used u;

        chain_out(&c, ask[i].out, HEADER);
        chain_in(&c, ask[i].in, 513);
        if (dq_add(&b->d.q[0], &c, &ask[i]) >= 0) {
            i++;
            continue;
        }
        dq_kick(&b->d.q[0]);
        assert_true(dq_wait(&b->d.q[0], &u, WAIT_MS));
        left--;
    }
    dq_kick(&b->d.q[0]);
    for (struct used u; left; left--)
        assert_true(dq_wait(&b->d.q[0], &u, WAIT_MS));
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(ask_status(b, &ask[i]), S_OK);
        for (unsigned k = 0; k < 512; k++)
            assert_int_equal(ask_data(b, &ask[i])[k], image_byte(ask[i].sector * 512 + k));
    }
}

static void get_id(struct bench *b)
{
    struct ask_blk a = {.type = T_GET_ID, .in_len = 20};
    const struct disk_case *c = (const struct disk_case *)b->arg;
    char expect[20] = {0};

    memcpy(expect, c->serial, strlen(c->serial));
    assert_int_equal(ask_run(b, &a, NULL), S_OK);
    assert_int_equal(a.used, 21);
    assert_memory_equal(ask_data(b, &a), expect, 20);
}

/* ---- configuration ---- */

static uint64_t config(struct bench *b, unsigned off, unsigned len)
{
    return b->d.ops->config_read(&b->d, off, len);
}

static void config_fields(struct bench *b)
{
    assert_int_equal(config(b, 0, 8), SECTORS);
    assert_int_equal(config(b, 12, 4), 254);
    assert_int_equal(config(b, 20, 4), 512);
    assert_int_equal(config(b, 32, 1), 1);
    assert_int_equal(config(b, 33, 1), 0);
    for (unsigned off = 57; off < 60; off++)
        assert_int_equal(config(b, off, 1), 0);
    assert_int_equal(b->d.q[0].max, 256);
    b->d.ops->config_write(&b->d, 0, 4, 1); /* C05 */
    b->d.ops->config_write(&b->d, 20, 4, 4096);
    b->d.ops->config_write(&b->d, 32, 1, 2);
    assert_int_equal(config(b, 0, 8), SECTORS);
    assert_int_equal(config(b, 20, 4), 512);
    assert_int_equal(config(b, 32, 1), 1);
}

static void features(struct bench *b)
{
    const uint64_t offered = b->d.ops->offered(&b->d);
    const uint64_t expect = BIT64(F_SEG_MAX) | BIT64(F_BLK_SIZE) | BIT64(F_FLUSH) |
                            BIT64(F_TOPOLOGY) | BIT64(F_CONFIG_WCE) | BIT64(F_DISCARD) |
                            BIT64(F_WRITE_ZEROES);

    assert_int_equal(offered & 0xffffff, expect);
}

/* ---- durability ---- */

static void start_with(struct bench *b, uint64_t without)
{
    b->want &= ~without;
    bench_init(b);
}

/* How often the host synced for one write. */
static unsigned syncs_for_write(struct bench *b)
{
    unsigned before = disk_steps(b, BLK_FLUSH);

    assert_int_equal(ask_status_of(b, T_OUT, 3, 512, 0), S_OK);
    return disk_steps(b, BLK_FLUSH) - before;
}

static void B29_no_flush_is_write_through(struct bench *b)
{
    start_with(b, BIT64(F_FLUSH) | BIT64(F_CONFIG_WCE));
    assert_int_equal(syncs_for_write(b), 1);
    assert_int_equal(syncs_for_write(b), 1);
}

/* 5.2.6.2-d14, H04 */
static void H04_flush_syncs(struct bench *b)
{
    start_with(b, BIT64(F_CONFIG_WCE));
    assert_int_equal(syncs_for_write(b), 0);
    assert_int_equal(ask_status_of(b, T_FLUSH, 0, 0, 0), S_OK);
    assert_int_equal(disk_steps(b, BLK_FLUSH), 1);
}

/* 5.2.6.2-d13 */
static void writeback_is_a_switch(struct bench *b)
{
    assert_int_equal(syncs_for_write(b), 0);
    b->d.ops->config_write(&b->d, 32, 1, 0);
    assert_int_equal(config(b, 32, 1), 0);
    assert_int_equal(syncs_for_write(b), 1);
    b->d.ops->config_write(&b->d, 32, 1, 1);
    assert_int_equal(syncs_for_write(b), 0);
    b->d.ops->config_write(&b->d, 32, 1, 0);
    bench_init(b);
    assert_int_equal(config(b, 32, 1), 1);
    assert_int_equal(syncs_for_write(b), 0);
}

/* 5.2.5.2-d3, F05 */
static void F05_config_wce_without_flush(struct bench *b)
{
    start_with(b, BIT64(F_FLUSH));
    assert_int_equal(config(b, 32, 1), 0);
    assert_int_equal(syncs_for_write(b), 1);
}

static void writeback_needs_the_feature(struct bench *b)
{
    start_with(b, BIT64(F_CONFIG_WCE));
    b->d.ops->config_write(&b->d, 32, 1, 0);
    assert_int_equal(config(b, 32, 1), 1);
    assert_int_equal(syncs_for_write(b), 0);
}

static void F07_no_features_at_all(struct bench *b)
{
    start_with(b, ~UINT64_C(0));
    disk_reads(b, 5, 1024);
    assert_int_equal(syncs_for_write(b), 1);
}

/* ---- hosts that fail ---- */

static void H02_host_error_is_ioerr(struct bench *b)
{
    const int64_t fails[] = {-EIO, -ENOSPC};
    struct ask_blk r = {.type = T_IN, .sector = 1, .in_len = 512};

    disk_script(b, 2, fails);
    assert_int_equal(ask_run(b, &r, NULL), S_IOERR);
    assert_int_equal(r.used, 0); /* the data may not have been written: no prefix */
    assert_int_equal(ask_status_of(b, T_OUT, 1, 512, 0), S_IOERR);
    disk_reads(b, 1, 512);
}

static void count_held(void *arg)
{
    ++*(unsigned *)arg;
}

/* A write without room: the guest hears nothing of it until it has been done. */
static void hold_one(struct bench *b, struct ask_blk *a, unsigned *times)
{
    const int64_t fails[] = {512, -ENOSPC};
    uint8_t data[2048];

    *times = 0;
    memset(data, 0x6b, sizeof(data));
    blk_on_held(disk.be, count_held, times);
    disk_script(b, 2, fails);
    *a = (struct ask_blk){.type = T_OUT, .sector = 4, .out_len = sizeof(data)};
    ask_make(b, a, data);
    ask_kick(b, a);
    for (unsigned i = 0; i < 8; i++)
        machine_settle(b->m);
    assert_int_equal(*times, 1);
    assert_int_equal(blk_held(disk.be, NULL), 1);
    assert_int_equal(ask_status(b, a), POISON);
    assert_false(b->d.q[0].ops->used_any(&b->d.q[0]));
}

static void H01_held_until_there_is_room(struct bench *b)
{
    uint8_t back[2048];
    struct ask_blk a;
    unsigned times;

    hold_one(b, &a, &times);
    loop_lock(b->loop);
    blk_retry(disk.be);
    loop_unlock(b->loop);
    assert_int_equal(ask_ended(b, &a), S_OK);
    image_peek(&disk, 4 * 512, back, sizeof(back));
    for (unsigned i = 0; i < sizeof(back); i++)
        assert_int_equal(back[i], 0x6b);
    assert_int_equal(times, 1);
    disk_reads(b, 8, 512);
}

/* A reset waits for no host. */
static void H01_held_and_reset(struct bench *b)
{
    struct ask_blk a;
    unsigned times;

    hold_one(b, &a, &times);
    bench_init(b);
    assert_int_equal(blk_held(disk.be, NULL), 0);
    disk_reads(b, 8, 512);
}

static void queue_stop(struct bench *b)
{
    enum { SELECT = 0x16, RESET = 0x3a, OLD_SELECT = 0x0e, OLD_PFN = 0x08 };

    if (b->d.ops == &driver_legacy) {
        legacy_write(&b->d, OLD_SELECT, 2, 0);
        legacy_write(&b->d, OLD_PFN, 4, 0);
    } else {
        modern_write(&b->d, VIRTIO_PCI_CAP_COMMON, SELECT, 2, 0);
        modern_write(&b->d, VIRTIO_PCI_CAP_COMMON, RESET, 2, 1);
        machine_settle(b->m);
        assert_int_equal(modern_read(&b->d, VIRTIO_PCI_CAP_COMMON, RESET, 2), 0);
    }
}

/* Nor does the end of one queue; what it held was never acknowledged, and is not written any more.
 */
static void H01_held_and_queue_stopped(struct bench *b)
{
    const uint64_t start = clock_ns();
    struct ask_blk a;
    unsigned times;

    hold_one(b, &a, &times);
    queue_stop(b);
    assert_int_equal(blk_held(disk.be, NULL), 0);
    assert_true(clock_ns() - start <
                UINT64_C(15000000000)); /* half of what legacy drivers may wait */
    loop_lock(b->loop);
    blk_retry(disk.be);
    loop_unlock(b->loop);
    machine_settle(b->m);
    disk_intact(5 * 512, 9 * 512);
    drv_queue(&b->d, 0, 0);
    disk_reads(b, 8, 512);
}

static void I3_flush_fails_for_good(struct bench *b)
{
    const int64_t fails[] = {-EIO};

    disk_script(b, 1, fails);
    assert_int_equal(ask_status_of(b, T_FLUSH, 0, 0, 0), S_IOERR);
    assert_int_equal(ask_status_of(b, T_FLUSH, 0, 0, 0), S_IOERR);
    bench_init(b); /* a reset is no new image */
    assert_int_equal(ask_status_of(b, T_FLUSH, 0, 0, 0), S_IOERR);
    disk_reads(b, 1, 512);
}

static void H05_image_shrinks(struct bench *b)
{
    assert_int_equal(truncate(disk.path, DISK / 2), 0);
    assert_int_equal(ask_status_of(b, T_IN, SECTORS - 1, 0, 512), S_IOERR);
    disk_reads(b, 0, 512);
}

/* ---- read-only and snapshot ---- */

/* 5.2.6.2-d3, d4: also for a driver that did not accept RO. */
static void read_only(struct bench *b)
{
    assert_true(b->d.ops->offered(&b->d) & BIT64(F_RO));
    assert_true(b->d.ops->offered(&b->d) & BIT64(F_FLUSH)); /* 5.2.5.2-d1 */
    for (unsigned i = 0; i < 2; i++) {
        start_with(b, i ? BIT64(F_RO) : 0);
        assert_int_equal(ask_status_of(b, T_OUT, 0, 512, 0), S_IOERR);
        assert_int_equal(ask_status_of(b, T_FLUSH, 0, 0, 0), S_OK);
        disk_reads(b, 0, 1024);
    }
    disk_intact(0, DISK);
}

static void snapshot(struct bench *b)
{
    assert_false(b->d.ops->offered(&b->d) & BIT64(F_RO));
    assert_true(b->d.ops->offered(&b->d) & BIT64(F_FLUSH));
    io_there_and_back(b, 8, 512);
    io_there_and_back(b, 100, 8192);
    assert_int_equal(ask_status_of(b, T_FLUSH, 0, 0, 0), S_OK);
    disk_reads(b, 9, 512);
    disk_intact(0, DISK);
}

/* ---- reset ---- */

static void T04_reset_with_io_in_flight(struct bench *b)
{
    struct ask_blk a = {.type = T_IN, .sector = 2, .in_len = 4096};
    struct dq *q = &b->d.q[0];

    disk_hold(b);
    ask_make(b, &a, NULL);
    ask_kick(b, &a);
    assert_true(machine_until(b->m, disk_held, b, WAIT_MS));
    b->d.ops->status_set(&b->d, 0);
    machine_settle(b->m);
    assert_true(drv_status(&b->d) != 0);
    assert_int_equal(ask_status(b, &a), POISON);
    disk_release(b);
    while (drv_status(&b->d))
        machine_settle(b->m);
    assert_false(q->ops->used_any(q));
    bench_init(b);
    disk_reads(b, 2, 4096);
}

static const struct disk_case serial3 = {.serial = "abc"};
static const struct disk_case serial20 = {.serial = "01234567890123456789"};
static const struct disk_case by_uring = {.open.engine = &blk_uring};
static const struct disk_case by_threads = {.open.engine = &blk_pool};
static const struct disk_case enospc = {.open.werror = BLK_WERROR_ENOSPC};
static const struct disk_case ro = {.open.read_only = true};
static const struct disk_case snap = {.open.snapshot = true, .open.engine = &blk_uring};

int main(void)
{
    static const struct bench_test tests[] = {
        {"io/script", io, 0, NULL},
        {"io/io_uring", io, 0, &by_uring},
        {"io/threads", io, 0, &by_threads},
        {"io_many/io_uring", io_many, 0, &by_uring},
        {"io_many/threads", io_many, 0, &by_threads},
        {"io_many/loop-thread", io_many, BENCH_THREADS, &by_uring},
        {"get_id/short", get_id, 0, &serial3},
        {"get_id/full", get_id, 0, &serial20},
        {"config_fields", config_fields, 0, NULL},
        {"features", features, BENCH_RAW, NULL},
        {"B29_no_flush_is_write_through", B29_no_flush_is_write_through, BENCH_RAW, NULL},
        {"H04_flush_syncs", H04_flush_syncs, BENCH_RAW, NULL},
        {"writeback_is_a_switch", writeback_is_a_switch, BENCH_MODERN, NULL},
        {"F05_config_wce_without_flush", F05_config_wce_without_flush, BENCH_RAW | BENCH_MODERN,
         NULL},
        {"writeback_needs_the_feature", writeback_needs_the_feature, BENCH_RAW | BENCH_MODERN,
         NULL},
        {"F07_no_features_at_all", F07_no_features_at_all, BENCH_RAW, NULL},
        {"H02_host_error_is_ioerr", H02_host_error_is_ioerr, 0, NULL},
        {"H01_held_until_there_is_room", H01_held_until_there_is_room, 0, &enospc},
        {"H01_held_and_reset", H01_held_and_reset, BENCH_THREADS, &enospc},
        {"H01_held_and_queue_stopped", H01_held_and_queue_stopped, BENCH_THREADS, &enospc},
        {"I3_flush_fails_for_good", I3_flush_fails_for_good, 0, NULL},
        {"H05_image_shrinks", H05_image_shrinks, 0, &by_uring},
        {"read_only", read_only, BENCH_RAW, &ro},
        {"snapshot", snapshot, 0, &snap},
        {"T04_reset_with_io_in_flight", T04_reset_with_io_in_flight, BENCH_MODERN, NULL},
    };

    return bench_run("blk", &disk_kind, tests, ARRAY_SIZE(tests));
}
