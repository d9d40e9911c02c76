// SPDX-License-Identifier: MIT
/*
 * Who tells whom, and how often: doorbells without exits, none while the device is at work, one
 * interrupt for many requests; and the driver that trusts all of this. The moments are hit by a
 * layer on the queue's verbs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/driver/echo.h"
#include "virtio/vq.h"
#include "vmm/base/bits.h"

enum { BYTES = 16, BATCH = 20, ROUNDS = 10, MANY = 300, L_NOTIFY = 0x10 };

static uint64_t buffers;

static void request_add(struct bench *b, unsigned queue)
{
    static struct chain c;

    c.n = 0;
    chain_out(&c, buffers, BYTES);
    chain_in(&c, buffers + BYTES, BYTES);
    assert_true(dq_add(&b->d.q[queue], &c, NULL) >= 0);
}

static unsigned take_all(struct bench *b, unsigned queue)
{
    struct used u;
    unsigned n = 0;

    for (; dq_poll(&b->d.q[queue], &u); n++)
        assert_int_equal(u.len, BYTES);
    return n;
}

static void at_rest(struct bench *b)
{
    buffers = drv_alloc(&b->d, 2 * BYTES, 64);
    machine_settle(b->m);
}

/* ---- layers ---- */

static struct {
    struct bench *b;
    const struct vq_ops *real;
    struct vq_ops ops;
    unsigned added, wanted;
} trap;

static struct vq *trap_set(struct bench *b)
{
    struct vq *vq = &b->dev->vq[0];

    trap.b = b;
    trap.added = trap.wanted = 0;
    trap.real = vq->ops;
    trap.ops = *trap.real;
    vq->ops = &trap.ops;
    return vq;
}

static void trap_clear(struct vq *vq)
{
    vq->ops = trap.real;
}

/* Doorbells are off for a moment yet: the driver makes a request available, and rings none. */
static bool kicks_late_request(struct vq *vq, bool on)
{
    if (on && !trap.added) {
        trap.added = 1;
        request_add(trap.b, 0);
        trap.b->d.q[0].ops->publish(&trap.b->d.q[0]);
    }
    return trap.real->kicks(vq, on);
}

/* A spurious doorbell (2.7.10.2-d5), and a request that comes while it is being looked into. */
static void Q23_request_during_spurious_kick(struct bench *b)
{
    struct vq *vq;

    at_rest(b);
    vq = trap_set(b);
    trap.ops.kicks = kicks_late_request;
    vdev_kick(b->dev, vq->index);
    machine_settle(b->m);
    trap_clear(vq);
    assert_int_equal(trap.added, 1);
    assert_int_equal(take_all(b, 0), 1);
}

/* The driver is as fast as the device: one more each time that the device takes one. */
static struct vq_chain *pop_and_add(struct vq *vq)
{
    struct vq_chain *chain = trap.real->pop(vq);

    if (chain && trap.added < MANY) {
        struct dq *q = &trap.b->d.q[0];

        if (q->n_free < 4)
            return chain;
        trap.added++;
        request_add(trap.b, 0);
        trap.wanted += q->ops->publish(q);
    }
    return chain;
}

/* 2.7.10.2-d2, d4, 2.8.10-d1 */
static void busy_queue_wants_no_doorbells(struct bench *b)
{
    struct vq *vq;
    unsigned all = 0;

    at_rest(b);
    vq = trap_set(b);
    trap.ops.pop = pop_and_add;
    for (unsigned i = 0; i < ROUNDS; i++) {
        request_add(b, 0);
        dq_kick(&b->d.q[0]);
        machine_settle(b->m);
        all += 1 + take_all(b, 0);
    }
    trap_clear(vq);
    assert_true(trap.added >= BATCH);
    assert_int_equal(all, trap.added + 2 * ROUNDS);
    assert_int_equal(trap.wanted, 0);
}

static bool publish_look(struct vq *vq)
{
    const struct dq *q = &trap.b->d.q[0];

    trap.wanted += q->ops->used_any((struct dq *)(uintptr_t)q);
    return trap.real->publish(vq);
}

