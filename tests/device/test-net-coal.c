// SPDX-License-Identifier: MIT
/* Interrupts that a driver wants to have later (5.1.9.5.10), on the network device. */
#include <sys/resource.h>
#include <unistd.h>

#include "tests/device/net-ctrl.h"

static const struct net_case four = {.pairs = 4};

static uint8_t coal_set(struct bench *b, uint8_t command, uint32_t packets, uint32_t usecs)
{
    uint8_t raw[8];

    order_store(b->d.order, raw, 4, packets);
    order_store(b->d.order, raw + 4, 4, usecs);
    return ctrl(b, COAL, command, raw, 8);
}

static uint8_t coal_vq_set(struct bench *b, uint16_t vq, uint32_t packets, uint32_t usecs)
{
    uint8_t raw[12] = {0, 0, 0xff, 0xff};

    order_store(b->d.order, raw, 2, vq);
    order_store(b->d.order, raw + 4, 4, packets);
    order_store(b->d.order, raw + 8, 4, usecs);
    return ctrl(b, COAL, 2, raw, 12);
}

static bool coal_is(struct bench *b, uint16_t vq, uint32_t packets, uint32_t usecs)
{
    uint8_t raw[4] = {0, 0, 0xff, 0xff}, result[8];

    order_store(b->d.order, raw, 2, vq);
    assert_int_equal(ctrl_result(b, COAL, 3, raw, 4, result, 8), OK);
    return order_load(b->d.order, result, 4) == packets &&
           order_load(b->d.order, result + 4, 4) == usecs;
}

static uint64_t interrupts(struct bench *b, unsigned q)
{
    uint64_t n;

    loop_lock(b->loop);
    n = b->dev->vq[q].stats.interrupts;
    loop_unlock(b->loop);
    return n;
}

static void receive(struct bench *b, unsigned n)
{
    struct used u;

    for (unsigned i = 0; i < n; i++) {
        frame_arrive_seed(b, 60, i);
        machine_settle(b->m);
        assert_true(dq_poll(&b->d.q[RXQ], &u)); /* there at once */
        rx_post(b, RXQ, 1526);
    }
}

struct interrupt_wait {
    struct bench *b;
    uint64_t more_than;
};

static bool interrupted(void *arg)
{
    const struct interrupt_wait *w = (const struct interrupt_wait *)arg;

    return interrupts(w->b, RXQ) > w->more_than;
}

static void test_coal(struct bench *b)
{
    const uint32_t long_us = 3600u * 1000 * 1000;
    struct interrupt_wait w = {b, 0};
    uint64_t start;

    for (unsigned i = 0; i < 4; i++)
        rx_post(b, RXQ, 1526);
    assert_int_equal(coal_set(b, 1, 4, long_us), OK);
    receive(b, 3);
    assert_int_equal(interrupts(b, RXQ), 0);
    receive(b, 1);
    assert_int_equal(interrupts(b, RXQ), 1);
    receive(b, 2);
    assert_int_equal(coal_set(b, 1, 2, long_us), OK); /* the condition is looked at again */
    assert_int_equal(interrupts(b, RXQ), 2);
    assert_int_equal(coal_set(b, 1, 100, 30000), OK);
    start = clock_ns();
    receive(b, 1);
    assert_int_equal(interrupts(b, RXQ), 2);
    w.more_than = 2;
    assert_true(machine_until(b->m, interrupted, &w, WAIT_MS));
    assert_true(clock_ns() - start >= 30000000);
    assert_int_equal(coal_set(b, 1, 100, 0), OK);
    receive(b, 2);
    assert_int_equal(interrupts(b, RXQ), 5);
    assert_int_equal(coal_set(b, 1, 100, long_us), OK);
    receive(b, 2);
    bench_init(b); /* 5.1.9.5.10.6-d9 */
    rx_post(b, RXQ, 1526);
    assert_true(coal_is(b, RXQ, 0, 0));
    receive(b, 1);
    assert_int_equal(interrupts(b, RXQ), 6);
}

static void queue_reset(struct bench *b, unsigned q)
{
    enum { SELECT = 22, RESET = 58 };

    modern_write(&b->d, VIRTIO_PCI_CAP_COMMON, SELECT, 2, q);
    modern_write(&b->d, VIRTIO_PCI_CAP_COMMON, RESET, 2, 1);
    machine_settle(b->m);
    assert_int_equal(modern_read(&b->d, VIRTIO_PCI_CAP_COMMON, RESET, 2), 0);
}

