// SPDX-License-Identifier: MIT
/*
 * Hashes of received frames: known ones, what is told of them, steering by table, N19. The key, the
 * addresses and their hashes are the published ones for receive side scaling.
 */
#include "tests/device/net-bench.h"

enum { MQ = 4, PAIRS_SET = 0, RSS_CONFIG = 1, HASH_CONFIG = 2, OK = 0, ERR = 1, KEY = 40 };
enum { IPV4 = 1, TCPV4 = 2, UDPV4 = 4, IPV6 = 8, TCPV6 = 16, UDPV6 = 32, ALL = 63 };
enum { CFG_KEY = 17, CFG_TABLE = 18, CFG_TYPES = 20, FRAME = 90 };

static const struct net_case four = {.pairs = 4};

static const uint8_t key[KEY] = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
                                 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
                                 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
                                 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

static uint8_t ctrl(struct bench *b, uint8_t command, const uint8_t *data, uint32_t len)
{
    uint8_t out[600] = {MQ, command}, ack = 0xee;

    memcpy(out + 2, data, len);
    assert_int_equal(dq_xfer(&b->d.q[2 * fake.net.pairs], out, 2 + len, &ack, 1), 1);
    return ack;
}

/* ---- frames ---- */

enum kind { K_ARP, K_IP, K_TCP, K_UDP, K_FRAGMENT };

struct flow {
    bool v6, vlan, options;
    enum kind kind;
};

/* 66.9.149.187:2794 to 161.142.100.80:1766, and 3ffe:2501:200:1fff::7 to 3ffe:2501:200:3::1. */
static void frame_make(uint8_t frame[FRAME], const struct flow *f)
{
    static const uint8_t v4[] = {66, 9, 149, 187, 161, 142, 100, 80};
    static const uint8_t v6[] = {0x3f, 0xfe, 0x25, 1, 2, 0, 0x1f, 0xff, 0, 0, 0, 0, 0, 0, 0, 7,
                                 0x3f, 0xfe, 0x25, 1, 2, 0, 0,    3,    0, 0, 0, 0, 0, 0, 0, 1};
    const uint8_t proto = f->kind == K_UDP ? 17 : f->kind == K_IP ? 1 : 6;
    uint8_t *p = frame + 12;

    memset(frame, 0, FRAME);
    memcpy(frame, fake_mac, NET_MAC);
    if (f->vlan) {
        order_store(ORDER_BIG, p, 4, 0x81000005);
        p += 4;
    }
    order_store(ORDER_BIG, p, 2, f->kind == K_ARP ? 0x0806 : f->v6 ? 0x86dd : 0x0800);
    p += 2;
    if (f->kind == K_ARP)
        return;
    p[0] = f->v6 ? 0x60 : f->options ? 0x46 : 0x45;
    if (f->v6) {
        p[6] = f->options ? 60 : f->kind == K_FRAGMENT ? 44 : proto;
        memcpy(p + 8, v6, sizeof(v6));
        p += 40;
        if (f->options)
            p[0] = proto;
        if (f->options || f->kind == K_FRAGMENT)
            p += 8;
    } else {
        p[9] = proto;
        p[6] = f->kind == K_FRAGMENT ? 0x20 : 0x40;
        memcpy(p + 12, v4, sizeof(v4));
        p += f->options ? 24 : 20;
    }
    order_store(ORDER_BIG, p, 2, 2794);
    order_store(ORDER_BIG, p + 2, 2, 1766);
}

struct got {
    uint32_t hash;
    uint16_t report, pad;
};

/* A frame that arrives at a pair; what is told of it, on queue q. */
static struct got receive(struct bench *b, unsigned pair, unsigned q, const uint8_t *frame)
{
    const uint64_t mark = drv_mark(&b->d);
    const uint64_t at = rx_post(b, q, 1526);
    const uint8_t *bytes = drv_mem(&b->d, at, 1526);
    struct used u;
    struct got got = {0};

    frame_arrive(b, pair, NULL, frame, FRAME);
    assert_true(dq_wait(&b->d.q[q], &u, WAIT_MS));
    assert_int_equal(u.len, drv_header(b) + FRAME);
    assert_memory_equal(bytes + drv_header(b), frame, FRAME);
    assert_int_equal(order_load(b->d.order, bytes + 10, 2), 1);
    if (bench_has(b, F_HASH_REPORT))
        got = (struct got){(uint32_t)order_load(b->d.order, bytes + 12, 4),
                           (uint16_t)order_load(b->d.order, bytes + 16, 2),
                           (uint16_t)order_load(b->d.order, bytes + 18, 2)};
    drv_rewind(&b->d, mark);
    return got;
}

