// SPDX-License-Identifier: MIT
/* Lint over a disk: its configuration and its requests. Each test breaks one clause only. */
#include "tests/device/blk-bench.h"
#include "tests/device/lint-bench.h"

enum { RAW = BENCH_LINT | BENCH_RAW, C_WRITEBACK = 32, C_NUM_QUEUES_FIELD = 34 };
enum { RANGES_MAX = 16, RANGE = 16 };

static void well_behaved(struct bench *b)
{
    static uint8_t data[4096];
    struct ask_blk a = {.type = T_OUT, .sector = 8, .out_len = sizeof(data)};
    struct ask_blk range = {.type = T_WRITE_ZEROES, .out_len = RANGE};
    uint8_t first[RANGE];

    order_store(b->d.order, first, 8, 4);
    order_store(b->d.order, first + 8, 4, 8);
    order_store(b->d.order, first + 12, 4, 0);
    disk_reads(b, 0, 512);
    disk_reads(b, SECTORS - 8, 4096);
    assert_int_equal(ask_run(b, &a, data), S_OK);
    assert_int_equal(ask_status_of(b, T_FLUSH, 0, 0, 0), S_OK);
    assert_int_equal(ask_status_of(b, T_GET_ID, 0, 0, 20), S_OK);
    if (bench_has(b, F_WRITE_ZEROES))
        assert_int_equal(ask_run(b, &range, first), S_OK);
    b->d.ops->config_read(&b->d, C_WRITEBACK, 1);
    lint_clean(b);
}

/* Read, as there is only one queue and MQ is not offered. */
static void config_gate(struct bench *b)
{
    b->d.ops->config_read(&b->d, C_NUM_QUEUES_FIELD, 2);
    lint_only(b, LINT_CONFIG_GATE);
}

static void writeback_early(struct bench *b)
{
    drv_reset(&b->d);
    status(b, S_ACK);
    status(b, S_DRIVER);
    b->d.ops->config_read(&b->d, C_WRITEBACK, 1);
    lint_only(b, LINT_WRITEBACK_EARLY);
}

static void frame(struct bench *b)
{
    struct chain c = {0};

    chain_out(&c, drv_alloc(&b->d, 8, 8), 8);
    dq_add_kick(&b->d.q[0], &c, NULL);
    lint_only(b, LINT_BLK_FRAME);
}

static void beyond(struct bench *b)
{
    assert_int_equal(ask_status_of(b, T_IN, SECTORS, 0, 512), S_IOERR);
    lint_only(b, LINT_BLK_BEYOND);
}

static void no_ro(struct bench *b)
{
    drv_init(&b->d, b->want & ~BIT64(F_RO));
    lint_only(b, LINT_BLK_NO_RO);
}

static void flush_sector(struct bench *b)
{
    assert_int_equal(ask_status_of(b, T_FLUSH, 5, 0, 0), S_OK);
    lint_only(b, LINT_BLK_FLUSH_SECTOR);
}

static void flush_data(struct bench *b)
{
    assert_int_equal(ask_status_of(b, T_FLUSH, 0, 16, 0), S_OK);
    lint_only(b, LINT_BLK_FLUSH_DATA);
}

static void bytes(struct bench *b)
{
    assert_int_equal(ask_status_of(b, T_IN, 0, 0, 100), S_IOERR);
    lint_only(b, LINT_BLK_BYTES);
}

static void range_bytes(struct bench *b)
{
    assert_int_equal(ask_status_of(b, T_WRITE_ZEROES, 0, 15, 0), S_IOERR);
    lint_only(b, LINT_BLK_RANGE_BYTES);
}

static void id_bytes(struct bench *b)
{
    assert_int_equal(ask_status_of(b, T_GET_ID, 0, 0, 10), S_OK);
    lint_only(b, LINT_BLK_ID_BYTES);
}

static void discard_seg(struct bench *b)
{
    assert_true(bench_has(b, F_DISCARD));
    assert_int_equal(ask_status_of(b, T_DISCARD, 0, (RANGES_MAX + 1) * RANGE, 0), S_IOERR);
    lint_only(b, LINT_BLK_DISCARD_SEG);
}

static void zeroes_seg(struct bench *b)
{
    assert_int_equal(ask_status_of(b, T_WRITE_ZEROES, 0, (RANGES_MAX + 1) * RANGE, 0), S_IOERR);
    lint_only(b, LINT_BLK_ZEROES_SEG);
}

static void unmap(struct bench *b)
{
    struct ask_blk a = {.type = T_DISCARD, .out_len = RANGE};
    uint8_t range[RANGE] = {0};

    order_store(b->d.order, range + 8, 4, 8);
    order_store(b->d.order, range + 12, 4, 1);
    assert_int_equal(ask_run(b, &a, range), S_UNSUPP);
    lint_only(b, LINT_BLK_UNMAP);
}

/* Data and status in one descriptor. */
static void old_layout(struct bench *b)
{
    drv_init(&b->d, b->want & ~BIT64(27));
    disk_reads(b, 0, 512);
    lint_only(b, LINT_BLK_OLD_LAYOUT);
}

static const struct disk_case read_only = {.open = {.read_only = true}};

static const struct bench_test tests[] = {
    {"well_behaved", well_behaved, BENCH_LINT, NULL},
    {"2.5.1-t3", config_gate, BENCH_LINT, NULL},
    {"5.2.5.1-t4", writeback_early, RAW | BENCH_MODERN, NULL},
    {"5.2.6-d1", frame, BENCH_LINT, NULL},
    {"5.2.6.1-t2", beyond, BENCH_LINT, NULL},
    {"5.2.6.1-t3", no_ro, RAW | BENCH_PACKED | BENCH_ADVICE, &read_only},
    {"5.2.6.1-t4", flush_sector, BENCH_LINT, NULL},
    {"5.2.6.1-t5", flush_data, BENCH_LINT, NULL},
    {"5.2.6.1-t6", bytes, BENCH_LINT, NULL},
    {"5.2.6.1-t7", range_bytes, BENCH_LINT, NULL},
    {"5.2.6.1-t8", id_bytes, BENCH_LINT, NULL},
    {"5.2.6.1-t9", discard_seg, BENCH_LINT, NULL},
    {"5.2.6.1-t11", zeroes_seg, BENCH_LINT, NULL},
    {"5.2.6.1-t14", unmap, BENCH_LINT, NULL},
    {"5.2.6.4-l1", old_layout, RAW | BENCH_LEGACY, NULL},
};

int main(void)
{
    return bench_run("lint-blk", &disk_kind, tests, ARRAY_SIZE(tests));
}
