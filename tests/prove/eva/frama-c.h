/* SPDX-License-Identifier: MIT */
/*
 * Stands in for the compiler's header under Frama-C, which knows no atomics. A load touches its
 * place, and gives anything: what a driver may have written at that moment, not what was there.
 */
#ifndef TESTS_PROVE_EVA_FRAMA_C_H
#define TESTS_PROVE_EVA_FRAMA_C_H

#define __FC_STDATOMIC /* the header of this name that Frama-C has is empty after this */

#include <stdint.h>

typedef enum {
    memory_order_relaxed,
    memory_order_consume,
    memory_order_acquire,
    memory_order_release,
    memory_order_acq_rel,
    memory_order_seq_cst
} memory_order;

/* what Frama-C's C library lacks, on a little-endian host */
#define htole16(v)      ((uint16_t)(v))
#define htole32(v)      ((uint32_t)(v))
#define htole64(v)      ((uint64_t)(v))
#define le16toh(v)      ((uint16_t)(v))
#define le32toh(v)      ((uint32_t)(v))
#define le64toh(v)      ((uint64_t)(v))
#define be16toh(v)      ((uint16_t)eva_any)
#define be32toh(v)      ((uint32_t)eva_any)
#define be64toh(v)      ((uint64_t)eva_any)
#define MAP_NORESERVE   0
#define MADV_DONTNEED   4
#define MADV_DONTDUMP   16
#define MADV_HUGEPAGE   14
#define MADV_NOHUGEPAGE 15

int madvise(void *at, unsigned long len, int advice);

extern volatile uint64_t eva_any;

#define _Atomic
#define _Alignof(type) 16 /* of what is aligned for anything */
#define atomic_load_explicit(p, order)    \
    (__extension__({                      \
        __typeof__(*(p)) got_ = *(p);     \
        (void)(order);                    \
        got_ = (__typeof__(*(p)))eva_any; \
        got_;                             \
    }))
#define atomic_store_explicit(p, v, order) ((void)(order), (void)(*(p) = (v)))
#define atomic_load(p)                     (*(p))
#define atomic_store(p, v)                 ((void)(*(p) = (v)))
#define atomic_thread_fence(order)         ((void)(order))

#endif
