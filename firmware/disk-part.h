/* SPDX-License-Identifier: MIT */
/*
 * Which volumes are on a disk. Runs in the reader child only.
 */
#ifndef FIRMWARE_DISK_PART_H
#define FIRMWARE_DISK_PART_H

#include "firmware/disk-fs.h"
#include "vmm/base/err.h"

/*
 * Fills d from d->fd and d->size (bytes): GPT, MBR with logical partitions, or no table. Volumes
 * are in the table's order. 0 or -errno with a sentence that does not name the image.
 */
int disk_volumes_find(struct disk_volumes *d, struct err *err);

#endif
