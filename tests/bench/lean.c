// SPDX-License-Identifier: MIT
/*
 * Owns the stores and loads that a driver cannot do without, for both layouts. Refuses to know
 * devices, and how a queue was set up.
 */
#include "tests/bench/lean.h"

#include <string.h>

#include "vmm/base/bits.h"

enum {
    POISON = 0xee,
    HEADER_BYTES = 16,
    REQUEST_BYTES = 448, /* header and status lie in a request of Linux's, one behind the other */
    PIECES = 3,
    PACKED_AVAIL = 1 << 7,
    PACKED_USED = 1 << 15,
    PACKED_FLAGS = 14, /* offset in a packed descriptor (2.8.13) */
};

/* ---- requests ---- */

struct piece {
    uint64_t addr;
    uint32_t len;
    uint16_t flags;
};

/* The three pieces of the request in slot i. */
static void pieces(const struct lean *l, unsigned i, struct piece p[PIECES])
{
    p[0] = (struct piece){l->addr[i], HEADER_BYTES, VIRTQ_DESC_NEXT};
    p[1] = (struct piece){l->data[i], LEAN_BYTES, VIRTQ_DESC_NEXT | VIRTQ_DESC_WRITE};
    p[2] = (struct piece){l->addr[i] + HEADER_BYTES, 1, VIRTQ_DESC_WRITE};
}

/* w12, w14: flags and next in the split layout, id and flags in the packed one. */
static void desc_store(uint8_t *at, uint64_t addr, uint32_t len, uint16_t w12, uint16_t w14)
{
    memcpy(at, &addr, sizeof(addr));
    memcpy(at + 8, &len, sizeof(len));
    memcpy(at + 12, &w12, sizeof(w12));
    memcpy(at + 14, &w14, sizeof(w14));
}

static void table_fill(const struct lean *l, unsigned i, bool packed)
{
    uint8_t *at = (uint8_t *)drv_mem(l->q->d, l->table[i], PIECES * VIRTQ_DESC_BYTES);
    struct piece p[PIECES];

    pieces(l, i, p);
    for (unsigned k = 0; k < PIECES; k++, at += VIRTQ_DESC_BYTES) {
        if (packed) /* NEXT means nothing in there (2.8.7) */
            desc_store(at, p[k].addr, p[k].len, 0, p[k].flags & VIRTQ_DESC_WRITE);
        else
            desc_store(at, p[k].addr, p[k].len, p[k].flags, (uint16_t)(k + 1));
    }
}

static void slot_fill(struct lean *l, unsigned i, bool indirect, bool packed)
{
    struct drv *d = l->q->d;
    uint8_t *header;

    l->addr[i] = drv_alloc(d, REQUEST_BYTES, 64);
    header = (uint8_t *)drv_mem(d, l->addr[i], REQUEST_BYTES);
    memset(header, 0, REQUEST_BYTES);
    order_store(d->order, header + 8, 8, i * (LEAN_BYTES / 512)); /* a read of sector ... */
    l->status[i] = header + HEADER_BYTES;
    *l->status[i] = POISON;
    if (!indirect)
        return;
    l->table[i] = drv_alloc(d, PIECES * VIRTQ_DESC_BYTES, 64);
    table_fill(l, i, packed);
}

bool lean_ended_well(struct lean *l, unsigned n)
{
    bool well = true;

    for (unsigned i = 0; i < n; i++) {
        well &= *l->status[i] == 0;
        *l->status[i] = POISON;
    }
    return well;
}

static unsigned slot_next(struct lean *l)
{
    const unsigned i = l->next;

    l->next = i + 1 == l->slots ? 0 : i + 1;
    return i;
}

/* ---- split ---- */

static void split_lay_out(struct lean *l)
{
    for (unsigned i = 0; i < l->slots; i++) {
        uint8_t *at = l->desc + (size_t)i * l->step * VIRTQ_DESC_BYTES;
        struct piece p[PIECES];

        if (l->step == 1) {
            desc_store(at, l->table[i], PIECES * VIRTQ_DESC_BYTES, VIRTQ_DESC_INDIRECT, 0);
            continue;
        }
        pieces(l, i, p);
        for (unsigned k = 0; k < PIECES; k++, at += VIRTQ_DESC_BYTES)
            desc_store(at, p[k].addr, p[k].len, p[k].flags, (uint16_t)(i * PIECES + k + 1));
    }
}

static void split_put(struct lean *l, unsigned n)
{
    uint16_t *ring = (uint16_t *)(void *)(l->avail + VIRTQ_RING_ENTRY);
    const unsigned mask = l->q->size - 1u;

    for (unsigned i = 0; i < n; i++)
        ring[(l->avail_at + i) & mask] = (uint16_t)(slot_next(l) * l->step);
    l->avail_at = (uint16_t)(l->avail_at + n);
    __atomic_store_n((uint16_t *)(void *)(l->avail + VIRTQ_RING_IDX), l->avail_at,
                     __ATOMIC_RELEASE);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* then look whether a doorbell is wanted */
}

