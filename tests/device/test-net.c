// SPDX-License-Identifier: MIT
/*
 * The network device: frames both ways, headers on every interface, merged buffers, offloads,
 * configuration, link. Bad input is in test-net-hostile.c.
 */
#include "tests/device/net-bench.h"

enum { CFG_STATUS = 6, CFG_PAIRS = 8, CFG_MTU = 10, CFG_SPEED = 12, CFG_DUPLEX = 16 };

static const struct net_case with_mtu = {.mtu = 9000, .speed = 10000};
static const struct net_case plain = {.plain = true};
static const struct net_case two = {.pairs = 2};

static void mac_is(struct bench *b, const uint8_t *mac)
{
    for (unsigned i = 0; i < NET_MAC; i++)
        assert_int_equal(b->d.ops->config_read(&b->d, i, 1), mac[i]);
}

static void test_config(struct bench *b)
{
    struct drv *d = &b->d;

    assert_true(bench_has(b, F_MAC) && bench_has(b, F_STATUS));
    mac_is(b, fake_mac);
    assert_int_equal(d->ops->config_read(d, CFG_STATUS, 2), 1);
    assert_int_equal(d->ops->config_read(d, CFG_MTU, 2), b->arg ? 9000 : 0);
    assert_int_equal(bench_has(b, F_MTU), b->arg != NULL);
    assert_int_equal(d->ops->config_read(d, CFG_SPEED, 4), b->arg ? 10000 : 0xffffffff);
    assert_int_equal(d->ops->config_read(d, CFG_DUPLEX, 1), b->arg ? 1 : 0xff);
}

/* 5.1.4-d3, 5.1.4.3-l2: it can be written where virtio 0.9 lets it, and is as before after reset.
 */
static void test_mac_write(struct bench *b)
{
    static const uint8_t mac[NET_MAC] = {2, 3, 4, 5, 6, 7};
    struct drv *d = &b->d;
    const bool may = b->combo->ops == &driver_legacy;

    for (unsigned round = 0; round < 2; round++) { /* the second: of a device that never started */
        for (unsigned i = 0; i < NET_MAC; i++)
            d->ops->config_write(d, i, 1, mac[i]);
        d->ops->config_write(d, CFG_STATUS, 2, 0);
        mac_is(b, may ? mac : fake_mac);
        assert_int_equal(d->ops->config_read(d, CFG_STATUS, 2), 1);
        drv_reset(d);
        mac_is(b, fake_mac);
    }
    bench_init(b);
    net_works(b);
}

static void test_tx(struct bench *b)
{
    static const uint32_t lens[] = {14, 15, 60, 128, 1000, 1514, 9014};
    const struct hdr_fields zero = {0};
    uint8_t header[HDR];
    unsigned n = 0;

    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < ARRAY_SIZE(lens); i++, n++) {
            tx_seed(b, lens[i], n);
            out_is(b, n, lens[i], n);
            hdr_put(ORDER_LITTLE, header, &zero, true);
            assert_memory_equal(fake.out[n].bytes, header, HDR);
        }
        init_without(b, BIT64(F_MRG_RXBUF)); /* F08 */
    }
    assert_int_equal(frames_out(b), n);
}

/* The largest frame, and one in more pieces than the host takes at once. */
static void test_tx_pieces(struct bench *b)
{
    static struct chain c;
    const uint32_t hdr = drv_header(b), len = 1900;
    const uint64_t at = drv_alloc(&b->d, hdr + len, 64);
    uint8_t *bytes = drv_mem(&b->d, at, hdr + len);
    struct used u;

    c.n = 0;
    memset(bytes, 0, hdr);
    frame_fill(bytes + hdr, len, 5);
    for (unsigned i = 0; i < 100; i++)
        chain_out(&c, at + i * ((hdr + len) / 100), (hdr + len) / 100);
    chain_out(&c, at + 100 * ((hdr + len) / 100), (hdr + len) % 100);
    if (c.buf[100].len == 0)
        c.n--;
    dq_add_kick(&b->d.q[TXQ], &c, NULL);
    assert_true(dq_wait(&b->d.q[TXQ], &u, WAIT_MS));
    out_is(b, 0, len, 5);
}

