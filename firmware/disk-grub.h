/* SPDX-License-Identifier: MIT */
/*
 * What a grub.cfg boots when nobody touches its menu. Runs in the reader child only.
 */
#ifndef FIRMWARE_DISK_GRUB_H
#define FIRMWARE_DISK_GRUB_H

#include "firmware/disk-choice.h"

/* Where a choice came from */
struct grub_origin {
    struct disk_volume *volume; /* of the last configuration that took over */
    bool used_bls;              /* its menu came from loader entries */
};

/*
 * Runs the configuration at path on v. 0: all of c but source is set; -ENOENT: no such file, or it
 * boots nothing at all; else -errno with a sentence. origin is set where there was a configuration
 * at all.
 */
int grub_choose(struct disk_volumes *d, struct disk_volume *v, const char *path,
                struct disk_mem *mem, struct disk_choice *c, struct grub_origin *origin,
                struct err *err);

/* The value of name in the volume's grubenv, whatever directory of grub it is in; or NULL. */
const char *grub_env_value(struct disk_volume *v, struct disk_mem *mem, const char *name);

#endif
