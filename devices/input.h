/* SPDX-License-Identifier: MIT */
/* The input device (5.8): a keyboard, a mouse or a tablet, in the terms of Linux's evdev. */
#ifndef DEVICES_INPUT_H
#define DEVICES_INPUT_H

#include "devices/backend/evq.h"
#include "virtio/vdev.h"

enum input_kind { INPUT_KEYBOARD, INPUT_MOUSE, INPUT_TABLET, INPUT_KINDS };

/* Positions on a tablet are 0 to this, over the whole screen. */
enum { INPUT_ABS_MAX = 32767 };

/* vdev_new()'s conf for input_type. */
struct input_conf {
    enum input_kind kind;
    struct evq *events; /* outlives the device */
    /* The keyboard's lights, bits 1 << LED_NUML and so on. On the device's loop; NULL: none. */
    void (*leds)(void *ctx, unsigned leds);
    void *ctx;
};

/* "keyboard" and so on. */
extern const char *const input_kind_name[INPUT_KINDS];

/* The lights as the guest wants them. */
unsigned input_leds(const struct vdev *dev);

extern const struct virtio_type input_type;

#endif
