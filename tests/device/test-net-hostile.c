// SPDX-License-Identifier: MIT
/* The network device and bad input: group N of the list, and D and H where they concern it. */
#include "tests/device/net-bench.h"

enum { FRAME = 100 };

static const struct net_case mtu_1500 = {.mtu = 1500};

/* A chain comes back at once with nothing used, and nothing was sent. */
static void dropped(struct bench *b, unsigned q, const struct chain *c)
{
    const unsigned out = frames_out(b);
    struct used u;

    dq_add_kick(&b->d.q[q], c, NULL);
    assert_true(dq_wait(&b->d.q[q], &u, WAIT_MS));
    assert_int_equal(u.len, 0);
    assert_int_equal(frames_out(b), out);
    assert_false(drv_broken(&b->d));
}

/* N01, N02 */
static void test_tx_short(struct bench *b)
{
    const uint64_t at = drv_alloc(&b->d, 4096, 64);

    memset(drv_mem(&b->d, at, 4096), 0, 4096);
    for (uint32_t len = 0; len < drv_header(b) + 14; len++) {
        struct chain c = {0};

        chain_out(&c, at, len);
        dropped(b, TXQ, &c);
    }
    net_works(b);
}

/* N08, D10, D16, D17 */
static void test_tx_useless(struct bench *b)
{
    static struct chain c;
    const uint64_t at = drv_alloc(&b->d, 4096, 64);

    memset(drv_mem(&b->d, at, 4096), 0, 4096);
    for (unsigned i = 0; i < 6; i++) {
        c.n = 0;
        if (i != 1)
            chain_out(&c, at, i == 4 ? 12 : FRAME);
        if (i == 0 || i == 1)
            chain_in(&c, at, FRAME);
        if (i == 2)
            chain_out(&c, RAM_HOLE, FRAME);
        if (i == 3)
            chain_out(&c, at, 0xffffffff);
        if (i == 4)
            chain_out(&c, RAM_END - 5, 20);
        for (unsigned k = 0; i == 5 && k < 100; k++)
            chain_out(&c, RAM_HIGH, 1 << 20);
        dropped(b, TXQ, &c);
    }
    net_works(b);
}

/* N05: what cannot be sent is not. */
static void test_tx_header(struct bench *b)
{
    static const struct hdr_fields bad[] = {
        {1, NET_GSO_NONE, 0, 0, FRAME - 1, 0, 0}, /* the sum would not fit */
        {1, NET_GSO_NONE, 0, 0, FRAME - 17, 16, 0},
        {1, NET_GSO_NONE, 0, 0, 0xffff, 0xffff, 0},
        {1, 2, 54, 1448, 34, 16, 0}, /* no such kind */
        {1, 6, 54, 1448, 34, 16, 0},
        {1, 0x7f, 54, 1448, 34, 16, 0},
        {1, NET_GSO_TCPV4 | 0x20, 54, 1448, 34, 16, 0}, /* tunnels */
        {1, NET_GSO_TCPV4, 54, 0, 34, 16, 0},           /* segments of nothing */
        {1, NET_GSO_TCPV4, FRAME + 1, 20, 34, 16, 0},   /* headers longer than all */
        {0, NET_GSO_TCPV4, 54, 1448, 34, 16, 0},        /* segments without sums */
        {1, NET_GSO_UDP | NET_GSO_ECN, 54, 1448, 34, 16, 0},
    };
    uint8_t frame[FRAME];

    frame_fill(frame, FRAME, 1);
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        tx_frame(b, TXQ, &bad[i], frame, FRAME);
        assert_int_equal(frames_out(b), 0);
    }
    assert_false(drv_broken(&b->d));
    net_works(b);
}

/* N07, 5.1.9.2.2-d1, d2, d5: what must not count does not. */
static void test_tx_ignored(struct bench *b)
{
    static const struct hdr_fields odd[] = {
        {0xfe, NET_GSO_NONE, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff},
        {0, NET_GSO_ECN, 77, 77, 0, 0, 7},
        {2, NET_GSO_NONE, 0, 0, 0, 0, 0},
    };
    static const uint8_t zero[HDR];
    uint8_t frame[FRAME];

    frame_fill(frame, FRAME, 1);
    for (unsigned i = 0; i < ARRAY_SIZE(odd); i++) {
        tx_frame(b, TXQ, &odd[i], frame, FRAME);
        assert_int_equal(frames_out(b), i + 1);
        assert_memory_equal(fake.out[i].bytes, zero, HDR);
        assert_memory_equal(fake.out[i].bytes + HDR, frame, FRAME);
    }
}

