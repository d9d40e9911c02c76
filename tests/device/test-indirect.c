// SPDX-License-Identifier: MIT
/*
 * Indirect descriptor tables (2.7.5.3), hostile and merely unusual: rows of group D of the list of
 * hostile inputs, over an echo device.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/driver/plot.h"
#include "vmm/base/bits.h"

/* One out byte per descriptor but the last, which is in: n entries in an indirect table. */
static void table_fill(const struct plot *p, unsigned n)
{
    for (unsigned i = 0; i + 1 < n; i++)
        plot_entry(p, i, p->out, 1, NEXT, (uint16_t)(i + 1));
    plot_entry(p, n - 1, p->in, BYTES, WRITE, 0);
}

static void D04_longer_than_queue(struct bench *b)
{
    struct plot p = plot_make(b);
    const unsigned n = p.q->size + 1u;

    table_fill(&p, n);
    split_desc(p.q, 0, p.table, n * VIRTQ_DESC_BYTES, INDIRECT, 0);
    plot_fails(&p, 0);
}

static void D04_as_long_as_queue(struct bench *b)
{
    struct plot p = plot_make(b);
    const unsigned n = p.q->size;

    table_fill(&p, n);
    split_desc(p.q, 1, p.table, n * VIRTQ_DESC_BYTES, INDIRECT, 0);
    plot_gives(&p, 1, BYTES);
    plot_recovers(b);
}

static void D22_indirect_not_negotiated(struct bench *b)
{
    struct plot p = plot_make(b);

    b->want &= ~BIT64(VIRTIO_F_INDIRECT_DESC);
    bench_init(b);
    plot_entry(&p, 0, p.out, BYTES, NEXT, 1);
    plot_entry(&p, 1, p.in, BYTES, WRITE, 0);
    split_desc(p.q, 0, p.table, 32, INDIRECT, 0);
    plot_fails(&p, 0);
}

/* The rows below need indirect descriptors: the table is at p.table, its descriptor at 0. */
static void bad_table(const struct plot *p, uint64_t at, uint32_t len, uint16_t flags)
{
    split_desc(p->q, 0, at, len, flags, 1);
    split_desc(p->q, 1, p->in, BYTES, WRITE, 0);
    plot_fails(p, 0);
}

static void D23_indirect_in_indirect(struct bench *b)
{
    struct plot p = plot_make(b);

    plot_entry(&p, 0, p.out, BYTES, NEXT, 1);
    plot_entry(&p, 1, p.table + 16 * VIRTQ_DESC_BYTES, VIRTQ_DESC_BYTES, INDIRECT, 0);
    plot_entry(&p, 16, p.in, BYTES, WRITE, 0); /* good in itself */
    bad_table(&p, p.table, 32, INDIRECT);
}

static void D23_indirect_with_next(struct bench *b)
{
    struct plot p = plot_make(b);

    plot_entry(&p, 0, p.out, BYTES, NEXT, 1);
    plot_entry(&p, 1, p.in, BYTES, WRITE, 0);
    bad_table(&p, p.table, 32, INDIRECT | NEXT);
}

static void D25_direct_then_indirect(struct bench *b)
{
    struct plot p = plot_make(b);

    split_desc(p.q, 5, p.out, 10, NEXT, 2);
    split_desc(p.q, 2, p.out + 10, 10, NEXT, 7);
    split_desc(p.q, 7, p.table, 3 * VIRTQ_DESC_BYTES, INDIRECT, 0);
    plot_entry(&p, 0, p.out + 20, BYTES - 20, NEXT,
               2); /* not in the order of the table (2.7.5.3-d1) */
    plot_entry(&p, 2, p.in, 1, WRITE | NEXT, 1);
    plot_entry(&p, 1, p.in + 1, BYTES - 1, WRITE, 0);
    plot_gives(&p, 5, BYTES);
    plot_echoed(&p, BYTES);
    plot_recovers(b);
}

