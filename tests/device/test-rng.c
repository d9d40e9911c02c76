// SPDX-License-Identifier: MIT
/* The entropy device: G01, G02, G04, over every interface and ring. */
#include <setjmp.h>
#include <stdarg.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/rng.h"
#include "tests/driver/bench.h"
#include "vmm/base/bits.h"

enum { BIG = 256 * 1024, SLOW = 2000 };

static struct rng_conf conf;
static char fifo[] = "/tmp/test-rng.XXXXXX";
static int fifo_fd; /* the writing end */

/* arg: "slow", or "pipe" for a source that has what the test gives it. */
static void *make_conf(struct bench *b)
{
    const char *word = b->arg ? b->arg : "";
    const bool is_pipe = !strcmp(word, "pipe");

    if (is_pipe) {
        snprintf(fifo, sizeof(fifo), "/tmp/test-rng.XXXXXX");
        fifo_fd = mkstemp(fifo);
        assert_true(fifo_fd >= 0);
        close(fifo_fd);
        unlink(fifo);
        assert_int_equal(mkfifo(fifo, 0600), 0);
    }
    conf = (struct rng_conf){.rate = !strcmp(word, "slow") ? SLOW : 0};
    conf.source = entropy_open(is_pipe ? fifo : NULL, b->loop, NULL);
    assert_non_null(conf.source);
    if (is_pipe) {
        fifo_fd = open(fifo, O_WRONLY | O_CLOEXEC);
        unlink(fifo);
        assert_true(fifo_fd >= 0);
    }
    return &conf;
}

static void test_fills(struct bench *b)
{
    static uint8_t a[1000], other[1000];
    unsigned same = 0;

    memset(a, 0, sizeof(a));
    memset(other, 0, sizeof(other));
    assert_int_equal(dq_xfer(&b->d.q[0], NULL, 0, a, sizeof(a)), sizeof(a));
    assert_int_equal(dq_xfer(&b->d.q[0], NULL, 0, other, sizeof(other)), sizeof(other));
    for (unsigned i = 0; i < sizeof(a); i++)
        same += a[i] == other[i];
    assert_true(same < 50); /* 4 are to be expected */
    assert_int_equal(dq_xfer(&b->d.q[0], NULL, 0, a, 1), 1);
}

static void test_withheld(struct bench *b)
{
    bench_withhold(b, test_fills);
}

/* Used length of one chain that was built by hand. */
static uint32_t one(struct bench *b, const struct chain *c)
{
    struct used u;

    dq_add_kick(&b->d.q[0], c, NULL);
    assert_true(dq_wait(&b->d.q[0], &u, WAIT_MS));
    assert_false(drv_broken(&b->d));
    return u.len;
}

/* G01: no more than the cap, and the length says so; bytes behind it stay as they were. */
static void test_cap(struct bench *b)
{
    static struct chain c;
    const uint64_t at = drv_alloc(&b->d, BIG, 4096);
    const uint8_t *mem = drv_mem(&b->d, at, BIG);

    memset(drv_mem(&b->d, at, BIG), 0xa5, BIG);
    c.n = 0;
    chain_in(&c, at, BIG);
    assert_int_equal(one(b, &c), RNG_REQUEST_MAX);
    for (unsigned i = RNG_REQUEST_MAX; i < BIG; i++)
        assert_int_equal(mem[i], 0xa5);
    c.n = 0;
    for (unsigned i = 0; i < 8; i++) /* the same bytes again and again */
        chain_in(&c, at, 30000);
    assert_int_equal(one(b, &c), RNG_REQUEST_MAX);
}

/* G02, D10, D16: dropped, and the next request works. */
static void test_useless(struct bench *b)
{
    static struct chain c;
    const uint64_t at = drv_alloc(&b->d, 4096, 4096);

    for (unsigned i = 0; i < 4; i++) {
        c.n = 0;
        if (i == 0)
            chain_out(&c, at, 4096);
        if (i == 1)
            chain_in(&c, at, 0);
        if (i == 2)
            chain_in(&c, RAM_END, 64);
        if (i == 3)
            chain_in(&c, at, UINT32_MAX);
        assert_int_equal(one(b, &c), 0);
        test_fills(b);
    }
}

