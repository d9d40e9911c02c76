// SPDX-License-Identifier: MIT
/*
 * Owns the descriptor of a doorbell and its place on the loop. Refuses to know where a guest finds
 * it (bus.h) and what it means.
 */
#include "vmm/bus/doorbell.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Edge-triggered and never read: each ring is an edge, and the counter does not fill up. */
static void doorbell_ready(void *arg, uint32_t events)
{
    struct doorbell *bell = (struct doorbell *)arg;

    (void)events;
    bell->rung(bell->ctx, bell->index);
}

/* #syscalls:vcpu,io,user eventfd2 close */
int doorbell_open(struct doorbell *bell, struct loop *loop, struct err *err)
{
    bell->src = NULL;
    bell->loop = NULL;
    bell->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (bell->fd < 0)
        return err_errno(err, errno, "cannot make a doorbell (see the limit on open files)");
    bell->src = loop_fd_add(loop, bell->fd, EPOLLIN | EPOLLET, doorbell_ready, bell);
    if (!bell->src) {
        const int code = errno;

        close(bell->fd);
        bell->fd = -1;
        return err_errno(err, code, "cannot watch a doorbell");
    }
    bell->loop = loop;
    return 0;
}

int doorbell_lend(struct doorbell *bell, bool lent)
{
    if (!bell->loop)
        return -1;
    if (lent && bell->src)
        loop_fd_del(bell->src);
    if (lent)
        bell->src = NULL;
    else if (!bell->src)
        bell->src = loop_fd_add(bell->loop, bell->fd, EPOLLIN | EPOLLET, doorbell_ready, bell);
    return lent || bell->src ? bell->fd : -1;
}

void doorbell_close(struct doorbell *bell)
{
    if (!bell->loop)
        return;
    if (bell->src)
        loop_fd_del(bell->src);
    close(bell->fd);
    bell->src = NULL;
    bell->loop = NULL;
    bell->fd = -1;
}

void doorbell_ring(struct doorbell *bell)
{
    const uint64_t one = 1;

    if (write(bell->fd, &one, sizeof(one)) < 0)
        return; /* it is so full of rings that one more says nothing new */
}
