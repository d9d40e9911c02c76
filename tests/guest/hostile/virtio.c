// SPDX-License-Identifier: MIT
/* Owns how devices are found, driven and their queues set up. Refuses to know what they do. */
#include "tests/guest/hostile/hostile.h"

enum { VENDOR = 0x1af4, PCI_FUNCTIONS = 256, OLD_IDS = 0x1000, NEW_IDS = 0x1040, SECONDS = 20 };

/* Legacy header. */
enum { L_DF = 0, L_GF = 4, L_PFN = 8, L_SIZE = 12, L_SELECT = 14, L_NOTIFY = 16, L_STATUS = 18 };
enum { L_ISR = 19, L_CONFIG = 20 };

const char *const way_name[WAYS] = {"modern split", "modern packed", "legacy split"};
const char *const kind_name[KINDS] = {"blk", "net", "console", "rng", "balloon", "gpu", "input"};
static const uint8_t kind_id[KINDS] = {2, 1, 3, 4, 5, 16, 18};
static const uint16_t kind_old_id[KINDS] = {0x1001, 0x1000, 0x1003, 0x1005, 0x1002, 0, 0};

struct dev devs[KINDS];
uint16_t queue_size_wanted = QUEUE_SIZE;
static uint8_t areas[KINDS][QUEUES][QUEUE_AREA] __attribute__((aligned(4096)));
static uint8_t data[KINDS][0x10000] __attribute__((aligned(4096)));

bool dev_has_way(const struct dev *d, enum way way)
{
    return way == LEGACY_SPLIT ? d->io != 0 : d->common != 0;
}

/* ---- finding ---- */

static void regions_find(struct dev *d)
{
    for (unsigned at = pci_cap(d->devfn, PCI_VNDR_ID, 0); at;
         at = pci_cap(d->devfn, PCI_VNDR_ID, at)) {
        const uint64_t where =
            pci_bar(d->devfn, pci_read(d->devfn, at + 4, 1) % 6) + pci_read(d->devfn, at + 8, 4);
        uint64_t *const to[] = {NULL, &d->common, &d->notify, &d->isr, &d->config};
        const unsigned type = pci_read(d->devfn, at + 3, 1);

        if (type && type < ARRAY_SIZE(to))
            *to[type] = where;
        if (type == 2)
            d->notify_step = pci_read(d->devfn, at + 16, 4);
    }
    if (pci_read(d->devfn, 0x10, 4) & 1)
        d->io = (uint16_t)pci_bar(d->devfn, 0);
}

static void function_look(unsigned devfn)
{
    const uint32_t id = pci_read(devfn, 0, 4);

    for (unsigned k = 0; k < KINDS && (id & 0xffff) == VENDOR; k++) {
        struct dev *d = &devs[k];

        if (d->there || (id >> 16 != kind_old_id[k] && id >> 16 != (uint32_t)NEW_IDS + kind_id[k]))
            continue;
        *d = (struct dev){.there = true, .kind = (enum kind)k, .devfn = devfn, .data = data[k]};
        regions_find(d);
        pci_write(devfn, 4, 2, 7);
        for (unsigned i = 0; i < QUEUES; i++)
            d->q[i] = (struct queue){.d = d, .index = i};
        return;
    }
}

void dev_find(void)
{
    for (unsigned devfn = 0; devfn < PCI_FUNCTIONS; devfn += 8)
        function_look(devfn);
}

/* ---- registers ---- */

uint32_t common_get(struct dev *d, unsigned off, unsigned len)
{
    return mmio_read(d->common + off, len);
}

void common_set(struct dev *d, unsigned off, unsigned len, uint32_t v)
{
    mmio_write(d->common + off, len, v);
}

uint8_t dev_status(struct dev *d)
{
    return d->way == LEGACY_SPLIT ? in8(d->io + L_STATUS) : (uint8_t)common_get(d, R_STATUS, 1);
}

void dev_status_set(struct dev *d, uint8_t v)
{
    if (d->way == LEGACY_SPLIT)
        out8(d->io + L_STATUS, v);
    else
        common_set(d, R_STATUS, 1, v);
}

uint8_t dev_isr(struct dev *d)
{
    return d->way == LEGACY_SPLIT ? in8(d->io + L_ISR) : (uint8_t)mmio_read(d->isr, 1);
}

uint32_t dev_config(struct dev *d, unsigned off, unsigned len)
{
    const uint16_t port = (uint16_t)(d->io + L_CONFIG + off);

    if (d->way != LEGACY_SPLIT)
        return d->config ? mmio_read(d->config + off, len) : 0;
    return len == 1 ? in8(port) : len == 2 ? in16(port) : in32(port);
}

