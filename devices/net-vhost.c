// SPDX-License-Identifier: MIT
/*
 * Owns the accelerator of a network device: which rings the kernel works on, and when. The kernel
 * has a ring while the device runs, the queue is live and its pair in use; everything that happens
 * to any of these comes down to a look at all rings. Refuses to know how the kernel is asked.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "devices/backend/vhost.h"
#include "devices/net-internal.h"
#include "vmm/base/bits.h"

enum { F_ON_EMPTY = 24 }; /* as the kernel numbers it */

/* What is between driver and kernel, so that both must know it. */
static const uint8_t kernel_features[] = {NET_F_MRG_RXBUF, VIRTIO_F_INDIRECT_DESC,
                                          VIRTIO_F_EVENT_IDX, VIRTIO_F_VERSION_1};

/* What the kernel would have to do and does not. It gives the driver all that arrives, which
 * CTRL_RX allows (5.1.9.5.1); a set of VLANs and the modes of CTRL_RX_EXTRA would be promises. */
static const uint8_t not_offered[] = {VIRTIO_F_RING_PACKED,
                                      VIRTIO_F_IN_ORDER,
                                      VIRTIO_F_NOTIFICATION_DATA,
                                      VIRTIO_F_NOTIF_CONFIG_DATA,
                                      NET_F_NOTF_COAL,
                                      NET_F_VQ_NOTF_COAL,
                                      NET_F_HASH_REPORT,
                                      NET_F_RSS,
                                      NET_F_CTRL_RX_EXTRA,
                                      NET_F_CTRL_VLAN};

struct ring {
    struct net_vhost *nv;
    unsigned index; /* VHOST_RX or VHOST_TX */
    bool on;
    uint16_t base;
    int call_now;     /* what the kernel signals: the interrupt itself, or call */
    int call, broken; /* eventfds on the loop */
    struct loop_fd *call_src, *broken_src;
};

struct net_vhost {
    const struct vhost_kind *kind;
    struct vhost *v;
    struct net_pair *p;
    int tap; /* lent, or -1 */
    struct ring ring[VHOST_RINGS];
};

static struct vq *ring_queue(const struct ring *r)
{
    return r->index == VHOST_RX ? net_rx_queue(r->nv->p) : net_tx_queue(r->nv->p);
}

/* ---- events: never read, each signal is an edge ---- */

static void ring_called(void *arg, uint32_t events)
{
    const struct ring *r = (const struct ring *)arg;

    (void)events;
    if (r->on)
        vq_interrupt(ring_queue(r));
}

static void ring_broke(void *arg, uint32_t events)
{
    const struct ring *r = (const struct ring *)arg;
    const struct vq *vq = ring_queue(r);

    (void)events;
    if (r->on)
        vdev_fail(vq->dev, "2.1.2-d3", "queue %u: the host's kernel cannot work on it", vq->index);
}

static struct loop_fd *event_new(struct ring *r, int *fd, void (*fn)(void *arg, uint32_t events))
{
    *fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return *fd < 0 ? NULL : loop_fd_add(r->nv->p->nd->dev->loop, *fd, EPOLLIN | EPOLLET, fn, r);
}

static void event_free(struct loop_fd *src, int fd)
{
    if (src)
        loop_fd_del(src);
    if (fd >= 0)
        close(fd);
}

/* ---- making and freeing ---- */

int net_vhost_open(struct net_pair *p, const struct vhost_kind *kind, struct err *err)
{
    struct net_vhost *nv = (struct net_vhost *)calloc(1, sizeof(*nv));
    bool ok = true;

    p->vhost = nv;
    if (!nv)
        return err_errno(err, ENOMEM, "vhost=on");
    *nv = (struct net_vhost){.kind = kind, .p = p, .tap = -1};
    for (unsigned i = 0; i < VHOST_RINGS; i++)
        nv->ring[i] = (struct ring){.nv = nv, .index = i, .call = -1, .broken = -1};
    for (unsigned i = 0; ok && i < VHOST_RINGS; i++) {
        struct ring *r = &nv->ring[i];

        r->call_src = event_new(r, &r->call, ring_called);
        r->broken_src = event_new(r, &r->broken, ring_broke);
        ok = r->call_src && r->broken_src;
    }
    if (!ok)
        return err_errno(err, errno, "vhost=on: cannot make its events (see the limit on files)");
    nv->v = kind->open(err);
    if (!nv->v)
        return -EIO;
    if (!(kind->features(nv->v) >> VIRTIO_F_VERSION_1 & 1))
        return err_set(err, ENOTSUP, "vhost=on: this kernel's vhost is too old; leave it away");
    return 0;
}

