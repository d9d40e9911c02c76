// SPDX-License-Identifier: MIT
/* What a driver does arrives in a trace, in order, over every interface and ring. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/rng.h"
#include "tests/driver/bench.h"
#include "vmm/base/bits.h"
#include "vmm/trace-read.h"
#include "vmm/trace-text.h"

enum { XFERS = 3, XFER_BYTES = 100 };

/* A trace of bench_init() and a few requests. */
struct taken {
    char path[64];
    struct trace_file *f;
    size_t at; /* what was looked at */
};

static void take(struct bench *b, struct taken *t, unsigned groups)
{
    struct err err = {""};
    uint8_t data[XFER_BYTES];
    int fd;

    strcpy(t->path, "/tmp/vmm-trace-XXXXXX");
    fd = mkstemp(t->path);
    assert_true(fd >= 0);
    close(fd);
    t->at = 0;
    if (trace_open(t->path, groups, 0, &err) < 0)
        fail_msg("%s", err.text);
    bench_init(b);
    for (unsigned i = 0; i < XFERS; i++)
        assert_int_equal(dq_xfer(&b->d.q[0], NULL, 0, data, sizeof(data)), sizeof(data));
    machine_settle(b->m);
    assert_true(trace_close());
    t->f = trace_file_open(t->path, &err);
    unlink(t->path);
    if (!t->f)
        fail_msg("%s", err.text);
    assert_int_equal(trace_file_lost(t->f), 0);
}

/* The next record of this kind. */
static struct trace_rec next(struct taken *t, unsigned point)
{
    struct trace_rec rec;

    while (t->at < trace_file_count(t->f)) {
        trace_file_get(t->f, t->at++, &rec);
        if (rec.point == point)
            return rec;
    }
    fail_msg("no more '%s'", trace_info[point].name);
    return rec;
}

static unsigned count(const struct taken *t, unsigned point)
{
    struct trace_rec rec;
    unsigned n = 0;

    for (size_t i = 0; i < trace_file_count(t->f); i++) {
        trace_file_get(t->f, i, &rec);
        n += rec.point == point;
    }
    return n;
}

static void done(struct taken *t)
{
    trace_file_close(t->f);
}

/* Each step of device_status stands behind the write that made it. */
static void test_status(struct bench *b)
{
    static const uint8_t modern[] = {0x1, 0x3, 0xb, 0xf}, before[] = {0x1, 0x3, 0x7};
    const bool steps = b->d.ops->features_ok;
    const uint8_t *want = steps ? modern : before;
    struct taken t;
    uint64_t old = 0;

    take(b, &t, TRACE_BASE);
    for (unsigned i = 0; i < (steps ? sizeof(modern) : sizeof(before)); i++) {
        char name[TRACE_WORD];
        struct trace_rec rec;

        do {
            rec = next(&t, TRACE_WRITE);
            trace_register(t.f, &rec, name);
        } while (strcmp(name, "device_status") != 0 || rec.value[2] == 0);
        assert_int_equal(rec.value[1], 1);
        assert_int_equal(rec.value[2], want[i]);
        rec = next(&t, TRACE_STATUS);
        assert_int_equal(rec.value[0], old);
        assert_int_equal(rec.value[1], want[i]);
        assert_int_equal(rec.source, b->dev->trace);
        old = want[i];
    }
    done(&t);
}

static void test_setup(struct bench *b)
{
    struct taken t;
    struct trace_rec rec;
    char name[TRACE_WORD];

    take(b, &t, TRACE_BASE);
    rec = next(&t, TRACE_FEATURES);
    assert_int_equal((uint32_t)rec.value[0], b->dev->accepted.word[0]);
    assert_int_equal(rec.value[0] >> 32, b->dev->accepted.word[1]);
    assert_int_equal(rec.value[2], true);
    t.at = 0;
    rec = next(&t, TRACE_QUEUE);
    assert_int_equal(rec.queue, 0);
    assert_int_equal(rec.value[0], b->d.q[0].size);
    assert_int_equal(rec.value[1], b->d.q[0].desc);
    assert_int_equal(rec.value[4], 0);
    t.at = 0;
    rec = next(&t, TRACE_WRITE);
    assert_int_equal(trace_file_find(t.f, "rng0"), rec.source);
    t.at = 0;
    rec = next(&t, TRACE_RESET);
    next(&t, TRACE_RESET_DONE);
    t.at = 0;
    do { /* registers have names of both kinds of tables */
        rec = next(&t, TRACE_WRITE);
        trace_register(t.f, &rec, name);
    } while (strcmp(name, "queue_select") != 0);
    done(&t);
}

