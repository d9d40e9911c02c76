// SPDX-License-Identifier: MIT
/*
 * Owns a request from blk_submit() to done(): limits, short transfers, retries, which file a piece
 * lies in, and what an error means for the requests after it. Refuses to know how a transfer is
 * carried out (an engine does that) and who asked.
 *
 * A request is a row of steps, one under way at a time: at most 1024 pieces, all in one file. A
 * step that ends within a sector is cut back to whole sectors, so that requests stay aligned.
 */
#include "devices/backend/blk.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "devices/backend/blk-engine.h"
#include "devices/backend/blk-overlay.h"
#include "vmm/base/bits.h"

enum {
    STEP_PIECES = IOV_MAX,
    STEP_TRIES = 100,        /* in a row without progress, then it is an error */
    STEP_BYTES = 0x40000000, /* the kernel moves less than 2 GiB at once */
};

static const char *const op_name[BLK_OPS] = {"read", "write", "flush"};

void blk_list_add(struct blk_list *list, struct blk_io *io)
{
    io->next = NULL;
    if (list->head)
        list->tail->next = io;
    else
        list->head = io;
    list->tail = io;
}

struct blk_io *blk_list_take(struct blk_list *list)
{
    struct blk_io *io = list->head;

    if (io)
        list->head = io->next;
    return io;
}

void blk_batch_end(struct blk_backend *be)
{
    be->engine->commit(be);
    if (be->batch)
        be->batch(be->batch_arg);
}

static void io_end(struct blk_backend *be, struct blk_io *io, int result)
{
    be->in_flight--;
    io->done(io, result);
}

static void ready_run(void *arg)
{
    struct blk_backend *be = (struct blk_backend *)arg;
    struct blk_list list = be->ready;
    struct blk_io *io;

    be->ready.head = NULL;
    while ((io = blk_list_take(&list)))
        io_end(be, io, io->result);
    blk_batch_end(be);
}

/* The result is known already, but callers may rely on done() coming later. */
static void io_end_soon(struct blk_backend *be, struct blk_io *io, int result)
{
    io->result = result;
    blk_list_add(&be->ready, io);
    loop_post(be->loop, &be->ready_work);
}

/* Told once with all that helps to find it; a disk that has gone bad would fill the log (I6). */
static void host_error(struct blk_backend *be, const struct blk_io *io, int result)
{
    static const char *const more = "the guest sees an I/O error; further ones are counted only";

    if (be->errors++)
        return;
    if (io->step.op == BLK_FLUSH)
        log_msg(LOG_ERROR, "%s: cannot flush: %s; nothing is reported as stable any more", be->path,
                strerror(-result));
    else
        log_msg(LOG_ERROR, "%s: %s of %" PRIu64 " bytes at offset %" PRIu64 " failed: %s; %s",
                be->path, op_name[io->step.op], io->left, io->offset, strerror(-result), more);
}

static void io_fail(struct blk_backend *be, struct blk_io *io, int result)
{
    host_error(be, io, result);
    io_end(be, io, result);
}

/* Make the step cover the first bytes of what is left; the last piece is shortened meanwhile. */
static void step_trim(struct blk_io *io, uint64_t bytes)
{
    struct blk_step *s = &io->step;
    uint64_t sum = 0;

    s->n_iov = 0;
    s->cut = 0;
    while (sum < bytes && s->n_iov < STEP_PIECES && s->n_iov < io->n_iov)
        sum += io->iov[s->n_iov++].iov_len;
    if (sum > bytes) {
        s->cut = (size_t)(sum - bytes);
        io->iov[s->n_iov - 1].iov_len -= s->cut;
        sum = bytes;
    }
    s->bytes = sum;
}

static void step_untrim(struct blk_io *io)
{
    if (io->step.cut)
        io->iov[io->step.n_iov - 1].iov_len += io->step.cut;
    io->step.cut = 0;
}

static void io_advance(struct blk_io *io, uint64_t bytes)
{
    io->offset += bytes;
    io->left -= bytes;
    while (io->n_iov && bytes >= io->iov->iov_len) {
        bytes -= io->iov->iov_len;
        io->iov++;
        io->n_iov--;
    }
    if (bytes) {
        io->iov->iov_base = (char *)io->iov->iov_base + bytes;
        io->iov->iov_len -= (size_t)bytes;
    }
}

