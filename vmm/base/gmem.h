/* SPDX-License-Identifier: MIT */
/*
 * Guest memory: which guest-physical ranges are RAM and where they live in this process. An
 * address that a guest wrote becomes host memory here and nowhere else, always with a length.
 */
#ifndef VMM_BASE_GMEM_H
#define VMM_BASE_GMEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "vmm/base/err.h"

/* A guest-physical address. No arithmetic but gpa_add(). */
typedef struct {
    uint64_t v;
} gpa_t;

static inline gpa_t gpa(uint64_t v)
{
    return (gpa_t){v};
}

/* *out = a + n; false, *out untouched, if that wraps. */
static inline bool gpa_add(gpa_t a, uint64_t n, gpa_t *out)
{
    if (n > UINT64_MAX - a.v)
        return false;
    out->v = a.v + n;
    return true;
}

enum { GMEM_REGIONS = 8 };

struct gmem_region {
    uint64_t base; /* guest-physical, page aligned */
    uint64_t size; /* bytes, page aligned, not 0 */
    uint8_t *host;
};

/* Regions in ascending order, never overlapping. Constant while a guest runs. */
struct gmem {
    unsigned n;
    struct gmem_region region[GMEM_REGIONS];
};

/*
 * Add RAM at base. host stays the caller's. 0, or -EINVAL (overlap, wrap, size 0), -ENOSPC.
 * Before the guest runs.
 */
int gmem_add(struct gmem *mem, uint64_t base, uint64_t size, void *host);

/*
 * Allocate zeroed, lazily populated RAM for region [base, base+size) and add it; the memory is
 * excluded from core dumps. 0 or -errno with err filled. gmem_free() unmaps all that it made.
 */
int gmem_alloc(struct gmem *mem, uint64_t base, uint64_t size, struct err *err);
void gmem_free(struct gmem *mem);

/* Give all RAM back to the host: it reads as zero afterwards. No vCPU or device may be running. */
void gmem_zero(struct gmem *mem);

/*
 * Give the whole host pages inside [at, at+len) back to the host: they read as zero afterwards, or
 * as before where the host will not. What is not RAM is passed over; nothing outside of regions is
 * touched, whatever at and len are. Returns the bytes given back. Any thread, guest running.
 */
uint64_t gmem_discard(const struct gmem *mem, gpa_t at, uint64_t len);

/* The same for memory that has been found already. For cursors (giov.h). */
uint64_t gmem_discard_host(void *host, uint64_t len);

/* May the host put huge pages where there are none yet? It would fill up holes that
 * gmem_discard() made; gmem_alloc() says yes. */
void gmem_huge(const struct gmem *mem, bool on);

/* Bytes of RAM in all regions. */
uint64_t gmem_size(const struct gmem *mem);

/* Copy len bytes out of or into RAM; all or nothing. 0 or -EFAULT. Any thread. */
int gmem_read(const struct gmem *mem, gpa_t at, void *to, size_t len);
int gmem_write(const struct gmem *mem, gpa_t at, const void *from, size_t len);

/*
 * Describe [at, at+len) as host memory in at most max pieces: more than one where regions touch.
 * Returns the number of pieces, or -EFAULT (not all of it is RAM), -E2BIG (more pieces than max).
 * len 0 gives 0 pieces. Any thread.
 */
int gmem_iov(const struct gmem *mem, gpa_t at, uint64_t len, struct iovec *iov, unsigned max);

/*
 * Host address of [at, at+len) if it lies in one region, else NULL. For rings (ringmem.h) and the
 * loaders only: devices use cursors (giov.h).
 */
void *gmem_span(const struct gmem *mem, gpa_t at, uint64_t len);

#endif
