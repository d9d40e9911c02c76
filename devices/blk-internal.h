/* SPDX-License-Identifier: MIT */
/* Inside the block device: its state, and what its files do for each other. */
#ifndef DEVICES_BLK_INTERNAL_H
#define DEVICES_BLK_INTERNAL_H

#include "devices/blk.h"
#include "virtio/vq.h"
#include "vmm/base/giov.h"

/* 5.2.3 Feature bits */
enum {
    BLK_F_SEG_MAX = 2,
    BLK_F_RO = 5,
    BLK_F_BLK_SIZE = 6,
    BLK_F_FLUSH = 9,
    BLK_F_TOPOLOGY = 10,
    BLK_F_CONFIG_WCE = 11,
    BLK_F_MQ = 12,
    BLK_F_DISCARD = 13,
    BLK_F_WRITE_ZEROES = 14,
};

/* 5.2.4 Device configuration layout */
enum {
    BLK_C_CAPACITY = 0,
    BLK_C_SEG_MAX = 12,
    BLK_C_BLK_SIZE = 20,
    BLK_C_PHYSICAL_EXP = 24,
    BLK_C_ALIGN_OFFSET = 25,
    BLK_C_MIN_IO = 26,
    BLK_C_OPT_IO = 28,
    BLK_C_WRITEBACK = 32,
    BLK_C_NUM_QUEUES = 34,
    BLK_C_DISCARD_SECTORS = 36,
    BLK_C_DISCARD_SEG = 40,
    BLK_C_DISCARD_ALIGN = 44,
    BLK_C_ZEROES_SECTORS = 48,
    BLK_C_ZEROES_SEG = 52,
    BLK_C_ZEROES_UNMAP = 56,
    BLK_C_SIZE = 60, /* up to and with unused1 */
};

/* 5.2.6 Device operation */
enum {
    BLK_T_IN = 0,
    BLK_T_OUT = 1,
    BLK_T_FLUSH = 4,
    BLK_T_GET_ID = 8,
    BLK_T_DISCARD = 11,
    BLK_T_WRITE_ZEROES = 13,
    BLK_HEADER_BYTES = 16,
};

enum blk_status { BLK_S_OK = 0, BLK_S_IOERR = 1, BLK_S_UNSUPP = 2 };

enum {
    BLK_QUEUE_SIZE = 256,
    BLK_NOT_DATA = 2, /* descriptors of a request that carry no data: header and status */
    BLK_FEW = 8,      /* pieces that a request has room for without asking for memory */
    BLK_RANGES = 16,  /* of a discard or a write-zeroes request */
    BLK_RANGE_SECTORS = 1 << 21,
    BLK_RANGE_BYTES = 16,
    BLK_RANGE_UNMAP = 1,
};

struct blk {
    struct blk_backend *be;
    uint64_t config[BLK_C_SIZE]; /* the fields' values, by offset */
    char serial[BLK_SERIAL_MAX];
};

/* Part of a discard or a write-zeroes request. */
struct blk_range {
    uint64_t sector;
    uint32_t sectors, flags;
};

/* Behind every chain. */
struct blk_req {
    struct blk_io io;
    struct vq_chain *chain;
    struct gcur out, in; /* data to read and to write: without header and status */
    struct gcur status;  /* the last byte that the device may write */
    uint32_t type;
    uint64_t sector;
    struct blk_range *range; /* the next one */
    unsigned ranges;         /* from that one on */
    void *memory;            /* freed at the end, or NULL */
    struct iovec few[BLK_FEW];
};

static inline struct blk *blk_of(const struct vdev *dev)
{
    return (struct blk *)dev->state;
}

static inline struct vdev *blk_req_dev(const struct blk_req *r)
{
    return r->chain->vq->dev;
}

static inline struct blk *blk_req_blk(const struct blk_req *r)
{
    return blk_of(blk_req_dev(r));
}

/*
 * blk.c. Give r back. filled: bytes written from the start of its data on. Only a prefix without a
 * gap counts as written (2.7.8.2-d2): behind data that was not filled, not even the status does.
 */
void blk_req_end(struct blk_req *r, enum blk_status status, uint64_t filled);
/* May a completed write be lost with the host's power? */
bool blk_writes_stable(const struct vdev *dev);

/* blk-lint.c: rules that a request, or a range of one, breaks. Only while the device is watched. */
void blk_lint_request(const struct blk_req *r);
void blk_lint_range(const struct blk_req *r, const struct blk_range *range);

/* blk-range.c: DISCARD and WRITE_ZEROES. */
void blk_req_discard(struct blk_req *r);
void blk_req_zero(struct blk_req *r);

/* blk-config.c */
extern const struct vfeat_row blk_features[];
extern const struct vfeat_tie blk_ties[];
extern const struct regs blk_config;
/* Fill the configuration, the back end and the queues are there. 0 or -EINVAL with err filled. */
int blk_config_fill(struct vdev *dev, const struct blk_conf *conf, struct err *err);
void blk_offer(struct vdev *dev, struct vfeat *f);
/* Set the capacity to the back end's size. Has it changed? */
bool blk_config_capacity(struct vdev *dev);

#endif
