// SPDX-License-Identifier: MIT
/* Lint over a network card: frames and buffers for them. Each test breaks one clause only. */
#include "tests/device/lint-bench.h"
#include "tests/device/net-bench.h"

enum { RAW = BENCH_LINT | BENCH_RAW, LEN = 2000 };

#define HOST_SEGMENTS                                                                  \
    (BIT64(F_HOST_TSO4) | BIT64(F_HOST_TSO6) | BIT64(F_HOST_UFO) | BIT64(F_HOST_USO) | \
     BIT64(F_HOST_ECN))
#define GUEST_SEGMENTS                                                                     \
    (BIT64(F_GUEST_TSO4) | BIT64(F_GUEST_TSO6) | BIT64(F_GUEST_UFO) | BIT64(F_GUEST_ECN) | \
     BIT64(F_GUEST_USO4) | BIT64(F_GUEST_USO6))

static const struct net_case small_mtu = {.mtu = 1500}, four = {.pairs = 4};

static void well_behaved(struct bench *b)
{
    for (unsigned i = 0; i < 20; i++)
        net_works(b);
    b->d.ops->config_read(&b->d, 0, 1);
    lint_clean(b);
}

static void well_behaved_plain(struct bench *b)
{
    init_without(b, BIT64(F_MRG_RXBUF) | GUEST_SEGMENTS);
    for (unsigned i = 0; i < 20; i++)
        net_works(b);
    lint_clean(b);
}

/* ---- what to accept, configuration ---- */

static void no_mac(struct bench *b)
{
    init_without(b, BIT64(F_MAC));
    lint_only(b, LINT_NET_NO_MAC);
}

static void no_mtu(struct bench *b)
{
    init_without(b, BIT64(F_MTU));
    lint_only(b, LINT_NET_NO_MTU);
}

static void config_write(struct bench *b)
{
    b->d.ops->config_write(&b->d, 0, 1, 2);
    lint_only(b, LINT_NET_CONFIG);
}

/* ---- sending ---- */

static void send(struct bench *b, const struct hdr_fields *h, enum lint_id rule)
{
    static uint8_t frame[LEN];

    frame_fill(frame, LEN, 3);
    tx_frame(b, TXQ, h, frame, LEN);
    lint_only(b, rule);
}

/* A segmented frame of a kind, as it should be but for that. */
static void send_gso(struct bench *b, uint8_t gso, enum lint_id rule)
{
    const struct hdr_fields h = {.flags = 1,
                                 .gso = gso,
                                 .hdr_len = 54,
                                 .gso_size = 1000,
                                 .csum_start = 34,
                                 .csum_offset = 16};

    send(b, &h, rule);
}

static void tx_mtu(struct bench *b)
{
    send(b, NULL, LINT_NET_TX_MTU);
}

static void tx_header(struct bench *b)
{
    uint8_t few[5] = {0};

    dq_xfer(&b->d.q[TXQ], few, sizeof(few), NULL, 0);
    lint_only(b, LINT_NET_TX_HEADER);
}

static void tx_buffers(struct bench *b)
{
    send(b, &(struct hdr_fields){.buffers = 1}, LINT_NET_TX_BUFFERS);
}

static void tx_flags(struct bench *b)
{
    init_without(b, HOST_SEGMENTS | BIT64(F_CSUM));
    send(b, &(struct hdr_fields){.flags = 1, .csum_start = 34, .csum_offset = 16},
         LINT_NET_TX_FLAGS);
}

static void tx_tso4(struct bench *b)
{
    init_without(b, BIT64(F_HOST_TSO4));
    send_gso(b, 1, LINT_NET_TX_TSO4);
}

static void tx_tso6(struct bench *b)
{
    init_without(b, BIT64(F_HOST_TSO6));
    send_gso(b, 4, LINT_NET_TX_TSO6);
}

static void tx_ufo(struct bench *b)
{
    init_without(b, BIT64(F_HOST_UFO));
    send_gso(b, 3, LINT_NET_TX_UFO);
}

