// SPDX-License-Identifier: MIT
/*
 * Owns who answers where: claims, the flat map that they make, and the doorbells in them. Refuses
 * to know what a claim does with an access, and what a doorbell is to the host.
 */
#include "vmm/bus/bus.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/bits.h"

enum { BUS_SPACES = 2, BUS_GROW = 16, BUS_MAX_LEN = 8, PIO_LAST = 0xffff };

/* Addresses [first, last], inclusive so that the end of the number range needs no care. */
struct bus_seg {
    uint64_t first, last;
    struct bus_claim *claim;
};

struct bus_side {
    struct bus_claim **claim; /* mapped ones, the winner of any two first */
    unsigned n, cap;
    struct bus_seg *seg; /* ascending, disjoint; n claims make less than 2 * n, cap counts */
    unsigned n_segs;
};

struct bus {
    pthread_rwlock_t lock; /* nothing but bell_ops is called with it */
    struct bus_side side[BUS_SPACES];
    struct bus_bell_ops bell_ops; /* assign NULL: none */
    uint64_t orders;              /* claims that were ever mapped */
    bool bell_told;
};

struct bus *bus_new(const struct bus_bell_ops *ops)
{
    struct bus *bus = calloc(1, sizeof(*bus));

    if (!bus)
        return NULL;
    if (pthread_rwlock_init(&bus->lock, NULL)) {
        free(bus);
        return NULL;
    }
    if (ops)
        bus->bell_ops = *ops;
    return bus;
}

void bus_free(struct bus *bus)
{
    if (!bus)
        return;
    for (unsigned i = 0; i < BUS_SPACES; i++) {
        free(bus->side[i].claim);
        free(bus->side[i].seg);
    }
    pthread_rwlock_destroy(&bus->lock);
    free(bus);
}

static uint64_t claim_last(const struct bus_claim *claim)
{
    return claim->base + (claim->size - 1);
}

static bool claim_beats(const struct bus_claim *a, const struct bus_claim *b)
{
    return a->prio != b->prio ? a->prio < b->prio : a->order < b->order;
}

static bool place_ok(const struct bus_claim *claim, uint64_t base)
{
    const uint64_t last = claim->space == BUS_PIO ? PIO_LAST : UINT64_MAX;

    return claim->size && base <= last && claim->size - 1 <= last - base;
}

