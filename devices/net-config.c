// SPDX-License-Identifier: MIT
/*
 * Owns the features of the network device and its configuration space. Refuses to know frames.
 */
#include "devices/net-internal.h"
#include "vmm/base/bits.h"

/* 5.1.4 Device configuration layout */
enum {
    CONFIG_STATUS = 6,
    CONFIG_PAIRS = 8,
    CONFIG_MTU = 10,
    CONFIG_SPEED = 12,
    CONFIG_DUPLEX = 16,
    CONFIG_KEY_SIZE = 17,
    CONFIG_TABLE_LENGTH = 18,
    CONFIG_HASH_TYPES = 20,
    CONFIG_BYTES = 24,
};

enum { STATUS_LINK_UP = 1, STATUS_ANNOUNCE = 2, DUPLEX_FULL = 1, DUPLEX_UNKNOWN = 0xff };

/* ---- features ---- */

const struct vfeat_row net_features[] = {
    {NET_F_CSUM, "csum", "5.1.3-d1", -1},
    {NET_F_GUEST_CSUM, "guest_csum", "5.1.3-d1", -1},
    {NET_F_CTRL_GUEST_OFFLOADS, "ctrl_guest_offloads", "5.1.3.1-d3", NET_F_CTRL_VQ},
    {NET_F_MTU, "mtu", "5.1.3-d1", -1},
    {NET_F_MAC, "mac", "5.1.3-d1", -1},
    {NET_F_GUEST_TSO4, "guest_tso4", "5.1.3.1-d1", NET_F_GUEST_CSUM},
    {NET_F_GUEST_TSO6, "guest_tso6", "5.1.3.1-d1", NET_F_GUEST_CSUM},
    {NET_F_GUEST_ECN, "guest_ecn", "5.1.3.1-d1", NET_F_GUEST_CSUM},
    {NET_F_GUEST_UFO, "guest_ufo", "5.1.3.1-d1", NET_F_GUEST_CSUM},
    {NET_F_HOST_TSO4, "host_tso4", "5.1.3.1-d2", NET_F_CSUM},
    {NET_F_HOST_TSO6, "host_tso6", "5.1.3.1-d2", NET_F_CSUM},
    {NET_F_HOST_ECN, "host_ecn", "5.1.3.1-d2", NET_F_CSUM},
    {NET_F_HOST_UFO, "host_ufo", "5.1.3.1-d2", NET_F_CSUM},
    {NET_F_MRG_RXBUF, "mrg_rxbuf", "5.1.3-d1", -1},
    {NET_F_STATUS, "status", "5.1.3-d1", -1},
    {NET_F_CTRL_VQ, "ctrl_vq", "5.1.3-d1", -1},
    {NET_F_CTRL_RX, "ctrl_rx", "5.1.3.1-d3", NET_F_CTRL_VQ},
    {NET_F_CTRL_VLAN, "ctrl_vlan", "5.1.3.1-d3", NET_F_CTRL_VQ},
    {NET_F_CTRL_RX_EXTRA, "ctrl_rx_extra", "5.1.4.1-d14", NET_F_CTRL_VQ},
    {NET_F_GUEST_ANNOUNCE, "guest_announce", "5.1.3.1-d3", NET_F_CTRL_VQ},
    {NET_F_MQ, "mq", "5.1.3.1-d3", NET_F_CTRL_VQ},
    {NET_F_CTRL_MAC_ADDR, "ctrl_mac_addr", "5.1.3.1-d3", NET_F_CTRL_VQ},
    {NET_F_VQ_NOTF_COAL, "vq_notf_coal", "5.1.3.1-d3", NET_F_CTRL_VQ},
    {NET_F_NOTF_COAL, "notf_coal", "5.1.3.1-d3", NET_F_CTRL_VQ},
    {NET_F_GUEST_USO4, "guest_uso4", "5.1.3.1-d1", NET_F_GUEST_CSUM},
    {NET_F_GUEST_USO6, "guest_uso6", "5.1.3.1-d1", NET_F_GUEST_CSUM},
    {NET_F_HOST_USO, "host_uso", "5.1.3.1-d2", NET_F_CSUM},
    {NET_F_HASH_REPORT, "hash_report", "5.1.4.1-d13", NET_F_CTRL_VQ},
    {NET_F_RSS, "rss", "5.1.3.1-d3", NET_F_CTRL_VQ},
    {NET_F_SPEED_DUPLEX, "speed_duplex", "5.1.3-d2", -1},
    {0, NULL, NULL, -1},
};

const struct vfeat_tie net_ties[] = {
    {NET_F_GUEST_ECN, {NET_F_GUEST_TSO4, NET_F_GUEST_TSO6}, "5.1.3.1-d1"},
    {NET_F_HOST_ECN, {NET_F_HOST_TSO4, NET_F_HOST_TSO6}, "5.1.3.1-d2"},
    {0, {0, 0}, NULL},
};