/* The network takes nothing: the buffers stay with the device, in order, until it does. */
static void test_tx_blocked(struct bench *b)
{
    const uint32_t hdr = drv_header(b);
    struct used u;

    loop_lock(b->loop);
    fake.blocked = true;
    loop_unlock(b->loop);
    for (unsigned i = 0; i < 5; i++) {
        struct chain c = {0};
        const uint64_t at = drv_alloc(&b->d, hdr + 100, 64);
        uint8_t *bytes = drv_mem(&b->d, at, hdr + 100);

        memset(bytes, 0, hdr);
        frame_fill(bytes + hdr, 100, i);
        chain_out(&c, at, hdr + 100);
        dq_add_kick(&b->d.q[TXQ], &c, NULL);
    }
    assert_false(dq_wait(&b->d.q[TXQ], &u, 20));
    loop_lock(b->loop);
    fake.blocked = false;
    net_sendable(&fake.net, 0);
    loop_unlock(b->loop);
    for (unsigned i = 0; i < 5; i++) {
        assert_true(dq_wait(&b->d.q[TXQ], &u, WAIT_MS));
        out_is(b, i, 100, i);
    }
    net_works(b);
}

static void test_rx(struct bench *b)
{
    static const uint32_t lens[] = {14, 60, 115, 116, 117, 127, 128, 129, 600, 1514};

    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < ARRAY_SIZE(lens); i++) {
            if (i % 2)
                rx_post(b, RXQ, 2048);
            frame_arrive_seed(b, lens[i], i);
            machine_settle(b->m);
            if (i % 2 == 0) {
                assert_int_equal(frames_in(b), 1); /* it waits in the network, not in the device */
                rx_post(b, RXQ, 2048);
            }
            rx_is(b, lens[i], i);
        }
        init_without(b, BIT64(F_MRG_RXBUF));
    }
    assert_int_equal(frames_lost(b), 0);
}

/* One frame over several buffers, the sizes of which do not matter. */
static void test_rx_merged(struct bench *b)
{
    static const uint32_t sizes[] = {12, 13, 100, 139, 140, 141, 1000, 1526, 4096, 65536};

    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
        const uint32_t len = sizes[i] < 100 ? 600 : 5000;
        const unsigned n = (drv_header(b) + len + sizes[i] - 1) / sizes[i];
        const uint64_t mark = drv_mark(&b->d);

        for (unsigned k = 0; k < n; k++)
            rx_post(b, RXQ, sizes[i]);
        frame_arrive_seed(b, len, i);
        rx_is(b, len, i);
        frame_arrive_seed(b, 60, i + 1); /* what was learnt of sizes does no harm */
        rx_post(b, RXQ, 1526);
        rx_is(b, 60, i + 1);
        drv_rewind(&b->d, mark);
    }
    for (unsigned k = 0; k < 50; k++)
        rx_post(b, RXQ, 1526);
    frame_arrive_seed(b, 65549, 9);
    rx_is(b, 65549, 9);
    assert_int_equal(frames_lost(b), 0);
}

/* Many frames, mixed, with the driver behind: nothing is lost, nothing is out of order. */
static void test_rx_many(struct bench *b)
{
    static const uint32_t lens[] = {60, 1514, 300, 9000, 64, 64, 20000, 1400};

    for (unsigned i = 0; i < 400; i++)
        frame_arrive_seed(b, lens[i % ARRAY_SIZE(lens)], i);
    for (unsigned i = 0; i < 400; i++) {
        const uint32_t len = lens[i % ARRAY_SIZE(lens)];
        const uint64_t mark = drv_mark(&b->d);

        for (unsigned k = 0; k < (drv_header(b) + len + 1525) / 1526; k++)
            rx_post(b, RXQ, 1526);
        rx_is(b, len, i);
        drv_rewind(&b->d, mark);
    }
    assert_int_equal(frames_lost(b), 0);
}

/* One interrupt for a batch of frames. */
static void test_rx_batch(struct bench *b)
{
    struct dq *q = &b->d.q[RXQ];
    uint64_t before, after;

    for (unsigned i = 0; i < 16; i++)
        rx_post(b, RXQ, 1526);
    machine_settle(b->m);
    loop_lock(b->loop);
    before = b->dev->vq[RXQ].stats.interrupts;
    loop_unlock(b->loop);
    for (unsigned i = 0; i < 16; i++)
        frame_arrive_seed(b, 100, i);
    for (unsigned i = 0; i < 16; i++)
        rx_is(b, 100, i);
    loop_lock(b->loop);
    after = b->dev->vq[RXQ].stats.interrupts;
    loop_unlock(b->loop);
    assert_int_equal(after - before, 1);
    assert_false(dq_poll(q, &(struct used){0}));
}

