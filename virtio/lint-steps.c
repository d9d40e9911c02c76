// SPDX-License-Identifier: MIT
/*
 * Owns what lint knows of initialisation: status, features, vectors (2.1, 2.2, 3.1). Refuses to
 * know queues and configuration fields, but for the one that must be written by DRIVER_OK.
 */
#include <string.h>

#include "virtio/lint-internal.h"
#include "vmm/base/bits.h"

enum { STATUS_SUSPEND = 0x10 };

enum {
    DRIVER_BITS = VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER | VIRTIO_S_DRIVER_OK |
                  VIRTIO_S_FEATURES_OK | VIRTIO_S_FAILED,
};

/* Bits that the specification gives no meaning to on 1.x (2.2, 6). */
static const struct vfeat undefined = {{0xcf000000, 0x0003f000, 0, 0}};

enum { BALLOON_F_PAGE_POISON = 4 };

/* What a driver should accept, and which device has it. type 0: all. */
static const struct wanted {
    uint8_t type, bit;
    enum lint_id rule;
} wanted[] = {
    {0, VIRTIO_F_RING_PACKED, LINT_NO_PACKED},
    {0, VIRTIO_F_NOTIF_CONFIG_DATA, LINT_NO_NOTIF_CONFIG},
    {0, 27, LINT_NO_ANY_LAYOUT}, /* offered before 1.0 only */
    {VIRTIO_ID_NET, 5, LINT_NET_NO_MAC},
    {VIRTIO_ID_NET, 3, LINT_NET_NO_MTU},
    {VIRTIO_ID_BLK, 5, LINT_BLK_NO_RO},
    {VIRTIO_ID_BALLOON, 0, LINT_BALLOON_NO_TELL},
};

void lint_reset(struct vdev *dev)
{
    struct lint *l = dev->lint;

    l->reset_unread = l->offer_read = l->ok_unread = l->refused = l->poison = false;
    l->generation = l->torn = false;
    l->bells = 0;
    l->config = (struct lint_queue){0};
    memset(l->queue, 0, dev->n_queues * sizeof(*l->queue));
}

void lint_restart(struct vdev *dev)
{
    lint_reset(dev);
    dev->lint->was_reset = false;
}

/* ---- features ---- */

void lint_offer_read(struct vdev *dev)
{
    dev->lint->offer_read = true;
}

void lint_features_write(struct vdev *dev, uint32_t select, uint32_t bits)
{
    if (!(dev->status & VIRTIO_S_DRIVER))
        lint_found(dev, LINT_FEATURES_EARLY, LINT_NO_QUEUE, bits);
    if ((dev->status & VIRTIO_S_FEATURES_OK) && select < VDEV_FEATURE_WORDS &&
        bits != dev->driver.word[select])
        lint_found(dev, LINT_FEATURES_LATE, LINT_NO_QUEUE, bits);
}

/* Of one word; shown as they stand in 64 bits where that is possible. */
static void features_see(struct vdev *dev, enum lint_id rule, uint32_t bits, unsigned word)
{
    if (bits)
        lint_found(dev, rule, LINT_NO_QUEUE, word % 2 ? (uint64_t)bits << 32 : bits);
}

void lint_features(struct vdev *dev, const struct vfeat *accepted, const struct vfeat *may)
{
    for (unsigned i = 0; i < VDEV_FEATURE_WORDS; i++) {
        const uint32_t more = accepted->word[i] & ~may->word[i];

        features_see(dev, LINT_FEATURE_FOREIGN, more & ~undefined.word[i], i);
        features_see(dev, LINT_FEATURE_UNDEFINED, more & undefined.word[i], i);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(wanted); i++)
        if ((!wanted[i].type || wanted[i].type == dev->type->id) && vfeat_has(may, wanted[i].bit) &&
            !vfeat_has(accepted, wanted[i].bit))
            lint_found(dev, wanted[i].rule, LINT_NO_QUEUE, accepted->word[0]);
}

static void features_ok(struct vdev *dev, uint8_t value)
{
    if (!dev->lint->offer_read)
        lint_found(dev, LINT_OFFER_UNREAD, LINT_NO_QUEUE, value);
    if (!vfeat_has(&dev->driver, VIRTIO_F_VERSION_1))
        lint_found(dev, LINT_VERSION_1, LINT_NO_QUEUE, dev->driver.word[0]);
    lint_features(dev, &dev->driver, &dev->offered);
}

/* ---- vectors ---- */

static struct lint_queue *vector_of(struct vdev *dev, int queue)
{
    return queue == LINT_NO_QUEUE ? &dev->lint->config : &dev->lint->queue[queue];
}