static void D26_write_on_table_descriptor(struct bench *b)
{
    struct plot p = plot_make(b);

    plot_entry(&p, 0, p.out, BYTES, NEXT, 1);
    plot_entry(&p, 1, p.in, BYTES, WRITE, 0);
    split_desc(p.q, 0, p.table, 32, INDIRECT | WRITE, 0);
    plot_gives(&p, 0, BYTES);
    plot_echoed(&p, BYTES);
    plot_recovers(b);
}

static void D28_odd_table_length(struct bench *b)
{
    static const uint32_t bad[] = {0, 1, 15, 17, 33, 0xffffffff};

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        struct plot p = plot_make(b);

        table_fill(&p, 4);
        bad_table(&p, p.table, bad[i], INDIRECT);
    }
}

static void D29_table_outside_ram(struct bench *b)
{
    static const struct {
        uint64_t at;
        uint32_t len;
    } bad[] = {{RAM_HOLE, 32},        {RAM_HOLE - 16, 32},  {RAM_HOLE - 8, 32},
               {UINT64_MAX - 15, 32}, {RAM_END - 16, 4096}, {UINT64_C(1) << 63, 0xfffffff0}};

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        struct plot p = plot_make(b);

        split_desc_at(p.q, RAM_HOLE - 16, p.out, 1, NEXT, 1);
        split_desc_at(p.q, RAM_END - 16, p.out, 1, NEXT, 1);
        bad_table(&p, bad[i].at, bad[i].len, INDIRECT);
    }
}

/* A length that lies while every entry that is used is good: no harm, either way. */
static void D29_table_length_lies(struct bench *b)
{
    struct plot p = plot_make(b);

    plot_entry(&p, 0, p.out, BYTES, NEXT, 1);
    plot_entry(&p, 1, p.in, BYTES, WRITE, 0);
    split_desc(p.q, 0, p.table, 0xfffffff0, INDIRECT, 0);
    plot_offer(&p, 0);
    machine_settle(b->m);
    assert_true(drv_broken(&b->d) || split_used_entry(p.q, 0).len == BYTES);
    plot_recovers(b);
}

static void D31_table_next_outside(struct bench *b)
{
    static const uint16_t bad[] = {2, 3, 0xffff};

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        struct plot p = plot_make(b);

        plot_entry(&p, 0, p.out, BYTES, NEXT, bad[i]);
        plot_entry(&p, 2, p.in, BYTES, WRITE, 0);
        bad_table(&p, p.table, 32, INDIRECT);
    }
}

static void D32_loop_in_table(struct bench *b)
{
    struct plot p = plot_make(b);

    plot_entry(&p, 0, p.out, BYTES, NEXT, 1);
    plot_entry(&p, 1, p.out, BYTES, NEXT, 0);
    bad_table(&p, p.table, 32, INDIRECT);
}

/* clang-format off */
#define ROW(fn) {#fn, fn, BENCH_SPLIT | BENCH_INDIRECT, NULL}
/* clang-format on */

int main(void)
{
    static const struct bench_test tests[] = {
        ROW(D04_as_long_as_queue),          /* 2.7.5-d2, 2.7.5.3-d1 */
        ROW(D04_longer_than_queue),         /* 2.7.4.1-d2, 2.7.5.3.1-t3 */
        ROW(D23_indirect_in_indirect),      /* 2.7.5.3.1-t2 */
        ROW(D23_indirect_with_next),        /* 2.7.5.3.1-t4 */
        ROW(D25_direct_then_indirect),      /* 2.7.5.3.2-d2, 2.7.5.3-d1, 2.7.8-d2 */
        ROW(D26_write_on_table_descriptor), /* 2.7.5.3.2-d1 */
        ROW(D28_odd_table_length),          /* 2.7.5.3-d1 */
        ROW(D29_table_outside_ram),
        ROW(D29_table_length_lies),
        ROW(D31_table_next_outside),
        ROW(D32_loop_in_table),
        {"D22_indirect_not_negotiated", D22_indirect_not_negotiated, BENCH_SPLIT, NULL},
        /* 2.7.5.3.1-t1 */
    };

    return bench_run("indirect", &echo_kind, tests, ARRAY_SIZE(tests));
}