/* Doorbells are wanted only while the device waits for buffers, or for frames to send. */
static void test_doorbells(struct bench *b)
{
    struct chain c = {0};
    struct dq *rx = &b->d.q[RXQ], *tx = &b->d.q[TXQ];

    rx_post(b, RXQ, 1526);
    machine_settle(b->m);
    chain_in(&c, drv_alloc(&b->d, 1526, 64), 1526);
    assert_true(dq_add(rx, &c, NULL) >= 0);
    assert_false(rx->ops->publish(rx)); /* it has some */
    fake.blocked = true;
    for (unsigned i = 0; i < 2; i++) {
        c.n = 0;
        chain_out(&c, drv_alloc(&b->d, 100, 64), 100);
        memset(drv_mem(&b->d, c.buf[0].addr, 100), 0, 100);
        assert_true(dq_add(tx, &c, NULL) >= 0);
        assert_int_equal(tx->ops->publish(tx), i == 0);
        if (i == 0)
            b->d.ops->kick(&b->d, TXQ);
        machine_settle(b->m);
    }
    fake.blocked = false;
    net_sendable(&fake.net, 0);
    machine_settle(b->m);
    assert_int_equal(frames_out(b), 2);
    assert_true(dq_add(tx, &c, NULL) >= 0);
    assert_true(tx->ops->publish(tx)); /* it waits again */
}

/* After a frame it looks once more before it asks for doorbells: what came by then needs none. */
static void test_second_look(struct bench *b)
{
    struct chain c = {0};
    struct dq *tx = &b->d.q[TXQ];

    machine_settle(b->m);
    chain_out(&c, drv_alloc(&b->d, 100, 64), 100);
    memset(drv_mem(&b->d, c.buf[0].addr, 100), 0, 100);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(dq_add(tx, &c, NULL) >= 0);
        assert_int_equal(tx->ops->publish(tx), i == 0);
        if (i == 0)
            b->d.ops->kick(&b->d, TXQ);
        while (frames_out(b) <= i)
            assert_true(loop_turn(b->loop, 0) > 0);
    }
    machine_settle(b->m);
    assert_int_equal(frames_out(b), 3);
    assert_true(dq_add(tx, &c, NULL) >= 0);
    assert_true(tx->ops->publish(tx)); /* it waits again */
}

/* What is asked of the other side stands in the header, in the order of the path. */
static void test_offload_tx(struct bench *b)
{
    static const struct hdr_fields cases[] = {
        {.flags = 1, .csum_start = 34, .csum_offset = 16},
        {1, NET_GSO_TCPV4, 54, 1448, 34, 16, 0},
        {1, NET_GSO_TCPV4 | NET_GSO_ECN, 54, 1448, 34, 16, 0},
        {1, NET_GSO_TCPV6, 74, 1400, 54, 16, 0},
        {1, NET_GSO_UDP, 42, 1480, 34, 6, 0},
        {1, NET_GSO_UDP_L4, 42, 1472, 34, 6, 0},
    };
    static uint8_t frame[3000];
    unsigned sent = 0;

    frame_fill(frame, sizeof(frame), 3);
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        struct hdr_fields got;

        if (cases[i].gso == NET_GSO_UDP_L4 && !bench_has(b, F_HOST_USO))
            continue; /* there is no such bit below 32 */
        tx_frame(b, TXQ, &cases[i], frame, sizeof(frame));
        assert_int_equal(frames_out(b), ++sent);
        got = hdr_get(ORDER_LITTLE, fake.out[sent - 1].bytes, true);
        assert_memory_equal(&got, &cases[i], sizeof(got));
        assert_memory_equal(fake.out[sent - 1].bytes + HDR, frame, sizeof(frame));
    }
}

static void test_offload_rx(struct bench *b)
{
    static const struct hdr_fields cases[] = {
        {.flags = NET_HDR_DATA_VALID},
        {.flags = 1, .csum_start = 34, .csum_offset = 16},
        {1, NET_GSO_TCPV4, 54, 1448, 34, 16, 0},
        {1, NET_GSO_TCPV6 | NET_GSO_ECN, 74, 1400, 54, 16, 0},
        {1, NET_GSO_UDP_L4, 42, 1472, 34, 6, 0},
    };
    static uint8_t frame[3000], got[3000];

    frame_fill(frame, sizeof(frame), 3);
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        const uint64_t mark = drv_mark(&b->d);
        uint8_t raw[HDR];
        struct hdr_fields h, want = cases[i];

        if (cases[i].gso == NET_GSO_UDP_L4 && !bench_has(b, F_GUEST_USO4))
            continue;
        hdr_put(ORDER_LITTLE, raw, &cases[i], true);
        rx_post(b, RXQ, 4096);
        frame_arrive(b, 0, raw, frame, sizeof(frame));
        rx_collect(b, RXQ, &h, got, sizeof(got));
        want.buffers = 1;
        assert_memory_equal(&h, &want, sizeof(h));
        assert_memory_equal(got, frame, sizeof(got));
        drv_rewind(&b->d, mark);
    }
}