static void test_requests(struct bench *b)
{
    struct taken t;

    take(b, &t, TRACE_BASE);
    assert_int_equal(count(&t, TRACE_POP), XFERS);
    assert_int_equal(count(&t, TRACE_PUSH), XFERS);
    assert_int_equal(count(&t, TRACE_EXTENT), 0);
    for (unsigned i = 0; i < XFERS; i++) {
        const struct trace_rec kick = next(&t, TRACE_KICK), pop = next(&t, TRACE_POP);
        const struct trace_rec push = next(&t, TRACE_PUSH), irq = next(&t, TRACE_INTERRUPT);

        assert_int_equal(kick.queue, 0);
        assert_int_equal(pop.value[1], 0);
        assert_int_equal(pop.value[2], XFER_BYTES);
        assert_int_equal(push.value[0], pop.value[0]);
        assert_int_equal(push.value[1], XFER_BYTES);
        assert_int_equal(irq.queue, 0);
        assert_int_equal(irq.value[0], b->d.use_msix ? TRACE_IRQ_MSIX : TRACE_IRQ_INTX);
        assert_int_equal(irq.value[1], b->d.use_msix ? b->d.q[0].vector : 0xffff);
        assert_true(kick.time <= pop.time && pop.time <= push.time && push.time <= irq.time);
    }
    done(&t);
}

/* On request: the places of buffers, which add up to what was popped. */
static void test_extents(struct bench *b)
{
    struct taken t;
    uint64_t in = 0;

    take(b, &t, TRACE_BASE | TRACE_DMA);
    for (unsigned i = count(&t, TRACE_EXTENT); i; i--) {
        const struct trace_rec rec = next(&t, TRACE_EXTENT);

        assert_int_equal(rec.value[0], true);
        in += rec.value[2];
    }
    assert_int_equal(in, XFERS * XFER_BYTES);
    done(&t);
}

static void test_failure(struct bench *b)
{
    struct taken t;
    struct err err = {""};
    struct trace_rec rec;
    int fd;

    bench_init(b);
    strcpy(t.path, "/tmp/vmm-trace-XXXXXX");
    fd = mkstemp(t.path);
    close(fd);
    assert_int_equal(trace_open(t.path, TRACE_BASE, 0, &err), 0);
    log_set_level(LOG_ERROR);
    split_avail_idx(&b->d.q[0], (uint16_t)(b->d.q[0].size + 5)); /* Q01 */
    b->d.ops->kick(&b->d, 0);
    machine_settle(b->m);
    log_set_level(LOG_WARN);
    assert_true(trace_close());
    t.f = trace_file_open(t.path, &err);
    unlink(t.path);
    assert_non_null(t.f);
    t.at = 0;
    rec = next(&t, TRACE_FAIL);
    assert_non_null(memmem(rec.bytes, rec.n_bytes, "available index", 15));
    rec = next(&t, TRACE_STATUS);
    assert_int_equal(rec.value[1] & VIRTIO_S_NEEDS_RESET, VIRTIO_S_NEEDS_RESET);
    done(&t);
}

static const struct bench_test tests[] = {
    {"status", test_status, BENCH_RAW, NULL},
    {"setup", test_setup, BENCH_RAW, NULL},
    {"requests", test_requests, BENCH_RAW | BENCH_TURNS, NULL},
    {"extents", test_extents, BENCH_RAW, NULL},
    {"failure", test_failure, BENCH_RAW | BENCH_SPLIT, NULL},
};

static void *make_conf(struct bench *b)
{
    static struct rng_conf conf;

    conf = (struct rng_conf){.source = entropy_open(NULL, b->loop, NULL)};
    assert_non_null(conf.source);
    return &conf;
}

int main(void)
{
    const struct bench_kind kind = {.type = &rng_type, .name = "rng0", .make_conf = make_conf};

    return bench_run("trace", &kind, tests, ARRAY_SIZE(tests));
}
