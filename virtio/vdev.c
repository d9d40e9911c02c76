// SPDX-License-Identifier: MIT
/*
 * Owns the status and feature state machine, reset and failure, once for all device types.
 * Refuses to know what a device does and how its driver reaches it.
 */
#include "virtio/vdev.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "virtio/fault.h"
#include "virtio/lint.h"
#include "virtio/vq.h"
#include "vmm/base/bits.h"
#include "vmm/base/trace.h"

enum {
    /* What a driver may write; the other bits are masked (T08). */
    STATUS_DRIVER_BITS = VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER | VIRTIO_S_DRIVER_OK |
                         VIRTIO_S_FEATURES_OK | VIRTIO_S_FAILED,
};

const struct vfeat_row vdev_reserved[] = {
    {VIRTIO_F_INDIRECT_DESC, "indirect_desc", "2.7.5.3", -1},
    {VIRTIO_F_EVENT_IDX, "event_idx", "2.7.10", -1},
    {VIRTIO_F_VERSION_1, "version_1", "6.2-d1", -1},
    {VIRTIO_F_RING_PACKED, "ring_packed", "2.8-d1", VIRTIO_F_VERSION_1},
    {VIRTIO_F_IN_ORDER, "in_order", "6.2-d5", VIRTIO_F_VERSION_1},
    {VIRTIO_F_NOTIFICATION_DATA, "notification_data", "2.9-d2", VIRTIO_F_VERSION_1},
    {VIRTIO_F_NOTIF_CONFIG_DATA, "notif_config_data", "2.9-d1", VIRTIO_F_VERSION_1},
    {VIRTIO_F_RING_RESET, "ring_reset", "2.6.1", VIRTIO_F_VERSION_1},
    {0, NULL, NULL, -1},
};

/* Not offered unless asked for: held back completions and wider doorbells cost more than they give
 * to a driver that takes them only because they are there. */
static const uint8_t on_request[] = {VIRTIO_F_IN_ORDER, VIRTIO_F_NOTIFICATION_DATA,
                                     VIRTIO_F_NOTIF_CONFIG_DATA};

/* ---- making and freeing ---- */

int vdev_queue_add(struct vdev *dev, uint16_t max, size_t extra)
{
    struct vq *more = realloc(dev->vq, (dev->n_queues + 1) * sizeof(*more));

    if (!more)
        return -ENOMEM;
    dev->vq = more;
    more[dev->n_queues] =
        (struct vq){.dev = dev, .index = (uint16_t)dev->n_queues, .max = max, .extra = extra};
    vq_defaults(&more[dev->n_queues]);
    dev->n_queues++;
    return 0;
}

/* Work of the loop: look at one queue. Spurious runs are harmless. */
static void queue_look(void *arg)
{
    struct vq *vq = (struct vq *)arg;

    if (vdev_runs(vq->dev) && vq_live(vq))
        vq->dev->type->kick(vq->dev, vq);
}

/* Keep back what is to be asked for; what the type took away cannot be. */
static void requests_settle(struct vdev *dev)
{
    for (unsigned i = 0; i < ARRAY_SIZE(on_request); i++) {
        if (vfeat_has(&dev->offered, on_request[i]))
            vfeat_add(&dev->on_request, on_request[i]);
        vfeat_del(&dev->offered, on_request[i]);
    }
}

struct vdev *vdev_new(const struct virtio_type *type, const char *name, struct loop *loop,
                      const struct gmem *mem, const void *conf, struct err *err)
{
    struct vdev *dev = calloc(1, sizeof(*dev));
    int ret = -ENOMEM;

    if (!dev || !(dev->state = calloc(1, type->state_size ? type->state_size : 1))) {
        err_errno(err, ENOMEM, "device %s", name);
        free(dev);
        return NULL;
    }
    dev->type = type;
    dev->name = name;
    dev->trace = trace_source(name);
    dev->loop = loop;
    dev->mem = mem;
    dev->dma_off = true; /* until the bus says otherwise */
    dev->class_code = type->class_code;
    loop_lock(loop);
    ret = type->open(dev, conf, err);
    if (ret == 0) {
        for (unsigned i = 0; i < dev->n_queues; i++)
            dev->vq[i].again = (struct loop_work){.fn = queue_look, .arg = &dev->vq[i]};
        for (const struct vfeat_row *row = vdev_reserved; row->name; row++)
            vfeat_add(&dev->offered, row->bit);
        type->offer(dev, &dev->offered);
        requests_settle(dev);
    }
    loop_unlock(loop);
    if (ret < 0) {
        free(dev->vq);
        free(dev->state);
        free(dev);
        return NULL;
    }
    return dev;
}

