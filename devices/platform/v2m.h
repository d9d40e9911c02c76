/* SPDX-License-Identifier: MIT */
/*
 * The v2m frame of a GIC (Arm SBSA, GICv2m): makes messages interrupts where there is no ITS. The
 * messages of PCI functions do not come here: they are routed by their address.
 */
#ifndef DEVICES_PLATFORM_V2M_H
#define DEVICES_PLATFORM_V2M_H

#include <stdint.h>

#include "vmm/base/err.h"
#include "vmm/base/loop.h"
#include "vmm/bus/bus.h"
#include "vmm/bus/irq.h"

struct v2m;

struct v2m_config {
    uint64_t base;
    uint32_t first, count; /* INTIDs that it makes */
};

/* Claim the page. NULL with err filled. */
struct v2m *v2m_new(struct bus *bus, struct irqs *irqs, struct loop *loop,
                    const struct v2m_config *config, struct err *err);
/* NULL is fine. */
void v2m_free(struct v2m *v2m);

#endif
