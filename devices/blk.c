// SPDX-License-Identifier: MIT
/*
 * Owns the block device's requests, from the queue to the back end and back. Refuses to know where
 * the blocks are kept, and how the driver reaches the device.
 */
#include "devices/blk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/blk-internal.h"
#include "vmm/base/bits.h"

void blk_req_end(struct blk_req *r, enum blk_status status, uint64_t filled)
{
    const uint8_t byte = (uint8_t)status;
    bool whole = filled == gcur_left(&r->in);
    struct gcur at = r->status;

    free(r->memory);
    r->memory = NULL;
    gcur_put(&at, &byte, sizeof(byte));
    vq_push(r->chain, (uint32_t)filled + whole);
}

static void io_done(struct blk_io *io, int result)
{
    struct blk_req *r = container_of(io, struct blk_req, io);

    if (result)
        blk_req_end(r, BLK_S_IOERR, 0);
    else
        blk_req_end(r, BLK_S_OK, gcur_left(&r->in) * (io->op == BLK_READ));
}

/* The pieces of data for the host; false: not all of it is RAM, or no memory. */
static bool req_pieces(struct blk_req *r, const struct gcur *data)
{
    uint64_t bytes;
    int n;

    r->io.iov = r->few;
    if (data->n > BLK_FEW)
        r->io.iov = r->memory = malloc(data->n * sizeof(struct iovec));
    if (!r->io.iov)
        return false;
    n = gcur_iov(data, gcur_left(data), r->io.iov, data->n, &bytes);
    r->io.n_iov = n < 0 ? 0 : (uint32_t)n;
    return n >= 0;
}

/* Not with FLUSH (B29), unless in write-through mode (5.2.6.2-d12, d13). */
bool blk_writes_stable(const struct vdev *dev)
{
    return !vdev_has(dev, BLK_F_FLUSH) ||
           (vdev_has(dev, BLK_F_CONFIG_WCE) && !blk_of(dev)->config[BLK_C_WRITEBACK]);
}

static void req_submit(struct blk_req *r, enum blk_op op)
{
    r->io.op = op;
    r->io.done = io_done;
    blk_submit(blk_req_blk(r)->be, &r->io);
}

static void req_transfer(struct blk_req *r, enum blk_op op, const struct gcur *data,
                         const struct gcur *other)
{
    const struct blk *b = blk_req_blk(r);
    uint64_t len = gcur_left(data);

    /* B01..B05, B17; and what cannot be told in the 32 bits of a used length (D17) */
    if (gcur_left(other) || len % BLK_SECTOR || len >= UINT32_MAX ||
        !range_ok(r->sector, len / BLK_SECTOR, b->config[BLK_C_CAPACITY]) || !req_pieces(r, data)) {
        blk_req_end(r, BLK_S_IOERR, 0);
        return;
    }
    r->io.offset = r->sector * BLK_SECTOR;
    r->io.stable = blk_writes_stable(blk_req_dev(r));
    req_submit(r, op);
}

static void req_in(struct blk_req *r)
{
    req_transfer(r, BLK_READ, &r->in, &r->out);
}

static void req_out(struct blk_req *r)
{
    if (blk_read_only(blk_req_blk(r)->be)) /* 5.2.6.2-d3 */
        blk_req_end(r, BLK_S_IOERR, 0);
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

    if (gcur_put(&at, blk_req_blk(r)->serial, (size_t)len))
        blk_req_end(r, BLK_S_OK, len);
    else
        blk_req_end(r, BLK_S_IOERR, 0);
}

/*
 * GET_LIFETIME and SECURE_ERASE are not here: a file, and a disk seen through one, has no wear to
 * tell of (5.2.6.2-d17), and nothing on the host can promise that no copy of the data is left.
 */
static const struct blk_request {
    uint32_t type;
    int8_t needs; /* a feature, or -1 (B22) */
    void (*run)(struct blk_req *r);
} blk_requests[] = {
    {BLK_T_IN, -1, req_in},
    {BLK_T_OUT, -1, req_out},
    {BLK_T_FLUSH, -1, req_flush},
    {BLK_T_GET_ID, -1, req_get_id},
    {BLK_T_DISCARD, BLK_F_DISCARD, blk_req_discard},
    {BLK_T_WRITE_ZEROES, BLK_F_WRITE_ZEROES, blk_req_zero},
};

