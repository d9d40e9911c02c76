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

/* Where they are: open files and their names, NULL for what there is none of. */
struct bootfiles {
    int kernel_fd, initrd_fd;
    char *kernel, *initrd;
    char *cmdline, *source; /* of an image's boot loader */
};

/*
 * Find them. At every start of the machine, restarts included: an upgraded kernel on the image is
 * booted. 0 and bootfiles_close() is due, or -errno with err filled.
 */
int bootfiles_open(const struct config *config, struct bootfiles *files, struct err *err);
void bootfiles_close(struct bootfiles *files);

/* Read and load. mem reads as zero. vCPUs do not run. 0 or -errno with err filled. */
int bootfiles_load(const struct bootfiles *files, const struct config *config,
                   const struct board *board, const struct gmem *mem, struct load_entry *entry,
                   struct err *err);

/* `vmm boot-info IMAGE`: print what would be booted. */
int bootfiles_info(const char *image, struct err *err);

#endif