static void tx_uso(struct bench *b)
{
    init_without(b, BIT64(F_HOST_USO));
    send_gso(b, 5, LINT_NET_TX_USO);
}

static void tx_ecn(struct bench *b)
{
    init_without(b, BIT64(F_HOST_ECN));
    send_gso(b, 0x81, LINT_NET_TX_ECN);
}

static void tx_tunnel(struct bench *b)
{
    send_gso(b, 0x21, LINT_NET_TX_TUNNEL);
}

static void tx_tunnel_csum(struct bench *b)
{
    send(b, &(struct hdr_fields){.flags = 9, .csum_start = 34, .csum_offset = 16},
         LINT_NET_TX_TUNNEL_CSUM);
}

static void tx_csum(struct bench *b)
{
    send(b, &(struct hdr_fields){.flags = 1, .csum_start = LEN, .csum_offset = 16},
         LINT_NET_TX_CSUM);
}

static void tx_gso(struct bench *b)
{
    init_without(b, HOST_SEGMENTS);
    send_gso(b, 1, LINT_NET_TX_GSO);
}

static void tx_gso_csum(struct bench *b)
{
    send(b, &(struct hdr_fields){.gso = 1, .hdr_len = 54, .gso_size = 1000}, LINT_NET_TX_GSO_CSUM);
}

static void tx_gso_size(struct bench *b)
{
    const struct hdr_fields h = {
        .flags = 1, .gso = 1, .hdr_len = 54, .csum_start = 34, .csum_offset = 16};

    send(b, &h, LINT_NET_TX_GSO_SIZE);
}

static void tx_rx_flags(struct bench *b)
{
    send(b, &(struct hdr_fields){.flags = 2}, LINT_NET_TX_RX_FLAGS);
}

/* A frame on the transmit queue of the second pair. */
static void second_pair(struct bench *b)
{
    struct chain c = {0};
    const uint64_t at = drv_alloc(&b->d, 100, 16);

    memset(drv_mem(&b->d, at, 100), 0, 100);
    chain_out(&c, at, 100);
    dq_add_kick(&b->d.q[3], &c, NULL);
}

static void tx_early(struct bench *b)
{
    second_pair(b);
    lint_only(b, LINT_NET_TX_EARLY);
}

static void pairs_set(struct bench *b, unsigned n)
{
    uint8_t out[4] = {4, 0}, ack = 1;

    order_store(b->d.order, out + 2, 2, n);
    dq_xfer(&b->d.q[8], out, sizeof(out), &ack, 1);
    assert_int_equal(ack, 0);
}

static void tx_off(struct bench *b)
{
    pairs_set(b, 1);
    second_pair(b);
    lint_only(b, LINT_NET_TX_OFF);
}

/* ---- receiving ---- */

static void rx_mtu(struct bench *b)
{
    init_without(b, BIT64(F_MRG_RXBUF) | GUEST_SEGMENTS);
    rx_post(b, RXQ, 1000);
    lint_only(b, LINT_NET_RX_MTU);
}

static void rx_large(struct bench *b)
{
    init_without(b, BIT64(F_MRG_RXBUF));
    rx_post(b, RXQ, 2048);
    lint_only(b, LINT_NET_RX_LARGE);
}

static void rx_small(struct bench *b)
{
    init_without(b, BIT64(F_MRG_RXBUF) | GUEST_SEGMENTS);
    rx_post(b, RXQ, 1000);
    lint_only(b, LINT_NET_RX_SMALL);
}

static void rx_header(struct bench *b)
{
    rx_post(b, RXQ, 5);
    lint_only(b, LINT_NET_RX_HEADER);
}

/* ---- descriptors of old ---- */

static void old_header(struct bench *b)
{
    init_without(b, BIT64(27));
    tx_seed(b, 100, 1);
    lint_only(b, LINT_NET_OLD_HEADER);
}

