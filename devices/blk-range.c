// SPDX-License-Identifier: MIT
/*
 * Owns requests that name ranges instead of bringing data: DISCARD and WRITE_ZEROES. Refuses to
 * touch anything before all ranges of a request have been looked at (B23).
 */
#include <stdlib.h>

#include "devices/blk-internal.h"
#include "vmm/base/bits.h"

/* One at a time: a request is many only where the driver joined them, and none of them waits. */
static void range_next(struct blk_req *r)
{
    r->io.offset = r->range->sector * BLK_SECTOR;
    r->io.len = (uint64_t)r->range->sectors * BLK_SECTOR;
    r->io.unmap = r->range->flags & BLK_RANGE_UNMAP;
    r->range++;
    r->ranges--;
    blk_submit(blk_req_blk(r)->be, &r->io);
}

static void range_done(struct blk_io *io, int result)
{
    struct blk_req *r = container_of(io, struct blk_req, io);

    if (result)
        blk_req_end(r, BLK_S_IOERR, 0);
    else if (r->ranges)
        range_next(r);
    else
        blk_req_end(r, BLK_S_OK, 0);
}

/* Copied once, then looked at: the driver may change its own meanwhile. false: not all is RAM. */
static bool ranges_get(struct blk_req *r)
{
    for (unsigned i = 0; i < r->ranges; i++) {
        struct blk_range *range = &r->range[i];

        if (!gcur_get64(&r->out, &range->sector) || !gcur_get32(&r->out, &range->sectors) ||
            !gcur_get32(&r->out, &range->flags))
            return false;
    }
    return true;
}

static enum blk_status ranges_check(const struct blk_req *r, uint32_t flags)
{
    const uint64_t capacity = blk_req_blk(r)->config[BLK_C_CAPACITY];
    enum blk_status status = BLK_S_OK;

    for (unsigned i = 0; i < r->ranges; i++) {
        const struct blk_range *range = &r->range[i];

        if (blk_req_dev(r)->lint)
            blk_lint_range(r, range);
        if (range->flags & ~flags)
            return BLK_S_UNSUPP; /* 5.2.6.2-d5, d6 */
        if (range->sectors > BLK_RANGE_SECTORS ||
            !range_ok(range->sector, range->sectors, capacity))
            status = BLK_S_IOERR; /* B20 */
    }
    return status;
}

static enum blk_status ranges_take(struct blk_req *r, uint32_t flags)
{
    const uint64_t len = gcur_left(&r->out);

    if (!len || len % BLK_RANGE_BYTES || len > BLK_RANGES * BLK_RANGE_BYTES || gcur_left(&r->in))
        return BLK_S_IOERR; /* B19, B17 */
    r->ranges = (unsigned)(len / BLK_RANGE_BYTES);
    r->range = r->memory = calloc(r->ranges, sizeof(*r->range));
    return r->range && ranges_get(r) ? ranges_check(r, flags) : BLK_S_IOERR;
}

static void req_ranges(struct blk_req *r, enum blk_op op, uint32_t flags)
{
    const enum blk_status status = ranges_take(r, flags);

    if (status != BLK_S_OK) {
        blk_req_end(r, status, 0);
        return;
    }
    r->io.op = op;
    r->io.done = range_done;
    r->io.stable = op == BLK_ZERO && blk_writes_stable(blk_req_dev(r));
    range_next(r);
}

void blk_req_discard(struct blk_req *r)
{
    req_ranges(r, BLK_DISCARD, 0);
}

void blk_req_zero(struct blk_req *r)
{
    req_ranges(r, BLK_ZERO, BLK_RANGE_UNMAP);
}
