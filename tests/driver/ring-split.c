// SPDX-License-Identifier: MIT
/*
 * Owns the driver's side of the split ring. Refuses to know how a device is told where it lies.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/driver/driver.h"
#include "vmm/base/bits.h"

enum { EVENT_BYTES = 2, LOW_ALIGN = 4096 };

static uint16_t *word16(struct dq *q, uint64_t at)
{
    return (uint16_t *)machine_mem(q->d->m, at, 2);
}

static uint16_t load16(struct dq *q, uint64_t at)
{
    return order16(q->order, __atomic_load_n(word16(q, at), __ATOMIC_ACQUIRE));
}

static void store16(struct dq *q, uint64_t at, uint16_t v)
{
    __atomic_store_n(word16(q, at), order16(q->order, v), __ATOMIC_RELEASE);
}

static uint32_t load32(struct dq *q, uint64_t at)
{
    uint32_t *p = (uint32_t *)machine_mem(q->d->m, at, 4);

    return order32(q->order, __atomic_load_n(p, __ATOMIC_RELAXED));
}

void split_desc_at(struct dq *q, uint64_t at, uint64_t addr, uint32_t len, uint16_t flags,
                   uint16_t next)
{
    uint64_t *p = (uint64_t *)machine_mem(q->d->m, at, VIRTQ_DESC_BYTES);
    uint8_t raw[VIRTQ_DESC_BYTES];

    order_store(q->order, raw, 8, addr);
    order_store(q->order, raw + 8, 4, len);
    order_store(q->order, raw + 12, 2, flags);
    order_store(q->order, raw + 14, 2, next);
    for (unsigned i = 0; i < 2; i++) {
        uint64_t half;

        memcpy(&half, raw + 8 * i, sizeof(half));
        __atomic_store_n(p + i, half, __ATOMIC_RELAXED);
    }
}

void split_desc(struct dq *q, unsigned i, uint64_t addr, uint32_t len, uint16_t flags,
                uint16_t next)
{
    split_desc_at(q, q->desc + VIRTQ_DESC_BYTES * i, addr, len, flags, next);
}

void split_avail(struct dq *q, uint16_t head)
{
    const uint64_t slot = q->avail_idx % q->size;

    store16(q, q->driver + VIRTQ_RING_ENTRY + VIRTQ_AVAIL_ENTRY_BYTES * slot, head);
    q->avail_idx++;
}

void split_avail_idx(struct dq *q, uint16_t idx)
{
    store16(q, q->driver + VIRTQ_RING_IDX, idx);
}

void split_avail_show(struct dq *q)
{
    split_avail_idx(q, q->avail_idx);
    q->published = q->avail_idx;
}

void split_avail_flags(struct dq *q, uint16_t flags)
{
    store16(q, q->driver + VIRTQ_RING_FLAGS, flags);
}

void split_used_event(struct dq *q, uint16_t event)
{
    store16(q, q->driver + VIRTQ_RING_ENTRY + VIRTQ_AVAIL_ENTRY_BYTES * (uint64_t)q->size, event);
}

uint16_t split_used_idx(struct dq *q)
{
    return load16(q, q->device + VIRTQ_RING_IDX);
}

uint16_t split_used_flags(struct dq *q)
{
    return load16(q, q->device + VIRTQ_RING_FLAGS);
}

uint16_t split_avail_event(struct dq *q)
{
    return load16(q, q->device + VIRTQ_RING_ENTRY + VIRTQ_USED_ENTRY_BYTES * (uint64_t)q->size);
}

struct used split_used_entry(struct dq *q, uint16_t idx)
{
    const uint64_t at =
        q->device + VIRTQ_RING_ENTRY + VIRTQ_USED_ENTRY_BYTES * (uint64_t)(idx % q->size);

    return (struct used){.id = load32(q, at), .len = load32(q, at + 4)};
}

static uint64_t avail_bytes(const struct dq *q)
{
    return VIRTQ_RING_ENTRY + VIRTQ_AVAIL_ENTRY_BYTES * (uint64_t)q->size + EVENT_BYTES;
}

static uint64_t used_bytes(const struct dq *q)
{
    return VIRTQ_RING_ENTRY + VIRTQ_USED_ENTRY_BYTES * (uint64_t)q->size + EVENT_BYTES;
}

/* One block in the order and with the gap that 2.7.2-l2 wants, which suits every interface. */
static void areas_alloc(struct dq *q)
{
    const uint64_t desc = VIRTQ_DESC_BYTES * (uint64_t)q->size;
    const uint64_t used_at = align_up(desc + avail_bytes(q), LOW_ALIGN);

    q->desc = ring_alloc(q->d, used_at + used_bytes(q), LOW_ALIGN);
    q->driver = q->desc + desc;
    q->device = q->desc + used_at;
    book_alloc(q);
}

