/* SPDX-License-Identifier: MIT */
/* The block device (5.2): request queues in front of a block back end. */
#ifndef DEVICES_BLK_H
#define DEVICES_BLK_H

#include "devices/backend/blk.h"
#include "virtio/vdev.h"

enum {
    BLK_SERIAL_MAX = 20, /* bytes that GET_ID can carry (5.2.6-d6) */
    BLK_QUEUES_MAX = 16,
};

/* vdev_new()'s conf for blk_type. */
struct blk_conf {
    struct blk_backend *backend; /* open; the device's from vdev_new() on, even if that fails */
    const char *serial;          /* at most BLK_SERIAL_MAX bytes; NULL: none */
    uint32_t block_size;         /* what the driver is told: 512 or 4096; 0: the back end's */
    unsigned queues;             /* at most BLK_QUEUES_MAX; 0: one */
};

/*
 * Look at the size of what the disk is kept in again, and tell the driver if it has changed
 * (5.2.6.2-d1, d2). 0, or -errno with err filled: nothing changed. The device's loop is locked.
 */
int blk_resize(struct vdev *dev, struct err *err);

/* Make what it is kept in larger, to size bytes, and tell the driver: as blk_backend_grow(). */
int blk_grow(struct vdev *dev, uint64_t size, struct err *err);

/* What the disk is kept in. The device's loop is locked. */
struct blk_backend *blk_backend_of(const struct vdev *dev);

extern const struct virtio_type blk_type;

#endif
