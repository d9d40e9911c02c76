// SPDX-License-Identifier: MIT
/*
 * Owns what lint knows of queues before and around their rings: settings, enable and reset
 * (4.1.4.3.2, 2.6.1), doorbells (4.1.5.2), and what any chain may be. Refuses to read rings.
 */
#include <errno.h>

#include "virtio/lint-internal.h"
#include "vmm/base/bits.h"

enum { NOTIFY_OFFSET_MASK = 0x7fff };

static struct lint_queue *queue_of(const struct vq *vq)
{
    return &vq->dev->lint->queue[vq->index];
}

static bool has(const struct vq *vq, unsigned feature)
{
    return vdev_has(vq->dev, feature);
}

/* ---- settings ---- */

/* Something of the queue is being set. Is it the driver's to set? */
static void set_check(const struct vq *vq, unsigned off)
{
    struct lint_queue *q = queue_of(vq);

    if (q->reset_asked)
        lint_see_queue(vq, q->reset_looked ? LINT_QUEUE_RESET_BUSY : LINT_QUEUE_RESET_BLIND, off);
    else if (vq_live(vq))
        lint_see_queue(vq, LINT_QUEUE_LIVE, off);
    q->reset_asked = false;
}

void lint_queue_size(struct vdev *dev, const struct vq *vq, uint16_t size)
{
    const bool packed = vdev_has(dev, VIRTIO_F_RING_PACKED);
    const int queue = vq ? vq->index : LINT_NO_QUEUE;

    if (packed && !size)
        lint_found(dev, LINT_SIZE_ZERO, queue, size);
    else if (!packed && !is_pow2(size))
        lint_found(dev, LINT_SIZE_POWER, queue, size);
}

void lint_queue_set(const struct vq *vq, unsigned off, unsigned area)
{
    set_check(vq, off);
    queue_of(vq)->areas |= (uint8_t)area;
}

void lint_queue_enable(struct vdev *dev, const struct vq *vq, unsigned select, uint64_t value)
{
    struct lint_queue *q;

    if (!vq && value)
        lint_found(dev, LINT_QUEUE_BEYOND, LINT_NO_QUEUE, select);
    if (!value)
        lint_found(dev, LINT_ENABLE_ZERO, vq ? vq->index : LINT_NO_QUEUE, value);
    if (!vq || value != 1)
        return;
    q = queue_of(vq);
    if (q->reset_asked)
        set_check(vq, LINT_AREAS);
    if (!(dev->status & VIRTIO_S_FEATURES_OK))
        lint_see_queue(vq, LINT_QUEUE_EARLY, value);
    else if (dev->lint->ok_unread)
        lint_see_queue(vq, LINT_FEATURES_OK_UNREAD, dev->status);
    dev->lint->ok_unread = false;
    if (q->areas != LINT_AREAS && !vq->enabled)
        lint_see_queue(vq, q->was_reset ? LINT_QUEUE_RESET_BARE : LINT_QUEUE_BARE, q->areas);
}

/* The first of the three that is not aligned. */
static bool misaligned(const struct vq *vq, uint64_t *at)
{
    const bool packed = has(vq, VIRTIO_F_RING_PACKED);
    const struct {
        uint64_t at;
        unsigned align;
    } area[] = {{vq->set.desc, VIRTQ_DESC_ALIGN},
                {vq->set.driver, packed ? (unsigned)PVIRTQ_EVENT_ALIGN : VIRTQ_AVAIL_ALIGN},
                {vq->set.device, packed ? (unsigned)PVIRTQ_EVENT_ALIGN : VIRTQ_USED_ALIGN}};

    for (unsigned i = 0; i < ARRAY_SIZE(area); i++) {
        *at = area[i].at;
        if (*at % area[i].align)
            return true;
    }
    return false;
}

/* Where a ring should be: the first area outside of memory, as far as can be told from starts. */
static uint64_t outside(const struct vq *vq)
{
    const uint64_t at[] = {vq->set.desc, vq->set.driver, vq->set.device};

    for (unsigned i = 0; i < ARRAY_SIZE(at); i++)
        if (!gmem_span(vq->dev->mem, gpa(at[i]), 4))
            return at[i];
    return at[0];
}

void lint_queue_enabled(const struct vq *vq, int ret)
{
    const bool packed = has(vq, VIRTIO_F_RING_PACKED);
    uint64_t at;

    if (misaligned(vq, &at))
        lint_see_queue(vq, packed ? LINT_PACKED_ALIGN : LINT_SPLIT_ALIGN, at);
    else if (ret == -EINVAL && queue_of(vq)->areas == LINT_AREAS)
        lint_see_queue(vq, LINT_RING_ADDRESS, outside(vq));
}

/* ---- reset of one queue ---- */

void lint_queue_reset(const struct vq *vq)
{
    *queue_of(vq) = (struct lint_queue){.was_reset = true, .reset_asked = true};
}

void lint_queue_reset_read(const struct vq *vq, bool busy)
{
    struct lint_queue *q = queue_of(vq);

    q->reset_looked = true;
    if (!busy)
        q->reset_asked = false;
}

/* ---- doorbells ---- */

/* By NOTIFICATION_DATA and NOTIF_CONFIG_DATA. Devices here give every queue its own number for the
 * latter, so that the value is the same one. */
static const enum lint_id notify_rule[2][2] = {
    {LINT_NOTIFY_INDEX, LINT_NOTIFY_CONFIG},
    {LINT_NOTIFY_INDEX_DATA, LINT_NOTIFY_CONFIG_DATA},
};

unsigned lint_notify(const struct vq *vq, uint32_t value, unsigned len)
{
    const bool data = has(vq, VIRTIO_F_NOTIFICATION_DATA);
    const unsigned next = (value >> 16) & NOTIFY_OFFSET_MASK;
    struct lint *l = vq->dev->lint;

    if (!(vq->dev->status & VIRTIO_S_DRIVER_OK))
        lint_see_queue(vq, LINT_KICK_EARLY, vq->index);
    if (len != (data ? 4 : 2))
        lint_see_queue(vq, data ? LINT_NOTIFY_NARROW : LINT_NOTIFY_WIDE, len);
    else if ((value & 0xffff) != vq->index)
        lint_see_queue(vq, notify_rule[data][has(vq, VIRTIO_F_NOTIF_CONFIG_DATA)], value);
    else if (data && has(vq, VIRTIO_F_RING_PACKED) && next >= vq->set.size)
        lint_see_queue(vq, LINT_NOTIFY_NEXT, value);
    if (l->bells < LINT_BELLS)
        l->bells++;
    return LINT_BELLS - l->bells;
}

/* Drivers of 0.9 cannot see that the device has failed. */
void lint_kick(struct vdev *dev, unsigned index)
{
    if ((dev->status & VIRTIO_S_NEEDS_RESET) && vdev_has(dev, VIRTIO_F_VERSION_1))
        lint_found(dev, LINT_KICK_BROKEN, (int)index, index);
}

/* ---- chains ---- */

void lint_chain(const struct vq_chain *chain)
{
    const uint64_t bytes = chain->out.left + chain->in.left;

    if (bytes > UINT64_C(1) << 32 && chain->vq->ring_ops == &vq_split_ops)
        lint_see_queue(chain->vq, LINT_CHAIN_BYTES, bytes);
}
