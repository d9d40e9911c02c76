// SPDX-License-Identifier: MIT
/*
 * Descriptor lists of the packed ring, hostile and merely unusual: group D of the list of hostile
 * inputs in their packed form, over an echo device. What two sides tell each other, and the wrap,
 * is in test-packed-ring.c.
 */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/driver/plot.h"
#include "vmm/base/bits.h"

enum { ID = 7 };

/* One descriptor of a list, as its author thinks of it. */
struct item {
    uint64_t addr;
    uint32_t len;
    uint16_t id, flags;
};

static void slot_advance(struct dq *q)
{
    if (++q->avail_idx < q->size)
        return;
    q->avail_idx = 0;
    q->avail_wrap = !q->avail_wrap;
}

/* Make a list available in the next n slots, the first one last. Flags of item i are turned over
 * where `spoil` says so: it is not available then. */
static void put(const struct plot *p, const struct item *item, unsigned n, int spoil)
{
    struct dq *q = p->q;
    const uint16_t first = q->avail_idx;
    const bool wrap = q->avail_wrap;

    for (unsigned i = 0; i < n; i++)
        slot_advance(q);
    for (unsigned i = n; i-- > 0;) {
        const bool past = first + i >= q->size;
        const bool now = (past ? !wrap : wrap) ^ ((int)i == spoil);

        packed_desc(q, (first + i) % q->size, item[i].addr, item[i].len, item[i].id,
                    item[i].flags | packed_available(now));
    }
}

static void kick(const struct plot *p)
{
    p->b->d.ops->kick(&p->b->d, p->q->index);
}

/* The list breaks the device: nothing is written, nothing given back; then it recovers. */
static void fails_at(const struct plot *p, unsigned slot)
{
    uint16_t flags, after;
    const struct used before = packed_entry(p->q, slot, &flags);

    kick(p);
    machine_settle(p->b->m);
    assert_int_equal(packed_entry(p->q, slot, &after).id, before.id);
    assert_int_equal(after, flags);
    assert_int_equal(*(uint8_t *)drv_mem(&p->b->d, p->in, 1), 0xee);
    echo_failed_and_recovers(p->b);
}

static void fails(const struct plot *p, const struct item *item, unsigned n)
{
    const unsigned slot = p->q->avail_idx;

    put(p, item, n, -1);
    fails_at(p, slot);
}

static bool used_there(void *arg)
{
    struct dq *q = (struct dq *)arg;

    return q->ops->used_any(q);
}

/* A list of so many slots comes back with this id and length. */
static void comes(const struct plot *p, unsigned slots, uint16_t id, uint32_t len)
{
    struct dq *q = p->q;
    uint16_t flags;
    struct used u;

    if (!machine_until(p->b->m, used_there, q, WAIT_MS))
        fail_msg("id %u did not come back, status 0x%x", id, drv_status(&p->b->d));
    u = packed_entry(q, q->used_idx, &flags);
    assert_int_equal(u.id, id);
    if (len) /* 2.8.3-d1, 2.8.4-d1 */
        assert_int_equal(u.len, len);
    assert_int_equal(flags, packed_used(q->used_wrap) | (len ? VIRTQ_DESC_WRITE : 0));
    q->used_idx = (uint16_t)(q->used_idx + slots);
    if (q->used_idx < q->size)
        return;
    q->used_idx = (uint16_t)(q->used_idx - q->size);
    q->used_wrap = !q->used_wrap;
}

static void gives(const struct plot *p, const struct item *item, unsigned n, uint16_t id,
                  uint32_t len)
{
    put(p, item, n, -1);
    kick(p);
    comes(p, n, id, len);
}

static void entry(const struct plot *p, unsigned i, uint64_t addr, uint32_t len, uint16_t id,
                  uint16_t flags)
{
    packed_desc_at(p->q, p->table + sizeof(struct pvirtq_desc) * i, addr, len, id, flags);
}

/* ---- lists ---- */

