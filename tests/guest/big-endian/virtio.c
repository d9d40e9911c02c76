// SPDX-License-Identifier: MIT
/*
 * A driver over either interface of a function. Over BAR0 what lies in memory and in the device's
 * configuration has the guest's order and the header is little-endian (4.1.4.10-l9, 2.7.3-l1); over
 * what capabilities name, all is little-endian. Split rings, polled.
 */
#include "guest.h"

/* The header in BAR0 (4.1.4.10-l3), with MSI-X disabled. */
enum {
    OLD_OFFERED = 0x00,
    OLD_ACCEPTED = 0x04,
    OLD_QUEUE_PFN = 0x08,
    OLD_QUEUE_SIZE = 0x0c,
    OLD_QUEUE_SELECT = 0x0e,
    OLD_NOTIFY = 0x10,
    OLD_STATUS = 0x12,
    OLD_CONFIG = 0x14,
};

/* The common configuration (4.1.4.3). */
enum {
    OFFER_SELECT = 0x00,
    OFFER = 0x04,
    ACCEPT_SELECT = 0x08,
    ACCEPT = 0x0c,
    STATUS = 0x14,
    QUEUE_SELECT = 0x16,
    QUEUE_SIZE = 0x18,
    QUEUE_ENABLE = 0x1c,
    QUEUE_NOTIFY_OFF = 0x1e,
    QUEUE_DESC = 0x20,
    QUEUE_DRIVER = 0x28,
    QUEUE_DEVICE = 0x30,
};

enum { PAGE = 4096, DESC_NEXT = 1, DESC_WRITE = 2, DESC_BYTES = 16, NOT_WRITTEN = 0x5a5a };

const char *const path_name[] = {"BAR0", "caps"};

static uintptr_t common(const struct drv *d, unsigned off)
{
    return d->f->common + off;
}

static uintptr_t header(const struct drv *d, unsigned off)
{
    return d->f->bar0 + off;
}

/* ---- status and features ---- */

uint8_t drv_status(const struct drv *d)
{
    return (uint8_t)io_read(d->path == OVER_BAR0 ? header(d, OLD_STATUS) : common(d, STATUS), 1);
}

void drv_status_set(const struct drv *d, uint8_t status)
{
    io_write(d->path == OVER_BAR0 ? header(d, OLD_STATUS) : common(d, STATUS), 1, status);
}

void drv_reset(struct drv *d, const struct pci_func *f, enum path path)
{
    uint64_t began = 0;

    *d = (struct drv){.f = f, .path = path, .swap = GUEST_BIG && path == OVER_CAPS};
    drv_status_set(d, 0);
    while (drv_status(d) && wait_more(&began))
        ;
    memory_free_all();
}

uint64_t drv_offered(const struct drv *d)
{
    uint64_t bits = 0;

    if (d->path == OVER_BAR0)
        return io_read(header(d, OLD_OFFERED), 4);
    for (unsigned i = 0; i < 2; i++) {
        io_write(common(d, OFFER_SELECT), 4, i);
        bits |= (uint64_t)io_read(common(d, OFFER), 4) << (32 * i);
    }
    return bits;
}

void drv_accept(const struct drv *d, uint64_t bits)
{
    if (d->path == OVER_BAR0) {
        io_write(header(d, OLD_ACCEPTED), 4, (uint32_t)bits);
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        io_write(common(d, ACCEPT_SELECT), 4, i);
        io_write(common(d, ACCEPT), 4, (uint32_t)(bits >> (32 * i)));
    }
}

uint64_t drv_accepted(const struct drv *d)
{
    uint64_t bits = 0;

    if (d->path == OVER_BAR0)
        return io_read(header(d, OLD_ACCEPTED), 4);
    for (unsigned i = 0; i < 2; i++) {
        io_write(common(d, ACCEPT_SELECT), 4, i);
        bits |= (uint64_t)io_read(common(d, ACCEPT), 4) << (32 * i);
    }
    return bits;
}

void drv_begin(struct drv *d, const struct pci_func *f, enum path path, uint64_t bits)
{
    drv_reset(d, f, path);
    drv_status_set(d, S_ACK);
    drv_status_set(d, S_ACK | S_DRIVER);
    drv_accept(d, path == OVER_CAPS ? bits | BIT(F_VERSION_1) : bits);
}

bool drv_settle(const struct drv *d)
{
    if (d->path == OVER_BAR0)
        return true;
    drv_status_set(d, S_ACK | S_DRIVER | S_FEATURES_OK);
    return drv_status(d) & S_FEATURES_OK;
}

void drv_go(const struct drv *d)
{
    drv_status_set(d, drv_status(d) | S_DRIVER_OK);
}

/* ---- rings ---- */

/* Fields of rings and requests. */
static uint16_t get16(const struct drv *d, const uint8_t *at)
{
    return swap16(d->swap, *(const volatile uint16_t *)at);
}

static uint32_t get32(const struct drv *d, const uint8_t *at)
{
    return swap32(d->swap, *(const volatile uint32_t *)at);
}

static void put16(const struct drv *d, uint8_t *at, uint16_t v)
{
    *(volatile uint16_t *)at = swap16(d->swap, v);
}

static void put32(const struct drv *d, uint8_t *at, uint32_t v)
{
    *(volatile uint32_t *)at = swap32(d->swap, v);
}

static void put64(const struct drv *d, uint8_t *at, uint64_t v)
{
    *(volatile uint64_t *)at = swap64(d->swap, v);
}

static void write64(uintptr_t at, uint64_t v)
{
    io_write(at, 4, (uint32_t)v);
    io_write(at + 4, 4, (uint32_t)(v >> 32));
}

