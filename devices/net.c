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

    if (!vdev_has(nd->dev, NET_F_STATUS))
        return;
    if (up && vdev_has(nd->dev, NET_F_GUEST_ANNOUNCE))
        nd->announce = true; /* others may have forgotten where it is */
    vdev_config_changed(nd->dev);
}

static void front_ended(void *arg)
{
    net_vhost_yield((struct net_dev *)arg);
}

static const struct net_front net_front = {
    .arrived = front_arrived, .sendable = front_sendable, .link = front_link, .ended = front_ended};

bool net_announce(struct vdev *dev)
{
    struct net_dev *nd = net_of(dev);

    if (!vdev_has(dev, NET_F_GUEST_ANNOUNCE) || !vdev_has(dev, NET_F_STATUS))
        return false;
    nd->announce = true;
    vdev_config_changed(dev);
    return true;
}

/* ---- which queue is what ---- */

/* 5.1.2-d1: where it is depends on what the driver accepted. */
static bool is_ctrl(const struct net_dev *nd, unsigned index)
{
    const bool many = vdev_has(nd->dev, NET_F_MQ) || vdev_has(nd->dev, NET_F_RSS);
    const unsigned n = many ? nd->pairs : 1;

    return vdev_has(nd->dev, NET_F_CTRL_VQ) && index == 2 * n;
}

struct net_coal *net_coal_at(struct net_dev *nd, unsigned index)
{
    struct net_pair *p;

    if (index >= 2 * nd->pairs || is_ctrl(nd, index))
        return NULL;
    p = &nd->pair[index / 2];
    return index % 2 ? &p->tx_coal : &p->rx_coal;
}

struct net_coal *net_coal_of(struct net_dev *nd, unsigned index)
{
    struct net_coal *c = net_coal_at(nd, index);

    return c && vq_live(c->vq) ? c : NULL;
}

bool net_pairs_set(struct net_dev *nd, unsigned n)
{
    if (n < 1 || n > nd->pairs || net_use_pairs(nd->net, n) < 0)
        return false;
    nd->active = n;
    for (unsigned i = 0; i < nd->pairs; i++) {
        struct net_pair *p = &nd->pair[i];

        if (i >= n) { /* 5.1.9.5.6.2-d2 */
            net_rx_rest(p);
            net_tx_rest(p);
            continue;
        }
        net_rx_soon(p);
        loop_post(nd->dev->loop, &net_tx_queue(p)->again);
    }
    net_vhost_sync(nd);
    return true;
}

/* ---- making and freeing ---- */

static void rx_look(void *arg)
{
    net_rx_turn((struct net_pair *)arg);
}

static int pair_make(struct net_dev *nd, unsigned index)
{
    struct net_pair *p = &nd->pair[index];

    p->nd = nd;
    p->index = index;
    p->rx_again = (struct loop_work){.fn = rx_look, .arg = p};
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
        net_vhost_close(&nd->pair[i]);
        loop_cancel(dev->loop, &nd->pair[i].rx_again);
        free(nd->pair[i].bounce);
        loop_timer_del(nd->pair[i].patience);
        loop_timer_del(nd->pair[i].rx_coal.timer);
        loop_timer_del(nd->pair[i].tx_coal.timer);
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
    if (ret == 0)
        ret = vdev_queue_add(dev, NET_CTRL_QUEUE, 0);
    for (unsigned i = 0; ret == 0 && i < nd->pairs; i++) { /* queues stay where they are now */
        nd->pair[i].rx_coal.vq = net_rx_queue(&nd->pair[i]);
        nd->pair[i].tx_coal.vq = net_tx_queue(&nd->pair[i]);
    }
    if (ret < 0)
        return err_errno(err, -ret, "cannot make the queues of %s", dev->name);
    for (unsigned i = 0; ret == 0 && c->vhost && i < nd->pairs; i++)
        ret = net_vhost_open(&nd->pair[i], c->vhost, err);
    return ret;
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
    nd->pairs_told = false;
    nd->active = 1; /* 5.1.9.5.6.2-d1 */
    nd->extra = vdev_has(dev, NET_F_HASH_REPORT) ? NET_HASH_HEADER : 0;
    memset(&nd->rss, 0, sizeof(nd->rss));
    net_filter_reset(nd);
    ret = net_take(nd->net, nd->takes);
    if (ret == 0)
        ret = net_use_pairs(nd->net, nd->active);
    nd->vhost_on = nd->pair[0].vhost && net_vhost_serves(nd);
    if (nd->pair[0].vhost && !nd->vhost_on)
        log_limited(&dev->log, LOG_INFO, "%s: vhost cannot serve this driver: without", dev->name);
    return ret < 0 ? ret : net_vhost_sync(nd);
}

static void net_kick(struct vdev *dev, struct vq *vq)
{
    struct net_dev *nd = net_of(dev);
    struct net_pair *p = pair_of(nd, vq->index / 2);

    if (dev->lint && p && vq->index % 2 && p->index >= nd->active && !is_ctrl(nd, vq->index))
        net_lint_tx_kick(nd, vq);
    if (is_ctrl(nd, vq->index))
        vq_serve(vq, net_ctrl_one);
    else if (nd->vhost_on)
        net_vhost_sync(nd); /* a queue may have been enabled */
    else if (p && vq->index % 2)
        net_tx_turn(p);
    else if (p)
        net_rx_turn(p);
}

static void pair_stop(struct net_pair *p, const struct vq *only)
{
    const struct net_coal_set none = {0};

    if (!only || only == net_rx_queue(p)) {
        net_rx_stop(p);
        p->rx_reset = only;
        if (only)
            net_rx_soon(p); /* what arrives there may be for other queues */
        net_coal_reset(&p->rx_coal, only ? &p->nd->rx_coal : &none); /* 5.1.9.5.10.6-d6 */
    }
    if (!only || only == net_tx_queue(p)) {
        net_tx_stop(p);
        net_coal_reset(&p->tx_coal, only ? &p->nd->tx_coal : &none);
    }
}

static void net_stop(struct vdev *dev, struct vq *only)
{
    struct net_dev *nd = net_of(dev);

    if (only && is_ctrl(nd, only->index))
        return;  /* it holds nothing */
    if (!only) { /* all as after power-on (5.1.9.5.10.6-d9) */
        memcpy(nd->mac, nd->mac_first, NET_MAC);
        nd->announce = false;
        nd->rx_coal = nd->tx_coal = (struct net_coal_set){0};
    }
    net_vhost_sync(nd);
    for (unsigned i = 0; i < nd->pairs; i++) {
        pair_stop(&nd->pair[i], only);
        net_vhost_forget(&nd->pair[i], only);
    }
    nd->vhost_on = nd->vhost_on && only;
}

const struct virtio_type net_type = {
    .name = "net",
    .id = VIRTIO_ID_NET,
    .class_code = 0x020000,
    .state_size = sizeof(struct net_dev),
    .features = net_features,
    .ties = net_ties,
    .config = &net_config,
    .config_old = &net_config_old,
    .open = net_open,
    .offer = net_offer,
    .start = net_start,
    .kick = net_kick,
    .stop = net_stop,
    .rewire = net_vhost_rewire,
    .close = net_close_dev,
};
