/* SPDX-License-Identifier: MIT */
/*
 * Host storage for block devices: a raw image file or a host block device, read and written
 * asynchronously. What is in the image is never looked at: its format is raw because the user said
 * so (W01). Nothing in here knows who asks.
 *
 * Unless told otherwise, functions are called with the lock of the loop held.
 */
#ifndef DEVICES_BACKEND_BLK_H
#define DEVICES_BACKEND_BLK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "vmm/base/err.h"
#include "vmm/base/loop.h"

struct blk_backend;
struct blk_engine;
struct blk_overlay;

enum { BLK_SECTOR = 512 }; /* bytes; the unit of everything */

enum blk_op { BLK_READ, BLK_WRITE, BLK_FLUSH, BLK_OPS };

/* What a request transfers next: made by blk.c, carried out by an engine (blk-engine.h). */
struct blk_step {
    uint8_t op;     /* enum blk_op */
    uint8_t file;   /* enum blk_file */
    uint32_t n_iov; /* of io->iov, at most 1024 */
    uint32_t tries; /* without progress */
    size_t cut;     /* bytes taken off the last of these pieces */
    uint64_t bytes;
    int64_t result; /* for engines to keep it in */
};

/* One request. The memory is the caller's and stays where it is from blk_submit() to done(). */
struct blk_io {
    enum blk_op op;
    bool stable;       /* BLK_WRITE: on stable storage before done() */
    uint64_t offset;   /* bytes, a multiple of BLK_SECTOR; as everything here used up on the way */
    struct iovec *iov; /* pieces with a sum that is a multiple of BLK_SECTOR */
    uint32_t n_iov;
    void (*done)(struct blk_io *io, int result); /* 0 or -errno; the io is the caller's again */

    /* the back end's from here on */
    uint64_t left;
    struct blk_step step;
    struct blk_io *next;
    int result;
};

struct blk_open {
    const char *path;
    bool read_only;                  /* writes fail; other readers may open the image, too */
    bool snapshot;                   /* writes go to a temporary file, thrown away at close */
    const struct blk_engine *engine; /* NULL: io_uring, or threads where that is refused */
};

/*
 * Open and lock o->path. 0 and *out, or -errno with err filled; then nothing is left open, locked
 * or changed. Refused: what is neither a regular file nor a block device, what has no full sector,
 * what another process has locked (exclusive for writers, shared otherwise), and a file that may
 * not be written unless it is asked for read-only or as a snapshot. What is in use is tried for
 * half a second. Before the machine runs; the lock need not be held.
 */
int blk_backend_open(const struct blk_open *o, struct loop *loop, struct blk_backend **out,
                     struct err *err);

/* Unlock, close, free. Nothing may be in flight. The loop has stopped or is locked. NULL is fine.
 */
void blk_backend_close(struct blk_backend *be);

/* Call fn behind the last of a batch of done() calls: once for many, to tell the driver. */
void blk_on_batch(struct blk_backend *be, void (*fn)(void *arg), void *arg);

/*
 * Begin io. done() is called from the loop, locked, exactly once, never from within blk_submit()
 * or blk_commit(). 0 is reported for a read or a write only when every byte was transferred, for
 * BLK_FLUSH and stable writes only when everything written before is on stable storage. Once that
 * has failed it fails until the image is opened again. -EIO: beyond the end or not whole sectors;
 * -EROFS: write to a read-only image; -ENOMEM; or what the host said.
 */
void blk_submit(struct blk_backend *be, struct blk_io *io);

/* Nothing that was submitted need begin before this: one system call for many requests. */
void blk_commit(struct blk_backend *be);

/* Bytes, whole sectors; constant. */
uint64_t blk_size(const struct blk_backend *be);
bool blk_read_only(const struct blk_backend *be);
/* How it is done: "io_uring" or "threads". */
const char *blk_engine_name(const struct blk_backend *be);
/* Requests that failed so far, for reasons that lie on the host. */
uint64_t blk_errors(const struct blk_backend *be);

#endif
