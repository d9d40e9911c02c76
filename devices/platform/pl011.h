/* SPDX-License-Identifier: MIT */
/* Arm's PL011 UART (Arm DDI 0183): a page of registers, one level-triggered interrupt. */
#ifndef DEVICES_PLATFORM_PL011_H
#define DEVICES_PLATFORM_PL011_H

#include <stdint.h>

#include "devices/backend/chr.h"
#include "vmm/base/err.h"
#include "vmm/base/loop.h"
#include "vmm/bus/bus.h"
#include "vmm/bus/irq.h"

struct pl011;

struct pl011_config {
    uint64_t base;
    uint32_t gsi;
    struct chr *chr; /* where the line goes; on the same loop; NULL: nowhere. Stays the caller's */
};

/*
 * Claim the page. Output leaves at once (H20); input is taken 32 bytes at a time as the guest reads
 * them (X02). No DMA, no modem. NULL with err filled.
 */
struct pl011 *pl011_new(struct bus *bus, struct irqs *irqs, struct loop *loop,
                        const struct pl011_config *config, struct err *err);

/* Give the page back, unplug from chr. With the loop's lock held or the loop stopped. NULL: fine.
 */
void pl011_free(struct pl011 *uart);

/* As after power-on. With the loop's lock held. NULL is fine. */
void pl011_reset(struct pl011 *uart);

#endif
