/* SPDX-License-Identifier: MIT */
/*
 * Small arithmetic that everybody needs. Macros only where a function cannot do it.
 */
#ifndef VMM_BASE_BITS_H
#define VMM_BASE_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define BIT32(n)      (UINT32_C(1) << (n))
#define BIT64(n)      (UINT64_C(1) << (n))

#define KIB UINT64_C(1024)
#define MIB (KIB * 1024)
#define GIB (MIB * 1024)

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static inline bool is_pow2(uint64_t v)
{
    return v && !(v & (v - 1));
}

/* align must be a power of two; wraps to 0 past the end of the number range */
static inline uint64_t align_up(uint64_t v, uint64_t align)
{
    return (v + align - 1) & ~(align - 1);
}

/* Does [off, off+len) lie inside [0, size)? By subtraction, so that nothing can wrap. */
static inline bool range_ok(uint64_t off, uint64_t len, uint64_t size)
{
    return len <= size && off <= size - len;
}

/* All ones in the low len bytes, len 1..8: what an access that nobody answers reads. */
static inline uint64_t ones_for(unsigned len)
{
    return len >= 8 ? UINT64_MAX : (BIT64(len * 8) - 1);
}

#endif
