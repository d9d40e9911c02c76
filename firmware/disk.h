/* SPDX-License-Identifier: MIT */
/*
 * What the boot loader installed on a disk image would boot: its kernel, initrd and command line.
 */
#ifndef FIRMWARE_DISK_H
#define FIRMWARE_DISK_H

#include <stdint.h>

#include "vmm/base/bits.h"
#include "vmm/base/err.h"

/* What an image may make us accept; an image that wants more is refused. */
#define DISK_MAX_KERNEL  (512 * MIB)
#define DISK_MAX_INITRD  (512 * MIB)
#define DISK_MAX_CMDLINE (64 * KIB)
#define DISK_MAX_STRING  (4 * KIB) /* title, source, paths */

/*
 * The files are memfds sealed against every change, at offset 0; initrd_fd is -1 when there is
 * none. Strings are never NULL and hold no control characters: title and initrd_path may be empty.
 * source tells where it was found, e.g. "grub.cfg on partition 2 (ext4)"; several initrds are one
 * file here and initrd_path lists them with spaces between.
 */
struct disk_boot {
    int kernel_fd, initrd_fd;
    uint64_t kernel_size, initrd_size;
    char *cmdline, *title, *source, *kernel_path, *initrd_path;
};

/*
 * Find it on the image (regular file or block device). image_fd -1 opens image_path read-only; a
 * given one is only read, is not closed, and keeps its file position where /proc is mounted.
 * Image bytes are parsed by a forked child without rights: at most 30 s, usually a few ms.
 * 0, or -errno with one sentence. Any thread, also with others running: the child uses only what
 * glibc keeps usable after fork (malloc) and never returns into the caller's code.
 */
int disk_boot_find(const char *image_path, int image_fd, struct disk_boot *out, struct err *err);

/* Closes the files, frees the strings; b may be zeroed memory, a failed find's, or freed before. */
void disk_boot_free(struct disk_boot *b);

#endif
