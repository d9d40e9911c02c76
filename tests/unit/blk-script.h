/* SPDX-License-Identifier: MIT */
/* An engine for the block back end that answers by script, and says what it was asked. */
#ifndef TESTS_UNIT_BLK_SCRIPT_H
#define TESTS_UNIT_BLK_SCRIPT_H

#include "tests/unit/blk-image.h"

enum { SCRIPT = 512, REAL = 1 << 30 };

/* What to answer, in order: bytes or -errno; REAL: do it, or at the script's end. */
static struct {
    int64_t answer[SCRIPT];
    unsigned n, at;
    unsigned steps[BLK_OPS];
    struct blk_list list;
    struct loop_work work;
    struct blk_backend *be;
    bool hold; /* leave steps where they are */
} host;

static inline int64_t step_really(const struct blk_io *io, uint64_t most)
{
    struct blk_io part = *io;
    struct iovec iov[64];
    uint32_t n = 0;

    for (; n < io->step.n_iov && n < 64 && most; n++) {
        iov[n] = io->step.iov[n];
        iov[n].iov_len = (size_t)min_u64(iov[n].iov_len, most);
        most -= iov[n].iov_len;
    }
    part.step.iov = iov;
    part.step.n_iov = n;
    return blk_step_run(host.be, &part);
}

static inline int64_t step_answer(const struct blk_io *io)
{
    int64_t answer = host.at < host.n ? host.answer[host.at++] : REAL;

    host.steps[io->step.op]++;
    return answer < 0 ? answer : step_really(io, (uint64_t)answer);
}

static inline void host_run(void *arg)
{
    struct blk_list list = host.list;
    struct blk_io *io;

    (void)arg;
    if (host.hold)
        return;
    host.list.head = NULL;
    while ((io = blk_list_take(&list)))
        blk_stepped(host.be, io, step_answer(io));
    blk_batch_end(host.be);
}

static inline int host_open(struct blk_backend *be, struct err *err)
{
    (void)err;
    host.be = be;
    host.work = (struct loop_work){.fn = host_run};
    return 0;
}

static inline void host_close(struct blk_backend *be)
{
    loop_cancel(be->loop, &host.work);
}

static inline void host_submit(struct blk_backend *be, struct blk_io *io)
{
    (void)be;
    blk_list_add(&host.list, io);
}

static inline void host_commit(struct blk_backend *be)
{
    if (host.list.head)
        loop_post(be->loop, &host.work);
}

static const struct blk_engine scripted = {"script", host_open, host_close, host_submit,
                                           host_commit};

static inline void script(unsigned n, const int64_t *answer)
{
    memset(host.steps, 0, sizeof(host.steps));
    memcpy(host.answer, answer, n * sizeof(*answer));
    host.n = n;
    host.at = 0;
}

#define SCRIPTED(...) \
    script(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (int64_t[]){__VA_ARGS__})

#endif
