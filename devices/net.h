/* SPDX-License-Identifier: MIT */
/* The network device (5.1): pairs of queues in front of a network (devices/backend/net.h). */
#ifndef DEVICES_NET_H
#define DEVICES_NET_H

#include "devices/backend/net.h"
#include "devices/backend/vhost.h"
#include "virtio/vdev.h"

/* vdev_new()'s conf for net_type. */
struct net_conf {
    struct net *net; /* on the device's loop; the device's from vdev_new() on, even if that fails */
    uint8_t mac[NET_MAC];
    uint16_t mtu;   /* told to the driver; 0: what the network asks for, if anything */
    unsigned pairs; /* of queues, at most net->pairs; 0: all of those */
    const struct vhost_kind *vhost; /* accelerator for networks that lend; NULL: none */
};

extern const struct virtio_type net_type;

/* Ask the driver to tell the network where it is; locked. false: it is not one that would
 * (GUEST_ANNOUNCE, 5.1.9.5.4). */
bool net_announce(struct vdev *dev);

#endif