/* ---- commands ---- */

static uint32_t hash_config(struct bench *b, uint8_t *raw, uint32_t types, uint8_t key_len)
{
    memset(raw, 0, 12);
    order_store(b->d.order, raw, 4, types);
    raw[12] = key_len;
    memcpy(raw + 13, key, min_u64(key_len, KEY));
    return 13 + key_len;
}

struct rss_words {
    uint32_t types;
    uint16_t mask, unclassified, table[4], senders;
    uint8_t key_len;
};

static uint32_t rss_config(struct bench *b, uint8_t *raw, const struct rss_words *w)
{
    uint32_t at = 8;

    order_store(b->d.order, raw, 4, w->types);
    order_store(b->d.order, raw + 4, 2, w->mask);
    order_store(b->d.order, raw + 6, 2, w->unclassified);
    for (unsigned i = 0; i <= w->mask && i < 200; i++, at += 2)
        order_store(b->d.order, raw + at, 2, w->table[i % 4]);
    order_store(b->d.order, raw + at, 2, w->senders);
    raw[at + 2] = w->key_len;
    memcpy(raw + at + 3, key, min_u64(w->key_len, KEY));
    return at + 3 + w->key_len;
}

static uint8_t rss_set(struct bench *b, const struct rss_words *w)
{
    uint8_t raw[600];

    return ctrl(b, RSS_CONFIG, raw, rss_config(b, raw, w));
}

/* ---- tests ---- */

static void test_config(struct bench *b)
{
    assert_int_equal(b->d.ops->config_read(&b->d, CFG_KEY, 1), 40);
    assert_int_equal(b->d.ops->config_read(&b->d, CFG_TABLE, 2), b->arg ? 128 : 0);
    assert_int_equal(b->d.ops->config_read(&b->d, CFG_TYPES, 4), ALL);
    assert_int_equal(bench_has(b, F_RSS), b->arg != NULL);
}

static void test_hashes(struct bench *b)
{
    static const struct {
        struct flow flow;
        uint32_t types, hash;
        uint16_t report;
    } cases[] = {
        {{.kind = K_TCP}, ALL, 0x51ccc178, 2},
        {{.kind = K_TCP}, IPV4, 0x323e8fc2, 1},
        {{.kind = K_TCP}, UDPV4 | IPV4 | TCPV6, 0x323e8fc2, 1},
        {{.kind = K_TCP}, UDPV4 | IPV6, 0, 0},
        {{.kind = K_UDP}, ALL, 0x51ccc178, 3},
        {{.kind = K_UDP, .options = true}, ALL, 0x51ccc178, 3},
        {{.kind = K_IP}, ALL, 0x323e8fc2, 1},
        {{.kind = K_FRAGMENT}, ALL, 0x323e8fc2, 1},
        {{.kind = K_ARP}, ALL, 0, 0},
        {{.v6 = true, .kind = K_TCP}, ALL, 0x40207d3d, 5},
        {{.v6 = true, .kind = K_TCP}, IPV6 | TCPV4, 0x2cc18cd5, 4},
        {{.v6 = true, .kind = K_TCP, .options = true}, ALL, 0x40207d3d, 5},
        {{.v6 = true, .kind = K_UDP, .vlan = true}, ALL, 0x40207d3d, 6},
        {{.v6 = true, .kind = K_FRAGMENT}, ALL, 0x2cc18cd5, 4},
        {{.kind = K_TCP, .vlan = true}, ALL, 0x51ccc178, 2},
        {{.kind = K_TCP}, 0, 0, 0},
    };

    init_without(b, BIT64(F_CTRL_VLAN));
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        uint8_t frame[FRAME], raw[64];
        struct got got;

        assert_int_equal(ctrl(b, HASH_CONFIG, raw, hash_config(b, raw, cases[i].types, KEY)), OK);
        frame_make(frame, &cases[i].flow);
        got = receive(b, 0, RXQ, frame);
        assert_int_equal(got.report, cases[i].report);
        assert_int_equal(got.hash, cases[i].hash);
        assert_int_equal(got.pad, 0);
    }
    bench_init(b); /* 5.1.9.5.6.4-d1: nothing at first */
    assert_int_equal(
        receive(b, 0, RXQ, (const uint8_t[FRAME]){0x52, 0x54, 0, 0x12, 0x34, 0x56}).report, 0);
    tx_seed(b, 100, 3);
    out_is(b, 0, 100, 3);
}

