// SPDX-License-Identifier: MIT
/*
 * Owns how to read and write a descriptor of any kind without blocking. Setting O_NONBLOCK would
 * reach everybody who shares it, the parent shell too, and would outlive us; so terminals and pipes
 * are opened anew, sockets are asked per call, and what is left is polled first.
 */
#include "devices/backend/con-stream.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/base/bits.h"

enum { SHARED_BYTES = 256 }; /* small enough to fit where poll() says that there is room */

static struct con_stream stream_dup(int fd, enum con_stream_kind kind, bool tty)
{
    const int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);

    return (struct con_stream){.fd = own, .kind = own < 0 ? CON_STREAM_NONE : kind, .tty = tty};
}

static struct con_stream stream_reopen(int fd, bool write, bool tty)
{
    const int flags = (write ? O_WRONLY : O_RDONLY) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    char path[40];
    int own;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    own = open(path, flags);
    if (own < 0)
        return stream_dup(fd, CON_STREAM_SHARED, tty);
    return (struct con_stream){.fd = own, .kind = CON_STREAM_OWN, .tty = tty};
}

void con_stream_no_sigpipe(void)
{
    struct sigaction act;

    sigaction(SIGPIPE, NULL, &act);
    if (!(act.sa_flags & SA_SIGINFO) && act.sa_handler == SIG_DFL)
        signal(SIGPIPE, SIG_IGN);
}

struct con_stream con_stream_open(int fd, bool write)
{
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return (struct con_stream){.fd = -1, .kind = CON_STREAM_NONE};
    if (S_ISSOCK(st.st_mode))
        return stream_dup(fd, CON_STREAM_SOCKET, false);
    if (S_ISFIFO(st.st_mode))
        return stream_reopen(fd, write, false);
    if (isatty(fd))
        return stream_reopen(fd, write, true);
    return stream_dup(fd, CON_STREAM_DIRECT, false);
}

void con_stream_close(struct con_stream *s)
{
    if (s->fd >= 0)
        close(s->fd);
    *s = (struct con_stream){.fd = -1, .kind = CON_STREAM_NONE};
}

static bool would_block(const struct con_stream *s, short events)
{
    struct pollfd pfd = {.fd = s->fd, .events = events};

    return s->kind == CON_STREAM_SHARED && poll(&pfd, 1, 0) == 0;
}

/* #syscalls:io read write recvfrom sendto poll ppoll */
int64_t con_stream_read(const struct con_stream *s, void *to, size_t len)
{
    ssize_t n;

    if (s->kind == CON_STREAM_NONE)
        return 0;
    if (would_block(s, POLLIN))
        return -EAGAIN;
    if (s->kind == CON_STREAM_SOCKET)
        n = recv(s->fd, to, len, MSG_DONTWAIT);
    else
        n = read(s->fd, to, len);
    return n < 0 ? -errno : n;
}

/* A terminal that was hung up says EIO, a socket has several words for it. */
static int64_t write_error(const struct con_stream *s, int code)
{
    if (code == ECONNRESET || code == ENOTCONN || code == EBADF || (code == EIO && s->tty))
        return -EPIPE;
    return -code;
}

int64_t con_stream_write(const struct con_stream *s, const void *from, size_t len)
{
    ssize_t n;

    if (s->kind == CON_STREAM_NONE)
        return -EPIPE;
    if (would_block(s, POLLOUT))
        return -EAGAIN;
    if (s->kind == CON_STREAM_SOCKET)
        n = send(s->fd, from, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    else if (s->kind == CON_STREAM_SHARED)
        n = write(s->fd, from, (size_t)min_u64(len, SHARED_BYTES));
    else
        n = write(s->fd, from, len);
    return n < 0 ? write_error(s, errno) : n;
}