/* A command whose parts have these sizes. */
static void old_parts(struct bench *b, unsigned command, unsigned ack, enum lint_id rule)
{
    struct chain c = {0};
    const uint64_t at = drv_alloc(&b->d, 16, 16);
    struct used u;

    init_without(b, BIT64(27));
    memcpy(drv_mem(&b->d, at, 3), "\0\0\1", 3); /* PROMISC */
    chain_out(&c, at, command);
    if (command < 3)
        chain_out(&c, at + command, 3 - command);
    chain_in(&c, at + 8, ack);
    dq_add_kick(&b->d.q[2], &c, NULL);
    assert_true(dq_wait(&b->d.q[2], &u, WAIT_MS));
    if (rule == LINT_RULES)
        lint_clean(b);
    else
        lint_only(b, rule);
}

static void well_behaved_old(struct bench *b)
{
    old_parts(b, 2, 1, LINT_RULES);
}

static void old_command(struct bench *b)
{
    old_parts(b, 3, 1, LINT_NET_OLD_COMMAND);
    lint_only(b, LINT_NET_OLD_COMMAND);
}

static void old_ack(struct bench *b)
{
    old_parts(b, 2, 2, LINT_NET_OLD_ACK);
    lint_only(b, LINT_NET_OLD_ACK);
}

static const struct bench_test tests[] = {
    {"well_behaved", well_behaved, BENCH_LINT, NULL},
    {"well_behaved_plain", well_behaved_plain, RAW, NULL},
    {"well_behaved_old", well_behaved_old, RAW | BENCH_LEGACY, NULL},
    {"5.1.4.2-t1", config_write, BENCH_LINT | BENCH_MODERN, NULL},
    {"5.1.4.2-t2", no_mac, RAW | BENCH_PACKED | BENCH_ADVICE, NULL},
    {"5.1.4.2-t7", no_mtu, RAW | BENCH_PACKED | BENCH_ADVICE, &small_mtu},
    {"5.1.4.2-t8", rx_mtu, RAW, &small_mtu},
    {"5.1.4.2-t9", tx_mtu, BENCH_LINT, &small_mtu},
    {"5.1.9.2.1-t1", tx_header, BENCH_LINT, NULL},
    {"5.1.9.2.1-t2", tx_buffers, BENCH_LINT, NULL},
    {"5.1.9.2.1-t3", tx_flags, RAW, NULL},
    {"5.1.9.2.1-t6", tx_tso4, RAW, NULL},
    {"5.1.9.2.1-t7", tx_tso6, RAW, NULL},
    {"5.1.9.2.1-t8", tx_ufo, RAW, NULL},
    {"5.1.9.2.1-t9", tx_uso, RAW, NULL},
    {"5.1.9.2.1-t10", tx_ecn, RAW, NULL},
    {"5.1.9.2.1-t12", tx_tunnel, BENCH_LINT, NULL},
    {"5.1.9.2.1-t15", tx_tunnel_csum, BENCH_LINT, NULL},
    {"5.1.9.2.1-t22", tx_csum, BENCH_LINT, NULL},
    {"5.1.9.2.1-t23", tx_gso, RAW, NULL},
    {"5.1.9.2.1-t24", tx_gso_csum, BENCH_LINT, NULL},
    {"5.1.9.2.1-t25", tx_gso_size, BENCH_LINT, NULL},
    {"5.1.9.2.1-t32", tx_rx_flags, BENCH_LINT, NULL},
    {"5.1.9.3.1-t1", rx_large, RAW, NULL},
    {"5.1.9.3.1-t2", rx_small, RAW, NULL},
    {"5.1.9.3.1-t3", rx_header, BENCH_LINT, NULL},
    {"5.1.9.5.6.1-t3", tx_early, BENCH_LINT, &four},
    {"5.1.9.5.6.1-t4", tx_off, BENCH_LINT, &four},
    {"5.1.9.8-l1", old_header, RAW | BENCH_LEGACY, NULL},
    {"5.1.9.8-l2", old_command, RAW | BENCH_LEGACY, NULL},
    {"5.1.9.8-l4", old_ack, RAW | BENCH_LEGACY, NULL},
};

int main(void)
{
    return bench_run("lint-net", &net_kind, tests, ARRAY_SIZE(tests));
}
