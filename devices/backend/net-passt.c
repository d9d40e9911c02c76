// SPDX-License-Identifier: MIT
/*
 * Owns a stream socket, where frames begin and end in it, and that it comes back. One frame at most
 * waits for the other side to read; then the front end keeps the next.
 */
#include "devices/backend/net-passt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "devices/backend/net-queue.h"
#include "vmm/base/bits.h"
#include "vmm/base/usock.h"

enum {
    LENGTH = 4,
    FRAME_MIN = 14,
    IN_BYTES = 2 * (LENGTH + NET_FRAME_MAX),
    FRAME_MAX = 65535, /* that the other side takes */
    RETRY_FIRST_MS = 100,
    RETRY_LAST_MS = 5000,
};

struct net_passt {
    struct net net;
    const char *path;
    int fd; /* -1: not connected */
    struct loop_fd *src;
    uint32_t events;
    struct loop_timer *timer;
    unsigned retry_ms;     /* until the next attempt; grows until a frame comes */
    struct loop_work more; /* frames are in the buffer that the socket does not tell of */
    bool listening;
    bool full;          /* send said -EAGAIN */
    size_t out_at, out; /* what waits is out_buffer[out_at ... out) */
    size_t in_at, in;   /* likewise */
    struct log_limit limit;
    uint8_t out_buffer[LENGTH + NET_FRAME_MAX];
    uint8_t in_buffer[IN_BYTES];
};

static void socket_ready(void *arg, uint32_t events);

static void events_settle(struct net_passt *p)
{
    const uint32_t events = (p->listening ? EPOLLIN : 0u) | (p->out_at < p->out ? EPOLLOUT : 0u);

    if (p->src && events != p->events && loop_fd_mod(p->src, events) == 0)
        p->events = events;
}

/* ---- the connection ---- */

/* 0 or -errno. */
static int passt_connect(struct net_passt *p)
{
    int ret = usock_connect(p->path);

    if (ret < 0)
        return ret;
    p->fd = ret;
    p->events = p->listening ? EPOLLIN : 0u;
    p->src = loop_fd_add(p->net.loop, p->fd, p->events, socket_ready, p);
    if (p->src)
        return 0;
    ret = -errno;
    close(p->fd);
    p->fd = -1;
    return ret;
}

static void retry_soon(struct net_passt *p)
{
    loop_timer_set(p->timer, p->retry_ms * UINT64_C(1000000));
    p->retry_ms = (unsigned)min_u64(2 * p->retry_ms, RETRY_LAST_MS);
}

static void passt_gone(struct net_passt *p, const char *why)
{
    if (p->fd < 0)
        return;
    loop_fd_del(p->src);
    close(p->fd);
    p->src = NULL;
    p->fd = -1;
    p->in_at = p->in = p->out_at = p->out = 0;
    log_limited(&p->limit, LOG_WARN, "%s: %s: %s; the guest's link is down until somebody answers",
                p->net.name, p->path, why);
    retry_soon(p);
    net_link(&p->net, false);
    if (p->full) {
        p->full = false;
        net_sendable(&p->net, 0); /* to hear that there is nobody */
    }
}

static void retry_due(void *arg)
{
    struct net_passt *p = (struct net_passt *)arg;

    if (passt_connect(p) == 0) {
        log_limited(&p->limit, LOG_INFO, "%s: %s: connected again", p->net.name, p->path);
        net_link(&p->net, true);
        return;
    }
    retry_soon(p);
}

/* ---- to the other side ---- */

/* Write what waits, as far as it goes.
 * #syscalls:io sendto recvfrom */
static void out_flush(struct net_passt *p)
{
    while (p->out_at < p->out) {
        const ssize_t n =
            send(p->fd, p->out_buffer + p->out_at, p->out - p->out_at, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN) {
            passt_gone(p, "the other side is gone");
            return;
        }
        if (n < 0)
            break;
        p->out_at += (size_t)n;
    }
    events_settle(p);
}

static int passt_send(struct net *net, unsigned pair, const struct iovec *iov, unsigned n)
{
    struct net_passt *p = container_of(net, struct net_passt, net);
    const size_t size = net_iov_size(iov, n), len = size - NET_HEADER;
    uint8_t header[NET_HEADER];

    (void)pair;
    if (size < NET_HEADER + FRAME_MIN || len > FRAME_MAX)
        return -EINVAL;
    net_iov_get(iov, n, 0, header, sizeof(header));
    if ((header[0] & NET_HDR_NEEDS_CSUM) || header[1] != NET_GSO_NONE)
        return -EINVAL; /* never agreed on */
    if (p->fd < 0)
        return -ENOTCONN;
    if (p->out_at < p->out) {
        p->full = true;
        return -EAGAIN;
    }
    for (unsigned i = 0; i < LENGTH; i++)
        p->out_buffer[i] = (uint8_t)(len >> (24 - 8 * i));
    p->out_at = 0;
    p->out = LENGTH + net_iov_get(iov, n, NET_HEADER, p->out_buffer + LENGTH, len);
    out_flush(p);
    return 0;
}

/* ---- from the other side ---- */

