/* SPDX-License-Identifier: MIT */
/* The interface of virtio 0.9. Only interfaces.c includes this. */
#ifndef VIRTIO_LEGACY_H
#define VIRTIO_LEGACY_H

#include "virtio/vpci.h"

extern const struct vinterface legacy_interface;

#endif
