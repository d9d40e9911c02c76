// SPDX-License-Identifier: MIT
/* The balloon device: O01, O02, O04, O05, O07, O08 and D10, over every interface and ring. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "devices/balloon.h"
#include "tests/driver/bench.h"
#include "vmm/base/bits.h"

enum { INFLATE, DEFLATE, STATS, THIRD, REPORTING };

enum {
    F_MUST_TELL_HOST = 0,
    F_STATS_VQ = 1,
    F_DEFLATE_ON_OOM = 2,
    F_FREE_PAGE_HINT = 3,
    F_PAGE_POISON = 4,
    F_REPORTING = 5,
};

enum { C_NUM_PAGES = 0, C_ACTUAL = 4, C_HINT = 8, C_POISON = 12 };

enum { PAGE = 4096, PATTERN = 0x5c };

static unsigned changes; /* calls of the machine */

static void changed(void *arg)
{
    (void)arg;
    changes++;
}

/* arg: "plain" for a device without anything that must be asked for. */
static void *make_conf(struct bench *b)
{
    static struct balloon_conf conf;

    conf =
        (struct balloon_conf){.deflate_on_oom = !b->arg, .reporting = !b->arg, .changed = changed};
    changes = 0;
    return &conf;
}

static uint32_t config(struct bench *b, unsigned off)
{
    const uint32_t v = (uint32_t)b->d.ops->config_read(&b->d, off, 4);

    return b->d.order == ORDER_BIG ? __builtin_bswap32(v) : v; /* little-endian all the same */
}

static void config_set(struct bench *b, unsigned off, uint32_t v)
{
    b->d.ops->config_write(&b->d, off, 4, b->d.order == ORDER_BIG ? __builtin_bswap32(v) : v);
}

static uint8_t *page_at(struct bench *b, uint64_t at)
{
    return drv_mem(&b->d, at, PAGE);
}

static void page_fill(struct bench *b, uint64_t at, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        memset(page_at(b, at + i * PAGE), PATTERN, PAGE);
}

static bool page_is(struct bench *b, uint64_t at, uint8_t byte)
{
    const uint8_t *p = page_at(b, at);

    for (unsigned i = 0; i < PAGE; i++)
        if (p[i] != byte)
            return false;
    return true;
}

static struct balloon_info query(struct bench *b)
{
    struct balloon_info info;

    loop_lock(b->loop);
    balloon_query(b->dev, &info);
    loop_unlock(b->loop);
    return info;
}

static int resize(struct bench *b, uint64_t size)
{
    struct err err = {""};
    int ret;

    loop_lock(b->loop);
    ret = balloon_resize(b->dev, size, &err);
    loop_unlock(b->loop);
    assert_true(ret == 0 || err.text[0]);
    return ret;
}

static int stats_ask(struct bench *b)
{
    struct err err;
    int ret;

    loop_lock(b->loop);
    ret = balloon_stats_ask(b->dev, &err);
    loop_unlock(b->loop);
    return ret;
}

/* Page numbers through a queue, there and back. */
static void pages_send(struct bench *b, unsigned queue, const uint32_t *page, unsigned n)
{
    uint8_t bytes[512 * 4];

    assert_true(n <= 512);
    for (unsigned i = 0; i < n; i++)
        order_store(b->d.order, bytes + 4 * i, 4, page[i]);
    assert_int_equal(dq_xfer(&b->d.q[queue], bytes, 4 * n, NULL, 0), 0);
}

static uint32_t one(struct bench *b, unsigned queue, const struct chain *c)
{
    struct used u;

    dq_add_kick(&b->d.q[queue], c, NULL);
    assert_true(dq_wait(&b->d.q[queue], &u, WAIT_MS));
    assert_false(drv_broken(&b->d));
    return u.len;
}

/* ---- target and size ---- */