static void step_transfer(struct blk_backend *be, struct blk_io *io)
{
    uint64_t bytes = min_u64(io->left, STEP_BYTES);
    bool temp = false;

    if (be->overlay) {
        temp = blk_overlay_run(be->overlay, io->offset, bytes, &bytes);
        temp = temp || io->op == BLK_WRITE;
    }
    io->step.op = (uint8_t)io->op;
    io->step.file = temp ? BLK_TEMP : BLK_IMAGE;
    step_trim(io, bytes);
    be->engine->submit(be, io);
}

static void step_flush(struct blk_backend *be, struct blk_io *io)
{
    io->step = (struct blk_step){.op = BLK_FLUSH, .file = BLK_IMAGE};
    be->engine->submit(be, io);
}

/* What a snapshot or a read-only image holds is never worth a flush: it lasts no longer than us,
 * or has not changed. */
static bool flush_needed(const struct blk_backend *be)
{
    return !be->overlay && !be->read_only;
}

static void flushed(struct blk_backend *be, struct blk_io *io, int64_t result)
{
    if (result < 0)
        be->sync_failed = true;
    if (be->sync_failed)
        io_fail(be, io, result < 0 ? (int)result : -EIO);
    else
        io_end(be, io, 0);
}

static void transferred(struct blk_backend *be, struct blk_io *io, uint64_t bytes)
{
    if (be->overlay && io->op == BLK_WRITE)
        blk_overlay_mark(be->overlay, io->offset, bytes);
    io_advance(io, bytes);
    if (io->left)
        step_transfer(be, io);
    else if (io->op == BLK_WRITE && io->stable && flush_needed(be))
        step_flush(be, io);
    else
        io_end(be, io, 0);
}

/* -ECANCELED: the thread that submitted it has ended, which is no reason to lose the request. */
static bool again(int64_t result)
{
    return result == -EINTR || result == -EAGAIN || result == -ECANCELED;
}

void blk_stepped(struct blk_backend *be, struct blk_io *io, int64_t result)
{
    uint64_t whole = result > 0 ? (uint64_t)result & ~(uint64_t)(BLK_SECTOR - 1) : 0;

    if (again(result) && ++io->step.tries < STEP_TRIES) {
        be->engine->submit(be, io);
        return;
    }
    if (io->step.op == BLK_FLUSH) {
        flushed(be, io, result);
        return;
    }
    whole = min_u64(whole, io->step.bytes);
    step_untrim(io);
    if (result > 0 && !whole && ++io->step.tries < STEP_TRIES) {
        step_transfer(be, io);
    } else if (!whole) {
        io_fail(be, io, result < 0 ? (int)result : -EIO); /* 0: the image has shrunk (H05) */
    } else {
        io->step.tries = 0;
        transferred(be, io, whole);
    }
}

/* 0: go on; 1: nothing to do; or the error that it ends with. */
static int io_check(struct blk_backend *be, struct blk_io *io)
{
    if (io->op == BLK_FLUSH)
        return flush_needed(be) ? 0 : 1;
    if ((io->offset | io->left) % BLK_SECTOR || !range_ok(io->offset, io->left, be->size))
        return -EIO;
    if (io->op == BLK_WRITE && be->read_only)
        return -EROFS;
    if (io->op == BLK_WRITE && be->overlay && io->left)
        return blk_overlay_reserve(be->overlay, io->offset, io->left);
    return io->left ? 0 : 1;
}

void blk_submit(struct blk_backend *be, struct blk_io *io)
{
    int ret;

    io->left = 0;
    io->step = (struct blk_step){.op = (uint8_t)io->op};
    for (uint32_t i = 0; io->op != BLK_FLUSH && i < io->n_iov; i++)
        io->left += io->iov[i].iov_len;
    be->in_flight++;
    ret = io_check(be, io);
    if (ret)
        io_end_soon(be, io, ret < 0 ? ret : 0);
    else if (io->op == BLK_FLUSH)
        step_flush(be, io);
    else
        step_transfer(be, io);
}

void blk_commit(struct blk_backend *be)
{
    be->engine->commit(be);
}

void blk_init(struct blk_backend *be)
{
    be->ready_work = (struct loop_work){.fn = ready_run, .arg = be};
}

void blk_on_batch(struct blk_backend *be, void (*fn)(void *arg), void *arg)
{
    be->batch = fn;
    be->batch_arg = arg;
}

uint64_t blk_size(const struct blk_backend *be)
{
    return be->size;
}

bool blk_read_only(const struct blk_backend *be)
{
    return be->read_only;
}

const char *blk_engine_name(const struct blk_backend *be)
{
    return be->engine->name;
}

uint64_t blk_errors(const struct blk_backend *be)
{
    return be->errors;
}
