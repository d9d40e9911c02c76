// SPDX-License-Identifier: MIT
/* What an in-process driver did with a disk is replayed from its trace over every interface and
 * ring: nothing differs; and each kind of answer that is changed in the file is found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/device/blk-bench.h"
#include "vmm/base/bits.h"
#include "vmm/base/trace-file.h"
#include "vmm/trace-replay.h"
#include "vmm/trace-run.h"

enum { ROUNDS = 12, MUTATIONS = 40 };

/* A trace in memory. */
struct taken {
    uint8_t *data;
    size_t len;
};

static void options_define(const struct bench *b)
{
    char text[300];
    const int n =
        snprintf(text, sizeof(text),
                 "--disk%cx,queues=1,serial=VMMTEST,interface=%s%c--rng%cnone%c--net%cnone", 0,
                 b->combo->interfaces, 0, 0, 0, 0);

    trace_define(TRACE_OPTIONS, TRACE_NONE, NULL, 0, text, (size_t)n + 1);
}

static void requests(struct bench *b)
{
    static const struct {
        uint32_t type, out, in;
    } ask[] = {{T_IN, 0, 4096}, {T_OUT, 1024, 0}, {T_FLUSH, 0, 0}, {T_GET_ID, 0, 20}, {99, 0, 8}};

    for (unsigned i = 0; i < ROUNDS; i++) {
        struct ask_blk a = {.type = ask[i % ARRAY_SIZE(ask)].type,
                            .sector = i,
                            .out_len = ask[i % ARRAY_SIZE(ask)].out,
                            .in_len = ask[i % ARRAY_SIZE(ask)].in};

        ask_make(b, &a, NULL);
        ask_kick(b, &a);
        ask_ended(b, &a);
    }
}

static void take(struct bench *b, struct taken *t)
{
    char path[] = "/tmp/vmm-trace-XXXXXX";
    const int fd = mkstemp(path);
    struct err err = {""};

    b->d.ops->status_set(&b->d, 0);
    drv_reset(&b->d);
    pci_reset(b->m->root); /* a recording begins with the machine */
    if (trace_open(path, TRACE_GROUPS, 0, &err) < 0)
        fail_msg("%s", err.text);
    options_define(b);
    trace_run_machine(&b->m->mem, pci_root_layout(b->m->root));
    trace_run_device(b->vp);
    gfunc_command(&b->d.func, PCI_CMD_IO | PCI_CMD_MEMORY | PCI_CMD_MASTER, 0);
    bench_init(b);
    requests(b);
    b->d.ops->status_set(&b->d, 0);
    drv_reset(&b->d);
    machine_settle(b->m);
    assert_true(trace_close());
    t->len = (size_t)lseek(fd, 0, SEEK_END);
    t->data = malloc(t->len);
    assert_int_equal(pread(fd, t->data, t->len, 0), t->len);
    close(fd);
    unlink(path);
}

static struct replay_counts replay(const struct taken *t, FILE *to)
{
    struct err err = {""};
    struct trace_file *f = trace_file_parse(t->data, t->len, "x", &err);
    struct replay_counts counts;

    if (!f)
        fail_msg("%s", err.text);
    if (trace_replay_run(f, to, 10, &counts, &err) < 0)
        fail_msg("%s", err.text);
    trace_file_close(f);
    return counts;
}

/* The nth record of this kind, in the order of the file. */
static uint8_t *record(const struct taken *t, unsigned point, unsigned nth)
{
    size_t at = sizeof(struct trace_header);

    for (; at < t->len; at += le16_load(t->data + at))
        if (t->data[at + 2] == point && !nth--)
            return t->data + at;
    fail_msg("no %s", trace_info[point].name);
    return NULL;
}

static uint8_t *value(uint8_t *rec, unsigned field)
{
    return rec + TRACE_HEAD_BYTES + (size_t)8 * field;
}

/* The value of a field is another one: how many differences come of it? */
static uint64_t changed(const struct taken *t, unsigned point, unsigned nth, unsigned field,
                        uint64_t bits)
{
    uint8_t *at = value(record(t, point, nth), field);
    const uint64_t was = le64_load(at);
    struct replay_counts counts;
    FILE *to = fopen("/dev/null", "w");

    le64_store(at, was ^ bits);
    counts = replay(t, to);
    le64_store(at, was);
    fclose(to);
    return counts.differences;
}

