// SPDX-License-Identifier: MIT
/* DISCARD and WRITE_ZEROES: what they do, what is refused, and what the host may not have. */
#include <errno.h>
#include <sys/stat.h>

#include "tests/device/blk-bench.h"

enum { UNMAP = 1, RANGES = 16, RANGE_MAX = 1 << 21 };

struct range {
    uint64_t sector;
    uint32_t n, flags;
};

static uint8_t ranges_run(struct bench *b, uint32_t type, unsigned n, const struct range *range)
{
    const uint64_t mark = drv_mark(&b->d);
    struct ask_blk a = {.type = type, .out_len = n * 16};
    uint8_t data[64 * 16], status;

    for (unsigned i = 0; i < n; i++) {
        order_store(b->d.order, data + i * 16, 8, range[i].sector);
        order_store(b->d.order, data + i * 16 + 8, 4, range[i].n);
        order_store(b->d.order, data + i * 16 + 12, 4, range[i].flags);
    }
    status = ask_run(b, &a, data);
    assert_int_equal(a.used, 1);
    drv_rewind(&b->d, mark);
    return status;
}

static uint8_t range_run(struct bench *b, uint32_t type, uint64_t sector, uint32_t n,
                         uint32_t flags)
{
    const struct range r = {sector, n, flags};

    return ranges_run(b, type, 1, &r);
}

/* Through the device; not more at once than any framing has descriptors for. */
static void reads_zero(struct bench *b, uint64_t sector, uint32_t len)
{
    while (len) {
        const uint64_t mark = drv_mark(&b->d);
        struct ask_blk a = {.type = T_IN, .sector = sector, .in_len = (uint32_t)min_u64(len, 8192)};

        assert_int_equal(ask_run(b, &a, NULL), S_OK);
        for (uint32_t i = 0; i < a.in_len; i++)
            assert_int_equal(ask_data(b, &a)[i], 0);
        drv_rewind(&b->d, mark);
        sector += a.in_len / 512;
        len -= a.in_len;
    }
}

static uint64_t disk_blocks(void)
{
    struct stat st;

    assert_int_equal(stat(disk.path, &st), 0);
    return (uint64_t)st.st_blocks;
}

/* 5.2.6.2-d9: zeros, exactly there, whether space is freed or not. */
static void zeroes(struct bench *b)
{
    const struct range many[] = {{64, 8, 0}, {80, 1, UNMAP}, {90, 0, 0}, {100, 33, 0}};

    assert_int_equal(range_run(b, T_WRITE_ZEROES, 8, 16, 0), S_OK);
    assert_int_equal(range_run(b, T_WRITE_ZEROES, 33, 6, UNMAP), S_OK);
    assert_int_equal(ranges_run(b, T_WRITE_ZEROES, ARRAY_SIZE(many), many), S_OK);
    reads_zero(b, 8, 16 * 512);
    reads_zero(b, 33, 6 * 512);
    reads_zero(b, 64, 8 * 512);
    reads_zero(b, 80, 512);
    reads_zero(b, 100, 33 * 512);
    disk_reads(b, 0, 8 * 512);
    disk_reads(b, 24, 9 * 512);
    disk_reads(b, 39, 512);
    disk_reads(b, 72, 8 * 512);
    disk_reads(b, 81, 19 * 512);
    disk_reads(b, 133, 512);
}

static void zeroes_image(struct bench *b)
{
    zeroes(b);
    disk_intact(0, 8 * 512);
    disk_intact(24 * 512, 33 * 512);
    disk_intact(133 * 512, DISK);
}

static void zeroes_snapshot(struct bench *b)
{
    zeroes(b);
    assert_int_equal(range_run(b, T_DISCARD, 200, 64, 0), S_OK);
    assert_int_equal(range_run(b, T_WRITE_ZEROES, 0, SECTORS, UNMAP), S_OK);
    reads_zero(b, 0, DISK / 2);
    reads_zero(b, SECTORS / 2, DISK / 2);
    disk_intact(0, DISK);
}

