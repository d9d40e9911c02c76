// SPDX-License-Identifier: MIT
/*
 * Owns the driver's side of the packed ring. Refuses to know how a device is told where it lies.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/driver/driver.h"
#include "vmm/base/bits.h"

enum { AREAS_ALIGN = 64 };

static uint64_t slot_at(const struct dq *q, unsigned slot)
{
    return q->desc + sizeof(struct pvirtq_desc) * (uint64_t)slot;
}

uint16_t packed_available(bool wrap)
{
    return wrap ? PVIRTQ_AVAIL : PVIRTQ_USED;
}

uint16_t packed_used(bool wrap)
{
    return wrap ? PVIRTQ_AVAIL | PVIRTQ_USED : 0;
}

static uint16_t load_flags(struct dq *q, unsigned slot)
{
    uint16_t *p = (uint16_t *)machine_mem(q->d->m, slot_at(q, slot) + PVIRTQ_DESC_FLAGS, 2);

    return le16toh(__atomic_load_n(p, __ATOMIC_ACQUIRE));
}

void packed_flags(struct dq *q, unsigned slot, uint16_t flags)
{
    uint16_t *p = (uint16_t *)machine_mem(q->d->m, slot_at(q, slot) + PVIRTQ_DESC_FLAGS, 2);

    __atomic_store_n(p, htole16(flags), __ATOMIC_RELEASE);
}

void packed_desc_at(struct dq *q, uint64_t at, uint64_t addr, uint32_t len, uint16_t id,
                    uint16_t flags)
{
    const struct pvirtq_desc d = {le64_make(addr), le32_make(len), le16_make(id), le16_make(flags)};
    uint64_t *p = (uint64_t *)machine_mem(q->d->m, at, sizeof(d));
    uint64_t half[2];

    memcpy(half, &d, sizeof(half));
    __atomic_store_n(p, half[0], __ATOMIC_RELAXED);
    __atomic_store_n(p + 1, half[1], __ATOMIC_RELEASE);
}

void packed_desc(struct dq *q, unsigned slot, uint64_t addr, uint32_t len, uint16_t id,
                 uint16_t flags)
{
    packed_desc_at(q, slot_at(q, slot), addr, len, id, flags);
}

struct used packed_entry(struct dq *q, unsigned slot, uint16_t *flags)
{
    const uint64_t *p =
        (const uint64_t *)machine_mem(q->d->m, slot_at(q, slot) + PVIRTQ_DESC_LEN, 8);
    const uint64_t v = le64toh(__atomic_load_n(p, __ATOMIC_ACQUIRE));

    *flags = (uint16_t)(v >> 48);
    return (struct used){.id = (uint16_t)(v >> 32), .len = (uint32_t)v};
}

static uint32_t *event_word(struct dq *q, uint64_t area)
{
    return (uint32_t *)machine_mem(q->d->m, area, PVIRTQ_EVENT_BYTES);
}

void packed_event(struct dq *q, uint16_t off_wrap, uint16_t flags)
{
    __atomic_store_n(event_word(q, q->driver), htole32(off_wrap | (uint32_t)flags << 16),
                     __ATOMIC_RELEASE);
}

void packed_event_device(struct dq *q, uint16_t *off_wrap, uint16_t *flags)
{
    const uint32_t v = le32toh(__atomic_load_n(event_word(q, q->device), __ATOMIC_ACQUIRE));

    *off_wrap = (uint16_t)v;
    *flags = (uint16_t)(v >> 16);
}

static uint16_t off_wrap(uint16_t slot, bool wrap)
{
    return (uint16_t)(slot | (wrap ? PVIRTQ_EVENT_WRAP : 0));
}

static void areas_alloc(struct dq *q)
{
    q->desc = ring_alloc(q->d, sizeof(struct pvirtq_desc) * (uint64_t)q->size, AREAS_ALIGN);
    q->driver = ring_alloc(q->d, PVIRTQ_EVENT_BYTES, AREAS_ALIGN);
    q->device = ring_alloc(q->d, PVIRTQ_EVENT_BYTES, AREAS_ALIGN);
    book_alloc(q);
}

static void packed_open(struct dq *q)
{
    const size_t bytes = sizeof(struct pvirtq_desc) * (size_t)q->size;

    if (q->area_size != q->size)
        areas_alloc(q);
    memset(machine_mem(q->d->m, q->desc, bytes), 0, bytes);
    packed_event(q, 0, PVIRTQ_EVENT_ENABLE);
    memset(machine_mem(q->d->m, q->device, PVIRTQ_EVENT_BYTES), 0, PVIRTQ_EVENT_BYTES);
    book_open(q);
}

/* Write what is in slot avail_idx and go on. The flags of the first one are kept back. */
static void put(struct dq *q, uint64_t addr, uint32_t len, uint16_t id, uint16_t flags)
{
    const uint16_t slot = q->avail_idx;

    flags |= packed_available(q->avail_wrap);
    if (!q->added) {
        q->first = slot;
        q->first_flags = flags;
        flags = packed_available(!q->avail_wrap);
    }
    packed_desc(q, slot, addr, len, id, flags);
    q->added++;
    q->avail_idx = (uint16_t)(slot + 1);
    if (q->avail_idx == q->size) {
        q->avail_idx = 0;
        q->avail_wrap = !q->avail_wrap;
    }
}

