// SPDX-License-Identifier: MIT
/*
 * The control queue of the network device: filters, addresses, announcements, pairs, offloads;
 * N13 to N20 of the list of hostile inputs. Delayed interrupts are in test-net-coal.c.
 */
#include "tests/device/net-ctrl.h"
#include "vmm/announce.h"

static const struct net_case four = {.pairs = 4};

static const uint8_t other[NET_MAC] = {2, 0, 0, 0, 0, 9}, group[NET_MAC] = {1, 0, 0x5e, 0, 0, 9},
                     group2[NET_MAC] = {0x33, 0x33, 0, 0, 0, 1},
                     all[NET_MAC] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

/* Does a frame to this address (and with this VLAN, if not negative) come through? */
static bool passes_vlan(struct bench *b, const uint8_t *to, int vlan)
{
    uint8_t frame[60];
    struct used u;
    const uint64_t mark = drv_mark(&b->d);
    bool came;

    frame_fill(frame, sizeof(frame), 1);
    memcpy(frame, to, NET_MAC);
    if (vlan >= 0) {
        order_store(ORDER_BIG, frame + 12, 2, 0x8100);
        order_store(ORDER_BIG, frame + 14, 2, 0xe000u | (unsigned)vlan);
    }
    rx_post(b, RXQ, 1526);
    frame_arrive(b, 0, NULL, frame, sizeof(frame));
    machine_settle(b->m);
    assert_int_equal(frames_in(b), 0);
    came = dq_poll(&b->d.q[RXQ], &u);
    if (!came) { /* take the buffer away again */
        ctrl8(b, RX, PROMISC, 1);
        frame_arrive_seed(b, 60, 1);
        machine_settle(b->m);
        assert_true(dq_poll(&b->d.q[RXQ], &u));
        ctrl8(b, RX, PROMISC, 0);
    }
    drv_rewind(&b->d, mark);
    return came;
}

static bool passes(struct bench *b, const uint8_t *to)
{
    return passes_vlan(b, to, -1);
}

/* 5.1.9.5.1.1 */
static void test_modes(struct bench *b)
{
    static const struct {
        int set[2];
        bool mine, other, group, all;
    } cases[] = {
        {{-1, -1}, true, false, false, true},
        {{PROMISC, -1}, true, true, true, true},
        {{ALLMULTI, -1}, true, false, true, true},
        {{ALLUNI, -1}, true, true, false, true},
        {{NOMULTI, ALLMULTI}, true, false, false, true},
        {{NOUNI, ALLUNI}, false, false, false, true},
        {{NOBCAST, ALLMULTI}, true, false, true, false},
        {{PROMISC, NOUNI}, true, true, true, true},
        {{PROMISC, NOMULTI}, true, true, true, true},
        {{PROMISC, NOBCAST}, true, true, true, true},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        for (unsigned k = 0; k < 2; k++)
            if (cases[i].set[k] >= 0)
                assert_int_equal(ctrl8(b, RX, (uint8_t)cases[i].set[k], 1), OK);
        assert_int_equal(passes(b, fake_mac), cases[i].mine);
        assert_int_equal(passes(b, other), cases[i].other);
        assert_int_equal(passes(b, group), cases[i].group);
        assert_int_equal(passes(b, all), cases[i].all);
        for (unsigned k = 0; k < 2; k++)
            if (cases[i].set[k] >= 0)
                assert_int_equal(ctrl8(b, RX, (uint8_t)cases[i].set[k], 0), OK);
    }
    assert_int_equal(frames_lost(b), 0);
    ctrl8(b, RX, PROMISC, 1);
    bench_init(b); /* and all of it is gone with a reset */
    assert_false(passes(b, other));
}

/* A driver that cannot choose gets everything. */
static void test_no_filter(struct bench *b)
{
    init_without(b, BIT64(F_CTRL_RX) | BIT64(F_CTRL_VLAN));
    assert_true(passes(b, other) && passes(b, group) && passes(b, all) && passes_vlan(b, all, 9));
    init_without(b, BIT64(F_CTRL_VQ) | BIT64(F_CTRL_RX) | BIT64(F_CTRL_VLAN) |
                        BIT64(F_CTRL_RX_EXTRA) | BIT64(F_CTRL_MAC_ADDR) | BIT64(F_MQ) |
                        BIT64(F_GUEST_ANNOUNCE) | BIT64(F_NOTF_COAL) | BIT64(F_VQ_NOTF_COAL) |
                        BIT64(F_CTRL_GUEST_OFFLOADS) | BIT64(F_RSS) | BIT64(F_HASH_REPORT));
    assert_true(passes(b, other));
}

