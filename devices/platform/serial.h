/* SPDX-License-Identifier: MIT */
/*
 * A 16550A serial port: 8 byte registers at a port, one interrupt line.
 */
#ifndef DEVICES_PLATFORM_SERIAL_H
#define DEVICES_PLATFORM_SERIAL_H

#include <stdint.h>

#include "devices/backend/chr.h"
#include "vmm/base/err.h"
#include "vmm/base/loop.h"
#include "vmm/bus/bus.h"
#include "vmm/bus/irq.h"

enum { SERIAL_PORTS = 8, SERIAL_CLOCK_HZ = 1843200 };

struct serial;

struct serial_config {
    uint16_t port;   /* of the first register */
    uint32_t gsi;    /* for an edge-triggered or a level-triggered input, active high */
    struct chr *chr; /* where the line goes; on the same loop; NULL: nowhere. Stays the caller's */
};

/*
 * Claim the ports. Output leaves at once however slow the host's reader is (H20); input is taken
 * 16 bytes at a time as the guest reads them (X02). Only byte accesses mean anything: wider reads
 * give all ones, wider writes are ignored (X01). NULL with err filled.
 */
struct serial *serial_new(struct bus *bus, struct irqs *irqs, struct loop *loop,
                          const struct serial_config *config, struct err *err);

/* Give the ports back, unplug from chr. With the loop's lock held or the loop stopped. NULL: fine.
 */
void serial_free(struct serial *serial);

/* As after power-on. With the loop's lock held. */
void serial_reset(struct serial *serial);

#endif