void dev_config_set(struct dev *d, unsigned off, unsigned len, uint32_t v)
{
    const uint16_t port = (uint16_t)(d->io + L_CONFIG + off);

    if (d->way != LEGACY_SPLIT) {
        if (d->config)
            mmio_write(d->config + off, len, v);
    } else if (len == 1)
        out8(port, (uint8_t)v);
    else if (len == 2)
        out16(port, (uint16_t)v);
    else
        out32(port, v);
}

uint64_t dev_offered(struct dev *d)
{
    uint64_t f;

    if (d->way == LEGACY_SPLIT)
        return in32(d->io + L_DF);
    common_set(d, R_DFSELECT, 4, 0);
    f = common_get(d, R_DF, 4);
    common_set(d, R_DFSELECT, 4, 1);
    return f | (uint64_t)common_get(d, R_DF, 4) << 32;
}

static void features_write(struct dev *d)
{
    if (d->way == LEGACY_SPLIT) {
        out32(d->io + L_GF, (uint32_t)d->features);
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        common_set(d, R_GFSELECT, 4, i);
        common_set(d, R_GF, 4, (uint32_t)(d->features >> 32 * i));
    }
}

/* ---- life ---- */

bool dev_reset(struct dev *d)
{
    const uint32_t began = ticks;

    dev_status_set(d, 0);
    for (unsigned i = 0; i < QUEUES; i++)
        d->q[i].on = false;
    while (dev_status(d))
        if (ticks - began > SECONDS * TICKS_PER_SECOND)
            return false;
    return true;
}

bool dev_negotiate(struct dev *d, enum way way, uint64_t want)
{
    d->way = way;
    if (!dev_reset(d))
        return false;
    dev_status_set(d, S_ACK);
    dev_status_set(d, S_ACK | S_DRIVER);
    d->features = dev_offered(d) & want & ~BIT(30) & ~BIT(F_PACKED);
    if (d->kind == CONSOLE && !d->ports)
        d->features &= ~BIT(F_MULTIPORT); /* one port is enough */
    if (way == LEGACY_SPLIT) {
        d->features &= UINT32_MAX;
        features_write(d);
        return true;
    }
    d->features |= BIT(F_VERSION_1) | (way == MODERN_PACKED ? BIT(F_PACKED) : 0);
    features_write(d);
    dev_status_set(d, S_ACK | S_DRIVER | S_FEATURES_OK);
    return dev_status(d) & S_FEATURES_OK;
}

/* ---- queues ---- */

uint16_t queue_max(struct queue *q)
{
    struct dev *d = q->d;

    if (d->way == LEGACY_SPLIT) {
        out16(d->io + L_SELECT, (uint16_t)q->index);
        return in16(d->io + L_SIZE);
    }
    common_set(d, R_SELECT, 2, q->index);
    return (uint16_t)common_get(d, R_SIZE, 2);
}

void queue_place(struct queue *q)
{
    const uint64_t at = (uint64_t)(uintptr_t)areas[q->d->kind][q->index];
    const unsigned n = q->size;

    memset(areas[q->d->kind][q->index], 0, QUEUE_AREA);
    q->desc = at;
    q->avail = at + 16 * n;
    q->used = (q->avail + 6 + 2 * n + 4095) & ~UINT64_C(4095);
    q->avail_idx = q->used_idx = 0;
    q->avail_wrap = q->used_wrap = true;
    q->singles = false;
}

bool queue_open(struct queue *q)
{
    struct dev *d = q->d;

    if (d->way == LEGACY_SPLIT) {
        out16(d->io + L_SELECT, (uint16_t)q->index);
        out32(d->io + L_PFN, (uint32_t)(q->desc >> 12));
        return q->on = true;
    }
    common_set(d, R_SELECT, 2, q->index);
    common_set(d, R_SIZE, 2, q->size);
    for (unsigned i = 0; i < 3; i++) {
        const uint64_t at = i == 0 ? q->desc : i == 1 ? q->avail : q->used;

        common_set(d, R_DESC + 8 * i, 4, (uint32_t)at);
        common_set(d, R_DESC + 8 * i + 4, 4, (uint32_t)(at >> 32));
    }
    q->bell = d->notify + (uint64_t)d->notify_step * common_get(d, R_NOTIFY_OFF, 2);
    common_set(d, R_ENABLE, 2, 1);
    return q->on = common_get(d, R_ENABLE, 2) == 1;
}

void queue_ring(struct queue *q)
{
    __sync_synchronize();
    if (q->d->way == LEGACY_SPLIT)
        out16(q->d->io + L_NOTIFY, (uint16_t)q->index);
    else
        mmio_write(q->bell, 2, q->index);
}

