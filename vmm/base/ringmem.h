/* SPDX-License-Identifier: MIT */
/*
 * Ring memory: a checked window onto guest RAM that the driver changes while we look, and the only
 * atomics on guest RAM. Values are raw, in the order of the ring; offsets outside the window read 0
 * and write nothing, so that a wrong index of ours never leaves it.
 */
#ifndef VMM_BASE_RINGMEM_H
#define VMM_BASE_RINGMEM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/base/bits.h"
#include "vmm/base/gmem.h"

struct ringmem {
    uint8_t *base;
    uint64_t len;
};

/*
 * Map len bytes of guest RAM at `at`. false if the address is not a multiple of align (a power of
 * two) or the range is not inside one RAM region.
 */
static inline bool ringmem_map(struct ringmem *m, const struct gmem *mem, gpa_t at, uint64_t len,
                               uint64_t align)
{
    uint8_t *base = (at.v & (align - 1)) ? NULL : (uint8_t *)gmem_span(mem, at, len);

    *m = (struct ringmem){base, base ? len : 0};
    return base != NULL;
}

static inline uint16_t ring_load16(const struct ringmem *m, uint64_t off, memory_order order)
{
    if (!range_ok(off, 2, m->len))
        return 0;
    return atomic_load_explicit((_Atomic uint16_t *)(void *)(m->base + off), order);
}

static inline void ring_store16(const struct ringmem *m, uint64_t off, uint16_t v,
                                memory_order order)
{
    if (range_ok(off, 2, m->len))
        atomic_store_explicit((_Atomic uint16_t *)(void *)(m->base + off), v, order);
}

static inline void ring_store32(const struct ringmem *m, uint64_t off, uint32_t v)
{
    if (range_ok(off, 4, m->len))
        atomic_store_explicit((_Atomic uint32_t *)(void *)(m->base + off), v, memory_order_relaxed);
}

static inline uint32_t ring_load32(const struct ringmem *m, uint64_t off)
{
    if (!range_ok(off, 4, m->len))
        return 0;
    return atomic_load_explicit((_Atomic uint32_t *)(void *)(m->base + off), memory_order_relaxed);
}

static inline uint64_t ring_load64(const struct ringmem *m, uint64_t off, memory_order order)
{
    if (!range_ok(off, 8, m->len))
        return 0;
    return atomic_load_explicit((_Atomic uint64_t *)(void *)(m->base + off), order);
}

static inline void ring_store64(const struct ringmem *m, uint64_t off, uint64_t v)
{
    if (range_ok(off, 8, m->len))
        atomic_store_explicit((_Atomic uint64_t *)(void *)(m->base + off), v, memory_order_relaxed);
}

/* Two words of 8 bytes each at off (a multiple of 8): one descriptor, read once. */
static inline void ring_load_pair(const struct ringmem *m, uint64_t off, uint64_t out[2])
{
    out[0] = out[1] = 0;
    if (!range_ok(off, 16, m->len))
        return;
    for (unsigned i = 0; i < 2; i++)
        out[i] = atomic_load_explicit((_Atomic uint64_t *)(void *)(m->base + off + 8 * i),
                                      memory_order_relaxed);
}

/* Everything we stored before is visible before anything we load after, and the other way round. */
static inline void ring_fence(void)
{
    atomic_thread_fence(memory_order_seq_cst);
}

#endif
