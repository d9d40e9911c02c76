// SPDX-License-Identifier: MIT
/*
 * Owns the packed ring (2.8): one ring of descriptors that both sides write, and an event
 * suppression area of each. Everything that a driver could have written wrong is checked here,
 * once: a list is copied before it is looked at, and ends where the slots that the driver may own
 * end. It exists on the modern interface only, so it is little-endian.
 */
#include "virtio/vq.h"

#include <errno.h>
#include <stdlib.h>

#include "virtio/lint.h"
#include "vmm/base/bits.h"
#include "vmm/base/ringmem.h"
#include "vmm/base/trace.h"

/* A place in the ring, and the wrap counter there (2.8.1). */
struct place {
    uint16_t slot;
    bool wrap;
};

struct packed {
    struct ringmem desc, driver, device;
    bool asked; /* for a doorbell, ever */
    bool event_idx, indirect;
    uint16_t size;
    struct place avail;       /* the next descriptor to take */
    struct place used;        /* where the next used one goes */
    struct place first;       /* the first one of those not shown yet */
    uint16_t first_flags;     /* ... what will show it, and all behind it (2.8.9-d1) */
    uint32_t taken;           /* slots that are the device's: from shown to avail */
    uint32_t unseen;          /* ... of these, slots that are used and not shown yet */
    uint32_t skipped;         /* ... of chains that the next used descriptor stands for, too */
    struct pvirtq_desc *list; /* copy of the list that is looked at, size entries */
};

static void place_move(const struct packed *r, struct place *at, uint32_t slots)
{
    const uint32_t to = at->slot + slots;

    at->wrap ^= to >= r->size; /* slots is at most size */
    at->slot = (uint16_t)(to >= r->size ? to - r->size : to);
}

static uint64_t slot_at(uint16_t slot)
{
    return sizeof(struct pvirtq_desc) * (uint64_t)slot;
}

/* 2.8.1-d2 */
static bool is_available(uint16_t flags, bool wrap)
{
    return !!(flags & PVIRTQ_AVAIL) == wrap && !!(flags & PVIRTQ_USED) != wrap;
}

static void packed_close(struct vq *vq)
{
    struct packed *r = vq->ring;

    free(r->list);
    free(r);
}

static int packed_open(struct vq *vq)
{
    struct packed *r = calloc(1, sizeof(*r));
    const struct gmem *mem = vq->dev->mem;
    const struct vq_settings *set = &vq->set;

    if (!r)
        return -ENOMEM;
    vq->ring = r;
    vq->any_id = true;
    r->event_idx = vdev_has(vq->dev, VIRTIO_F_EVENT_IDX);
    r->indirect = vdev_has(vq->dev, VIRTIO_F_INDIRECT_DESC);
    r->size = set->size;
    r->avail.wrap = r->used.wrap = true;
    r->list = calloc(r->size, sizeof(r->list[0]));
    if (!r->list) {
        packed_close(vq);
        return -ENOMEM;
    }
    if (!ringmem_map(&r->desc, mem, gpa(set->desc), slot_at(r->size), VIRTQ_DESC_ALIGN) ||
        !ringmem_map(&r->driver, mem, gpa(set->driver), PVIRTQ_EVENT_BYTES, PVIRTQ_EVENT_ALIGN) ||
        !ringmem_map(&r->device, mem, gpa(set->device), PVIRTQ_EVENT_BYTES, PVIRTQ_EVENT_ALIGN)) {
        packed_close(vq);
        return -EINVAL; /* 2.8.10-d2 */
    }
    return 0;
}

/* ---- pop ---- */

static struct pvirtq_desc desc_of(uint64_t addr, uint64_t rest)
{
    const uint64_t raw[2] = {addr, rest};
    struct pvirtq_desc d;

    memcpy(&d, raw, sizeof(d));
    return d;
}

/* Copy the list that starts with `first` at r->avail. *n = its length. NULL, or the clause that it
 * breaks. Ends within the slots that are not the device's already. */
static const char *list_fetch(const struct packed *r, struct pvirtq_desc first, uint32_t *n)
{
    struct place at = r->avail;
    struct pvirtq_desc d = first;

    for (*n = 0;;) {
        const uint16_t flags = le16_get(d.flags);
        uint64_t raw[2];

        if (r->taken + *n >= r->size)
            return "2.8.17-t5"; /* lists without an end, too */
        if (!is_available(flags, at.wrap))
            return "2.8.17-t6";
        if ((flags & VIRTQ_DESC_INDIRECT) && (*n || (flags & VIRTQ_DESC_NEXT)))
            return "2.8.19-t4";
        r->list[(*n)++] = d;
        if (!(flags & VIRTQ_DESC_NEXT))
            return NULL;
        place_move(r, &at, 1);
        ring_load_pair(&r->desc, slot_at(at.slot), raw);
        d = desc_of(raw[0], raw[1]);
    }
}