/* F08, 5.1.9.4.1-d5 ... d10: what was agreed on counts from reset to reset. */
static void test_offload_less(struct bench *b)
{
    static const struct hdr_fields tso = {1, NET_GSO_TCPV4, 54, 1448, 34, 16, 0};
    static uint8_t frame[3000], got[3000];
    const uint64_t both = BIT64(F_GUEST_TSO4) | BIT64(F_HOST_TSO4);
    const uint64_t all = both | BIT64(F_GUEST_CSUM) | BIT64(F_GUEST_TSO6) | BIT64(F_GUEST_ECN) |
                         BIT64(F_GUEST_UFO) | BIT64(F_GUEST_USO4) | BIT64(F_GUEST_USO6);
    struct hdr_fields h;
    uint8_t raw[HDR];

    frame_fill(frame, sizeof(frame), 3);
    hdr_put(ORDER_LITTLE, raw, &tso, true);
    assert_int_equal(fake.taken & NET_TSO4, NET_TSO4);
    for (unsigned i = 0; i < 2; i++) {
        init_without(b, i ? all : both);
        assert_int_equal(fake.taken & NET_TSO4, 0);
        assert_int_equal(!(fake.taken & NET_CSUM), i);
        tx_frame(b, TXQ, &tso, frame, sizeof(frame));
        assert_int_equal(frames_out(b), 0);
        rx_post(b, RXQ, 4096);
        frame_arrive(b, 0, raw, frame, sizeof(frame));
        raw[1] = 0;
        raw[0] = i ? NET_HDR_DATA_VALID : 1;
        frame_arrive(b, 0, raw, frame, sizeof(frame));
        rx_collect(b, RXQ, &h, got, sizeof(got));
        assert_int_equal(h.gso, 0);
        assert_int_equal(h.flags, i ? 0 : 1);
        assert_int_equal(frames_lost(b), i + 1);
        raw[0] = 1;
        raw[1] = NET_GSO_TCPV4;
    }
    bench_init(b);
    tx_frame(b, TXQ, &tso, frame, sizeof(frame));
    assert_int_equal(frames_out(b), 1);
}

/* Those of both IP versions are one offload of the network's: all of it is agreed on, or nothing.
 */
static void test_udp_segments(struct bench *b)
{
    static const struct {
        uint64_t without;
        bool to_guest, to_host;
    } cases[] = {
        {0, true, true},
        {BIT64(F_GUEST_USO4), false, true},
        {BIT64(F_GUEST_USO6), false, true},
        {BIT64(F_HOST_USO), true, false},
    };
    static const struct hdr_fields segments = {1, NET_GSO_UDP_L4, 42, 1472, 34, 6, 0};
    static uint8_t frame[3000];
    unsigned sent = 0;

    if (!bench_has(b, F_HOST_USO))
        return; /* there is no such bit below 32 */
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        init_without(b, cases[i].without);
        assert_int_equal(!!(fake.taken & NET_USO), cases[i].to_guest);
        tx_frame(b, TXQ, &segments, frame, sizeof(frame));
        sent += cases[i].to_host;
        assert_int_equal(frames_out(b), sent);
    }
}

/* F05: a bit without the one that it needs. */
static void test_dependencies(struct bench *b)
{
    struct drv *d = &b->d;

    for (unsigned i = 0; i < 2; i++) {
        const uint64_t gone = i ? BIT64(F_GUEST_CSUM) : BIT64(F_CSUM);
        const bool granted = drv_negotiate(d, b->want & ~gone);

        assert_int_equal(granted, !d->ops->features_ok);
        if (!granted)
            continue;
        bench_init(b); /* for rings */
        init_without(b, gone);
        assert_int_equal(fake.taken & ~(uint32_t)NET_USO, i ? 0 : ALL_OFFLOADS & ~NET_USO);
    }
    init_without(b, BIT64(F_HOST_TSO4) | BIT64(F_HOST_TSO6) | BIT64(F_GUEST_TSO4) |
                        BIT64(F_GUEST_TSO6)); /* marks alone are nothing */
    assert_int_equal(fake.taken & NET_ECN, 0);
    net_works(b);
}

