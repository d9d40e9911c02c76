/* SPDX-License-Identifier: MIT */
/*
 * The accelerator for networks in the host's kernel (/dev/vhost-net): it takes frames from rings in
 * guest memory to a descriptor of a tap device and back. It is given descriptors and addresses and
 * knows nothing of whom they are from. All functions with the loop's lock held.
 */
#ifndef DEVICES_BACKEND_VHOST_H
#define DEVICES_BACKEND_VHOST_H

#include <stdint.h>

#include "vmm/base/err.h"
#include "vmm/base/gmem.h"

struct vhost;

enum { VHOST_RX = 0, VHOST_TX = 1, VHOST_RINGS = 2 };

/* A split ring in memory, and who is told what. */
struct vhost_ring {
    uint16_t size; /* entries */
    uint16_t base; /* the next entry of the available ring to look at */
    void *desc, *avail, *used;
    int kick;   /* eventfd: there is something to do */
    int call;   /* eventfd: something was done, and whoever waits wants to know */
    int broken; /* eventfd: the ring makes no sense */
};

/* What makes accelerators: the kernel's, or a test's. */
struct vhost_kind {
    /* One, for a pair of rings. NULL with err filled. */
    struct vhost *(*open)(struct err *err);
    void (*close)(struct vhost *v);
    /* The feature bits that it understands, numbered as in virtio. */
    uint64_t (*features)(struct vhost *v);
    /* Before the first attach: the features that count, where memory is. 0 or -errno. */
    int (*begin)(struct vhost *v, uint64_t features, const struct gmem *mem);
    /* Work on a ring with tap, whose headers become what the features say. 0 or -errno. */
    int (*attach)(struct vhost *v, unsigned ring, const struct vhost_ring *r, int tap);
    /* Tell another descriptor from now on. 0 or -errno. */
    int (*call)(struct vhost *v, unsigned ring, int fd);
    /* Stop: memory is not touched any more when it returns. The base to go on from, or -errno. */
    int (*detach)(struct vhost *v, unsigned ring);
    /* Make headers of the interface behind tap as they were: when no other pair needs them. */
    void (*end)(struct vhost *v, int tap);
};

extern const struct vhost_kind vhost_kernel;

#endif
