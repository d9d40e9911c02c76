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
    bool vga;                /* has a linear frame buffer, for before the driver comes (5.7.7) */
};

extern const struct virtio_type gpu_type;

/* XRGB8888, little-endian, at the start of VPCI_BAR_MEMORY. */
struct gpu_frame {
    uint32_t width, height, stride; /* pixels, pixels, bytes */
};

/* The linear frame buffer of dev, a GPU; false: it has none. */
bool gpu_frame(const struct vdev *dev, struct gpu_frame *frame);

#endif