/* Guests of the other byte order are not replayed, nor what no option asks for. */
static bool fits(const struct bench *b)
{
    return b->combo->order == ORDER_LITTLE && !b->combo->ask;
}

static void test_same(struct bench *b)
{
    struct replay_counts counts;
    struct taken t;

    if (!fits(b))
        return;
    take(b, &t);
    counts = replay(&t, stdout);
    assert_int_equal(counts.differences, 0);
    assert_int_equal(counts.requests, ROUNDS);
    assert_int_equal(counts.unknown, 0);
    assert_int_equal(counts.host, 0);
    assert_true(counts.notices > 0);
    assert_true(counts.accesses > 20);
    free(t.data);
}

static void test_different(struct bench *b)
{
    struct taken t;
    uint8_t *rec;
    FILE *to = fopen("/dev/null", "w");

    if (fits(b)) {
        take(b, &t);
        assert_int_equal(changed(&t, TRACE_PUSH, 1, 1, 1), 1);
        assert_int_equal(changed(&t, TRACE_PUSH, ROUNDS - 1, 1, 2), 1);
        assert_int_equal(changed(&t, TRACE_READ, 5, 2, 1), 1);
        assert_int_equal(changed(&t, TRACE_STATUS, 1, 1, 0x80), 1);
        assert_int_equal(changed(&t, TRACE_QUEUE, 0, 0, 1), 1);
        assert_int_equal(changed(&t, TRACE_FEATURES, 0, 0, 1), 1);
        assert_int_equal(changed(&t, TRACE_DEVICE, 0, 3, 1), 1);
        rec = record(&t, TRACE_INTERRUPT, 0);
        rec[2] = TRACE_SUPPRESSED;
        assert_int_equal(replay(&t, to).differences, 1);
        rec[2] = TRACE_INTERRUPT;
        assert_int_equal(replay(&t, to).differences, 0);
        free(t.data);
    }
    fclose(to);
}

/* Without what --trace FILE,replay adds, registers are replayed all the same. */
static void test_registers_only(struct bench *b)
{
    struct replay_counts counts;
    struct taken t;
    FILE *to;

    if (!fits(b))
        return;
    take(b, &t);
    to = fopen("/dev/null", "w");
    for (unsigned i = 0; i < ROUNDS; i++)
        record(&t, TRACE_POP, 0)[2] = 250;
    counts = replay(&t, to);
    assert_int_equal(counts.requests, 0);
    assert_int_equal(counts.unknown, ROUNDS);
    free(t.data);
    fclose(to);
}

/* Whatever the file says, the replay ends. */
static void test_mutations(struct bench *b)
{
    struct trace_file *f;
    struct replay_counts counts;
    struct taken t;
    FILE *to = fopen("/dev/null", "w");
    uint8_t *good;

    take(b, &t);
    good = malloc(t.len);
    memcpy(good, t.data, t.len);
    log_set_level((enum log_level) - 1);
    srandom(7);
    for (unsigned i = 0; i < MUTATIONS; i++) {
        for (unsigned n = 1 + (unsigned)random() % 20; n; n--)
            t.data[48 + (size_t)random() % (t.len - 48)] = (uint8_t)random();
        f = trace_file_parse(t.data, t.len, "x", NULL);
        if (f)
            trace_replay_run(f, to, 10, &counts, NULL);
        trace_file_close(f);
        memcpy(t.data, good, t.len);
    }
    log_set_level(LOG_WARN);
    free(good);
    free(t.data);
    fclose(to);
}

static const struct disk_case real = {.open = {.engine = &blk_pool}, .serial = "VMMTEST"};

static const struct bench_test tests[] = {
    {"same", test_same, BENCH_RAW, &real},
    {"different", test_different, BENCH_RAW, &real},
    {"registers-only", test_registers_only, BENCH_RAW, &real},
    {"mutations", test_mutations, BENCH_RAW | BENCH_ONCE, &real},
};

int main(void)
{
    return bench_run("trace-replay", &disk_kind, tests, ARRAY_SIZE(tests));
}
