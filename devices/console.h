/* SPDX-License-Identifier: MIT */
/* The console device (5.3): one port on a character back end. */
#ifndef DEVICES_CONSOLE_H
#define DEVICES_CONSOLE_H

#include "devices/backend/chr.h"
#include "virtio/vdev.h"

/* vdev_new()'s conf for console_type. */
struct console_conf {
    struct chr *chr; /* on the device's loop; NULL: output goes nowhere. Stays the caller's */
};

extern const struct virtio_type console_type;

#endif
