// SPDX-License-Identifier: MIT
/*
 * Owns the control queue (5.1.9.5): a table of commands, each with the feature that it needs and
 * the bytes that it has. A command either does all that it says, or nothing and is refused.
 */
#include <string.h>

#include "devices/net-internal.h"
#include "vmm/base/bits.h"

enum { ACK_OK = 0, ACK_ERR = 1, ACK_BYTES = 1, ANY_BYTES = -1 };

enum {
    CLASS_RX = 0,
    CLASS_MAC = 1,
    CLASS_VLAN = 2,
    CLASS_ANNOUNCE = 3,
    CLASS_MQ = 4,
    CLASS_OFFLOADS = 5,
    CLASS_COAL = 6,
};

enum { MAC_TABLE_SET = 0, MAC_ADDR_SET = 1, VLAN_ADD = 0, VLAN_DEL = 1, ANNOUNCE_ACK = 0 };
enum { MQ_PAIRS_SET = 0, MQ_RSS_CONFIG = 1, MQ_HASH_CONFIG = 2, OFFLOADS_SET = 0 };
enum { COAL_TX_SET = 0, COAL_RX_SET = 1, COAL_VQ_SET = 2, COAL_VQ_GET = 3 };

/* A command on its way: args is what the driver sent, result what it gets behind the answer. */
struct ctrl {
    struct net_dev *nd;
    uint8_t class, command;
    struct gcur args, result;
    uint32_t result_bytes;
};

struct ctrl_row {
    uint8_t class, command;
    uint8_t feature;
    int8_t bytes; /* of args, exactly */
    bool (*run)(struct ctrl *c);
};

/* ---- filters ---- */

static bool run_mode(struct ctrl *c)
{
    uint8_t on;

    if (!gcur_get(&c->args, &on, 1))
        return false;
    c->nd->filter.mode[c->command] = on;
    return true;
}

/* More than there is room for means all of the kind. */
static bool macs_get(struct gcur *args, struct net_macs *to)
{
    uint32_t n;

    memset(to, 0, sizeof(*to));
    if (!gcur_get32(args, &n) || (uint64_t)n * NET_MAC > gcur_left(args))
        return false;
    to->overflow = n > NET_FILTER_MACS;
    if (to->overflow)
        return gcur_skip(args, (uint64_t)n * NET_MAC);
    to->n = n;
    return gcur_get(args, to->mac, (size_t)n * NET_MAC);
}

static bool run_mac_table(struct ctrl *c)
{
    struct net_macs unicast, multicast;

    if (!macs_get(&c->args, &unicast) || !macs_get(&c->args, &multicast) || gcur_left(&c->args))
        return false;
    c->nd->filter.unicast = unicast;
    c->nd->filter.multicast = multicast;
    return true;
}

static bool run_mac(struct ctrl *c)
{
    return gcur_get(&c->args, c->nd->mac, NET_MAC);
}

static bool run_vlan(struct ctrl *c)
{
    uint32_t *word;
    uint16_t id;

    if (!gcur_get16(&c->args, &id) || id >= NET_VLANS) /* N17 */
        return false;
    word = &c->nd->filter.vlan[id / 32];
    *word = c->command == VLAN_ADD ? *word | BIT32(id % 32) : *word & ~BIT32(id % 32);
    return true;
}

/* ---- the rest ---- */

static bool run_announced(struct ctrl *c)
{
    c->nd->announce = false; /* 5.1.9.5.4.2-d1 */
    return true;
}

static bool run_pairs(struct ctrl *c)
{
    uint16_t n;

    if (!gcur_get16(&c->args, &n) || !net_pairs_set(c->nd, n))
        return false;
    c->nd->pairs_told = true;
    c->nd->rss.steers = false; /* 5.1.9.5.5-d1: the last command counts */
    return true;
}

static bool run_rss(struct ctrl *c)
{
    const struct net_rss old = c->nd->rss;
    const unsigned pairs = net_rss_configure(&c->nd->rss, &c->args, c->nd->pairs);

    if (pairs && net_pairs_set(c->nd, pairs))
        return true;
    c->nd->rss = old;
    return false;
}

static bool run_hash(struct ctrl *c)
{
    return net_hash_configure(&c->nd->rss, &c->args);
}

static bool run_offloads(struct ctrl *c)
{
    uint64_t bits;

    return gcur_get64(&c->args, &bits) && net_offloads_set(c->nd, bits);
}

static bool get_coal(struct gcur *args, struct net_coal_set *set)
{
    return gcur_get32(args, &set->packets) && gcur_get32(args, &set->usecs);
}

static bool run_coal_all(struct ctrl *c)
{
    const bool tx = c->command == COAL_TX_SET;
    struct net_coal_set set;
    struct net_coal *coal;

    if (!get_coal(&c->args, &set))
        return false;
    for (unsigned i = tx; i < 2 * c->nd->pairs; i += 2) {
        coal = net_coal_at(c->nd, i);
        if (coal && !net_coal_ready(coal))
            return false; /* 5.1.9.5.10.6-d2 */
    }
    for (unsigned i = tx; i < 2 * c->nd->pairs; i += 2) {
        coal = net_coal_at(c->nd, i);
        if (coal)
            net_coal_set(coal, &set);
    }
    *(tx ? &c->nd->tx_coal : &c->nd->rx_coal) = set;
    return true;
}

