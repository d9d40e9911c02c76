// SPDX-License-Identifier: MIT
/*
 * Owns finding partitions and naming the file systems on them, with libblkid. Knows nothing of
 * what is inside of a file system.
 */
#include "firmware/disk-part.h"

#include <blkid/blkid.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define SECTOR 512 /* libblkid's unit, whatever the disk's is */

#define TYPE_ESP      "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
#define TYPE_XBOOTLDR "bc13c2ff-59e6-4262-a352-b275fd6f7172"
#define TYPE_MBR_ESP  0xef

static const struct {
    const char *type;
    const struct disk_fs_ops *ops;
} readable[] = {
    {"ext2", &disk_ext4_ops},
    {"ext3", &disk_ext4_ops},
    {"ext4", &disk_ext4_ops},
    {"vfat", &disk_fat_ops},
};

static void copy_value(blkid_probe pr, const char *name, char *to, size_t size)
{
    const char *value;
    if (blkid_probe_lookup_value(pr, name, &value, NULL) == 0)
        snprintf(to, size, "%s", value);
}

static void volume_identify(struct disk_volume *v)
{
    blkid_probe pr = blkid_new_probe();
    if (!pr)
        return;
    if (blkid_probe_set_device(pr, v->fd, (blkid_loff_t)v->off, (blkid_loff_t)v->size) == 0) {
        blkid_probe_enable_superblocks(pr, 1);
        blkid_probe_set_superblocks_flags(pr, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_UUID |
                                                  BLKID_SUBLKS_LABEL);
        if (blkid_do_safeprobe(pr) == 0) {
            copy_value(pr, "TYPE", v->type, sizeof(v->type));
            copy_value(pr, "UUID", v->uuid, sizeof(v->uuid));
            copy_value(pr, "LABEL", v->label, sizeof(v->label));
        }
    }
    blkid_free_probe(pr);
    for (size_t i = 0; i < ARRAY_SIZE(readable); i++)
        if (!strcmp(v->type, readable[i].type))
            v->ops = readable[i].ops;
}

static void volume_add(struct disk_volumes *d, blkid_partition p)
{
    uint64_t start = (uint64_t)blkid_partition_get_start(p);
    uint64_t count = (uint64_t)blkid_partition_get_size(p);
    if (blkid_partition_is_extended(p) || start >= d->size / SECTOR || d->count >= DISK_MAX_VOLUMES)
        return;
    struct disk_volume *v = &d->v[d->count++];
    *v = (struct disk_volume){.fd = d->fd, .off = start * SECTOR};
    v->size = min_u64(count, (d->size - v->off) / SECTOR) * SECTOR;
    v->number = (unsigned)blkid_partition_get_partno(p);
    const char *uuid = blkid_partition_get_uuid(p), *type = blkid_partition_get_type_string(p);
    snprintf(v->partuuid, sizeof(v->partuuid), "%s", uuid ? uuid : "");
    v->esp = (type && !strcasecmp(type, TYPE_ESP)) || blkid_partition_get_type(p) == TYPE_MBR_ESP;
    v->xbootldr = type && !strcasecmp(type, TYPE_XBOOTLDR);
}

static void partitions_add(struct disk_volumes *d, blkid_partlist list)
{
    blkid_parttable table = blkid_partlist_get_table(list);
    const char *type = table ? blkid_parttable_get_type(table) : NULL;
    snprintf(d->table, sizeof(d->table), "%s", type ? type : "");
    int count = blkid_partlist_numof_partitions(list);
    for (int i = 0; i < count; i++) {
        blkid_partition p = blkid_partlist_get_partition(list, i);
        if (p)
            volume_add(d, p);
    }
}

int disk_volumes_find(struct disk_volumes *d, struct err *err)
{
    blkid_probe pr = blkid_new_probe();
    if (!pr)
        return err_set(err, ENOMEM, "no memory to look for partitions");
    /* with the size given, the library need not ask the device, which it may not here */
    if (blkid_probe_set_device(pr, d->fd, 0, (blkid_loff_t)d->size)) {
        blkid_free_probe(pr);
        return err_set(err, EIO, "it cannot be read");
    }
    blkid_probe_set_sectorsize(pr, d->sector);
    blkid_probe_enable_partitions(pr, 1);
    blkid_partlist list = blkid_probe_get_partitions(pr);
    if (list)
        partitions_add(d, list);
    blkid_free_probe(pr);
    if (!d->count) {
        d->v[0] = (struct disk_volume){.fd = d->fd, .size = d->size};
        d->count = 1;
    }
    for (unsigned i = 0; i < d->count; i++)
        volume_identify(&d->v[i]);
    return 0;
}
