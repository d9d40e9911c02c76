/* SPDX-License-Identifier: MIT */
/* Arm's PL031 clock (Arm DDI 0224): seconds, with an alarm. */
#ifndef DEVICES_PLATFORM_PL031_H
#define DEVICES_PLATFORM_PL031_H

#include <stdint.h>
#include <time.h>

#include "vmm/base/err.h"
#include "vmm/base/loop.h"
#include "vmm/bus/bus.h"
#include "vmm/bus/irq.h"

struct pl031;

struct pl031_config {
    uint64_t base;
    uint32_t gsi;
    void (*now)(struct timespec *ts); /* the wall clock; NULL: the host's, UTC */
};

/* Claim the page. The clock shows the wall clock (H29) plus what the guest set it off by. NULL with
 * err filled. */
struct pl031 *pl031_new(struct bus *bus, struct irqs *irqs, struct loop *loop,
                        const struct pl031_config *config, struct err *err);
/* NULL is fine. */
void pl031_free(struct pl031 *clock);

/* A reset of the machine: the time goes on, the alarm goes. Locked. NULL is fine. */
void pl031_reset(struct pl031 *clock);

#endif
