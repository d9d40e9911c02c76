/* SPDX-License-Identifier: MIT */
/* The entropy device (5.4): random bytes of the host's, at a bounded rate. */
#ifndef DEVICES_RNG_H
#define DEVICES_RNG_H

#include "devices/backend/entropy.h"
#include "virtio/vdev.h"

enum { RNG_REQUEST_MAX = 64 * 1024 }; /* bytes that one request gets at most (G01) */

/* vdev_new()'s conf for rng_type. */
struct rng_conf {
    struct entropy *source; /* on the device's loop; the device's once it is made */
    uint64_t rate;          /* bytes a second, at most 16 GiB; 0: as they come (G04) */
};

extern const struct virtio_type rng_type;

#endif