/* 5.2.6.2-d7, d8: the space comes back; without unmap, or with discard=off, it does not. */
static void space_is_freed(struct bench *b)
{
    const uint64_t before = disk_blocks();

    assert_int_equal(range_run(b, T_WRITE_ZEROES, 0, 512, 0), S_OK);
    assert_int_equal(disk_blocks(), before);
    assert_int_equal(range_run(b, T_WRITE_ZEROES, 0, 512, UNMAP), S_OK);
    assert_true(disk_blocks() <= before - 512);
    assert_int_equal(range_run(b, T_DISCARD, 512, 512, 0), S_OK);
    assert_true(disk_blocks() <= before - 1024);
    disk_reads(b, 1024, 4096);
    disk_intact(1024 * 512, DISK);
}

static uint64_t config(struct bench *b, unsigned off, unsigned len)
{
    return b->d.ops->config_read(&b->d, off, len);
}

static void no_discard(struct bench *b)
{
    const uint64_t before = disk_blocks();

    assert_false(b->d.ops->offered(&b->d) & BIT64(F_DISCARD));
    assert_int_equal(config(b, 36, 4) | config(b, 40, 4) | config(b, 44, 4), 0);
    assert_int_equal(config(b, 56, 1), 0); /* 5.2.6.2-d10 */
    bench_init(b);
    assert_int_equal(range_run(b, T_DISCARD, 0, 512, 0), S_UNSUPP);
    assert_int_equal(range_run(b, T_WRITE_ZEROES, 0, 512, UNMAP), S_OK);
    reads_zero(b, 0, 512 * 512);
    assert_int_equal(disk_blocks(), before);
}

static void limits(struct bench *b)
{
    assert_int_equal(config(b, 36, 4), RANGE_MAX);
    assert_int_equal(config(b, 40, 4), RANGES);
    assert_true(config(b, 44, 4) >= 1 && config(b, 44, 4) <= 8);
    assert_int_equal(config(b, 48, 4), RANGE_MAX);
    assert_int_equal(config(b, 52, 4), RANGES);
    assert_int_equal(config(b, 56, 1), 1);
}

static unsigned changes(struct bench *b)
{
    return disk_steps(b, BLK_DISCARD) + disk_steps(b, BLK_ZERO) + disk_steps(b, BLK_WRITE);
}

static const uint32_t both[] = {T_DISCARD, T_WRITE_ZEROES};

static void B19_no_whole_ranges(struct bench *b)
{
    static const uint32_t lens[] = {0, 1, 15, 17, 31, (RANGES + 1) * 16, 8192};

    for (unsigned t = 0; t < 2; t++) {
        for (unsigned i = 0; i < ARRAY_SIZE(lens); i++)
            assert_int_equal(ask_status_of(b, both[t], 0, lens[i], 0), S_IOERR);
        assert_int_equal(ask_status_of(b, both[t], 0, 16, 512), S_IOERR); /* as B17 */
    }
    assert_int_equal(changes(b), 0);
    disk_intact(0, DISK);
}

static void B20_out_of_range(struct bench *b)
{
    static const struct range bad[] = {
        {SECTORS, 1, 0},          {SECTORS - 1, 2, 0},      {UINT64_MAX, 1, 0},
        {UINT64_MAX / 512, 8, 0}, {UINT64_MAX - 7, 8, 0},   {0, SECTORS + 1, 0},
        {0, UINT32_MAX, 0},       {SECTORS, 0xfffffff0, 0}, {UINT64_C(1) << 55, 1, 0},
    };

    for (unsigned t = 0; t < 2; t++)
        for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
            assert_int_equal(ranges_run(b, both[t], 1, &bad[i]), S_IOERR);
    assert_int_equal(changes(b), 0);
    disk_intact(0, DISK);
}

/* More than may be asked for at once, of a disk that has it. */
static void B20_too_many_sectors(struct bench *b)
{
    for (unsigned t = 0; t < 2; t++) {
        assert_int_equal(range_run(b, both[t], 0, RANGE_MAX + 1, 0), S_IOERR);
        assert_int_equal(range_run(b, both[t], SECTORS, RANGE_MAX, 0), S_OK);
    }
    disk_intact(0, DISK);
}

