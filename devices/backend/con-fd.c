// SPDX-License-Identifier: MIT
/*
 * Owns when a descriptor is read, written and waited for. Nothing is read ahead: what the front end
 * has no room for stays in the kernel, so no memory grows. Refuses to know what the descriptor is.
 */
#include "devices/backend/con-fd.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vmm/base/bits.h"

enum { IN_BYTES = 4096, TURN_READS = 16 };

static bool in_wanted(const struct con_fd *f)
{
    return !f->in_ended && chr_room(f->chr) > 0;
}

/* One shot each time, for a peer that closed is told of for ever. */
static void fd_arm(struct con_fd *f)
{
    const uint32_t events = (in_wanted(f) ? EPOLLIN : 0U) | (f->out_waits ? EPOLLOUT : 0U);

    if (!f->src || (f->waits && !(events & ~f->armed)))
        return;
    if (f->hung && !events)
        return;
    f->armed = events;
    f->waits = loop_fd_mod(f->src, events | EPOLLONESHOT) == 0;
}

static void in_end(struct con_fd *f)
{
    f->in_ended = true;
    if (f->hung && f->over.fn)
        loop_post(f->chr->loop, &f->over);
}

/* false: enough for now. */
static bool in_read(struct con_fd *f)
{
    uint8_t buf[IN_BYTES];
    const size_t room = (size_t)min_u64(chr_room(f->chr), sizeof(buf));
    ssize_t n;

    if (!room)
        return false;
    n = read(f->fd, buf, room);
    if (n > 0) {
        chr_input(f->chr, buf, (size_t)n);
        return true;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    f->hung = f->hung || n < 0; /* reset by the peer, say */
    in_end(f);
    return false;
}

static void fd_ready(void *arg, uint32_t events)
{
    struct con_fd *f = (struct con_fd *)arg;

    f->waits = false;
    if (events & (EPOLLHUP | EPOLLERR)) {
        f->hung = true;
        if (f->in_ended)
            in_end(f);
    }
    for (unsigned i = 0; i < TURN_READS && !f->in_ended && in_read(f); i++)
        continue;
    if (f->out_waits && (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))) {
        f->out_waits = false;
        chr_put_ready(f->chr);
    }
    fd_arm(f);
}

int con_fd_open(struct con_fd *f, struct chr *chr, int fd, bool in, void (*gone)(void *arg),
                void *arg)
{
    *f = (struct con_fd){.chr = chr, .fd = fd, .in_ended = !in};
    f->over = (struct loop_work){.fn = gone, .arg = arg};
    f->socket = gone != NULL;
    f->src = loop_fd_add(chr->loop, fd, EPOLLONESHOT, fd_ready, f);
    if (!f->src && errno != EPERM) { /* files: always ready */
        f->fd = -1;
        return -errno;
    }
    f->waits = f->src != NULL;
    fd_arm(f);
    return 0;
}

void con_fd_close(struct con_fd *f)
{
    if (f->fd < 0 || !f->chr)
        return;
    loop_cancel(f->chr->loop, &f->over);
    loop_fd_del(f->src);
    close(f->fd);
    *f = (struct con_fd){.fd = -1};
}

/* #syscalls:io read write sendto */
int64_t con_fd_put(struct con_fd *f, const void *data, size_t len)
{
    ssize_t n;

    if (f->fd < 0)
        return -EPIPE;
    if (f->socket)
        n = send(f->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    else
        n = write(f->fd, data, len);
    if (n >= 0)
        return n;
    if (errno != EAGAIN)
        return f->socket && errno != EINTR ? -EPIPE : -errno;
    f->out_waits = true;
    fd_arm(f);
    return -EAGAIN;
}

void con_fd_more(struct con_fd *f)
{
    if (f->fd >= 0)
        fd_arm(f);
}