static void queue_renew(struct bench *b, unsigned q)
{
    queue_reset(b, q);
    drv_queue(&b->d, q, 0);
}

/* 5.1.9.5.10.6-d4 ... d6, per queue */
static void test_coal_queue(struct bench *b)
{
    assert_int_equal(coal_set(b, 0, 5, 6), OK);
    assert_int_equal(coal_set(b, 1, 7, 8), OK);
    assert_true(coal_is(b, 3, 5, 6) && coal_is(b, 2, 7, 8));
    assert_int_equal(coal_vq_set(b, 3, 50, 60), OK);
    assert_int_equal(coal_vq_set(b, 2, 70, 80), OK);
    assert_true(coal_is(b, 3, 50, 60) && coal_is(b, 2, 70, 80) && coal_is(b, 1, 5, 6));
    assert_int_equal(coal_vq_set(b, 8, 1, 1), ERR); /* the control queue */
    assert_int_equal(coal_vq_set(b, 0xffff, 1, 1), ERR);
    queue_renew(b, 3);
    queue_renew(b, 2);
    assert_true(coal_is(b, 3, 5, 6) && coal_is(b, 2, 7, 8));
    net_works(b);
}

/* Delays are for queues of frames, wherever the control queue is: it answers at once. */
static void test_coal_not_ctrl(struct bench *b)
{
    const uint32_t long_us = 3600u * 1000 * 1000;

    init_without(b, BIT64(F_MQ) | BIT64(F_RSS));
    assert_int_equal(coal_set(b, 1, 100, long_us), OK);
    assert_int_equal(coal_set(b, 0, 100, long_us), OK);
    assert_int_equal(ctrl8(b, RX, PROMISC, 1), OK);
    queue_renew(b, 2);
    assert_int_equal(ctrl8(b, RX, PROMISC, 1), OK);
    assert_int_equal(ctrl8(b, RX, PROMISC, 0), OK);
}

/* All queues or none (5.1.9.5.10.6-d2). */
static void test_coal_no_timers(struct bench *b)
{
    struct rlimit was, few;
    int fd[2];

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
    for (unsigned i = 0; i < 2; i++)
        fd[i] = dup(0);
    for (unsigned i = 0; i < 2; i++)
        close(fd[i]);
    few = was;
    few.rlim_cur = (rlim_t)fd[1] + 1; /* as many as that, for four queues */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    assert_int_equal(coal_set(b, 1, 7, 8), ERR);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
    for (uint16_t q = 0; q < 8; q += 2)
        assert_true(coal_is(b, q, 0, 0));
    queue_renew(b, 2);
    assert_true(coal_is(b, 2, 0, 0));
    assert_int_equal(coal_set(b, 1, 7, 8), OK);
    for (uint16_t q = 0; q < 8; q += 2)
        assert_true(coal_is(b, q, 7, 8));
}

static void blocked(struct bench *b, bool on)
{
    loop_lock(b->loop);
    fake.blocked = on;
    if (!on)
        for (unsigned i = 0; i < fake.net.pairs; i++)
            net_sendable(&fake.net, i);
    loop_unlock(b->loop);
}

static void tx_hold(struct bench *b, unsigned q)
{
    const uint32_t len = drv_header(b) + 60;
    struct chain c = {0};

    chain_out(&c, drv_alloc(&b->d, len, 64), len);
    memset(drv_mem(&b->d, c.buf[0].addr, len), 0, len);
    blocked(b, true);
    dq_add_kick(&b->d.q[q], &c, NULL);
    machine_settle(b->m);
}

struct late {
    struct bench *b;
    unsigned q;
};

static bool late_came(void *arg)
{
    const struct late *l = (const struct late *)arg;

    return interrupts(l->b, l->q) > 0;
}

/* 5.1.9.5.10-d1: used without a frame that counts, there is an interrupt after the time all the
 * same: what was held when the time began, what was of no use, what will not be sent. */
