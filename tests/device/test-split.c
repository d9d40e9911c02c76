// SPDX-License-Identifier: MIT
/*
 * Descriptor chains of the split ring, hostile and merely unusual: group D of the list of hostile
 * inputs, over an echo device; those with indirect tables are in test-indirect.c. Tests are named
 * after its rows; clauses stand in the table below.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/driver/plot.h"
#include "vmm/base/bits.h"

enum { FAR_HEAD = 20 }; /* away from the descriptors that tests write by number */

static void D01_self_loop(struct bench *b)
{
    struct plot p = plot_make(b);

    split_desc(p.q, 0, p.out, BYTES, NEXT, 1);
    split_desc(p.q, 1, p.out, BYTES, NEXT, 1);
    plot_fails(&p, 0);
}

static void D02_two_entry_loop(struct bench *b)
{
    struct plot p = plot_make(b);

    split_desc(p.q, 0, p.out, BYTES, NEXT, 1);
    split_desc(p.q, 1, p.out, BYTES, NEXT, 0);
    plot_fails(&p, 0);
    p = plot_make(b);
    bench_init(b);
    split_desc(p.q, 0, p.out, BYTES, NEXT, 1); /* entered after a valid prefix */
    split_desc(p.q, 1, p.in, BYTES, WRITE | NEXT, 2);
    split_desc(p.q, 2, p.in, BYTES, WRITE | NEXT, 3);
    split_desc(p.q, 3, p.in, BYTES, WRITE | NEXT, 2);
    plot_fails(&p, 0);
}

static void D04_as_long_as_queue(struct bench *b)
{
    struct plot p = plot_make(b);
    const unsigned n = p.q->size;

    for (unsigned i = 0; i + 1 < n; i++)
        split_desc(p.q, i, p.out, 1, NEXT, (uint16_t)(i + 1));
    split_desc(p.q, n - 1, p.in, BYTES, WRITE, 0);
    plot_gives(&p, 0, BYTES);
}

static void D05_next_outside(struct bench *b)
{
    const uint16_t bad[] = {b->d.q[0].size, 0xffff, 0x8000};

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        struct plot p = plot_make(b);

        split_desc(p.q, 0, p.out, BYTES, NEXT, bad[i]);
        plot_fails(&p, 0);
    }
}

static void D05_head_outside(struct bench *b)
{
    const uint16_t bad[] = {b->d.q[0].size, 0xffff};

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        struct plot p = plot_make(b);

        plot_fails(&p, bad[i]);
    }
}

static void D07_head_in_flight_twice(struct bench *b)
{
    struct plot p = plot_make(b);

    echo_set_hold(b, ECHO_HOLD_IO);
    split_desc(p.q, 0, p.out, BYTES, NEXT, 1);
    split_desc(p.q, 1, p.in, BYTES, WRITE, 0);
    plot_offer(&p, 0);
    echo_wait_held(b, 1);
    plot_offer(&p, 0);
    machine_settle(b->m);
    assert_true(drv_broken(&b->d));
    assert_int_equal(echo_release(b, 2), 1); /* the first use ends as if nothing had happened */
    assert_int_equal(split_used_idx(p.q), 1);
    assert_int_equal(split_used_entry(p.q, 0).len, BYTES);
    plot_echoed(&p, BYTES);
    echo_failed_and_recovers(b);
}

static void D08_shared_descriptors(struct bench *b)
{
    struct plot p = plot_make(b);

    split_desc(p.q, 0, p.out, BYTES, NEXT, 2);
    split_desc(p.q, 1, p.out, BYTES / 2, NEXT, 2);
    split_desc(p.q, 2, p.in, BYTES, WRITE, 0);
    echo_set_hold(b, ECHO_HOLD);
    plot_offer(&p, 0);
    plot_offer(&p, 1);
    echo_wait_held(b, 2);
    echo_release(b, 2);
    assert_int_equal(split_used_entry(p.q, 0).len, BYTES);
    assert_int_equal(split_used_entry(p.q, 1).len, BYTES / 2);
    plot_echoed(&p, BYTES);
}

/* A request with one bad address is dropped, nothing else happens; the device goes on. */
static void drops(struct bench *b, uint64_t addr, uint32_t len)
{
    struct plot p = plot_make(b);
    const unsigned head = (unsigned)(p.q->avail_idx * 4 % (p.q->size - 4));

    split_desc(p.q, head, addr, len, NEXT, (uint16_t)(head + 1));
    split_desc(p.q, head + 1, p.in, BYTES, WRITE, 0);
    plot_gives(&p, (uint16_t)head, 0);
    split_desc(p.q, head + 2, p.out, BYTES, NEXT, (uint16_t)(head + 3));
    split_desc(p.q, head + 3, addr, len, WRITE, 0);
    plot_gives(&p, (uint16_t)(head + 2), 0);
    assert_int_equal(*(uint8_t *)drv_mem(&b->d, p.in, 1), 0xee);
    assert_false(drv_broken(&b->d));
}

