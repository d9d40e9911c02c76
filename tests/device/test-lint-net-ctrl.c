// SPDX-License-Identifier: MIT
/* Lint over a network card: commands. Each test breaks one clause only. */
#include "tests/device/lint-bench.h"
#include "tests/device/net-bench.h"

enum { RAW = BENCH_LINT | BENCH_RAW, MODERN = BENCH_LINT | BENCH_MODERN, DATA_MAX = 1024 };
enum { RX, MAC, VLAN, ANNOUNCE, MQ, OFFLOADS, COAL, HASH_TUNNEL, STATS, RSS_CONTEXT };

static const struct net_case four = {.pairs = 4};

/* Data of a command, as it is put together. */
struct data {
    struct bench *b;
    uint32_t n;
    uint8_t bytes[DATA_MAX];
};

static void add(struct data *d, uint64_t v, unsigned n)
{
    order_store(d->b->d.order, d->bytes + d->n, n, v);
    d->n += n;
}

static uint8_t command(struct data *d, uint8_t class, uint8_t number)
{
    struct bench *b = d->b;
    uint8_t out[2 + DATA_MAX] = {class, number}, in[1 + 8] = {0xee};
    const bool get = class == COAL && number == 3;

    memcpy(out + 2, d->bytes, d->n);
    dq_xfer(&b->d.q[bench_has(b, F_MQ) || bench_has(b, F_RSS) ? 2 * fake.net.pairs : 2], out,
            2 + d->n, in, get ? 9 : 1);
    return in[0];
}

static uint8_t command8(struct bench *b, uint8_t class, uint8_t number, uint8_t v)
{
    struct data d = {b, 1, {v}};

    return command(&d, class, number);
}

static void well_behaved(struct bench *b)
{
    struct data macs = {b, 0, {0}}, pairs = {b, 0, {0}};

    for (uint8_t i = 0; i < 6; i++)
        assert_int_equal(command8(b, RX, i, 1), 0);
    add(&macs, 1, 4);
    macs.n += 6;
    add(&macs, 0, 4);
    assert_int_equal(command(&macs, MAC, 0), 0);
    add(&pairs, 4, 2);
    assert_int_equal(command(&pairs, MQ, 0), 0);
    lint_clean(b);
}

static void ctrl_rx(struct bench *b)
{
    init_without(b, BIT64(F_CTRL_RX));
    command8(b, RX, 0, 1);
    lint_only(b, LINT_NET_CTRL_RX);
}

static void ctrl_rx_extra(struct bench *b)
{
    init_without(b, BIT64(F_CTRL_RX_EXTRA));
    command8(b, RX, 5, 1);
    lint_only(b, LINT_NET_CTRL_RX_EXTRA);
}

static void ctrl_mac(struct bench *b)
{
    struct data d = {b, 6, {2}};

    init_without(b, BIT64(F_CTRL_RX));
    assert_int_equal(command(&d, MAC, 1), 0);
    lint_only(b, LINT_NET_CTRL_MAC);
}

static void mac_table(struct bench *b)
{
    struct data d = {b, 0, {0}};

    add(&d, 100, 4);
    add(&d, 0, 4);
    command(&d, MAC, 0);
    lint_only(b, LINT_NET_MAC_TABLE);
}

static void hash_tunnel(struct bench *b)
{
    struct data d = {b, 4, {0}};

    command(&d, HASH_TUNNEL, 0);
    lint_only(b, LINT_NET_HASH_TUNNEL);
}

static void rss_context(struct bench *b)
{
    struct data d = {b, 0, {0}};

    command(&d, RSS_CONTEXT, 0);
    lint_only(b, LINT_NET_RSS_CONTEXT);
}

static void pairs(struct bench *b)
{
    struct data d = {b, 0, {0}};

    add(&d, 5, 2);
    command(&d, MQ, 0);
    lint_only(b, LINT_NET_PAIRS);
}

static void pairs_off(struct bench *b)
{
    struct data d = {b, 0, {0}};

    assert_true(drv_negotiate(&b->d, b->want));
    gfunc_msix_control(&b->d.func, b->d.use_msix, false);
    drv_queue(&b->d, 0, 0);
    drv_queue(&b->d, 1, 0);
    drv_queue(&b->d, 8, 0);
    drv_go(&b->d);
    add(&d, 2, 2);
    command(&d, MQ, 0);
    lint_only(b, LINT_NET_PAIRS_OFF);
}

static void hash_reserved(struct bench *b)
{
    struct data d = {b, 0, {0}};

    add(&d, 1, 4);
    add(&d, 7, 8);
    add(&d, 0, 1);
    command(&d, MQ, 2);
    lint_only(b, LINT_NET_HASH_RESERVED);
}