static void B22_not_negotiated(struct bench *b)
{
    b->want &= ~(BIT64(F_DISCARD) | BIT64(F_WRITE_ZEROES));
    bench_init(b);
    for (unsigned t = 0; t < 2; t++)
        assert_int_equal(range_run(b, both[t], 0, 8, 0), S_UNSUPP);
    assert_int_equal(changes(b), 0);
    disk_intact(0, DISK);
}

/* Nothing is touched before all of them have been found good. */
static void B23_second_range_bad(struct bench *b)
{
    const struct range off[] = {{0, 8, 0}, {SECTORS, 1, 0}};
    const struct range flags[] = {{0, 8, 0}, {8, 8, 2}};
    const struct range first[] = {{SECTORS, 8, 0}, {8, 8, 2}};

    for (unsigned t = 0; t < 2; t++) {
        assert_int_equal(ranges_run(b, both[t], 2, off), S_IOERR);
        assert_int_equal(ranges_run(b, both[t], 2, flags), S_UNSUPP);
        assert_int_equal(ranges_run(b, both[t], 2, first), S_UNSUPP);
    }
    assert_int_equal(changes(b), 0);
    disk_intact(0, DISK);
}

/* 5.2.6.2-d5, d6 */
static void flags(struct bench *b)
{
    static const uint32_t bad[] = {2, 3, 0x80000000, UINT32_MAX};

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
        for (unsigned t = 0; t < 2; t++)
            assert_int_equal(range_run(b, both[t], 0, 8, bad[i]), S_UNSUPP);
    assert_int_equal(range_run(b, T_DISCARD, 0, 8, UNMAP), S_UNSUPP);
    assert_int_equal(changes(b), 0);
    disk_intact(0, DISK);
}

/* 5.2.6.2-d4 */
static void read_only(struct bench *b)
{
    assert_false(b->d.ops->offered(&b->d) & (BIT64(F_DISCARD) | BIT64(F_WRITE_ZEROES)));
    bench_init(b);
    for (unsigned t = 0; t < 2; t++)
        assert_int_equal(range_run(b, both[t], 0, 8, 0), S_UNSUPP);
    disk_intact(0, DISK);
}

/* A host without holes and without anything: zeros are written; a discard is nothing. */
static void host_has_nothing(struct bench *b)
{
    const int64_t first[] = {-EOPNOTSUPP, -EOPNOTSUPP};
    const int64_t second[] = {-EOPNOTSUPP};

    disk_script(b, 2, first);
    assert_int_equal(range_run(b, T_WRITE_ZEROES, 8, 1000, UNMAP), S_OK);
    assert_int_equal(disk_steps(b, BLK_ZERO), 2);
    assert_true(disk_steps(b, BLK_WRITE) >= 2);
    reads_zero(b, 8, 1000 * 512);
    disk_reads(b, 0, 8 * 512);
    disk_reads(b, 1008, 8 * 512);
    disk_script(b, 1, second);
    assert_int_equal(range_run(b, T_DISCARD, 1100, 8, 0), S_OK);
    assert_int_equal(range_run(b, T_DISCARD, 1100, 8, 0), S_OK);
    assert_int_equal(disk_steps(b, BLK_DISCARD), 1); /* asked once only */
    disk_reads(b, 1100, 4096);
    assert_int_equal(range_run(b, T_WRITE_ZEROES, 1100, 8, 0), S_OK);
    assert_int_equal(disk_steps(b, BLK_ZERO), 0);
    reads_zero(b, 1100, 4096);
}

/* An error that says nothing about what the host can do is an error; the rest is not tried. */
static void host_fails(struct bench *b)
{
    const struct range two[] = {{0, 8, 0}, {8, 8, 0}};
    const int64_t fails[] = {-EIO};

    for (unsigned t = 0; t < 2; t++) {
        disk_script(b, 1, fails);
        assert_int_equal(ranges_run(b, both[t], 2, two), S_IOERR);
        assert_int_equal(changes(b), 1);
    }
    disk_intact(0, DISK);
    disk_script(b, 0, fails);
    assert_int_equal(ranges_run(b, T_WRITE_ZEROES, 2, two), S_OK);
    reads_zero(b, 0, 16 * 512);
}