/* Buffers that nothing can be put in, even before there is anything. */
static void test_rx_useless(struct bench *b)
{
    const uint64_t at = drv_alloc(&b->d, 4096, 64);

    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 5; i++) {
            struct chain c = {0};

            if (i == 0)
                chain_out(&c, at, 2048);
            if (i == 1)
                chain_in(&c, RAM_HOLE, 2048);
            if (i == 2)
                chain_in(&c, at, 0);
            if (i == 3)
                chain_out(&c, at, 8);
            if (i == 3)
                chain_in(&c, at, 2048);
            if (i == 4) {
                chain_in(&c, at, 100);
                chain_in(&c, RAM_END - 1, 100);
            }
            dropped(b, RXQ, &c);
        }
        net_works(b);
        init_without(b, BIT64(F_MRG_RXBUF));
    }
}

/* N10: too big for its buffer: dropped, and the buffer serves the next one. */
static void test_rx_too_big(struct bench *b)
{
    struct used u;

    init_without(b, BIT64(F_MRG_RXBUF));
    rx_post(b, RXQ, drv_header(b) + 1514);
    for (unsigned i = 0; i < 3; i++) {
        frame_arrive_seed(b, i == 1 ? 65536 : 1515, i);
        assert_false(dq_wait(&b->d.q[RXQ], &u, 20));
        assert_int_equal(frames_in(b), 0);
        assert_int_equal(frames_lost(b), i + 1);
    }
    frame_arrive_seed(b, 1514, 9);
    rx_is(b, 1514, 9);
    net_works(b);
}

/* N11: a frame that needs more buffers waits for them, and all behind it, without a turn. */
static void test_rx_starved(struct bench *b)
{
    const unsigned n = (drv_header(b) + 5000 + 999) / 1000;
    struct used u;
    unsigned turns;

    for (unsigned round = 0; round < 3; round++) {
        const uint64_t mark = drv_mark(&b->d);

        for (unsigned k = 0; k < n; k++) {
            rx_post(b, RXQ, 1000);
            if (!k) {
                frame_arrive_seed(b, 5000, round);
                frame_arrive_seed(b, 60, 40);
            }
            machine_settle(b->m);
            if (k == n - 1)
                break;
            assert_false(dq_poll(&b->d.q[RXQ], &u));
            assert_int_equal(frames_in(b), 1);
            turns = fake.turns;
            assert_int_equal(machine_settle(b->m), 0);
            assert_int_equal(fake.turns, turns);
        }
        rx_is(b, 5000, round);
        rx_post(b, RXQ, 1526);
        rx_is(b, 60, 40);
        drv_rewind(&b->d, mark);
    }
    assert_int_equal(frames_lost(b), 0);
}

static bool all_lost(void *arg)
{
    struct bench *b = (struct bench *)arg;

    return frames_lost(b) == 1;
}

/* ... but not for ever: the driver may have no more. Then the next one has its buffers. */
static void test_rx_impatient(struct bench *b)
{
    rx_post(b, RXQ, 1000);
    frame_arrive_seed(b, 5000, 1);
    frame_arrive_seed(b, 700, 2);
    machine_settle(b->m);
    assert_int_equal(frames_lost(b), 0);
    assert_true(machine_until(b->m, all_lost, b, WAIT_MS));
    rx_is(b, 700, 2);
    net_works(b);
}

/* All the buffers that a ring can have are not enough: it is dropped at once. */
static void test_rx_hopeless(struct bench *b)
{
    struct chain c = {0};

    drv_reset(&b->d);
    b->d.queue_size = 1024;
    bench_init(b);
    chain_in(&c, drv_alloc(&b->d, 4, 4), 4);
    for (unsigned i = 0; i < b->d.q[RXQ].size; i++)
        assert_true(dq_add(&b->d.q[RXQ], &c, NULL) >= 0);
    dq_kick(&b->d.q[RXQ]);
    frame_arrive_seed(b, 5000, 1);
    assert_true(machine_until(b->m, all_lost, b, 100));
    bench_init(b);
    net_works(b);
}

/* Reset with buffers held, and a frame that waits: nothing of it is left for the next driver. */
static void test_reset_held(struct bench *b)
{
    for (unsigned round = 0; round < 3; round++) {
        rx_post(b, RXQ, 1000);
        frame_arrive_seed(b, round ? 5000 : 60, round);
        frame_arrive_seed(b, 60, 8);
        machine_settle(b->m);
        bench_init(b);
        machine_settle(b->m);
        assert_false(fake.listening[0]);
        loop_lock(b->loop); /* whatever still waits in the network is old */
        while (fake.n_in)
            free(fake.in[--fake.n_in].bytes);
        loop_unlock(b->loop);
        net_works(b);
    }
    loop_lock(b->loop);
    fake.blocked = true;
    loop_unlock(b->loop);
    for (unsigned round = 0; round < 2; round++) {
        struct chain c = {0};

        chain_out(&c, drv_alloc(&b->d, FRAME, 64), FRAME);
        memset(drv_mem(&b->d, c.buf[0].addr, FRAME), 0, FRAME);
        dq_add_kick(&b->d.q[TXQ], &c, NULL);
        machine_settle(b->m);
        bench_init(b);
    }
    loop_lock(b->loop);
    fake.blocked = false;
    net_sendable(&fake.net, 0);
    loop_unlock(b->loop);
    net_works(b);
}