void lint_vector_write(struct vdev *dev, int queue, uint16_t vector, unsigned vectors)
{
    struct lint_queue *q = vector_of(dev, queue);

    q->vector_unread = vector != VIRTIO_NO_VECTOR;
    q->vector = vector;
    if (vector != VIRTIO_NO_VECTOR && vector >= vectors)
        lint_found(dev, LINT_VECTOR_BEYOND, queue, vector);
}

void lint_vector_read(struct vdev *dev, int queue)
{
    vector_of(dev, queue)->vector_unread = false;
}

static void vectors_check(struct vdev *dev)
{
    for (int i = LINT_NO_QUEUE; i < (int)dev->n_queues; i++) {
        const struct lint_queue *q = vector_of(dev, i);

        if (q->vector_unread)
            lint_found(dev, LINT_VECTOR_UNREAD, i, q->vector);
    }
}

/* ---- status ---- */

/* Is a bit set whose step comes after one that is not? */
static bool out_of_order(uint8_t value, bool steps)
{
    const uint8_t before_ok = steps ? VIRTIO_S_FEATURES_OK : VIRTIO_S_DRIVER;

    if ((value & VIRTIO_S_DRIVER_OK) && !(value & before_ok))
        return true;
    if ((value & VIRTIO_S_FEATURES_OK) && !(value & VIRTIO_S_DRIVER))
        return true;
    return (value & VIRTIO_S_DRIVER) && !(value & VIRTIO_S_ACKNOWLEDGE);
}

static void begin_check(struct vdev *dev, uint8_t value, bool steps)
{
    struct lint *l = dev->lint;

    if (!l->was_reset)
        lint_found(dev, LINT_NO_RESET, LINT_NO_QUEUE, value);
    else if (l->reset_unread)
        lint_found(dev, steps ? LINT_RESET_HURRIED : LINT_RESET_HURRIED_OLD, LINT_NO_QUEUE, value);
    l->was_reset = true;
    l->reset_unread = false;
}

/* The last step: what had to be done by now? */
static void driver_ok(struct vdev *dev, uint8_t value)
{
    if (dev->lint->ok_unread)
        lint_found(dev, LINT_FEATURES_OK_UNREAD, LINT_NO_QUEUE, value);
    dev->lint->ok_unread = false;
    vectors_check(dev);
    if (dev->type->id == VIRTIO_ID_BALLOON && vfeat_has(&dev->driver, BALLOON_F_PAGE_POISON) &&
        !dev->lint->poison)
        lint_found(dev, LINT_POISON_MISSING, LINT_NO_QUEUE, value);
}

static void bits_check(struct vdev *dev, uint8_t value, bool steps)
{
    const uint8_t now = dev->status & DRIVER_BITS, set = value & ~now;

    if ((now & VIRTIO_S_FAILED) && (value & DRIVER_BITS) != now)
        lint_found(dev, LINT_FAILED_ON, LINT_NO_QUEUE, value);
    else if (now & ~value)
        lint_found(dev, LINT_STATUS_CLEARED, LINT_NO_QUEUE, value);
    else if (steps && dev->lint->refused && (set & VIRTIO_S_DRIVER_OK))
        lint_found(dev, LINT_REFUSED_ON, LINT_NO_QUEUE, value);
    else if (set && out_of_order(value, steps))
        lint_found(dev, LINT_STATUS_ORDER, LINT_NO_QUEUE, value);
}

void lint_status(struct vdev *dev, uint8_t value, bool steps)
{
    if (!value) {
        lint_reset(dev);
        dev->lint->was_reset = dev->lint->reset_unread = true;
        return;
    }
    begin_check(dev, value, steps);
    if (value & STATUS_SUSPEND)
        lint_found(dev, LINT_SUSPEND, LINT_NO_QUEUE, value);
    if (!steps && (value & VIRTIO_S_FEATURES_OK))
        lint_found(dev, LINT_OLD_FEATURES_OK, LINT_NO_QUEUE, value);
    bits_check(dev, value, steps);
    if (!steps || !(value & ~dev->status & VIRTIO_S_FEATURES_OK))
        return;
    features_ok(dev, value);
    dev->lint->ok_unread = true;
}

void lint_status_written(struct vdev *dev, uint8_t value, bool steps)
{
    if (steps && (value & VIRTIO_S_FEATURES_OK) && !(dev->status & VIRTIO_S_FEATURES_OK))
        dev->lint->refused = true;
    if ((value & VIRTIO_S_DRIVER_OK) && (dev->status & VIRTIO_S_DRIVER_OK))
        driver_ok(dev, value);
}

void lint_status_read(struct vdev *dev)
{
    if (!dev->status)
        dev->lint->reset_unread = false;
    dev->lint->ok_unread = false;
}
