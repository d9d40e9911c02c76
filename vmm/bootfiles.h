/* SPDX-License-Identifier: MIT */
/*
 * What a machine starts with: kernel, initrd and command line, from the options or from the first
 * disk's boot loader configuration, brought into guest memory.
 */
#ifndef VMM_BOOTFILES_H
#define VMM_BOOTFILES_H

#include "firmware/board.h"
#include "firmware/load.h"
#include "vmm/base/err.h"
#include "vmm/base/gmem.h"
#include "vmm/config.h"

/*
 * Find, read and load. At every start of the machine, restarts included: an upgraded kernel on the
 * image is booted. mem reads as zero. vCPUs do not run. 0 or -errno with err filled.
 */
int bootfiles_load(const struct config *config, const struct board *board, const struct gmem *mem,
                   struct load_entry *entry, struct err *err);

/* `vmm boot-info IMAGE`: print what would be booted. */
int bootfiles_info(const char *image, struct err *err);

#endif