/* A batch becomes visible as a whole: buffers that belong together need it (2.8.9-d1). */
static void nothing_is_seen_before_publish(struct bench *b)
{
    struct vq *vq;

    at_rest(b);
    vq = trap_set(b);
    trap.ops.publish = publish_look;
    for (unsigned i = 0; i < MANY / BATCH; i++) {
        for (unsigned k = 0; k < BATCH; k++)
            request_add(b, 0);
        dq_kick(&b->d.q[0]);
        machine_settle(b->m);
        assert_int_equal(trap.wanted, 0);
        assert_int_equal(take_all(b, 0), BATCH);
    }
    trap_clear(vq);
}

/* ---- interrupts ---- */

static void one_interrupt_for_a_batch(struct bench *b)
{
    at_rest(b);
    for (unsigned i = 1; i <= ROUNDS; i++) {
        const struct vq_stats before = bench_stats(b, 0);

        for (unsigned k = 0; k < BATCH; k++)
            request_add(b, 0);
        dq_kick(&b->d.q[0]);
        machine_settle(b->m);
        assert_int_equal(bench_stats(b, 0).interrupts, before.interrupts + 1);
        assert_int_equal(bench_stats(b, 0).kicks, before.kicks + 1);
        assert_int_equal(take_all(b, 0), BATCH);
    }
}

/* The same for what ends later, on its own. */
static void one_interrupt_for_late_ones(struct bench *b)
{
    at_rest(b);
    echo_set_hold(b, ECHO_HOLD);
    for (unsigned i = 0; i < ROUNDS; i++) {
        const struct vq_stats before = bench_stats(b, 0);

        for (unsigned k = 0; k < BATCH; k++)
            request_add(b, 0);
        dq_kick(&b->d.q[0]);
        echo_wait_held(b, BATCH);
        assert_int_equal(bench_stats(b, 0).interrupts, before.interrupts);
        echo_release_batch(b, BATCH);
        assert_int_equal(bench_stats(b, 0).interrupts, before.interrupts + 1);
        assert_int_equal(take_all(b, 0), BATCH);
    }
}

/* A driver that polls is left alone; one that asked for the next entry only hears of that one. */
static void no_interrupt_that_nobody_wants(struct bench *b)
{
    struct dq *q = &b->d.q[0];
    struct vq_stats before;

    at_rest(b);
    q->ops->interrupts(q, false);
    before = bench_stats(b, 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        for (unsigned k = 0; k < BATCH; k++)
            request_add(b, 0);
        dq_kick(q);
        machine_settle(b->m);
        assert_int_equal(take_all(b, 0), BATCH);
    }
    assert_int_equal(bench_stats(b, 0).interrupts, before.interrupts);
    assert_int_equal(bench_stats(b, 0).suppressed, before.suppressed + ROUNDS);
    q->ops->interrupts(q, true);
    if (!q->event_idx)
        return;
    for (unsigned k = 0; k < BATCH; k++) { /* the first crosses the event, the others do not */
        request_add(b, 0);
        dq_kick(q);
        machine_settle(b->m);
    }
    assert_int_equal(bench_stats(b, 0).interrupts, before.interrupts + 1);
    assert_int_equal(take_all(b, 0), BATCH);
}

/* ---- doorbells ---- */

static void kick_all(struct bench *b, unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        for (unsigned k = 0; k < b->d.n_queues; k++)
            b->d.ops->kick(&b->d, k);
    machine_settle(b->m);
}

static void doorbells_need_no_exit(struct bench *b)
{
    unsigned exits;

    machine_settle(b->m);
    exits = machine_exits(b->m);
    kick_all(b, ROUNDS);
    for (unsigned i = 0; i < b->d.n_queues; i++)
        echo_works(b, i, 100);
    if (b->d.use_msix) /* else interrupts are acknowledged by reads, and those do not count here */
        assert_int_equal(machine_exits(b->m), exits);
    drv_reset(&b->d);
    bench_init(b);
    exits = machine_exits(b->m);
    kick_all(b, 1);
    assert_int_equal(machine_exits(b->m), exits);
}

