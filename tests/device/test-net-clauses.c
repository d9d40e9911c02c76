// SPDX-License-Identifier: MIT
/*
 * Clauses of the network device (5.1) that no other test is about: exactly which features there
 * are and what each needs, what never changes, what frames from the network may be, queues that
 * are being reset. The table of all clauses is tests/conformance/clauses.tsv.
 */
#include "tests/device/net-ctrl.h"

enum { FRAME = 100, PAIRS = 4 };
enum { CFG_MTU = 10, CFG_SPEED = 12, CFG_DUPLEX = 16, CFG_SIZE = 28 };
enum { SELECT = 0x16, RESET = 0x3a };

static const struct net_case full = {.pairs = PAIRS, .mtu = 9000, .speed = 10000};
static const struct net_case four = {.pairs = PAIRS};

/* ---- features ---- */

/* 5.1.3-d1, d2, 5.1.3.2-l1, 2.2.2-d4: these, and nothing else of the type's own bits. */
static void offered_bits(struct bench *b)
{
    const uint64_t low = 0xbfffa7, high = UINT64_C(0x83f0) << 48, more = 0x400008;
    const uint64_t offered = b->d.ops->offered(&b->d);
    const bool modern = b->d.ops->features_ok;

    assert_int_equal(offered & 0xffffff, low | (b->arg ? more : 0));
    assert_int_equal(offered >> 41 & 1, 0); /* 41, 42: of other hypervisors */
    assert_int_equal(offered >> 42 & 1, 0);
    assert_int_equal(offered >> 37 & 1, 0); /* SR_IOV: 6.2-d9 */
    if (!modern)
        return;
    assert_int_equal(offered >> 50, (high | (b->arg ? BIT64(F_RSS) : 0)) >> 50);
    for (unsigned word = 2; word < 4; word++) { /* tunnels, contexts, ... */
        modern_write(&b->d, VIRTIO_PCI_CAP_COMMON, 0, 4, word);
        assert_int_equal(modern_read(&b->d, VIRTIO_PCI_CAP_COMMON, 4, 4), 0);
    }
}

static const struct {
    uint8_t bit, needs;
} needs[] = {
    {F_CTRL_GUEST_OFFLOADS, F_CTRL_VQ},
    {F_CTRL_RX, F_CTRL_VQ},
    {F_CTRL_VLAN, F_CTRL_VQ},
    {F_CTRL_RX_EXTRA, F_CTRL_VQ},
    {F_GUEST_ANNOUNCE, F_CTRL_VQ},
    {F_MQ, F_CTRL_VQ},
    {F_CTRL_MAC_ADDR, F_CTRL_VQ},
    {F_VQ_NOTF_COAL, F_CTRL_VQ},
    {F_NOTF_COAL, F_CTRL_VQ},
    {F_HASH_REPORT, F_CTRL_VQ},
    {F_RSS, F_CTRL_VQ},
    {F_GUEST_TSO4, F_GUEST_CSUM},
    {F_GUEST_TSO6, F_GUEST_CSUM},
    {F_GUEST_UFO, F_GUEST_CSUM},
    {F_GUEST_USO4, F_GUEST_CSUM},
    {F_GUEST_USO6, F_GUEST_CSUM},
    {F_HOST_TSO4, F_CSUM},
    {F_HOST_TSO6, F_CSUM},
    {F_HOST_UFO, F_CSUM},
    {F_HOST_USO, F_CSUM},
};

static void withhold(struct bench *b, unsigned bit)
{
    struct vfeat f = {{0}};

    vfeat_add(&f, bit);
    drv_reset(&b->d);
    loop_lock(b->loop);
    vdev_withhold(b->dev, &f);
    loop_unlock(b->loop);
}

/* 2.2.2-d1, 5.1.3.1-d1 ... d3, 5.1.4.1-d13, d14: neither accepted alone nor offered alone. */
static void ctrl_dependencies(struct bench *b)
{
    static const uint8_t gone[] = {F_CTRL_VQ, F_GUEST_CSUM, F_CSUM};
    struct drv *d = &b->d;

    for (unsigned i = 0; i < ARRAY_SIZE(needs); i++) {
        if (!(d->ops->offered(d) >> needs[i].bit & 1))
            continue;
        assert_int_equal(drv_negotiate(d, BIT64(needs[i].bit)), !d->ops->features_ok);
        assert_true(drv_negotiate(d, BIT64(needs[i].bit) | BIT64(needs[i].needs)));
    }
    for (unsigned k = 0; k < ARRAY_SIZE(gone); k++) {
        withhold(b, gone[k]);
        for (unsigned i = 0; i < ARRAY_SIZE(needs); i++)
            if (needs[i].needs == gone[k])
                assert_int_equal(d->ops->offered(d) >> needs[i].bit & 1, 0);
    }
    bench_init(b);
    net_works(b);
}

