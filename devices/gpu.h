/* SPDX-License-Identifier: MIT */
/* The GPU device (5.7), two-dimensional: resources, scanouts, a cursor, EDID. Modern only. */
#ifndef DEVICES_GPU_H
#define DEVICES_GPU_H

#include "devices/backend/display.h"
#include "virtio/vdev.h"

/* Host memory of one device: what resources, their backing and screens take together (U02). */
#define GPU_BUDGET (UINT64_C(256) << 20)

/* vdev_new()'s conf for gpu_type. */
struct gpu_conf {
    struct display *display; /* outlives the device; nobody else draws on it */
    uint64_t budget;         /* bytes, 0: GPU_BUDGET */
};

extern const struct virtio_type gpu_type;

#endif
