// SPDX-License-Identifier: MIT
/*
 * Life of a split ring: indices and their wrap, used entries, and who tells whom when: kicks and
 * interrupts with and without event indices. The rest of group Q and the clauses of 2.7.6..2.7.14.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/driver/echo.h"
#include "vmm/base/bits.h"

enum { BYTES = 24, HEADS = 16 };

/* HEADS requests, each of two descriptors that never change: 2 * i and 2 * i + 1. */
static void heads_make(struct bench *b, struct dq *q)
{
    const uint64_t at = drv_alloc(&b->d, 2 * BYTES, 64);

    for (unsigned i = 0; i < HEADS; i++) {
        split_desc(q, 2 * i, at, BYTES, VIRTQ_DESC_NEXT, (uint16_t)(2 * i + 1));
        split_desc(q, 2 * i + 1, at + BYTES, BYTES, VIRTQ_DESC_WRITE, 0);
    }
}

/* Make n more requests available at once; wait until the device has used them all. */
static void run(struct bench *b, struct dq *q, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        split_avail(q, (uint16_t)(q->avail_idx % HEADS * 2));
    split_avail_show(q);
    b->d.ops->kick(&b->d, q->index);
    machine_settle(b->m);
    assert_int_equal(split_used_idx(q), q->avail_idx);
}

/* As run(); did an interrupt come? */
static bool run_interrupts(struct bench *b, struct dq *q, unsigned n)
{
    struct dirq irq = dq_arm(q);

    run(b, q, n);
    return dq_interrupted(q, &irq);
}

static void idx_jump(struct bench *b, uint16_t by)
{
    struct dq *q = &b->d.q[0];
    uint64_t served;

    heads_make(b, q);
    run(b, q, 3);
    served = echo_served(b);
    split_avail_idx(q, (uint16_t)(q->avail_idx + by));
    b->d.ops->kick(&b->d, 0);
    machine_settle(b->m);
    assert_true(echo_served(b) - served <= q->size);
    echo_failed_and_recovers(b);
}

static void Q01_avail_jumps(struct bench *b)
{
    idx_jump(b, (uint16_t)(b->d.q[0].size + 1));
    idx_jump(b, 0x7fff);
}

static void Q02_avail_goes_back(struct bench *b)
{
    idx_jump(b, 0xffff);
    idx_jump(b, 0xfffe);
}

static void Q04_index_wraps(struct bench *b)
{
    struct dq *q = &b->d.q[0];
    struct used u;

    heads_make(b, q);
    for (unsigned i = 0; i < 66000 / HEADS; i++)
        run(b, q, HEADS);
    u = split_used_entry(q, (uint16_t)(q->avail_idx - 1));
    assert_int_equal(u.id, (uint16_t)(q->avail_idx - 1) % HEADS * 2); /* 2.7.8-d2 */
    assert_int_equal(u.len, BYTES);
}

static void Q04_largest_queue(struct bench *b)
{
    static struct chain c;
    struct dq *q = &b->d.q[0];
    const uint64_t at = drv_alloc(&b->d, 2 * BYTES, 64);
    struct used u;

    b->d.queue_size = 0;
    bench_init(b);
    assert_int_equal(q->size, VIRTQ_MAX_SIZE);
    c.n = 0;
    chain_out(&c, at, BYTES);
    chain_in(&c, at + BYTES, BYTES);
    for (unsigned round = 0; round < 5; round++) {
        for (unsigned i = 0; i < q->size / 2; i++)
            assert_true(dq_add(q, &c, NULL) >= 0);
        dq_kick(q);
        for (unsigned i = 0; i < q->size / 2; i++)
            assert_true(dq_wait(q, &u, WAIT_MS));
    }
    assert_int_equal(split_used_idx(q), (uint16_t)(5 * VIRTQ_MAX_SIZE / 2));
}