static void split_open(struct dq *q)
{
    if (q->area_size != q->size)
        areas_alloc(q);
    memset(machine_mem(q->d->m, q->desc, VIRTQ_DESC_BYTES * (uint64_t)q->size), 0,
           VIRTQ_DESC_BYTES * (size_t)q->size);
    memset(machine_mem(q->d->m, q->driver, avail_bytes(q)), 0, avail_bytes(q));
    memset(machine_mem(q->d->m, q->device, used_bytes(q)), 0, used_bytes(q));
    book_open(q);
}

static uint16_t piece_flags(const struct chain *c, unsigned i)
{
    return (uint16_t)((c->buf[i].write ? VIRTQ_DESC_WRITE : 0) |
                      (i + 1 < c->n ? VIRTQ_DESC_NEXT : 0));
}

static int add_indirect(struct dq *q, const struct chain *c)
{
    const uint16_t head = q->free_head;
    const uint64_t at = book_table(q, head, c->n);

    for (unsigned i = 0; i < c->n; i++)
        split_desc_at(q, at + VIRTQ_DESC_BYTES * (uint64_t)i, c->buf[i].addr, c->buf[i].len,
                      piece_flags(c, i), (uint16_t)(i + 1));
    split_desc(q, head, at, VIRTQ_DESC_BYTES * c->n, VIRTQ_DESC_INDIRECT, 0);
    q->free_head = q->next[head];
    q->next[head] = q->size; /* the end */
    q->n_free--;
    return head;
}

static int add_direct(struct dq *q, const struct chain *c)
{
    const uint16_t head = q->free_head;
    uint16_t at = head, last = head;

    for (unsigned i = 0; i < c->n; i++) {
        split_desc(q, at, c->buf[i].addr, c->buf[i].len, piece_flags(c, i), q->next[at]);
        last = at;
        at = q->next[at];
    }
    q->next[last] = q->size; /* the end */
    q->free_head = at;
    q->n_free = (uint16_t)(q->n_free - c->n);
    return head;
}

static int split_add(struct dq *q, const struct chain *c, bool indirect, void *cookie)
{
    int head;

    assert_true(c->n > 0);
    if ((indirect ? 1 : c->n) > q->n_free)
        return -1;
    head = indirect ? add_indirect(q, c) : add_direct(q, c);
    book_add(q, (uint16_t)head, c, cookie);
    split_avail(q, (uint16_t)head);
    return head;
}

static bool split_publish(struct dq *q)
{
    const uint16_t old = q->published, now = q->avail_idx;

    split_avail_show(q);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (q->event_idx)
        return (uint16_t)(now - split_avail_event(q) - 1) < (uint16_t)(now - old);
    return !(split_used_flags(q) & VIRTQ_USED_NO_NOTIFY);
}

static bool split_used_any(struct dq *q)
{
    return split_used_idx(q) != q->used_idx;
}

/* Put a chain back on the free list: at its end if that keeps descriptors in ring order. */
static void chain_free(struct dq *q, uint16_t head)
{
    uint16_t last = head, n = 1;

    while (q->next[last] < q->size) {
        last = q->next[last];
        n++;
    }
    if (q->in_order && q->n_free) {
        q->next[q->free_tail] = head;
        q->free_tail = last;
    } else {
        q->free_tail = q->n_free ? q->free_tail : last;
        q->next[last] = q->n_free ? q->free_head : q->size;
        q->free_head = head;
    }
    q->n_free = (uint16_t)(q->n_free + n);
}

static bool split_take(struct dq *q, struct used *u)
{
    if (!split_used_any(q))
        return false;
    if (!q->in_batch)
        q->entry = split_used_entry(q, q->used_idx);
    *u = book_take(q, q->entry);
    chain_free(q, (uint16_t)u->id);
    q->used_idx++;
    if (q->event_idx && !q->quiet)
        split_used_event(q, q->used_idx);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return true;
}

static void split_interrupts(struct dq *q, bool on)
{
    q->quiet = !on;
    if (q->event_idx)
        split_used_event(q, (uint16_t)(on ? q->used_idx : q->used_idx - 1));
    else
        split_avail_flags(q, on ? 0 : VIRTQ_AVAIL_NO_INTERRUPT);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static uint16_t split_notify_data(struct dq *q)
{
    return q->avail_idx;
}

const struct ring_ops ring_split = {
    .name = "split",
    .open = split_open,
    .add = split_add,
    .publish = split_publish,
    .take = split_take,
    .used_any = split_used_any,
    .interrupts = split_interrupts,
    .notify_data = split_notify_data,
};