/* Doorbells of 0.9 lie at one port: by value, and only while no rule is hidden in them (L05). */
static void L05_exits_until_in_use(struct bench *b)
{
    unsigned exits, bells;

    bells = machine_bells(b->m);
    exits = machine_exits(b->m);
    legacy_write(&b->d, L_NOTIFY, 2, 0xffff); /* nobody's, and another width */
    legacy_write(&b->d, L_NOTIFY, 4, 0);
    legacy_write(&b->d, L_NOTIFY, 2, b->d.n_queues);
    assert_int_equal(machine_exits(b->m), exits + 3);
    drv_reset(&b->d);
    assert_int_equal(machine_bells(b->m), bells - b->d.n_queues);
    exits = machine_exits(b->m);
    kick_all(b, 1);
    assert_int_equal(machine_exits(b->m), exits + b->d.n_queues);
    assert_true(drv_negotiate(&b->d, b->want));
    gfunc_msix_control(&b->d.func, b->d.use_msix, false);
    drv_queue(&b->d, 0, 0);
    drv_queue(&b->d, 1, 0);
    assert_int_equal(machine_bells(b->m), bells - b->d.n_queues);
    echo_works(b, 0, 100); /* its doorbell starts the device */
    assert_int_equal(machine_bells(b->m), bells);
    echo_works(b, 1, 100);
    drv_go(&b->d);
    assert_int_equal(machine_bells(b->m), bells);
    echo_works(b, 0, 100);
}

/* Doorbells move with the BAR and stay away while it is not mapped (P17). */
static void P17_doorbells_follow(struct bench *b)
{
    const unsigned bells = machine_bells(b->m);

    gfunc_command(&b->d.func, 0, PCI_CMD_IO | PCI_CMD_MEMORY);
    assert_int_equal(machine_bells(b->m), 0);
    gfunc_command(&b->d.func, PCI_CMD_IO | PCI_CMD_MEMORY, 0);
    assert_int_equal(machine_bells(b->m), bells);
    for (unsigned i = 0; i < b->d.n_queues; i++)
        echo_works(b, i, 100);
}

/* Any width, any value: the address says which queue (2.9-d1..d3, 4.1.5.2-d1). */
static void doorbell_data(struct bench *b)
{
    static const uint32_t values[] = {0, 0xffff, 0x80000001, 0xffffffff};
    const struct drv *d = &b->d;

    at_rest(b);
    for (unsigned i = 0; i < ARRAY_SIZE(values); i++)
        for (unsigned len = 1; len <= 4; len *= 2) {
            request_add(b, 1);
            d->q[1].ops->publish(&b->d.q[1]);
            modern_write(&b->d, VIRTIO_PCI_CAP_NOTIFY, d->notify_step, len, values[i]);
            machine_settle(b->m);
            assert_int_equal(take_all(b, 1), 1);
        }
    assert_false(drv_broken(&b->d));
}

/* 4.1.4.4.1-d6..d9 hold whether or not the bit is offered. */
static void notify_structure(struct bench *b)
{
    const struct dregion *r = &b->d.region[VIRTIO_PCI_CAP_NOTIFY];
    const uint32_t step = b->d.notify_step;

    assert_true(is_pow2(step) && step % 4 == 0 && r->off % 4 == 0);
    for (unsigned i = 0; i < b->d.n_queues; i++)
        assert_true(r->len >= i * step + 4);
}

static const struct bench_test tests[] = {
    {"Q23_request_during_spurious_kick", Q23_request_during_spurious_kick, BENCH_TURNS, NULL},
    {"busy_queue_wants_no_doorbells", busy_queue_wants_no_doorbells, BENCH_TURNS, NULL},
    {"nothing_is_seen_before_publish", nothing_is_seen_before_publish, BENCH_TURNS, NULL},
    {"one_interrupt_for_a_batch", one_interrupt_for_a_batch, BENCH_TURNS, NULL},
    {"one_interrupt_for_late_ones", one_interrupt_for_late_ones, BENCH_TURNS, NULL},
    {"no_interrupt_that_nobody_wants", no_interrupt_that_nobody_wants, BENCH_TURNS, NULL},
    {"doorbells_need_no_exit", doorbells_need_no_exit, 0, NULL},
    {"L05_exits_until_in_use", L05_exits_until_in_use, BENCH_LEGACY, NULL},
    {"P17_doorbells_follow", P17_doorbells_follow, 0, NULL},
    {"doorbell_data", doorbell_data, BENCH_MODERN, NULL},
    {"notify_structure", notify_structure, BENCH_MODERN, NULL},
};

int main(void)
{
    return bench_run("kicks", &echo_kind, tests, ARRAY_SIZE(tests));
}
