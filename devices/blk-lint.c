// SPDX-License-Identifier: MIT
/*
 * Owns what lint knows of the requests of a block device (5.2.6.1). Refuses to answer them.
 */
#include "devices/blk-internal.h"
#include "virtio/lint.h"
#include "vmm/base/bits.h"

enum { ID_BYTES = 20 };

static void see(const struct blk_req *r, enum lint_id rule, uint64_t value)
{
    lint_see_queue(r->chain->vq, rule, value);
}

static void transfer(const struct blk_req *r, uint64_t bytes)
{
    if (bytes % BLK_SECTOR)
        see(r, LINT_BLK_BYTES, bytes);
    else if (!range_ok(r->sector, bytes / BLK_SECTOR, blk_req_blk(r)->config[BLK_C_CAPACITY]))
        see(r, LINT_BLK_BEYOND, r->sector);
}

static void flush(const struct blk_req *r)
{
    const uint64_t bytes = gcur_left(&r->out) + gcur_left(&r->in);

    if (r->sector)
        see(r, LINT_BLK_FLUSH_SECTOR, r->sector);
    if (bytes)
        see(r, LINT_BLK_FLUSH_DATA, bytes);
}

static void ranges(const struct blk_req *r, unsigned max, enum lint_id too_many)
{
    const uint64_t bytes = gcur_left(&r->out);

    if (bytes % BLK_RANGE_BYTES)
        see(r, LINT_BLK_RANGE_BYTES, bytes);
    else if (bytes / BLK_RANGE_BYTES > max)
        see(r, too_many, bytes / BLK_RANGE_BYTES);
}

void blk_lint_request(const struct blk_req *r)
{
    const uint64_t *config = blk_req_blk(r)->config;

    if (r->type == BLK_T_IN)
        transfer(r, gcur_left(&r->in));
    else if (r->type == BLK_T_OUT)
        transfer(r, gcur_left(&r->out));
    else if (r->type == BLK_T_FLUSH)
        flush(r);
    else if (r->type == BLK_T_GET_ID && gcur_left(&r->in) != ID_BYTES)
        see(r, LINT_BLK_ID_BYTES, gcur_left(&r->in));
    else if (r->type == BLK_T_DISCARD && vdev_has(blk_req_dev(r), BLK_F_DISCARD))
        ranges(r, (unsigned)config[BLK_C_DISCARD_SEG], LINT_BLK_DISCARD_SEG);
    else if (r->type == BLK_T_WRITE_ZEROES && vdev_has(blk_req_dev(r), BLK_F_WRITE_ZEROES))
        ranges(r, (unsigned)config[BLK_C_ZEROES_SEG], LINT_BLK_ZEROES_SEG);
}

void blk_lint_range(const struct blk_req *r, const struct blk_range *range)
{
    if (r->type == BLK_T_DISCARD && (range->flags & BLK_RANGE_UNMAP))
        see(r, LINT_BLK_UNMAP, range->flags);
    if (!range_ok(range->sector, range->sectors, blk_req_blk(r)->config[BLK_C_CAPACITY]))
        see(r, LINT_BLK_BEYOND, range->sector);
}
