// SPDX-License-Identifier: MIT
/*
 * Owns the network device: its queues and which of them is what, its life, its link. Frames pass
 * in net-rx.c and net-tx.c. Refuses to know what network it is plugged into.
 */
#include "devices/net.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/net-internal.h"
#include "vmm/base/bits.h"

enum { MTU_MIN = 68 };

/* ---- the network ---- */

static struct net_pair *pair_of(void *arg, unsigned index)
{
    struct net_dev *nd = (struct net_dev *)arg;

    return index < nd->pairs ? &nd->pair[index] : NULL;
}

static void front_arrived(void *arg, unsigned index)
{
    struct net_pair *p = pair_of(arg, index);

    if (p)
        net_rx_turn(p);
}

static void front_sendable(void *arg, unsigned index)
{
    struct net_pair *p = pair_of(arg, index);

    if (p)
        net_tx_turn(p);
}

static void front_link(void *arg, bool up)
{
    struct net_dev *nd = (struct net_dev *)arg;

    (void)up; /* the configuration tells */
    if (vdev_has(nd->dev, NET_F_STATUS))
        vdev_config_changed(nd->dev);
}

static const struct net_front net_front = {
    .arrived = front_arrived, .sendable = front_sendable, .link = front_link};

void net_announce(struct vdev *dev)
{
    (void)dev;
}

/* ---- making and freeing ---- */

static int pair_make(struct net_dev *nd, unsigned index)
{
    struct net_pair *p = &nd->pair[index];

    p->nd = nd;
    p->index = index;
    net_rx_stop(p); /* as after one */
    p->bounce = (uint8_t *)malloc(NET_FRAME_MAX);
    p->patience = loop_timer_new(nd->dev->loop, net_rx_impatient, p);
    if (!p->bounce || !p->patience || vdev_queue_add(nd->dev, NET_RX_QUEUE, 0) < 0 ||
        vdev_queue_add(nd->dev, NET_TX_QUEUE, 0) < 0)
        return -ENOMEM;
    return 0;
}

static void net_close_dev(struct vdev *dev)
{
    struct net_dev *nd = net_of(dev);

    for (unsigned i = 0; nd->pair && i < nd->pairs; i++) {
        free(nd->pair[i].bounce);
        if (nd->pair[i].patience)
            loop_timer_del(nd->pair[i].patience);
    }
    free(nd->pair);
    free(nd->bounce);
    net_set_front(nd->net, NULL, NULL);
    net_close(nd->net);
}

static int net_check(const struct vdev *dev, const struct net_conf *c, struct err *err)
{
    const uint16_t mtu = c->mtu ? c->mtu : c->net->mtu;

    if (mtu && mtu < MTU_MIN)
        return err_set(err, EINVAL, "%s: an MTU of %u is too small; it must be %d at least",
                       dev->name, mtu, MTU_MIN);
    if (c->pairs > c->net->pairs)
        return err_set(err, EINVAL, "%s: %s has %u queues, not %u; give fewer", dev->name,
                       c->net->name, c->net->pairs, c->pairs);
    return 0;
}

static int net_fill(struct vdev *dev, const struct net_conf *c, struct err *err)
{
    struct net_dev *nd = net_of(dev);
    int ret = net_check(dev, c, err);

    if (ret < 0)
        return ret;
    nd->pairs = c->pairs ? c->pairs : c->net->pairs;
    nd->active = 1;
    nd->mtu = c->mtu ? c->mtu : c->net->mtu;
    memcpy(nd->mac, c->mac, NET_MAC);
    memcpy(nd->mac_first, c->mac, NET_MAC);
    nd->bounce = (uint8_t *)malloc(NET_FRAME_MAX);
    nd->pair = (struct net_pair *)calloc(nd->pairs, sizeof(*nd->pair));
    ret = nd->bounce && nd->pair ? 0 : -ENOMEM;
    for (unsigned i = 0; ret == 0 && i < nd->pairs; i++)
        ret = pair_make(nd, i);
    return ret < 0 ? err_errno(err, -ret, "cannot make the queues of %s", dev->name) : 0;
}

static int net_open(struct vdev *dev, const void *conf, struct err *err)
{
    const struct net_conf *c = (const struct net_conf *)conf;
    struct net_dev *nd = net_of(dev);
    int ret;

    nd->dev = dev;
    nd->net = c->net;
    ret = net_fill(dev, c, err);
    if (ret < 0)
        net_close_dev(dev);
    else
        net_set_front(nd->net, &net_front, nd);
    return ret;
}

/* ---- life ---- */

static int net_start(struct vdev *dev)
{
    struct net_dev *nd = net_of(dev);
    int ret;

    nd->asks = net_asks(dev);
    nd->takes = net_takes(dev); /* F08 */
    nd->active = 1;             /* 5.1.9.5.6.2-d1 */
    ret = net_take(nd->net, nd->takes);
    return ret < 0 ? ret : net_use_pairs(nd->net, nd->active);
}

static void net_kick(struct vdev *dev, struct vq *vq)
{
    struct net_pair *p = pair_of(net_of(dev), vq->index / 2);

    if (!p)
        return;
    if (vq->index % 2)
        net_tx_turn(p);
    else
        net_rx_turn(p);
}

static void net_stop(struct vdev *dev, struct vq *only)
{
    struct net_dev *nd = net_of(dev);

    for (unsigned i = 0; i < nd->pairs; i++) {
        struct net_pair *p = &nd->pair[i];

        if (!only || only == net_rx_queue(p))
            net_rx_stop(p);
        if (!only || only == net_tx_queue(p))
            net_tx_stop(p);
    }
    if (!only)
        memcpy(nd->mac, nd->mac_first, NET_MAC);
}

const struct virtio_type net_type = {
    .name = "net",
    .id = VIRTIO_ID_NET,
    .class_code = 0x020000,
    .state_size = sizeof(struct net_dev),
    .features = net_features,
    .config = &net_config,
    .config_old = &net_config_old,
    .open = net_open,
    .offer = net_offer,
    .start = net_start,
    .kick = net_kick,
    .stop = net_stop,
    .close = net_close_dev,
};