static void D10_beyond_ram(struct bench *b)
{
    drops(b, RAM_HOLE, 1);
    drops(b, RAM_HOLE - 8, BYTES);
    drops(b, RAM_END, 16);
    drops(b, RAM_END - 1, 2);
    drops(b, RAM_HIGH - 1, 2);
    drops(b, UINT64_C(1) << 40, 512);
    plot_recovers(b);
}

static void D11_wraps(struct bench *b)
{
    drops(b, UINT64_MAX, 2);
    drops(b, UINT64_MAX, 1);
    drops(b, UINT64_MAX - 0xfff, 0x2000);
    drops(b, 16 - RAM_SIZE, 0xffffffff);
    plot_recovers(b);
}

/* Both directions over two regions that touch in guest memory only. */
static void D13_two_regions(struct bench *b)
{
    struct plot p = plot_make(b);
    uint8_t *low = (uint8_t *)drv_mem(&b->d, RAM_LOW1 - 20, 20);
    uint8_t *high = (uint8_t *)drv_mem(&b->d, RAM_LOW1, 44);

    split_desc(p.q, 0, RAM_LOW1 - 20, BYTES, NEXT, 1);
    split_desc(p.q, 1, p.in, BYTES, WRITE, 0);
    memset(low, 0x11, 20);
    memset(high, 0x22, 44);
    plot_gives(&p, 0, BYTES);
    assert_memory_equal(drv_mem(&b->d, p.in, 20), low, 20);
    assert_memory_equal(drv_mem(&b->d, p.in + 20, 44), high, 44);
    split_desc(p.q, 2, p.out, BYTES, NEXT, 3);
    split_desc(p.q, 3, RAM_LOW1 - 20, BYTES, WRITE, 0);
    plot_gives(&p, 2, BYTES);
    assert_memory_equal(drv_mem(&b->d, p.out, 20), low, 20);
    assert_memory_equal(drv_mem(&b->d, p.out, 44), high, 44);
    plot_recovers(b);
}

static void D14_not_ram(struct bench *b)
{
    const struct gfunc *f = &b->d.func;
    const struct dregion *notify = &b->d.region[VIRTIO_PCI_CAP_NOTIFY];
    const uint64_t bad[] = {f->bar[notify->bar],  f->bar[notify->bar] + notify->off,
                            f->msix_table,        ECAM_BASE + f->devfn * 4096u,
                            UINT64_C(0xfec00000), UINT64_C(0xfee00000)};
    const uint8_t status = drv_status(&b->d);

    /* without such a structure there is no BAR in memory that it is in */
    for (unsigned i = notify->cap ? 0 : 2; i < ARRAY_SIZE(bad); i++) {
        drops(b, bad[i], 2);
        assert_int_equal(drv_status(&b->d), status);
    }
    assert_int_equal(b->m->lost, 0);
    plot_recovers(b);
}

static void D16_longest(struct bench *b)
{
    drops(b, 0x100000, 0xffffffff);
    plot_recovers(b);
}

static void D17_sum_over_4g(struct bench *b)
{
    struct plot p = plot_make(b);
    const unsigned n = 300;

    b->d.queue_size = 0;
    bench_init(b);
    split_desc(p.q, 0, p.out, 10, NEXT, 1);
    for (unsigned i = 1; i + 1 < n; i++)
        split_desc(p.q, i, RAM_LOW1, RAM_SIZE, WRITE | NEXT, (uint16_t)(i + 1));
    split_desc(p.q, n - 1, RAM_LOW1, RAM_SIZE, WRITE, 0);
    assert_true((n - 1) * RAM_SIZE > UINT32_MAX && n <= p.q->size);
    plot_gives(&p, 0, 10);
    plot_recovers(b);
}

static void D19_readable_after_writable(struct bench *b)
{
    struct plot p = plot_make(b);

    split_desc(p.q, 0, p.in, BYTES, WRITE | NEXT, 1);
    split_desc(p.q, 1, p.out, BYTES, 0, 0);
    plot_fails(&p, 0);
}

/* A message without anything to read: for an echo device an empty one. */
static void D20_only_writable(struct bench *b)
{
    struct plot p = plot_make(b);

    split_desc(p.q, 0, p.in, BYTES, WRITE, 0);
    plot_gives(&p, 0, 0);
    assert_int_equal(*(uint8_t *)drv_mem(&b->d, p.in, 1), 0xee);
    split_desc(p.q, 1, p.out, 0, NEXT, 2); /* and with empty buffers */
    split_desc(p.q, 2, p.in, 0, WRITE, 0);
    plot_gives(&p, 1, 0);
    split_desc(p.q, 3, RAM_HOLE, 0, 0, 0); /* of nothing it does not matter where it lies */
    plot_gives(&p, 3, 0);
    plot_recovers(b);
}

static void D34_aliases(struct bench *b)
{
    struct plot p = plot_make(b);

    for (unsigned shift = 0; shift < 3; shift++) {
        split_desc(p.q, 2 * shift, p.out, BYTES, NEXT, (uint16_t)(2 * shift + 1));
        split_desc(p.q, 2 * shift + 1, p.out + shift, BYTES, WRITE, 0);
        plot_gives(&p, (uint16_t)(2 * shift), BYTES);
    }
    plot_recovers(b);
}

