// SPDX-License-Identifier: MIT
/*
 * Owns what O_DIRECT asks of a step: memory that is not aligned is copied, ranges that are not go
 * through the page cache. Refuses to know what alignment is needed and why (blk-limits.c).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/backend/blk-engine.h"
#include "vmm/base/bits.h"

enum { BOUNCE_MAX = 1 << 20, BOUNCE_ALIGN = 4096 };

static bool pieces_aligned(const struct blk_backend *be, const struct blk_step *s)
{
    uintptr_t memory = 0, len = 0;

    for (uint32_t i = 0; i < s->n_iov; i++) {
        memory |= (uintptr_t)s->iov[i].iov_base;
        len |= s->iov[i].iov_len;
    }
    return !(memory % be->mem_align) && !(len % be->limits.logical);
}

/* Between the request's pieces and memory of our own. */
static void bounce_copy(const struct blk_io *io, uint8_t *memory, uint64_t bytes, bool out)
{
    for (uint32_t i = 0; bytes; i++) {
        const size_t n = (size_t)min_u64(bytes, io->iov[i].iov_len);

        if (n && out)
            memcpy(io->iov[i].iov_base, memory, n);
        else if (n)
            memcpy(memory, io->iov[i].iov_base, n);
        memory += n;
        bytes -= n;
    }
}

int blk_direct_step(struct blk_backend *be, struct blk_io *io, uint64_t bytes)
{
    struct blk_step *s = &io->step;

    if ((io->offset | bytes) % be->limits.logical) {
        s->file = BLK_PLAIN;
        return 0;
    }
    if (pieces_aligned(be, s))
        return 0;
    if (s->cut)
        io->iov[s->n_iov - 1].iov_len += s->cut;
    s->cut = 0;
    s->bytes = min_u64(bytes, BOUNCE_MAX);
    if (posix_memalign(&s->bounce, BOUNCE_ALIGN, (size_t)s->bytes)) {
        s->bounce = NULL;
        return -ENOMEM;
    }
    if (s->op == BLK_WRITE)
        bounce_copy(io, (uint8_t *)s->bounce, s->bytes, false);
    s->one = (struct iovec){s->bounce, (size_t)s->bytes};
    s->iov = &s->one;
    s->n_iov = 1;
    return 0;
}

void blk_direct_stepped(struct blk_io *io, uint64_t bytes)
{
    struct blk_step *s = &io->step;

    if (s->bounce && s->op == BLK_READ)
        bounce_copy(io, (uint8_t *)s->bounce, bytes, true);
    free(s->bounce);
    s->bounce = NULL;
}