static void Q28_garbage_event(struct bench *b)
{
    struct dq *q = &b->d.q[0];

    heads_make(b, q);
    for (unsigned i = 0; i < 0x10000; i += 0x1234) {
        split_avail_flags(q, (uint16_t)i);
        split_used_event(q, (uint16_t)~i);
        run(b, q, 1 + i % HEADS);
    }
    assert_false(drv_broken(&b->d));
    bench_init(b);
    echo_works(b, 0, BYTES);
}

/* 2.7.7.2-d1..d3: only bit 0 of flags counts. */
static void flags_rule_interrupts(struct bench *b)
{
    struct dq *q = &b->d.q[0];

    b->want &= ~BIT64(VIRTIO_F_EVENT_IDX);
    bench_init(b);
    heads_make(b, q);
    split_used_event(q, 0x5555);
    assert_true(run_interrupts(b, q, 1));
    assert_true(run_interrupts(b, q, HEADS));
    split_avail_flags(q, VIRTQ_AVAIL_NO_INTERRUPT);
    assert_false(run_interrupts(b, q, 1));
    split_used_event(q, split_used_idx(q));
    assert_false(run_interrupts(b, q, HEADS));
    split_avail_flags(q, 0);
    assert_true(run_interrupts(b, q, 1));
}

/* 2.7.7.2-d4..d6, 2.7.11-d1. */
static void event_rules_interrupts(struct bench *b)
{
    struct dq *q = &b->d.q[0];
    uint16_t used;

    if (!bench_has(b, VIRTIO_F_EVENT_IDX))
        return; /* the plain combination: the test above */
    heads_make(b, q);
    split_avail_flags(q, VIRTQ_AVAIL_NO_INTERRUPT); /* ignored (d4) */
    split_used_event(q, 0);
    assert_true(run_interrupts(b, q, 1));
    split_used_event(q, 4);
    for (unsigned i = 0; i < 3; i++) /* used 2, 3, 4 */
        assert_false(run_interrupts(b, q, 1));
    assert_true(run_interrupts(b, q, 1));
    assert_false(run_interrupts(b, q, 1));
    split_used_event(q, (uint16_t)(split_used_idx(q) + 2));
    assert_true(run_interrupts(b, q, 5)); /* a batch that crosses it */
    assert_false(run_interrupts(b, q, 5));
    while ((used = split_used_idx(q)) != 0xfffe)
        run(b, q, (unsigned)min_u64(HEADS, 0xfffeu - used));
    split_used_event(q, 0xffff);
    assert_false(run_interrupts(b, q, 1));
    assert_true(run_interrupts(b, q, 1)); /* where the index wraps */
    split_used_event(q, 1);
    assert_false(run_interrupts(b, q, 1));
    assert_true(run_interrupts(b, q, 1));
}

/* 2.7.10.2-d1..d4: what the device says about kicks is well-formed, and it is awake when it
 * sleeps: a driver that follows it is always served. */
static void device_rules_kicks(struct bench *b)
{
    struct dq *q = &b->d.q[0];
    struct drv *d = &b->d;
    unsigned kicks = 0;

    heads_make(b, q);
    machine_settle(b->m);
    for (unsigned i = 0; i < 1000; i++) {
        split_avail(q, (uint16_t)(q->avail_idx % HEADS * 2));
        if (q->ops->publish(q)) {
            kicks++;
            d->ops->kick(d, 0);
        }
        if (i % 3 == 0 || i % HEADS == 0)
            machine_settle(b->m);
        assert_true(split_used_flags(q) <= 1);
        if (q->event_idx)
            assert_int_equal(split_used_flags(q), 0);
    }
    machine_settle(b->m);
    assert_int_equal(split_used_idx(q), q->avail_idx);
    if (q->event_idx)
        assert_int_equal(split_avail_event(q), q->avail_idx);
    else
        assert_int_equal(split_used_flags(q), 0);
    assert_true(kicks > 0);
}

