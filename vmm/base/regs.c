// SPDX-License-Identifier: MIT
/*
 * Owns how an access of any width meets a table of registers. Refuses to know what they mean.
 */
#include "vmm/base/regs.h"

#include <string.h>

#include "vmm/base/bits.h"
#include "vmm/base/trace.h"

const struct regs_path regs_little = {.order = ORDER_LITTLE, .any_width = false};

/* Index of the first row that ends after off. */
static unsigned row_from(const struct regs *regs, uint64_t off)
{
    unsigned lo = 0, hi = regs->n;

    while (lo < hi) {
        const unsigned mid = (lo + hi) / 2;

        if ((uint64_t)regs->row[mid].off + regs->row[mid].size <= off)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static bool row_present(const struct regs *regs, void *ctx, const struct reg *row)
{
    return !regs->present || regs->present(ctx, row);
}

static void row_bytes(const struct regs *regs, void *ctx, const struct regs_path *path,
                      const struct reg *row, uint8_t bytes[8])
{
    const bool readable = row->read && row_present(regs, ctx, row);

    order_store(path->order, bytes, row->size, readable ? row->read(ctx, row) : 0);
}

void regs_read(const struct regs *regs, void *ctx, const struct regs_path *path, uint64_t off,
               void *data, unsigned len)
{
    uint8_t *out = (uint8_t *)data;

    memset(data, 0, len);
    if (!range_ok(off, len, regs->size))
        return;
    for (unsigned i = row_from(regs, off); i < regs->n && regs->row[i].off < off + len; i++) {
        const struct reg *row = &regs->row[i];
        const uint64_t from = max_u64(row->off, off);
        const uint64_t to = min_u64((uint64_t)row->off + row->size, off + len);
        uint8_t bytes[8];

        row_bytes(regs, ctx, path, row, bytes);
        memcpy(out + (from - off), bytes + (from - row->off), to - from);
    }
    if (trace_on(TRACE_BASE))
        trace_access_regs(regs, false, off, data, len);
}

/* May an access to bytes [from, to) of the row be a write to it? */
static bool row_takes(const struct regs_path *path, const struct reg *row, uint64_t from,
                      uint64_t to)
{
    if (to - from == row->size || path->any_width)
        return true;
    return row->size == 8 && to - from == 4 && (from - row->off) % 4 == 0;
}

void regs_write(const struct regs *regs, void *ctx, const struct regs_path *path, uint64_t off,
                const void *data, unsigned len)
{
    const uint8_t *in = (const uint8_t *)data;

    if (!range_ok(off, len, regs->size))
        return;
    if (trace_on(TRACE_BASE))
        trace_access_regs(regs, true, off, data, len); /* before what comes of it */
    for (unsigned i = row_from(regs, off); i < regs->n && regs->row[i].off < off + len; i++) {
        const struct reg *row = &regs->row[i];
        const uint64_t from = max_u64(row->off, off);
        const uint64_t to = min_u64((uint64_t)row->off + row->size, off + len);
        uint8_t bytes[8];

        if (!row->write || !row_takes(path, row, from, to) || !row_present(regs, ctx, row))
            continue;
        if (to - from < row->size)
            row_bytes(regs, ctx, path, row, bytes);
        memcpy(bytes + (from - row->off), in + (from - off), to - from);
        row->write(ctx, row, order_load(path->order, bytes, row->size));
    }
}

const struct reg *regs_find(const struct regs *regs, uint64_t off)
{
    const unsigned i = row_from(regs, off);

    return i < regs->n && regs->row[i].off == off ? &regs->row[i] : NULL;
}
