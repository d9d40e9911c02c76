/* SPDX-License-Identifier: MIT */
/* The device tree of a board, as Linux' bindings (Documentation/devicetree/bindings) have it. */
#ifndef FIRMWARE_FDT_H
#define FIRMWARE_FDT_H

#include <stddef.h>
#include <stdint.h>

#include "firmware/board.h"
#include "vmm/base/err.h"

enum { FDT_SEED = 64, FDT_KASLR_SEED = 8, FDT_SIZE_MAX = 0x200000 /* what Linux takes */ };

/* What a boot loader adds: /chosen. */
struct fdt_boot {
    const char *cmdline;
    uint64_t initrd_gpa, initrd_size; /* size 0: none */
    uint8_t seed[FDT_SEED], kaslr_seed[FDT_KASLR_SEED];
};

/* Write the tree into buf. Its size, or -ENOSPC, -EINVAL with err filled. */
int fdt_make(const struct board *board, const struct fdt_boot *boot, void *buf, size_t size,
             struct err *err);

#endif
