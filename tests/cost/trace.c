// SPDX-License-Identifier: MIT
/*
 * What recording costs: random reads of 4 KiB at depth 16 from a file in the page cache, by the
 * in-process driver, with the trace off and on in turns. Prints medians; asserts nothing.
 *   make build/tests/cost/trace && build/tests/cost/trace
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/device/blk-bench.h"
#include "vmm/base/bits.h"
#include "vmm/base/trace.h"

enum { DEPTH = 16, BLOCK = 4096, SPAN = 64 << 20, READS = 40000, TURNS = 9, RECORDS = 1000000 };

static struct ask_blk ask[DEPTH];

static void one_add(struct bench *b, struct ask_blk *a)
{
    const uint64_t sector = (uint64_t)random() % (SPAN / BLOCK) * (BLOCK / 512);
    uint8_t *header = drv_mem(&b->d, a->out, HEADER);
    struct chain c = {0};

    order_store(b->d.order, header + 8, 8, sector);
    chain_out(&c, a->out, HEADER);
    chain_in(&c, a->in, BLOCK);
    chain_in(&c, a->in + BLOCK, 1);
    dq_add(&b->d.q[0], &c, a);
}

/* Nanoseconds per request, from the first doorbell to the last used entry. */
static double reads(struct bench *b)
{
    uint64_t start = clock_ns();
    unsigned sent = DEPTH, done = 0;
    struct used u;

    for (unsigned i = 0; i < DEPTH; i++)
        one_add(b, &ask[i]);
    dq_kick(&b->d.q[0]);
    while (done < READS) {
        bool added = false;

        while (dq_poll(&b->d.q[0], &u)) {
            done++;
            if (sent++ < READS) {
                one_add(b, (struct ask_blk *)u.cookie);
                added = true;
            }
        }
        if (added)
            dq_kick(&b->d.q[0]);
    }
    return (double)(clock_ns() - start) / READS;
}

static double cpu_ns(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

/* Of the device's loop and the writer: all but the driver, which polls. */
static double others_ns(void)
{
    return cpu_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_ns(CLOCK_THREAD_CPUTIME_ID);
}

/* One record in the thread that writes it. */
static double record_ns(const char *path)
{
    const uint16_t source = trace_source("disk0");
    double start, ns;

    assert_int_equal(trace_open(path, TRACE_BASE, 64 << 20, NULL), 0);
    for (unsigned i = 0; i < RECORDS; i++) /* touches the memory */
        TRACE(POP, source, 0, i, 16, 4097);
    start = cpu_ns(CLOCK_THREAD_CPUTIME_ID);
    for (unsigned i = 0; i < RECORDS; i++)
        TRACE(POP, source, 0, i, 16, 4097);
    ns = (cpu_ns(CLOCK_THREAD_CPUTIME_ID) - start) / RECORDS;
    trace_close();
    return ns;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double v[TURNS])
{
    qsort(v, TURNS, sizeof(v[0]), compare);
    return v[TURNS / 2];
}

static void measure(struct bench *b)
{
    static const struct {
        const char *name;
        unsigned groups;
    } ways[] = {{"off", 0},
                {"on", TRACE_BASE},
                {"on, with dma", TRACE_BASE | TRACE_DMA},
                {"on, with replay", TRACE_BASE | TRACE_DMA | TRACE_REPLAY}};
    double ns[ARRAY_SIZE(ways)][TURNS], cpu[ARRAY_SIZE(ways)][TURNS];
    char path[] = "/tmp/vmm-trace-XXXXXX";
    const int fd = mkstemp(path);

    for (unsigned i = 0; i < DEPTH; i++) {
        ask[i] = (struct ask_blk){.type = T_IN, .in_len = BLOCK};
        ask_make(b, &ask[i], NULL);
    }
    reads(b);
    for (unsigned turn = 0; turn < TURNS; turn++)
        for (unsigned w = 0; w < ARRAY_SIZE(ways); w++) {
            double before;

            if (ways[w].groups)
                assert_int_equal(trace_open(path, ways[w].groups, 0, NULL), 0);
            before = others_ns();
            ns[w][turn] = reads(b);
            cpu[w][turn] = (others_ns() - before) / READS;
            machine_settle(b->m);
            trace_close();
        }
    printf("one record: %.1f ns\n", record_ns(path));
    close(fd);
    unlink(path);
    printf("random reads of 4 KiB at depth %d, %s, median of %d:\n", DEPTH, b->combo->name, TURNS);
    for (unsigned w = 0; w < ARRAY_SIZE(ways); w++) {
        const double v = median(ns[w]), c = median(cpu[w]);

        printf("  trace %-16s %6.0f ns each, %6.0f a ms  %+5.1f %%   device and writer %6.0f ns of "
               "processor time  "
               "%+5.1f %%\n",
               ways[w].name, v, 1e6 / v, 100 * (v / ns[0][TURNS / 2] - 1), c,
               100 * (c / cpu[0][TURNS / 2] - 1));
    }
}

static const struct disk_case file = {.open = {.engine = &blk_uring}, .size = SPAN};

static const struct bench_test tests[] = {
    {"cost", measure, BENCH_ONCE | BENCH_THREADS, &file},
};

int main(void)
{
    return bench_run("trace", &disk_kind, tests, ARRAY_SIZE(tests));
}
