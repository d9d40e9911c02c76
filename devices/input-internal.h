/* SPDX-License-Identifier: MIT */
/* Between the files of the input device: input.c moves events, input-config.c says what it is. */
#ifndef DEVICES_INPUT_INTERNAL_H
#define DEVICES_INPUT_INTERNAL_H

#include "devices/input.h"
#include "vmm/base/regs.h"

struct vq_chain;

struct input {
    struct vdev *dev;
    enum input_kind kind;
    struct evq *events;
    void (*on_leds)(void *ctx, unsigned leds);
    void *ctx;
    unsigned leds;
    uint8_t select, subsel;
    unsigned n_held;
    struct vq_chain *held[EVQ_GROUP]; /* buffers for the next group, as long as there are too few */
};

static inline struct input *input_of(const struct vdev *dev)
{
    return (struct input *)dev->state;
}

extern const struct regs input_config;

#endif
