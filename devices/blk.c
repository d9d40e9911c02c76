// SPDX-License-Identifier: MIT
/*
 * Owns the block device: its configuration, and requests from the queue to the back end and back.
 * Refuses to know where the blocks are kept, and how the driver reaches the device.
 */
#include "devices/blk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "virtio/vq.h"
#include "vmm/base/bits.h"
#include "vmm/base/giov.h"

/* 5.2.3 Feature bits */
enum {
    BLK_F_SEG_MAX = 2,
    BLK_F_RO = 5,
    BLK_F_BLK_SIZE = 6,
    BLK_F_FLUSH = 9,
    BLK_F_CONFIG_WCE = 11,
};

/* 5.2.6 Device operation */
enum {
    BLK_T_IN = 0,
    BLK_T_OUT = 1,
    BLK_T_FLUSH = 4,
    BLK_T_GET_ID = 8,
    BLK_HEADER_BYTES = 16,
};

enum blk_status { BLK_S_OK = 0, BLK_S_IOERR = 1, BLK_S_UNSUPP = 2 };

enum {
    BLK_QUEUE_SIZE = 256,
    BLK_NOT_DATA = 2, /* descriptors of a request that carry no data: header and status */
    BLK_FEW = 8,      /* pieces that a request has room for without asking for memory */
};

struct blk {
    struct blk_backend *be;
    uint64_t capacity; /* sectors */
    uint8_t writeback;
    uint32_t block_size;
    char serial[BLK_SERIAL_MAX];
};

/* Behind every chain. */
struct blk_req {
    struct blk_io io;
    struct vq_chain *chain;
    struct gcur out, in; /* data to read and to write: without header and status */
    struct gcur status;  /* the last byte that the device may write */
    uint32_t type;
    uint64_t sector;
    struct iovec *many; /* instead of few, or NULL */
    struct iovec few[BLK_FEW];
};

static struct vdev *req_dev(const struct blk_req *r)
{
    return r->chain->vq->dev;
}

static struct blk *req_blk(const struct blk_req *r)
{
    return (struct blk *)req_dev(r)->state;
}

/*
 * Give r back. filled: bytes written from the start of its data on. Only a prefix without a gap
 * counts as written (2.7.8.2-d2): behind data that was not filled, not even the status does.
 */
static void req_end(struct blk_req *r, enum blk_status status, uint64_t filled)
{
    const uint8_t byte = (uint8_t)status;
    bool whole = filled == gcur_left(&r->in);
    struct gcur at = r->status;

    free(r->many);
    r->many = NULL;
    gcur_put(&at, &byte, sizeof(byte));
    vq_push(r->chain, (uint32_t)filled + whole);
}

static void io_done(struct blk_io *io, int result)
{
    struct blk_req *r = container_of(io, struct blk_req, io);

    if (result)
        req_end(r, BLK_S_IOERR, 0);
    else
        req_end(r, BLK_S_OK, gcur_left(&r->in) * (io->op == BLK_READ));
}

/* The pieces of data for the host; false: not all of it is RAM, or no memory. */
static bool req_pieces(struct blk_req *r, const struct gcur *data)
{
    uint64_t bytes;
    int n;

    r->io.iov = r->few;
    if (data->n > BLK_FEW)
        r->io.iov = r->many = malloc(data->n * sizeof(struct iovec));
    if (!r->io.iov)
        return false;
    n = gcur_iov(data, gcur_left(data), r->io.iov, data->n, &bytes);
    r->io.n_iov = n < 0 ? 0 : (uint32_t)n;
    return n >= 0;
}

/* May a completed write be lost with the host's power? Not unless the driver has FLUSH (B29), and
 * not in write-through mode (5.2.6.2-d12, d13). */
static bool writes_stable(const struct vdev *dev)
{
    const struct blk *b = (const struct blk *)dev->state;

    return !vdev_has(dev, BLK_F_FLUSH) || (vdev_has(dev, BLK_F_CONFIG_WCE) && !b->writeback);
}

static void req_submit(struct blk_req *r, enum blk_op op)
{
    r->io.op = op;
    r->io.done = io_done;
    blk_submit(req_blk(r)->be, &r->io);
}

