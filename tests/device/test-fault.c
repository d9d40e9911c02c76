// SPDX-License-Identifier: MIT
/* Faults on purpose: each kind does what it says to every interface and ring, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/driver/echo.h"
#include "virtio/fault.h"
#include "vmm/base/bits.h"
#include "vmm/trace-read.h"

enum { BYTES = 64, ROUNDS = 40, QUIET_TURNS = 20 };

/* A rule of this kind that says nothing more, as the command line makes it. */
static struct fault_rule rule_of(enum fault_kind kind)
{
    return (struct fault_rule){.text = fault_info[kind].name,
                               .kind = kind,
                               .queue = FAULT_EVERY_QUEUE,
                               .every = 1,
                               .times = fault_info[kind].times,
                               .chance = 100,
                               .delay_ms = FAULT_DELAY_MS,
                               .seed = FAULT_SEED};
}

/* It stays as long as the device does. */
static void follow(struct bench *b, const struct fault_rule *rule)
{
    static struct fault_rule kept;
    struct err err = {""};
    uint32_t applies;

    kept = *rule;
    log_set_level(LOG_ERROR);
    loop_lock(b->loop);
    if (fault_attach(b->dev, &kept, 1, &applies, &err) < 0)
        fail_msg("%s", err.text);
    loop_unlock(b->loop);
    assert_int_equal(applies, 1);
}

static struct fault_dice told(struct bench *b)
{
    struct fault_dice dice = {0};

    loop_lock(b->loop);
    assert_non_null(fault_told(b->dev, 0, &dice));
    assert_null(fault_told(b->dev, 1, &dice));
    loop_unlock(b->loop);
    return dice;
}

/* Put one request on a queue and ring. */
static void ask(struct bench *b, unsigned queue)
{
    static struct chain c;
    const uint64_t mark = drv_mark(&b->d), at = drv_alloc(&b->d, 2 * BYTES, 64);

    c.n = 0;
    chain_out(&c, at, BYTES);
    chain_in(&c, at + BYTES, BYTES);
    dq_add_kick(&b->d.q[queue], &c, NULL);
    drv_rewind(&b->d, mark);
}

/* ... which is answered; was there an interrupt? */
static bool ask_interrupts(struct bench *b, unsigned queue)
{
    struct dq *q = &b->d.q[queue];
    struct dirq irq = dq_arm(q);
    struct used u;
    bool came;

    ask(b, queue);
    while (!q->ops->used_any(q))
        machine_settle(b->m);
    machine_settle(b->m);
    came = dq_interrupted(q, &irq);
    assert_true(dq_poll(q, &u));
    return came;
}

static void all_work(struct bench *b)
{
    for (unsigned i = 0; i < b->d.n_queues; i++)
        echo_works(b, i, BYTES);
}

/* ---- the status register ---- */

static void refuse_features(struct bench *b)
{
    struct fault_rule rule = rule_of(FAULT_REFUSE_FEATURES);

    rule.times = 2;
    follow(b, &rule);
    for (unsigned i = 0; i < rule.times; i++) {
        assert_false(drv_negotiate(&b->d, b->want));
        assert_int_equal(drv_status(&b->d), VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER);
    }
    bench_init(b);
    all_work(b);
    assert_int_equal(told(b).chances, 3);
}

static bool broken(void *arg)
{
    return drv_broken((struct drv *)arg);
}

static void needs_reset(struct bench *b)
{
    struct fault_rule rule = rule_of(FAULT_NEEDS_RESET);

    rule.after = 5;
    rule.queue = 1;
    follow(b, &rule);
    bench_init(b);
    for (unsigned i = 0; i < rule.after; i++) {
        echo_works(b, 1, BYTES);
        echo_works(b, 0, BYTES); /* not counted */
    }
    assert_false(drv_broken(&b->d));
    ask(b, 1);
    assert_true(machine_until(b->m, broken, &b->d, WAIT_MS));
    assert_int_equal(echo_served(b), 2 * rule.after);
    echo_failed_and_recovers(b);
    for (unsigned i = 0; i < 3 * rule.after; i++)
        echo_works(b, 1, BYTES); /* once is enough */
    assert_int_equal(told(b).faults, 1);
}