/* Every frame that ends too early, as it would be parsed: no hash beyond what is there. */
static void test_short_frames(struct bench *b)
{
    uint8_t frame[FRAME], raw[64];

    init_without(b, BIT64(F_CTRL_VLAN));
    assert_int_equal(ctrl(b, HASH_CONFIG, raw, hash_config(b, raw, ALL, KEY)), OK);
    for (unsigned i = 0; i < 8; i++) {
        const struct flow f = {.v6 = i & 1, .vlan = i & 2, .options = i & 4, .kind = K_TCP};

        frame_make(frame, &f);
        for (uint32_t len = 14; len < FRAME; len++) {
            const uint64_t mark = drv_mark(&b->d);
            struct used u;

            rx_post(b, RXQ, 1526);
            frame_arrive(b, 0, NULL, frame, len);
            assert_true(dq_wait(&b->d.q[RXQ], &u, WAIT_MS));
            drv_rewind(&b->d, mark);
        }
    }
}

/* 5.1.9.5.7.3-d1 */
static void test_steer(struct bench *b)
{
    /* 0x51ccc178 & 3 is 0, 0x323e8fc2 & 3 is 2 */
    const struct rss_words w = {TCPV4 | IPV4, 3, 1, {3, 0, 2, 0}, 4, KEY};
    uint8_t tcp[FRAME], ip[FRAME], arp[FRAME];

    frame_make(tcp, &(struct flow){.kind = K_TCP});
    frame_make(ip, &(struct flow){.kind = K_IP});
    frame_make(arp, &(struct flow){.kind = K_ARP});
    assert_int_equal(rss_set(b, &w), OK);
    assert_int_equal(fake.used_pairs, 4);
    for (unsigned from = 0; from < 4; from++) {
        receive(b, from, 6, tcp);
        receive(b, from, 4, ip);
        receive(b, from, 2, arp);
    }
    assert_int_equal(frames_lost(b), 0);
    frame_arrive(b, 0, NULL, tcp, FRAME); /* others' buffers are not waited for */
    machine_settle(b->m);
    assert_int_equal(frames_lost(b), 1);
    frame_arrive(b, 3, NULL, tcp, FRAME); /* its own are */
    machine_settle(b->m);
    assert_int_equal(frames_lost(b), 1);
    rx_post(b, 6, 1526);
    assert_true(dq_wait(&b->d.q[6], &(struct used){0}, WAIT_MS));
    order_store(b->d.order, arp, 2, 2);
    assert_int_equal(ctrl(b, PAIRS_SET, arp, 2), OK); /* 5.1.9.5.5-d1 */
    receive(b, 1, 2, tcp);
    receive(b, 0, 0, tcp);
}

/* 5.1.9.5.7.3-d2 */
static void test_steer_reset(struct bench *b)
{
    enum { SELECT = 22, RESET = 58 };
    const struct rss_words w = {TCPV4, 0, 0, {3}, 4, KEY};
    uint8_t tcp[FRAME];

    frame_make(tcp, &(struct flow){.kind = K_TCP});
    assert_int_equal(rss_set(b, &w), OK);
    modern_write(&b->d, VIRTIO_PCI_CAP_COMMON, SELECT, 2, 6);
    modern_write(&b->d, VIRTIO_PCI_CAP_COMMON, RESET, 2, 1);
    frame_arrive(b, 0, NULL, tcp, FRAME);
    machine_settle(b->m);
    assert_int_equal(frames_lost(b), 1);
    drv_queue(&b->d, 6, 0);
    receive(b, 0, 6, tcp);
}

/* ... and only it: what arrives where the queue is off is for others all the same. */
static void test_steer_from_reset(struct bench *b)
{
    enum { SELECT = 22, RESET = 58 };
    const struct rss_words w = {TCPV4, 0, 0, {3}, 4, KEY};
    uint8_t tcp[FRAME], arp[FRAME];

    frame_make(tcp, &(struct flow){.kind = K_TCP});
    frame_make(arp, &(struct flow){.kind = K_ARP});
    assert_int_equal(rss_set(b, &w), OK);
    modern_write(&b->d, VIRTIO_PCI_CAP_COMMON, SELECT, 2, 0);
    modern_write(&b->d, VIRTIO_PCI_CAP_COMMON, RESET, 2, 1);
    machine_settle(b->m);
    for (unsigned i = 0; i < 3; i++)
        receive(b, 0, 6, tcp);
    frame_arrive(b, 0, NULL, arp, FRAME); /* for the one that is off */
    machine_settle(b->m);
    assert_int_equal(frames_in(b), 0);
    assert_int_equal(frames_lost(b), 1);
    receive(b, 0, 6, tcp);
    drv_queue(&b->d, 0, 0);
    receive(b, 0, 0, arp);
    receive(b, 0, 6, tcp);
}

