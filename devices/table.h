/* SPDX-License-Identifier: MIT */
/* All device types, by name: adding one is a row here. */
#ifndef DEVICES_TABLE_H
#define DEVICES_TABLE_H

#include "virtio/vdev.h"

/* Ends with NULL. */
extern const struct virtio_type *const device_table[];

/* The type of that name, or NULL. */
const struct virtio_type *device_find(const char *name);

#endif
