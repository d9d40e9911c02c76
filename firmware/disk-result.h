/* SPDX-License-Identifier: MIT */
/*
 * The message from the reader child to its parent, who believes none of it unchecked.
 */
#ifndef FIRMWARE_DISK_RESULT_H
#define FIRMWARE_DISK_RESULT_H

#include <stddef.h>
#include <stdint.h>

#include "firmware/disk.h"

enum disk_string {
    DISK_CMDLINE,
    DISK_TITLE,
    DISK_SOURCE,
    DISK_KERNEL_PATH,
    DISK_INITRD_PATH,
    DISK_ERROR,
    DISK_STRINGS
};

struct disk_result {
    int status; /* 0, or -errno and DISK_ERROR tells why */
    uint64_t kernel_size, initrd_size;
    const char *string[DISK_STRINGS]; /* NULL is taken as empty when sent */
};

/* Most bytes that a message can have */
size_t disk_result_max(void);

/* In the child: 0 or -errno. Strings that are too long are sent as an error instead. */
int disk_result_send(int fd, const struct disk_result *r);

/*
 * In the parent: 0 and b's strings (b has them freed by disk_boot_free) and sizes; or the child's
 * own -errno with its sentence behind image; or -EBADMSG for what no honest child sends.
 */
int disk_result_take(const void *data, size_t len, const char *image, struct disk_boot *b,
                     struct err *err);

#endif