/* Wherever a loop would be: there is no next field, only a list that does not end. */
static void D01_list_without_end(struct bench *b)
{
    const uint16_t size = b->d.q[0].size;

    for (unsigned before = 0; before < 3; before++) {
        struct plot p = plot_make(b);
        const struct item one[] = {{p.out, BYTES, ID, NEXT}, {p.in, BYTES, ID, WRITE}};

        bench_init(b);
        for (unsigned i = 0; i < before; i++)
            gives(&p, one, 2, ID, BYTES);
        memset(drv_mem(&b->d, p.in, BYTES), 0xee, BYTES);
        for (unsigned i = 0; i < size; i++)
            put(&p, &(struct item){p.out, 1, ID, NEXT}, 1, -1);
        fails_at(&p, (2 * before) % size);
    }
}

static void D04_as_long_as_ring(struct bench *b)
{
    struct plot p = plot_make(b);
    const unsigned n = p.q->size;

    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i + 1 < n; i++)
            put(&p, &(struct item){p.out, 1, 0xbad, NEXT}, 1, -1);
        gives(&p, &(struct item){p.in, BYTES, ID, WRITE}, 1, ID, BYTES);
        p.q->used_idx = p.q->avail_idx; /* the whole ring */
        p.q->used_wrap = p.q->avail_wrap;
    }
    plot_recovers(b);
}

static void D05_part_not_available(struct bench *b)
{
    for (int spoil = 1; spoil < 3; spoil++) {
        struct plot p = plot_make(b);
        const struct item list[] = {
            {p.out, BYTES, ID, NEXT}, {p.out, BYTES, ID, NEXT}, {p.in, BYTES, ID, WRITE}};

        bench_init(b);
        put(&p, list, 3, spoil);
        fails_at(&p, 0);
    }
}

static void D07_id_in_flight_twice(struct bench *b)
{
    struct plot p = plot_make(b);
    const struct item list[] = {{p.out, BYTES, ID, NEXT}, {p.in, BYTES, ID, WRITE}};

    echo_set_hold(b, ECHO_HOLD_IO);
    put(&p, list, 2, -1);
    kick(&p);
    echo_wait_held(b, 1);
    put(&p, list, 2, -1);
    kick(&p);
    machine_settle(b->m);
    assert_true(drv_broken(&b->d));
    assert_int_equal(echo_release(b, 2), 1); /* the first use ends as if nothing had happened */
    comes(&p, 2, ID, BYTES);
    plot_echoed(&p, BYTES);
    echo_failed_and_recovers(b);
}

/* A driver that overtakes the device: slots of lists in flight are made available again. */
static void D07_slots_in_flight_twice(struct bench *b)
{
    struct plot p = plot_make(b);

    echo_set_hold(b, ECHO_HOLD_IO);
    for (unsigned i = 0; i < p.q->size; i++)
        put(&p, &(struct item){p.out, 1, (uint16_t)i, 0}, 1, -1);
    kick(&p);
    echo_wait_held(b, p.q->size);
    put(&p, &(struct item){p.out, 1, 0x4000, 0}, 1, -1);
    kick(&p);
    machine_settle(b->m);
    assert_true(drv_broken(&b->d));
    assert_int_equal(echo_release(b, p.q->size + 1), p.q->size);
    echo_failed_and_recovers(b);
}

/* Ids are the driver's: any 16 bits. */
static void any_id(struct bench *b)
{
    static const uint16_t ids[] = {0, 0xffff, 0x8000, 255, 256, 257, 127, 128, 0x1234};
    struct plot p = plot_make(b);
    const uint64_t in = drv_alloc(&b->d, ARRAY_SIZE(ids), 1);

    echo_set_hold(b, ECHO_HOLD);
    for (unsigned i = 0; i < ARRAY_SIZE(ids); i++)
        put(&p, (struct item[]){{p.out, 1, 1, NEXT}, {in + i, 1, ids[i], WRITE}}, 2, -1);
    kick(&p);
    echo_wait_held(b, ARRAY_SIZE(ids));
    echo_release(b, ARRAY_SIZE(ids));
    for (unsigned i = 0; i < ARRAY_SIZE(ids); i++)
        comes(&p, 2, ids[i], 1);
    echo_set_hold(b, ECHO_AT_ONCE);
    plot_recovers(b);
}