static uint32_t table_fill(struct bench *b, uint8_t *raw, const uint8_t *uni, uint32_t n_uni,
                           const uint8_t *multi, uint32_t n_multi)
{
    uint32_t at = 4;

    order_store(b->d.order, raw, 4, n_uni);
    for (unsigned i = 0; i < n_uni; i++, at += NET_MAC)
        memcpy(raw + at, uni, NET_MAC);
    order_store(b->d.order, raw + at, 4, n_multi);
    at += 4;
    for (unsigned i = 0; i < n_multi; i++, at += NET_MAC)
        memcpy(raw + at, multi, NET_MAC);
    return at;
}

static void test_mac_table(struct bench *b)
{
    uint8_t raw[DATA_MAX];
    uint32_t len = table_fill(b, raw, other, 1, group, 2);

    assert_int_equal(ctrl(b, MAC, 0, raw, len), OK);
    assert_true(passes(b, other) && passes(b, group) && passes(b, fake_mac));
    assert_false(passes(b, group2));
    assert_int_equal(ctrl(b, MAC, 0, raw, len - 1), ERR); /* and nothing changes */
    assert_int_equal(ctrl(b, MAC, 0, raw, 3), ERR);
    order_store(b->d.order, raw, 4, 0xffffffff);
    assert_int_equal(ctrl(b, MAC, 0, raw, len), ERR);
    order_store(b->d.order, raw, 4, 0x2aaaaaab); /* times 6 is 2 in 32 bits */
    assert_int_equal(ctrl(b, MAC, 0, raw, len), ERR);
    len = table_fill(b, raw, other, 0, group2, 1);
    raw[len] = 0;
    assert_int_equal(ctrl(b, MAC, 0, raw, len + 1), ERR);
    assert_true(passes(b, other) && passes(b, group) && !passes(b, group2));
    assert_int_equal(ctrl(b, MAC, 0, raw, len), OK);
    assert_true(!passes(b, other) && !passes(b, group) && passes(b, group2));
    len = table_fill(b, raw, fake_mac, 65, group, 64); /* more than there is room for */
    assert_int_equal(ctrl(b, MAC, 0, raw, len), OK);
    assert_true(passes(b, other) && passes(b, group) && !passes(b, group2));
    len = table_fill(b, raw, fake_mac, 0, group, 65);
    assert_int_equal(ctrl(b, MAC, 0, raw, len), OK);
    assert_true(!passes(b, other) && passes(b, group2));
    bench_init(b); /* 5.1.9.5.2.1-d1: empty after a reset */
    assert_true(!passes(b, group) && !passes(b, group2) && passes(b, fake_mac));
}

/* 5.1.9.5.2.1-d3; N16 */
static void test_mac_set(struct bench *b)
{
    for (uint32_t len = 0; len < 12; len++)
        if (len != NET_MAC)
            assert_int_equal(ctrl(b, MAC, 1, "\2\2\2\2\2\2\2\2\2\2\2", len), ERR);
    assert_true(passes(b, fake_mac));
    assert_int_equal(ctrl(b, MAC, 1, other, NET_MAC), OK);
    for (unsigned i = 0; i < NET_MAC; i++)
        assert_int_equal(b->d.ops->config_read(&b->d, i, 1), other[i]);
    assert_true(passes(b, other) && !passes(b, fake_mac));
    bench_init(b);
    assert_int_equal(b->d.ops->config_read(&b->d, 5, 1), fake_mac[5]);
    assert_true(passes(b, fake_mac));
}

/* 5.1.9.5.3; N17 */
static void test_vlan(struct bench *b)
{
    assert_true(!passes_vlan(b, fake_mac, 5) && passes(b, fake_mac));
    assert_int_equal(ctrl_num(b, VLAN, 0, 5, 2), OK);
    assert_int_equal(ctrl_num(b, VLAN, 0, 4095, 2), OK);
    assert_true(passes_vlan(b, fake_mac, 5) && passes_vlan(b, fake_mac, 4095));
    assert_true(!passes_vlan(b, fake_mac, 6) && !passes_vlan(b, other, 5));
    assert_int_equal(ctrl_num(b, VLAN, 1, 5, 2), OK);
    assert_false(passes_vlan(b, fake_mac, 5));
    assert_int_equal(ctrl_num(b, VLAN, 0, 4096, 2), ERR);
    assert_int_equal(ctrl_num(b, VLAN, 1, 0xffff, 2), ERR);
    assert_int_equal(ctrl8(b, VLAN, 0, 1), ERR);
    assert_int_equal(ctrl_num(b, VLAN, 0, 1, 4), ERR);
    bench_init(b);
    assert_false(passes_vlan(b, fake_mac, 4095));
}

