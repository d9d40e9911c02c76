// SPDX-License-Identifier: MIT
/*
 * Owns an io_uring that carries out steps: many with one system call, their ends seen by the event
 * loop as its descriptor becoming readable. Refuses to know what a step is part of.
 *
 * Steps wait in a list of our own while the ring has no room, so that submitting cannot fail, and
 * no more are in the ring than its completion side holds, so that nothing can overflow.
 *
 * Submitting and reaping are done once at the end of each turn of the loop: for all queues that
 * were kicked in it, and for steps that the kernel could carry out while they were submitted,
 * because the data was in the page cache. Reaping costs no system call; what ended while the loop
 * waited has made it turn, be it as an event or by interrupting the wait.
 */
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "devices/backend/blk-engine.h"
#include "vmm/base/bits.h"

enum {
    URING_ENTRIES = 256,
    URING_REAP = 32,          /* ends looked at together */
    URING_RETRY_NS = 1000000, /* the kernel had no memory for what we submitted */
    URING_ROUNDS = 8,         /* of submitting and reaping in a turn */
    URING_FIXED = BLK_TEMP + 1,
};

struct uring {
    struct blk_backend *be;
    struct io_uring ring;
    struct loop_fd *src;
    struct loop_timer *retry;
    struct loop_hook hook;
    struct loop_work wake; /* makes the loop turn */
    bool fixed;            /* the files are registered */
    struct blk_list waiting;
    unsigned in_ring, max;
};

static void step_prepare(const struct uring *u, struct io_uring_sqe *sqe, struct blk_io *io)
{
    const struct blk_step *s = &io->step;
    const bool fixed = u->fixed && s->file < URING_FIXED;
    const int fd = fixed ? s->file : u->be->fd[s->file];
    int mode;

    if (s->op == BLK_READ)
        io_uring_prep_readv(sqe, fd, s->iov, s->n_iov, io->offset);
    else if (s->op == BLK_WRITE)
        io_uring_prep_writev(sqe, fd, s->iov, s->n_iov, io->offset);
    else if (blk_step_falloc(u->be, s, &mode))
        io_uring_prep_fallocate(sqe, fd, mode, (off_t)io->offset, (off_t)s->bytes);
    else
        io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
    if (fixed)
        io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
    io_uring_sqe_set_data(sqe, io);
}

static void uring_submit(struct blk_backend *be, struct blk_io *io)
{
    struct uring *u = (struct uring *)be->engine_state;
    int mode;

    if (io->step.op == BLK_DISCARD && !blk_step_falloc(be, &io->step, &mode))
        blk_pool_submit(be, io);
    else
        blk_list_add(&u->waiting, io);
}

/* The end of the turn does it; without a turn there has to be one. */
static void uring_commit(struct blk_backend *be)
{
    struct uring *u = (struct uring *)be->engine_state;

    if (be->pool)
        blk_pool_commit(be);
    if (u->waiting.head && !loop_in_turn(be->loop))
        loop_post(be->loop, &u->wake);
}

/* #syscalls:io io_uring_enter */
static void uring_begin(struct uring *u)
{
    struct io_uring_sqe *sqe;

    while (u->waiting.head && u->in_ring < u->max) {
        sqe = io_uring_get_sqe(&u->ring);
        if (!sqe)
            break; /* full: the rest goes when some of these have ended */
        step_prepare(u, sqe, blk_list_take(&u->waiting));
        u->in_ring++;
    }
    if (!io_uring_sq_ready(&u->ring))
        return;
    u->be->calls++;
    io_uring_submit(&u->ring);
    if (io_uring_sq_ready(&u->ring))
        loop_timer_set(u->retry, URING_RETRY_NS);
}

/* Has anything ended? */
static bool uring_reap(struct uring *u)
{
    struct io_uring_cqe *cqe[URING_REAP];
    struct blk_io *io[URING_REAP];
    int64_t result[URING_REAP];
    bool any = false;
    unsigned n;

    while ((n = io_uring_peek_batch_cqe(&u->ring, cqe, URING_REAP))) {
        for (unsigned i = 0; i < n; i++) {
            io[i] = (struct blk_io *)io_uring_cqe_get_data(cqe[i]);
            result[i] = cqe[i]->res;
        }
        io_uring_cq_advance(&u->ring, n);
        u->in_ring -= n;
        for (unsigned i = 0; i < n; i++)
            blk_stepped(u->be, io[i], result[i]);
        any = true;
    }
    return any;
}