static void test_coal_owed(struct bench *b)
{
    enum { US = 20000 };
    struct late tx = {b, 3}, rx = {b, 2};
    struct chain bad = {0};

    assert_int_equal(ctrl_num(b, MQ, 0, 2, 2), OK);
    assert_int_equal(coal_set(b, 0, 100, US), OK);
    assert_int_equal(coal_set(b, 1, 100, US), OK);
    tx_hold(b, tx.q);
    machine_until(b->m, late_came, &tx, 2 * US / 1000); /* its time goes by */
    assert_int_equal(interrupts(b, tx.q), 0);
    blocked(b, false);
    assert_true(machine_until(b->m, late_came, &tx, WAIT_MS));
    chain_out(&bad, drv_alloc(&b->d, 64, 64), 64);
    dq_add_kick(&b->d.q[rx.q], &bad, NULL);
    assert_true(machine_until(b->m, late_came, &rx, WAIT_MS));
    bench_init(b);
    loop_lock(b->loop);
    b->dev->vq[tx.q].stats.interrupts = 0;
    loop_unlock(b->loop);
    assert_int_equal(ctrl_num(b, MQ, 0, 2, 2), OK);
    assert_int_equal(coal_set(b, 0, 100, US), OK);
    tx_hold(b, tx.q);
    machine_until(b->m, late_came, &tx, 2 * US / 1000);
    assert_int_equal(ctrl_num(b, MQ, 0, 1, 2), OK);
    assert_true(machine_until(b->m, late_came, &tx, WAIT_MS));
    blocked(b, false);
}

/* 5.1.9.5.10.6-d2 ... d6: commands of other lengths, queues that are off; nothing was set for all,
 * so nothing is left of what was set for one. */
static void test_coal_refused(struct bench *b)
{
    const uint8_t raw[16] = {2, 2, 0, 0, 9, 9, 9, 9, 9, 9, 9, 9};

    for (uint32_t len = 0; len <= 12; len++) {
        if (len != 8) {
            assert_int_equal(ctrl(b, COAL, 0, raw, len), ERR);
            assert_int_equal(ctrl(b, COAL, 1, raw, len), ERR);
        }
        if (len != 12)
            assert_int_equal(ctrl(b, COAL, 2, raw, len), ERR);
    }
    for (uint16_t q = 2; q < 4; q++) {
        uint8_t get[4] = {0}, result[8];

        assert_true(coal_is(b, q, 0, 0));
        assert_int_equal(coal_vq_set(b, q, 50, 60), OK);
        queue_reset(b, q);
        order_store(b->d.order, get, 2, q);
        assert_int_equal(coal_vq_set(b, q, 50, 60), ERR);
        assert_int_equal(ctrl_result(b, COAL, 3, get, 4, result, 8), ERR);
        drv_queue(&b->d, q, 0);
        assert_true(coal_is(b, q, 0, 0));
    }
    net_works(b);
}

/* 5.1.9.5.10.6-d8: a driver that wants no interrupts gets none, for neither reason. */
static void test_coal_suppressed(struct bench *b)
{
    struct dq *q = &b->d.q[RXQ];
    uint64_t end;

    for (unsigned i = 0; i < 8; i++)
        rx_post(b, RXQ, 1526);
    assert_int_equal(coal_set(b, 1, 4, 1000), OK);
    q->ops->interrupts(q, false);
    for (unsigned i = 0; i < 6; i++)
        frame_arrive_seed(b, 60, i);
    end = clock_ns() + 5000000;
    while (clock_ns() < end)
        machine_settle(b->m);
    assert_int_equal(interrupts(b, RXQ), 0);
    for (unsigned i = 0; i < 6; i++)
        assert_true(dq_poll(q, &(struct used){0}));
}

static const struct bench_test tests[] = {
    {"coal", test_coal, BENCH_TURNS | BENCH_MODERN, NULL},
    {"coal-queue", test_coal_queue, BENCH_TURNS | BENCH_MODERN, &four},
    {"coal-not-ctrl", test_coal_not_ctrl, BENCH_TURNS | BENCH_MODERN, &four},
    {"coal-no-timers", test_coal_no_timers, BENCH_TURNS | BENCH_MODERN, &four},
    {"coal-refused", test_coal_refused, BENCH_TURNS | BENCH_MODERN, &four},
    {"coal-suppressed", test_coal_suppressed, BENCH_TURNS | BENCH_MODERN, NULL},
    {"coal-owed", test_coal_owed, BENCH_TURNS | BENCH_MODERN, &four},
};

int main(void)
{
    return bench_run("net-coal", &net_kind, tests, ARRAY_SIZE(tests));
}