static unsigned split_take(struct lean *l)
{
    const uint16_t idx =
        __atomic_load_n((uint16_t *)(void *)(l->used + VIRTQ_RING_IDX), __ATOMIC_ACQUIRE);
    const uint32_t *ring = (const uint32_t *)(const void *)(l->used + VIRTQ_RING_ENTRY);
    const unsigned mask = l->q->size - 1u, n = (uint16_t)(idx - l->used_at);
    unsigned good = 0;

    for (unsigned i = 0; i < n; i++)
        good += ring[((l->used_at + i) & mask) * 2] < l->q->size;
    l->used_at = idx;
    if (l->interrupts)
        __atomic_store_n((uint16_t *)(void *)(l->avail + VIRTQ_RING_ENTRY +
                                              VIRTQ_AVAIL_ENTRY_BYTES * (size_t)l->q->size),
                         idx, __ATOMIC_RELEASE);
    return good;
}

static void split_pretend(struct lean *l, unsigned n)
{
    uint32_t *ring = (uint32_t *)(void *)(l->used + VIRTQ_RING_ENTRY);
    const unsigned mask = l->q->size - 1u;

    for (unsigned i = 0; i < n; i++)
        ring[((l->used_at + i) & mask) * 2] = 0;
    __atomic_store_n((uint16_t *)(void *)(l->used + VIRTQ_RING_IDX), (uint16_t)(l->used_at + n),
                     __ATOMIC_RELEASE);
}

static const struct lean_ops lean_split = {"split", split_put, split_take, split_pretend};

/* ---- packed ---- */

static uint8_t *slot_desc(const struct lean *l, unsigned at)
{
    return l->desc + (size_t)at * VIRTQ_DESC_BYTES;
}

static uint16_t flags_avail(bool wrap)
{
    return wrap ? PACKED_AVAIL : PACKED_USED;
}

static void slot_step(uint16_t *at, bool *wrap, unsigned size)
{
    if (++*at < size)
        return;
    *at = 0;
    *wrap = !*wrap;
}

static void slot_store(struct lean *l, const struct piece *p, unsigned id)
{
    uint8_t *d = slot_desc(l, l->avail_at);

    desc_store(d, p->addr, p->len, (uint16_t)id, 0);
    __atomic_store_n((uint16_t *)(void *)(d + PACKED_FLAGS),
                     (uint16_t)(p->flags | flags_avail(l->avail_wrap)), __ATOMIC_RELEASE);
    slot_step(&l->avail_at, &l->avail_wrap, l->q->size);
}

/* Nobody looks meanwhile, so the first descriptor's flags need not come last (2.8.21). */
static void packed_put_one(struct lean *l, unsigned i)
{
    struct piece p[PIECES];

    if (l->step == 1) {
        slot_store(l, &(struct piece){l->table[i], PIECES * VIRTQ_DESC_BYTES, VIRTQ_DESC_INDIRECT},
                   i);
        return;
    }
    pieces(l, i, p);
    for (unsigned k = 0; k < PIECES; k++)
        slot_store(l, &p[k], i);
}

static void packed_put(struct lean *l, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        packed_put_one(l, slot_next(l));
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void packed_pass(struct lean *l)
{
    for (unsigned k = 0; k < l->step; k++)
        slot_step(&l->used_at, &l->used_wrap, l->q->size);
}

static unsigned packed_take(struct lean *l)
{
    unsigned n = 0;

    for (; n < l->slots; n++) {
        const uint16_t flags = __atomic_load_n(
            (uint16_t *)(void *)(slot_desc(l, l->used_at) + PACKED_FLAGS), __ATOMIC_ACQUIRE);

        if (!(flags & PACKED_AVAIL) != !l->used_wrap || !(flags & PACKED_USED) != !l->used_wrap)
            break;
        packed_pass(l);
    }
    return n;
}

static void packed_pretend(struct lean *l, unsigned n)
{
    uint16_t at = l->used_at;
    bool wrap = l->used_wrap;

    for (unsigned i = 0; i < n; i++) {
        uint16_t *flags = (uint16_t *)(void *)(slot_desc(l, at) + PACKED_FLAGS);

        __atomic_store_n(flags, wrap ? PACKED_AVAIL | PACKED_USED : 0, __ATOMIC_RELEASE);
        for (unsigned k = 0; k < l->step; k++)
            slot_step(&at, &wrap, l->q->size);
    }
}

static const struct lean_ops lean_packed = {"packed", packed_put, packed_take, packed_pretend};

bool lean_make(struct lean *l, struct dq *q, unsigned slots, bool indirect)
{
    const bool packed = strcmp(q->ops->name, lean_packed.name) == 0;
    const unsigned step = indirect ? 1 : PIECES;

    *l = (struct lean){.ops = packed ? &lean_packed : &lean_split,
                       .q = q,
                       .slots = slots,
                       .step = step,
                       .avail_wrap = true,
                       .used_wrap = true};
    if (slots > LEAN_SLOTS || slots * step > q->size)
        return false;
    l->desc = (uint8_t *)drv_mem(q->d, q->desc, q->size * (uint64_t)VIRTQ_DESC_BYTES);
    l->avail = (uint8_t *)drv_mem(q->d, q->driver, 4);
    l->used = (uint8_t *)drv_mem(q->d, q->device, 4);
    for (unsigned i = 0; i < slots; i++)
        l->data[i] = drv_alloc(q->d, LEAN_BYTES, LEAN_BYTES);
    for (unsigned i = 0; i < slots; i++)
        slot_fill(l, i, indirect, packed);
    if (!packed)
        split_lay_out(l);
    return true;
}
