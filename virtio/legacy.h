/* SPDX-License-Identifier: MIT */
/* The interface of virtio 0.9. Only interfaces.c includes this. */
#ifndef VIRTIO_LEGACY_H
#define VIRTIO_LEGACY_H

#include "virtio/vpci.h"

extern const struct vinterface legacy_interface;

/* Feature bits that exist here only. */
extern const struct vfeat_row legacy_features[];

#endif
