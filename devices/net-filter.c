// SPDX-License-Identifier: MIT
/*
 * Owns which frames a driver wants: modes, a table of addresses, a set of VLANs (5.1.9.5.1 to .3).
 * Refuses to know how the driver says so.
 */
#include <string.h>

#include "devices/net-internal.h"
#include "vmm/base/bits.h"

enum { ETHERTYPE_AT = 12, TAG_AT = 14, ETHERTYPE_VLAN = 0x8100, VLAN_MASK = 0xfff };

static const uint8_t broadcast[NET_MAC] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

/* A driver that cannot say what it wants gets everything. */
void net_filter_reset(struct net_dev *nd)
{
    const bool rx = vdev_has(nd->dev, NET_F_CTRL_RX);

    memset(&nd->filter, 0, sizeof(nd->filter));
    nd->filter.mode[NET_RX_ALLUNI] = nd->filter.mode[NET_RX_ALLMULTI] = !rx;
}

static bool table_has(const struct net_macs *table, const uint8_t *mac)
{
    for (unsigned i = 0; i < table->n; i++)
        if (memcmp(table->mac[i], mac, NET_MAC) == 0)
            return true;
    return table->overflow;
}

static bool vlan_passes(const struct net_dev *nd, const uint8_t *frame, uint64_t len)
{
    unsigned id;

    if (!vdev_has(nd->dev, NET_F_CTRL_VLAN) || len < TAG_AT + 2 ||
        order_load(ORDER_BIG, frame + ETHERTYPE_AT, 2) != ETHERTYPE_VLAN)
        return true;
    id = order_load(ORDER_BIG, frame + TAG_AT, 2) & VLAN_MASK;
    return nd->filter.vlan[id / 32] & BIT32(id % 32);
}

static bool unicast_passes(const struct net_dev *nd, const uint8_t *mac)
{
    const bool *mode = nd->filter.mode;

    if (mode[NET_RX_NOUNI])
        return false;
    return mode[NET_RX_ALLUNI] || memcmp(mac, nd->mac, NET_MAC) == 0 ||
           table_has(&nd->filter.unicast, mac);
}

static bool multicast_passes(const struct net_dev *nd, const uint8_t *mac)
{
    const bool *mode = nd->filter.mode;

    if (mode[NET_RX_NOMULTI])
        return false;
    return mode[NET_RX_ALLMULTI] || table_has(&nd->filter.multicast, mac);
}

bool net_filter_passes(const struct net_dev *nd, const uint8_t *frame, uint64_t len)
{
    const bool *mode = nd->filter.mode;

    if (mode[NET_RX_PROMISC]) /* 5.1.9.5.1.1-d2, d3 */
        return true;
    if (!vlan_passes(nd, frame, len))
        return false;
    if (memcmp(frame, broadcast, NET_MAC) == 0)
        return !mode[NET_RX_NOBCAST];
    return frame[0] & 1 ? multicast_passes(nd, frame) : unicast_passes(nd, frame);
}
