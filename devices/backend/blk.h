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

/* BLK_DISCARD: what is in the range does not matter any more. BLK_ZERO: it reads as zeros. */
enum blk_op { BLK_READ, BLK_WRITE, BLK_FLUSH, BLK_DISCARD, BLK_ZERO, BLK_OPS };

/* What becomes of a flush, and whether the host keeps a copy in its page cache. */
enum blk_cache {
    BLK_CACHE_WRITEBACK, /* page cache; a flush is a sync */
    BLK_CACHE_DIRECT,    /* no page cache (O_DIRECT); a flush is a sync */
    BLK_CACHE_UNSAFE,    /* page cache; a flush does nothing */
};

/* What a request transfers next: made by blk.c, carried out by an engine (blk-engine.h). */
struct blk_step {
    uint8_t op;        /* enum blk_op */
    uint8_t file;      /* enum blk_file */
    bool unmap;        /* BLK_ZERO: by making a hole */
    uint32_t n_iov;    /* of iov, at most 1024 */
    uint32_t tries;    /* without progress */
    size_t cut;        /* bytes taken off the last of these pieces */
    uint64_t bytes;    /* of the file from io->offset on */
    int64_t result;    /* for engines to keep it in */
    struct iovec *iov; /* io->iov, or &one */
    struct iovec one;
    void *bounce; /* memory behind one, to be freed, or NULL */
};

/* One request. The memory is the caller's and stays where it is from blk_submit() to done(). */
struct blk_io {
    enum blk_op op;
    bool stable;       /* BLK_WRITE, BLK_ZERO: on stable storage before done() */
    bool unmap;        /* BLK_ZERO: the host may free the space */
    uint64_t offset;   /* bytes, a multiple of BLK_SECTOR; as everything here used up on the way */
    uint64_t len;      /* BLK_DISCARD, BLK_ZERO: bytes, a multiple of BLK_SECTOR */
    struct iovec *iov; /* BLK_READ, BLK_WRITE: pieces, their sum a multiple of BLK_SECTOR */
    uint32_t n_iov;
    void (*done)(struct blk_io *io, int result); /* 0 or -errno; the io is the caller's again */

    /* the back end's from here on */
    uint64_t left;
    uint8_t rung; /* BLK_DISCARD, BLK_ZERO: how many ways of doing it have been given up */
    struct blk_step step;
    struct blk_io *next;
    int result;
};

/* What becomes of a write, a zeroing or a discard that the host refuses. */
enum blk_werror {
    BLK_WERROR_REPORT, /* it ends with the error */
    BLK_WERROR_ENOSPC, /* for want of space it is held */
    BLK_WERROR_STOP,   /* it is held whatever the reason */
};

struct blk_open {
    const char *path;
    bool read_only;  /* writes fail; other readers may open the image, too */
    bool snapshot;   /* writes go to a temporary file, thrown away at close */
    bool no_discard; /* the image never gets holes */
    bool prealloc;   /* nor has any: space for all of it is reserved (H01) */
    enum blk_cache cache;
    enum blk_werror werror;
    bool rerror_stop; /* a read that the host refuses is held, otherwise it ends with the error */
    const struct blk_engine *engine; /* NULL: io_uring, or threads where that is refused */
};

/* What the host would like transfers to be. All in bytes; 0: not known. */
struct blk_limits {
    uint32_t logical;      /* transfers should be multiples of it; others are slower */
    uint32_t physical;     /* smaller writes cost a read */
    uint32_t align_offset; /* where the first physical block starts */
    uint32_t io_min, io_opt;
    uint32_t discard; /* what can be freed; 0: discarding is not possible */
    bool zero_unmaps; /* BLK_ZERO with unmap may free space */
};