/* What features mean as offloads: those all of whose bits were accepted count. */
static const struct offload_row {
    uint32_t offload;
    uint8_t host[2], guest[2]; /* the same twice where there is one */
} offload_rows[] = {
    {NET_CSUM, {NET_F_CSUM, NET_F_CSUM}, {NET_F_GUEST_CSUM, NET_F_GUEST_CSUM}},
    {NET_TSO4, {NET_F_HOST_TSO4, NET_F_HOST_TSO4}, {NET_F_GUEST_TSO4, NET_F_GUEST_TSO4}},
    {NET_TSO6, {NET_F_HOST_TSO6, NET_F_HOST_TSO6}, {NET_F_GUEST_TSO6, NET_F_GUEST_TSO6}},
    {NET_ECN, {NET_F_HOST_ECN, NET_F_HOST_ECN}, {NET_F_GUEST_ECN, NET_F_GUEST_ECN}},
    {NET_UFO, {NET_F_HOST_UFO, NET_F_HOST_UFO}, {NET_F_GUEST_UFO, NET_F_GUEST_UFO}},
    {NET_USO, {NET_F_HOST_USO, NET_F_HOST_USO}, {NET_F_GUEST_USO4, NET_F_GUEST_USO6}},
};

void net_offer(struct vdev *dev, struct vfeat *f)
{
    static const uint8_t always[] = {
        NET_F_MAC,         NET_F_MRG_RXBUF,    NET_F_STATUS,        NET_F_SPEED_DUPLEX,
        NET_F_CTRL_VQ,     NET_F_CTRL_RX,      NET_F_CTRL_VLAN,     NET_F_CTRL_RX_EXTRA,
        NET_F_NOTF_COAL,   NET_F_VQ_NOTF_COAL, NET_F_CTRL_MAC_ADDR, NET_F_GUEST_ANNOUNCE,
        NET_F_HASH_REPORT,
    };
    const struct net_dev *nd = net_of(dev);
    const uint32_t can_send = net_can_send(nd->net), can_leave = net_can_leave(nd->net);

    for (unsigned i = 0; i < ARRAY_SIZE(always); i++)
        vfeat_add(f, always[i]);
    if (nd->mtu)
        vfeat_add(f, NET_F_MTU);
    if (nd->pairs > 1) {
        vfeat_add(f, NET_F_MQ);
        vfeat_add(f, NET_F_RSS);
    }
    if (can_leave & NET_CSUM)
        vfeat_add(f, NET_F_CTRL_GUEST_OFFLOADS);
    for (unsigned i = 0; i < 2 * ARRAY_SIZE(offload_rows); i++) {
        const struct offload_row *row = &offload_rows[i / 2];

        if (can_send & row->offload)
            vfeat_add(f, row->host[i % 2]);
        if (can_leave & row->offload)
            vfeat_add(f, row->guest[i % 2]);
    }
    if (nd->pair[0].vhost)
        net_vhost_offer(&nd->pair[0], f);
}

/* Marks are nothing without segments to bear them (5.1.3.1-d1, d2; F05). */
static uint32_t with_sense(uint32_t offloads)
{
    return offloads & (NET_TSO4 | NET_TSO6) ? offloads : offloads & ~(uint32_t)NET_ECN;
}

uint32_t net_asks(const struct vdev *dev)
{
    uint32_t asks = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(offload_rows); i++)
        if (vdev_has(dev, offload_rows[i].host[0]) && vdev_has(dev, offload_rows[i].host[1]))
            asks |= offload_rows[i].offload;
    return with_sense(asks);
}

uint32_t net_takes(const struct vdev *dev)
{
    uint32_t takes = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(offload_rows); i++)
        if (vdev_has(dev, offload_rows[i].guest[0]) && vdev_has(dev, offload_rows[i].guest[1]))
            takes |= offload_rows[i].offload;
    return with_sense(takes);
}

/* The guest's bits, as they stand in features and in the command that sets them anew. */
static bool takes_all(const struct offload_row *row, uint64_t bits)
{
    return (bits >> row->guest[0] & 1) && (bits >> row->guest[1] & 1);
}

bool net_offloads_set(struct net_dev *nd, uint64_t bits)
{
    const struct vfeat *f = &nd->dev->accepted;
    uint32_t takes = 0;
    uint64_t may = 0;

    for (unsigned i = 0; i < 2 * ARRAY_SIZE(offload_rows); i++)
        if (vfeat_has(f, offload_rows[i / 2].guest[i % 2]))
            may |= BIT64(offload_rows[i / 2].guest[i % 2]);
    if (bits & ~may) /* 5.1.9.5.9.2-t1 */
        return false;
    for (unsigned i = 0; i < ARRAY_SIZE(offload_rows); i++)
        if (takes_all(&offload_rows[i], bits))
            takes |= offload_rows[i].offload;
    takes = takes & NET_CSUM ? with_sense(takes) : 0;
    if (net_take(nd->net, takes) < 0)
        return false;
    nd->takes = takes;
    return true;
}

/* ---- configuration space ---- */

static struct net_dev *ctx_net(void *ctx)
{
    return net_of((const struct vdev *)ctx);
}

static uint64_t mac_read(void *ctx, const struct reg *reg)
{
    return ctx_net(ctx)->mac[reg->off];
}