static void queue_old(struct drv *d, struct ring *r)
{
    io_write(header(d, OLD_QUEUE_PFN), 4, (uint32_t)((uintptr_t)r->desc / PAGE));
    r->doorbell = header(d, OLD_NOTIFY);
}

static void queue_new(struct drv *d, struct ring *r)
{
    io_write(common(d, QUEUE_SIZE), 2, r->size);
    write64(common(d, QUEUE_DESC), (uintptr_t)r->desc);
    write64(common(d, QUEUE_DRIVER), (uintptr_t)r->avail);
    write64(common(d, QUEUE_DEVICE), (uintptr_t)r->used);
    r->doorbell = d->f->notify + io_read(common(d, QUEUE_NOTIFY_OFF), 2) * d->f->notify_step;
    io_write(common(d, QUEUE_ENABLE), 2, 1);
}

static uint16_t queue_size(const struct drv *d, unsigned index)
{
    const bool old = d->path == OVER_BAR0;

    io_write(old ? header(d, OLD_QUEUE_SELECT) : common(d, QUEUE_SELECT), 2, index);
    return (uint16_t)io_read(old ? header(d, OLD_QUEUE_SIZE) : common(d, QUEUE_SIZE), 2);
}

/* One layout for both: that of 0.9 (2.7.2-l1). */
void drv_queue(struct drv *d, unsigned index)
{
    struct ring *r = &d->ring[index];
    const uint16_t n = queue_size(d, index);
    const size_t used = (DESC_BYTES * n + 6 + 2 * n + PAGE - 1) & ~(size_t)(PAGE - 1);

    *r = (struct ring){.desc = (uint8_t *)memory_take(used + 6 + 8 * (size_t)n), .size = n};
    r->index = (uint16_t)index;
    r->avail = r->desc + DESC_BYTES * n;
    r->used = r->desc + used;
    put16(d, r->used + 4 + 8 * n, NOT_WRITTEN);
    barrier();
    if (d->path == OVER_BAR0)
        queue_old(d, r);
    else
        queue_new(d, r);
}

/* Descriptors are used in turn, and no more of them at once than there are. */
void ring_add(struct drv *d, unsigned index, const struct part *part, unsigned n)
{
    struct ring *r = &d->ring[index];
    const uint16_t head = r->free, at = get16(d, r->avail + 2);

    for (unsigned i = 0; i < n; i++) {
        uint8_t *desc = r->desc + DESC_BYTES * (r->free % r->size);
        const bool more = i + 1 < n;

        r->free = (uint16_t)((r->free + 1) % r->size);
        put64(d, desc, (uintptr_t)part[i].at);
        put32(d, desc + 8, part[i].len);
        put16(d, desc + 12, (part[i].in ? DESC_WRITE : 0) | (more ? DESC_NEXT : 0));
        put16(d, desc + 14, more ? r->free : 0);
    }
    put16(d, r->avail + 4 + 2 * (at % r->size), head);
    barrier();
    put16(d, r->avail + 2, (uint16_t)(at + 1));
    barrier();
}

/* The number of a queue is in the header's order over BAR0, too. */
void ring_kick(struct drv *d, unsigned index)
{
    barrier();
    io_write(d->ring[index].doorbell, 2, d->ring[index].index);
}

uint32_t ring_wait(struct drv *d, unsigned index, uint16_t *head)
{
    struct ring *r = &d->ring[index];
    const uint8_t *used = r->used + 4 + 8 * (r->seen % r->size);
    uint64_t began = 0;

    while (get16(d, r->used + 2) == r->seen)
        if (!wait_more(&began))
            return UINT32_MAX;
    barrier();
    r->seen++;
    *head = (uint16_t)get32(d, used);
    return get32(d, used + 4);
}

/* With EVENT_IDX a device says at once, before it looks at the ring again, which one it waits for.
 */
bool ring_event_written(struct drv *d, unsigned index)
{
    const struct ring *r = &d->ring[index];

    return get16(d, r->used + 4 + 8 * r->size) != NOT_WRITTEN;
}

/* ---- device configuration ---- */

static uintptr_t config_at(const struct pci_func *f, enum path path, unsigned off)
{
    return path == OVER_BAR0 ? f->bar0 + OLD_CONFIG + off : f->devcfg + off;
}

/* Byte by byte, as Linux does over BAR0: what a wide load there is worth is asked once, in blk.c.
 */
static uint64_t config_bytes(const struct pci_func *f, enum path path, unsigned off, unsigned len,
                             bool big)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < len; i++)
        v |= (uint64_t)config_byte(f, path, off + i) << (big ? 8 * (len - 1 - i) : 8 * i);
    return v;
}

uint64_t config_read(const struct pci_func *f, enum path path, unsigned off, unsigned len)
{
    if (path == OVER_BAR0)
        return config_bytes(f, path, off, len, GUEST_BIG);
    if (len == 8)
        return io_read(config_at(f, path, off), 4) |
               (uint64_t)io_read(config_at(f, path, off + 4), 4) << 32;
    return io_read(config_at(f, path, off), len);
}

uint32_t config_load(const struct pci_func *f, unsigned off, unsigned len)
{
    return io_load(config_at(f, OVER_BAR0, off), len);
}

uint32_t config_read_little(const struct pci_func *f, enum path path, unsigned off)
{
    return (uint32_t)config_bytes(f, path, off, 4, false);
}

void config_write_little(const struct pci_func *f, enum path path, unsigned off, uint32_t v)
{
    io_write(config_at(f, path, off), 4, v);
}

uint8_t config_byte(const struct pci_func *f, enum path path, unsigned off)
{
    return (uint8_t)io_read(config_at(f, path, off), 1);
}