static size_t memory_used(void)
{
    const struct mallinfo2 m = mallinfo2();

    return m.uordblks + m.hblkhd;
}

/* ... and that he uses them all, each once with a long table, costs no more memory than a ring full
 * of requests does (R04). What is told apart by id takes some, but not the requests. */
static void any_id_no_growth(struct bench *b)
{
    enum { GROWTH = 1 << 20, STEP = 16 };
    struct plot p = plot_make(b);
    const unsigned n = p.q->size;
    size_t before;

    for (unsigned i = 0; i < n; i++)
        entry(&p, i, p.out, 1, 0, 0);
    gives(&p, &(struct item){p.table, n * VIRTQ_DESC_BYTES, 0, INDIRECT}, 1, 0, 0);
    before = memory_used();
    for (unsigned id = STEP; id <= UINT16_MAX; id += STEP)
        gives(&p, &(struct item){p.table, n * VIRTQ_DESC_BYTES, (uint16_t)id, INDIRECT}, 1,
              (uint16_t)id, 0);
    assert_true(memory_used() < before + GROWTH);
    plot_recovers(b);
}

static void drops(const struct plot *p, uint64_t addr, uint32_t len)
{
    gives(p, (struct item[]){{addr, len, 1, NEXT}, {p->in, BYTES, ID, WRITE}}, 2, ID, 0);
    gives(p, (struct item[]){{p->out, BYTES, 1, NEXT}, {addr, len, ID, WRITE}}, 2, ID, 0);
    assert_int_equal(*(uint8_t *)drv_mem(&p->b->d, p->in, 1), 0xee);
    assert_false(drv_broken(&p->b->d));
}

static void D10_D11_D16_not_ram(struct bench *b)
{
    struct plot p = plot_make(b);

    drops(&p, RAM_HOLE, 1);
    drops(&p, RAM_HOLE - 8, BYTES);
    drops(&p, RAM_END - 1, 2);
    drops(&p, UINT64_C(1) << 40, 512);
    drops(&p, UINT64_MAX, 2);
    drops(&p, 16 - RAM_SIZE, 0xffffffff);
    drops(&p, 0x100000, 0xffffffff);
    plot_recovers(b);
}

static void D13_two_regions(struct bench *b)
{
    struct plot p = plot_make(b);

    memset(drv_mem(&b->d, RAM_LOW1 - 20, 20), 0x11, 20);
    memset(drv_mem(&b->d, RAM_LOW1, 44), 0x22, 44);
    gives(&p, (struct item[]){{RAM_LOW1 - 20, BYTES, 0, NEXT}, {p.in, BYTES, ID, WRITE}}, 2, ID,
          BYTES);
    assert_memory_equal(drv_mem(&b->d, p.in, 20), drv_mem(&b->d, RAM_LOW1 - 20, 20), 20);
    assert_memory_equal(drv_mem(&b->d, p.in + 20, 44), drv_mem(&b->d, RAM_LOW1, 44), 44);
    plot_recovers(b);
}

static void D19_readable_after_writable(struct bench *b)
{
    struct plot p = plot_make(b);

    fails(&p, (struct item[]){{p.in, BYTES, ID, WRITE | NEXT}, {p.out, BYTES, ID, 0}}, 2);
}

static void D20_only_writable_or_empty(struct bench *b)
{
    struct plot p = plot_make(b);

    gives(&p, &(struct item){p.in, BYTES, ID, WRITE}, 1, ID, 0);
    gives(&p, (struct item[]){{p.out, 0, ID, NEXT}, {p.in, 0, ID, WRITE}}, 2, ID, 0);
    gives(&p, &(struct item){RAM_HOLE, 0, ID, 0}, 1, ID, 0);
    plot_recovers(b);
}

/* What is read is not the ring any more: the device writes over it, and looks again. */
static void D35_buffer_is_ring(struct bench *b)
{
    struct plot p = plot_make(b);
    const uint64_t area[] = {p.q->desc, p.q->driver, p.q->device, p.q->desc + 32};

    for (unsigned i = 0; i < ARRAY_SIZE(area); i++)
        for (unsigned fill = 0; fill < 0x100; fill += 0x11) {
            const struct item list[] = {{p.out, BYTES, ID, NEXT}, {area[i], BYTES, ID, WRITE}};

            memset(drv_mem(&b->d, p.out, BYTES), (int)fill, BYTES);
            put(&p, list, 2, -1);
            put(&p, list, 2, -1);
            kick(&p);
            machine_settle(b->m);
            plot_recovers(b);
            bench_init(b);
        }
}