/* Replace the one descriptor in r->list by the table that it points to. NULL, or the clause. WRITE
 * is ignored (2.8.7-d2). */
static const char *table_fetch(const struct packed *r, const struct gmem *mem, uint32_t *n)
{
    const struct pvirtq_desc d = r->list[0];
    const uint32_t len = le32_get(d.len);

    if (!r->indirect)
        return "2.8.19-t1";
    if (!len || len % sizeof(d))
        return "2.8.7-d1";
    if (len / sizeof(d) > r->size)
        return "2.8.17-t2";
    *n = len / sizeof(d);
    return gmem_read(mem, gpa(le64_get(d.addr)), r->list, len) < 0 ? "2.8.7-d1" : NULL;
}

/* 2.8.19-t2: the entries of a table that are in r->list. */
static void table_lint(const struct vq *vq, const struct packed *r, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const uint16_t flags = le16_get(r->list[i].flags);

        if (flags & ~VIRTQ_DESC_WRITE)
            lint_see_queue(vq, LINT_PACKED_TABLE_FLAGS, flags);
    }
}

/* Hand the n entries of r->list to chain. NULL, or the clause that they break. */
static const char *list_add(const struct packed *r, struct vq_chain *chain, uint32_t n)
{
    bool writes = false;

    for (uint32_t i = 0; i < n; i++) {
        const struct pvirtq_desc *d = &r->list[i];
        const bool write = le16_get(d->flags) & VIRTQ_DESC_WRITE;

        if (writes && !write)
            return "2.8.17-t3";
        writes = write;
        if (!vq_chain_add(chain, le64_get(d->addr), le32_get(d->len), write))
            return "2.1.2-d3"; /* host memory */
    }
    return NULL;
}

/* The chain that begins with `first`, or NULL and *clause. */
static struct vq_chain *list_take(struct vq *vq, struct packed *r, struct pvirtq_desc first,
                                  const char **clause)
{
    struct vq_chain *chain;
    uint32_t n, span;
    uint16_t id;
    bool table;

    *clause = list_fetch(r, first, &n);
    if (*clause)
        return NULL;
    span = n;
    id = le16_get(r->list[n - 1].id); /* 2.8.6-d1 */
    table = le16_get(r->list[0].flags) & VIRTQ_DESC_INDIRECT;
    if (table)
        *clause = table_fetch(r, vq->dev->mem, &n);
    if (*clause)
        return NULL;
    if (table && vq->dev->lint)
        table_lint(vq, r, n);
    chain = vq_chain_take(vq, id);
    *clause = chain ? list_add(r, chain, n) : "2.8.16-t1"; /* in flight already */
    if (chain && *clause)
        vq_chain_untake(chain);
    if (*clause)
        return NULL;
    chain->span = (uint16_t)span;
    return chain;
}

static struct vq_chain *packed_pop(struct vq *vq)
{
    struct packed *r = vq->ring;
    const uint64_t at = slot_at(r->avail.slot);
    struct vq_chain *chain;
    struct pvirtq_desc first;
    const char *clause;

    /* Acquire: the flags before all else of the list (2.8.21-d1). */
    first = desc_of(0, ring_load64(&r->desc, at + PVIRTQ_DESC_LEN, memory_order_acquire));
    if (!is_available(le16_get(first.flags), r->avail.wrap))
        return NULL;
    first.addr.raw = ring_load64(&r->desc, at, memory_order_relaxed);
    chain = list_take(vq, r, first, &clause);
    if (!chain) {
        vdev_fail(vq->dev, clause, "queue %u: broken descriptor list at slot %u", vq->index,
                  r->avail.slot);
        return NULL;
    }
    vq_chain_ready(chain);
    TRACE(SPAN, vq->dev->trace, vq->index, chain->span);
    TRACE(POP, vq->dev->trace, vq->index, chain->id, chain->out.left, chain->in.left);
    place_move(r, &r->avail, chain->span);
    r->taken += chain->span;
    return chain;
}

/* ---- push, publish, kicks ---- */

/*
 * What the driver looks at next is the first one of a batch. Its flags wait for publish: so the
 * driver sees all of the batch or nothing, as buffers that belong together need (2.8.9-d1).
 */