static void req_transfer(struct blk_req *r, enum blk_op op, const struct gcur *data,
                         const struct gcur *other)
{
    const struct blk *b = req_blk(r);
    uint64_t len = gcur_left(data);

    /* B01..B05, B17; and what cannot be told in the 32 bits of a used length (D17) */
    if (gcur_left(other) || len % BLK_SECTOR || len >= UINT32_MAX ||
        !range_ok(r->sector, len / BLK_SECTOR, b->capacity) || !req_pieces(r, data)) {
        req_end(r, BLK_S_IOERR, 0);
        return;
    }
    r->io.offset = r->sector * BLK_SECTOR;
    r->io.stable = writes_stable(req_dev(r));
    req_submit(r, op);
}

static void req_in(struct blk_req *r)
{
    req_transfer(r, BLK_READ, &r->in, &r->out);
}

static void req_out(struct blk_req *r)
{
    if (blk_read_only(req_blk(r)->be)) /* 5.2.6.2-d3 */
        req_end(r, BLK_S_IOERR, 0);
    else
        req_transfer(r, BLK_WRITE, &r->out, &r->in);
}

static void req_flush(struct blk_req *r)
{
    r->io.n_iov = 0; /* whatever data it brings (B10) */
    req_submit(r, BLK_FLUSH);
}

static void req_get_id(struct blk_req *r)
{
    uint64_t len = min_u64(gcur_left(&r->in), BLK_SERIAL_MAX);
    struct gcur at = r->in;

    if (gcur_put(&at, req_blk(r)->serial, (size_t)len))
        req_end(r, BLK_S_OK, len);
    else
        req_end(r, BLK_S_IOERR, 0);
}

static const struct blk_request {
    uint32_t type;
    void (*run)(struct blk_req *r);
} blk_requests[] = {
    {BLK_T_IN, req_in},
    {BLK_T_OUT, req_out},
    {BLK_T_FLUSH, req_flush},
    {BLK_T_GET_ID, req_get_id},
};

static void req_run(struct blk_req *r)
{
    for (size_t i = 0; i < ARRAY_SIZE(blk_requests); i++) {
        if (blk_requests[i].type != r->type)
            continue;
        blk_requests[i].run(r);
        return;
    }
    req_end(r, BLK_S_UNSUPP, 0);
}

/* Find header, data and status, however they are cut. false: no status can be given (B14, B16). */
static bool req_frame(struct blk_req *r, struct gcur *header)
{
    r->out = r->chain->out;
    r->status = r->chain->in;
    return gcur_split(&r->out, BLK_HEADER_BYTES, header) && gcur_left(&r->status) &&
           gcur_split(&r->status, gcur_left(&r->status) - 1, &r->in) && gcur_is_ram(&r->status);
}

static void req_take(struct vdev *dev, struct vq_chain *chain)
{
    struct blk_req *r = (struct blk_req *)vq_chain_extra(chain);
    struct gcur header;
    uint32_t reserved;

    r->chain = chain;
    r->many = NULL;
    if (!req_frame(r, &header)) {
        vdev_fail(dev, "5.2.6-d1", "a request without a whole header or a byte for its status");
        vq_forget(chain);
    } else if (!gcur_get32(&header, &r->type) || !gcur_get32(&header, &reserved) ||
               !gcur_get64(&header, &r->sector)) {
        req_end(r, BLK_S_IOERR, 0);
    } else {
        req_run(r);
    }
}

/* ---- device configuration ---- */

static struct blk *config_blk(void *ctx)
{
    return (struct blk *)((struct vdev *)ctx)->state;
}

static uint64_t capacity_read(void *ctx, const struct reg *reg)
{
    (void)reg;
    return config_blk(ctx)->capacity;
}

static uint64_t seg_max_read(void *ctx, const struct reg *reg)
{
    (void)ctx, (void)reg;
    return BLK_QUEUE_SIZE - BLK_NOT_DATA;
}

static uint64_t blk_size_read(void *ctx, const struct reg *reg)
{
    (void)ctx, (void)reg;
    return config_blk(ctx)->block_size;
}

static uint64_t writeback_read(void *ctx, const struct reg *reg)
{
    (void)reg;
    return config_blk(ctx)->writeback;
}

/* Drivers that settle features late may write it before they do (5.2.5.3-l1). */
static void writeback_write(void *ctx, const struct reg *reg, uint64_t value)
{
    struct vdev *dev = (struct vdev *)ctx;
    bool refused = (dev->status & VIRTIO_S_FEATURES_OK) && !vdev_has(dev, BLK_F_CONFIG_WCE);

    (void)reg;
    if (!refused && value <= 1)
        config_blk(ctx)->writeback = (uint8_t)value;
}

