// SPDX-License-Identifier: MIT
/* Recording: rings, what is lost, what waits, and that a file says what was recorded. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "vmm/base/bits.h"
#include "vmm/base/regs.h"
#include "vmm/base/trace.h"
#include "vmm/trace-read.h"

static char path[64];

static int path_make(void **state)
{
    int fd;

    (void)state;
    strcpy(path, "/tmp/vmm-trace-XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    return 0;
}

static int path_free(void **state)
{
    (void)state;
    trace_close();
    unlink(path);
    return 0;
}

static void begin(unsigned groups, size_t ring)
{
    struct err err = {""};

    if (trace_open(path, groups, ring, &err) < 0)
        fail_msg("%s", err.text);
}

static struct trace_file *end(void)
{
    struct err err = {""};
    struct trace_file *f;

    assert_true(trace_close());
    f = trace_file_open(path, &err);
    if (!f)
        fail_msg("%s", err.text);
    assert_true(trace_file_ended(f));
    assert_int_equal(trace_file_rest(f), 0);
    return f;
}

static void get(const struct trace_file *f, size_t i, unsigned point, struct trace_rec *rec)
{
    assert_in_range(i, 0, trace_file_count(f) - 1);
    trace_file_get(f, i, rec);
    assert_int_equal(rec->point, point);
}

/* Every value, source, queue and text arrives; times never go back. */
static void test_values(void **state)
{
    const uint16_t disk = trace_source("disk0"), net = trace_source("net0");
    struct trace_file *f;
    struct trace_rec rec;
    uint64_t before = 0;
    char buf[32];

    (void)state;
    begin(TRACE_BASE, 0);
    TRACE(KICK, disk, 3);
    TRACE(POP, disk, 3, 77, 16, UINT64_MAX);
    TRACE(EXTENT, disk, 3, 1, 2, 3); /* not asked for */
    if (trace_on(TRACE_BASE))
        trace_emit_bytes(TRACE_FAIL, net, TRACE_NO_QUEUE, NULL, 0, "it broke", 8);
    TRACE(QUEUE, net, 0, 1, 2, 3, 4, 5);
    f = end();
    assert_int_equal(trace_file_count(f), 4);
    for (size_t i = 0; i < 4; i++) {
        trace_file_get(f, i, &rec);
        assert_true(rec.time >= before && rec.time < 60000000000);
        before = rec.time;
    }
    get(f, 0, TRACE_KICK, &rec);
    assert_string_equal(trace_file_source(f, rec.source, buf), "disk0");
    assert_int_equal(rec.queue, 3);
    assert_int_equal(rec.n, 0);
    get(f, 1, TRACE_POP, &rec);
    assert_int_equal(rec.value[0], 77);
    assert_int_equal(rec.value[1], 16);
    assert_true(rec.value[2] == UINT64_MAX);
    get(f, 2, TRACE_FAIL, &rec);
    assert_string_equal(trace_file_source(f, rec.source, buf), "net0");
    assert_int_equal(rec.n_bytes, 8);
    assert_memory_equal(rec.bytes, "it broke", 8);
    get(f, 3, TRACE_QUEUE, &rec);
    assert_int_equal(rec.n, 5);
    assert_int_equal(rec.value[4], 5);
    assert_int_equal(trace_file_lost(f), 0);
    trace_file_close(f);
}

static void test_sources(void **state)
{
    char name[40];

    (void)state;
    assert_int_equal(trace_source("a"), trace_source("a"));
    assert_int_not_equal(trace_source("a"), trace_source("b"));
    assert_int_not_equal(trace_source("a"), TRACE_NONE);
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(trace_source(name), trace_source(name)); /* cut the same way */
}

static void test_off(void **state)
{
    struct trace_file *f;

    (void)state;
    assert_false(trace_on(TRACE_GROUPS));
    TRACE(KICK, 1, 1); /* nothing to write to: nothing happens */
    begin(TRACE_BASE, 0);
    f = end();
    assert_int_equal(trace_file_count(f), 0);
    trace_file_close(f);
    TRACE(KICK, 1, 1);
}

