/* SPDX-License-Identifier: MIT */
/*
 * The switch: from a word on the command line to the interfaces of a device.
 */
#ifndef VIRTIO_INTERFACES_H
#define VIRTIO_INTERFACES_H

#include "virtio/vpci.h"

/* The interfaces that word names, for a device of the given type: NULL with err filled if the word
 * is unknown or not built in. */
const struct vinterfaces *interfaces_find(const char *word, const struct virtio_type *type,
                                          struct err *err);

#endif
