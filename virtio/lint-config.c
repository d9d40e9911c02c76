// SPDX-License-Identifier: MIT
/*
 * Owns what lint knows of accesses to registers: widths, fields and the features that they belong
 * to, values that must be read in one piece (2.5, 4.1.3). Refuses to know how a device type keeps
 * its configuration: fields are those of the specification.
 */
#include "virtio/lint-internal.h"
#include "vmm/base/bits.h"

enum { NONE = -1, FIELD_LONG = 8 };

/* Offsets and features of single fields (5.1.4, 5.2.4, 5.3.4, 5.5.4). */
enum {
    BLK_WRITEBACK = 32,
    CONSOLE_EMERG = 8,
    BALLOON_ACTUAL = 4,
    BALLOON_POISON = 12,
};

/* Bytes [from, to) of a type's configuration, and the features with one of which they exist. */
static const struct gate {
    uint8_t type, from, to;
    int8_t feature, other;
} gates[] = {
    {VIRTIO_ID_NET, 0, 6, 5, NONE},       /* mac: MAC */
    {VIRTIO_ID_NET, 6, 8, 16, NONE},      /* status: STATUS */
    {VIRTIO_ID_NET, 8, 10, 22, 60},       /* max_virtqueue_pairs: MQ, RSS */
    {VIRTIO_ID_NET, 10, 12, 3, NONE},     /* mtu: MTU */
    {VIRTIO_ID_NET, 12, 17, 63, NONE},    /* speed, duplex: SPEED_DUPLEX */
    {VIRTIO_ID_NET, 17, 18, 57, 60},      /* rss_max_key_size: HASH_REPORT, RSS */
    {VIRTIO_ID_NET, 18, 20, 60, NONE},    /* rss_max_indirection_table_length: RSS */
    {VIRTIO_ID_NET, 20, 24, 57, 60},      /* supported_hash_types */
    {VIRTIO_ID_BLK, 8, 12, 1, NONE},      /* size_max: SIZE_MAX */
    {VIRTIO_ID_BLK, 12, 16, 2, NONE},     /* seg_max: SEG_MAX */
    {VIRTIO_ID_BLK, 16, 20, 4, NONE},     /* geometry: GEOMETRY */
    {VIRTIO_ID_BLK, 20, 24, 6, NONE},     /* blk_size: BLK_SIZE */
    {VIRTIO_ID_BLK, 24, 32, 10, NONE},    /* topology: TOPOLOGY */
    {VIRTIO_ID_BLK, 32, 33, 11, NONE},    /* writeback: CONFIG_WCE */
    {VIRTIO_ID_BLK, 34, 36, 12, NONE},    /* num_queues: MQ */
    {VIRTIO_ID_BLK, 36, 48, 13, NONE},    /* discard: DISCARD */
    {VIRTIO_ID_BLK, 48, 57, 14, NONE},    /* write_zeroes: WRITE_ZEROES */
    {VIRTIO_ID_BLK, 60, 72, 16, NONE},    /* secure_erase: SECURE_ERASE */
    {VIRTIO_ID_BLK, 72, 96, 17, NONE},    /* zoned: ZONED */
    {VIRTIO_ID_CONSOLE, 0, 4, 0, NONE},   /* cols, rows: SIZE */
    {VIRTIO_ID_CONSOLE, 4, 8, 1, NONE},   /* max_nr_ports: MULTIPORT */
    {VIRTIO_ID_CONSOLE, 8, 12, 2, NONE},  /* emerg_wr: EMERG_WRITE */
    {VIRTIO_ID_BALLOON, 8, 12, 3, NONE},  /* free_page_hint_cmd_id: FREE_PAGE_HINT */
    {VIRTIO_ID_BALLOON, 12, 16, 4, NONE}, /* poison_val: PAGE_POISON */
};

/* Does [off, off+len) have a byte in [from, to)? */
static bool meets(uint64_t off, unsigned len, unsigned from, unsigned to)
{
    return off < to && from < off + len;
}

static void see(struct vdev *dev, enum lint_id rule, uint64_t off)
{
    lint_found(dev, rule, LINT_NO_QUEUE, off);
}

/* ---- widths ---- */

