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
    unsigned index;                          /* the owner's: which queue */
    struct loop *loop;                       /* NULL: not open */
    struct loop_fd *src;                     /* NULL while it is lent */
    void (*rung)(void *ctx, unsigned index); /* on the loop, locked; spurious calls happen */
    void *ctx;
};

/* Fill index, rung and ctx first; makes fd and src. 0 or -errno with err filled. As for
 * loop_fd_add, with the loop's lock held or before it starts. Closing one that was never opened is
 * fine. */
int doorbell_open(struct doorbell *bell, struct loop *loop, struct err *err);
void doorbell_close(struct doorbell *bell);

/* Leave it to somebody else, who waits for the descriptor that is returned, or (lent false) take it
 * back: it counts as rung then. -1: it is not open, or cannot be watched. */
int doorbell_lend(struct doorbell *bell, bool lent);

/* Ring it from any thread. */
void doorbell_ring(struct doorbell *bell);

#endif