/* 5.5.4-d1, 5.5.6-d2, 5.5.4.0.0.1-l1 */
static void test_target(struct bench *b)
{
    struct drv *d = &b->d;
    const uint64_t memory = 3 * RAM_SIZE;
    uint8_t before = d->ops->generation ? d->ops->generation(d) : 0;

    assert_int_equal(config(b, C_NUM_PAGES), 0);
    assert_int_equal(query(b).target, memory);
    assert_int_equal(resize(b, memory - 0x123000), 0);
    assert_int_equal(config(b, C_NUM_PAGES), 0x123);
    if (d->use_msix)
        assert_int_equal(gfunc_msix_count(&d->func, 0), 1);
    else
        assert_int_equal(d->ops->isr(d) & VIRTIO_ISR_CONFIG, VIRTIO_ISR_CONFIG);
    if (d->ops->generation)
        assert_int_not_equal(d->ops->generation(d), before);
    config_set(b, C_NUM_PAGES, 7); /* the driver's to read only */
    config_set(b, C_HINT, 7);
    assert_int_equal(config(b, C_NUM_PAGES), 0x123);
    assert_int_equal(config(b, C_HINT), 0);

    assert_int_equal(resize(b, memory + 1), -EINVAL);
    assert_int_equal(resize(b, 0), -EINVAL);
    assert_int_equal(config(b, C_NUM_PAGES), 0x123);
    assert_int_equal(resize(b, memory), 0);
    assert_int_equal(config(b, C_NUM_PAGES), 0);
}

static void test_actual(struct bench *b)
{
    const uint64_t memory = 3 * RAM_SIZE;

    assert_int_equal(query(b).actual, memory);
    config_set(b, C_ACTUAL, 0x100);
    assert_int_equal(config(b, C_ACTUAL), 0x100);
    assert_int_equal(query(b).actual, memory - 0x100000);
    assert_int_equal(changes, 1);
    config_set(b, C_ACTUAL, UINT32_MAX); /* C14: whatever it says */
    assert_int_equal(query(b).actual, 0);
    assert_true(query(b).driver);
    assert_int_equal(resize(b, memory - PAGE), 0);
    drv_reset(&b->d); /* the target is the user's and stays */
    assert_false(query(b).driver);
    bench_init(b);
    assert_int_equal(query(b).actual, memory);
    assert_int_equal(config(b, C_NUM_PAGES), 1);
}

/* 5.5.6.2.1-l3: byte by byte, and nothing of it counts before the last one. */
static void test_actual_bytes(struct bench *b)
{
    const uint32_t v = 0x00000345;

    config_set(b, C_ACTUAL, 0x00000200);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(config(b, C_ACTUAL), 0x200);
        b->d.ops->config_write(&b->d, C_ACTUAL + i, 1, v >> 8 * i & 0xff);
    }
    assert_int_equal(config(b, C_ACTUAL), v);
    assert_int_equal(changes, 2);
    b->d.ops->config_write(&b->d, C_ACTUAL, 2, b->d.order == ORDER_BIG ? 0x5006 : 0x0650);
    assert_int_equal(config(b, C_ACTUAL), v);
    b->d.ops->config_write(&b->d, C_ACTUAL + 2, 2, 0);
    assert_int_equal(config(b, C_ACTUAL), 0x650);
}

/* What must be asked for is not there; poison has nothing to do without reports. */
static void test_plain(struct bench *b)
{
    const uint64_t all = b->d.ops->offered(&b->d);

    assert_int_equal(all & 0x3f, BIT32(F_MUST_TELL_HOST) | BIT32(F_STATS_VQ));
    assert_int_equal(b->d.ops->queue_max(&b->d, STATS), 128);
    assert_int_equal(b->d.ops->queue_max(&b->d, THIRD), 0);
    config_set(b, C_POISON, 0xaa);
    assert_int_equal(config(b, C_POISON), 0);
}

static void test_offered(struct bench *b)
{
    const uint64_t all = b->d.ops->offered(&b->d);

    assert_int_equal(all & 0x3f, 0x3f & ~BIT32(F_FREE_PAGE_HINT));
    assert_int_equal(b->d.ops->queue_max(&b->d, REPORTING), 128);
    config_set(b, C_POISON, 0xaa);
    assert_int_equal(config(b, C_POISON), 0xaa);
    drv_reset(&b->d);
    assert_int_equal(config(b, C_POISON), 0);
}

/* ---- inflate, deflate ---- */

