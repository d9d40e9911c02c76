/* SPDX-License-Identifier: MIT */
/*
 * Inside the block back end: how blk.c gets a step of a request carried out. A step is one
 * system call: preadv() or pwritev(), which may end short (blk.c goes on with the rest),
 * fdatasync(), fallocate() or an ioctl().
 */
#ifndef DEVICES_BACKEND_BLK_ENGINE_H
#define DEVICES_BACKEND_BLK_ENGINE_H

#include "devices/backend/blk.h"

/* BLK_PLAIN: the image once more without O_DIRECT, for what is not aligned. */
enum blk_file { BLK_IMAGE, BLK_TEMP, BLK_PLAIN, BLK_FILES };

/* Requests in order. Zero-initialise. */
struct blk_list {
    struct blk_io *head, *tail;
};

struct blk_backend {
    char *path;
    struct loop *loop;
    uint64_t size;
    bool read_only;
    bool device; /* a block device, not a file */
    bool direct, unsafe, no_discard, prealloc;
    enum blk_werror werror;
    bool rerror_stop;
    bool cancel;               /* see blk_cancel(), until nothing is in flight */
    uint8_t cannot[BLK_FILES]; /* ways to zero and discard, bits, that the host does not have */
    struct blk_limits limits;
    uint32_t mem_align; /* direct: of memory and its pieces; limits.logical is that of the file */
    int fd[BLK_FILES];  /* -1: not there */
    struct blk_overlay *overlay;
    const struct blk_engine *engine;
    void *engine_state;
    struct blk_pool *pool; /* NULL: no threads */
    void (*batch)(void *arg);
    void *batch_arg;
    struct blk_list ready; /* done() to be called soon, result known */
    struct loop_work ready_work;
    struct blk_list held; /* refused by the host, kept for blk_retry() */
    unsigned n_held;
    int held_error;
    bool held_told; /* since the last blk_retry() */
    void (*on_held)(void *arg);
    void *on_held_arg;
    unsigned in_flight;
    struct blk_io *syncing;                /* the one whose sync is under way, or NULL */
    struct blk_list sync_with, sync_later; /* who end with it; who wait for the next one */
    bool sync_failed; /* what reached the storage is unknown from here on (I3) */
    uint64_t errors;
    uint64_t calls; /* system calls that the engine made on the loop */
};

/*
 * open: 0 or -errno, err filled if it is of use to the user; be->fd is there. close: no step is
 * under way. submit: take io->step; no failure possible. commit: begin all that were submitted.
 */
struct blk_engine {
    const char *name;
    int (*open)(struct blk_backend *be, struct err *err);
    void (*close)(struct blk_backend *be);
    void (*submit)(struct blk_backend *be, struct blk_io *io);
    void (*commit)(struct blk_backend *be);
};

extern const struct blk_engine blk_uring, blk_pool;

/* The functions of blk_pool, for an engine that needs a thread besides. close: none is fine. */
int blk_pool_open(struct blk_backend *be, unsigned threads, struct err *err);
void blk_pool_close(struct blk_backend *be);
void blk_pool_submit(struct blk_backend *be, struct blk_io *io);
void blk_pool_commit(struct blk_backend *be);

/* For engines, on the loop: io's step gave result, bytes or -errno; then, behind the last of
 * those that ended together, blk_batch_end(). */
void blk_stepped(struct blk_backend *be, struct blk_io *io, int64_t result);
void blk_batch_end(struct blk_backend *be);

void blk_list_add(struct blk_list *list, struct blk_io *io);
/* The first, or NULL. */
struct blk_io *blk_list_take(struct blk_list *list);

/* For engines without a better way: carry the step out, waiting. Bytes or -errno. */
int64_t blk_step_run(const struct blk_backend *be, const struct blk_io *io);
/* Is the step something that fallocate() does? Then mode is its argument. */
bool blk_step_falloc(const struct blk_backend *be, const struct blk_step *s, int *mode);

/* For blk-file.c: make the parts of be that blk.c owns. */
void blk_init(struct blk_backend *be);

/* blk-limits.c: fill be->limits and be->mem_align; the image is open, its kind known. */
void blk_limits_get(struct blk_backend *be);

/*
 * blk-direct.c. A read or write of bytes from io->offset on is about to be submitted to an O_DIRECT
 * image; its pieces are in io->step. 0 or -ENOMEM. And when it has ended, bytes of it done, before
 * io goes on.
 */
int blk_direct_step(struct blk_backend *be, struct blk_io *io, uint64_t bytes);
void blk_direct_stepped(struct blk_io *io, uint64_t bytes);

/*
 * blk-zero.c. The next step of a BLK_DISCARD or BLK_ZERO in file, of at most bytes. false: nothing
 * is left to be tried, which is fine for a discard. blk_zero_refused: the step ended with result;
 * true: that way was no good, and another is to be tried.
 */
bool blk_zero_step(struct blk_backend *be, struct blk_io *io, enum blk_file file, uint64_t bytes);
bool blk_zero_refused(struct blk_backend *be, struct blk_io *io, int64_t result);

#endif
