/* SPDX-License-Identifier: MIT */
/*
 * What Arm's PrimeCell devices share: a page of 32-bit registers with identification at its end. A
 * register may be accessed by its low bytes.
 */
#ifndef DEVICES_PLATFORM_PRIMECELL_H
#define DEVICES_PLATFORM_PRIMECELL_H

#include <stdint.h>

#include "vmm/base/err.h"
#include "vmm/base/loop.h"
#include "vmm/base/regs.h"
#include "vmm/bus/bus.h"

enum { PRIMECELL_SIZE = 0x1000, PRIMECELL_ID = 0xfe0 };

/* Embedded in a device, which fills all but claim. */
struct primecell {
    const struct regs *regs;
    void *ctx; /* of regs; called with the loop's lock held */
    struct loop *loop;
    struct bus *bus;
    uint32_t part;                             /* PeriphID0..3 as one little-endian number */
    uint64_t (*read)(void *ctx, uint64_t off); /* of offsets that regs has not, */
    void (*write)(void *ctx, uint64_t off, uint32_t value); /* may be NULL */
    struct bus_claim claim;
};

/* Claim the page at base. 0 or -errno with err filled. */
int primecell_map(struct primecell *cell, uint64_t base, struct err *err);
void primecell_unmap(struct primecell *cell);

#endif
