// SPDX-License-Identifier: MIT
/*
 * Owns the split ring (2.7): descriptor table, available ring, used ring. Everything that a driver
 * could have written wrong is checked here, once; the walk ends within queue size steps whatever
 * guest memory holds, and no descriptor is read twice.
 */
#include "virtio/vq.h"

#include <errno.h>
#include <stdlib.h>

#include "virtio/lint.h"
#include "vmm/base/bits.h"
#include "vmm/base/ringmem.h"
#include "vmm/base/trace.h"

struct split {
    struct ringmem desc, avail, used;
    enum byte_order order;
    bool event_idx, indirect;
    uint16_t size;
    uint16_t avail_next; /* the next entry of the available ring to take */
    uint16_t avail_seen; /* how far the driver had come when we last looked */
    uint16_t used_next;  /* where the next used entry goes */
    uint16_t used_shown; /* the index that the driver can see */
    uint16_t skipped;    /* chains that the next used entry stands for, too */
};

/* Of a table whose descriptors may be loaded as two words each. */
enum { TABLE_ALIGN = 8 };

/* Where a descriptor comes from: the ring's table, or an indirect one. */
struct table {
    const struct gmem *mem; /* indirect: NULL else */
    struct ringmem window;  /* all of it, where it lies in one region as nearly always */
    uint64_t addr;
    uint32_t n;
};

static uint64_t avail_bytes(uint16_t size, bool event_idx)
{
    return VIRTQ_RING_ENTRY + VIRTQ_AVAIL_ENTRY_BYTES * (uint64_t)size + (event_idx ? 2 : 0);
}

static uint64_t used_bytes(uint16_t size, bool event_idx)
{
    return VIRTQ_RING_ENTRY + VIRTQ_USED_ENTRY_BYTES * (uint64_t)size + (event_idx ? 2 : 0);
}

/* 2.7.10.1-t1 */
static void used_lint(const struct vq *vq, const struct split *r)
{
    const uint16_t flags =
        order16(r->order, ring_load16(&r->used, VIRTQ_RING_FLAGS, memory_order_relaxed));

    if (flags)
        lint_see_queue(vq, LINT_USED_FLAGS, flags);
}

static int split_open(struct vq *vq)
{
    struct split *r = calloc(1, sizeof(*r));
    const struct gmem *mem = vq->dev->mem;
    const struct vq_settings *set = &vq->set;

    if (!r)
        return -ENOMEM;
    r->order = vq->dev->order;
    r->event_idx = vdev_has(vq->dev, VIRTIO_F_EVENT_IDX);
    r->indirect = vdev_has(vq->dev, VIRTIO_F_INDIRECT_DESC);
    r->size = set->size;
    if (!ringmem_map(&r->desc, mem, gpa(set->desc), VIRTQ_DESC_BYTES * (uint64_t)r->size,
                     VIRTQ_DESC_ALIGN) ||
        !ringmem_map(&r->avail, mem, gpa(set->driver), avail_bytes(r->size, r->event_idx),
                     VIRTQ_AVAIL_ALIGN) ||
        !ringmem_map(&r->used, mem, gpa(set->device), used_bytes(r->size, r->event_idx),
                     VIRTQ_USED_ALIGN)) {
        free(r);
        return -EINVAL;
    }
    vq->ring = r;
    if (vq->dev->lint)
        used_lint(vq, r);
    return 0;
}

static void split_close(struct vq *vq)
{
    free(vq->ring);
}

/* ---- pop ---- */

static bool desc_fetch(const struct table *t, uint32_t index, struct virtq_desc *d)
{
    gpa_t at;
    uint64_t pair[2];

    if (t->window.base) {
        ring_load_pair(&t->window, VIRTQ_DESC_BYTES * (uint64_t)index, pair);
        memcpy(d, pair, sizeof(*d));
        return true;
    }
    return gpa_add(gpa(t->addr), VIRTQ_DESC_BYTES * (uint64_t)index, &at) &&
           gmem_read(t->mem, at, d, sizeof(*d)) == 0;
}

/* One descriptor in the order of the host. */
struct piece {
    uint64_t addr;
    uint32_t len;
    uint16_t flags, next;
};

static struct piece piece_of(enum byte_order order, const struct virtq_desc *d)
{
    return (struct piece){order64(order, d->addr.raw), order32(order, d->len.raw),
                          order16(order, d->flags.raw), order16(order, d->next.raw)};
}

/* Enter an indirect table. NULL, or the clause that forbids it. WRITE is ignored (2.7.5.3.2-d1). */
static const char *table_enter(const struct split *r, struct vdev *dev, const struct piece *p,
                               struct table *t)
{
    if (!r->indirect)
        return "2.7.5.3.1-t1";
    if (t->mem)
        return "2.7.5.3.1-t2";
    if (p->flags & VIRTQ_DESC_NEXT)
        return "2.7.5.3.1-t4";
    if (!p->len || p->len % VIRTQ_DESC_BYTES)
        return "2.7.5.3-d1";
    t->mem = dev->mem;
    t->addr = p->addr;
    t->n = p->len / VIRTQ_DESC_BYTES;
    ringmem_map(&t->window, t->mem, gpa(t->addr), p->len, TABLE_ALIGN);
    return NULL;
}