/* 5.1.2-d2 */
static void no_control_queue(struct bench *b)
{
    const uint64_t at = drv_alloc(&b->d, 64, 64);
    uint64_t gone = BIT64(F_CTRL_VQ);
    struct chain c = {0};
    struct used u;

    for (unsigned i = 0; i < ARRAY_SIZE(needs); i++)
        if (needs[i].needs == F_CTRL_VQ)
            gone |= BIT64(needs[i].bit);
    init_without(b, gone);
    memset(drv_mem(&b->d, at, 64), 0, 64);
    chain_out(&c, at, 3);
    chain_in(&c, at + 32, 1);
    dq_add_kick(&b->d.q[2], &c, NULL);
    b->d.ops->kick(&b->d, 2);
    machine_settle(b->m);
    assert_false(dq_poll(&b->d.q[2], &u));
    assert_false(drv_broken(&b->d));
    net_works(b);
}

/* ---- configuration ---- */

/* 5.1.4-d3 */
static void config_is_read_only(struct bench *b)
{
    struct drv *d = &b->d;
    uint8_t before[CFG_SIZE];

    for (unsigned i = 0; i < CFG_SIZE; i++)
        before[i] = (uint8_t)d->ops->config_read(d, i, 1);
    for (unsigned len = 1; len <= 4; len *= 2)
        for (unsigned i = 0; i + len <= CFG_SIZE; i++)
            d->ops->config_write(d, i, len, 0xa5a5a5a5 & ones_for(len));
    for (unsigned i = 0; i < CFG_SIZE; i++)
        assert_int_equal(d->ops->config_read(d, i, 1), before[i]);
    net_works(b);
}

/* 5.1.4.1-d2 */
static void small_mtu(struct bench *b)
{
    static const uint16_t mtus[] = {1, 67, 68, 1280, 65535};

    for (unsigned i = 0; i < ARRAY_SIZE(mtus); i++) {
        struct net net = {.ops = &fake_net_ops, .name = "other", .loop = b->loop, .pairs = 1};
        const struct net_conf conf = {.net = &net, .mtu = mtus[i]};
        struct err err = {""};
        struct vdev *dev = vdev_new(&net_type, "net1", b->loop, &b->m->mem, &conf, &err);

        assert_int_equal(dev != NULL, mtus[i] >= 68);
        if (!dev)
            assert_non_null(strstr(err.text, "MTU"));
        vdev_free(dev);
    }
}

static void constants_are(struct bench *b)
{
    struct drv *d = &b->d;

    assert_int_equal(d->ops->config_read(d, CFG_MTU, 2), 9000);
    assert_int_equal(d->ops->config_read(d, CFG_SPEED, 4), 10000);
    assert_int_equal(d->ops->config_read(d, CFG_DUPLEX, 1), 1);
}

/* 5.1.4.1-d4, d12: whatever becomes of the link and of the driver. */
static void mtu_and_speed_stay(struct bench *b)
{
    constants_are(b);
    for (unsigned i = 0; i < 2; i++) {
        loop_lock(b->loop);
        net_link(&fake.net, i);
        loop_unlock(b->loop);
        constants_are(b);
    }
    drv_reset(&b->d);
    constants_are(b);
    assert_true(drv_negotiate(&b->d, b->want));
    constants_are(b);
    bench_init(b);
    net_works(b);
    constants_are(b);
}

/* ---- frames to the network ---- */

/* 5.1.4.1-d6 */
static void tx_mtu(struct bench *b)
{
    static const uint32_t lens[] = {14, 1514, 1515, 9013, 9014};

    assert_true(bench_has(b, F_MTU));
    for (unsigned i = 0; i < ARRAY_SIZE(lens); i++) {
        tx_seed(b, lens[i], i);
        out_is(b, i, lens[i], i);
    }
    assert_int_equal(frames_out(b), ARRAY_SIZE(lens));
}

