/* SPDX-License-Identifier: MIT */
/*
 * Where a snapshot keeps what the guest writes: a sparse temporary file without a name, and a map
 * that says which sectors are in it. A map entry is one sector, the least that can be written, so
 * that nothing ever needs to be copied up.
 */
#ifndef DEVICES_BACKEND_BLK_OVERLAY_H
#define DEVICES_BACKEND_BLK_OVERLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/base/err.h"

struct blk_overlay;

/*
 * For an image of size bytes, a multiple of the sector size. The file goes to the folder that
 * TMPDIR names, or /var/tmp. NULL with err filled. Memory: 8 bytes for each 16 MiB, and 4 KiB for
 * each such part that was written to but not all over at once.
 */
struct blk_overlay *blk_overlay_new(uint64_t size, struct err *err);
void blk_overlay_free(struct blk_overlay *o);

/* The image has size bytes now; what was written to a part that is gone is kept. 0 or -errno. */
int blk_overlay_grow(struct blk_overlay *o, uint64_t size);

/* The temporary file; stays the overlay's. */
int blk_overlay_fd(const struct blk_overlay *o);

/*
 * *bytes = how much of [offset, offset + len) from its start on lies in one file, at least one
 * sector, at most 16 MiB. Returns whether that is the temporary one. len not 0.
 */
bool blk_overlay_run(const struct blk_overlay *o, uint64_t offset, uint64_t len, uint64_t *bytes);

/* Get the memory for marking [offset, offset + len), at_once or in any parts. 0 or -ENOMEM. */
int blk_overlay_reserve(struct blk_overlay *o, uint64_t offset, uint64_t len, bool at_once);

/* Reserved [offset, offset + len), whole sectors, has been written to the temporary file. */
void blk_overlay_mark(struct blk_overlay *o, uint64_t offset, uint64_t len);

#endif