static void D35_buffer_is_ring(struct bench *b)
{
    struct plot p = plot_make(b);
    const uint64_t area[] = {p.q->desc, p.q->driver, p.q->device};

    for (unsigned i = 0; i < ARRAY_SIZE(area); i++)
        for (unsigned fill = 0; fill < 0x100; fill += 0x33) {
            memset(drv_mem(&b->d, p.out, BYTES), (int)fill, BYTES);
            split_desc(p.q, FAR_HEAD, p.out, BYTES, NEXT, FAR_HEAD + 1);
            split_desc(p.q, FAR_HEAD + 1, area[i], BYTES, WRITE, 0);
            plot_offer(&p, FAR_HEAD);
            plot_offer(&p, FAR_HEAD);
            machine_settle(b->m);
            plot_recovers(b);
        }
}

static void D37_used_length_honest(struct bench *b)
{
    uint8_t out[10], in[50], after[40];

    memset(out, 0x31, sizeof(out));
    memset(in, 0x77, sizeof(in));
    memset(after, 0x77, sizeof(after));
    assert_int_equal(dq_xfer(&b->d.q[1], out, sizeof(out), in, sizeof(in)), sizeof(out));
    assert_memory_equal(in, out, sizeof(out));
    assert_memory_equal(in + sizeof(out), after, sizeof(after));
    assert_int_equal(dq_xfer(&b->d.q[1], in, sizeof(in), out, sizeof(out)), sizeof(out));
    assert_int_equal(dq_xfer(&b->d.q[1], out, sizeof(out), NULL, 0), 0);
}

static void D38_error_is_latched(struct bench *b)
{
    struct plot p = plot_make(b);
    uint64_t kicks;

    split_desc(p.q, 0, p.out, BYTES, NEXT, 0);
    plot_offer(&p, 0);
    machine_settle(b->m);
    assert_true(drv_broken(&b->d));
    kicks = echo_kicks(b);
    split_desc(p.q, 0, p.out, BYTES, 0, 0); /* mended, but too late */
    for (unsigned i = 0; i < 100; i++)
        plot_offer(&p, 0);
    machine_settle(b->m); /* comes to rest, else the test ends here */
    assert_int_equal(echo_kicks(b), kicks);
    assert_int_equal(split_used_idx(p.q), 0);
    echo_failed_and_recovers(b);
}

/* Neither what the device reads nor any descriptor is ever written. */
static void descriptors_are_the_drivers(struct bench *b)
{
    static uint8_t before[256 * VIRTQ_DESC_BYTES];
    struct plot p = plot_make(b);
    const size_t len = (size_t)p.q->size * VIRTQ_DESC_BYTES;

    split_desc(p.q, 3, p.out, BYTES, NEXT, 9);
    split_desc(p.q, 9, p.in, BYTES, WRITE, 0);
    memcpy(before, drv_mem(&b->d, p.q->desc, len), len);
    plot_gives(&p, 3, BYTES);
    assert_memory_equal(before, drv_mem(&b->d, p.q->desc, len), len);
}

static const struct echo_conf wide = {.max = 512};

/* clang-format off */
#define ROW(fn) {#fn, fn, BENCH_SPLIT, NULL}
#define ROW_WIDE(fn) {#fn, fn, BENCH_SPLIT, &wide}
/* clang-format on */

int main(void)
{
    static const struct bench_test tests[] = {
        ROW(D01_self_loop),            /* 2.7.5-d2 */
        ROW(D02_two_entry_loop),       /* 2.7.5-d2 */
        ROW(D04_as_long_as_queue),     /* 2.7.5-d2, 2.7.4.1-d1 */
        ROW(D05_next_outside),         /* 2.7.5-d2 */
        ROW(D05_head_outside),         /* 2.7.5-d2 */
        ROW(D07_head_in_flight_twice), /* 2.1.2-d3 */
        ROW(D08_shared_descriptors),   /* 2.6-d2 */
        ROW(D10_beyond_ram),
        ROW(D11_wraps),
        ROW(D13_two_regions), /* 2.7.4.1-d1 */
        ROW(D14_not_ram),
        ROW(D16_longest),
        ROW_WIDE(D17_sum_over_4g),        /* 2.7.8.2-d2 */
        ROW(D19_readable_after_writable), /* 2.7.4.2-t1 */
        ROW(D20_only_writable),
        ROW(D34_aliases),
        /* by hand: driver and device write the same bytes, which threads would do at once */
        {"D35_buffer_is_ring", D35_buffer_is_ring, BENCH_SPLIT | BENCH_TURNS, NULL},
        ROW(D37_used_length_honest),      /* 2.7.8.2-d2, d3; 2.6-d2 */
        ROW(D38_error_is_latched),        /* 2.1.2-d3, d4 */
        ROW(descriptors_are_the_drivers), /* 2.7.5.1-d1, d3 */
    };

    return bench_run("split", &echo_kind, tests, ARRAY_SIZE(tests));
}