/* 5.1.9.2.2-d5: what the driver says of its headers decides nothing about what is sent. */
static void header_length_is_a_hint(struct bench *b)
{
    static const uint16_t lens[] = {0, 1, 13, 14, 53, 54, 55, FRAME - 1, FRAME};
    uint8_t frame[FRAME];

    frame_fill(frame, FRAME, 1);
    for (unsigned i = 0; i < ARRAY_SIZE(lens); i++) {
        const struct hdr_fields h = {1, NET_GSO_TCPV4, lens[i], 20, 34, 16, 0};

        tx_frame(b, TXQ, &h, frame, FRAME);
        assert_int_equal(frames_out(b), i + 1);
        assert_memory_equal(fake.out[i].bytes + HDR, frame, FRAME);
    }
}

/* ---- frames from the network ---- */

/* 5.1.9.4.1-d3: only the last buffer has room left. */
static void merged_are_full(struct bench *b)
{
    enum { SIZE = 100, LEN = 350 };
    const uint32_t total = drv_header(b) + LEN, n = (total + SIZE - 1) / SIZE;
    struct used u;

    assert_true(bench_has(b, F_MRG_RXBUF));
    for (unsigned i = 0; i < n; i++)
        rx_post(b, RXQ, SIZE);
    frame_arrive_seed(b, LEN, 1);
    for (unsigned i = 0; i < n; i++) {
        assert_true(i ? dq_poll(&b->d.q[RXQ], &u) : dq_wait(&b->d.q[RXQ], &u, WAIT_MS));
        assert_int_equal(u.len, i < n - 1 ? SIZE : total - (n - 1) * SIZE);
    }
}

static void arrive(struct bench *b, const struct hdr_fields *h)
{
    uint8_t raw[HDR], frame[FRAME];

    frame_fill(frame, FRAME, 3);
    hdr_put(ORDER_LITTLE, raw, h, true);
    frame_arrive(b, 0, raw, frame, FRAME);
    machine_settle(b->m);
}

static void flags_are(struct bench *b, uint8_t given, uint8_t passed)
{
    const struct hdr_fields h = {.flags = given, .csum_start = 34, .csum_offset = 16};
    struct hdr_fields got;
    uint8_t frame[FRAME];

    rx_post(b, RXQ, 2048);
    arrive(b, &h);
    rx_collect(b, RXQ, &got, frame, FRAME);
    assert_int_equal(got.flags, passed);
    assert_int_equal(got.gso, NET_GSO_NONE);
}

/* 5.1.9.4.1-d7 ... d13, d21, d24 ... d27, d29, d33, d36 ... d38: a network that gives more than was
 * agreed on. */
static void rx_as_agreed(struct bench *b)
{
    static const struct {
        uint64_t without;
        uint8_t flags, gso;
    } bad[] = {
        {BIT64(F_GUEST_TSO4), 1, NET_GSO_TCPV4},
        {BIT64(F_GUEST_TSO6), 1, NET_GSO_TCPV6},
        {BIT64(F_GUEST_UFO), 1, NET_GSO_UDP},
        {BIT64(F_GUEST_USO4) | BIT64(F_GUEST_USO6), 1, NET_GSO_UDP_L4},
        {BIT64(F_GUEST_ECN), 1, NET_GSO_TCPV4 | NET_GSO_ECN},
        {BIT64(F_GUEST_ECN), 1, NET_GSO_TCPV6 | NET_GSO_ECN},
        {0, 1, NET_GSO_TCPV4 | 0x20}, /* tunnels */
        {0, 1, NET_GSO_TCPV6 | 0x40},
        {0, 9, NET_GSO_TCPV4 | 0x20},
        {0, 1, 2},             /* no such kind */
        {0, 0, NET_GSO_TCPV4}, /* segments without sums */
        {0, 2, NET_GSO_TCPV6},
    };
    static const struct hdr_fields good = {1, NET_GSO_TCPV4, 54, 20, 34, 16, 0};
    uint64_t lost = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        const struct hdr_fields h = {bad[i].flags, bad[i].gso, 54, 20, 34, 16, 0};
        struct hdr_fields got;
        uint8_t frame[FRAME];

        init_without(b, bad[i].without);
        rx_post(b, RXQ, 2048);
        arrive(b, &h);
        assert_int_equal(frames_lost(b), ++lost);
        if (bad[i].without & BIT64(F_GUEST_TSO4))
            continue;
        arrive(b, &good); /* its buffer serves the next one */
        rx_collect(b, RXQ, &got, frame, FRAME);
        assert_int_equal(got.gso, good.gso);
        assert_int_equal(got.gso_size, good.gso_size);
        assert_int_equal(got.flags, 1);
    }
    bench_init(b);
    flags_are(b, 0xff, 3);
    flags_are(b, 0xfc, 0);
    init_without(b, BIT64(F_GUEST_CSUM) | BIT64(F_GUEST_TSO4) | BIT64(F_GUEST_TSO6) |
                        BIT64(F_GUEST_ECN) | BIT64(F_GUEST_UFO) | BIT64(F_GUEST_USO4) |
                        BIT64(F_GUEST_USO6));
    flags_are(b, 0xfe, 0);
}