/* ---- configuration ---- */

struct reading {
    uint32_t first, second;
    uint8_t before, after; /* generation */
};

static struct reading read_capacity(struct bench *b)
{
    const struct driver_ops *ops = b->d.ops;
    struct reading r;

    r.before = ops->generation ? ops->generation(&b->d) : 0;
    r.first = (uint32_t)ops->config_read(&b->d, ECHO_C_CAPACITY, 4);
    r.second = (uint32_t)ops->config_read(&b->d, ECHO_C_CAPACITY + 4, 4);
    r.after = ops->generation ? ops->generation(&b->d) : 0;
    return r;
}

static void config_change(struct bench *b)
{
    struct fault_rule rule = rule_of(FAULT_CONFIG_CHANGE);
    const bool big = b->combo->order == ORDER_BIG;
    const uint32_t first = (uint32_t)(big ? ECHO_CAPACITY >> 32 : ECHO_CAPACITY);
    const uint32_t second = (uint32_t)(big ? ECHO_CAPACITY : ECHO_CAPACITY >> 32);

    rule.times = 3;
    follow(b, &rule);
    bench_init(b);
    for (unsigned i = 0; i < 8; i++) { /* the second reading is spared */
        const bool changes = i % 2 == 0 && i < 6;
        struct reading r;

        b->d.ops->isr(&b->d);
        r = read_capacity(b);
        assert_int_equal(r.first, changes ? ~first : first);
        assert_int_equal(r.second, second);
        if (b->d.ops->generation)
            assert_int_equal(r.before != r.after, changes);
        assert_int_equal(b->d.ops->isr(&b->d) & VIRTIO_ISR_CONFIG, changes ? VIRTIO_ISR_CONFIG : 0);
        /* what is read at once cannot change meanwhile */
        assert_int_equal(b->d.ops->config_read(&b->d, ECHO_C_NUMBER, 4), ECHO_NUMBER);
    }
    assert_int_equal(told(b).chances, 5);
    assert_int_equal(told(b).faults, 3);
}

/* ---- interrupts ---- */

static void lost_interrupt(struct bench *b)
{
    struct fault_rule rule = rule_of(FAULT_LOST_INTERRUPT);

    rule.every = 3;
    rule.queue = 2;
    follow(b, &rule);
    bench_init(b);
    for (unsigned i = 1; i <= 9; i++) {
        assert_int_equal(ask_interrupts(b, 2), i % 3 != 0);
        assert_true(ask_interrupts(b, 0));
    }
    assert_int_equal(bench_stats(b, 2).interrupts, 6);
    assert_int_equal(told(b).faults, 3);
}

/* Is it less than the rule's delay since then? On a slow host what is late may be there already. */
static bool within(const struct fault_rule *rule, uint64_t start)
{
    return clock_ns() - start < rule->delay_ms * UINT64_C(1000000);
}

struct waiting {
    struct dq *q;
    struct dirq irq;
};

static bool interrupted(void *arg)
{
    struct waiting *w = (struct waiting *)arg;

    return dq_interrupted(w->q, &w->irq);
}

static void late_interrupt(struct bench *b)
{
    struct fault_rule rule = rule_of(FAULT_LATE_INTERRUPT);
    struct waiting w = {.q = &b->d.q[1]};
    struct used u;
    uint64_t start;
    bool early;

    rule.delay_ms = 100;
    rule.every = 2;
    follow(b, &rule);
    bench_init(b);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(ask_interrupts(b, 1));
        w.irq = dq_arm(w.q);
        start = clock_ns();
        early = ask_interrupts(b, 1); /* it was used at once */
        assert_false(early && within(&rule, start));
        assert_true(early || machine_until(b->m, interrupted, &w, WAIT_MS));
        assert_false(within(&rule, start));
    }
    assert_int_equal(bench_stats(b, 1).interrupts, 4);
    assert_false(dq_poll(w.q, &u));
}