/* 5.5.6-d1, 5.5.6.2-d1: pages go, their neighbours stay; taken back they can be used. */
static void test_inflate(struct bench *b)
{
    const uint64_t at = drv_alloc(&b->d, 16 * PAGE, PAGE);
    const uint32_t first = (uint32_t)(at / PAGE);
    const uint32_t some[] = {first + 1, first + 2, first + 3, first + 9, first + 8, first + 5};

    page_fill(b, at, 16);
    pages_send(b, INFLATE, some, ARRAY_SIZE(some));
    for (unsigned i = 0; i < 16; i++) {
        const bool gone = (i >= 1 && i <= 3) || i == 5 || i == 8 || i == 9;

        if (!page_is(b, at + i * PAGE, gone ? 0 : PATTERN))
            fail_msg("page %u", i);
    }
    assert_int_equal(query(b).discarded, 6 * PAGE);
    page_fill(b, at + PAGE, 1); /* 5.5.3.2.0.1-l2: used before it is asked for */
    pages_send(b, DEFLATE, some, ARRAY_SIZE(some));
    assert_true(page_is(b, at + PAGE, PATTERN));
    assert_int_equal(query(b).discarded, 6 * PAGE);
    pages_send(b, INFLATE, some, 1);
    assert_true(page_is(b, at + PAGE, 0));
}

/* 5.5.3.2.0.1-l1, and the device's own choice on 1.x (5.5.3.2-d1) */
static void test_no_promise(struct bench *b)
{
    drv_init(&b->d, b->want & ~BIT64(F_MUST_TELL_HOST));
    assert_false(bench_has(b, F_MUST_TELL_HOST));
    test_inflate(b);
}

/* O01: entries that are not RAM are passed over, O02: nothing is cut to 32 bits. */
static void test_strange_pages(struct bench *b)
{
    const uint64_t at = drv_alloc(&b->d, 4 * PAGE, PAGE);
    const uint32_t good = (uint32_t)(at / PAGE);
    const uint32_t some[] = {UINT32_MAX,
                             good,
                             (uint32_t)(RAM_HOLE / PAGE),
                             (uint32_t)(ECAM_BASE / PAGE),
                             0xfee00,
                             (uint32_t)(RAM_END / PAGE),
                             UINT32_MAX - 1,
                             good + 1,
                             good + 1,
                             (uint32_t)(RAM_HIGH / PAGE),
                             0x80000000,
                             (uint32_t)(RAM_HOLE / PAGE - 1),
                             good + 2};

    page_fill(b, at, 4);
    page_fill(b, RAM_LOW0, 1); /* what page 0x100000 would be with 32 bits */
    page_fill(b, RAM_HIGH, 2);
    page_fill(b, RAM_HOLE - PAGE, 1);
    pages_send(b, INFLATE, some, ARRAY_SIZE(some));
    assert_true(page_is(b, at, 0) && page_is(b, at + PAGE, 0) && page_is(b, at + 2 * PAGE, 0));
    assert_true(page_is(b, at + 3 * PAGE, PATTERN));
    assert_true(page_is(b, RAM_LOW0, PATTERN));
    assert_true(page_is(b, RAM_HIGH, 0) && page_is(b, RAM_HIGH + PAGE, PATTERN));
    assert_true(page_is(b, RAM_HOLE - PAGE, 0));
}

/* D10, D20, and buffers of odd lengths: given back, nothing else happens. */
static void test_strange_buffers(struct bench *b)
{
    static struct chain c;
    const uint64_t at = drv_alloc(&b->d, PAGE, PAGE), page = drv_alloc(&b->d, PAGE, PAGE);

    page_fill(b, page, 1);
    for (unsigned i = 0; i < 2; i++)
        order_store(b->d.order, page_at(b, at) + 4 * i, 4, page / PAGE);
    for (unsigned i = 0; i < 6; i++) {
        c.n = 0;
        if (i == 0)
            chain_in(&c, at, 8); /* the device is to write: there is nothing to read */
        if (i == 1)
            chain_out(&c, at, 0);
        if (i == 2)
            chain_out(&c, at, 3);
        if (i == 3)
            chain_out(&c, RAM_HOLE - 4, 64);
        if (i == 4)
            chain_out(&c, RAM_END, 64);
        if (i == 5)
            chain_out(&c, at, UINT32_MAX);
        for (unsigned q = INFLATE; q <= DEFLATE; q++)
            assert_int_equal(one(b, q, &c), 0);
        assert_true(page_is(b, page, PATTERN));
    }
    c.n = 0;
    chain_out(&c, at, 7); /* one number, and a rest */
    assert_int_equal(one(b, INFLATE, &c), 0);
    assert_true(page_is(b, page, 0));
}