/* 5.1.3.1-d1, d2 */
static void test_withheld(struct bench *b)
{
    const struct vfeat tso = {
        {BIT32(F_GUEST_TSO4) | BIT32(F_GUEST_TSO6) | BIT32(F_HOST_TSO4) | BIT32(F_HOST_TSO6)}};

    bench_withhold(b, net_works);
    drv_reset(&b->d);
    loop_lock(b->loop);
    vdev_withhold(b->dev, &tso);
    loop_unlock(b->loop);
    assert_int_equal(b->d.ops->offered(&b->d) & (BIT64(F_GUEST_ECN) | BIT64(F_HOST_ECN)), 0);
}

static void test_plain(struct bench *b)
{
    const uint64_t bits = BIT64(F_CSUM) | BIT64(F_GUEST_CSUM) | BIT64(F_HOST_TSO4) |
                          BIT64(F_GUEST_TSO4) | BIT64(F_HOST_USO) | BIT64(F_GUEST_USO6);

    assert_int_equal(b->d.ops->offered(&b->d) & bits, 0);
    net_works(b);
}

/* F07 */
static void test_no_features(struct bench *b)
{
    drv_init(&b->d, 0);
    net_works(b);
}

static unsigned config_interrupts(struct bench *b)
{
    if (b->d.use_msix)
        return gfunc_msix_count(&b->d.func, 0);
    return (b->d.ops->isr(&b->d) & VIRTIO_ISR_CONFIG) != 0;
}

static void link_set(struct bench *b, bool up)
{
    loop_lock(b->loop);
    net_link(&fake.net, up);
    loop_unlock(b->loop);
}

static void test_link(struct bench *b)
{
    struct drv *d = &b->d;

    assert_int_equal(config_interrupts(b), 0);
    link_set(b, false);
    assert_int_equal(d->ops->config_read(d, CFG_STATUS, 2) & 1, 0);
    assert_int_equal(config_interrupts(b), 1);
    link_set(b, true);
    assert_int_equal(d->ops->config_read(d, CFG_STATUS, 2) & 1, 1);
    assert_int_equal(config_interrupts(b), d->use_msix ? 2 : 1);
    init_without(b, BIT64(F_STATUS));
    config_interrupts(b);
    link_set(b, false);
    assert_int_equal(config_interrupts(b), d->use_msix ? 2 : 0);
}

/* 5.1.9.5.6.2-d1: without more being said there is one pair. */
static void test_second_pair(struct bench *b)
{
    struct chain c = {0};
    struct used u;
    const uint64_t at = drv_alloc(&b->d, 2048, 64);

    assert_true(b->d.n_queues >= 4);
    assert_int_equal(fake.used_pairs, 1);
    init_without(b, BIT64(F_MQ));
    memset(drv_mem(&b->d, at, 2048), 0, 2048);
    chain_out(&c, at, 100);
    dq_add_kick(&b->d.q[3], &c, NULL);
    assert_false(dq_wait(&b->d.q[3], &u, 20));
    assert_int_equal(frames_out(b), 0);
    net_works(b);
}

static const struct bench_test tests[] = {
    {"config", test_config, 0, NULL},
    {"config-mtu", test_config, 0, &with_mtu},
    {"mac-write", test_mac_write, 0, NULL},
    {"tx", test_tx, 0, NULL},
    {"tx-pieces", test_tx_pieces, 0, NULL},
    {"tx-blocked", test_tx_blocked, 0, NULL},
    {"rx", test_rx, 0, NULL},
    {"rx-merged", test_rx_merged, 0, NULL},
    {"rx-many", test_rx_many, 0, NULL},
    {"rx-batch", test_rx_batch, BENCH_TURNS, NULL},
    {"doorbells", test_doorbells, BENCH_TURNS, NULL},
    {"second-look", test_second_look, BENCH_TURNS, NULL},
    {"offload-tx", test_offload_tx, 0, NULL},
    {"offload-rx", test_offload_rx, 0, NULL},
    {"offload-less", test_offload_less, 0, NULL},
    {"udp-segments", test_udp_segments, 0, NULL},
    {"dependencies", test_dependencies, 0, NULL},
    {"withheld", test_withheld, 0, NULL},
    {"plain", test_plain, 0, &plain},
    {"no-features", test_no_features, 0, NULL},
    {"link", test_link, 0, NULL},
    {"second-pair", test_second_pair, 0, &two},
};

int main(void)
{
    return bench_run("net", &net_kind, tests, ARRAY_SIZE(tests));
}
