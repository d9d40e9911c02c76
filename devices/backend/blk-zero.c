// SPDX-License-Identifier: MIT
/*
 * Owns the ways of discarding and zeroing a range: what is tried in which order, and what the host
 * has turned out not to have. Refuses to know how a step is carried out.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>

#include "devices/backend/blk-engine.h"
#include "vmm/base/bits.h"

enum { ZEROES = 256 * 1024 };

/* Never written to: pages of it are the kernel's zero page. */
static uint8_t zeroes[ZEROES] __attribute__((aligned(4096)));

enum way { WAY_DISCARD, WAY_HOLE, WAY_ZERO, WAY_WRITE, WAYS };

static const struct {
    uint8_t op;
    bool unmap;
} way_step[WAYS] = {
    [WAY_DISCARD] = {BLK_DISCARD, true},
    [WAY_HOLE] = {BLK_ZERO, true},
    [WAY_ZERO] = {BLK_ZERO, false},
    [WAY_WRITE] = {BLK_WRITE, false},
};

/* The best first; a discard may be left undone (5.2.6.2-d7 of virtio: it is a hint). */
static const uint8_t discard_ways[] = {WAY_DISCARD, WAYS};
static const uint8_t unmap_ways[] = {WAY_HOLE, WAY_ZERO, WAY_WRITE, WAYS};
static const uint8_t zero_ways[] = {WAY_ZERO, WAY_WRITE, WAYS};

static const uint8_t *io_ways(const struct blk_backend *be, const struct blk_io *io)
{
    if (io->op == BLK_DISCARD)
        return discard_ways;
    return io->unmap && !be->no_discard ? unmap_ways : zero_ways;
}

bool blk_zero_step(struct blk_backend *be, struct blk_io *io, enum blk_file file, uint64_t bytes)
{
    const uint8_t *way = io_ways(be, io);
    struct blk_step *s = &io->step;

    while (way[io->rung] < WAYS && (be->cannot[file] & BIT32(way[io->rung])))
        io->rung++;
    if (way[io->rung] == WAYS)
        return false;
    s->op = way_step[way[io->rung]].op;
    s->unmap = way_step[way[io->rung]].unmap;
    s->file = (uint8_t)file;
    s->bytes = bytes;
    if (s->op != BLK_WRITE)
        return true;
    s->bytes = min_u64(bytes, ZEROES);
    s->one = (struct iovec){zeroes, (size_t)s->bytes};
    s->iov = &s->one;
    s->n_iov = 1;
    return true;
}

/* EINVAL may be about this range only: its alignment, say. */
bool blk_zero_refused(struct blk_backend *be, struct blk_io *io, int64_t result)
{
    const bool never = result == -EOPNOTSUPP || result == -ENOSYS || result == -ENOTTY;

    if (io->step.op == BLK_WRITE || (!never && result != -EINVAL))
        return false;
    if (never)
        be->cannot[io->step.file] |= (uint8_t)BIT32(io_ways(be, io)[io->rung]);
    io->rung++;
    return true;
}

bool blk_step_falloc(const struct blk_backend *be, const struct blk_step *s, int *mode)
{
    if (s->op != BLK_DISCARD && s->op != BLK_ZERO)
        return false;
    *mode = FALLOC_FL_KEEP_SIZE | (s->unmap ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE);
    return s->op == BLK_ZERO || !be->device || s->file == BLK_TEMP;
}
