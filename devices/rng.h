/* SPDX-License-Identifier: MIT */
/* The entropy device (5.4): random bytes of the host's kernel. */
#ifndef DEVICES_RNG_H
#define DEVICES_RNG_H

#include "virtio/vdev.h"

enum { RNG_REQUEST_MAX = 64 * 1024 }; /* bytes that one request gets at most (G01) */

/* vdev_new()'s conf is not looked at. */
extern const struct virtio_type rng_type;

#endif