static void mac_write(void *ctx, const struct reg *reg, uint64_t v)
{
    ctx_net(ctx)->mac[reg->off] = (uint8_t)v;
}

static uint64_t status_read(void *ctx, const struct reg *reg)
{
    const struct net_dev *nd = ctx_net(ctx);

    (void)reg;
    return (nd->net->up ? STATUS_LINK_UP : 0U) | (nd->announce ? STATUS_ANNOUNCE : 0U);
}

static uint64_t pairs_read(void *ctx, const struct reg *reg)
{
    (void)reg;
    return ctx_net(ctx)->pairs;
}

static uint64_t mtu_read(void *ctx, const struct reg *reg)
{
    (void)reg;
    return ctx_net(ctx)->mtu;
}

static uint64_t speed_read(void *ctx, const struct reg *reg)
{
    const uint32_t speed = ctx_net(ctx)->net->speed;

    (void)reg;
    return speed && speed <= INT32_MAX ? speed : UINT32_MAX; /* 5.1.4.1-d10 */
}

static uint64_t duplex_read(void *ctx, const struct reg *reg)
{
    return speed_read(ctx, reg) == UINT32_MAX ? DUPLEX_UNKNOWN : DUPLEX_FULL;
}

static uint64_t key_size_read(void *ctx, const struct reg *reg)
{
    (void)ctx;
    (void)reg;
    return NET_RSS_KEY; /* 5.1.4.1-d7 */
}

static uint64_t table_length_read(void *ctx, const struct reg *reg)
{
    (void)ctx;
    (void)reg;
    return NET_RSS_TABLE; /* 5.1.4.1-d8 */
}

static uint64_t hash_types_read(void *ctx, const struct reg *reg)
{
    (void)ctx;
    (void)reg;
    return NET_HASH_TYPES;
}

/* Rows but those of mac name their feature; some come with either of two. */
static bool config_present(void *ctx, const struct reg *reg)
{
    const struct vdev *dev = (const struct vdev *)ctx;
    const bool either = reg->off == CONFIG_PAIRS || reg->arg == NET_F_HASH_REPORT;

    return vdev_offers(dev, reg->off < NET_MAC ? NET_F_MAC : reg->arg) ||
           (either && vdev_offers(dev, NET_F_RSS));
}

/* clang-format off */
static const struct reg config_rows[] = {
    {0, 1, 0, "mac", "5.1.4-d1", mac_read, NULL}, /* 5.1.4-d3 */
    {1, 1, 0, "mac", "5.1.4-d1", mac_read, NULL},
    {2, 1, 0, "mac", "5.1.4-d1", mac_read, NULL},
    {3, 1, 0, "mac", "5.1.4-d1", mac_read, NULL},
    {4, 1, 0, "mac", "5.1.4-d1", mac_read, NULL},
    {5, 1, 0, "mac", "5.1.4-d1", mac_read, NULL},
    {CONFIG_STATUS, 2, NET_F_STATUS, "status", "5.1.4-d1", status_read, NULL},
    {CONFIG_PAIRS, 2, NET_F_MQ, "max_virtqueue_pairs", "5.1.4-d1", pairs_read, NULL},
    {CONFIG_MTU, 2, NET_F_MTU, "mtu", "5.1.4-d1", mtu_read, NULL},
    {CONFIG_SPEED, 4, NET_F_SPEED_DUPLEX, "speed", "5.1.4-d1", speed_read, NULL},
    {CONFIG_DUPLEX, 1, NET_F_SPEED_DUPLEX, "duplex", "5.1.4-d1", duplex_read, NULL},
    {CONFIG_KEY_SIZE, 1, NET_F_HASH_REPORT, "rss_max_key_size", "5.1.4-d1", key_size_read, NULL},
    {CONFIG_TABLE_LENGTH, 2, NET_F_RSS, "rss_max_indirection_table_length", "5.1.4-d1",
     table_length_read, NULL},
    {CONFIG_HASH_TYPES, 4, NET_F_HASH_REPORT, "supported_hash_types", "5.1.4-d1",
     hash_types_read, NULL},
};

static const struct reg config_old_rows[] = {
    {0, 1, 0, "mac", "5.1.4.3-l2", NULL, mac_write},
    {1, 1, 0, "mac", "5.1.4.3-l2", NULL, mac_write},
    {2, 1, 0, "mac", "5.1.4.3-l2", NULL, mac_write},
    {3, 1, 0, "mac", "5.1.4.3-l2", NULL, mac_write},
    {4, 1, 0, "mac", "5.1.4.3-l2", NULL, mac_write},
    {5, 1, 0, "mac", "5.1.4.3-l2", NULL, mac_write},
};
/* clang-format on */

const struct regs net_config = {.name = "virtio_net_config",
                                .row = config_rows,
                                .n = ARRAY_SIZE(config_rows),
                                .size = CONFIG_BYTES,
                                .present = config_present};

const struct regs net_config_old = {.name = "virtio_net_config",
                                    .row = config_old_rows,
                                    .n = ARRAY_SIZE(config_old_rows),
                                    .size = CONFIG_BYTES};