bool dev_start(struct dev *d, enum way way, uint64_t want)
{
    if (!dev_negotiate(d, way, want))
        return false;
    d->n_queues = 0;
    for (unsigned i = 0; i < QUEUES; i++) {
        struct queue *q = &d->q[i];

        q->max = queue_max(q);
        if (!q->max)
            break;
        q->size = way == LEGACY_SPLIT || q->max < queue_size_wanted ? q->max : queue_size_wanted;
        queue_place(q);
        if (!queue_open(q))
            return false;
        d->n_queues++;
    }
    dev_status_set(d, dev_status(d) | S_DRIVER_OK);
    return !dev_failed(d);
}

/* ---- rings ---- */

static void put16(uint64_t at, uint16_t v)
{
    *(volatile uint16_t *)(uintptr_t)at = v;
}

static uint16_t get16(uint64_t at)
{
    return *(volatile uint16_t *)(uintptr_t)at;
}

void desc_put(struct queue *q, unsigned at, struct piece p)
{
    memcpy((void *)(uintptr_t)(q->desc + 16 * at), &p, 16);
}

void table_put(enum way way, uint8_t *table, unsigned i, struct piece p)
{
    const uint16_t flags = p.flags;

    if (way == MODERN_PACKED) { /* an id nobody looks at, then flags */
        p.flags = 0;
        p.next = (uint16_t)(flags & ~NEXT);
    }
    memcpy(table + 16 * i, &p, 16);
}

void avail_put(struct queue *q, uint16_t head)
{
    put16(q->avail + 4 + 2 * (q->avail_idx % q->size), head);
    __sync_synchronize();
    put16(q->avail + 2, ++q->avail_idx);
}

static void packed_put(struct queue *q, const struct piece *p, unsigned n)
{
    const unsigned first = q->avail_idx;
    uint16_t first_flags = 0;

    for (unsigned i = 0; i < n; i++) {
        const uint64_t at = q->desc + 16 * (uint64_t)q->avail_idx;
        const uint16_t flags =
            (uint16_t)(p[i].flags | (i + 1 < n ? NEXT : 0) | (q->avail_wrap ? 0x80 : 0x8000));

        memcpy((void *)(uintptr_t)at, &p[i], 12);
        put16(at + 12, (uint16_t)first);
        if (i)
            put16(at + 14, flags);
        else
            first_flags = flags;
        if (++q->avail_idx == q->size) {
            q->avail_idx = 0;
            q->avail_wrap = !q->avail_wrap;
        }
    }
    __sync_synchronize();
    put16(q->desc + 16 * first + 14, first_flags);
}

void chain_put(struct queue *q, const struct piece *p, unsigned n)
{
    if (q->d->way == MODERN_PACKED) {
        packed_put(q, p, n);
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        struct piece one = p[i];

        one.flags = (uint16_t)(one.flags | (i + 1 < n ? NEXT : 0));
        one.next = (uint16_t)(i + 1);
        desc_put(q, i, one);
    }
    avail_put(q, 0);
}

static bool packed_take(struct queue *q, struct used *u)
{
    const uint64_t at = q->desc + 16 * (uint64_t)q->used_idx;
    const uint16_t flags = get16(at + 14);
    unsigned step = 1;

    if (!(flags & 0x80) != !q->used_wrap || !(flags & 0x8000) != !q->used_wrap)
        return false;
    __sync_synchronize();
    u->id = get16(at + 12);
    memcpy(&u->len, (const void *)(uintptr_t)(at + 8), 4);
    /* one request at a time is what most rows do: the next one is where the driver stands */
    if (!q->singles)
        step =
            (unsigned)(q->avail_idx + (q->avail_wrap == q->used_wrap ? 0 : q->size) - q->used_idx);
    q->used_idx = (uint16_t)(q->used_idx + step);
    if (q->used_idx >= q->size) {
        q->used_idx = (uint16_t)(q->used_idx - q->size);
        q->used_wrap = !q->used_wrap;
    }
    return true;
}

bool used_take(struct queue *q, struct used *u)
{
    if (q->d->way == MODERN_PACKED)
        return packed_take(q, u);
    if (get16(q->used + 2) == q->used_idx)
        return false;
    __sync_synchronize();
    memcpy(u, (const void *)(uintptr_t)(q->used + 4 + 8 * (q->used_idx % q->size)), 8);
    q->used_idx++;
    return true;
}

bool used_wait(struct queue *q, struct used *u)
{
    const uint32_t began = ticks;

    while (!used_take(q, u)) {
        if (dev_failed(q->d) || ticks - began > SECONDS * TICKS_PER_SECOND)
            return false;
        __builtin_ia32_pause();
    }
    return true;
}