void vdev_free(struct vdev *dev)
{
    if (!dev)
        return;
    dev->type->close(dev);
    fault_free(dev);
    lint_free(dev);
    for (unsigned i = 0; i < dev->n_queues; i++) {
        loop_cancel(dev->loop, &dev->vq[i].again);
        vq_done(&dev->vq[i]);
    }
    free(dev->vq);
    free(dev->state);
    free(dev);
}

void vdev_rewire(struct vdev *dev)
{
    if (dev->started && dev->type->rewire)
        dev->type->rewire(dev);
}

/* ---- features ---- */

/* Does f hold a bit without the one that it needs? Its row. */
static const struct vfeat_row *feature_alone(const struct vfeat_row *row, const struct vfeat *f)
{
    for (; row && row->name; row++)
        if (row->needs >= 0 && vfeat_has(f, row->bit) && !vfeat_has(f, (unsigned)row->needs))
            return row;
    return NULL;
}

void vdev_ask(struct vdev *dev, const struct vfeat *f)
{
    for (unsigned i = 0; i < VDEV_FEATURE_WORDS; i++)
        dev->offered.word[i] |= f->word[i] & dev->on_request.word[i];
}

/* Does f hold a bit without any of those that it is tied to? */
static const struct vfeat_tie *feature_untied(const struct vfeat_tie *tie, const struct vfeat *f)
{
    for (; tie && tie->clause; tie++)
        if (vfeat_has(f, tie->bit) && !vfeat_has(f, tie->either[0]) &&
            !vfeat_has(f, tie->either[1]))
            return tie;
    return NULL;
}

void vdev_withhold(struct vdev *dev, const struct vfeat *f)
{
    const struct vfeat_row *row;
    const struct vfeat_tie *tie;

    for (unsigned i = 0; i < VDEV_FEATURE_WORDS; i++) {
        dev->offered.word[i] &= ~f->word[i];
        dev->withheld.word[i] |= f->word[i];
    }
    vfeat_add(&dev->offered, VIRTIO_F_VERSION_1); /* 6.2-d1 */
    vfeat_del(&dev->withheld, VIRTIO_F_VERSION_1);
    do {
        row = feature_alone(dev->type->features, &dev->offered);
        tie = row ? NULL : feature_untied(dev->type->ties, &dev->offered);
        if (row || tie)
            vfeat_del(&dev->offered, row ? row->bit : tie->bit);
    } while (row || tie);
}

static const struct vfeat_row *feature_row(const struct vfeat_row *row, unsigned bit)
{
    for (; row && row->name; row++)
        if (row->bit == bit)
            return row;
    return NULL;
}

const char *vdev_feature_name(const struct vdev *dev, unsigned bit, char buf[16])
{
    const struct vfeat_row *row = feature_row(vdev_reserved, bit);

    if (!row)
        row = feature_row(dev->type->features, bit);
    if (row)
        return row->name;
    snprintf(buf, 16, "bit %u", bit);
    return buf;
}

uint32_t vdev_offered_word(const struct vdev *dev, uint32_t select)
{
    return select < VDEV_FEATURE_WORDS ? dev->offered.word[select] : 0;
}

uint32_t vdev_driver_word(const struct vdev *dev, uint32_t select)
{
    return select < VDEV_FEATURE_WORDS ? dev->driver.word[select] & dev->offered.word[select] : 0;
}

void vdev_driver_word_set(struct vdev *dev, uint32_t select, uint32_t bits)
{
    if (select >= VDEV_FEATURE_WORDS || dev->resetting || (dev->status & VIRTIO_S_FEATURES_OK))
        return;
    dev->driver.word[select] = bits;
}

static bool features_fit(struct vdev *dev, const struct vfeat *f)
{
    const struct vfeat_row *row = feature_alone(dev->type->features, f);
    char a[16], b[16];

    for (unsigned i = 0; i < VDEV_FEATURE_WORDS; i++)
        if (f->word[i] & ~dev->offered.word[i])
            return false;
    if (!row)
        row = feature_alone(vdev_reserved, f);
    if (!row)
        return true;
    lint_see(dev, LINT_FEATURE_ALONE, row->bit);
    log_limited(&dev->log, LOG_INFO, "%s: driver accepted %s without %s (%s)", dev->name,
                vdev_feature_name(dev, row->bit, a),
                vdev_feature_name(dev, (unsigned)row->needs, b), row->clause);
    return false;
}