/* 5.1.9.5.10.6-d1, d4 */
static bool run_coal_queue(struct ctrl *c)
{
    uint16_t index, reserved;
    struct net_coal_set set;
    struct net_coal *coal;

    if (!gcur_get16(&c->args, &index) || !gcur_get16(&c->args, &reserved))
        return false;
    coal = net_coal_of(c->nd, index);
    if (!coal)
        return false;
    if (c->command == COAL_VQ_SET)
        return get_coal(&c->args, &set) && !gcur_left(&c->args) && net_coal_set(coal, &set);
    c->result_bytes = sizeof(set.packets) + sizeof(set.usecs);
    return gcur_put32(&c->result, coal->set.packets) && gcur_put32(&c->result, coal->set.usecs);
}

/* ---- dispatch ---- */

/* clang-format off */
static const struct ctrl_row ctrl_rows[] = {
    {CLASS_RX, NET_RX_PROMISC, NET_F_CTRL_RX, 1, run_mode},
    {CLASS_RX, NET_RX_ALLMULTI, NET_F_CTRL_RX, 1, run_mode},
    {CLASS_RX, NET_RX_ALLUNI, NET_F_CTRL_RX_EXTRA, 1, run_mode},
    {CLASS_RX, NET_RX_NOMULTI, NET_F_CTRL_RX_EXTRA, 1, run_mode},
    {CLASS_RX, NET_RX_NOUNI, NET_F_CTRL_RX_EXTRA, 1, run_mode},
    {CLASS_RX, NET_RX_NOBCAST, NET_F_CTRL_RX_EXTRA, 1, run_mode},
    {CLASS_MAC, MAC_TABLE_SET, NET_F_CTRL_RX, ANY_BYTES, run_mac_table},
    {CLASS_MAC, MAC_ADDR_SET, NET_F_CTRL_MAC_ADDR, NET_MAC, run_mac}, /* N16 */
    {CLASS_VLAN, VLAN_ADD, NET_F_CTRL_VLAN, 2, run_vlan},
    {CLASS_VLAN, VLAN_DEL, NET_F_CTRL_VLAN, 2, run_vlan},
    {CLASS_ANNOUNCE, ANNOUNCE_ACK, NET_F_GUEST_ANNOUNCE, 0, run_announced},
    {CLASS_MQ, MQ_PAIRS_SET, NET_F_MQ, 2, run_pairs},
    {CLASS_MQ, MQ_RSS_CONFIG, NET_F_RSS, ANY_BYTES, run_rss},
    {CLASS_MQ, MQ_HASH_CONFIG, NET_F_HASH_REPORT, ANY_BYTES, run_hash},
    {CLASS_OFFLOADS, OFFLOADS_SET, NET_F_CTRL_GUEST_OFFLOADS, 8, run_offloads},
    {CLASS_COAL, COAL_TX_SET, NET_F_NOTF_COAL, 8, run_coal_all},
    {CLASS_COAL, COAL_RX_SET, NET_F_NOTF_COAL, 8, run_coal_all},
    {CLASS_COAL, COAL_VQ_SET, NET_F_VQ_NOTF_COAL, 12, run_coal_queue},
    {CLASS_COAL, COAL_VQ_GET, NET_F_VQ_NOTF_COAL, ANY_BYTES, run_coal_queue},
};
/* clang-format on */

/* N13, N20: what is unknown, was not agreed on or has the wrong size is refused. */
static bool ctrl_run(struct ctrl *c)
{
    for (unsigned i = 0; i < ARRAY_SIZE(ctrl_rows); i++) {
        const struct ctrl_row *row = &ctrl_rows[i];

        if (row->class != c->class || row->command != c->command)
            continue;
        return vdev_has(c->nd->dev, row->feature) &&
               (row->bytes == ANY_BYTES || gcur_left(&c->args) == (uint64_t)row->bytes) &&
               row->run(c);
    }
    return false;
}

void net_ctrl_one(struct vdev *dev, struct vq_chain *chain)
{
    struct ctrl c = {.nd = net_of(dev), .args = chain->out, .result = chain->in};
    uint8_t ack;

    if (chain->fault || !gcur_get(&c.args, &c.class, 1) || !gcur_get(&c.args, &c.command, 1) ||
        !gcur_skip(&c.result, ACK_BYTES)) { /* N14 */
        vq_drop(chain);
        return;
    }
    if (dev->lint)
        net_lint_ctrl(c.nd, chain->vq, c.class, c.command, &c.args);
    ack = ctrl_run(&c) ? ACK_OK : ACK_ERR;
    gcur_put(&chain->in, &ack, ACK_BYTES);
    vq_push(chain, ACK_BYTES + (ack == ACK_OK ? c.result_bytes : 0));
}
