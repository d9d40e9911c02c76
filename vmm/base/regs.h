/* SPDX-License-Identifier: MIT */
/*
 * Register blocks as sorted tables, and the one dispatcher that does widths, alignment and unknown
 * offsets for all of them. The same rows name registers in traces, tests and reports.
 *
 * Reads: bytes of every row that the access touches, each row read once; other bytes read 0.
 * Writes: a row is written when the access covers it whole, or covers one half of an 8-byte row
 * (64-bit fields are two 32-bit halves, 4.1.3.2-d1), or the path allows any width and the rest is
 * merged in. Everything else is ignored. An access that leaves the block is ignored, reads 0.
 */
#ifndef VMM_BASE_REGS_H
#define VMM_BASE_REGS_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/base/le.h"

struct reg {
    uint16_t off;
    uint8_t size;       /* 1, 2, 4 or 8 */
    uint8_t arg;        /* free for the handlers: an index, say */
    const char *name;   /* the specification's name */
    const char *clause; /* where it is required, an id of conformance.tsv */
    uint64_t (*read)(void *ctx, const struct reg *reg);              /* NULL: reads 0 */
    void (*write)(void *ctx, const struct reg *reg, uint64_t value); /* NULL: ignored */
};

struct regs {
    const char *name;
    const struct reg *row; /* ascending by off, not overlapping */
    uint16_t n;
    uint16_t size; /* bytes of the block */
    /* Does the row exist now? NULL: all do. A row that does not reads 0 and ignores writes. */
    bool (*present)(void *ctx, const struct reg *reg);
};

/* How an access path speaks to a block. */
struct regs_path {
    enum byte_order order;
    bool any_width;
};

extern const struct regs_path regs_little; /* little-endian, natural widths: all of virtio 1.x */

/* Access [off, off+len) of a block. ctx goes to the handlers; the caller holds the owner's lock. */
void regs_read(const struct regs *regs, void *ctx, const struct regs_path *path, uint64_t off,
               void *data, unsigned len);
void regs_write(const struct regs *regs, void *ctx, const struct regs_path *path, uint64_t off,
                const void *data, unsigned len);

/* The row at off, or NULL: for names in messages and tests. */
const struct reg *regs_find(const struct regs *regs, uint64_t off);

#endif
