// SPDX-License-Identifier: MIT
/*
 * Owns the header before every frame (5.1.9): what may stand in it on the way out and on the way
 * in. Refuses to know buffers and queues.
 */
#include "devices/net-internal.h"
#include "vmm/base/bits.h"

enum { ETHERTYPE_AT = 12, ETHERTYPE_VLAN = 0x8100, CSUM_BYTES = 2 };

/* Kinds of segmentation, and what must have been agreed on for each. */
static const struct gso_kind {
    uint8_t gso;
    uint32_t needs;
} gso_kinds[] = {
    {NET_GSO_TCPV4, NET_TSO4},
    {NET_GSO_TCPV6, NET_TSO6},
    {NET_GSO_UDP, NET_UFO},
    {NET_GSO_UDP_L4, NET_USO},
};

struct net_hdr net_hdr_load(enum byte_order order, const uint8_t *b)
{
    return (struct net_hdr){
        .flags = b[0],
        .gso = b[1],
        .hdr_len = (uint16_t)order_load(order, b + 2, 2),
        .gso_size = (uint16_t)order_load(order, b + 4, 2),
        .csum_start = (uint16_t)order_load(order, b + 6, 2),
        .csum_offset = (uint16_t)order_load(order, b + 8, 2),
        .buffers = (uint16_t)order_load(order, b + 10, 2),
    };
}

void net_hdr_store(enum byte_order order, const struct net_hdr *hdr, uint8_t *b)
{
    b[0] = hdr->flags;
    b[1] = hdr->gso;
    order_store(order, b + 2, 2, hdr->hdr_len);
    order_store(order, b + 4, 2, hdr->gso_size);
    order_store(order, b + 6, 2, hdr->csum_start);
    order_store(order, b + 8, 2, hdr->csum_offset);
    order_store(order, b + 10, 2, hdr->buffers);
}

/* Was this kind agreed on, with its marks? */
static bool gso_agreed(uint8_t gso, uint32_t agreed)
{
    const uint8_t kind = gso & ~NET_GSO_ECN;
    const bool tcp = kind == NET_GSO_TCPV4 || kind == NET_GSO_TCPV6;

    if ((gso & NET_GSO_ECN) && (!tcp || !(agreed & NET_ECN)))
        return false;
    for (unsigned i = 0; i < ARRAY_SIZE(gso_kinds); i++)
        if (gso_kinds[i].gso == kind)
            return agreed & gso_kinds[i].needs;
    return false;
}

static bool is_segmented(const struct net_hdr *hdr)
{
    return (hdr->gso & ~NET_GSO_ECN) != NET_GSO_NONE;
}

bool net_hdr_sendable(const struct net_dev *nd, struct net_hdr *hdr, uint64_t len)
{
    hdr->flags &= nd->asks & NET_CSUM ? NET_HDR_NEEDS_CSUM : 0; /* 5.1.9.2.2-d1 (N07) */
    hdr->buffers = 0;
    if (!hdr->flags)
        hdr->csum_start = hdr->csum_offset = 0; /* 5.1.9.2.2-d2 */
    else if ((uint64_t)hdr->csum_start + hdr->csum_offset + CSUM_BYTES > len)
        return false;
    if (!is_segmented(hdr)) {
        hdr->gso = NET_GSO_NONE;
        hdr->hdr_len = hdr->gso_size = 0; /* 5.1.9.2.2-d5 */
        return true;
    }
    return hdr->flags && hdr->gso_size && hdr->hdr_len <= len && gso_agreed(hdr->gso, nd->asks);
}

/* 5.1.4.1-d5 */
static bool fits_mtu(const struct net_dev *nd, const uint8_t *frame, uint64_t len)
{
    uint64_t max = (uint64_t)nd->mtu + NET_ETHERNET;

    if (!vdev_has(nd->dev, NET_F_MTU))
        return true;
    if (len > NET_ETHERNET && order_load(ORDER_BIG, frame + ETHERTYPE_AT, 2) == ETHERTYPE_VLAN)
        max += NET_VLAN_TAG;
    return len <= max;
}

bool net_hdr_receivable(const struct net_dev *nd, struct net_hdr *hdr, const uint8_t *frame,
                        uint64_t len)
{
    const bool segmented = is_segmented(hdr);

    if (!(nd->takes & NET_CSUM)) { /* 5.1.9.4.1-d5, d6 */
        if (segmented || (hdr->flags & NET_HDR_NEEDS_CSUM))
            return false;
        hdr->flags = 0;
    }
    hdr->flags &= NET_HDR_NEEDS_CSUM | NET_HDR_DATA_VALID;
    if (segmented) /* 5.1.9.4.1-d7..d10, d25, d26 */
        return (hdr->flags & NET_HDR_NEEDS_CSUM) && gso_agreed(hdr->gso, nd->takes);
    hdr->gso = NET_GSO_NONE;
    return fits_mtu(nd, frame, len);
}