/* 5.1.4.1-d5 */
static void test_rx_mtu(struct bench *b)
{
    static uint8_t frame[1519], got[1519];
    struct hdr_fields h;

    init_without(b, BIT64(F_CTRL_VLAN));
    for (unsigned i = 0; i < 4; i++)
        rx_post(b, RXQ, 2048);
    frame_fill(frame, sizeof(frame), 4);
    frame_arrive(b, 0, NULL, frame, 1515);
    frame_arrive(b, 0, NULL, frame, 1514);
    memcpy(frame + 12, "\x81\x00", 2);
    frame_arrive(b, 0, NULL, frame, 1519);
    frame_arrive(b, 0, NULL, frame, 1518);
    rx_collect(b, RXQ, &h, got, 1514);
    rx_collect(b, RXQ, &h, got, 1518);
    assert_int_equal(frames_lost(b), 2);
}

/* H16, H19: a network that breaks, and frames that are none. */
static void test_host(struct bench *b)
{
    uint8_t frame[14] = {0};

    rx_post(b, RXQ, 2048);
    for (uint32_t len = 0; len < 14; len++)
        frame_arrive(b, 0, NULL, frame, len);
    machine_settle(b->m);
    assert_int_equal(frames_in(b), 0);
    frame_arrive_seed(b, 60, 2);
    rx_is(b, 60, 2);
    loop_lock(b->loop);
    fake.broken = true;
    loop_unlock(b->loop);
    tx_seed(b, 60, 1);
    tx_seed(b, 60, 1);
    assert_int_equal(frames_out(b), 0);
    loop_lock(b->loop);
    fake.broken = false;
    loop_unlock(b->loop);
    net_works(b);
}

/* N22: a driver that always has more does not keep the others of the loop waiting: it refills
 * faster than the network takes. */
static struct endless {
    struct loop_work other;
    unsigned sent, other_after;
} endless;

static void endless_sent(void)
{
    const uint64_t end = clock_ns() + 20000;

    while (clock_ns() < end)
        continue;
    if (++endless.sent == 1)
        loop_post(fake.net.loop, &endless.other);
}

static void endless_other(void *arg)
{
    (void)arg;
    endless.other_after = endless.sent;
}

/* All that was added is used. */
static bool any_more(void *arg)
{
    struct dq *q = (struct dq *)arg;
    struct used u;

    while (dq_poll(q, &u))
        continue;
    return q->n_free == q->size;
}

static unsigned locked(struct bench *b, const unsigned *v)
{
    unsigned now;

    loop_lock(b->loop);
    now = *v;
    loop_unlock(b->loop);
    return now;
}

static void test_tx_endless(struct bench *b)
{
    const uint32_t len = drv_header(b) + 20;
    struct dq *q = &b->d.q[TXQ];
    struct chain c = {0};
    struct used u;

    endless = (struct endless){.other.fn = endless_other};
    fake.sent = endless_sent;
    chain_out(&c, drv_alloc(&b->d, len, 64), len);
    memset(drv_mem(&b->d, c.buf[0].addr, len), 0, len);
    for (unsigned i = 0; i < 20 * VQ_TURN;) {
        while (dq_poll(q, &u))
            continue;
        if (dq_add(q, &c, NULL) < 0)
            continue;
        dq_kick(q);
        i++;
    }
    assert_true(machine_until(b->m, any_more, q, WAIT_MS));
    assert_true(locked(b, &endless.other_after) > 0);
    assert_true(locked(b, &endless.other_after) <= 2 * VQ_TURN);
    loop_lock(b->loop);
    fake.sent = NULL;
    loop_unlock(b->loop);
}

static const struct bench_test tests[] = {
    {"N01-tx-short", test_tx_short, 0, NULL},
    {"N08-tx-useless", test_tx_useless, 0, NULL},
    {"N05-tx-header", test_tx_header, 0, NULL},
    {"N07-tx-ignored", test_tx_ignored, 0, NULL},
    {"N22-tx-endless", test_tx_endless, BENCH_THREADS, NULL},
    {"rx-useless", test_rx_useless, 0, NULL},
    {"N10-rx-too-big", test_rx_too_big, 0, NULL},
    {"N11-rx-starved", test_rx_starved, BENCH_TURNS, NULL},
    {"N11-rx-impatient", test_rx_impatient, 0, NULL},
    {"N11-rx-hopeless", test_rx_hopeless, 0, NULL},
    {"reset-held", test_reset_held, 0, NULL},
    {"rx-mtu", test_rx_mtu, 0, &mtu_1500},
    {"H16-host", test_host, 0, NULL},
};

int main(void)
{
    return bench_run("net-hostile", &net_kind, tests, ARRAY_SIZE(tests));
}
