// SPDX-License-Identifier: MIT
/*
 * Owns the devices that are measured and one batch of requests. Refuses to know time.
 */
#include "tests/bench/rig.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/blk.h"
#include "virtio/interfaces.h"
#include "vmm/base/bits.h"

enum { NULL_HEADER = 16, NULL_QUEUE_SIZE = 256, DISK_BYTES = 16 << 20 };

/* ---- a device that gives back at once ---- */

static int null_type_open(struct vdev *dev, const void *conf, struct err *err)
{
    const unsigned n = *(const unsigned *)conf;

    for (unsigned i = 0; i < n; i++)
        if (vdev_queue_add(dev, NULL_QUEUE_SIZE, 0) < 0)
            return err_errno(err, ENOMEM, "queues");
    return 0;
}

static void null_type_offer(struct vdev *dev, struct vfeat *f)
{
    (void)dev, (void)f;
}

static void null_take(struct vdev *dev, struct vq_chain *chain)
{
    const uint8_t ok = 0;
    uint8_t header[NULL_HEADER];
    struct gcur data;

    (void)dev;
    if (!gcur_get(&chain->out, header, sizeof(header)) ||
        !gcur_split(&chain->in, LEAN_BYTES, &data) || !gcur_put(&chain->in, &ok, sizeof(ok))) {
        vq_drop(chain);
        return;
    }
    vq_push(chain, LEAN_BYTES + 1);
}

static void null_type_kick(struct vdev *dev, struct vq *vq)
{
    (void)dev;
    vq_serve(vq, null_take);
}

static void null_type_close(struct vdev *dev)
{
    (void)dev;
}

static const struct virtio_type null_type = {
    .name = "null",
    .id = VIRTIO_ID_9P, /* one that every interface can have */
    .class_code = 0xff0000,
    .open = null_type_open,
    .offer = null_type_offer,
    .kick = null_type_kick,
    .close = null_type_close,
};

/* ---- a back end that moves nothing ---- */

static void null_end(void *arg)
{
    struct rig_null *null = (struct rig_null *)arg;
    struct blk_list list = null->list;
    struct blk_io *io;

    null->list.head = NULL;
    while ((io = blk_list_take(&list)))
        blk_stepped(null->be, io, (int64_t)io->step.bytes);
    blk_batch_end(null->be);
}

static int null_open(struct blk_backend *be, struct err *err)
{
    struct rig_null *null = (struct rig_null *)calloc(1, sizeof(*null));

    if (!null)
        return err_errno(err, ENOMEM, "null engine");
    null->be = be;
    null->work = (struct loop_work){.fn = null_end, .arg = null};
    be->engine_state = null;
    return 0;
}

static void null_close(struct blk_backend *be)
{
    free(be->engine_state);
}

static void null_submit(struct blk_backend *be, struct blk_io *io)
{
    blk_list_add(&((struct rig_null *)be->engine_state)->list, io);
}

static void null_commit(struct blk_backend *be)
{
    struct rig_null *null = (struct rig_null *)be->engine_state;

    if (null->post && null->list.head)
        loop_post(be->loop, &null->work);
}

static const struct blk_engine null_engine = {
    .name = "null",
    .open = null_open,
    .close = null_close,
    .submit = null_submit,
    .commit = null_commit,
};

static struct blk_backend *null_backend(struct rig *r)
{
    char path[] = "/tmp/bench-native-XXXXXX";
    const int fd = mkstemp(path);
    struct blk_backend *be = NULL;
    struct err err = {{0}};

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, DISK_BYTES), 0);
    close(fd);
    if (blk_backend_open(&(struct blk_open){.path = path, .engine = &null_engine}, r->loop, &be,
                         &err) < 0)
        fail_msg("%s", err.text);
    unlink(path);
    ((struct rig_null *)be->engine_state)->post = r->conf.events;
    return be;
}

/* ---- making ---- */

static void device_make(struct rig *r, struct rig_dev *rd)
{
    const struct virtio_type *type = r->conf.blk ? &blk_type : &null_type;
    const struct vinterfaces *ifs;
    struct blk_conf blk = {0};
    struct err err = {{0}};
    const void *conf = &r->conf.queues;

    if (r->conf.blk) {
        rd->be = blk.backend = null_backend(r);
        conf = &blk;
    }
    ifs = interfaces_find(r->conf.way->interfaces, type, &err);
    if (!ifs)
        fail_msg("%s", err.text);
    rd->dev = vdev_new(type, "bench", r->loop, &r->m->mem, conf, &err);
    if (!rd->dev)
        fail_msg("%s", err.text);
    rd->vp = vpci_new(r->m->root, r->m->irqs, rd->dev, ifs, -1, &err);
    if (!rd->vp)
        fail_msg("%s", err.text);
}

