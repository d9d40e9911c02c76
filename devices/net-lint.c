// SPDX-License-Identifier: MIT
/*
 * Owns what lint knows of frames (5.1.9.2, 5.1.9.3) and commands (5.1.9.5) of a network card.
 * Refuses to pass or refuse any.
 */
#include <string.h>

#include "devices/net-internal.h"
#include "virtio/lint.h"
#include "vmm/base/bits.h"

/* Of the header: what is not offered, and so not known elsewhere. */
enum { HDR_TUNNEL_CSUM = 8, GSO_TUNNEL = 0x60 };

/* Least buffers for frames, with header (5.1.9.3.1). */
enum { RX_LARGE = 65601, RX_SMALL = 1526 };

#define GUEST_SEGMENTS                                                            \
    (BIT64(NET_F_GUEST_TSO4) | BIT64(NET_F_GUEST_TSO6) | BIT64(NET_F_GUEST_UFO) | \
     BIT64(NET_F_GUEST_USO4) | BIT64(NET_F_GUEST_USO6))

static uint64_t accepted(const struct net_dev *nd)
{
    return (uint64_t)nd->dev->accepted.word[1] << 32 | nd->dev->accepted.word[0];
}

/* ---- frames to send ---- */

static const struct gso_rule {
    uint8_t gso;
    uint32_t needs;
    enum lint_id rule;
} gso_rules[] = {
    {NET_GSO_TCPV4, NET_TSO4, LINT_NET_TX_TSO4},
    {NET_GSO_TCPV6, NET_TSO6, LINT_NET_TX_TSO6},
    {NET_GSO_UDP, NET_UFO, LINT_NET_TX_UFO},
    {NET_GSO_UDP_L4, NET_USO, LINT_NET_TX_USO},
};

static void gso_type(const struct net_dev *nd, const struct vq *vq, uint8_t gso)
{
    const uint8_t kind = gso & (uint8_t) ~(NET_GSO_ECN | GSO_TUNNEL);

    if (gso & GSO_TUNNEL) {
        lint_see_queue(vq, LINT_NET_TX_TUNNEL, gso);
        return;
    }
    if (!(nd->asks & (NET_TSO4 | NET_TSO6 | NET_UFO | NET_USO))) {
        lint_see_queue(vq, LINT_NET_TX_GSO, gso);
        return;
    }
    if ((gso & NET_GSO_ECN) && !(nd->asks & NET_ECN))
        lint_see_queue(vq, LINT_NET_TX_ECN, gso);
    for (unsigned i = 0; i < ARRAY_SIZE(gso_rules); i++)
        if (gso_rules[i].gso == kind && !(nd->asks & gso_rules[i].needs))
            lint_see_queue(vq, gso_rules[i].rule, gso);
}

static void header_flags(const struct net_dev *nd, const struct vq *vq, const struct net_hdr *hdr,
                         uint64_t len)
{
    if (hdr->flags & HDR_TUNNEL_CSUM)
        lint_see_queue(vq, LINT_NET_TX_TUNNEL_CSUM, hdr->flags);
    else if (hdr->flags & ~NET_HDR_NEEDS_CSUM)
        lint_see_queue(vq, LINT_NET_TX_RX_FLAGS, hdr->flags);
    else if (hdr->flags && !(nd->asks & NET_CSUM))
        lint_see_queue(vq, LINT_NET_TX_FLAGS, hdr->flags);
    else if (hdr->flags && (uint64_t)hdr->csum_start + hdr->csum_offset + 2 > len)
        lint_see_queue(vq, LINT_NET_TX_CSUM, (uint64_t)hdr->csum_start + hdr->csum_offset);
}