/* N13 */
static void test_unknown(struct bench *b)
{
    const uint8_t data[16] = {0};

    for (unsigned class = 0; class < 256; class += class < 12 ? 1 : 61)
        for (unsigned command = class < 7 ? 6 : 0; command < 256; command += 50)
            assert_int_equal(ctrl(b, (uint8_t) class, (uint8_t)command, data, 1), ERR);
    for (unsigned command = 0; command < 6; command++) {
        assert_int_equal(ctrl(b, RX, (uint8_t)command, NULL, 0), ERR);
        assert_int_equal(ctrl(b, RX, (uint8_t)command, data, 2), ERR);
    }
    assert_false(drv_broken(&b->d));
    net_works(b);
}

/* N20 */
static void test_not_agreed(struct bench *b)
{
    const uint8_t data[8] = {0};

    init_without(b, BIT64(F_CTRL_RX) | BIT64(F_CTRL_RX_EXTRA) | BIT64(F_CTRL_VLAN) | BIT64(F_MQ) |
                        BIT64(F_CTRL_MAC_ADDR) | BIT64(F_GUEST_ANNOUNCE) | BIT64(F_NOTF_COAL) |
                        BIT64(F_VQ_NOTF_COAL) | BIT64(F_CTRL_GUEST_OFFLOADS) | BIT64(F_RSS) |
                        BIT64(F_HASH_REPORT));
    for (unsigned command = 0; command < 6; command++)
        assert_int_equal(ctrl8(b, RX, (uint8_t)command, 1), ERR);
    assert_int_equal(ctrl(b, MAC, 0, data, 8), ERR);
    assert_int_equal(ctrl(b, MAC, 1, data, 6), ERR);
    assert_int_equal(ctrl_num(b, VLAN, 0, 1, 2), ERR);
    assert_int_equal(ctrl(b, ANNOUNCE, 0, NULL, 0), ERR);
    assert_int_equal(ctrl_num(b, MQ, 0, 1, 2), ERR);
    assert_int_equal(ctrl(b, OFFLOADS, 0, data, 8), ERR);
    for (unsigned command = 0; command < 3; command++)
        assert_int_equal(ctrl(b, COAL, (uint8_t)command, data, 8), ERR);
    net_works(b);
}

/* N14, D10: no header, no room for the answer: nothing happens. */
static void test_broken_chains(struct bench *b)
{
    const uint64_t at = drv_alloc(&b->d, 64, 64);
    struct used u;

    memset(drv_mem(&b->d, at, 64), 0, 64);
    ((uint8_t *)drv_mem(&b->d, at, 64))[2] = 1; /* promiscuous mode on */
    for (unsigned i = 0; i < 5; i++) {
        struct chain c = {0};

        if (i != 4)
            chain_out(&c, i == 3 ? RAM_HOLE : at, i == 0 ? 1 : 3);
        if (i == 0 || i == 4)
            chain_in(&c, at + 32, 1);
        if (i == 1)
            chain_in(&c, at + 32, 0);
        if (i == 2)
            chain_in(&c, RAM_HOLE, 1);
        if (i == 3)
            chain_in(&c, at + 32, 1);
        dq_add_kick(ctrl_queue(b), &c, NULL);
        assert_true(dq_wait(ctrl_queue(b), &u, WAIT_MS));
        assert_int_equal(u.len, 0);
        assert_false(drv_broken(&b->d));
        assert_false(passes(b, other));
    }
}

static unsigned config_interrupts(struct bench *b)
{
    if (b->d.use_msix)
        return gfunc_msix_count(&b->d.func, 0);
    return (b->d.ops->isr(&b->d) & VIRTIO_ISR_CONFIG) != 0;
}