/* A record with the wrong number of values is refused, not written askew. */
static void test_wrong_count(void **state)
{
    const uint64_t value[] = {0, 1, 2};
    struct trace_file *f;

    (void)state;
    begin(TRACE_BASE, 0);
    trace_emit(TRACE_KICK, 1, 1, value, 2);
    trace_emit_bytes(TRACE_FAIL, 1, 1, value, 2, "x", 1);
    TRACE(KICK, 1, 2);
    f = end();
    assert_int_equal(trace_file_count(f), 1);
    trace_file_close(f);
}

enum { BURST = 50000, THREADS = 4 };

static void *burst(void *arg)
{
    const uint16_t source = *(const uint16_t *)arg;

    for (unsigned i = 0; i < BURST; i++)
        TRACE(POP, source, 0, i, 0, 0);
    return NULL;
}

static void bursts(uint16_t source[THREADS])
{
    pthread_t thread[THREADS];
    char name[] = "burst0";

    for (unsigned i = 0; i < THREADS; i++) {
        name[5] = (char)('0' + i);
        source[i] = trace_source(name);
        assert_int_equal(pthread_create(&thread[i], NULL, burst, &source[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
}

/* What a small ring loses is counted to the last one; each thread's records keep their order. */
static void bursts_check(const struct trace_file *f, const uint16_t source[THREADS], bool all)
{
    uint64_t next[THREADS] = {0}, seen = 0;
    struct trace_rec rec;

    for (size_t i = 0; i < trace_file_count(f); i++) {
        trace_file_get(f, i, &rec);
        if (rec.point == TRACE_LOST)
            continue;
        for (unsigned t = 0; t < THREADS; t++)
            if (rec.source == source[t]) {
                assert_true(rec.value[0] >= next[t]);
                assert_true(!all || rec.value[0] == next[t]);
                next[t] = rec.value[0] + 1;
                seen++;
            }
    }
    assert_int_equal(seen + trace_file_lost(f), THREADS * BURST);
}

static void test_lost(void **state)
{
    uint16_t source[THREADS];
    struct trace_file *f;

    (void)state;
    begin(TRACE_BASE, 16384);
    bursts(source);
    assert_true(trace_lost() > 0);
    log_set_level(LOG_ERROR);
    f = end();
    log_set_level(LOG_WARN);
    assert_true(trace_file_lost(f) > 0);
    bursts_check(f, source, false);
    trace_file_close(f);
}

/* With replay nothing is lost, however small the ring. */
static void test_waits(void **state)
{
    uint16_t source[THREADS];
    struct trace_file *f;

    (void)state;
    begin(TRACE_BASE | TRACE_REPLAY, 16384);
    bursts(source);
    f = end();
    assert_int_equal(trace_file_lost(f), 0);
    bursts_check(f, source, true);
    trace_file_close(f);
}

/* A disk that is full ends the recording; those who record go on. */
static void test_full(void **state)
{
    const struct rlimit small = {8192, RLIM_INFINITY};
    struct rlimit before;
    uint16_t source[THREADS];

    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    begin(TRACE_BASE | TRACE_REPLAY, 16384);
    setrlimit(RLIMIT_FSIZE, &small);
    log_set_level((enum log_level) - 1);
    bursts(source);
    assert_false(trace_on(TRACE_GROUPS));
    assert_false(trace_close());
    log_set_level(LOG_WARN);
    setrlimit(RLIMIT_FSIZE, &before);
}

/* ---- registers ---- */

static uint64_t reg_seven(void *ctx, const struct reg *reg)
{
    (void)ctx, (void)reg;
    TRACE(KICK, 1, 1); /* what comes of an access stands behind it */
    return 7;
}

static void reg_nothing(void *ctx, const struct reg *reg, uint64_t v)
{
    (void)ctx, (void)reg, (void)v;
    TRACE(KICK, 1, 1);
}

static const struct reg rows[] = {
    {.off = 0, .size = 4, .name = "first", .read = reg_seven, .write = reg_nothing},
    {.off = 4, .size = 2, .name = "second"},
};

static const struct regs block = {.name = "block", .row = rows, .n = ARRAY_SIZE(rows), .size = 8};
static const struct regs other = {.name = "other", .row = rows, .n = ARRAY_SIZE(rows), .size = 8};

static void test_registers(void **state)
{
    const uint16_t disk = trace_source("disk0");
    uint8_t data[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    const struct trace_table *t;
    struct trace_file *f;
    struct trace_rec rec;

    (void)state;
    begin(TRACE_BASE, 0);
    regs_read(&block, NULL, &regs_little, 0, data, 4); /* nobody's access */
    trace_access_begin(disk, 4, 0x100, 4);
    regs_write(&block, NULL, &regs_little, 0, data, 4);
    trace_access_end(true, data, 4);
    trace_access_begin(disk, 4, 0x104, 2);
    regs_read(&block, NULL, &regs_little, 4, data, 2);
    trace_access_end(false, data, 2);
    trace_access_begin(disk, 1, 0x10, 4); /* no table */
    trace_access_end(false, data, 4);
    trace_access_begin(disk, 0, 0x10, 4); /* two tables, half each */
    regs_read(&block, NULL, &regs_little, 6, data, 2);
    regs_read(&other, NULL, &regs_little, 0, data, 2);
    trace_access_end(false, data, 4);
    trace_access_begin(disk, 0, 0x10, 2); /* one behind the other */
    regs_write(&block, NULL, &regs_little, 4, data, 2);
    regs_write(&other, NULL, &regs_little, 4, data, 2);
    trace_access_end(true, data, 2);
    f = end();
    get(f, 0, TRACE_KICK, &rec);
    get(f, 1, TRACE_WRITE, &rec);
    t = trace_file_table(f, rec.value[0] >> 32);
    assert_non_null(t);
    assert_string_equal(t->name, "block");
    assert_string_equal(t->row[0].name, "first");
    assert_int_equal((uint32_t)rec.value[0], 0);
    assert_int_equal(rec.value[1], 4);
    assert_int_equal(rec.value[2], 7); /* data was read into */
    assert_int_equal(rec.value[3], 4ull << 32 | 0x100);
    assert_int_equal(rec.source, disk);
    get(f, 2, TRACE_KICK, &rec);
    get(f, 3, TRACE_READ, &rec);
    assert_int_equal((uint32_t)rec.value[0], 4);
    get(f, 4, TRACE_READ, &rec);
    assert_int_equal(rec.value[0], 0);
    assert_int_equal(rec.value[3], 1ull << 32 | 0x10);
    get(f, 5, TRACE_READ, &rec);
    assert_int_equal((uint32_t)rec.value[0], 6);
    get(f, 6, TRACE_KICK, &rec);
    get(f, 7, TRACE_READ, &rec);
    assert_string_equal(trace_file_table(f, rec.value[0] >> 32)->name, "other");
    assert_int_equal(rec.value[3], 0x12);
    get(f, 8, TRACE_WRITE, &rec);
    assert_string_equal(trace_file_table(f, rec.value[0] >> 32)->name, "block");
    assert_int_equal(trace_file_count(f), 9);
    trace_file_close(f);
}

/* A disk image is not overwritten by a slip, another trace is. */
static void test_overwrite(void **state)
{
    struct err err = {""};
    struct stat st;
    FILE *file = fopen(path, "w");

    (void)state;
    fputs("not a trace at all", file);
    fclose(file);
    assert_int_equal(trace_open(path, TRACE_BASE, 0, &err), -EEXIST);
    assert_non_null(strstr(err.text, "is no trace"));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 18);
    assert_int_equal(truncate(path, 0), 0);
    begin(TRACE_BASE, 0);
    assert_int_equal(trace_open(path, TRACE_BASE, 0, &err), -EBUSY);
    trace_file_close(end());
    begin(TRACE_BASE, 0);
    trace_file_close(end());
    assert_int_equal(trace_open("/nonexistent/x", TRACE_BASE, 0, &err), -ENOENT);
    assert_int_equal(trace_open("/dev/null", TRACE_BASE, 0, &err), -EINVAL);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, path_make, path_free)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_values),      TEST(test_sources),   TEST(test_off),
        TEST(test_wrong_count), TEST(test_lost),      TEST(test_waits),
        TEST(test_full),        TEST(test_registers), TEST(test_overwrite),
    };

    return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}