static void uring_turn(void *arg)
{
    struct uring *u = (struct uring *)arg;
    bool any = false;

    for (unsigned round = 0; round < URING_ROUNDS; round++) {
        uring_begin(u);
        if (!uring_reap(u))
            break;
        any = true;
    }
    if (any)
        blk_batch_end(u->be);
    if (u->waiting.head && u->in_ring < u->max)
        loop_post(u->be->loop, &u->wake); /* requests that take long do not keep others waiting */
}

/* The end of the turn does everything. */
static void uring_ready(void *arg, uint32_t events)
{
    (void)arg, (void)events;
}

static void uring_wake(void *arg)
{
    (void)arg;
}

/* #syscalls:main io_uring_register */
static void uring_close(struct blk_backend *be)
{
    struct uring *u = (struct uring *)be->engine_state;

    blk_pool_close(be);
    loop_hook_del(be->loop, &u->hook);
    loop_cancel(be->loop, &u->wake);
    loop_fd_del(u->src);
    loop_timer_del(u->retry);
    if (u->fixed)
        io_uring_unregister_files(&u->ring); /* at once; the ring itself goes some time later */
    io_uring_queue_exit(&u->ring);
    free(u);
}

/* liburing 2.3 declares these two and does not have them. 0 or -errno. */
static int ring_register(const struct uring *u, unsigned op, const void *arg, unsigned n)
{
    return syscall(SYS_io_uring_register, u->ring.ring_fd, op, arg, n) < 0 ? -errno : 0;
}

/*
 * What the ring's requests do no filter of system calls sees: so it is told itself that there will
 * be transfers and nothing else, above all no opening of files. Kernels before 5.10 cannot be told.
 */
static int ring_restrict(struct uring *u)
{
    static const uint8_t ops[] = {IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_FALLOCATE,
                                  IORING_OP_FSYNC};
    struct io_uring_restriction only[ARRAY_SIZE(ops) + 2] = {
        {.opcode = IORING_RESTRICTION_REGISTER_OP, .register_op = IORING_UNREGISTER_FILES},
        {.opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED, .sqe_flags = IOSQE_FIXED_FILE},
    };
    int ret;

    if (!(u->ring.flags & IORING_SETUP_R_DISABLED))
        return 0;
    for (unsigned i = 0; i < ARRAY_SIZE(ops); i++)
        only[i + 2] =
            (struct io_uring_restriction){.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = ops[i]};
    ret = ring_register(u, IORING_REGISTER_RESTRICTIONS, only, ARRAY_SIZE(only));
    return ret < 0 ? ret : ring_register(u, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

/* The newest first: 5.19, 5.10, before. */
static int ring_open(struct io_uring *ring)
{
    static const unsigned flags[] = {IORING_SETUP_COOP_TASKRUN | IORING_SETUP_R_DISABLED,
                                     IORING_SETUP_R_DISABLED, 0};
    int ret = -EINVAL;

    for (unsigned i = 0; ret == -EINVAL && i < ARRAY_SIZE(flags); i++)
        ret = io_uring_queue_init(URING_ENTRIES, ring, flags[i]);
    return ret;
}

static int uring_open(struct blk_backend *be, struct err *err)
{
    struct uring *u = calloc(1, sizeof(*u));
    int ret;

    if (!u)
        return err_errno(err, ENOMEM, "disk %s", be->path);
    ret = ring_open(&u->ring);
    if (ret < 0) {
        free(u);
        return err_errno(err, -ret, "io_uring for disk %s", be->path);
    }
    u->be = be;
    u->max = *u->ring.cq.kring_entries;
    be->engine_state = u;
    u->src = loop_fd_add(be->loop, u->ring.ring_fd, EPOLLIN, uring_ready, u);
    u->retry = loop_timer_new(be->loop, uring_wake, u);
    u->wake = (struct loop_work){.fn = uring_wake};
    u->hook = (struct loop_hook){.fn = uring_turn, .arg = u};
    loop_hook_add(be->loop, &u->hook);
    u->fixed = io_uring_register_files(&u->ring, be->fd, URING_FIXED) == 0;
    ret = u->src && u->retry ? ring_restrict(u) : -ENOMEM;
    if (ret < 0)
        err_errno(err, -ret, "io_uring for disk %s", be->path);
    if (!ret && be->device && be->limits.discard) /* by ioctl() only */
        ret = blk_pool_open(be, 1, err);
    if (ret < 0)
        uring_close(be);
    return ret;
}

const struct blk_engine blk_uring = {
    .name = "io_uring",
    .open = uring_open,
    .close = uring_close,
    .submit = uring_submit,
    .commit = uring_commit,
};
