// SPDX-License-Identifier: MIT
/*
 * How many system calls the disk's thread makes for a request: with 32 requests at a time, as an
 * interrupt-driven driver has them, fewer than one for two. `strace -f -c` counts the same.
 */
#include <sched.h>

#include "tests/device/blk-bench.h"

enum { DEPTH = 32, REQUESTS = 4000, BLOCK = 4096 };

struct calls {
    uint64_t waits, engine, interrupts;
};

static struct calls calls_now(struct bench *b)
{
    struct calls c;

    loop_lock(b->loop);
    c = (struct calls){loop_waits(b->loop), blk_calls(disk.be), b->dev->vq[0].stats.interrupts};
    loop_unlock(b->loop);
    return c;
}

static void ask_again(struct bench *b, struct ask_blk *a, unsigned i)
{
    uint8_t *header = (uint8_t *)drv_mem(&b->d, a->out, HEADER);
    struct chain c = {0};

    a->sector = (uint64_t)(i * 37 % (DISK / BLOCK)) * (BLOCK / 512);
    order_store(b->d.order, header + 8, 8, a->sector);
    ask_data(b, a)[a->in_len] = POISON;
    chain_out(&c, a->out, HEADER);
    chain_in(&c, a->in, a->in_len + 1);
    assert_true(dq_add(&b->d.q[0], &c, a) >= 0);
}

/* Sleep until the interrupt, take all that is there, ask for as many anew. */
static unsigned round_run(struct bench *b, unsigned *asked)
{
    struct dq *q = &b->d.q[0];
    unsigned n = 0;
    struct used u;

    assert_true(dq_wait(q, &u, WAIT_MS));
    do {
        struct ask_blk *a = (struct ask_blk *)u.cookie;

        assert_int_equal(ask_status(b, a), S_OK);
        assert_int_equal(ask_data(b, a)[7], image_byte(a->sector * 512 + 7));
        n++;
        if (*asked < REQUESTS)
            ask_again(b, a, (*asked)++);
    } while (dq_poll(q, &u));
    dq_kick(q);
    return n;
}

static void few_calls(struct bench *b)
{
    static struct ask_blk ask[DEPTH];
    struct calls before, after;
    unsigned asked = 0, ended = 0;
    double each;

    for (unsigned i = 0; i < DEPTH; i++) {
        ask[i] = (struct ask_blk){.type = T_IN, .in_len = BLOCK};
        ask_make(b, &ask[i], NULL);
    }
    before = calls_now(b);
    for (; asked < DEPTH; asked++)
        ask_again(b, &ask[asked], asked);
    dq_kick(&b->d.q[0]);
    while (ended < REQUESTS)
        ended += round_run(b, &asked);
    after = calls_now(b);
    each = (double)(after.waits - before.waits + after.engine - before.engine + after.interrupts -
                    before.interrupts) /
           REQUESTS;
    print_message("%.3f system calls a request: waits %.3f, io_uring %.3f, interrupts %.3f\n", each,
                  (double)(after.waits - before.waits) / REQUESTS,
                  (double)(after.engine - before.engine) / REQUESTS,
                  (double)(after.interrupts - before.interrupts) / REQUESTS);
    assert_true(each < 0.5);
}

static const struct disk_case cached = {.open.engine = &blk_uring};
static const struct disk_case direct = {.open.engine = &blk_uring, .open.cache = BLK_CACHE_DIRECT};

int main(void)
{
    static const struct bench_test tests[] = {
        {"few_calls/page-cache", few_calls, BENCH_THREADS, &cached},
        {"few_calls/direct", few_calls, BENCH_THREADS, &direct},
    };

    return bench_run("blk-calls", &disk_kind, tests, ARRAY_SIZE(tests));
}
