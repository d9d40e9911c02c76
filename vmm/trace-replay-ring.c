// SPDX-License-Identifier: MIT
/*
 * Owns both ring layouts from the driver's side, as far as a replay needs them. One batch at a
 * time: what is fed comes back before the next is.
 */
#include "vmm/trace-replay-ring.h"

#include <stdlib.h>
#include <string.h>

#include "vmm/base/bits.h"

/* What a ring layout's descriptor of these is. */
enum { DESC = 16 };

static void put(struct replay_ring *r, uint64_t at, uint64_t v, unsigned len)
{
    uint8_t bytes[8];

    order_store(r->vq->dev->order, bytes, len, v);
    gmem_write(r->mem, gpa(at), bytes, len);
}

static uint64_t get(const struct replay_ring *r, uint64_t at, unsigned len)
{
    uint8_t bytes[8] = {0};

    gmem_read(r->mem, gpa(at), bytes, len);
    return order_load(r->vq->dev->order, bytes, len);
}

static void clear(struct replay_ring *r, uint64_t at, uint64_t len)
{
    static const uint8_t zeros[4096];

    for (uint64_t done = 0; done < len; done += sizeof(zeros))
        gmem_write(r->mem, gpa(at + done), zeros, min_u64(len - done, sizeof(zeros)));
}

bool replay_ring_open(struct replay_ring *r, struct vq *vq, struct gmem *mem, uint64_t tables)
{
    const struct vq_settings *set = &vq->set;

    replay_ring_close(r);
    *r = (struct replay_ring){.vq = vq, .mem = mem, .tables = tables, .size = set->size};
    r->packed = vdev_has(vq->dev, VIRTIO_F_RING_PACKED);
    r->wrap = r->used_wrap = true;
    r->slots = calloc(set->size, sizeof(r->slots[0]));
    r->expect = calloc(set->size, sizeof(r->expect[0]));
    if (!r->slots || !r->expect) {
        r->lost = true;
        return false;
    }
    clear(r, set->desc, DESC * (uint64_t)set->size);
    clear(r, set->driver, r->packed ? 4 : 6 + 2 * (uint64_t)set->size);
    clear(r, set->device, r->packed ? 4 : 6 + 8 * (uint64_t)set->size);
    return true;
}

void replay_ring_close(struct replay_ring *r)
{
    free(r->slots);
    free(r->expect);
    *r = (struct replay_ring){.size = 0};
}

void replay_ring_event(struct replay_ring *r, uint32_t value)
{
    const struct vq_settings *set = &r->vq->set;

    if (r->packed)
        put(r, set->driver, value, 4);
    else if (vdev_has(r->vq->dev, VIRTIO_F_EVENT_IDX))
        put(r, set->driver + 4 + 2 * (uint64_t)r->size, value, 2);
    else
        put(r, set->driver, value, 2);
}

/* ---- descriptors ---- */

static void desc_split(struct replay_ring *r, uint64_t at, const struct replay_piece *p,
                       uint16_t flags, uint16_t next)
{
    put(r, at, p->addr, 8);
    put(r, at + 8, p->len, 4);
    put(r, at + 12, flags | (p->write ? VIRTQ_DESC_WRITE : 0), 2);
    put(r, at + 14, next, 2);
}

static void desc_packed(struct replay_ring *r, uint64_t at, const struct replay_piece *p,
                        uint16_t flags, uint16_t id)
{
    put(r, at, p->addr, 8);
    put(r, at + 8, p->len, 4);
    put(r, at + 12, id, 2);
    put(r, at + 14, flags | (p->write ? VIRTQ_DESC_WRITE : 0), 2);
}

/* All pieces in a table of their own; one piece that names it. */
static struct replay_piece table_make(struct replay_ring *r, const struct replay_chain *chain,
                                      uint16_t id)
{
    const uint64_t table = r->tables + DESC * (uint64_t)REPLAY_PIECES * id;

    for (unsigned i = 0; i < chain->n; i++) {
        const bool last = i + 1 == chain->n;

        if (r->packed)
            desc_packed(r, table + DESC * (uint64_t)i, &chain->piece[i], 0, 0);
        else
            desc_split(r, table + DESC * (uint64_t)i, &chain->piece[i], last ? 0 : VIRTQ_DESC_NEXT,
                       (uint16_t)(last ? 0 : i + 1));
    }
    return (struct replay_piece){.addr = table, .len = DESC * chain->n};
}

static void bytes_put(struct replay_ring *r, const struct replay_chain *chain)
{
    for (unsigned i = 0; i < chain->n; i++)
        if (!chain->piece[i].write)
            gmem_write(r->mem, gpa(chain->piece[i].addr), chain->piece[i].bytes,
                       chain->piece[i].n_bytes);
}