static void test_announce(struct bench *b)
{
    struct drv *d = &b->d;

    for (unsigned i = 0; i < 2; i++) {
        loop_lock(b->loop);
        if (i) {
            net_link(&fake.net, false);
            net_link(&fake.net, true);
        } else {
            net_announce(b->dev);
        }
        loop_unlock(b->loop);
        assert_true(config_interrupts(b) > 0);
        assert_int_equal(d->ops->config_read(d, CFG_STATUS, 2), 3);
        assert_int_equal(ctrl(b, ANNOUNCE, 0, "x", 1), ERR);
        assert_int_equal(d->ops->config_read(d, CFG_STATUS, 2), 3);
        assert_int_equal(ctrl(b, ANNOUNCE, 0, NULL, 0), OK);
        assert_int_equal(d->ops->config_read(d, CFG_STATUS, 2), 1);
    }
    init_without(b, BIT64(F_GUEST_ANNOUNCE));
    config_interrupts(b);
    loop_lock(b->loop);
    net_announce(b->dev);
    loop_unlock(b->loop);
    assert_int_equal(d->ops->config_read(d, CFG_STATUS, 2), 1);
}

/* The command of the control socket, for cards that it names, or all. NULL: what it said stands in
 * call->err. */
static bool announce_command(struct bench *b, const char *names, struct control_call *call)
{
    struct part part = {"net0", b->loop, b->vp}, none = {"net1", b->loop, NULL};
    const struct parts parts = {.part = {&none, &part}, .n = 2};
    json_t *args = names ? json_pack("{s:o}", "interfaces", json_loads(names, 0, NULL)) : NULL;
    json_t *ret;

    *call = (struct control_call){.args = args};
    ret = announce_self(call, &parts);
    json_decref(args);
    json_decref(ret);
    return ret != NULL;
}

static void test_announce_command(struct bench *b)
{
    static const char *const right[] = {NULL, "[]", "[\"net0\"]"};
    static const char *const wrong[] = {"[\"net1\"]", "[\"net0\",\"net2\"]", "[0]"};
    struct drv *d = &b->d;
    struct control_call call;

    for (unsigned i = 0; i < ARRAY_SIZE(right); i++) {
        config_interrupts(b);
        assert_true(announce_command(b, right[i], &call));
        assert_true(config_interrupts(b) > 0);
        assert_int_equal(d->ops->config_read(d, CFG_STATUS, 2), 3);
        assert_int_equal(ctrl(b, ANNOUNCE, 0, NULL, 0), OK);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
        assert_false(announce_command(b, wrong[i], &call));
        assert_string_equal(call.class, "DeviceNotFound");
        assert_int_equal(d->ops->config_read(d, CFG_STATUS, 2), 1); /* nor of those named before */
    }
    init_without(b, BIT64(F_GUEST_ANNOUNCE));
    assert_false(announce_command(b, NULL, &call));
    assert_non_null(strstr(call.err.text, "guest_announce"));
    assert_string_equal(call.class, "DeviceNotActive");
}

static const uint8_t fake_to_me[20] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};

static void pair_works(struct bench *b, unsigned pair)
{
    const unsigned out = frames_out(b);
    uint8_t frame[80], got[80];
    struct hdr_fields h;

    frame_fill(frame, sizeof(frame), pair);
    tx_frame(b, 2 * pair + 1, NULL, frame, sizeof(frame));
    out_is(b, out, sizeof(frame), pair);
    assert_int_equal(fake.out[out].pair, pair);
    rx_post(b, 2 * pair, 1526);
    frame_arrive(b, pair, NULL, frame, sizeof(frame));
    rx_collect(b, 2 * pair, &h, got, sizeof(got));
    assert_memory_equal(got, frame, sizeof(got));
}

