/* SPDX-License-Identifier: MIT */
/*
 * Inside the block back end: how blk.c gets a step of a request carried out. A step is one
 * preadv(), pwritev() or fdatasync() and may end short; blk.c goes on with the rest.
 */
#ifndef DEVICES_BACKEND_BLK_ENGINE_H
#define DEVICES_BACKEND_BLK_ENGINE_H

#include "devices/backend/blk.h"

enum blk_file { BLK_IMAGE, BLK_TEMP, BLK_FILES };

/* Requests in order. Zero-initialise. */
struct blk_list {
    struct blk_io *head, *tail;
};

struct blk_backend {
    char *path;
    struct loop *loop;
    uint64_t size;
    bool read_only;
    int fd[BLK_FILES]; /* -1: not there */
    struct blk_overlay *overlay;
    const struct blk_engine *engine;
    void *engine_state;
    void (*batch)(void *arg);
    void *batch_arg;
    struct blk_list ready; /* done() to be called soon, result known */
    struct loop_work ready_work;
    unsigned in_flight;
    bool sync_failed; /* what reached the storage is unknown from here on (I3) */
    uint64_t errors;
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

/* For engines, on the loop: io's step gave result, bytes or -errno; then, behind the last of
 * those that ended together, blk_batch_end(). */
void blk_stepped(struct blk_backend *be, struct blk_io *io, int64_t result);
void blk_batch_end(struct blk_backend *be);

void blk_list_add(struct blk_list *list, struct blk_io *io);
/* The first, or NULL. */
struct blk_io *blk_list_take(struct blk_list *list);

/* For blk-file.c: make the parts of be that blk.c owns. */
void blk_init(struct blk_backend *be);

#endif
