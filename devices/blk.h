/* SPDX-License-Identifier: MIT */
/* The block device (5.2): one request queue in front of a block back end. */
#ifndef DEVICES_BLK_H
#define DEVICES_BLK_H

#include "devices/backend/blk.h"
#include "virtio/vdev.h"

enum { BLK_SERIAL_MAX = 20 }; /* bytes that GET_ID can carry (5.2.6-d6) */

/* vdev_new()'s conf for blk_type. */
struct blk_conf {
    struct blk_backend *backend; /* open; the device's from vdev_new() on, even if that fails */
    const char *serial;          /* at most BLK_SERIAL_MAX bytes; NULL: none */
    uint32_t block_size;         /* what the driver is told: 512 or 4096; 0: 512 */
};

extern const struct virtio_type blk_type;

#endif