/* What is late when the driver resets the device never comes: 2.4.1-d2. */
static void late_and_reset(struct bench *b)
{
    struct fault_rule rule = rule_of(FAULT_LATE_INTERRUPT);
    struct waiting w = {.q = &b->d.q[0]};
    uint64_t start;
    bool early;

    rule.times = 1;
    rule.delay_ms = 50;
    follow(b, &rule);
    bench_init(b);
    start = clock_ns();
    early = ask_interrupts(b, 0);
    assert_false(early && within(&rule, start));
    bench_init(b);
    w.irq = dq_arm(w.q);
    assert_false(machine_until(b->m, interrupted, &w, 3 * rule.delay_ms));
    assert_true(ask_interrupts(b, 0));
}

/* ---- requests ---- */

/* The lengths are those that the rule's random numbers say, request by request. */
static void short_used(struct bench *b)
{
    struct fault_rule rule = rule_of(FAULT_SHORT_USED);
    struct fault_dice dice;
    uint8_t out[BYTES], in[BYTES];
    unsigned faults = 0;

    rule.chance = 40;
    rule.after = 3;
    rule.seed = 77;
    dice = fault_dice(&rule, "echo0");
    follow(b, &rule);
    bench_init(b);
    memset(out, 'o', sizeof(out));
    for (unsigned i = 0; i < ROUNDS; i++) {
        const bool due = fault_due(&rule, &dice);
        const uint32_t want = due ? (uint32_t)(fault_random(&dice) % BYTES) : BYTES;

        memset(in, 'i', sizeof(in));
        assert_int_equal(dq_xfer(&b->d.q[i % 3], out, BYTES, in, BYTES), want);
        assert_memory_equal(in, out, BYTES); /* all of it is there */
        faults += due;
        if (i == ROUNDS / 2)
            bench_init(b); /* a reset begins nothing anew */
    }
    assert_in_range(faults, 5, ROUNDS - 10);
    assert_int_equal(told(b).faults, faults);
    assert_int_equal(told(b).chances, ROUNDS);
}

static void slow_queue(struct bench *b)
{
    struct fault_rule rule = rule_of(FAULT_SLOW_QUEUE);
    struct dq *q = &b->d.q[1];
    struct used u;
    uint64_t start;
    bool early;

    rule.every = 2;
    rule.queue = 1;
    rule.delay_ms = 100;
    follow(b, &rule);
    bench_init(b);
    for (unsigned i = 0; i < 3; i++) {
        echo_works(b, 1, BYTES);
        start = clock_ns();
        ask(b, 1);
        assert_in_range(machine_settle(b->m), 0, QUIET_TURNS); /* nobody spins meanwhile */
        echo_works(b, 0, BYTES);
        echo_works(b, 2, BYTES);
        early = q->ops->used_any(q);
        assert_false(early && within(&rule, start));
        assert_true(dq_wait(q, &u, WAIT_MS));
        assert_false(within(&rule, start));
    }
    assert_int_equal(told(b).faults, 3);
}

/* A request that waits when the driver resets the device is forgotten with the ring, and with it
 * that the queue was slow. */
static void slow_and_reset(struct bench *b)
{
    struct fault_rule rule = rule_of(FAULT_SLOW_QUEUE);
    uint64_t start;

    rule.delay_ms = WAIT_MS / 2;
    rule.times = 1;
    follow(b, &rule);
    bench_init(b);
    start = clock_ns();
    ask(b, 0);
    machine_settle(b->m);
    bench_init(b);
    all_work(b);
    assert_true(within(&rule, start));
    assert_int_equal(echo_served(b), b->d.n_queues);
}

/* ---- rules ---- */

