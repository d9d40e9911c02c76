/* SPDX-License-Identifier: MIT */
/* Arm's PL061 GPIO (Arm DDI 0190): eight lines, one interrupt. A key is on one of them. */
#ifndef DEVICES_PLATFORM_PL061_H
#define DEVICES_PLATFORM_PL061_H

#include <stdint.h>

#include "vmm/base/err.h"
#include "vmm/base/loop.h"
#include "vmm/bus/bus.h"
#include "vmm/bus/irq.h"

struct pl061;

struct pl061_config {
    uint64_t base;
    uint32_t gsi;
    unsigned key; /* the line that the key is on, 0..7 */
};

/* Claim the page. NULL with err filled. */
struct pl061 *pl061_new(struct bus *bus, struct irqs *irqs, struct loop *loop,
                        const struct pl061_config *config, struct err *err);
/* NULL is fine. */
void pl061_free(struct pl061 *gpio);

/* As after power-on. Locked. NULL is fine. */
void pl061_reset(struct pl061 *gpio);

/* Press the key and let it go after a moment that a driver takes for a press. Locked. */
void pl061_press(struct pl061 *gpio);

#endif
