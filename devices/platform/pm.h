/* SPDX-License-Identifier: MIT */
/*
 * Power: how a guest switches the machine off and resets it, and the power button.
 *   ACPI hardware-reduced sleep control and status registers (ACPI 4.8.3.7)
 *   the reset control register of PCI chip sets, usually at 0xcf9
 *   the pulse on the reset line that a keyboard controller gives, port 0x64
 */
#ifndef DEVICES_PLATFORM_PM_H
#define DEVICES_PLATFORM_PM_H

#include <stdint.h>

#include "vmm/base/err.h"
#include "vmm/base/loop.h"
#include "vmm/bus/bus.h"
#include "vmm/bus/irq.h"

struct pm;

/* Ports as in firmware/board.h; 0 leaves a register out. */
struct pm_config {
    uint16_t sleep_control_port, sleep_status_port;
    uint8_t s5_type; /* the SLP_TYP that means off; others are ignored (X07) */
    uint16_t reset_port;
    uint16_t keyboard_port;
    uint32_t power_gsi; /* edge: a pulse is one press */
    /*
     * On the vCPU thread that wrote, no lock held. May be called again before the machine is
     * down, from several threads; must not wait for vCPUs.
     */
    void (*power_off)(void *arg);
    void (*reset)(void *arg);
    void *arg;
};

/*
 * Claim the ports. That of the reset register lies amid the PCI address register, whose claim
 * (BUS_PRIO_HOST) gives way to it. NULL with err filled.
 */
struct pm *pm_new(struct bus *bus, struct irqs *irqs, struct loop *loop,
                  const struct pm_config *config, struct err *err);

/* Give the ports back. NULL is fine. */
void pm_free(struct pm *pm);

/* A reset of the machine. With the loop's lock held. */
void pm_reset(struct pm *pm);

/* Press the power button. With the loop's lock held. */
void pm_power_button(struct pm *pm);

#endif
