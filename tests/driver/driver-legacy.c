// SPDX-License-Identifier: MIT
/*
 * Owns how a driver of virtio 0.9 reaches a device: the header in the I/O BAR, and behind it the
 * device's own configuration in the guest's byte order. Knows registers by the specification's
 * offsets only (4.1.4.10), not by vmm's tables.
 */
#include "tests/driver/driver.h"

enum {
    DEVICE_FEATURES = 0x00,
    DRIVER_FEATURES = 0x04,
    QUEUE_ADDRESS = 0x08,
    QUEUE_SIZE = 0x0c,
    QUEUE_SELECT = 0x0e,
    QUEUE_NOTIFY = 0x10,
    STATUS = 0x12,
    ISR = 0x13,
    CONFIG_VECTOR = 0x14,
    QUEUE_VECTOR = 0x16,
    CONFIG = 0x14, /* 4 bytes later while MSI-X is enabled */
    VECTORS_BYTES = 4,
    PAGE = 4096,
    BAR = 0,
};

uint64_t legacy_read(struct drv *d, uint32_t off, unsigned len)
{
    return machine_read(d->m, d->func.bar_space[BAR], d->func.bar[BAR] + off, len);
}

void legacy_write(struct drv *d, uint32_t off, unsigned len, uint64_t v)
{
    machine_write(d->m, d->func.bar_space[BAR], d->func.bar[BAR] + off, len, v);
}

static bool probe(struct drv *d)
{
    struct gfunc *f = &d->func;

    return gfunc_read(f, PCI_REVISION, 1) == 0 && f->bar_space[BAR] == BUS_PIO &&
           f->bar_size[BAR] > CONFIG;
}

static uint8_t status(struct drv *d)
{
    return (uint8_t)legacy_read(d, STATUS, 1);
}

static void status_set(struct drv *d, uint8_t v)
{
    legacy_write(d, STATUS, 1, v);
}

static uint64_t offered(struct drv *d)
{
    return legacy_read(d, DEVICE_FEATURES, 4);
}

static void accept_features(struct drv *d, uint64_t features)
{
    legacy_write(d, DRIVER_FEATURES, 4, features & 0xffffffff);
}

static uint16_t queue_max(struct drv *d, unsigned q)
{
    legacy_write(d, QUEUE_SELECT, 2, q);
    return (uint16_t)legacy_read(d, QUEUE_SIZE, 2);
}

/* The driver's side of the ring lies as 2.7.2-l2 wants it already. */
static bool queue_open(struct drv *d, struct dq *q)
{
    legacy_write(d, QUEUE_SELECT, 2, q->index);
    legacy_write(d, QUEUE_ADDRESS, 4, q->desc / PAGE);
    return legacy_read(d, QUEUE_ADDRESS, 4) == q->desc / PAGE;
}

static uint16_t vector(struct drv *d, int q, uint16_t v)
{
    if (q == DRV_CONFIG) {
        legacy_write(d, CONFIG_VECTOR, 2, v);
        return (uint16_t)legacy_read(d, CONFIG_VECTOR, 2);
    }
    legacy_write(d, QUEUE_SELECT, 2, (unsigned)q);
    legacy_write(d, QUEUE_VECTOR, 2, v);
    return (uint16_t)legacy_read(d, QUEUE_VECTOR, 2);
}

static void kick(struct drv *d, unsigned q)
{
    legacy_write(d, QUEUE_NOTIFY, 2, q);
}

static uint8_t isr(struct drv *d)
{
    return (uint8_t)legacy_read(d, ISR, 1);
}

unsigned legacy_config(struct drv *d)
{
    return CONFIG + (gfunc_msix_enabled(&d->func) ? VECTORS_BYTES : 0);
}

/* No port access is wider than 4 bytes. */
static unsigned step_of(unsigned left)
{
    return left >= 4 ? 4 : left >= 2 ? 2 : 1;
}

static uint64_t config_read(struct drv *d, unsigned off, unsigned len)
{
    const unsigned base = legacy_config(d);
    uint8_t bytes[8];

    for (unsigned i = 0, n; i < len; i += n) {
        n = step_of(len - i);
        order_store(ORDER_LITTLE, bytes + i, n, legacy_read(d, base + off + i, n));
    }
    return order_load(d->order, bytes, len);
}

static void config_write(struct drv *d, unsigned off, unsigned len, uint64_t v)
{
    const unsigned base = legacy_config(d);
    uint8_t bytes[8];

    order_store(d->order, bytes, len, v);
    for (unsigned i = 0, n; i < len; i += n) {
        n = step_of(len - i);
        legacy_write(d, base + off + i, n, order_load(ORDER_LITTLE, bytes + i, n));
    }
}

const struct driver_ops driver_legacy = {
    .name = "legacy",
    .fixed_size = true,
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
};