static uint8_t rss_send(struct bench *b, uint32_t types, uint16_t mask, uint16_t entry)
{
    struct data d = {b, 0, {0}};

    add(&d, types, 4);
    add(&d, mask, 2);
    add(&d, 0, 2);
    for (unsigned i = 0; i <= mask; i++)
        add(&d, i ? 0 : entry, 2);
    add(&d, 1, 2);
    add(&d, 0, 1);
    return command(&d, MQ, 1);
}

static void rss(struct bench *b)
{
    init_without(b, BIT64(F_RSS));
    rss_send(b, 1, 0, 0);
    lint_only(b, LINT_NET_RSS);
}

static void rss_table(struct bench *b)
{
    assert_int_equal(rss_send(b, 1, 1, 3), 0);
    lint_clean(b);
    rss_send(b, 1, 1, 9);
    lint_only(b, LINT_NET_RSS_TABLE);
}

static void rss_power(struct bench *b)
{
    rss_send(b, 1, 2, 0);
    lint_only(b, LINT_NET_RSS_POWER);
}

static void rss_long(struct bench *b)
{
    rss_send(b, 1, 255, 0);
    lint_only(b, LINT_NET_RSS_LONG);
}

static void rss_types(struct bench *b)
{
    rss_send(b, 1 << 20, 0, 0);
    lint_only(b, LINT_NET_RSS_TYPES);
}

static void offloads(struct bench *b)
{
    struct data d = {b, 0, {0}};

    init_without(b, BIT64(F_GUEST_TSO4));
    add(&d, BIT64(F_GUEST_CSUM) | BIT64(F_GUEST_TSO4), 8);
    command(&d, OFFLOADS, 0);
    lint_only(b, LINT_NET_OFFLOADS);
}

static void coal(struct bench *b, uint8_t number, uint16_t queue)
{
    struct data d = {b, 0, {0}};

    if (number >= 2)
        add(&d, queue, 4);
    if (number != 3)
        add(&d, 0, 8);
    command(&d, COAL, number);
}

static void coal_queue(struct bench *b)
{
    coal(b, 2, 0);
    coal(b, 3, 1);
    lint_clean(b);
    coal(b, 2, 2);
    lint_only(b, LINT_NET_COAL_QUEUE);
}

static void coal_all(struct bench *b)
{
    init_without(b, BIT64(F_NOTF_COAL));
    coal(b, 0, 0);
    lint_only(b, LINT_NET_COAL);
}

static void coal_vq(struct bench *b)
{
    init_without(b, BIT64(F_VQ_NOTF_COAL));
    coal(b, 2, 0);
    lint_only(b, LINT_NET_COAL_VQ);
}

static const struct bench_test tests[] = {
    {"well_behaved", well_behaved, BENCH_LINT, &four},
    {"5.1.9.5.1.2-t1", ctrl_rx, RAW, NULL},
    {"5.1.9.5.1.2-t2", ctrl_rx_extra, RAW, NULL},
    {"5.1.9.5.2.2-t1", ctrl_mac, RAW, NULL},
    {"5.1.9.5.2.2-t3", mac_table, BENCH_LINT, NULL},
    {"5.1.9.4.4.5-t1", hash_tunnel, BENCH_LINT, NULL},
    {"5.1.9.5.8.4-t1", rss_context, BENCH_LINT, NULL},
    {"5.1.9.5.6.1-t1", pairs_off, RAW | BENCH_MODERN, &four},
    {"5.1.9.5.6.1-t2", pairs, BENCH_LINT, &four},
    {"5.1.9.5.6.4-t1", hash_reserved, MODERN, NULL},
    {"5.1.9.5.7.2-t1", rss, RAW | BENCH_MODERN, &four},
    {"5.1.9.5.7.2-t2", rss_table, MODERN, &four},
    {"5.1.9.5.7.2-t3", rss_power, MODERN, &four},
    {"5.1.9.5.7.2-t4", rss_long, MODERN, &four},
    {"5.1.9.5.7.2-t5", rss_types, MODERN, &four},
    {"5.1.9.5.9.2-t1", offloads, RAW, NULL},
    {"5.1.9.5.10.5-t1", coal_queue, MODERN, NULL},
    {"5.1.9.5.10.5-t2", coal_all, RAW | BENCH_MODERN, NULL},
    {"5.1.9.5.10.5-t3", coal_vq, RAW | BENCH_MODERN, NULL},
};

int main(void)
{
    return bench_run("lint-net-ctrl", &net_kind, tests, ARRAY_SIZE(tests));
}