static void with_features(struct bench *b)
{
    struct fault_rule rule = rule_of(FAULT_LOST_INTERRUPT);
    bool both;

    rule.with = "event_idx+indirect_desc";
    follow(b, &rule);
    bench_init(b);
    both = bench_has(b, VIRTIO_F_EVENT_IDX) && bench_has(b, VIRTIO_F_INDIRECT_DESC);
    assert_int_equal(ask_interrupts(b, 0), !both);
    b->want &= ~BIT64(VIRTIO_F_EVENT_IDX);
    bench_init(b);
    assert_true(ask_interrupts(b, 0));
    assert_int_equal(told(b).faults, both);
}

static void traced(struct bench *b)
{
    struct fault_rule rule = rule_of(FAULT_LOST_INTERRUPT);
    char path[] = "/tmp/vmm-fault-XXXXXX";
    struct err err = {""};
    struct trace_file *f;
    struct trace_rec rec;
    unsigned n = 0;

    close(mkstemp(path));
    rule.every = 4;
    follow(b, &rule);
    assert_int_equal(trace_open(path, TRACE_BASE, 0, &err), 0);
    bench_init(b);
    for (unsigned i = 0; i < 12; i++)
        ask_interrupts(b, 0);
    assert_true(trace_close());
    f = trace_file_open(path, &err);
    unlink(path);
    assert_non_null(f);
    for (size_t i = 0; i < trace_file_count(f); i++) {
        trace_file_get(f, i, &rec);
        if (rec.point != TRACE_FAULT)
            continue;
        assert_int_equal(rec.value[0], ++n);
        assert_int_equal(rec.queue, 0);
        assert_int_equal(rec.n_bytes, strlen("lost_interrupt"));
        assert_memory_equal(rec.bytes, "lost_interrupt", rec.n_bytes);
    }
    assert_int_equal(n, 3);
    trace_file_close(f);
}

/* Rules that name the device and what it has not got; rules about others. */
static void wrong_rules(struct bench *b)
{
    struct fault_rule rule = rule_of(FAULT_SLOW_QUEUE);
    struct err err = {""};
    uint32_t applies;

    rule.queue = ECHO_QUEUES;
    rule.device = "echo0";
    assert_true(fault_attach(b->dev, &rule, 1, &applies, &err) < 0);
    assert_non_null(strstr(err.text, "has 3 queues"));
    rule.queue = 0;
    rule.with = "event_idx+mrg_rxbuf";
    assert_true(fault_attach(b->dev, &rule, 1, &applies, &err) < 0);
    assert_non_null(strstr(err.text, "mrg_rxbuf"));
    rule.device = NULL;
    assert_int_equal(fault_attach(b->dev, &rule, 1, &applies, &err), 0);
    assert_int_equal(applies, 0);
    rule.with = NULL;
    rule.device = "echo1";
    assert_int_equal(fault_attach(b->dev, &rule, 1, &applies, &err), 0);
    assert_int_equal(applies, 0);
    assert_null(b->dev->fault);
    bench_init(b);
    all_work(b);
}

/* clang-format off */
#define ROW(fn) {#fn, fn, BENCH_RAW, NULL}
#define MODERN(fn) {#fn, fn, BENCH_RAW | BENCH_MODERN, NULL}
/* clang-format on */

int main(void)
{
    static const struct bench_test tests[] = {
        MODERN(refuse_features), /* 2.2.2-d3 */
        ROW(needs_reset),        /* 2.1.2-d3 */
        ROW(config_change),      /* 2.5.2-d1, 4.1.4.3.1-d6 */
        ROW(lost_interrupt),     ROW(late_interrupt), ROW(late_and_reset),
        ROW(short_used),         ROW(slow_queue),     ROW(slow_and_reset),
        ROW(with_features),      ROW(traced),         ROW(wrong_rules),
    };

    return bench_run("fault", &echo_kind, tests, ARRAY_SIZE(tests));
}