/* Device i of n has the nth part of what memory there is for rings and for data. */
static void memory_share(struct drv *d, unsigned i, unsigned n)
{
    const uint64_t rings = (d->ring_end - d->ring_next) / n & ~UINT64_C(4095);
    const uint64_t data = (d->data_end - d->data_next) / n & ~UINT64_C(4095);

    d->ring_next += i * rings;
    d->ring_end = d->ring_next + rings;
    d->data_next += i * data;
    d->data_end = d->data_next + data;
}

static void driver_make(struct rig *r, struct rig_dev *rd, unsigned i)
{
    const uint8_t *cfg = rd->vp->func.cfg;

    rd->d = (struct drv){
        .m = r->m, .ops = r->conf.way->ops, .ring = r->conf.way->ring, .use_msix = true};
    assert_true(gfunc_find(&rd->d.func, r->m, false, le16_load(cfg + PCI_VENDOR_ID),
                           le16_load(cfg + PCI_DEVICE_ID), i));
    drv_probe(&rd->d);
    memory_share(&rd->d, i, r->conf.devices);
    drv_init(&rd->d, ~BIT64(24)); /* a bit of virtio 0.9 that overrules what drivers say (6.3-l2) */
}

static bool queues_make(struct rig *r, struct rig_dev *rd)
{
    for (unsigned i = 0; i < r->conf.queues; i++) {
        struct lean *l = &rd->lean[i];

        if (!lean_make(l, &rd->d.q[i], r->conf.depth, r->conf.way->indirect))
            return false;
        l->interrupts = r->conf.events;
        rd->d.q[i].ops->interrupts(&rd->d.q[i], r->conf.events);
    }
    return true;
}

struct rig *rig_new(const struct rig_conf *conf)
{
    struct rig *r = (struct rig *)calloc(1, sizeof(*r));
    bool fits = true;

    assert_non_null(r);
    r->conf = *conf;
    r->m = machine_new(false);
    r->loop = machine_loop(r->m, "bench");
    for (unsigned i = 0; i < conf->devices; i++)
        device_make(r, &r->dev[i]);
    machine_start(r->m);
    for (unsigned i = 0; i < conf->devices && fits; i++) {
        driver_make(r, &r->dev[i], i);
        fits = queues_make(r, &r->dev[i]);
    }
    machine_settle(r->m);
    if (fits)
        return r;
    rig_free(r);
    return NULL;
}

void rig_free(struct rig *r)
{
    if (!r)
        return;
    for (unsigned i = 0; i < r->conf.devices; i++) {
        if (r->dev[i].d.ops)
            drv_reset(&r->dev[i].d);
        drv_done(&r->dev[i].d);
    }
    machine_stop(r->m);
    for (unsigned i = 0; i < r->conf.devices; i++)
        vpci_free(r->dev[i].vp);
    r->m->fds = r->m->tasks = INT_MAX; /* others come and go meanwhile: no leak can be told */
    machine_free(r->m);
    free(r);
}

/* ---- a batch ---- */

static struct rig_dev *turn_next(struct rig *r, unsigned *queue)
{
    const unsigned at = r->turn;

    r->turn = at + 1 == r->conf.devices * r->conf.queues ? 0 : at + 1;
    *queue = at / r->conf.devices;
    return &r->dev[at % r->conf.devices];
}

static void batch_called(struct rig *r, struct rig_dev *rd, unsigned queue)
{
    loop_lock(r->loop);
    vdev_kick(rd->dev, queue);
    if (rd->be)
        null_end(rd->be->engine_state);
    loop_unlock(r->loop);
}

void rig_batch(struct rig *r)
{
    unsigned queue, done = 0;
    struct rig_dev *rd = turn_next(r, &queue);
    struct lean *l = &rd->lean[queue];

    lean_put(l, r->conf.depth);
    if (!r->conf.events) {
        batch_called(r, rd, queue);
        done = lean_take(l);
    } else {
        rd->d.ops->kick(&rd->d, queue);
        for (; done < r->conf.depth; done += lean_take(l))
            loop_turn(r->loop, 0);
    }
    if (done != r->conf.depth)
        fail_msg("%u of %u requests came back", done, r->conf.depth);
}

void rig_batch_driver(struct rig *r)
{
    unsigned queue;
    struct lean *l = &turn_next(r, &queue)->lean[queue];

    lean_put(l, r->conf.depth);
    lean_pretend(l, r->conf.depth);
    if (lean_take(l) != r->conf.depth)
        fail_msg("the pretended device does not work");
}

void rig_check(struct rig *r)
{
    for (unsigned i = 0; i < r->conf.devices; i++)
        for (unsigned k = 0; k < r->conf.queues; k++)
            if (!lean_ended_well(&r->dev[i].lean[k], r->conf.depth))
                fail_msg("a request came back without a good status");
}