void net_vhost_close(struct net_pair *p)
{
    struct net_vhost *nv = p->vhost;

    if (!nv)
        return;
    for (unsigned i = 0; i < VHOST_RINGS; i++) {
        event_free(nv->ring[i].call_src, nv->ring[i].call);
        event_free(nv->ring[i].broken_src, nv->ring[i].broken);
    }
    if (nv->v)
        nv->kind->close(nv->v);
    free(nv);
    p->vhost = NULL;
}

void net_vhost_offer(const struct net_pair *p, struct vfeat *f)
{
    const uint64_t can = p->vhost->kind->features(p->vhost->v);

    for (unsigned i = 0; i < ARRAY_SIZE(kernel_features); i++)
        if (!(can >> kernel_features[i] & 1))
            vfeat_del(f, kernel_features[i]);
    for (unsigned i = 0; i < ARRAY_SIZE(not_offered); i++)
        vfeat_del(f, not_offered[i]);
}

bool net_vhost_serves(const struct net_dev *nd)
{
    const struct vdev *dev = nd->dev;
    /* Not all kernels count a single buffer, which a driver may want to see (5.1.9.4.1-d1). */
    bool serves = dev->order == ORDER_LITTLE &&
                  (vdev_has(dev, NET_F_MRG_RXBUF) || !vdev_has(dev, VIRTIO_F_VERSION_1));

    for (unsigned i = 0; i < ARRAY_SIZE(not_offered); i++) /* unless the user asked for them */
        serves = serves && !vdev_has(dev, not_offered[i]);
    return serves;
}

/* ---- one ring ---- */

static int ring_call_fd(const struct ring *r)
{
    struct vdev *dev = r->nv->p->nd->dev;
    const int direct = dev->up.queue_eventfd(dev, ring_queue(r)->index);

    return direct >= 0 ? direct : r->call;
}

/* The ring's areas were found good when the queue was enabled. */
static int ring_attach(struct ring *r)
{
    struct net_vhost *nv = r->nv;
    struct vdev *dev = nv->p->nd->dev;
    const struct vq *vq = ring_queue(r);
    const struct vq_settings *set = &vq->set;
    struct vhost_ring ring = {.size = set->size,
                              .base = r->base,
                              .desc = gmem_span(dev->mem, gpa(set->desc), VIRTQ_DESC_BYTES),
                              .avail = gmem_span(dev->mem, gpa(set->driver), VIRTQ_RING_ENTRY),
                              .used = gmem_span(dev->mem, gpa(set->device), VIRTQ_RING_ENTRY),
                              .kick = dev->up.doorbell_lend(dev, vq->index, true),
                              .call = ring_call_fd(r),
                              .broken = r->broken};
    int ret;

    if (!ring.desc || !ring.avail || !ring.used || ring.kick < 0)
        return -EFAULT;
    ret = nv->kind->attach(nv->v, r->index, &ring, nv->tap);
    if (ret < 0)
        return ret;
    r->call_now = ring.call;
    r->on = true;
    return 0;
}

static void ring_detach(struct ring *r)
{
    struct net_vhost *nv = r->nv;
    struct vdev *dev = nv->p->nd->dev;
    const int base = nv->kind->detach(nv->v, r->index);

    r->on = false;
    r->base = base < 0 ? r->base : (uint16_t)base;
    dev->up.doorbell_lend(dev, ring_queue(r)->index, false);
}

static bool ring_wanted(const struct ring *r)
{
    const struct net_dev *nd = r->nv->p->nd;

    return nd->vhost_on && vdev_runs(nd->dev) && r->nv->p->index < nd->active &&
           vq_live(ring_queue(r));
}

/* ---- a pair ---- */

static uint64_t features_agreed(const struct vdev *dev)
{
    uint64_t bits = dev->on_empty ? BIT64(F_ON_EMPTY) : 0;

    for (unsigned i = 0; i < ARRAY_SIZE(kernel_features); i++)
        if (vdev_has(dev, kernel_features[i]))
            bits |= BIT64(kernel_features[i]);
    return bits;
}