static bool features_tell(const struct vdev *dev, const struct vfeat *f, bool granted)
{
    TRACE(FEATURES, dev->trace, TRACE_NO_QUEUE, (uint64_t)f->word[1] << 32 | f->word[0],
          (uint64_t)f->word[3] << 32 | f->word[2], granted);
    return granted;
}

bool vdev_negotiate(struct vdev *dev)
{
    const struct vfeat f = dev->driver;

    if (!features_fit(dev, &f) || (dev->type->accept && !dev->type->accept(dev, &f)))
        return features_tell(dev, &f, false);
    dev->accepted = f;
    return features_tell(dev, &f, true);
}

/* ---- status ---- */

const struct vdev_status vdev_status[] = {
    {VIRTIO_S_ACKNOWLEDGE, "ACKNOWLEDGE"},
    {VIRTIO_S_DRIVER, "DRIVER"},
    {VIRTIO_S_FEATURES_OK, "FEATURES_OK"},
    {VIRTIO_S_DRIVER_OK, "DRIVER_OK"},
    {VIRTIO_S_NEEDS_RESET, "NEEDS_RESET"},
    {VIRTIO_S_FAILED, "FAILED"},
    {0, NULL},
};

static void status_set(struct vdev *dev, uint8_t status)
{
    if (status != dev->status)
        TRACE(STATUS, dev->trace, TRACE_NO_QUEUE, dev->status, status);
    dev->status = status;
}

static void device_stop(struct vdev *dev)
{
    dev->started = false;
    if (dev->type->stop)
        dev->type->stop(dev, NULL);
}

/* Buffers may have been made available while nobody looked. */
static void queues_look_soon(struct vdev *dev)
{
    for (unsigned i = 0; i < dev->n_queues; i++)
        if (vq_live(&dev->vq[i]))
            loop_post(dev->loop, &dev->vq[i].again);
}

/* For those who watch: what the driver settled for, by name. */
static void accepted_tell(struct vdev *dev)
{
    char text[400], name[16];
    size_t n = 0;

    text[0] = '\0';
    for (unsigned bit = 0; bit < VDEV_FEATURE_BITS && n < sizeof(text); bit++)
        if (vfeat_has(&dev->accepted, bit))
            n += (size_t)snprintf(text + n, sizeof(text) - n, " %s",
                                  vdev_feature_name(dev, bit, name));
    log_limited(&dev->log, LOG_INFO, "%s: driver ready, features:%s", dev->name, text);
}

void vdev_start(struct vdev *dev)
{
    int ret;

    if (dev->started || dev->broken || dev->resetting)
        return;
    dev->started = true;
    ret = dev->type->start ? dev->type->start(dev) : 0;
    if (ret < 0) {
        vdev_fail(dev, "2.1.2-d3", "cannot start: error %d", -ret);
        return;
    }
    accepted_tell(dev);
    queues_look_soon(dev);
    if (dev->config_owed && dev->up.config_interrupt)
        dev->up.config_interrupt(dev);
    dev->config_owed = false;
}

void vdev_status_add(struct vdev *dev, uint8_t bits)
{
    status_set(dev, dev->status | bits);
    if (dev->status & VIRTIO_S_FAILED)
        device_stop(dev);
    else if (bits & VIRTIO_S_DRIVER_OK)
        vdev_start(dev);
}

/* FEATURES_OK was written. */
static bool features_granted(struct vdev *dev)
{
    if (FAULTY(dev) && fault_refuses(dev))
        return features_tell(dev, &dev->driver, false);
    return vfeat_has(&dev->driver, VIRTIO_F_VERSION_1) && vdev_negotiate(dev);
}

void vdev_status_write(struct vdev *dev, uint8_t value)
{
    unsigned set;

    if (!value) {
        vdev_reset(dev);
        return;
    }
    value &= STATUS_DRIVER_BITS;
    if (dev->resetting || (dev->status & STATUS_DRIVER_BITS & ~value))
        return; /* bits go only by reset (2.1.1-t2; T02) */
    set = value & ~dev->status;
    if ((set & VIRTIO_S_FEATURES_OK) && !features_granted(dev))
        set &= ~(unsigned)VIRTIO_S_FEATURES_OK; /* 2.2.2-d3, 6.2-d2 */
    if ((set & VIRTIO_S_DRIVER_OK) && !((dev->status | set) & VIRTIO_S_FEATURES_OK))
        set &= ~(unsigned)VIRTIO_S_DRIVER_OK; /* T01 */
    vdev_status_add(dev, (uint8_t)set);
}