/* Fields of features that are not offered read 0. */
static const struct reg config_rows[] = {
    {.off = 0, .size = 8, .name = "capacity", .clause = "5.2.4-d1", .read = capacity_read},
    {.off = 12, .size = 4, .name = "seg_max", .clause = "5.2.4-d1", .read = seg_max_read},
    {.off = 20, .size = 4, .name = "blk_size", .clause = "5.2.4-d1", .read = blk_size_read},
    {.off = 32,
     .size = 1,
     .name = "writeback",
     .clause = "5.2.5-d1",
     .read = writeback_read,
     .write = writeback_write},
};

static const struct regs config_regs = {
    .name = "blk",
    .row = config_rows,
    .n = ARRAY_SIZE(config_rows),
    .size = 60, /* up to and with unused1 */
};

static const struct vfeat_row feature_rows[] = {
    {BLK_F_SEG_MAX, "seg_max", "5.2.3-d1", -1},
    {BLK_F_RO, "ro", "5.2.3-d1", -1},
    {BLK_F_BLK_SIZE, "blk_size", "5.2.3-d1", -1},
    {BLK_F_FLUSH, "flush", "5.2.3-d1", -1},
    {BLK_F_CONFIG_WCE, "config_wce", "5.2.3-d1", -1}, /* without flush: write-through, see accept */
    {0, NULL, NULL, -1},
};

/* ---- the type ---- */

/* Tell the driver of all requests that ended together. */
static void batch_end(void *arg)
{
    struct vdev *dev = (struct vdev *)arg;

    for (unsigned i = 0; i < dev->n_queues; i++)
        vq_publish(&dev->vq[i]);
}

static int blk_fill(struct vdev *dev, const struct blk_conf *conf, struct err *err)
{
    struct blk *b = (struct blk *)dev->state;
    const char *serial = conf->serial ? conf->serial : "";
    size_t len = strlen(serial);

    if (len > sizeof(b->serial))
        return err_set(err, EINVAL, "%s: serial number '%s' has more than %d characters", dev->name,
                       serial, BLK_SERIAL_MAX);
    memcpy(b->serial, serial, len);
    b->be = conf->backend;
    b->block_size = conf->block_size ? conf->block_size : BLK_SECTOR;
    b->capacity = blk_size(b->be) / b->block_size * (b->block_size / BLK_SECTOR);
    b->writeback = 1;
    blk_on_batch(b->be, batch_end, dev);
    if (vdev_queue_add(dev, BLK_QUEUE_SIZE, sizeof(struct blk_req)) < 0)
        return err_errno(err, ENOMEM, "device %s", dev->name);
    return 0;
}

static int blk_open(struct vdev *dev, const void *conf, struct err *err)
{
    const struct blk_conf *c = (const struct blk_conf *)conf;
    int ret = blk_fill(dev, c, err);

    if (ret < 0)
        blk_backend_close(c->backend);
    return ret;
}

static void blk_offer(struct vdev *dev, struct vfeat *f)
{
    const struct blk *b = (const struct blk *)dev->state;

    vfeat_add(f, BLK_F_SEG_MAX);
    vfeat_add(f, BLK_F_BLK_SIZE);
    vfeat_add(f, BLK_F_FLUSH); /* 5.2.5.2-d1, d2 */
    vfeat_add(f, BLK_F_CONFIG_WCE);
    if (blk_read_only(b->be))
        vfeat_add(f, BLK_F_RO);
}

/* 5.2.5.2-d3: a driver that cannot flush begins with write-through. */
static bool blk_accept(struct vdev *dev, const struct vfeat *f)
{
    struct blk *b = (struct blk *)dev->state;

    b->writeback = vfeat_has(f, BLK_F_FLUSH);
    return true;
}

static void blk_kick(struct vdev *dev, struct vq *vq)
{
    const struct blk *b = (const struct blk *)dev->state;

    vq_serve(vq, req_take);
    blk_commit(b->be);
}

static void blk_close(struct vdev *dev)
{
    struct blk *b = (struct blk *)dev->state;

    blk_backend_close(b->be);
}

const struct virtio_type blk_type = {
    .name = "blk",
    .id = VIRTIO_ID_BLK,
    .class_code = 0x018000, /* mass storage, other */
    .state_size = sizeof(struct blk),
    .features = feature_rows,
    .config = &config_regs,
    .open = blk_open,
    .offer = blk_offer,
    .accept = blk_accept,
    .kick = blk_kick,
    .close = blk_close,
};
