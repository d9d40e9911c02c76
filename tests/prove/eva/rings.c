// SPDX-License-Identifier: MIT
/*
 * What Frama-C's value analysis (Eva) is asked of rings: each function ask_*() is a program of its
 * own that calls the product's code, with all that a driver can choose left open. No alarm: no run
 * of it touches memory that it may not. Not compiled; tests/prove/eva/run.
 *
 * The ring's state before a look is any that it can have, so one look stands for all. Guest memory
 * is what gmem.h promises (memory.c asks whether it does); every load from it gives anything.
 */
#include "virtio/vq-chain.c"
#include "virtio/vq-packed.c"
#include "virtio/vq-split.c"

enum {
    SIZE = 4,
    IDS = 65536,
    IOVS = SIZE * GMEM_REGIONS /* what a chain of SIZE pieces needs, and no more */
};

volatile uint64_t eva_any;
unsigned trace_groups;
static uint8_t desc[16 * SIZE] __attribute__((aligned(16)));
static uint8_t avail[6 + 2 * SIZE] __attribute__((aligned(2)));
static uint8_t used[6 + 8 * SIZE] __attribute__((aligned(4)));
static uint8_t event[4] __attribute__((aligned(4))), asked[4] __attribute__((aligned(4)));
static uint8_t large[16 * IDS] __attribute__((aligned(16)));
static struct pvirtq_desc list[SIZE];
static struct vdev dev;
static struct vq vq;
static struct vq_chain held, fresh;
static struct vq_chain *slot[SIZE], *any_slot[IDS], *idle[SIZE];
static struct iovec iov[IOVS];
static struct split split;
static struct packed packed;

/* Any number up to most. */
static uint64_t eva_up_to(uint64_t most)
{
    const uint64_t v = eva_any;

    return v <= most ? v : most;
}

static bool eva_bool(void)
{
    return eva_any & 1;
}

/* ---- guest memory, as gmem.h has it ---- */

/* How far a window goes is memory.c's question, and ringmem.h looks at it once more: large is. */
void *gmem_span(const struct gmem *mem, gpa_t at, uint64_t len)
{
    (void)mem, (void)at, (void)len;
    return eva_bool() ? large : NULL;
}

int gmem_read(const struct gmem *mem, gpa_t at, void *to, size_t len)
{
    (void)mem, (void)at;
    if (eva_bool())
        return -EFAULT;
    memset(to, (int)eva_any, len);
    return 0;
}

int gmem_iov(const struct gmem *mem, gpa_t at, uint64_t len, struct iovec *v, unsigned max)
{
    const unsigned n = (unsigned)eva_up_to(max);

    (void)mem, (void)at, (void)len;
    if (eva_bool())
        return -EFAULT;
    for (unsigned i = 0; i < max; i++)
        v[i] = (struct iovec){large, eva_any};
    return (int)n;
}

/* ---- reports, which decide nothing ---- */

void vdev_fail(struct vdev *d, const char *clause, const char *fmt, ...)
{
    (void)d, (void)clause, (void)fmt;
}

void lint_found(struct vdev *d, enum lint_id rule, int queue, uint64_t value)
{
    (void)d, (void)rule, (void)queue, (void)value;
}

void trace_emit(enum trace_point point, uint16_t source, uint16_t queue, const uint64_t *value,
                size_t n)
{
    (void)point, (void)source, (void)queue, (void)value, (void)n;
}

void trace_emit_bytes(enum trace_point point, uint16_t source, uint16_t queue,
                      const uint64_t *value, size_t n, const void *bytes, size_t len)
{
    (void)point, (void)source, (void)queue, (void)value, (void)n, (void)bytes, (void)len;
}

/* ---- questions ---- */

/* A queue of SIZE entries, any of which may be in flight. */
static void queue_make(void *ring)
{
    dev.in_flight = SIZE;
    vq.dev = &dev;
    vq.set.size = SIZE;
    vq.ring = ring;
    vq.slot = slot;
    vq.idle = idle;
    vq.n_slots = SIZE;
    for (unsigned i = 0; i < SIZE; i++)
        slot[i] = eva_bool() ? &held : NULL;
    fresh = (struct vq_chain){.vq = &vq, .iov = iov, .cap_iov = IOVS};
    idle[0] = &fresh;
    vq.n_idle = 1;
}

static void split_look(bool indirect)
{
    struct vq_chain *chain;

    split = (struct split){.desc = {desc, sizeof(desc)},
                           .avail = {avail, sizeof(avail)},
                           .used = {used, sizeof(used)},
                           .event_idx = eva_bool(),
                           .indirect = indirect,
                           .size = SIZE,
                           .avail_next = (uint16_t)eva_any,
                           .avail_seen = (uint16_t)eva_any,
                           .used_next = (uint16_t)eva_any,
                           .used_shown = (uint16_t)eva_any};
    queue_make(&split);
    dev.order = split.order = eva_bool() ? ORDER_BIG : ORDER_LITTLE;
    chain = split_pop(&vq);
    if (chain)
        split_push(&vq, chain, (uint32_t)eva_any);
    split_publish(&vq);
    split_kicks(&vq, eva_bool());
}

void ask_split(void)
{
    split_look(false);
}

void ask_split_indirect(void)
{
    split_look(true);
}

static struct place place_any(void)
{
    return (struct place){(uint16_t)eva_up_to(SIZE - 1), eva_bool()};
}

/* Indirect tables are left out: docs/proof.md says why. */
void ask_packed(void)
{
    struct vq_chain *chain;

    packed = (struct packed){.desc = {desc, sizeof(desc)},
                             .driver = {event, sizeof(event)},
                             .device = {asked, sizeof(asked)},
                             .asked = eva_bool(),
                             .event_idx = eva_bool(),
                             .size = SIZE,
                             .avail = place_any(),
                             .used = place_any(),
                             .first = place_any(),
                             .taken = (uint32_t)eva_up_to(SIZE),
                             .list = list};
    packed.unseen = (uint32_t)eva_up_to(packed.taken);
    queue_make(&packed);
    any_slot[eva_up_to(IDS - 1)] = &held; /* any of them, or none */
    vq.slot = any_slot;
    vq.n_slots = IDS;
    vq.any_id = true;
    chain = packed_pop(&vq);
    if (chain)
        packed_push(&vq, chain, (uint32_t)eva_any);
    packed_publish(&vq);
    packed_kicks(&vq, eva_bool());
}