/* 2.7.5.2-t2, 2.7.5.3.1-t5 */
static void next_lint(const struct vq *vq, const struct table *t, uint32_t index, uint16_t next)
{
    const uint32_t due = !t->mem && index + 1 == t->n ? 0 : index + 1;

    if (next != due)
        lint_see_queue(vq, t->mem ? LINT_IN_ORDER_TABLE : LINT_IN_ORDER_NEXT, next);
}

/* Follow a chain from head. NULL, or the clause that it breaks. At most size + 1 fetches: one of
 * them may lead into an indirect table. */
static const char *chain_walk(const struct split *r, struct vq_chain *chain, uint16_t head)
{
    struct table t = {NULL, r->desc, 0, r->size};
    uint32_t index = head, pieces = 0;
    bool writes = false;

    for (;;) {
        struct virtq_desc raw;
        struct piece p;
        const char *clause;

        if (index >= t.n)
            return "2.7.5-d2";
        if (!desc_fetch(&t, index, &raw))
            return "2.7.5.3-d1";
        p = piece_of(r->order, &raw);
        if (p.flags & VIRTQ_DESC_INDIRECT) {
            clause = table_enter(r, chain->vq->dev, &p, &t);
            if (clause)
                return clause;
            index = 0;
            continue;
        }
        if (++pieces > r->size)
            return "2.7.5.3.1-t3"; /* loops end here */
        if (writes && !(p.flags & VIRTQ_DESC_WRITE))
            return "2.7.4.2-t1"; /* readable after writable */
        writes = p.flags & VIRTQ_DESC_WRITE;
        if (!vq_chain_add(chain, p.addr, p.len, writes))
            return "2.1.2-d3"; /* host memory */
        if (!(p.flags & VIRTQ_DESC_NEXT))
            return NULL;
        if (chain->vq->in_order)
            next_lint(chain->vq, &t, index, p.next);
        index = p.next;
    }
}

/* A sum over the descriptors of a chain as they are now, for comparing it with a later one: only
 * lint's doubts depend on it. Ends with the chain that chain_walk() found, or after as many. */
static uint32_t chain_sum(const struct split *r, const struct gmem *mem, uint16_t head)
{
    struct table t = {NULL, r->desc, 0, r->size};
    uint32_t index = head, sum = 1;

    for (uint32_t i = 0; i <= r->size && index < t.n; i++) {
        struct virtq_desc raw;
        struct piece p;

        if (!desc_fetch(&t, index, &raw))
            return sum;
        p = piece_of(r->order, &raw);
        sum = sum * 31 + (uint32_t)(p.addr ^ p.addr >> 32) + p.len;
        sum = sum * 31 + p.flags + (p.flags & VIRTQ_DESC_NEXT ? p.next : 0U);
        index = p.next;
        if ((p.flags & VIRTQ_DESC_INDIRECT) && !t.mem) {
            t = (struct table){.mem = mem, .addr = p.addr, .n = p.len / VIRTQ_DESC_BYTES};
            ringmem_map(&t.window, mem, gpa(t.addr), p.len, TABLE_ALIGN);
            index = 0;
        } else if (!(p.flags & VIRTQ_DESC_NEXT)) {
            break;
        }
    }
    return sum;
}

/* 3.3.1-t1. Its buffers are the driver's again when this returns. */
static void changed_lint(const struct vq_chain *chain, const struct split *r)
{
    if (chain_sum(r, chain->vq->dev->mem, chain->id) != chain->sum)
        lint_see_queue(chain->vq, LINT_CHANGED, chain->id);
}

/* Has the driver made more available? */
static bool split_more(struct vq *vq, struct split *r)
{
    uint16_t idx, pending;

    if (r->avail_next != r->avail_seen)
        return true;
    idx = order16(r->order, ring_load16(&r->avail, VIRTQ_RING_IDX, memory_order_acquire));
    pending = (uint16_t)(idx - r->avail_next);
    if (pending > r->size) {
        vdev_fail(vq->dev, "2.7.6.1-t1", "queue %u: available index jumped from %u to %u",
                  vq->index, r->avail_next, idx);
        return false;
    }
    r->avail_seen = idx;
    return pending > 0;
}

static struct vq_chain *split_pop(struct vq *vq)
{
    struct split *r = vq->ring;
    struct vq_chain *chain;
    const char *clause;
    uint16_t head;