/* ---- queues that are being reset ---- */

static void queue_reset(struct bench *b, unsigned q)
{
    modern_write(&b->d, VIRTIO_PCI_CAP_COMMON, SELECT, 2, q);
    modern_write(&b->d, VIRTIO_PCI_CAP_COMMON, RESET, 2, 1);
    machine_settle(b->m);
    assert_int_equal(modern_read(&b->d, VIRTIO_PCI_CAP_COMMON, RESET, 2), 0);
}

static void arrive_at(struct bench *b, unsigned pair, unsigned seed)
{
    uint8_t frame[FRAME];

    frame_fill(frame, FRAME, seed);
    frame_arrive(b, pair, NULL, frame, FRAME);
    machine_settle(b->m);
}

static void comes_on(struct bench *b, unsigned q, unsigned seed)
{
    uint8_t want[FRAME], got[FRAME];
    struct hdr_fields h;

    frame_fill(want, FRAME, seed);
    rx_collect(b, q, &h, got, FRAME);
    assert_memory_equal(got, want, FRAME);
}

/* 5.1.9.5.6.2-d3, d4: another queue has it; with none left it is dropped, and does not come when
 * queues are there again. */
static void rx_queue_reset(struct bench *b)
{
    struct used u;

    assert_int_equal(ctrl_num(b, MQ, 0, PAIRS, 2), OK);
    queue_reset(b, 6);
    rx_post(b, 0, 1526);
    arrive_at(b, 3, 1);
    comes_on(b, 0, 1);
    assert_int_equal(frames_lost(b), 0);
    drv_queue(&b->d, 6, 0);
    rx_post(b, 6, 1526);
    arrive_at(b, 3, 2);
    comes_on(b, 6, 2);
    for (unsigned p = 0; p < PAIRS; p++)
        queue_reset(b, 2 * p);
    for (unsigned p = 0; p < PAIRS; p++)
        arrive_at(b, p, 3);
    assert_int_equal(frames_lost(b), PAIRS);
    assert_int_equal(frames_in(b), 0);
    for (unsigned p = 0; p < PAIRS; p++) {
        drv_queue(&b->d, 2 * p, 0);
        rx_post(b, 2 * p, 1526);
        machine_settle(b->m);
        assert_false(dq_poll(&b->d.q[2 * p], &u));
        arrive_at(b, p, 4);
        comes_on(b, 2 * p, 4);
    }
}

static void rx_queue_reset_alone(struct bench *b)
{
    rx_post(b, RXQ, 1526); /* held by the device, and with a frame that waits */
    frame_arrive_seed(b, 5000, 1);
    machine_settle(b->m);
    queue_reset(b, RXQ);
    for (unsigned i = 0; i < 3; i++) {
        const uint64_t lost = frames_lost(b);

        arrive_at(b, 0, i);
        assert_int_equal(frames_lost(b), lost + 1);
        assert_int_equal(frames_in(b), 0);
        tx_seed(b, FRAME, i); /* the other direction goes on */
        out_is(b, i, FRAME, i);
    }
    drv_queue(&b->d, RXQ, 0);
    net_works(b);
    bench_init(b);
    net_works(b);
}

/* clang-format off */
#define ROW(fn, arg) {#fn, fn, 0, arg}
#define TURNS(fn, arg) {#fn, fn, BENCH_TURNS, arg}
#define MODERN(fn, arg) {#fn, fn, BENCH_TURNS | BENCH_MODERN, arg}
/* clang-format on */

static const struct bench_test tests[] = {
    ROW(offered_bits, NULL),
    {"offered_bits_full", offered_bits, 0, &full},
    ROW(ctrl_dependencies, &full),
    ROW(no_control_queue, NULL),
    MODERN(config_is_read_only, &full),
    {"small_mtu", small_mtu, BENCH_ONCE, NULL},
    ROW(mtu_and_speed_stay, &full),
    ROW(tx_mtu, &full),
    ROW(header_length_is_a_hint, NULL),
    ROW(merged_are_full, NULL),
    TURNS(rx_as_agreed, NULL),
    MODERN(rx_queue_reset, &four),
    MODERN(rx_queue_reset_alone, NULL),
};

int main(void)
{
    return bench_run("net-clauses", &net_kind, tests, ARRAY_SIZE(tests));
}