/* The first segment that ends at or after addr; n_segs if there is none. */
static unsigned seg_from(const struct bus_side *side, uint64_t addr)
{
    unsigned low = 0, high = side->n_segs;

    while (low < high) {
        const unsigned mid = low + (high - low) / 2;

        if (side->seg[mid].last < addr)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static struct bus_claim *winner_at(const struct bus_side *side, uint64_t addr)
{
    const unsigned i = seg_from(side, addr);

    return i < side->n_segs && side->seg[i].first <= addr ? side->seg[i].claim : NULL;
}

static void seg_insert(struct bus_side *side, unsigned at, struct bus_seg seg)
{
    memmove(&side->seg[at + 1], &side->seg[at], (side->n_segs - at) * sizeof(seg));
    side->seg[at] = seg;
    side->n_segs++;
}

/* Give claim what nobody before it has. */
static void seg_fill(struct bus_side *side, struct bus_claim *claim)
{
    const uint64_t end = claim_last(claim);
    uint64_t at = claim->base;

    for (unsigned i = seg_from(side, at);; i++) {
        const bool free_here = i == side->n_segs || side->seg[i].first > at;
        uint64_t last = end;

        if (free_here) {
            if (i < side->n_segs)
                last = min_u64(end, side->seg[i].first - 1);
            seg_insert(side, i, (struct bus_seg){at, last, claim});
        }
        if (side->seg[i].last >= end)
            return;
        at = side->seg[i].last + 1;
    }
}

static void side_flatten(struct bus_side *side)
{
    side->n_segs = 0;
    for (unsigned i = 0; i < side->n; i++)
        seg_fill(side, side->claim[i]);
}

static int side_grow(struct bus_side *side)
{
    const unsigned cap = side->cap + BUS_GROW;
    struct bus_claim **claim;
    struct bus_seg *seg;

    if (side->n < side->cap)
        return 0;
    claim = (struct bus_claim **)realloc(side->claim, cap * sizeof(*claim));
    if (!claim)
        return -ENOMEM;
    side->claim = claim;
    seg = (struct bus_seg *)realloc(side->seg, 2 * cap * sizeof(*seg));
    if (!seg)
        return -ENOMEM;
    side->seg = seg;
    side->cap = cap;
    return 0;
}

static int side_add(struct bus *bus, struct bus_side *side, struct bus_claim *claim, uint64_t base)
{
    unsigned at = 0;

    if (!place_ok(claim, base))
        return -EINVAL;
    if (side_grow(side) < 0)
        return -ENOMEM;
    if (!claim->order)
        claim->order = ++bus->orders;
    while (at < side->n && claim_beats(side->claim[at], claim))
        at++;
    memmove(&side->claim[at + 1], &side->claim[at], (side->n - at) * sizeof(claim));
    side->claim[at] = claim;
    side->n++;
    claim->base = base;
    claim->mapped = true;
    return 0;
}

static void bell_off(struct bus *bus, struct bus_claim *claim, struct bus_bell *bell)
{
    if (!bell->live)
        return;
    bell->live = false;
    bus->bell_ops.deassign(bus->bell_ops.ctx, claim->space, claim->base + bell->off, bell);
}

static void bell_on(struct bus *bus, struct bus_claim *claim, struct bus_bell *bell)
{
    const uint64_t addr = claim->base + bell->off;
    int ret;

    if (bell->live)
        return;
    ret = bus->bell_ops.assign(bus->bell_ops.ctx, claim->space, addr, bell);
    bell->live = ret == 0;
    if (ret == 0 || bus->bell_told)
        return;
    bus->bell_told = true;
    log_msg(LOG_DEBUG,
            "a doorbell of %s at 0x%llx could not be registered (errno %d): it rings by exits",
            claim->name ? claim->name : "?", (unsigned long long)addr, -ret);
}

static bool bell_wanted(const struct bus_side *side, const struct bus_claim *claim,
                        const struct bus_bell *bell)
{
    return bell->fd >= 0 && !bell->muted &&
           range_ok(bell->off, bell->len ? bell->len : 1, claim->size) &&
           winner_at(side, claim->base + bell->off) == claim;
}

/* Register or unregister the doorbells of a claim that should be so. */
static void bells_turn(struct bus *bus, struct bus_side *side, struct bus_claim *claim, bool on)
{
    for (unsigned i = 0; i < claim->n_bells; i++) {
        struct bus_bell *bell = &claim->bell[i];

        if (bell_wanted(side, claim, bell) != on)
            continue;
        if (on)
            bell_on(bus, claim, bell);
        else
            bell_off(bus, claim, bell);
    }
}

/* Losers first: the host may refuse two doorbells at one address. */
static void bells_update(struct bus *bus, struct bus_side *side)
{
    if (!bus->bell_ops.assign)
        return;
    for (unsigned i = 0; i < side->n; i++)
        bells_turn(bus, side, side->claim[i], false);
    for (unsigned i = 0; i < side->n; i++)
        bells_turn(bus, side, side->claim[i], true);
}

static void side_remove(struct bus *bus, struct bus_side *side, struct bus_claim *claim)
{
    unsigned at = 0;

    while (at < side->n && side->claim[at] != claim)
        at++;
    if (!claim->mapped || at == side->n)
        return;
    for (unsigned i = 0; i < claim->n_bells; i++)
        bell_off(bus, claim, &claim->bell[i]);
    side->n--;
    memmove(&side->claim[at], &side->claim[at + 1], (side->n - at) * sizeof(claim));
    claim->mapped = false;
}

int bus_map(struct bus *bus, struct bus_claim *claim, uint64_t base)
{
    struct bus_side *side = &bus->side[claim->space == BUS_MMIO];
    int ret = 0;

    pthread_rwlock_wrlock(&bus->lock);
    if (!claim->mapped || claim->base != base) {
        side_remove(bus, side, claim);
        ret = side_add(bus, side, claim, base);
        side_flatten(side);
        bells_update(bus, side);
    }
    pthread_rwlock_unlock(&bus->lock);
    return ret;
}

void bus_unmap(struct bus *bus, struct bus_claim *claim)
{
    struct bus_side *side = &bus->side[claim->space == BUS_MMIO];

    pthread_rwlock_wrlock(&bus->lock);
    if (claim->mapped) {
        side_remove(bus, side, claim);
        side_flatten(side);
        bells_update(bus, side);
    }
    pthread_rwlock_unlock(&bus->lock);
}

void bus_bells_changed(struct bus *bus, struct bus_claim *claim)
{
    struct bus_side *side = &bus->side[claim->space == BUS_MMIO];

    pthread_rwlock_wrlock(&bus->lock);
    if (claim->mapped && bus->bell_ops.assign) {
        bells_turn(bus, side, claim, false);
        bells_turn(bus, side, claim, true);
    }
    pthread_rwlock_unlock(&bus->lock);
}

/* Who answers an access, and at which offset; all that the caller needs once the lock is gone. */
static const struct bus_ops *bus_find(struct bus *bus, enum bus_space space, uint64_t addr,
                                      unsigned len, void **ctx, uint64_t *off)
{
    const struct bus_ops *ops = NULL;
    const struct bus_claim *claim;

    if (len < 1 || len > BUS_MAX_LEN)
        return NULL;
    pthread_rwlock_rdlock(&bus->lock);
    claim = winner_at(&bus->side[space == BUS_MMIO], addr);
    if (claim && range_ok(addr - claim->base, len, claim->size)) {
        ops = claim->ops;
        *ctx = claim->ctx;
        *off = addr - claim->base;
    }
    pthread_rwlock_unlock(&bus->lock);
    return ops;
}

bool bus_read(struct bus *bus, enum bus_space space, uint64_t addr, void *data, unsigned len)
{
    const struct bus_ops *ops;
    void *ctx;
    uint64_t off;

    memset(data, 0xff, len);
    ops = bus_find(bus, space, addr, len, &ctx, &off);
    if (!ops || !ops->read)
        return false;
    ops->read(ctx, off, data, len);
    return true;
}

bool bus_write(struct bus *bus, enum bus_space space, uint64_t addr, const void *data, unsigned len)
{
    const struct bus_ops *ops;
    void *ctx;
    uint64_t off;

    ops = bus_find(bus, space, addr, len, &ctx, &off);
    if (!ops || !ops->write)
        return false;
    ops->write(ctx, off, data, len);
    return true;
}
