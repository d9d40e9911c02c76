/* SPDX-License-Identifier: MIT */
/*
 * What was chosen to boot, before its files are read. Runs in the reader child only; strings live
 * in the reader's disk_mem.
 */
#ifndef FIRMWARE_DISK_CHOICE_H
#define FIRMWARE_DISK_CHOICE_H

#include "firmware/disk-fs.h"
#include "vmm/base/err.h"

#define DISK_MAX_INITRDS 16

struct disk_path {
    struct disk_volume *volume;
    const char *path;
};

/* kernel.volume NULL: nothing chosen. Strings are never NULL once something is. */
struct disk_choice {
    struct disk_path kernel, initrd[DISK_MAX_INITRDS];
    unsigned initrds;
    const char *cmdline, *title, *source;
};

/*
 * Goes through the volumes' boot configurations in the order loader entries, grub.cfg, newest
 * kernel. 0, or -errno with a sentence that does not name the image.
 */
int disk_choose(struct disk_volumes *d, struct disk_mem *mem, struct disk_choice *c,
                struct err *err);

/* The last resort alone: 0, -ENOENT when no volume has a kernel. */
int disk_choose_newest(struct disk_volumes *d, struct disk_mem *mem, struct disk_choice *c);

#endif
