/* SPDX-License-Identifier: MIT */
/*
 * Byte order: the only swaps in the tree. Wire fields are one-member structs, so that a missing
 * conversion does not compile; on a little-endian host a conversion costs nothing.
 */
#ifndef VMM_BASE_LE_H
#define VMM_BASE_LE_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

typedef struct {
    uint16_t raw;
} le16_t;

typedef struct {
    uint32_t raw;
} le32_t;

typedef struct {
    uint64_t raw;
} le64_t;

static inline uint16_t le16_get(le16_t v)
{
    return le16toh(v.raw);
}

static inline uint32_t le32_get(le32_t v)
{
    return le32toh(v.raw);
}

static inline uint64_t le64_get(le64_t v)
{
    return le64toh(v.raw);
}

static inline le16_t le16_make(uint16_t v)
{
    return (le16_t){htole16(v)};
}

static inline le32_t le32_make(uint32_t v)
{
    return (le32_t){htole32(v)};
}

static inline le64_t le64_make(uint64_t v)
{
    return (le64_t){htole64(v)};
}

/*
 * The order of bytes on an access path: what a register block, a ring or a request speaks. It is a
 * property of the path, never of a negotiated feature.
 */
enum byte_order { ORDER_LITTLE, ORDER_BIG };

/* Unaligned loads and stores of len bytes (1..8) at p in the given order. */
static inline uint64_t order_load(enum byte_order order, const void *p, unsigned len)
{
    const uint8_t *b = (const uint8_t *)p;
    uint64_t v = 0;

    for (unsigned i = 0; i < len; i++)
        v |= (uint64_t)b[i] << (8 * (order == ORDER_LITTLE ? i : len - 1 - i));
    return v;
}

static inline void order_store(enum byte_order order, void *p, unsigned len, uint64_t v)
{
    uint8_t *b = (uint8_t *)p;

    for (unsigned i = 0; i < len; i++)
        b[i] = (uint8_t)(v >> (8 * (order == ORDER_LITTLE ? i : len - 1 - i)));
}

/* A value between the order of the host and that of a path; its own inverse. */
static inline uint16_t order16(enum byte_order order, uint16_t v)
{
    return order == ORDER_LITTLE ? le16toh(v) : be16toh(v);
}

static inline uint32_t order32(enum byte_order order, uint32_t v)
{
    return order == ORDER_LITTLE ? le32toh(v) : be32toh(v);
}

static inline uint64_t order64(enum byte_order order, uint64_t v)
{
    return order == ORDER_LITTLE ? le64toh(v) : be64toh(v);
}

static inline uint16_t le16_load(const void *p)
{
    uint16_t v;

    memcpy(&v, p, sizeof(v));
    return le16toh(v);
}

static inline uint32_t le32_load(const void *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return le32toh(v);
}

static inline uint64_t le64_load(const void *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return le64toh(v);
}

static inline void le16_store(void *p, uint16_t v)
{
    v = htole16(v);
    memcpy(p, &v, sizeof(v));
}

static inline void le32_store(void *p, uint32_t v)
{
    v = htole32(v);
    memcpy(p, &v, sizeof(v));
}

static inline void le64_store(void *p, uint64_t v)
{
    v = htole64(v);
    memcpy(p, &v, sizeof(v));
}

#endif
