/* SPDX-License-Identifier: MIT */
/*
 * Doorbells: an eventfd that a guest's write rings, watched by the loop of its device. The bus
 * registers the address (bus.h); a write that arrives by an exit all the same rings the same
 * eventfd, so that the order of doorbells never depends on the way they came.
 */
#ifndef VMM_BUS_DOORBELL_H
#define VMM_BUS_DOORBELL_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/base/err.h"
#include "vmm/base/loop.h"

struct doorbell {
    int fd;
    unsigned index; /* the owner's: which queue */
    struct loop_fd *src;
    void (*rung)(void *ctx, unsigned index); /* on the loop, locked; spurious calls happen */
    void *ctx;
};

/* Fill index, rung and ctx first; makes fd and src. 0 or -errno with err filled. As for
 * loop_fd_add, with the loop's lock held or before it starts. Closing one that was never opened is
 * fine. */
int doorbell_open(struct doorbell *bell, struct loop *loop, struct err *err);
void doorbell_close(struct doorbell *bell);

/* Ring it from any thread. */
void doorbell_ring(struct doorbell *bell);

#endif