/* G04: many requests at once take several turns of the loop, so that others get theirs. */
static void test_turns(struct bench *b)
{
    enum { N = 32 };
    static struct chain c;
    struct dq *q = &b->d.q[0];
    const uint64_t at = drv_alloc(&b->d, RNG_REQUEST_MAX, 4096);
    unsigned got = 0, turns = 0;
    struct used u;

    for (unsigned i = 0; i < N; i++) {
        c.n = 0;
        chain_in(&c, at, RNG_REQUEST_MAX);
        assert_true(dq_add(q, &c, NULL) >= 0);
    }
    dq_kick(q);
    while (got < N && turns < 1000) {
        unsigned now = 0;

        loop_turn(b->loop, 100);
        turns++;
        while (dq_poll(q, &u)) {
            assert_int_equal(u.len, RNG_REQUEST_MAX);
            now++;
        }
        assert_true(now <= 8);
        got += now;
    }
    assert_int_equal(got, N);
}

/* G04: a second's worth at once, then no more than the rate, however often the driver asks. */
static void test_rate(struct bench *b)
{
    static struct chain c;
    const uint64_t at = drv_alloc(&b->d, BIG, 4096);
    const uint64_t start = clock_ns();
    uint64_t got, most, ms;
    unsigned rounds = 0;

    c.n = 0;
    chain_in(&c, at, BIG);
    got = one(b, &c);
    assert_int_equal(got, SLOW);
    for (; clock_ns() - start < 300000000; rounds++)
        got += one(b, &c);
    ms = (clock_ns() - start) / 1000000;
    most = SLOW + SLOW * (ms + 1) / 1000;
    assert_true(got <= most);
    assert_true(got > SLOW);
    assert_true(rounds <= 32); /* waits are worth their while */
}

/* Kicks alone earn nothing: a driver that rings without end finds the device asleep. */
static void test_kick_storm(struct bench *b)
{
    static struct chain c;
    struct dq *q = &b->d.q[0];
    const uint64_t at = drv_alloc(&b->d, BIG, 4096), start = clock_ns();
    struct used u;
    unsigned got = 0;

    c.n = 0;
    chain_in(&c, at, SLOW);
    assert_int_equal(one(b, &c), SLOW);
    assert_true(dq_add(q, &c, NULL) >= 0);
    dq_kick(q);
    for (unsigned i = 0; i < 2000; i++) {
        b->d.ops->kick(&b->d, 0);
        if (i % 16 == 0)
            machine_settle(b->m);
        got += dq_poll(q, &u);
    }
    assert_true(got <= 1 + (clock_ns() - start) / 10000000);
}

/* A source that has nothing: the request waits, and gets what comes, if less than it asked for. */
static void test_source(struct bench *b)
{
    static struct chain c;
    struct dq *q = &b->d.q[0];
    const uint64_t at = drv_alloc(&b->d, 4096, 4096);
    struct used u;

    c.n = 0;
    chain_in(&c, at, 100);
    for (unsigned i = 0; i < 3; i++) {
        dq_add_kick(q, &c, NULL);
        assert_false(dq_wait(q, &u, 20));
        assert_int_equal(write(fifo_fd, "0123456789", 10), 10);
        assert_true(dq_wait(q, &u, WAIT_MS));
        assert_int_equal(u.len, 10);
        assert_memory_equal(drv_mem(&b->d, at, 10), "0123456789", 10);
    }
    close(fifo_fd);
}

static const struct bench_test tests[] = {
    {"rate", test_rate, 0, "slow"},       {"kick-storm", test_kick_storm, 0, "slow"},
    {"source", test_source, 0, "pipe"},   {"fills", test_fills, 0, NULL},
    {"withheld", test_withheld, 0, NULL}, {"cap", test_cap, 0, NULL},
    {"useless", test_useless, 0, NULL},   {"turns", test_turns, BENCH_TURNS, NULL},
};

int main(void)
{
    const struct bench_kind kind = {.type = &rng_type, .name = "rng0", .make_conf = make_conf};

    return bench_run("rng", &kind, tests, ARRAY_SIZE(tests));
}
