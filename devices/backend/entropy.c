// SPDX-License-Identifier: MIT
/*
 * Owns where random bytes come from on the host. Refuses to know what becomes of them.
 */
#include "devices/backend/entropy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/base/bits.h"

#define RETRY_NS UINT64_C(100000000) /* after errors, and where nothing can be waited for */

struct entropy {
    struct loop *loop;
    int fd; /* -1: getrandom() */
    struct loop_fd *src;
    struct loop_timer *retry;
    void (*ready)(void *arg);
    void *arg;
    struct log_limit limit;
};

static void tell(struct entropy *e)
{
    if (e->ready)
        e->ready(e->arg);
}

static void src_ready(void *arg, uint32_t events)
{
    (void)events;
    tell((struct entropy *)arg);
}

static void retry_run(void *arg)
{
    tell((struct entropy *)arg);
}

static int source_open(struct entropy *e, const char *path, struct err *err)
{
    struct stat st;

    e->fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (e->fd < 0 || fstat(e->fd, &st) < 0)
        return err_errno(err, errno, "--rng source=%s", path);
    if (!S_ISCHR(st.st_mode) && !S_ISFIFO(st.st_mode))
        return err_set(err, EINVAL,
                       "--rng source=%s: not a device or a pipe; anything else would run out",
                       path);
    e->src = loop_fd_add(e->loop, e->fd, EPOLLONESHOT, src_ready, e);
    return e->src || errno == EPERM ? 0 : err_errno(err, errno, "--rng source=%s", path);
}

struct entropy *entropy_open(const char *path, struct loop *loop, struct err *err)
{
    struct entropy *e = calloc(1, sizeof(*e));

    if (!e) {
        err_errno(err, ENOMEM, "source of random numbers");
        return NULL;
    }
    e->loop = loop;
    e->fd = -1;
    e->retry = loop_timer_new(loop, retry_run, e);
    if (!e->retry)
        err_errno(err, errno, "source of random numbers");
    if (!e->retry || (path && source_open(e, path, err) < 0)) {
        entropy_close(e);
        return NULL;
    }
    return e;
}

void entropy_close(struct entropy *e)
{
    if (!e)
        return;
    loop_fd_del(e->src);
    loop_timer_del(e->retry);
    if (e->fd >= 0)
        close(e->fd);
    free(e);
}

void entropy_on_ready(struct entropy *e, void (*ready)(void *arg), void *arg)
{
    e->ready = ready;
    e->arg = arg;
}

/* A pipe without a writer, and a device that fails, are asked again now and then. */
static void ask_later(struct entropy *e, ssize_t n)
{
    const bool wait = n < 0 && errno == EAGAIN;

    if (!wait)
        log_limited(&e->limit, LOG_WARN, "rng: the source gives nothing (error %d)",
                    n < 0 ? errno : 0);
    if (!wait || !e->src || loop_fd_mod(e->src, EPOLLIN | EPOLLONESHOT) < 0)
        loop_timer_set(e->retry, RETRY_NS);
}

/* #syscalls:io getrandom read */
size_t entropy_get(struct entropy *e, void *to, size_t len)
{
    const ssize_t n = e->fd < 0 ? getrandom(to, len, GRND_NONBLOCK) : read(e->fd, to, len);

    if (n > 0)
        return (size_t)n;
    if (n < 0 && errno == EINTR)
        loop_timer_set(e->retry, 1);
    else
        ask_later(e, n);
    return 0;
}