/* The bytes of the frame at the front of the buffer with its length; 0: there is no length yet. */
static size_t in_frame(const struct net_passt *p)
{
    const uint8_t *at = p->in_buffer + p->in_at;

    if (p->in - p->in_at < LENGTH)
        return 0;
    return LENGTH + ((size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3]);
}

/* 0 or -errno. */
static int in_read(struct net_passt *p)
{
    ssize_t n;

    memmove(p->in_buffer, p->in_buffer + p->in_at, p->in - p->in_at);
    p->in -= p->in_at;
    p->in_at = 0;
    n = recv(p->fd, p->in_buffer + p->in, sizeof(p->in_buffer) - p->in, MSG_DONTWAIT);
    if (n > 0) {
        p->in += (size_t)n;
        return 0;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return -EAGAIN;
    passt_gone(p, "the other side is gone");
    return -ENOTCONN;
}

/* Get a whole frame to the front of the buffer. 0 or -errno. */
static int in_get(struct net_passt *p)
{
    int ret = 0;

    while (ret == 0) {
        const size_t frame = in_frame(p);

        if (frame && (frame < LENGTH + FRAME_MIN || frame > LENGTH + (size_t)NET_FRAME_MAX)) {
            passt_gone(p, "a frame with an impossible length came");
            return -EPROTO;
        }
        if (frame && p->in - p->in_at >= frame)
            return 0;
        ret = in_read(p);
    }
    return ret;
}

static int64_t passt_receive(struct net *net, unsigned pair, const struct iovec *iov, unsigned n)
{
    static const uint8_t header[NET_HEADER];
    struct net_passt *p = container_of(net, struct net_passt, net);
    size_t len;

    (void)pair;
    if (p->fd < 0 || in_get(p) < 0)
        return -EAGAIN;           /* who is gone will come back */
    p->retry_ms = RETRY_FIRST_MS; /* there is somebody who talks */
    len = in_frame(p) - LENGTH;
    net_iov_put(iov, n, 0, header, sizeof(header));
    net_iov_put(iov, n, sizeof(header), p->in_buffer + p->in_at + LENGTH, len);
    p->in_at += LENGTH + len;
    return (int64_t)(sizeof(header) + len);
}

static void more_run(void *arg)
{
    struct net_passt *p = (struct net_passt *)arg;

    if (p->listening && p->in_at < p->in)
        net_arrived(&p->net, 0);
}

static void passt_listen(struct net *net, unsigned pair, bool on)
{
    struct net_passt *p = container_of(net, struct net_passt, net);

    (void)pair;
    p->listening = on;
    events_settle(p);
    if (on && p->in_at < p->in)
        loop_post(net->loop, &p->more);
}

static void socket_ready(void *arg, uint32_t events)
{
    struct net_passt *p = (struct net_passt *)arg;

    if (events & EPOLLOUT) {
        out_flush(p);
        if (p->full && p->out_at == p->out) {
            p->full = false;
            net_sendable(&p->net, 0);
        }
    }
    if (p->fd >= 0 && (events & EPOLLIN) && p->listening)
        net_arrived(&p->net, 0);
    else if (p->fd >= 0 && (events & (EPOLLHUP | EPOLLERR)))
        passt_gone(p, "the other side is gone"); /* told even to those who do not listen */
}

static void passt_close(struct net *net)
{
    struct net_passt *p = container_of(net, struct net_passt, net);

    loop_cancel(net->loop, &p->more);
    loop_timer_del(p->timer);
    loop_fd_del(p->src);
    if (p->fd >= 0)
        close(p->fd);
    free(p);
}

static const struct net_ops passt_ops = {
    .name = "passt",
    .send = passt_send,
    .receive = passt_receive,
    .listen = passt_listen,
    .close = passt_close,
};

static int passt_start(struct net_passt *p, struct err *err)
{
    int ret;

    if (strlen(p->path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
        return err_set(err, ENAMETOOLONG, "%s: %s: the path of a socket has at most %zu bytes",
                       p->net.name, p->path, sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
    p->timer = loop_timer_new(p->net.loop, retry_due, p);
    if (!p->timer)
        return err_errno(err, errno, "%s", p->net.name);
    ret = passt_connect(p);
    if (ret == -ENOENT || ret == -ECONNREFUSED)
        return err_errno(err, -ret, "%s: nobody answers at %s; start 'passt --socket %s' first",
                         p->net.name, p->path, p->path);
    if (ret < 0)
        return err_errno(err, -ret, "%s: %s", p->net.name, p->path);
    return 0;
}

struct net *net_passt_open(const struct net_passt_conf *conf, const char *name, struct loop *loop,
                           struct err *err)
{
    struct net_passt *p = calloc(1, sizeof(*p));

    if (!p) {
        err_errno(err, ENOMEM, "%s", name);
        return NULL;
    }
    p->net = (struct net){
        .ops = &passt_ops, .name = name, .loop = loop, .pairs = 1, .mtu = conf->mtu, .up = true};
    p->path = conf->path;
    p->fd = -1;
    p->retry_ms = RETRY_FIRST_MS;
    p->more = (struct loop_work){.fn = more_run, .arg = p};
    if (passt_start(p, err) < 0) {
        passt_close(&p->net);
        return NULL;
    }
    return &p->net;
}