    if (!split_more(vq, r))
        return NULL;
    head = order16(r->order,
                   ring_load16(&r->avail,
                               VIRTQ_RING_ENTRY + VIRTQ_AVAIL_ENTRY_BYTES *
                                                      (uint64_t)(r->avail_next & (r->size - 1)),
                               memory_order_relaxed));
    chain = vq_chain_take(vq, head);
    if (!chain) {
        vdev_fail(vq->dev, "2.7.5-d2", "queue %u: head %u is %s", vq->index, head,
                  head >= r->size ? "outside the table" : "in use already");
        return NULL;
    }
    clause = chain_walk(r, chain, head);
    if (clause) {
        vq_chain_untake(chain);
        vdev_fail(vq->dev, clause, "queue %u: broken descriptor chain at head %u", vq->index, head);
        return NULL;
    }
    vq_chain_ready(chain);
    if (vq->dev->lint)
        chain->sum = chain_sum(r, vq->dev->mem, head);
    TRACE(POP, vq->dev->trace, vq->index, chain->id, chain->out.left, chain->in.left);
    r->avail_next++;
    return chain;
}

/* ---- push, publish, kicks ---- */

static void split_push(struct vq *vq, struct vq_chain *chain, uint32_t written)
{
    struct split *r = vq->ring;
    const uint64_t at =
        VIRTQ_RING_ENTRY + VIRTQ_USED_ENTRY_BYTES * (uint64_t)(r->used_next & (r->size - 1));

    if (vq->dev->lint)
        changed_lint(chain, r);
    TRACE(PUSH, vq->dev->trace, vq->index, chain->id, written);
    ring_store32(&r->used, at, order32(r->order, chain->id));
    ring_store32(&r->used, at + 4, order32(r->order, written));
    r->used_next = (uint16_t)(r->used_next + 1 + r->skipped);
    r->skipped = 0;
}

static void split_skip(struct vq *vq, struct vq_chain *chain)
{
    TRACE(PUSH, vq->dev->trace, vq->index, chain->id, chain->written);
    ((struct split *)vq->ring)->skipped++;
}

/* 2.7.7.1-t1, -t3. wish: what the device went by. */
static void avail_lint(const struct vq *vq, const struct split *r, uint16_t wish)
{
    uint16_t flags = wish;

    if (r->event_idx)
        flags = order16(r->order, ring_load16(&r->avail, VIRTQ_RING_FLAGS, memory_order_relaxed));
    if (r->event_idx && flags)
        lint_see_queue(vq, LINT_AVAIL_FLAGS_EVENT, flags);
    if (!r->event_idx && (flags & ~VIRTQ_AVAIL_NO_INTERRUPT))
        lint_see_queue(vq, LINT_AVAIL_FLAGS, flags);
}

static bool split_publish(struct vq *vq)
{
    struct split *r = vq->ring;
    const uint16_t old = r->used_shown;
    uint16_t wish; /* used_event, or flags */

    if (r->used_next == old)
        return false;
    /* Release: the entry before the index (2.7.8.2-d1). */
    ring_store16(&r->used, VIRTQ_RING_IDX, order16(r->order, r->used_next), memory_order_release);
    r->used_shown = r->used_next;
    ring_fence(); /* the index before what the driver asks for (2.7.14-d1) */
    wish = order16(r->order, ring_load16(&r->avail,
                                         r->event_idx ? avail_bytes(r->size, false)
                                                      : (uint64_t)VIRTQ_RING_FLAGS,
                                         memory_order_relaxed));
    TRACE(EVENT, vq->dev->trace, vq->index, wish);
    if (vq->dev->lint)
        avail_lint(vq, r, wish);
    if (r->event_idx)
        return (uint16_t)(r->used_next - wish - 1) < (uint16_t)(r->used_next - old);
    return !(wish & VIRTQ_AVAIL_NO_INTERRUPT);
}

static bool split_kicks(struct vq *vq, bool on)
{
    struct split *r = vq->ring;

    if (r->event_idx) {
        if (!on)
            return false; /* an index left behind says so already (2.7.10.2-d4) */
        ring_store16(&r->used, used_bytes(r->size, false), order16(r->order, r->avail_next),
                     memory_order_relaxed);
    } else {
        ring_store16(&r->used, VIRTQ_RING_FLAGS, order16(r->order, on ? 0 : VIRTQ_USED_NO_NOTIFY),
                     memory_order_relaxed);
    }
    if (!on)
        return false;
    ring_fence(); /* what we ask for before the last look */
    return split_more(vq, r);
}

static void split_resume(struct vq *vq, uint16_t base)
{
    struct split *r = vq->ring;

    r->avail_next = r->avail_seen = base;
    r->used_next = r->used_shown =
        order16(r->order, ring_load16(&r->used, VIRTQ_RING_IDX, memory_order_relaxed));
}

static bool split_any(struct vq *vq)
{
    return split_more(vq, vq->ring);
}

static void split_indices(const struct vq *vq, struct vq_indices *at)
{
    const struct split *r = vq->ring;
    const uint16_t idx =
        order16(r->order, ring_load16(&r->avail, VIRTQ_RING_IDX, memory_order_relaxed));

    at->avail = r->avail_next;
    at->used = r->used_next;
    at->driver = idx;
    at->more = idx != r->avail_next;
}

const struct vq_ops vq_split_ops = {
    .open = split_open,
    .close = split_close,
    .pop = split_pop,
    .push = split_push,
    .skip = split_skip,
    .publish = split_publish,
    .kicks = split_kicks,
    .more = split_any,
    .indices = split_indices,
    .resume = split_resume,
};