/* 2.6-d3, 2.7.8-d2: completions out of order, each with its own id. */
static void out_of_order(struct bench *b)
{
    struct dq *q = &b->d.q[0];

    heads_make(b, q);
    echo_set_hold(b, ECHO_HOLD);
    for (unsigned i = 0; i < 3; i++)
        split_avail(q, (uint16_t)(2 * (2 - i)));
    split_avail_show(q);
    b->d.ops->kick(&b->d, 0);
    echo_wait_held(b, 3);
    echo_release_last(b);
    echo_release(b, 1);
    echo_release_last(b);
    assert_int_equal(split_used_entry(q, 0).id, 0);
    assert_int_equal(split_used_entry(q, 1).id, 4);
    assert_int_equal(split_used_entry(q, 2).id, 2);
    bench_init(b);
}

/* More than one turn of the loop may take: the rest follows by itself. */
static void N22_work_is_bounded(struct bench *b)
{
    struct dq *q = &b->d.q[0];

    b->d.queue_size = 0;
    bench_init(b);
    heads_make(b, q);
    machine_settle(b->m);
    for (unsigned i = 0; i < q->size; i++)
        split_avail(q, (uint16_t)(i % HEADS * 2));
    split_avail_show(q);
    b->d.ops->kick(&b->d, 0);
    loop_turn(b->loop, 0); /* the doorbell, and posted work once */
    assert_in_range(split_used_idx(q), 1, 2 * VQ_TURN);
    machine_settle(b->m);
    assert_int_equal(split_used_idx(q), q->avail_idx);
}

/* Device and driver at full speed on two threads, each trusting what the other says about kicks and
 * interrupts: none may be lost (2.7.8.2-d1, 2.7.13-d1, 2.7.14-d1, 2.7.10.2-d4). */
static void race(struct bench *b)
{
    static struct chain c;
    struct dq *q = &b->d.q[0];
    const uint64_t at = drv_alloc(&b->d, 2 * BYTES, 64);
    struct used u;

    for (unsigned i = 0; i < 3000; i++) {
        const unsigned n = 1 + i % 4;

        c.n = 0;
        chain_out(&c, at, BYTES);
        chain_in(&c, at + BYTES, 1 + i % BYTES);
        for (unsigned k = 0; k < n; k++)
            dq_add_kick(q, &c, NULL);
        for (unsigned k = 0; k < n; k++) {
            if (!dq_wait(q, &u, WAIT_MS))
                fail_msg("round %u: request %u was forgotten", i, k);
            assert_int_equal(u.len, 1 + i % BYTES);
        }
    }
}

static const struct echo_conf largest = {.n_queues = 1, .max = VIRTQ_MAX_SIZE};
static const struct echo_conf large = {.max = 4 * VQ_TURN};

int main(void)
{
    static const struct bench_test tests[] = {
        {"Q01_avail_jumps", Q01_avail_jumps, BENCH_SPLIT, NULL},         /* 2.7.6-d1 */
        {"Q02_avail_goes_back", Q02_avail_goes_back, BENCH_SPLIT, NULL}, /* 2.7.6-d1 */
        {"Q04_index_wraps", Q04_index_wraps, BENCH_SPLIT, NULL},         /* 2.7.6-d1, 2.7.8-d2 */
        {"Q04_largest_queue", Q04_largest_queue, BENCH_SPLIT, &largest}, /* 2.7-d2 */
        {"Q28_garbage_event", Q28_garbage_event, BENCH_SPLIT, NULL},
        {"flags_rule_interrupts", flags_rule_interrupts, BENCH_SPLIT, NULL},
        {"event_rules_interrupts", event_rules_interrupts, BENCH_SPLIT, NULL},
        {"device_rules_kicks", device_rules_kicks, BENCH_SPLIT, NULL},
        {"out_of_order", out_of_order, BENCH_SPLIT, NULL},
        {"N22_work_is_bounded", N22_work_is_bounded, BENCH_SPLIT | BENCH_TURNS, &large},
        {"race", race, BENCH_THREADS, NULL},
    };

    return bench_run("ring", &echo_kind, tests, ARRAY_SIZE(tests));
}
