// SPDX-License-Identifier: MIT
/*
 * Owns what the block device says about itself: configuration fields and features. Refuses to know
 * of requests.
 *
 * Not offered: SIZE_MAX, as pieces of any size are fine; GEOMETRY, as there are no cylinders; and
 * LIFETIME, SECURE_ERASE and ZONED, which nothing here could keep the promise of.
 */
#include <errno.h>

#include "devices/blk-internal.h"
#include "vmm/base/bits.h"

static uint64_t field_read(void *ctx, const struct reg *reg)
{
    return blk_of((struct vdev *)ctx)->config[reg->off];
}

/* Drivers that settle features late may write it before they do (5.2.5.3-l1). */
static void writeback_write(void *ctx, const struct reg *reg, uint64_t value)
{
    struct vdev *dev = (struct vdev *)ctx;
    bool refused = (dev->status & VIRTIO_S_FEATURES_OK) && !vdev_has(dev, BLK_F_CONFIG_WCE);

    if (!refused && value <= 1)
        blk_of(dev)->config[reg->off] = value;
}

/* Fields of features that are not offered read 0; arg: the feature, 0: none. */
static bool field_present(void *ctx, const struct reg *reg)
{
    return !reg->arg || vdev_offers((const struct vdev *)ctx, reg->arg);
}

static const struct reg config_rows[] = {
    {BLK_C_CAPACITY, 8, 0, "capacity", "5.2.4-d1", field_read, NULL},
    {BLK_C_SEG_MAX, 4, BLK_F_SEG_MAX, "seg_max", "5.2.4-d1", field_read, NULL},
    {BLK_C_BLK_SIZE, 4, BLK_F_BLK_SIZE, "blk_size", "5.2.4-d1", field_read, NULL},
    {BLK_C_PHYSICAL_EXP, 1, BLK_F_TOPOLOGY, "physical_block_exp", "5.2.4-d1", field_read, NULL},
    {BLK_C_ALIGN_OFFSET, 1, BLK_F_TOPOLOGY, "alignment_offset", "5.2.4-d1", field_read, NULL},
    {BLK_C_MIN_IO, 2, BLK_F_TOPOLOGY, "min_io_size", "5.2.4-d1", field_read, NULL},
    {BLK_C_OPT_IO, 4, BLK_F_TOPOLOGY, "opt_io_size", "5.2.4-d1", field_read, NULL},
    {BLK_C_WRITEBACK, 1, BLK_F_CONFIG_WCE, "writeback", "5.2.5-d1", field_read, writeback_write},
    {BLK_C_NUM_QUEUES, 2, BLK_F_MQ, "num_queues", "5.2.4-d4", field_read, NULL},
    {BLK_C_DISCARD_SECTORS, 4, BLK_F_DISCARD, "max_discard_sectors", "5.2.4-d2", field_read, NULL},
    {BLK_C_DISCARD_SEG, 4, BLK_F_DISCARD, "max_discard_seg", "5.2.4-d2", field_read, NULL},
    {BLK_C_DISCARD_ALIGN, 4, BLK_F_DISCARD, "discard_sector_alignment", "5.2.4-d2", field_read,
     NULL},
    {BLK_C_ZEROES_SECTORS, 4, BLK_F_WRITE_ZEROES, "max_write_zeroes_sectors", "5.2.4-d2",
     field_read, NULL},
    {BLK_C_ZEROES_SEG, 4, BLK_F_WRITE_ZEROES, "max_write_zeroes_seg", "5.2.4-d2", field_read, NULL},
    {BLK_C_ZEROES_UNMAP, 1, BLK_F_WRITE_ZEROES, "write_zeroes_may_unmap", "5.2.6.2-d10", field_read,
     NULL},
};

const struct regs blk_config = {
    .name = "virtio_blk_config",
    .row = config_rows,
    .n = ARRAY_SIZE(config_rows),
    .size = BLK_C_SIZE,
    .present = field_present,
};

const struct vfeat_row blk_features[] = {
    {BLK_F_SEG_MAX, "seg_max", "5.2.3-d1", -1},
    {BLK_F_RO, "ro", "5.2.3-d1", -1},
    {BLK_F_BLK_SIZE, "blk_size", "5.2.3-d1", -1},
    {BLK_F_FLUSH, "flush", "5.2.3-d1", -1},
    {BLK_F_TOPOLOGY, "topology", "5.2.3-d1", -1},
    {BLK_F_CONFIG_WCE, "config_wce", "5.2.3-d1", -1}, /* without flush: write-through, see accept */
    {BLK_F_MQ, "mq", "5.2.3-d1", -1},
    {BLK_F_DISCARD, "discard", "5.2.3-d1", -1},
    {BLK_F_WRITE_ZEROES, "write_zeroes", "5.2.3-d1", -1},
    {0, NULL, NULL, -1},
};