/* 5.1.9.5.6; Q22 */
static void test_pairs(struct bench *b)
{
    struct used u;

    assert_int_equal(b->d.n_queues, 9);
    assert_int_equal(b->d.ops->config_read(&b->d, CFG_PAIRS, 2), 4);
    assert_int_equal(ctrl_num(b, MQ, 0, 0, 2), ERR);
    assert_int_equal(ctrl_num(b, MQ, 0, 5, 2), ERR);
    assert_int_equal(ctrl_num(b, MQ, 0, 0x100, 2), ERR);
    rx_post(b, 4, 1526); /* ... before they are in use */
    assert_int_equal(ctrl_num(b, MQ, 0, 4, 2), OK);
    assert_int_equal(fake.used_pairs, 4);
    for (unsigned i = 0; i < 4; i++)
        pair_works(b, i);
    rx_post(b, 6, 1526);
    machine_settle(b->m);
    assert_int_equal(ctrl_num(b, MQ, 0, 2, 2), OK);
    assert_int_equal(fake.used_pairs, 2);
    frame_arrive(b, 3, NULL, fake_to_me, sizeof(fake_to_me));
    machine_settle(b->m);
    assert_false(dq_poll(&b->d.q[6], &u));
    assert_false(fake.listening[3]);
    pair_works(b, 1);
    assert_int_equal(ctrl_num(b, MQ, 0, 4, 2), OK); /* what waited comes now */
    assert_true(dq_wait(&b->d.q[6], &u, WAIT_MS));
    bench_init(b);
    assert_int_equal(fake.used_pairs, 1);
    pair_works(b, 0);
}

/* 5.1.2-d1: the third queue is the control queue then, though there could be more pairs. */
static void test_index_without_mq(struct bench *b)
{
    init_without(b, BIT64(F_MQ) | BIT64(F_RSS));
    assert_int_equal(ctrl8(b, RX, PROMISC, 1), OK);
    assert_true(passes(b, other));
    net_works(b);
}

/* 5.1.9.5.9 */
static void test_offloads(struct bench *b)
{
    static const struct hdr_fields tso = {1, NET_GSO_TCPV4, 54, 1448, 34, 16, 0};
    const uint64_t csum = BIT64(F_GUEST_CSUM), tso4 = BIT64(F_GUEST_TSO4);
    uint8_t raw[HDR], frame[100];

    frame_fill(frame, sizeof(frame), 1);
    hdr_put(ORDER_LITTLE, raw, &tso, true);
    assert_int_equal(ctrl_num(b, OFFLOADS, 0, csum, 8), OK);
    assert_int_equal(fake.taken, NET_CSUM);
    rx_post(b, RXQ, 1526);
    frame_arrive(b, 0, raw, frame, sizeof(frame));
    machine_settle(b->m);
    assert_int_equal(frames_lost(b), 1);
    assert_int_equal(ctrl_num(b, OFFLOADS, 0, csum | tso4, 8), OK);
    assert_int_equal(fake.taken, NET_CSUM | NET_TSO4);
    frame_arrive(b, 0, raw, frame, sizeof(frame));
    machine_settle(b->m);
    assert_int_equal(frames_lost(b), 1);
    assert_int_equal(ctrl_num(b, OFFLOADS, 0, tso4, 8), OK); /* nothing without sums */
    assert_int_equal(fake.taken, 0);
    assert_int_equal(ctrl_num(b, OFFLOADS, 0, csum | BIT64(F_HOST_TSO4), 8), ERR);
    assert_int_equal(ctrl_num(b, OFFLOADS, 0, UINT64_MAX, 8), ERR);
    assert_int_equal(ctrl_num(b, OFFLOADS, 0, csum, 4), ERR);
    assert_int_equal(fake.taken, 0);
    init_without(b, BIT64(F_GUEST_UFO));
    assert_int_equal(ctrl_num(b, OFFLOADS, 0, csum | BIT64(F_GUEST_UFO), 8), ERR);
    assert_int_equal(fake.taken & NET_TSO4, NET_TSO4);
}

static const struct bench_test tests[] = {
    {"modes", test_modes, BENCH_TURNS, NULL},
    {"no-filter", test_no_filter, BENCH_TURNS, NULL},
    {"mac-table", test_mac_table, BENCH_TURNS, NULL},
    {"N16-mac-set", test_mac_set, BENCH_TURNS, NULL},
    {"N17-vlan", test_vlan, BENCH_TURNS, NULL},
    {"N13-unknown", test_unknown, 0, NULL},
    {"N20-not-agreed", test_not_agreed, 0, &four},
    {"N14-broken-chains", test_broken_chains, BENCH_TURNS, NULL},
    {"announce", test_announce, 0, NULL},
    {"announce-command", test_announce_command, 0, NULL},
    {"pairs", test_pairs, BENCH_TURNS, &four},
    {"index-without-mq", test_index_without_mq, BENCH_TURNS, &four},
    {"offloads", test_offloads, BENCH_TURNS, NULL},
};

int main(void)
{
    return bench_run("net-ctrl", &net_kind, tests, ARRAY_SIZE(tests));
}