/*
 * Open and lock o->path. 0 and *out, or -errno with err filled; then nothing is left open, locked
 * or changed. Refused: what is neither a regular file nor a block device, what has no full sector,
 * what another process has locked (exclusive for writers, shared otherwise), a file that may not be
 * written unless it is asked for read-only or as a snapshot, BLK_CACHE_DIRECT where the file
 * system has no such thing, and prealloc for what is not written to, is no file, or finds no room
 * (some of it may be reserved then). What is in use is tried for half a second. Before the machine
 * runs; the lock need not be held.
 */
int blk_backend_open(const struct blk_open *o, struct loop *loop, struct blk_backend **out,
                     struct err *err);

/* Unlock, close, free. Nothing may be in flight. The loop has stopped or is locked. NULL is fine.
 */
void blk_backend_close(struct blk_backend *be);

/* Call fn behind the last of a batch of done() calls: once for many, to tell the driver. */
void blk_on_batch(struct blk_backend *be, void (*fn)(void *arg), void *arg);

/*
 * Call fn when a request begins to be held (blk_werror) and none was before: from the loop or from
 * within blk_submit(), locked. Without an fn none is held. Held requests wait for blk_retry(), or
 * end with blk_cancel() or blk_cancel_held(). A flush that failed, also that of a stable write, is
 * never held: what the host has lost by then does not come back (I3).
 */
void blk_on_held(struct blk_backend *be, void (*fn)(void *arg), void *arg);

/* Requests that are held; the last one's -errno in *error if it is not NULL. */
unsigned blk_held(const struct blk_backend *be, int *error);

/* Go on with what is held, from where it failed; blk_commit() is included. */
void blk_retry(struct blk_backend *be);

/*
 * Begin io. done() is called from the loop, locked, exactly once, never from within blk_submit()
 * or blk_commit(). 0 is reported for a read or a write only when every byte was transferred, for
 * BLK_FLUSH and stable writes only when everything written before is on stable storage (but with
 * BLK_CACHE_UNSAFE, or in a snapshot). Once that has failed it fails until the image is opened
 * again. BLK_ZERO is done by whatever the host has, writing zeros if need be; BLK_DISCARD succeeds
 * without effect where the host has nothing for it. -EIO: beyond the end or not whole sectors;
 * -EROFS: change of a read-only image; -ENOMEM; or what the host said.
 */
void blk_submit(struct blk_backend *be, struct blk_io *io);

/* Nothing that was submitted need begin before this: one system call for many requests. */
void blk_commit(struct blk_backend *be);

/*
 * Look at the image's size again: blk_size() says it from now on. Requests in flight that reach
 * beyond it end with -EIO or not at all touched, and the others as they were asked. 0, also if
 * nothing changed, or -errno with err filled and the size as it was.
 */
int blk_backend_resize(struct blk_backend *be, struct err *err);

/*
 * Make the image's file larger, to size bytes; blk_backend_resize() is still due. 0, or -errno with
 * err filled, nothing changed: smaller, not whole sectors, not a file, or one that is not written.
 */
int blk_backend_grow(struct blk_backend *be, uint64_t size, struct err *err);

/* Long requests that are in flight may end early, and those that are held do, with -ECANCELED. */
void blk_cancel(struct blk_backend *be);

/* Held requests of which match(io, arg) is true end with -ECANCELED; others stay held. */
void blk_cancel_held(struct blk_backend *be,
                     bool (*match)(const struct blk_io *io, const void *arg), const void *arg);

/* Bytes, whole sectors; changes in blk_backend_resize() only. */
uint64_t blk_size(const struct blk_backend *be);
const struct blk_limits *blk_limits(const struct blk_backend *be);
bool blk_read_only(const struct blk_backend *be);
/* How it is done: "io_uring" or "threads". */
const char *blk_engine_name(const struct blk_backend *be);
/* System calls that were made on the loop's thread to begin and end requests, but for waiting. */
uint64_t blk_calls(const struct blk_backend *be);
/* Requests that failed so far, for reasons that lie on the host. */
uint64_t blk_errors(const struct blk_backend *be);

#endif
