/* SPDX-License-Identifier: MIT */
/* The interface of virtio 1.x: capabilities that point into one memory BAR (4.1.4). */
#ifndef VIRTIO_MODERN_H
#define VIRTIO_MODERN_H

#include "virtio/vpci.h"

extern const struct vinterface modern_interface;

/* The common configuration structure (4.1.4.3); ctx is the vpci. For tests and reports. */
extern const struct regs modern_common;

/* Layout of the BAR. */
enum {
    MODERN_COMMON = 0x0000,
    MODERN_ISR = 0x1000,
    MODERN_DEVICE = 0x2000,
    MODERN_NOTIFY = 0x3000, /* + 4 bytes per queue */
    MODERN_REGION = 0x1000,
    MODERN_NOTIFY_STEP = 4, /* room for a 32-bit notification (4.1.4.4.1-d6) */
};

#endif