void vdev_fail(struct vdev *dev, const char *clause, const char *fmt, ...)
{
    va_list ap;
    char why[256];

    if (dev->broken)
        return;
    dev->broken = true;
    va_start(ap, fmt);
    vsnprintf(why, sizeof(why), fmt, ap);
    va_end(ap);
    if (dev->lint)
        lint_failed(dev, clause);
    log_limited(&dev->log, LOG_WARN, "%s: %s (%s); device stopped until its driver resets it",
                dev->name, why, clause);
    if (trace_on(TRACE_BASE))
        trace_emit_bytes(TRACE_FAIL, dev->trace, TRACE_NO_QUEUE, NULL, 0, why, strlen(why));
    status_set(dev, dev->status | VIRTIO_S_NEEDS_RESET);
    vdev_rewire(dev);
    if ((dev->status & VIRTIO_S_DRIVER_OK) && dev->up.failed)
        dev->up.failed(dev);
}

void vdev_config_changed(struct vdev *dev)
{
    const bool seen = dev->config_seen;

    if (seen)
        dev->generation++; /* what nobody read needs no new number: no full turn unnoticed (C08) */
    dev->config_seen = false;
    TRACE(CONFIG, dev->trace, TRACE_NO_QUEUE, dev->generation);
    if (dev->started && !dev->broken && dev->up.config_interrupt)
        dev->up.config_interrupt(dev);
    dev->config_owed |= seen && !dev->started;
}

/* ---- reset ---- */

static void reset_end(struct vdev *dev)
{
    for (unsigned i = 0; i < dev->n_queues; i++) {
        loop_cancel(dev->loop, &dev->vq[i].again);
        vq_defaults(&dev->vq[i]);
    }
    dev->driver = (struct vfeat){{0}};
    dev->accepted = (struct vfeat){{0}};
    dev->order = ORDER_LITTLE;
    dev->layer = NULL;
    dev->on_empty = false;
    dev->config_owed = false;
    status_set(dev, 0);
    dev->broken = false;
    dev->resetting = false;
    TRACE(RESET_DONE, dev->trace, TRACE_NO_QUEUE);
    if (dev->up.reset_done)
        dev->up.reset_done(dev);
    loop_wake(dev->loop);
}

void vdev_reset(struct vdev *dev)
{
    if (dev->resetting)
        return;
    dev->resetting = true;
    TRACE(RESET, dev->trace, TRACE_NO_QUEUE, dev->in_flight);
    dev->in_flight++; /* ours: chains retired below must not end the reset too early */
    device_stop(dev);
    for (unsigned i = 0; i < dev->n_queues; i++)
        vq_disable(&dev->vq[i]);
    dev->in_flight--;
    if (!dev->in_flight)
        reset_end(dev);
}

void vdev_retired(struct vdev *dev)
{
    if (dev->resetting && !dev->in_flight)
        reset_end(dev);
}

void vdev_queue_reset(struct vdev *dev, unsigned index)
{
    struct vq *vq = &dev->vq[index];

    vq->draining = true; /* nothing is fetched from here on */
    if (dev->started && dev->type->stop)
        dev->type->stop(dev, vq);
    vq_disable(vq);
}

/* ---- doorbells and the bus ---- */

void vdev_kick(struct vdev *dev, unsigned index)
{
    if (index >= dev->n_queues)
        return;
    dev->vq[index].stats.kicks++;
    TRACE(KICK, dev->trace, (uint16_t)index);
    if (dev->lint)
        lint_kick(dev, index);
    queue_look(&dev->vq[index]);
}

void vdev_dma_allow(struct vdev *dev, bool allow)
{
    if (dev->dma_off == !allow)
        return;
    dev->dma_off = !allow;
    vdev_rewire(dev);
    if (!allow)
        return;
    for (unsigned i = 0; i < dev->n_queues; i++)
        vq_catch_up(&dev->vq[i]);
    queues_look_soon(dev); /* kicks that came meanwhile (P19) */
}