/* A frame waits, with a part in buffers already, when steering begins: others keep off them. */
static void test_steer_over_waiting(struct bench *b)
{
    const struct rss_words w = {TCPV4, 0, 0, {0}, 4, KEY};
    uint8_t tcp[FRAME];

    frame_make(tcp, &(struct flow){.kind = K_TCP});
    rx_post(b, 0, 1000);
    frame_arrive_seed(b, 3000, 9);
    machine_settle(b->m);
    assert_int_equal(rss_set(b, &w), OK);
    frame_arrive(b, 1, NULL, tcp, FRAME);
    machine_settle(b->m);
    for (unsigned i = 0; i < 3; i++)
        rx_post(b, 0, 1000);
    rx_is(b, 3000, 9);
    assert_int_equal(frames_lost(b), 1);
    receive(b, 1, 0, tcp);
}

/* N19: refused whole, and what was set before stays. */
static void test_bad(struct bench *b)
{
    static const struct rss_words bad[] = {
        {ALL + 1, 3, 1, {0}, 4, KEY}, {0x80000000, 3, 1, {0}, 4, KEY},
        {ALL, 2, 1, {0}, 4, KEY},     {ALL, 127 + 128, 1, {0}, 4, KEY},
        {ALL, 3, 4, {0}, 4, KEY},     {ALL, 3, 0xffff, {0}, 4, KEY},
        {ALL, 3, 1, {0, 4}, 4, KEY},  {ALL, 3, 1, {0, 0, 0, 0x8000}, 4, KEY},
        {ALL, 3, 1, {0}, 0, KEY},     {ALL, 3, 1, {0}, 5, KEY},
        {ALL, 3, 1, {0}, 4, KEY + 1}, {ALL, 0xffff, 1, {0}, 4, KEY},
    };
    const struct rss_words good = {TCPV4, 1, 1, {2, 2}, 4, KEY};
    uint8_t raw[600], tcp[FRAME];
    uint32_t len;

    frame_make(tcp, &(struct flow){.kind = K_TCP});
    assert_int_equal(rss_set(b, &good), OK);
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(rss_set(b, &bad[i]), ERR);
    len = rss_config(b, raw, &good);
    for (uint32_t n = 0; n < len; n++)
        assert_int_equal(ctrl(b, RSS_CONFIG, raw, n), ERR);
    len = hash_config(b, raw, ALL, KEY);
    for (uint32_t n = 0; n < len; n++)
        assert_int_equal(ctrl(b, HASH_CONFIG, raw, n), ERR);
    assert_int_equal(ctrl(b, HASH_CONFIG, raw, hash_config(b, raw, ALL + 1, KEY)), ERR);
    receive(b, 0, 4, tcp);
    init_without(b, BIT64(F_RSS) | BIT64(F_HASH_REPORT)); /* N20 */
    assert_int_equal(rss_set(b, &good), ERR);
    assert_int_equal(ctrl(b, HASH_CONFIG, raw, hash_config(b, raw, ALL, KEY)), ERR);
}

/* As Linux 6.12.117 sends them: with a byte more than the key has. */
static void test_padded(struct bench *b)
{
    const struct rss_words w = {TCPV4, 1, 1, {2, 2}, 4, KEY};
    uint8_t raw[600], tcp[FRAME];

    frame_make(tcp, &(struct flow){.kind = K_TCP});
    assert_int_equal(ctrl(b, RSS_CONFIG, raw, rss_config(b, raw, &w) + 1), OK);
    receive(b, 0, 4, tcp);
    assert_int_equal(ctrl(b, HASH_CONFIG, raw, hash_config(b, raw, ALL, KEY) + 1), OK);
    assert_int_equal(receive(b, 0, 0, tcp).hash, 0x51ccc178);
}

static const struct bench_test tests[] = {
    {"config", test_config, BENCH_MODERN, NULL},
    {"config-rss", test_config, BENCH_MODERN, &four},
    {"hashes", test_hashes, BENCH_MODERN, NULL},
    {"short-frames", test_short_frames, BENCH_MODERN, NULL},
    {"steer", test_steer, BENCH_MODERN | BENCH_TURNS, &four},
    {"steer-reset", test_steer_reset, BENCH_MODERN | BENCH_TURNS, &four},
    {"steer-from-reset", test_steer_from_reset, BENCH_MODERN | BENCH_TURNS, &four},
    {"steer-over-waiting", test_steer_over_waiting, BENCH_MODERN | BENCH_TURNS, &four},
    {"padded", test_padded, BENCH_MODERN | BENCH_TURNS, &four},
    {"N19-bad", test_bad, BENCH_MODERN, &four},
};

int main(void)
{
    return bench_run("net-rss", &net_kind, tests, ARRAY_SIZE(tests));
}