static void req_run(struct blk_req *r)
{
    if (blk_req_dev(r)->lint)
        blk_lint_request(r);
    for (size_t i = 0; i < ARRAY_SIZE(blk_requests); i++) {
        const struct blk_request *row = &blk_requests[i];

        if (row->type != r->type)
            continue;
        if (row->needs >= 0 && !vdev_has(blk_req_dev(r), (unsigned)row->needs))
            break;
        row->run(r);
        return;
    }
    blk_req_end(r, BLK_S_UNSUPP, 0);
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
    r->memory = NULL;
    if (!req_frame(r, &header)) {
        vdev_fail(dev, "5.2.6-d1", "a request without a whole header or a byte for its status");
        vq_forget(chain);
    } else if (!gcur_get32(&header, &r->type) || !gcur_get32(&header, &reserved) ||
               !gcur_get64(&header, &r->sector)) {
        blk_req_end(r, BLK_S_IOERR, 0);
    } else {
        req_run(r);
    }
}

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
    struct blk *b = blk_of(dev);
    const char *serial = conf->serial ? conf->serial : "";
    size_t len = strlen(serial);

    if (len > sizeof(b->serial))
        return err_set(err, EINVAL, "%s: serial number '%s' has more than %d characters", dev->name,
                       serial, BLK_SERIAL_MAX);
    memcpy(b->serial, serial, len);
    b->be = conf->backend;
    blk_on_batch(b->be, batch_end, dev);
    for (unsigned i = 0; i < (conf->queues ? conf->queues : 1); i++)
        if (vdev_queue_add(dev, BLK_QUEUE_SIZE, sizeof(struct blk_req)) < 0)
            return err_errno(err, ENOMEM, "device %s", dev->name);
    return blk_config_fill(dev, conf, err);
}

static int blk_open(struct vdev *dev, const void *conf, struct err *err)
{
    const struct blk_conf *c = (const struct blk_conf *)conf;
    int ret = blk_fill(dev, c, err);

    if (ret < 0)
        blk_backend_close(c->backend);
    return ret;
}

/* 5.2.5.2-d3: a driver that cannot flush begins with write-through. */
static bool blk_accept(struct vdev *dev, const struct vfeat *f)
{
    blk_of(dev)->config[BLK_C_WRITEBACK] = vfeat_has(f, BLK_F_FLUSH);
    return true;
}

static void blk_kick(struct vdev *dev, struct vq *vq)
{
    vq_serve(vq, req_take);
    blk_commit(blk_of(dev)->be);
}

static bool io_is_of(const struct blk_io *io, const void *vq)
{
    return container_of(io, const struct blk_req, io)->chain->vq == vq;
}

/* A reset need not wait for the rest of what takes long, and what is held would never end. */
static void blk_stop(struct vdev *dev, struct vq *only)
{
    if (only)
        blk_cancel_held(blk_of(dev)->be, io_is_of, only);
    else
        blk_cancel(blk_of(dev)->be);
}

static void blk_close(struct vdev *dev)
{
    blk_backend_close(blk_of(dev)->be);
}

struct blk_backend *blk_backend_of(const struct vdev *dev)
{
    return blk_of(dev)->be;
}

int blk_resize(struct vdev *dev, struct err *err)
{
    int ret = blk_backend_resize(blk_of(dev)->be, err);

    if (!ret && blk_config_capacity(dev))
        vdev_config_changed(dev); /* 5.2.6.2-d2 */
    return ret;
}

int blk_grow(struct vdev *dev, uint64_t size, struct err *err)
{
    const int ret = blk_backend_grow(blk_of(dev)->be, size, err);

    return ret < 0 ? ret : blk_resize(dev, err);
}

const struct virtio_type blk_type = {
    .name = "blk",
    .id = VIRTIO_ID_BLK,
    .class_code = 0x018000, /* mass storage, other */
    .state_size = sizeof(struct blk),
    .features = blk_features,
    .ties = blk_ties,
    .config = &blk_config,
    .open = blk_open,
    .offer = blk_offer,
    .accept = blk_accept,
    .kick = blk_kick,
    .stop = blk_stop,
    .close = blk_close,
};