void net_lint_tx(const struct net_dev *nd, const struct vq *vq, const struct net_hdr *hdr,
                 uint64_t len)
{
    const uint64_t most = (uint64_t)nd->mtu + NET_ETHERNET + NET_VLAN_TAG;

    header_flags(nd, vq, hdr, len);
    if (hdr->buffers)
        lint_see_queue(vq, LINT_NET_TX_BUFFERS, hdr->buffers);
    if (!hdr->gso) {
        if (vdev_has(nd->dev, NET_F_MTU) && len > most)
            lint_see_queue(vq, LINT_NET_TX_MTU, len);
        return;
    }
    gso_type(nd, vq, hdr->gso);
    if (!(hdr->flags & NET_HDR_NEEDS_CSUM))
        lint_see_queue(vq, LINT_NET_TX_GSO_CSUM, hdr->gso);
    if (!hdr->gso_size || hdr->gso_size > len)
        lint_see_queue(vq, LINT_NET_TX_GSO_SIZE, hdr->gso_size);
}

/* 5.1.9.5.6.1-t3, -t4 */
void net_lint_tx_kick(const struct net_dev *nd, struct vq *vq)
{
    struct vq_indices at;

    if (!nd->vhost_on && vq_live(vq) && vq_indices(vq, &at) && at.more)
        lint_see_queue(vq, nd->pairs_told ? LINT_NET_TX_OFF : LINT_NET_TX_EARLY, vq->index);
}

/* ---- buffers to receive in ---- */

void net_lint_rx(const struct net_dev *nd, const struct vq_chain *chain)
{
    const uint64_t len = gcur_left(&chain->in), header = NET_HEADER + nd->extra;
    const bool large = accepted(nd) & GUEST_SEGMENTS;

    if (vdev_has(nd->dev, NET_F_MRG_RXBUF)) {
        if (len < header)
            lint_see_queue(chain->vq, LINT_NET_RX_HEADER, len);
        return;
    }
    if (vdev_has(nd->dev, NET_F_MTU) && len < header + nd->mtu + NET_ETHERNET)
        lint_see_queue(chain->vq, LINT_NET_RX_MTU, len);
    else if (large && len < RX_LARGE + nd->extra)
        lint_see_queue(chain->vq, LINT_NET_RX_LARGE, len);
    else if (!large && len < RX_SMALL + nd->extra)
        lint_see_queue(chain->vq, LINT_NET_RX_SMALL, len);
}

/* ---- commands ---- */

enum { RX = 0, MAC = 1, MQ = 4, OFFLOADS = 5, COAL = 6, HASH_TUNNEL = 7, RSS_CONTEXT = 9 };
enum { ANY = -1, NEVER = -1, MAC_TABLE_SET = 0, PAIRS_SET = 0, RSS_CONFIG = 1, HASH_CONFIG = 2 };
enum { COAL_VQ_SET = 2 };

/* Commands [from, to] of a class, and the feature without which they are not to be sent. */
static const struct command_rule {
    uint8_t class, from, to;
    int8_t needs;
    enum lint_id rule;
} command_rules[] = {
    {RX, NET_RX_PROMISC, NET_RX_ALLMULTI, NET_F_CTRL_RX, LINT_NET_CTRL_RX},
    {RX, NET_RX_ALLUNI, NET_RX_NOBCAST, NET_F_CTRL_RX_EXTRA, LINT_NET_CTRL_RX_EXTRA},
    {MAC, 0, UINT8_MAX, NET_F_CTRL_RX, LINT_NET_CTRL_MAC},
    {MQ, RSS_CONFIG, RSS_CONFIG, NET_F_RSS, LINT_NET_RSS},
    {COAL, 0, COAL_VQ_SET - 1, NET_F_NOTF_COAL, LINT_NET_COAL},
    {COAL, COAL_VQ_SET, COAL_VQ_SET + 1, NET_F_VQ_NOTF_COAL, LINT_NET_COAL_VQ},
    {HASH_TUNNEL, 0, UINT8_MAX, NEVER, LINT_NET_HASH_TUNNEL},
    {RSS_CONTEXT, 0, UINT8_MAX, NEVER, LINT_NET_RSS_CONTEXT},
};

/* Two tables, each a number and as many addresses, and nothing behind them. */
static void mac_table(struct vq *vq, struct gcur args)
{
    const uint64_t bytes = gcur_left(&args);

    for (unsigned i = 0; i < 2; i++) {
        uint32_t n;

        if (gcur_get32(&args, &n) && gcur_skip(&args, (uint64_t)n * NET_MAC))
            continue;
        lint_see_queue(vq, LINT_NET_MAC_TABLE, bytes);
        return;
    }
    if (gcur_left(&args))
        lint_see_queue(vq, LINT_NET_MAC_TABLE, bytes);
}

