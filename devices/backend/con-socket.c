// SPDX-License-Identifier: MIT
/*
 * Owns a socket that clients come to, one at a time, and go again. Refuses to know what the front
 * end makes of it.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/backend/con-fd.h"
#include "devices/backend/con-files.h"
#include "vmm/base/bits.h"
#include "vmm/base/usock.h"

#define RETRY_NS UINT64_C(1000000000) /* after accept() failed: no descriptors left, say */

struct con_socket {
    struct chr chr;
    struct con_fd client;
    struct usock door;
    struct loop_fd *door_src;
    struct loop_timer *retry;
    struct log_limit limit;
    char name[CON_NAME_BYTES];
};

static struct con_socket *socket_of(struct chr *chr)
{
    return container_of(chr, struct con_socket, chr);
}

static void client_gone(void *arg)
{
    struct con_socket *s = (struct con_socket *)arg;

    if (s->client.fd < 0)
        return;
    con_fd_close(&s->client);
    chr_set_open(&s->chr, false);
}

static void client_take(struct con_socket *s, int fd)
{
    if (con_fd_open(&s->client, &s->chr, fd, true, client_gone, s) < 0) {
        close(fd);
        return;
    }
    chr_set_open(&s->chr, true);
    con_fd_more(&s->client);
}

/* Has it closed? It may have left input that nobody has read yet. */
static bool client_hung(const struct con_socket *s)
{
    struct pollfd pfd = {.fd = s->client.fd};

    return poll(&pfd, 1, 0) == 1 && (pfd.revents & (POLLHUP | POLLERR));
}

bool con_socket_taken(const struct chr *chr)
{
    const struct con_socket *s = container_of(chr, struct con_socket, chr);

    return s->client.fd >= 0 && !client_hung(s);
}

void con_socket_take(struct chr *chr, int fd)
{
    struct con_socket *s = socket_of(chr);

    if (s->client.fd >= 0 && client_hung(s))
        client_gone(s);
    if (s->client.fd >= 0)
        close(fd); /* one at a time */
    else
        client_take(s, fd);
}

static void door_arm(struct con_socket *s)
{
    if (loop_fd_mod(s->door_src, EPOLLIN | EPOLLONESHOT) < 0)
        loop_timer_set(s->retry, RETRY_NS);
}

/* #syscalls:io accept4 poll ppoll close */
static void door_ready(void *arg, uint32_t events)
{
    struct con_socket *s = (struct con_socket *)arg;
    const int fd = accept4(s->door.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    (void)events;
    if (fd < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
        log_limited(&s->limit, LOG_WARN, "%s: cannot take a client: error %d", s->name, errno);
        loop_timer_set(s->retry, RETRY_NS);
        return;
    }
    if (fd >= 0)
        con_socket_take(&s->chr, fd);
    door_arm(s);
}

static void retry_run(void *arg)
{
    door_arm((struct con_socket *)arg);
}

static int64_t socket_put(struct chr *chr, const void *data, size_t len)
{
    return con_fd_put(&socket_of(chr)->client, data, len);
}

static void socket_more(struct chr *chr)
{
    con_fd_more(&socket_of(chr)->client);
}

static void socket_close(struct chr *chr)
{
    struct con_socket *s = socket_of(chr);

    chr_done(chr);
    con_fd_close(&s->client);
    loop_fd_del(s->door_src);
    loop_timer_del(s->retry);
    usock_close(&s->door);
    free(s);
}

static const struct chr_ops socket_ops = {
    .put = socket_put, .more = socket_more, .close = socket_close};

static int socket_open(struct con_socket *s, const char *path, struct err *err)
{
    struct loop *loop = s->chr.loop;
    const int ret = path ? usock_listen(&s->door, s->name, path, err) : 0;

    if (ret < 0)
        return ret;
    if (!path) {
        chr_set_open(&s->chr, false);
        return 0;
    }
    s->retry = loop_timer_new(loop, retry_run, s);
    if (s->retry)
        s->door_src = loop_fd_add(loop, s->door.fd, EPOLLIN | EPOLLONESHOT, door_ready, s);
    if (!s->door_src)
        return err_errno(err, errno, "%s: cannot watch the socket %s", s->name, path);
    chr_set_open(&s->chr, false);
    return 0;
}

static struct chr *socket_new(struct loop *loop, const char *name, const char *path,
                              struct err *err)
{
    struct con_socket *s = calloc(1, sizeof(*s));

    if (!s) {
        err_errno(err, ENOMEM, "%s", name);
        return NULL;
    }
    s->client.fd = -1;
    s->door.fd = -1;
    snprintf(s->name, sizeof(s->name), "%s", name);
    if (chr_init(&s->chr, s->name, &socket_ops, loop, 0, err) < 0 ||
        socket_open(s, path, err) < 0) {
        socket_close(&s->chr);
        return NULL;
    }
    return &s->chr;
}

struct chr *con_socket_new(struct loop *loop, const char *name, const char *path, struct err *err)
{
    return socket_new(loop, name, path, err);
}

struct chr *con_socket_new_hidden(struct loop *loop, const char *name, struct err *err)
{
    return socket_new(loop, name, NULL, err);
}
