/* SPDX-License-Identifier: MIT */
/*
 * The work that is done inside of the jail: from an image's bytes to a kernel, an initrd and a
 * message.
 */
#ifndef FIRMWARE_DISK_READER_H
#define FIRMWARE_DISK_READER_H

#include "firmware/disk-jail.h"

struct disk_reader {
    uint64_t size;   /* of the image, bytes */
    unsigned sector; /* bytes */
};

/* A jail's work: arg is the struct disk_reader; writes the kernel to write_fd[0], the initrd to
 * write_fd[1], a disk-result.h message to out_fd. 0 once there is a message, good or bad. */
int disk_reader_work(const struct jail *j, int out_fd);

#endif