/* CVE-2026-16457: what cannot be taken is not looked at again and again. */
static void D38_error_is_latched(struct bench *b)
{
    struct plot p = plot_make(b);
    uint64_t kicks;

    put(&p, (struct item[]){{p.out, BYTES, ID, NEXT}, {p.in, BYTES, ID, WRITE}}, 2, 1);
    kick(&p);
    machine_settle(b->m);
    assert_true(drv_broken(&b->d));
    kicks = echo_kicks(b);
    packed_flags(p.q, 1, WRITE | packed_available(true)); /* mended, but too late */
    for (unsigned i = 0; i < 100; i++)
        kick(&p);
    machine_settle(b->m); /* comes to rest, else the test ends here */
    assert_int_equal(machine_settle(b->m), 0);
    assert_int_equal(echo_kicks(b), kicks);
    assert_false(p.q->ops->used_any(p.q));
    echo_failed_and_recovers(b);
}

/* ---- indirect tables ---- */

static void table_gives(const struct plot *p, uint32_t len, uint16_t flags)
{
    gives(p, &(struct item){p->table, len, ID, INDIRECT | flags}, 1, ID, BYTES);
}

static void table_plain(const struct plot *p)
{
    entry(p, 0, p->out, BYTES, 0, 0);
    entry(p, 1, p->in, BYTES, 0, WRITE);
}

static void D04_table_longer_than_ring(struct bench *b)
{
    struct plot p = plot_make(b);
    const unsigned n = p.q->size;

    for (unsigned i = 0; i < n; i++)
        entry(&p, i, p.out, 1, 0, 0);
    entry(&p, n - 1, p.in, BYTES, 0, WRITE);
    table_gives(&p, n * VIRTQ_DESC_BYTES, 0);
    bench_init(b);
    p = plot_make(b);
    for (unsigned i = 0; i <= n; i++)
        entry(&p, i, p.out, 1, 0, 0);
    fails(&p, &(struct item){p.table, (n + 1) * VIRTQ_DESC_BYTES, ID, INDIRECT}, 1);
}

static void D22_indirect_not_negotiated(struct bench *b)
{
    struct plot p = plot_make(b);

    b->want &= ~BIT64(VIRTIO_F_INDIRECT_DESC);
    bench_init(b);
    table_plain(&p);
    fails(&p, &(struct item){p.table, 32, ID, INDIRECT}, 1);
}

/* Only WRITE means something there: anything else, a further level too, is just not looked at. */
static void D23_garbage_in_table(struct bench *b)
{
    static const uint16_t garbage[] = {NEXT, INDIRECT, 0x8080, 0x80, 0x8000, 0x7f78, 0xfffd};

    for (unsigned i = 0; i < ARRAY_SIZE(garbage); i++) {
        struct plot p = plot_make(b);

        bench_init(b);
        entry(&p, 0, p.out, BYTES, (uint16_t)i, garbage[i] & ~WRITE);
        entry(&p, 1, p.in, BYTES, 0xffff, garbage[i] | WRITE);
        table_gives(&p, 32, 0);
        plot_echoed(&p, BYTES);
    }
    plot_recovers(b);
}

static void D23_indirect_in_list(struct bench *b)
{
    struct plot p = plot_make(b);

    table_plain(&p);
    fails(&p, (struct item[]){{p.table, 32, ID, INDIRECT | NEXT}, {p.in, 1, ID, WRITE}}, 2);
    p = plot_make(b);
    bench_init(b);
    table_plain(&p);
    fails(&p, (struct item[]){{p.out, 1, ID, NEXT}, {p.table, 32, ID, INDIRECT}}, 2);
}