/* B29, 5.2.6.2-d12: zeros are written data */
static void stable_zeroes(struct bench *b)
{
    b->want &= ~(BIT64(F_FLUSH) | BIT64(F_CONFIG_WCE));
    bench_init(b);
    assert_int_equal(range_run(b, T_WRITE_ZEROES, 0, 8, 0), S_OK);
    assert_int_equal(disk_steps(b, BLK_FLUSH), 1);
    assert_int_equal(range_run(b, T_DISCARD, 0, 8, 0), S_OK);
    assert_int_equal(disk_steps(b, BLK_FLUSH), 1);
}

/* T04: a reset does not wait for gigabytes of zeros to be written. */
static void T04_reset_ends_long_requests(struct bench *b)
{
    const int64_t nothing[] = {-EOPNOTSUPP, -EOPNOTSUPP};
    struct ask_blk a = {.type = T_WRITE_ZEROES, .out_len = 16};
    uint8_t data[16] = {0};

    disk_script(b, 2, nothing);
    assert_int_equal(range_run(b, T_WRITE_ZEROES, 0, 8, UNMAP), S_OK);
    order_store(b->d.order, data + 8, 4, SECTORS);
    disk_hold(b);
    ask_make(b, &a, data);
    ask_kick(b, &a);
    assert_true(machine_until(b->m, disk_held, b, WAIT_MS));
    b->d.ops->status_set(&b->d, 0);
    machine_settle(b->m);
    disk_release(b);
    while (drv_status(&b->d))
        machine_settle(b->m);
    assert_true(disk_steps(b, BLK_WRITE) <= 2);
    bench_init(b);
    reads_zero(b, 0, 4096);
    disk_reads(b, SECTORS - 8, 4096);
    assert_int_equal(range_run(b, T_WRITE_ZEROES, 0, SECTORS, 0), S_OK);
    reads_zero(b, SECTORS - 8, 4096);
}

static const struct disk_case by_uring = {.open.engine = &blk_uring};
static const struct disk_case by_threads = {.open.engine = &blk_pool};
static const struct disk_case ro = {.open.read_only = true};
static const struct disk_case keep = {.open.no_discard = true, .open.engine = &blk_uring};
static const struct disk_case snap = {.open.snapshot = true, .open.engine = &blk_uring};
static const struct disk_case snap_threads = {.open.snapshot = true, .open.engine = &blk_pool};
static const struct disk_case large = {.open.engine = &blk_uring, .size = UINT64_C(5) << 30};

int main(void)
{
    static const struct bench_test tests[] = {
        {"zeroes/script", zeroes_image, 0, NULL},
        {"zeroes/io_uring", zeroes_image, 0, &by_uring},
        {"zeroes/threads", zeroes_image, 0, &by_threads},
        {"zeroes/loop-thread", zeroes_image, BENCH_THREADS, &by_uring},
        {"zeroes_snapshot/io_uring", zeroes_snapshot, 0, &snap},
        {"zeroes_snapshot/threads", zeroes_snapshot, 0, &snap_threads},
        {"space_is_freed/io_uring", space_is_freed, 0, &by_uring},
        {"space_is_freed/threads", space_is_freed, 0, &by_threads},
        {"no_discard", no_discard, BENCH_RAW, &keep},
        {"limits", limits, 0, NULL},
        {"B19_no_whole_ranges", B19_no_whole_ranges, 0, NULL},
        {"B20_out_of_range", B20_out_of_range, 0, NULL},
        {"B20_too_many_sectors", B20_too_many_sectors, 0, &large},
        {"B22_not_negotiated", B22_not_negotiated, BENCH_RAW, NULL},
        {"B23_second_range_bad", B23_second_range_bad, 0, NULL},
        {"flags", flags, 0, NULL},
        {"read_only", read_only, BENCH_RAW, &ro},
        {"host_has_nothing", host_has_nothing, 0, NULL},
        {"host_fails", host_fails, 0, NULL},
        {"stable_zeroes", stable_zeroes, BENCH_RAW, NULL},
        {"T04_reset_ends_long_requests", T04_reset_ends_long_requests, BENCH_MODERN, NULL},
    };

    return bench_run("blk-range", &disk_kind, tests, ARRAY_SIZE(tests));
}