static void put_table(struct dq *q, const struct chain *c, uint16_t id)
{
    const uint64_t at = book_table(q, id, c->n);

    for (unsigned i = 0; i < c->n; i++)
        packed_desc_at(q, at + sizeof(struct pvirtq_desc) * (uint64_t)i, c->buf[i].addr,
                       c->buf[i].len, 0, c->buf[i].write ? VIRTQ_DESC_WRITE : 0);
    put(q, at, (uint32_t)(sizeof(struct pvirtq_desc) * c->n), id, VIRTQ_DESC_INDIRECT);
}

/* Only the last id of a list counts (2.8.6-d1): the others are wrong. */
static void put_list(struct dq *q, const struct chain *c, uint16_t id)
{
    for (unsigned i = 0; i < c->n; i++) {
        const bool last = i + 1 == c->n;

        put(q, c->buf[i].addr, c->buf[i].len, last ? id : (uint16_t)~id,
            (uint16_t)((c->buf[i].write ? VIRTQ_DESC_WRITE : 0) | (last ? 0 : VIRTQ_DESC_NEXT)));
    }
}

static int packed_add(struct dq *q, const struct chain *c, bool indirect, void *cookie)
{
    const unsigned slots = indirect ? 1 : c->n;
    const uint16_t id = q->free_head;

    assert_true(c->n > 0);
    if (slots > q->n_free)
        return -1;
    q->free_head = q->next[id];
    q->n_free = (uint16_t)(q->n_free - slots);
    q->span[id] = (uint16_t)slots;
    book_add(q, id, c, cookie);
    if (indirect)
        put_table(q, c, id);
    else
        put_list(q, c, id);
    return id;
}

/* Did the slots that were made available reach over the place that the device asked for? */
static bool kick_wanted(struct dq *q, uint16_t slots)
{
    uint16_t at, flags;
    int event;

    packed_event_device(q, &at, &flags);
    flags &= PVIRTQ_EVENT_FLAGS;
    if (flags != PVIRTQ_EVENT_DESC || !q->event_idx)
        return flags != PVIRTQ_EVENT_DISABLE;
    event = at & ~PVIRTQ_EVENT_WRAP;
    if (!!(at & PVIRTQ_EVENT_WRAP) != q->avail_wrap)
        event -= q->size;
    return q->avail_idx - event > 0 && q->avail_idx - event <= slots;
}

static bool packed_publish(struct dq *q)
{
    const uint16_t slots = q->added;

    if (slots)
        packed_flags(q, q->first, q->first_flags);
    q->added = 0;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return kick_wanted(q, slots);
}

static bool slot_is_used(struct dq *q)
{
    const uint16_t both = PVIRTQ_AVAIL | PVIRTQ_USED;

    return (load_flags(q, q->used_idx) & both) == packed_used(q->used_wrap);
}

static bool packed_used_any(struct dq *q)
{
    return q->in_batch || slot_is_used(q);
}

static bool packed_take(struct dq *q, struct used *u)
{
    uint16_t flags;

    if (!packed_used_any(q))
        return false;
    if (!q->in_batch) {
        q->entry = packed_entry(q, q->used_idx, &flags);
        assert_int_equal(flags & ~(PVIRTQ_AVAIL | PVIRTQ_USED | VIRTQ_DESC_WRITE), 0);
        if (!(flags & VIRTQ_DESC_WRITE))
            q->entry.len = 0; /* 2.8.4-d1 */
    }
    *u = book_take(q, q->entry);
    q->next[u->id] = q->free_head;
    q->free_head = (uint16_t)u->id;
    q->n_free = (uint16_t)(q->n_free + q->span[u->id]);
    q->used_idx = (uint16_t)(q->used_idx + q->span[u->id]);
    if (q->used_idx >= q->size) {
        q->used_idx = (uint16_t)(q->used_idx - q->size);
        q->used_wrap = !q->used_wrap;
    }
    if (q->event_idx && !q->quiet)
        packed_event(q, off_wrap(q->used_idx, q->used_wrap), PVIRTQ_EVENT_DESC);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return true;
}

static void packed_interrupts(struct dq *q, bool on)
{
    q->quiet = !on;
    if (!on)
        packed_event(q, 0, PVIRTQ_EVENT_DISABLE);
    else
        packed_event(q, off_wrap(q->used_idx, q->used_wrap),
                     q->event_idx ? PVIRTQ_EVENT_DESC : PVIRTQ_EVENT_ENABLE);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static uint16_t packed_notify_data(struct dq *q)
{
    return off_wrap(q->avail_idx, q->avail_wrap);
}

const struct ring_ops ring_packed = {
    .name = "packed",
    .feature = BIT64(VIRTIO_F_RING_PACKED),
    .open = packed_open,
    .add = packed_add,
    .publish = packed_publish,
    .take = packed_take,
    .used_any = packed_used_any,
    .interrupts = packed_interrupts,
    .notify_data = packed_notify_data,
};