static void D25_tables_and_lists_mixed(struct bench *b)
{
    struct plot p = plot_make(b);
    const struct item list[] = {{p.out, BYTES, 0, NEXT}, {p.in, BYTES, ID, WRITE}};

    table_plain(&p);
    for (unsigned i = 0; i < 500; i++) {
        gives(&p, list, 2, ID, BYTES);
        table_gives(&p, 32, 0);
    }
    plot_echoed(&p, BYTES);
    plot_recovers(b);
}

static void D26_write_on_table_descriptor(struct bench *b)
{
    struct plot p = plot_make(b);

    table_plain(&p);
    table_gives(&p, 32, WRITE);
    plot_echoed(&p, BYTES);
    plot_recovers(b);
}

static void D28_odd_table_length(struct bench *b)
{
    static const uint32_t bad[] = {0, 1, 15, 17, 33, 0xffffffff};

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        struct plot p = plot_make(b);

        table_plain(&p);
        bench_init(b);
        fails(&p, &(struct item){p.table, bad[i], ID, INDIRECT}, 1);
    }
}

static void D29_table_outside_ram(struct bench *b)
{
    static const struct {
        uint64_t at;
        uint32_t len;
    } bad[] = {{RAM_HOLE, 32},        {RAM_HOLE - 16, 32},  {RAM_HOLE - 8, 32},
               {UINT64_MAX - 15, 32}, {RAM_END - 16, 1024}, {UINT64_C(1) << 63, 0xfffffff0},
               {0x200000, 0xfffffff0}};

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        struct plot p = plot_make(b);

        bench_init(b);
        fails(&p, &(struct item){bad[i].at, bad[i].len, ID, INDIRECT}, 1);
    }
}

/* Over two regions that touch in guest memory only. */
static void D13_table_in_two_regions(struct bench *b)
{
    struct plot p = plot_make(b);

    for (unsigned shift = 0; shift <= 32; shift += 16) {
        p.table = RAM_LOW1 - shift;
        table_plain(&p);
        table_gives(&p, 32, 0);
    }
    plot_recovers(b);
}

/* clang-format off */
#define ROW(fn) {#fn, fn, BENCH_PACKED, NULL}
#define TABLE(fn) {#fn, fn, BENCH_PACKED | BENCH_INDIRECT, NULL}
/* clang-format on */

int main(void)
{
    static const struct bench_test tests[] = {
        ROW(D01_list_without_end),      /* 2.8.17-t2, t5 */
        ROW(D04_as_long_as_ring),       /* 2.8.5-d3, 2.8.18-d1 */
        ROW(D05_part_not_available),    /* 2.8.17-t6 */
        ROW(D07_id_in_flight_twice),    /* 2.1.2-d3 */
        ROW(D07_slots_in_flight_twice), /* 2.8.17-t5 */
        ROW(any_id),                    /* 2.8.6-d1 */
        TABLE(any_id_no_growth),        /* R04 */
        ROW(D10_D11_D16_not_ram),
        ROW(D13_two_regions),
        ROW(D19_readable_after_writable), /* 2.8.17-t3 */
        ROW(D20_only_writable_or_empty),  /* 2.8.3-d1 */
        /* by hand: driver and device write the same bytes, which threads would do at once */
        {"D35_buffer_is_ring", D35_buffer_is_ring, BENCH_PACKED | BENCH_TURNS, NULL},
        ROW(D38_error_is_latched),            /* 2.1.2-d3, d4 */
        TABLE(D04_table_longer_than_ring),    /* 2.8.18-d2, 2.8.19-t3 */
        ROW(D22_indirect_not_negotiated),     /* 2.8.19-t1 */
        TABLE(D23_garbage_in_table),          /* 2.8.7-d1 */
        TABLE(D23_indirect_in_list),          /* 2.8.19-t4, 2.8.5-d1 */
        TABLE(D25_tables_and_lists_mixed),    /* 2.8.5-d1 */
        TABLE(D26_write_on_table_descriptor), /* 2.8.7-d2 */
        TABLE(D28_odd_table_length),          /* 2.8.7-d1 */
        TABLE(D29_table_outside_ram),
        TABLE(D13_table_in_two_regions),
    };

    return bench_run("packed", &echo_kind, tests, ARRAY_SIZE(tests));
}