static bool feed_split(struct replay_ring *r, const struct replay_chain *chain, bool indirect)
{
    const uint16_t head = r->next;
    const uint64_t desc = r->vq->set.desc;
    const unsigned n = indirect ? 1 : chain->n;

    if (n > (unsigned)r->size - r->next)
        return false;
    if (indirect) {
        const struct replay_piece table = table_make(r, chain, head);

        desc_split(r, desc + DESC * (uint64_t)head, &table, VIRTQ_DESC_INDIRECT, 0);
    }
    for (unsigned i = 0; !indirect && i < n; i++)
        desc_split(r, desc + DESC * (uint64_t)(head + i), &chain->piece[i],
                   i + 1 < n ? VIRTQ_DESC_NEXT : 0, (uint16_t)(head + i + 1));
    r->next = (uint16_t)(r->next + n);
    put(r, r->vq->set.driver + 4 + 2 * (uint64_t)(r->avail_idx & (r->size - 1)), head, 2);
    put(r, r->vq->set.driver + 2, ++r->avail_idx, 2);
    r->slots[head] = 1;
    return true;
}

static uint16_t slot_flags(const struct replay_ring *r, bool wrap)
{
    (void)r;
    return wrap ? PVIRTQ_AVAIL : PVIRTQ_USED;
}

/* The first one's flags last. */
static bool feed_packed(struct replay_ring *r, const struct replay_chain *chain, bool indirect)
{
    const unsigned n = indirect ? 1 : chain->n;
    const uint16_t id = r->next;
    const struct replay_piece table =
        indirect ? table_make(r, chain, id) : (struct replay_piece){.addr = 0};
    const uint64_t desc = r->vq->set.desc;
    uint16_t flags, first_flags = 0;

    for (unsigned i = 0; i < n; i++) {
        const struct replay_piece *p = indirect ? &table : &chain->piece[i];

        flags = (uint16_t)(slot_flags(r, r->wrap) | (i + 1 < n ? VIRTQ_DESC_NEXT : 0) |
                           (indirect ? VIRTQ_DESC_INDIRECT : 0));
        if (!i)
            first_flags = (uint16_t)(flags | (p->write ? VIRTQ_DESC_WRITE : 0));
        desc_packed(r, desc + DESC * (uint64_t)r->next, p, i ? flags : slot_flags(r, !r->wrap), id);
        r->next++;
        if (r->next == r->size) {
            r->next = 0;
            r->wrap = !r->wrap;
        }
    }
    put(r, desc + DESC * (uint64_t)id + 14, first_flags, 2);
    r->slots[id] = (uint16_t)n;
    return true;
}

bool replay_ring_feed(struct replay_ring *r, const struct replay_chain *chain, uint32_t written)
{
    const bool may =
        chain->n > 1 && chain->n <= REPLAY_PIECES && vdev_has(r->vq->dev, VIRTIO_F_INDIRECT_DESC);
    const bool indirect = r->packed ? chain->slots == 1 && chain->n > 1 : may;
    const unsigned n = indirect ? 1 : chain->n;
    uint16_t id = r->next;

    if (!r->size || !n || n > r->size || (indirect && chain->n > REPLAY_PIECES))
        return false;
    if (!r->packed && !r->fed)
        r->next = id = 0; /* all descriptors are the driver's again */
    if ((r->packed && r->fed + n > r->size) || (r->fed && vdev_has(r->vq->dev, VIRTIO_F_IN_ORDER)))
        return false; /* in order, one entry could stand for many: so there is one at a time */
    bytes_put(r, chain);
    if (!(r->packed ? feed_packed : feed_split)(r, chain, indirect))
        return false;
    r->expect[id] = written;
    r->fed += r->packed ? n : 1;
    return true;
}

/* ---- answers ---- */

static bool take_split(struct replay_ring *r, uint16_t *id, uint32_t *written)
{
    const uint64_t used = r->vq->set.device;
    const uint64_t at = used + 4 + 8 * (uint64_t)(r->used_idx & (r->size - 1));

    if ((uint16_t)get(r, used + 2, 2) == r->used_idx)
        return false;
    *id = (uint16_t)get(r, at, 4);
    *written = (uint32_t)get(r, at + 4, 4);
    r->used_idx++;
    r->fed--;
    return true;
}

static bool take_packed(struct replay_ring *r, uint16_t *id, uint32_t *written)
{
    const uint64_t at = r->vq->set.desc + DESC * (uint64_t)r->used_slot;
    const uint64_t flags = get(r, at + 14, 2), both = PVIRTQ_AVAIL | PVIRTQ_USED;

    if ((flags & both) != (r->used_wrap ? both : 0))
        return false;
    *id = (uint16_t)get(r, at + 12, 2);
    *written = flags & VIRTQ_DESC_WRITE ? (uint32_t)get(r, at + 8, 4) : 0;
    if (*id >= r->size || !r->slots[*id])
        return true; /* the caller sees an id that cannot be */
    r->used_slot = (uint16_t)(r->used_slot + r->slots[*id]);
    if (r->used_slot >= r->size) {
        r->used_slot = (uint16_t)(r->used_slot - r->size);
        r->used_wrap = !r->used_wrap;
    }
    r->fed -= r->slots[*id];
    return true;
}

bool replay_ring_take(struct replay_ring *r, uint32_t *written, uint32_t *expect)
{
    uint16_t id = 0;

    if (!r->size || !r->fed || !(r->packed ? take_packed : take_split)(r, &id, written))
        return false;
    if (id >= r->size || !r->slots[id]) {
        r->lost = true;
        return false;
    }
    r->slots[id] = 0;
    *expect = r->expect[id];
    return true;
}
