// SPDX-License-Identifier: MIT
/*
 * Owns the descriptors of a tap device: frames, offloads, queues, and what becomes of it when the
 * host sets it down or deletes it (H16, H17). How it is opened is in net-tap-open.c.
 */
#include <errno.h>
#include <linux/if_tun.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "devices/backend/net-tap-internal.h"
#include "vmm/base/bits.h"

static struct tap *tap_of(const struct net *net)
{
    return container_of((struct net *)(uintptr_t)net, struct tap, net);
}

/* ---- descriptors on the loop ---- */

static void queue_ready(void *arg, uint32_t events);

/* Wait for what is of interest now, for nothing if that is nothing. */
static void queue_watch(struct tap_queue *q)
{
    const bool used = q->attached && !q->lent;
    const uint32_t events = used ? (q->listening ? EPOLLIN : 0u) | (q->full ? EPOLLOUT : 0u) : 0u;

    if (events == q->events)
        return;
    if (!q->src)
        q->src = loop_fd_add(q->tap->net.loop, q->fd, events, queue_ready, q);
    else if (!events || loop_fd_mod(q->src, events) < 0) {
        loop_fd_del(
            q->src); /* errors are always told: a queue nobody waits for must not be there */
        q->src = NULL;
    }
    q->events = q->src ? events : 0;
}

/* For good: descriptors of a deleted interface are errors for ever. */
static void tap_gone(struct tap *tap)
{
    if (tap->net.ended)
        return;
    for (unsigned i = 0; i < tap->net.pairs; i++) {
        tap->queue[i].attached = false;
        queue_watch(&tap->queue[i]);
    }
    log_msg(LOG_WARN, "%s: the tap device %s is gone; the guest's link is down", tap->net.name,
            tap->ifname);
    net_end(&tap->net);
    for (unsigned i = 0; i < tap->net.pairs; i++)
        if (tap->queue[i].full) {
            tap->queue[i].full = false;
            net_sendable(&tap->net, i); /* to hear that it goes nowhere */
        }
}

/* The news of its end may be on the way still. */
static bool tap_alive(struct tap *tap)
{
    struct ifreq req;

    if (!tap->net.ended && ioctl(tap->queue[0].fd, TUNGETIFF, &req) < 0 && errno == EBADFD)
        tap_gone(tap);
    return !tap->net.ended;
}

static void queue_ready(void *arg, uint32_t events)
{
    struct tap_queue *q = (struct tap_queue *)arg;
    struct tap *tap = q->tap;
    const unsigned pair = (unsigned)(q - tap->queue);

    if (events & EPOLLERR) {
        tap_gone(tap);
        return;
    }
    if (events & EPOLLOUT) {
        q->full = false;
        queue_watch(q);
        net_sendable(&tap->net, pair);
    }
    if ((events & EPOLLIN) && q->listening)
        net_arrived(&tap->net, pair);
}

void tap_watched(void *arg, enum net_watch_state state)
{
    struct tap *tap = (struct tap *)arg;

    if (state == NET_WATCH_GONE)
        tap_gone(tap);
    else if (!tap->net.ended)
        net_link(&tap->net, state == NET_WATCH_UP);
}

/* ---- frames ---- */

/* #syscalls:io readv writev */
static int tap_send(struct net *net, unsigned pair, const struct iovec *iov, unsigned n)
{
    struct tap_queue *q = &tap_of(net)->queue[pair];

    if (!q->attached)
        return -ENODEV;
    if (writev(q->fd, iov, (int)n) >= 0)
        return 0;
    if (errno != EAGAIN)
        return -errno;
    q->full = true;
    queue_watch(q);
    return -EAGAIN;
}

static int64_t tap_receive(struct net *net, unsigned pair, const struct iovec *iov, unsigned n)
{
    struct tap_queue *q = &tap_of(net)->queue[pair];
    ssize_t len;

    if (!q->attached)
        return -ENODEV;
    len = readv(q->fd, iov, (int)n);
    return len < 0 ? -errno : len;
}

static void tap_listen(struct net *net, unsigned pair, bool on)
{
    struct tap_queue *q = &tap_of(net)->queue[pair];

    q->listening = on;
    queue_watch(q);
}

/* ---- offloads ---- */

/* A driver that begins or ends sets them: from a vCPU.
 * #ioctls:vcpu,io TUNSETOFFLOAD TUNSETQUEUE TUNGETIFF */

static const struct {
    uint32_t offload;
    unsigned tun;
} offloads[] = {
    {NET_CSUM, TUN_F_CSUM},   {NET_TSO4, TUN_F_TSO4}, {NET_TSO6, TUN_F_TSO6},
    {NET_ECN, TUN_F_TSO_ECN}, {NET_UFO, TUN_F_UFO},   {NET_USO, TAP_USO4 | TAP_USO6},
};

unsigned tap_offload_flags(uint32_t set)
{
    unsigned flags = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(offloads); i++)
        if (set & offloads[i].offload)
            flags |= offloads[i].tun;
    return flags;
}

/* What this kernel can leave is what it understands, too. */
static uint32_t tap_can(const struct net *net)
{
    return tap_of(net)->can;
}

static int tap_take(struct net *net, uint32_t set)
{
    struct tap *tap = tap_of(net);

    if (!tap_alive(tap))
        return 0; /* nothing comes anyway */
    return ioctl(tap->queue[0].fd, TUNSETOFFLOAD, tap_offload_flags(set)) < 0 ? -errno : 0;
}

/* ---- queues ---- */

int tap_queue_attach(struct tap_queue *q, bool attach)
{
    struct ifreq req = {.ifr_flags = attach ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE};

    if (q->attached == attach)
        return 0;
    if (ioctl(q->fd, TUNSETQUEUE, &req) < 0)
        return -errno;
    q->attached = attach;
    queue_watch(q);
    return 0;
}

static int tap_use_pairs(struct net *net, unsigned n)
{
    struct tap *tap = tap_of(net);
    unsigned old = 0, i;
    int ret = 0;

    if (!tap_alive(tap))
        return 0;
    while (old < net->pairs && tap->queue[old].attached)
        old++;
    for (i = 0; ret == 0 && i < net->pairs; i++)
        ret = tap_queue_attach(&tap->queue[i], i < n);
    for (; ret < 0 && i > old; i--) /* nothing may be steered where nobody looks */
        tap_queue_attach(&tap->queue[i - 1], false);
    return ret;
}

static int tap_lend(struct net *net, unsigned pair, bool lent)
{
    struct tap_queue *q = &tap_of(net)->queue[pair];

    if (lent && (!tap_alive(q->tap) || !q->attached))
        return -1;
    q->lent = lent;
    queue_watch(q);
    return q->fd;
}

void tap_close(struct net *net)
{
    struct tap *tap = tap_of(net);

    net_watch_free(tap->watch);
    for (unsigned i = 0; i < net->pairs; i++) {
        loop_fd_del(tap->queue[i].src);
        if (tap->queue[i].fd >= 0)
            close(tap->queue[i].fd);
    }
    free(tap);
}

const struct net_ops tap_ops = {
    .name = "tap",
    .send = tap_send,
    .receive = tap_receive,
    .listen = tap_listen,
    .can_send = tap_can,
    .can_leave = tap_can,
    .take = tap_take,
    .use_pairs = tap_use_pairs,
    .lend = tap_lend,
    .close = tap_close,
};