/* A driver that sends numbers without end takes turns with others, and a reset ends it. */
static void test_long(struct bench *b)
{
    static struct chain c;
    const uint64_t at = drv_alloc(&b->d, MIB, PAGE), page = drv_alloc(&b->d, PAGE, PAGE);
    uint32_t *number = drv_mem(&b->d, at, MIB);
    struct used u;
    unsigned turns = 0;

    for (unsigned i = 0; i < MIB / 4; i++)
        order_store(b->d.order, &number[i], 4, page / PAGE + i % 2 * 2);
    for (unsigned round = 0; round < 2; round++) {
        c.n = 0;
        for (unsigned i = 0; i < 16; i++)
            chain_out(&c, at, (uint32_t)MIB);
        dq_add_kick(&b->d.q[INFLATE], &c, NULL);
        loop_turn(b->loop, 100);
        assert_false(dq_poll(&b->d.q[INFLATE], &u));
        c.n = 0;
        chain_out(&c, at, 4);
        dq_add_kick(&b->d.q[DEFLATE], &c, NULL);
        loop_turn(b->loop, 100); /* beside it */
        assert_true(dq_poll(&b->d.q[DEFLATE], &u));
        assert_false(dq_poll(&b->d.q[INFLATE], &u));
        if (round == 0) {
            drv_reset(&b->d);
            bench_init(b);
        }
    }
    while (!dq_poll(&b->d.q[INFLATE], &u) && turns < 100) {
        loop_turn(b->loop, 100);
        turns++;
    }
    /* no more entries than the machine has pages are looked at: 12288 of 4 million, 3 turns */
    assert_in_range(turns, 1, 4);
}

/* ---- statistics ---- */

static unsigned record_put(const struct bench *b, uint8_t *at, unsigned tag, uint64_t value)
{
    order_store(b->d.order, at, 2, tag);
    order_store(b->d.order, at + 2, 8, value);
    return 10;
}

/* Hand over a buffer with these bytes; it stays with the device. */
static void stats_send(struct bench *b, const uint8_t *bytes, unsigned len)
{
    static struct chain c;
    const uint64_t at = drv_alloc(&b->d, len ? len : 1, 16);

    memcpy(drv_mem(&b->d, at, len), bytes, len);
    c.n = 0;
    chain_out(&c, at, len);
    dq_add_kick(&b->d.q[STATS], &c, NULL);
    machine_settle(b->m);
}

static bool stats_back(struct bench *b)
{
    struct used u = {.len = 1};

    machine_settle(b->m);
    if (!dq_poll(&b->d.q[STATS], &u))
        return false;
    assert_int_equal(u.len, 0);
    return true;
}

/* 5.5.6.3-d1, 5.5.6.3.2-d1, -d2, 5.5.6.3.3-l1, -l2; O04, O05 */
static void test_stats(struct bench *b)
{
    const bool old = b->combo->ops == &driver_legacy;
    uint8_t bytes[200];
    unsigned n = 0;

    assert_int_equal(stats_ask(b), -ENOTCONN); /* O05: no buffer yet */
    record_put(b, bytes, 5, 0x1122334455667788);
    stats_send(b, bytes, 10);
    assert_int_equal(query(b).updates, old ? 0 : 1);
    assert_false(stats_back(b));

    assert_int_equal(stats_ask(b), 0);
    assert_true(stats_back(b));
    assert_int_equal(stats_ask(b), -ENOTCONN); /* the driver has it now */
    n += record_put(b, bytes + n, 9, 99);
    n += record_put(b, bytes + n, 999, 1);
    n += record_put(b, bytes + n, 0, UINT64_MAX);
    n += record_put(b, bytes + n, 10, 1);
    n += record_put(b, bytes + n, 65535, 1);
    n += record_put(b, bytes + n, 4, 0x123456789abcdef0);
    memset(bytes + n, 3, 9);
    stats_send(b, bytes, n + 9);
    assert_false(stats_back(b));
    assert_int_equal(query(b).updates, old ? 1 : 2);
    assert_int_equal(query(b).has, BIT32(9) | BIT32(0) | BIT32(4));
    assert_true(query(b).stat[9] == 99 && query(b).stat[0] == UINT64_MAX);
    assert_true(query(b).stat[4] == 0x123456789abcdef0);
}

