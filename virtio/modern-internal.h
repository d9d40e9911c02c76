/* SPDX-License-Identifier: MIT */
/* Between the files of the interface of virtio 1.x: registers, capabilities, and what lint sees. */
#ifndef VIRTIO_MODERN_INTERNAL_H
#define VIRTIO_MODERN_INTERNAL_H

#include "virtio/modern.h"

enum { MODERN_BAR_SIZE = 0x4000, COMMON_SIZE = 0x40 };

/* The interface's registers that are nobody else's. */
struct modern {
    uint32_t device_feature_select, driver_feature_select;
    uint16_t queue_select;
    unsigned window;       /* offset of the PCI_CFG capability */
    struct bus_bell *bell; /* addresses of the doorbells in the BAR, then those in ports */
    bool ports;            /* VPCI_BAR_BELLS is there */
};

static inline struct modern *modern_of(const struct vpci *vp)
{
    return (struct modern *)vpci_state(vp, &modern_interface);
}

/* Of a BAR that a capability points to: how much there is; off, where it lies in ours. 0: there is
 * nothing. */
uint64_t modern_bar_size(const struct vpci *vp, uint8_t bar, uint64_t *off);

/* Accesses to the BAR, wherever they come from. */
void modern_bar_read(struct vpci *vp, uint64_t off, void *data, unsigned len);
void modern_bar_write(struct vpci *vp, uint64_t off, const void *data, unsigned len);

/* modern-caps.c: all capabilities; and accesses to their bodies. */
int modern_caps_add(struct vpci *vp);
void modern_cap_read(struct vpci *vp, unsigned off, unsigned len);
void modern_cap_written(struct vpci *vp, unsigned off, unsigned len);

/* ---- modern-lint.c ---- */

/* Only while the device is watched. An access at `in` of one of the BAR's structures. */
void modern_lint_access(struct vpci *vp, bool write, uint64_t region, uint64_t in, unsigned len);
/* A write that nobody hears: the device has failed, or is being reset. */
void modern_lint_denied(struct vpci *vp, uint64_t region, uint64_t in);
/* The window through configuration space is used at [at, at+width) of a BAR. */
void modern_lint_window(struct vpci *vp, uint8_t bar, uint64_t at, unsigned width);

#endif