const struct vfeat_tie blk_ties[] = {
    {BLK_F_CONFIG_WCE, {BLK_F_FLUSH, BLK_F_FLUSH}, "5.2.5.2-d2"},
    {0, {0, 0}, NULL},
};

void blk_offer(struct vdev *dev, struct vfeat *f)
{
    const struct blk *b = blk_of(dev);

    vfeat_add(f, BLK_F_SEG_MAX);
    vfeat_add(f, BLK_F_BLK_SIZE);
    vfeat_add(f, BLK_F_TOPOLOGY);
    vfeat_add(f, BLK_F_FLUSH); /* 5.2.5.2-d1, d2 */
    vfeat_add(f, BLK_F_CONFIG_WCE);
    if (blk_read_only(b->be))
        vfeat_add(f, BLK_F_RO);
    if (b->config[BLK_C_NUM_QUEUES])
        vfeat_add(f, BLK_F_MQ);
    if (b->config[BLK_C_DISCARD_SECTORS])
        vfeat_add(f, BLK_F_DISCARD);
    if (b->config[BLK_C_ZEROES_SECTORS])
        vfeat_add(f, BLK_F_WRITE_ZEROES);
}

bool blk_config_capacity(struct vdev *dev)
{
    struct blk *b = blk_of(dev);
    const uint64_t unit = b->config[BLK_C_BLK_SIZE]; /* half a block is of no use to a driver */
    const uint64_t sectors = blk_size(b->be) / unit * (unit / BLK_SECTOR);

    if (sectors == b->config[BLK_C_CAPACITY])
        return false;
    b->config[BLK_C_CAPACITY] = sectors;
    return true;
}

/* Lengths are told in blocks. */
static void topology_fill(struct blk *b, uint32_t unit)
{
    const struct blk_limits *l = blk_limits(b->be);
    unsigned exp = 0;

    while (((uint64_t)unit << exp) < l->physical)
        exp++;
    b->config[BLK_C_PHYSICAL_EXP] = exp;
    b->config[BLK_C_ALIGN_OFFSET] = min_u64(l->align_offset / unit, UINT8_MAX);
    b->config[BLK_C_MIN_IO] = min_u64(l->io_min / unit, UINT16_MAX);
    b->config[BLK_C_OPT_IO] = l->io_opt / unit;
}

static void ranges_fill(struct blk *b, uint32_t unit)
{
    const struct blk_limits *l = blk_limits(b->be);

    if (blk_read_only(b->be))
        return;
    b->config[BLK_C_ZEROES_SECTORS] = BLK_RANGE_SECTORS;
    b->config[BLK_C_ZEROES_SEG] = BLK_RANGES;
    b->config[BLK_C_ZEROES_UNMAP] = l->zero_unmaps;
    if (!l->discard)
        return;
    b->config[BLK_C_DISCARD_SECTORS] = BLK_RANGE_SECTORS;
    b->config[BLK_C_DISCARD_SEG] = BLK_RANGES;
    b->config[BLK_C_DISCARD_ALIGN] = max_u64(l->discard, unit) / BLK_SECTOR;
}

int blk_config_fill(struct vdev *dev, const struct blk_conf *conf, struct err *err)
{
    struct blk *b = blk_of(dev);
    const uint32_t least = blk_limits(b->be)->logical;
    const uint32_t unit = conf->block_size ? conf->block_size : least;

    if (unit < least)
        return err_set(err, EINVAL,
                       "%s: blocks of %u bytes are not possible, direct I/O takes %u at least here "
                       "(leave out blk_size or cache=direct)",
                       dev->name, unit, least);
    b->config[BLK_C_SEG_MAX] = BLK_QUEUE_SIZE - BLK_NOT_DATA;
    b->config[BLK_C_BLK_SIZE] = unit;
    b->config[BLK_C_WRITEBACK] = 1;
    b->config[BLK_C_NUM_QUEUES] = dev->n_queues > 1 ? dev->n_queues : 0;
    blk_config_capacity(dev);
    topology_fill(b, unit);
    ranges_fill(b, unit);
    return 0;
}