/* O04: a buffer that is much too long; O05: a second one while the first is held. */
static void test_stats_hostile(struct bench *b)
{
    enum { LONG = 100000 };
    const bool in_order = bench_has(b, VIRTIO_F_IN_ORDER);
    static struct chain c;
    const uint64_t at = drv_alloc(&b->d, LONG, 16);
    uint8_t bytes[10];

    stats_send(b, bytes, 0);
    assert_false(stats_back(b));
    for (unsigned i = 0; i < LONG / 10; i++)
        record_put(b, drv_mem(&b->d, at + i * 10, 10), i % 20, i);
    c.n = 0;
    chain_out(&c, at, LONG);
    dq_add_kick(&b->d.q[STATS], &c, NULL);
    assert_true(stats_back(b)); /* the first one */
    assert_false(stats_back(b));
    assert_int_equal(query(b).has, 0x3ff);
    assert_true(query(b).stat[9] < LONG);

    c.n = 0; /* not RAM: dropped, the held one stays */
    chain_out(&c, RAM_END, 10);
    dq_add_kick(&b->d.q[STATS], &c, NULL);
    assert_int_equal(stats_back(b), !in_order); /* else it waits for its turn */
    assert_int_equal(stats_ask(b), 0);
    assert_true(stats_back(b));
    assert_int_equal(stats_back(b), in_order);
    stats_send(b, bytes, 0); /* held over a reset: nothing is lost, nothing is given back twice */
    drv_reset(&b->d);
    bench_init(b);
    assert_int_equal(query(b).updates, 0);
    assert_int_equal(stats_ask(b), -ENOTCONN);
    test_stats(b);
}

/* ---- reports ---- */

static void report(struct bench *b, unsigned queue, uint64_t at, uint32_t len)
{
    static struct chain c;

    c.n = 0;
    chain_in(&c, at, len);
    assert_int_equal(one(b, queue, &c), 0);
}

/* 5.5.6.7.2-d1; on the third queue and on the fourth, as drivers count queues in two ways. */
static void test_report(struct bench *b)
{
    const uint64_t at = drv_alloc(&b->d, 32 * PAGE, PAGE);

    for (unsigned q = THIRD; q <= REPORTING; q++) {
        page_fill(b, at, 32);
        report(b, q, at + 4 * PAGE, 16 * PAGE);
        for (unsigned i = 0; i < 32; i++)
            assert_true(page_is(b, at + i * PAGE, i >= 4 && i < 20 ? 0 : PATTERN));
        page_fill(b, at, 32);
        report(b, q, at + 100, 3 * PAGE); /* whole pages only */
        assert_true(page_is(b, at, PATTERN) && page_is(b, at + 3 * PAGE, PATTERN));
        assert_true(page_is(b, at + PAGE, 0) && page_is(b, at + 2 * PAGE, 0));
    }
}

/* A driver without statistics, and one without reports, count on. */
static void test_report_features(struct bench *b)
{
    const uint64_t at = drv_alloc(&b->d, PAGE, PAGE);

    drv_init(&b->d, b->want & ~BIT64(F_STATS_VQ));
    page_fill(b, at, 1);
    report(b, STATS, at, PAGE);
    assert_true(page_is(b, at, 0));
    drv_init(&b->d, b->want & ~BIT64(F_REPORTING));
    page_fill(b, at, 1);
    report(b, REPORTING, at, PAGE);
    assert_true(page_is(b, at, PATTERN));
}

/* 5.5.6.7.2-d2: a pattern in free pages stays there; with zeros there is nothing to keep. */
static void test_report_poison(struct bench *b)
{
    const uint64_t at = drv_alloc(&b->d, PAGE, PAGE);

    page_fill(b, at, 1);
    config_set(b, C_POISON, PATTERN * 0x01010101U);
    report(b, REPORTING, at, PAGE);
    assert_true(page_is(b, at, PATTERN));
    config_set(b, C_POISON, 0);
    report(b, REPORTING, at, PAGE);
    assert_true(page_is(b, at, 0));
}