static void packed_push(struct vq *vq, struct vq_chain *chain, uint32_t written)
{
    struct packed *r = vq->ring;
    const uint64_t at = slot_at(r->used.slot);
    const uint32_t slots = r->skipped + chain->span;
    const uint16_t flags = (uint16_t)((written ? VIRTQ_DESC_WRITE : 0) |
                                      (r->used.wrap ? PVIRTQ_AVAIL | PVIRTQ_USED : 0));

    TRACE(PUSH, vq->dev->trace, vq->index, chain->id, written);
    if (r->unseen) {
        const struct pvirtq_desc d = {
            .len = le32_make(written), .id = le16_make(chain->id), .flags = le16_make(flags)};
        uint64_t rest;

        memcpy(&rest, &d.len, sizeof(rest));
        ring_store64(&r->desc, at + PVIRTQ_DESC_LEN, rest);
    } else {
        ring_store32(&r->desc, at + PVIRTQ_DESC_LEN, htole32(written));
        ring_store16(&r->desc, at + PVIRTQ_DESC_ID, htole16(chain->id), memory_order_relaxed);
        r->first = r->used;
        r->first_flags = flags;
    }
    r->unseen += slots;
    r->skipped = 0;
    place_move(r, &r->used, slots);
}

static void packed_skip(struct vq *vq, struct vq_chain *chain)
{
    TRACE(PUSH, vq->dev->trace, vq->index, chain->id, chain->written);
    ((struct packed *)vq->ring)->skipped += chain->span;
}

/* Do the last `slots` used ones reach over the place that the driver asked for? */
static bool event_reached(const struct packed *r, uint16_t off_wrap, uint32_t slots)
{
    const bool wrap = off_wrap & PVIRTQ_EVENT_WRAP;
    const int32_t off = off_wrap & ~PVIRTQ_EVENT_WRAP;
    const int32_t event = wrap == r->used.wrap ? off : off - r->size;
    const int32_t past = r->used.slot - event; /* 1: the last one was there */

    return past > 0 && (uint32_t)past <= slots;
}

static bool packed_publish(struct vq *vq)
{
    struct packed *r = vq->ring;
    const uint32_t slots = r->unseen;
    uint32_t event;
    uint16_t flags;

    if (!slots)
        return false;
    /* Release: flags behind all else (2.8.15-d4). */
    ring_store16(&r->desc, slot_at(r->first.slot) + PVIRTQ_DESC_FLAGS, htole16(r->first_flags),
                 memory_order_release);
    r->taken -= slots;
    r->unseen = 0;
    ring_fence(); /* the flags before what the driver asks for */
    event = le32toh(ring_load32(&r->driver, 0));
    TRACE(EVENT, vq->dev->trace, vq->index, event);
    flags = (event >> 16) & PVIRTQ_EVENT_FLAGS;
    if (flags == PVIRTQ_EVENT_DESC && r->event_idx)
        return event_reached(r, (uint16_t)event, slots);
    return flags != PVIRTQ_EVENT_DISABLE;
}

/* 2.8.14-d1; offset and flags in one store, so that the driver sees both or none. */
static void event_store(struct packed *r, uint16_t flags, struct place at)
{
    const uint32_t off_wrap = at.slot | (at.wrap ? PVIRTQ_EVENT_WRAP : 0);

    ring_store32(&r->device, 0, htole32(off_wrap | (uint32_t)flags << 16));
}

static bool slot_is_available(const struct packed *r)
{
    const uint64_t at = slot_at(r->avail.slot) + PVIRTQ_DESC_FLAGS;

    return is_available(le16toh(ring_load16(&r->desc, at, memory_order_relaxed)), r->avail.wrap);
}

static bool packed_more(struct vq *vq)
{
    return slot_is_available(vq->ring);
}

static bool packed_kicks(struct vq *vq, bool on)
{
    struct packed *r = vq->ring;

    if (!on) {
        if (!r->event_idx || !r->asked) /* else a place left behind says so already */
            event_store(r, PVIRTQ_EVENT_DISABLE, (struct place){0, false});
        return false;
    }
    r->asked = true;
    if (r->event_idx)
        event_store(r, PVIRTQ_EVENT_DESC, r->avail);
    else
        event_store(r, PVIRTQ_EVENT_ENABLE, (struct place){0, false});
    ring_fence(); /* what we ask for before the last look */
    return packed_more(vq);
}

static void packed_indices(const struct vq *vq, struct vq_indices *at)
{
    const struct packed *r = vq->ring;

    at->packed = true;
    at->avail = r->avail.slot;
    at->avail_wrap = r->avail.wrap;
    at->used = r->used.slot;
    at->used_wrap = r->used.wrap;
    at->more = r->taken < r->size && slot_is_available(r);
}

const struct vq_ops vq_packed_ops = {
    .open = packed_open,
    .close = packed_close,
    .pop = packed_pop,
    .push = packed_push,
    .skip = packed_skip,
    .publish = packed_publish,
    .kicks = packed_kicks,
    .more = packed_more,
    .indices = packed_indices,
};