static void pairs(const struct net_dev *nd, struct vq *vq, struct gcur args)
{
    uint16_t n;

    if (!gcur_get16(&args, &n))
        return;
    if (n < 1 || n > nd->pairs) {
        lint_see_queue(vq, LINT_NET_PAIRS, n);
        return;
    }
    for (unsigned i = 0; i < 2U * n; i++)
        if (!vq_live(&nd->dev->vq[i])) {
            lint_see_queue(vq, LINT_NET_PAIRS_OFF, n);
            return;
        }
}

static void rss_table(const struct net_dev *nd, struct vq *vq, struct gcur *args, unsigned n)
{
    for (unsigned i = 0; i <= n; i++) { /* the first one is for frames without a hash */
        uint16_t entry;

        if (!gcur_get16(args, &entry))
            return;
        if (entry < nd->pairs && vq_live(&nd->dev->vq[2U * entry]))
            continue;
        lint_see_queue(vq, LINT_NET_RSS_TABLE, entry);
        return;
    }
}

static void rss(const struct net_dev *nd, struct vq *vq, struct gcur args)
{
    uint32_t types;
    uint16_t mask;

    if (!gcur_get32(&args, &types) || !gcur_get16(&args, &mask))
        return;
    if (types & ~(uint32_t)NET_HASH_TYPES)
        lint_see_queue(vq, LINT_NET_RSS_TYPES, types);
    if (!is_pow2(mask + 1U))
        lint_see_queue(vq, LINT_NET_RSS_POWER, mask);
    else if (mask >= NET_RSS_TABLE)
        lint_see_queue(vq, LINT_NET_RSS_LONG, mask);
    else
        rss_table(nd, vq, &args, mask + 1U);
}

static void hash(struct vq *vq, struct gcur args)
{
    uint64_t reserved;

    if (gcur_skip(&args, 4) && gcur_get64(&args, &reserved) && reserved)
        lint_see_queue(vq, LINT_NET_HASH_RESERVED, reserved);
}

static void offloads(const struct net_dev *nd, struct vq *vq, struct gcur args)
{
    uint64_t bits;

    if (gcur_get64(&args, &bits) && (bits & ~accepted(nd)))
        lint_see_queue(vq, LINT_NET_OFFLOADS, bits & ~accepted(nd));
}

static void coal_queue(struct net_dev *nd, struct vq *vq, struct gcur args)
{
    uint16_t index;

    if (gcur_get16(&args, &index) && !net_coal_of(nd, index))
        lint_see_queue(vq, LINT_NET_COAL_QUEUE, index);
}

/* What a command that may be sent says. */
static void command_args(struct net_dev *nd, struct vq *vq, unsigned command, struct gcur args)
{
    switch (command) {
    case MAC << 8 | MAC_TABLE_SET:
        mac_table(vq, args);
        break;
    case MQ << 8 | PAIRS_SET:
        pairs(nd, vq, args);
        break;
    case MQ << 8 | RSS_CONFIG:
        rss(nd, vq, args);
        break;
    case MQ << 8 | HASH_CONFIG:
        hash(vq, args);
        break;
    case OFFLOADS << 8:
        offloads(nd, vq, args);
        break;
    case COAL << 8 | COAL_VQ_SET:
    case COAL << 8 | (COAL_VQ_SET + 1):
        coal_queue(nd, vq, args);
        break;
    default:
        break;
    }
}

void net_lint_ctrl(struct net_dev *nd, struct vq *vq, uint8_t class, uint8_t command,
                   const struct gcur *args)
{
    const unsigned both = (unsigned)class << 8 | command;

    for (unsigned i = 0; i < ARRAY_SIZE(command_rules); i++) {
        const struct command_rule *r = &command_rules[i];

        if (r->class != class || command < r->from || command > r->to ||
            (r->needs != NEVER && vdev_has(nd->dev, (unsigned)r->needs)))
            continue;
        lint_see_queue(vq, r->rule, both);
        return;
    }
    command_args(nd, vq, both, *args);
}