/* O07, O08, D10: past the end of RAM, both directions, nothing at all. */
static void test_report_hostile(struct bench *b)
{
    static struct chain c;
    const uint64_t at = drv_alloc(&b->d, 4 * PAGE, PAGE);

    page_fill(b, at, 4);
    page_fill(b, RAM_HOLE - PAGE, 1);
    page_fill(b, RAM_END - PAGE, 1);
    report(b, REPORTING, RAM_HOLE - PAGE, 4 * PAGE);
    report(b, REPORTING, RAM_END - PAGE, 0xfffff000);
    report(b, REPORTING, RAM_END, PAGE);
    report(b, REPORTING, at, 0);
    assert_true(page_is(b, RAM_HOLE - PAGE, PATTERN) && page_is(b, RAM_END - PAGE, PATTERN));
    c.n = 0;
    chain_out(&c, at, 2 * PAGE); /* what the device may only read stays as it is */
    chain_in(&c, at + 2 * PAGE, PAGE);
    assert_int_equal(one(b, REPORTING, &c), 0);
    assert_true(page_is(b, at, PATTERN) && page_is(b, at + PAGE, PATTERN));
    assert_true(page_is(b, at + 2 * PAGE, 0) && page_is(b, at + 3 * PAGE, PATTERN));
    c.n = 0; /* over the border of two regions that are apart on the host (D13) */
    page_fill(b, RAM_LOW1 - PAGE, 2);
    chain_in(&c, RAM_LOW1 - PAGE, 2 * PAGE);
    assert_int_equal(one(b, REPORTING, &c), 0);
    assert_true(page_is(b, RAM_LOW1 - PAGE, 0) && page_is(b, RAM_LOW1, 0));
}

/* All of memory, many times over in one report: turns of the loop, and others between them. */
static void test_report_long(struct bench *b)
{
    static struct chain c;
    struct used u;
    unsigned turns = 0;

    c.n = 0;
    for (unsigned i = 0; i < 100; i++)
        chain_in(&c, RAM_LOW1, (uint32_t)RAM_SIZE);
    dq_add_kick(&b->d.q[REPORTING], &c, NULL);
    loop_turn(b->loop, 100);
    assert_false(dq_poll(&b->d.q[REPORTING], &u));
    c.n = 0;
    chain_out(&c, RAM_LOW0, 4);
    dq_add_kick(&b->d.q[DEFLATE], &c, NULL);
    loop_turn(b->loop, 100);
    assert_true(dq_poll(&b->d.q[DEFLATE], &u));
    for (; !dq_poll(&b->d.q[REPORTING], &u); turns++)
        loop_turn(b->loop, 100);
    assert_in_range(turns, 3, 10);
}

static const char plain[] = "plain";

static const struct bench_test tests[] = {
    {"target", test_target, 0, NULL},
    {"actual", test_actual, 0, NULL},
    {"actual-bytes", test_actual_bytes, BENCH_LEGACY, NULL},
    {"plain", test_plain, 0, plain},
    {"offered", test_offered, 0, NULL},
    {"inflate", test_inflate, 0, NULL},
    {"no-promise", test_no_promise, BENCH_RAW, NULL},
    {"strange-pages", test_strange_pages, 0, NULL},
    {"strange-buffers", test_strange_buffers, 0, NULL},
    {"long", test_long, BENCH_TURNS, NULL},
    {"stats", test_stats, 0, NULL},
    {"stats-hostile", test_stats_hostile, 0, NULL},
    {"report", test_report, 0, NULL},
    {"report-features", test_report_features, BENCH_RAW, NULL},
    {"report-poison", test_report_poison, 0, NULL},
    {"report-hostile", test_report_hostile, 0, NULL},
    {"report-long", test_report_long, BENCH_TURNS, NULL},
};

int main(void)
{
    const struct bench_kind kind = {
        .type = &balloon_type, .name = "balloon0", .make_conf = make_conf};

    return bench_run("balloon", &kind, tests, ARRAY_SIZE(tests));
}
