// SPDX-License-Identifier: MIT
/*
 * Owns a few threads that carry out steps with plain system calls, for hosts that refuse io_uring
 * and for what io_uring cannot do. Refuses to know what a step is part of.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "devices/backend/blk-engine.h"
#include "vmm/base/thread.h"

enum { POOL_THREADS = 4, POOL_STACK = 256 * 1024 };

struct blk_pool {
    struct blk_backend *be;
    pthread_mutex_t lock; /* leaf: the lists, stop */
    pthread_cond_t cond;
    struct blk_list fresh; /* submitted, not committed; the loop's, not under lock */
    struct blk_list todo, ended;
    struct loop_work work;
    bool stop;
    unsigned n;
    struct thread thread[POOL_THREADS];
};

static void *pool_main(void *arg)
{
    struct blk_pool *pool = (struct blk_pool *)arg;
    struct blk_io *io;

    pthread_mutex_lock(&pool->lock);
    while (!pool->stop) {
        io = blk_list_take(&pool->todo);
        if (!io) {
            pthread_cond_wait(&pool->cond, &pool->lock);
            continue;
        }
        pthread_mutex_unlock(&pool->lock);
        io->step.result = blk_step_run(pool->be, io);
        pthread_mutex_lock(&pool->lock);
        blk_list_add(&pool->ended, io);
        loop_post(pool->be->loop, &pool->work);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static void pool_ended(void *arg)
{
    struct blk_pool *pool = (struct blk_pool *)arg;
    struct blk_list list;
    struct blk_io *io;

    pthread_mutex_lock(&pool->lock);
    list = pool->ended;
    pool->ended.head = NULL;
    pthread_mutex_unlock(&pool->lock);
    while ((io = blk_list_take(&list)))
        blk_stepped(pool->be, io, io->step.result);
    blk_batch_end(pool->be);
}

void blk_pool_submit(struct blk_backend *be, struct blk_io *io)
{
    struct blk_pool *pool = be->pool;

    blk_list_add(&pool->fresh, io);
}

void blk_pool_commit(struct blk_backend *be)
{
    struct blk_pool *pool = be->pool;
    struct blk_io *io = blk_list_take(&pool->fresh);

    if (!io)
        return;
    pthread_mutex_lock(&pool->lock);
    for (; io; io = blk_list_take(&pool->fresh)) {
        blk_list_add(&pool->todo, io);
        pthread_cond_signal(&pool->cond);
    }
    pthread_mutex_unlock(&pool->lock);
}

void blk_pool_close(struct blk_backend *be)
{
    struct blk_pool *pool = be->pool;

    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->stop = true;
    pthread_cond_broadcast(&pool->cond);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->n; i++)
        thread_join(&pool->thread[i]);
    loop_cancel(be->loop, &pool->work);
    pthread_cond_destroy(&pool->cond);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
    be->pool = NULL;
}

/* Returns an errno value. */
static int worker_start(struct blk_pool *pool, unsigned i)
{
    pool->thread[i] = (struct thread){
        .kind = THREAD_FILE, .name = "disk", .stack = POOL_STACK, .fn = pool_main, .arg = pool};
    return thread_start(&pool->thread[i]);
}

int blk_pool_open(struct blk_backend *be, unsigned threads, struct err *err)
{
    struct blk_pool *pool = calloc(1, sizeof(*pool));
    int ret = 0;

    if (!pool)
        return err_errno(err, ENOMEM, "disk %s", be->path);
    pool->be = be;
    pool->work = (struct loop_work){.fn = pool_ended, .arg = pool};
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->cond, NULL);
    be->pool = pool;
    while (!ret && pool->n < threads && pool->n < POOL_THREADS) {
        ret = worker_start(pool, pool->n);
        pool->n += !ret;
    }
    if (pool->n)
        return 0; /* fewer are slower, no more */
    blk_pool_close(be);
    return err_errno(err, ret, "cannot start a thread for disk %s", be->path);
}

static int pool_open(struct blk_backend *be, struct err *err)
{
    return blk_pool_open(be, POOL_THREADS, err);
}

const struct blk_engine blk_pool = {
    .name = "threads",
    .open = pool_open,
    .close = blk_pool_close,
    .submit = blk_pool_submit,
    .commit = blk_pool_commit,
};