/* Is it the register, or one half of a long one? */
static bool fits(const struct reg *row, uint64_t off, unsigned len)
{
    if (row->size == FIELD_LONG)
        return len == 4 && (off == row->off || off == row->off + 4U);
    return off == row->off && len == row->size;
}

void lint_width(struct vdev *dev, const struct regs *regs, uint64_t off, unsigned len)
{
    for (unsigned i = 0; i < regs->n; i++) {
        const struct reg *row = &regs->row[i];

        if (meets(off, len, row->off, row->off + row->size) && !fits(row, off, len)) {
            see(dev, LINT_WIDTH, off);
            return;
        }
    }
}

/* ---- values that must be whole ---- */

static void torn_tell(struct vdev *dev)
{
    if (dev->lint->torn)
        see(dev, LINT_CONFIG_TORN, dev->lint->torn_at);
    dev->lint->torn = false;
}

void lint_generation(struct vdev *dev)
{
    dev->lint->torn = false;
    dev->lint->generation = true;
}

void lint_other(struct vdev *dev)
{
    torn_tell(dev);
    dev->lint->generation = false;
}

static void whole_check(struct vdev *dev, uint64_t off, unsigned len)
{
    const struct regs *regs = dev->type->config;
    struct lint *l = dev->lint;

    for (unsigned i = 0; i < regs->n; i++) {
        const struct reg *row = &regs->row[i];

        if (row->size != FIELD_LONG || !meets(off, len, row->off, row->off + FIELD_LONG))
            continue;
        l->torn_at = row->off;
        l->torn = true;
        if (!l->generation)
            torn_tell(dev);
    }
}

/* ---- fields ---- */

static void gate_check(struct vdev *dev, uint64_t off, unsigned len)
{
    for (unsigned i = 0; i < ARRAY_SIZE(gates); i++) {
        const struct gate *g = &gates[i];

        if (g->type == dev->type->id && meets(off, len, g->from, g->to) &&
            !vdev_offers(dev, (unsigned)g->feature) &&
            (g->other == NONE || !vdev_offers(dev, (unsigned)g->other)))
            see(dev, LINT_CONFIG_GATE, off);
    }
}

static void config_read(struct vdev *dev, uint64_t off, unsigned len, bool old)
{
    gate_check(dev, off, len);
    if (old)
        return;
    whole_check(dev, off, len);
    if (dev->type->id == VIRTIO_ID_BLK && meets(off, len, BLK_WRITEBACK, BLK_WRITEBACK + 1) &&
        !(dev->status & VIRTIO_S_FEATURES_OK))
        see(dev, LINT_WRITEBACK_EARLY, off);
}

static void balloon_write(struct vdev *dev, uint64_t off, unsigned len, bool old)
{
    if (old && len != 4 && meets(off, len, BALLOON_ACTUAL, BALLOON_ACTUAL + 4))
        see(dev, LINT_ACTUAL_PIECES, off);
    if (!meets(off, len, BALLOON_POISON, BALLOON_POISON + 4))
        return;
    dev->lint->poison = true;
    if (dev->status & VIRTIO_S_DRIVER_OK)
        see(dev, LINT_POISON_CHANGED, off);
}

static void config_write(struct vdev *dev, uint64_t off, unsigned len, bool old)
{
    const uint8_t steps = dev->status & (VIRTIO_S_DRIVER | VIRTIO_S_FEATURES_OK);
    const bool emergency = dev->type->id == VIRTIO_ID_CONSOLE && off == CONSOLE_EMERG;

    if (dev->type->id == VIRTIO_ID_BALLOON)
        balloon_write(dev, off, len, old);
    if (old)
        return;
    lint_other(dev);
    if (dev->type->id == VIRTIO_ID_NET)
        see(dev, LINT_NET_CONFIG, off);
    else if (steps == VIRTIO_S_DRIVER && !emergency) /* 5.3.5.1-d1: its last words at any time */
        see(dev, LINT_CONFIG_EARLY, off);
}

void lint_config(struct vdev *dev, bool write, uint64_t off, unsigned len, bool old)
{
    if (!old)
        lint_width(dev, dev->type->config, off, len);
    if (write)
        config_write(dev, off, len, old);
    else
        config_read(dev, off, len, old);
}