static int tap_borrow(struct net_vhost *nv)
{
    const struct net_dev *nd = nv->p->nd;

    if (nv->tap >= 0)
        return 0;
    nv->tap = net_lend(nd->net, nv->p->index, true);
    if (nv->tap < 0)
        return -ENODEV;
    return nv->kind->begin(nv->v, features_agreed(nd->dev), nd->dev->mem);
}

/* Has the kernel a tap of another pair? */
static bool others_run(const struct net_vhost *nv)
{
    const struct net_dev *nd = nv->p->nd;

    for (unsigned i = 0; i < nd->pairs; i++)
        if (&nd->pair[i] != nv->p && nd->pair[i].vhost && nd->pair[i].vhost->tap >= 0)
            return true;
    return false;
}

/* Headers are those of the interface, of all its descriptors. */
static void tap_return(struct net_vhost *nv)
{
    if (nv->tap < 0 || nv->ring[VHOST_RX].on || nv->ring[VHOST_TX].on)
        return;
    if (!others_run(nv))
        nv->kind->end(nv->v, nv->tap);
    net_lend(nv->p->nd->net, nv->p->index, false);
    nv->tap = -1;
}

/* Let the kernel have the rings that it should have, and no others. 0 or -errno. */
static int pair_sync(struct net_vhost *nv)
{
    int ret = 0;

    for (unsigned i = 0; i < VHOST_RINGS; i++)
        if (nv->ring[i].on && !ring_wanted(&nv->ring[i]))
            ring_detach(&nv->ring[i]);
    for (unsigned i = 0; ret == 0 && i < VHOST_RINGS; i++) {
        struct ring *r = &nv->ring[i];

        if (r->on || !ring_wanted(r))
            continue;
        ret = tap_borrow(nv);
        if (ret == 0)
            ret = ring_attach(r);
        if (ret < 0)
            nv->p->nd->dev->up.doorbell_lend(nv->p->nd->dev, ring_queue(r)->index, false);
    }
    tap_return(nv);
    return ret;
}

int net_vhost_sync(struct net_dev *nd)
{
    int ret = 0;

    for (unsigned i = 0; ret == 0 && i < nd->pairs; i++)
        if (nd->pair[i].vhost)
            ret = pair_sync(nd->pair[i].vhost);
    if (ret == -ENODEV) { /* H17: there is nothing to lend any more */
        net_vhost_yield(nd);
        return 0;
    }
    if (ret < 0)
        vdev_fail(nd->dev, "2.1.2-d3", "the host's kernel does not take its queues: error %d",
                  -ret); /* H38; comes here again to take back what was given */
    return ret;
}

void net_vhost_yield(struct net_dev *nd)
{
    if (!nd->vhost_on)
        return;
    nd->vhost_on = false;
    net_vhost_sync(nd);
    for (unsigned i = 0; i < nd->pairs; i++)
        for (unsigned k = 0; nd->pair[i].vhost && k < VHOST_RINGS; k++) {
            struct vq *vq = ring_queue(&nd->pair[i].vhost->ring[k]);

            vq_resume(vq, nd->pair[i].vhost->ring[k].base);
            loop_post(nd->dev->loop, &vq->again);
        }
}

static void ring_rewire(struct ring *r)
{
    const int fd = ring_call_fd(r);

    if (r->on && fd != r->call_now && r->nv->kind->call(r->nv->v, r->index, fd) == 0)
        r->call_now = fd;
}

void net_vhost_rewire(struct vdev *dev)
{
    struct net_dev *nd = net_of(dev);

    if (!nd->vhost_on)
        return;
    net_vhost_sync(nd);
    for (unsigned i = 0; i < nd->pairs; i++)
        for (unsigned k = 0; nd->pair[i].vhost && k < VHOST_RINGS; k++)
            ring_rewire(&nd->pair[i].vhost->ring[k]);
}

void net_vhost_forget(struct net_pair *p, const struct vq *only)
{
    for (unsigned i = 0; p->vhost && i < VHOST_RINGS; i++)
        if (!only || ring_queue(&p->vhost->ring[i]) == only)
            p->vhost->ring[i].base = 0;
}
