// SPDX-License-Identifier: MIT
/*
 * Owns how a driver of virtio 1.x reaches a device: the structures that capabilities point at.
 * Knows registers by the specification's offsets only (4.1.4.3), not by vmm's tables.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/driver/driver.h"

enum {
    DEVICE_FEATURE_SELECT = 0x00,
    DEVICE_FEATURE = 0x04,
    DRIVER_FEATURE_SELECT = 0x08,
    DRIVER_FEATURE = 0x0c,
    CONFIG_VECTOR = 0x10,
    NUM_QUEUES = 0x12,
    STATUS = 0x14,
    GENERATION = 0x15,
    QUEUE_SELECT = 0x16,
    QUEUE_SIZE = 0x18,
    QUEUE_VECTOR = 0x1a,
    QUEUE_ENABLE = 0x1c,
    QUEUE_NOTIFY_OFF = 0x1e,
    QUEUE_DESC = 0x20,
    QUEUE_DRIVER = 0x28,
    QUEUE_DEVICE = 0x30,
    QUEUE_NOTIF_CONFIG_DATA = 0x38,
};

uint64_t modern_read(struct drv *d, unsigned type, uint32_t off, unsigned len)
{
    const struct dregion *r = &d->region[type];

    return machine_read(d->m, d->func.bar_space[r->bar], d->func.bar[r->bar] + r->off + off, len);
}

void modern_write(struct drv *d, unsigned type, uint32_t off, unsigned len, uint64_t v)
{
    const struct dregion *r = &d->region[type];

    machine_write(d->m, d->func.bar_space[r->bar], d->func.bar[r->bar] + r->off + off, len, v);
}

static uint64_t common_read(struct drv *d, unsigned off, unsigned len)
{
    return modern_read(d, VIRTIO_PCI_CAP_COMMON, off, len);
}

static void common_write(struct drv *d, unsigned off, unsigned len, uint64_t v)
{
    modern_write(d, VIRTIO_PCI_CAP_COMMON, off, len, v);
}

/* First of a kind is the preferred one (4.1.4-d6). */
static bool probe(struct drv *d)
{
    struct gfunc *f = &d->func;

    for (unsigned at = gfunc_cap(f, PCI_CAP_ID_VENDOR, 0); at;
         at = gfunc_cap(f, PCI_CAP_ID_VENDOR, at)) {
        const unsigned type = gfunc_read(f, at + 3, 1);

        if (type >= DREGIONS || d->region[type].cap)
            continue;
        d->region[type] = (struct dregion){.cap = at,
                                           .bar = (uint8_t)gfunc_read(f, at + 4, 1),
                                           .off = gfunc_read(f, at + 8, 4),
                                           .len = gfunc_read(f, at + 12, 4)};
        if (type == VIRTIO_PCI_CAP_NOTIFY)
            d->notify_step = gfunc_read(f, at + 16, 4);
    }
    return d->region[VIRTIO_PCI_CAP_COMMON].cap && d->region[VIRTIO_PCI_CAP_NOTIFY].cap &&
           d->region[VIRTIO_PCI_CAP_ISR].cap;
}

static uint8_t status(struct drv *d)
{
    return (uint8_t)common_read(d, STATUS, 1);
}

static void status_set(struct drv *d, uint8_t v)
{
    common_write(d, STATUS, 1, v);
}

static uint64_t offered(struct drv *d)
{
    uint64_t bits = 0;

    for (unsigned i = 0; i < 2; i++) {
        common_write(d, DEVICE_FEATURE_SELECT, 4, i);
        bits |= common_read(d, DEVICE_FEATURE, 4) << (32 * i);
    }
    return bits;
}

static void accept_features(struct drv *d, uint64_t features)
{
    for (unsigned i = 0; i < 2; i++) {
        common_write(d, DRIVER_FEATURE_SELECT, 4, i);
        common_write(d, DRIVER_FEATURE, 4, features >> (32 * i) & 0xffffffff);
    }
}

static uint16_t queue_max(struct drv *d, unsigned q)
{
    common_write(d, QUEUE_SELECT, 2, q);
    return (uint16_t)common_read(d, QUEUE_SIZE, 2);
}

static void common_write64(struct drv *d, unsigned off, uint64_t v)
{
    common_write(d, off, 4, v & 0xffffffff);
    common_write(d, off + 4, 4, v >> 32);
}

static bool queue_open(struct drv *d, struct dq *q)
{
    common_write(d, QUEUE_SELECT, 2, q->index);
    common_write(d, QUEUE_SIZE, 2, q->size);
    common_write64(d, QUEUE_DESC, q->desc);
    common_write64(d, QUEUE_DRIVER, q->driver);
    common_write64(d, QUEUE_DEVICE, q->device);
    if (d->features >> VIRTIO_F_NOTIF_CONFIG_DATA & 1)
        q->notify = (uint16_t)common_read(d, QUEUE_NOTIF_CONFIG_DATA, 2);
    common_write(d, QUEUE_ENABLE, 2, 1);
    return common_read(d, QUEUE_ENABLE, 2) == 1;
}

static uint16_t vector(struct drv *d, int q, uint16_t v)
{
    if (q == DRV_CONFIG) {
        common_write(d, CONFIG_VECTOR, 2, v);
        return (uint16_t)common_read(d, CONFIG_VECTOR, 2);
    }
    common_write(d, QUEUE_SELECT, 2, (unsigned)q);
    common_write(d, QUEUE_VECTOR, 2, v);
    return (uint16_t)common_read(d, QUEUE_VECTOR, 2);
}

/* queue_select belongs to set-up: a doorbell must not disturb it. Offsets are index * step with all
 * devices here, which test-modern checks. */
static void kick(struct drv *d, unsigned q)
{
    const bool with_data = d->features >> VIRTIO_F_NOTIFICATION_DATA & 1;
    const uint32_t data = with_data ? (uint32_t)d->q[q].ops->notify_data(&d->q[q]) << 16 : 0;

    modern_write(d, VIRTIO_PCI_CAP_NOTIFY, q * d->notify_step, with_data ? 4 : 2,
                 data | d->q[q].notify);
}

static uint8_t isr(struct drv *d)
{
    return (uint8_t)modern_read(d, VIRTIO_PCI_CAP_ISR, 0, 1);
}

static uint64_t config_read(struct drv *d, unsigned off, unsigned len)
{
    return modern_read(d, VIRTIO_PCI_CAP_DEVICE, off, len);
}

static void config_write(struct drv *d, unsigned off, unsigned len, uint64_t v)
{
    modern_write(d, VIRTIO_PCI_CAP_DEVICE, off, len, v);
}

static uint8_t generation(struct drv *d)
{
    return (uint8_t)common_read(d, GENERATION, 1);
}

const struct driver_ops driver_modern = {
    .name = "modern",
    .features_ok = true,
    .shows_failure = true,
    .probe = probe,
    .status = status,
    .status_set = status_set,
    .offered = offered,
    .accept = accept_features,
    .queue_max = queue_max,
    .queue_open = queue_open,
    .vector = vector,
    .kick = kick,
    .isr = isr,
    .config_read = config_read,
    .config_write = config_write,
    .generation = generation,
};
