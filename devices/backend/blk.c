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
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "devices/backend/blk-engine.h"
#include "devices/backend/blk-overlay.h"
#include "vmm/base/bits.h"

enum {
    STEP_PIECES = IOV_MAX,
    STEP_TRIES = 100,        /* in a row without progress, then it is an error */
    STEP_BYTES = 0x40000000, /* the kernel moves less than 2 GiB at once */
};

static const char *const op_name[BLK_OPS] = {"read", "write", "flush", "discard", "zeroing"};

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
    if (be->batch)
        be->batch(be->batch_arg); /* somebody waits for this one */
    be->engine->commit(be);
}

static void io_end(struct blk_backend *be, struct blk_io *io, int result)
{
    if (!--be->in_flight)
        be->cancel = false;
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

/* Is the request to wait for a better host? Not when it is to end anyway. */
static bool holds(const struct blk_backend *be, const struct blk_io *io, int result)
{
    const bool space = result == -ENOSPC || result == -EDQUOT || result == -EFBIG;

    if (!be->on_held || be->cancel || io->step.op == BLK_FLUSH)
        return false;
    if (io->op == BLK_READ)
        return be->rerror_stop;
    return be->werror == BLK_WERROR_STOP || (be->werror == BLK_WERROR_ENOSPC && space);
}

static bool io_hold(struct blk_backend *be, struct blk_io *io, int result)
{
    if (!holds(be, io, result))
        return false;
    blk_list_add(&be->held, io);
    be->held_error = result;
    if (be->n_held++)
        return true;
    if (!be->held_told) /* a guest can reset the device and begin anew before it is paused (I6) */
        log_msg(LOG_ERROR, "%s: %s of %" PRIu64 " bytes at offset %" PRIu64 " is held: %s",
                be->path, op_name[io->step.op], io->left, io->offset, strerror(-result));
    be->held_told = true;
    be->on_held(be->on_held_arg);
    return true;
}

static void io_fail(struct blk_backend *be, struct blk_io *io, int result)
{
    if (io_hold(be, io, result))
        return;
    host_error(be, io, result);
    io_end(be, io, result);
}

static void io_fail_or_end(struct blk_backend *be, struct blk_io *io, int result)
{
    if (result < 0)
        io_fail(be, io, result);
    else
        io_end(be, io, 0);
}

/* Make the step cover the first bytes of what is left; the last piece is shortened meanwhile. */
static void step_trim(struct blk_io *io, uint64_t bytes)
{
    struct blk_step *s = &io->step;
    uint64_t sum = 0;

    s->iov = io->iov;
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

static void step_untrim(struct blk_io *io, uint64_t done)
{
    if (io->step.cut)
        io->iov[io->step.n_iov - 1].iov_len += io->step.cut;
    io->step.cut = 0;
    if (io->step.bounce)
        blk_direct_stepped(io, done);
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
    if (bytes && io->n_iov) {
        io->iov->iov_base = (char *)io->iov->iov_base + bytes;
        io->iov->iov_len -= (size_t)bytes;
    }
}

static bool io_has_data(const struct blk_io *io)
{
    return io->op == BLK_READ || io->op == BLK_WRITE;
}

/* A read or write of at most bytes. 0, or -errno: not submitted. */
static int step_transfer(struct blk_backend *be, struct blk_io *io, uint64_t bytes)
{
    bool temp = false;

    if (be->overlay) {
        temp = blk_overlay_run(be->overlay, io->offset, bytes, &bytes);
        temp = temp || io->op == BLK_WRITE;
    }
    io->step.op = (uint8_t)io->op;
    io->step.file = temp ? BLK_TEMP : BLK_IMAGE;
    step_trim(io, bytes);
    return be->direct && !temp ? blk_direct_step(be, io, bytes) : 0;
}

/* The next step of a discard or a zeroing, as step_make(). */
static int step_range(struct blk_backend *be, struct blk_io *io, uint64_t bytes)
{
    const struct blk_step *s = &io->step;

    if (!blk_zero_step(be, io, be->overlay ? BLK_TEMP : BLK_IMAGE, bytes))
        return 1;
    if (s->op == BLK_WRITE && be->direct && !be->overlay)
        return blk_direct_step(be, io, s->bytes);
    return be->overlay ? blk_overlay_reserve(be->overlay, io->offset, s->bytes, s->op != BLK_WRITE)
                       : 0;
}

/* Make the next step; with nothing left to do it is a sync. 0; 1: it is not needed; -errno. */
static int step_make(struct blk_backend *be, struct blk_io *io)
{
    const uint64_t bytes = min_u64(io->left, STEP_BYTES);

    if (!bytes) {
        io->step = (struct blk_step){.op = BLK_FLUSH, .file = BLK_IMAGE};
        return 0;
    }
    if (!range_ok(io->offset, io->left, be->size))
        return -EIO; /* the image was made smaller meanwhile */
    if (be->cancel)
        return -ECANCELED;
    if (io_has_data(io))
        return step_transfer(be, io, bytes);
    return step_range(be, io, bytes);
}

/* All that wait share the sync that now begins: what they wrote has been written before it. */
static void sync_begin(struct blk_backend *be)
{
    be->sync_with = be->sync_later;
    be->sync_later.head = NULL;
    be->syncing = blk_list_take(&be->sync_with);
    if (be->syncing)
        be->engine->submit(be, be->syncing);
}

/*
 * One sync of the image at a time. The kernel tells an error to one sync only: another one at the
 * same time could succeed, and be heard of first, without what is lost (I1, I3).
 */
static void step_submit(struct blk_backend *be, struct blk_io *io)
{
    if (io->step.op != BLK_FLUSH) {
        be->engine->submit(be, io);
        return;
    }
    blk_list_add(&be->sync_later, io);
    if (!be->syncing)
        sync_begin(be);
}

static void io_next(struct blk_backend *be, struct blk_io *io)
{
    int ret = step_make(be, io);

    if (!ret)
        step_submit(be, io);
    else if (ret == -ECANCELED)
        io_end(be, io, ret);
    else
        io_fail_or_end(be, io, ret);
}

/* What a snapshot or a read-only image holds is never worth a flush: it lasts no longer than us,
 * or has not changed. */
static bool flush_needed(const struct blk_backend *be)
{
    return !be->overlay && !be->read_only && !be->unsafe;
}

static void sync_end(struct blk_backend *be, struct blk_io *io, int64_t result)
{
    if (be->sync_failed)
        io_fail(be, io, result < 0 ? (int)result : -EIO);
    else
        io_end(be, io, 0);
}

static void flushed(struct blk_backend *be, struct blk_io *io, int64_t result)
{
    struct blk_list with = be->sync_with;

    if (result < 0)
        be->sync_failed = true;
    sync_begin(be);
    sync_end(be, io, result);
    while ((io = blk_list_take(&with)))
        sync_end(be, io, result);
}

static void transferred(struct blk_backend *be, struct blk_io *io, uint64_t bytes)
{
    if (be->overlay && io->op != BLK_READ)
        blk_overlay_mark(be->overlay, io->offset, bytes);
    io->step.tries = 0;
    io_advance(io, bytes);
    if (io->left || (io->stable && io->op != BLK_READ && flush_needed(be)))
        io_next(be, io);
    else
        io_end(be, io, 0);
}

/* -ECANCELED: the thread that submitted it has ended, which is no reason to lose the request. */
static bool again(int64_t result)
{
    return result == -EINTR || result == -EAGAIN || result == -ECANCELED;
}

static void range_stepped(struct blk_backend *be, struct blk_io *io, int64_t result)
{
    if (result >= 0)
        transferred(be, io, io->step.bytes);
    else if (blk_zero_refused(be, io, result))
        io_next(be, io);
    else
        io_fail(be, io, (int)result);
}

static void data_stepped(struct blk_backend *be, struct blk_io *io, int64_t result)
{
    uint64_t whole = result > 0 ? (uint64_t)result & ~(uint64_t)(BLK_SECTOR - 1) : 0;

    whole = min_u64(whole, io->step.bytes);
    step_untrim(io, whole);
    if (whole)
        transferred(be, io, whole);
    else if (result > 0 && ++io->step.tries < STEP_TRIES)
        io_next(be, io);
    else
        io_fail(be, io, result < 0 ? (int)result : -EIO); /* 0: the image has shrunk (H05) */
}

void blk_stepped(struct blk_backend *be, struct blk_io *io, int64_t result)
{
    static void (*const by_op[BLK_OPS])(struct blk_backend *, struct blk_io *, int64_t) = {
        data_stepped, data_stepped, flushed, range_stepped, range_stepped,
    };

    if (again(result) && ++io->step.tries < STEP_TRIES)
        be->engine->submit(be, io);
    else
        by_op[io->step.op](be, io, result);
}

static uint64_t io_bytes(const struct blk_io *io)
{
    uint64_t sum = 0;

    if (io->op == BLK_FLUSH)
        return 0;
    if (!io_has_data(io))
        return io->len;
    for (uint32_t i = 0; i < io->n_iov; i++)
        sum += io->iov[i].iov_len;
    return sum;
}

/* 0: go on; 1: nothing to do; or the error that it ends with. */
static int io_check(struct blk_backend *be, struct blk_io *io)
{
    if (io->op == BLK_FLUSH)
        return flush_needed(be) ? 0 : 1;
    if ((io->offset | io->left) % BLK_SECTOR || !range_ok(io->offset, io->left, be->size))
        return -EIO;
    if (io->op != BLK_READ && be->read_only)
        return -EROFS;
    return io->left ? 0 : 1;
}

/* The first step, or the next one after a refusal; as step_make(). */
static int io_begin(struct blk_backend *be, struct blk_io *io)
{
    int ret = 0;

    if (io->op == BLK_WRITE && be->overlay && io->left)
        ret = blk_overlay_reserve(be->overlay, io->offset, io->left, false);
    return ret ? ret : step_make(be, io);
}

void blk_submit(struct blk_backend *be, struct blk_io *io)
{
    int ret;

    io->left = io_bytes(io);
    io->rung = 0;
    io->step = (struct blk_step){.op = (uint8_t)io->op};
    if (!io_has_data(io))
        io->n_iov = 0;
    be->in_flight++;
    ret = io_check(be, io);
    if (!ret) {
        ret = io_begin(be, io);
        if (ret < 0 && io_hold(be, io, ret))
            return;
    }
    if (ret)
        io_end_soon(be, io, ret < 0 ? ret : 0);
    else
        step_submit(be, io);
}

/* What is held, to be dealt with one by one; some may be held again meanwhile. */
static struct blk_list held_take(struct blk_backend *be)
{
    const struct blk_list list = be->held;

    be->held.head = NULL;
    be->n_held = 0;
    return list;
}

void blk_retry(struct blk_backend *be)
{
    struct blk_list list = held_take(be);
    struct blk_io *io;

    be->held_told = false;
    while ((io = blk_list_take(&list))) {
        const int ret = io_begin(be, io);

        io->step.tries = 0;
        if (!ret)
            step_submit(be, io);
        else if (ret > 0 || !io_hold(be, io, ret))
            io_end_soon(be, io, ret < 0 ? ret : 0);
    }
    be->engine->commit(be);
}

void blk_cancel(struct blk_backend *be)
{
    struct blk_list list = held_take(be);
    struct blk_io *io;

    be->cancel = be->in_flight != 0;
    while ((io = blk_list_take(&list)))
        io_end_soon(be, io, -ECANCELED);
}

void blk_cancel_held(struct blk_backend *be,
                     bool (*match)(const struct blk_io *io, const void *arg), const void *arg)
{
    struct blk_list list = held_take(be);
    struct blk_io *io;

    while ((io = blk_list_take(&list))) {
        if (match(io, arg)) {
            io_end_soon(be, io, -ECANCELED);
            continue;
        }
        blk_list_add(&be->held, io);
        be->n_held++;
    }
}

/*
 * #syscalls:file preadv pwritev fdatasync fallocate
 * #ioctls:file BLKDISCARD
 */
int64_t blk_step_run(const struct blk_backend *be, const struct blk_io *io)
{
    const struct blk_step *s = &io->step;
    const int fd = be->fd[s->file];
    uint64_t range[2] = {io->offset, s->bytes};
    int64_t ret;
    int mode;

    if (s->op == BLK_READ)
        ret = preadv(fd, s->iov, (int)s->n_iov, (off_t)io->offset);
    else if (s->op == BLK_WRITE)
        ret = pwritev(fd, s->iov, (int)s->n_iov, (off_t)io->offset);
    else if (s->op == BLK_FLUSH)
        ret = fdatasync(fd);
    else if (blk_step_falloc(be, s, &mode))
        ret = fallocate(fd, mode, (off_t)io->offset, (off_t)s->bytes);
    else
        ret = ioctl(fd, BLKDISCARD, range);
    return ret < 0 ? -errno : ret;
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

void blk_on_held(struct blk_backend *be, void (*fn)(void *arg), void *arg)
{
    be->on_held = fn;
    be->on_held_arg = arg;
}

unsigned blk_held(const struct blk_backend *be, int *error)
{
    if (error)
        *error = be->n_held ? be->held_error : 0;
    return be->n_held;
}

uint64_t blk_size(const struct blk_backend *be)
{
    return be->size;
}

bool blk_read_only(const struct blk_backend *be)
{
    return be->read_only;
}

const struct blk_limits *blk_limits(const struct blk_backend *be)
{
    return &be->limits;
}

const char *blk_engine_name(const struct blk_backend *be)
{
    return be->engine->name;
}

uint64_t blk_errors(const struct blk_backend *be)
{
    return be->errors;
}

uint64_t blk_calls(const struct blk_backend *be)
{
    return be->calls;
}
