// SPDX-License-Identifier: MIT
/* Reading traces: cut off anywhere, with bytes turned, and made by nobody; and how they are told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/trace-rig.h"
#include "vmm/base/bits.h"
#include "vmm/base/regs.h"
#include "vmm/base/trace-file.h"
#include "vmm/trace-show.h"
#include "vmm/trace-text.h"

enum { MUTATIONS = 20000, MAX = 65536 };

static uint8_t good[MAX];
static size_t good_len;

static const struct reg rows[] = {
    {.off = 0, .size = 4, .name = "first"},
    {.off = 4, .size = 2, .name = "second"},
};
static const struct regs block = {.name = "block", .row = rows, .n = ARRAY_SIZE(rows), .size = 16};

/* One record of every kind of field. */
static void record(void)
{
    const uint16_t disk = trace_source("disk0");
    const uint64_t bar = 4, bit = 29;
    uint8_t data[4] = {1, 2, 3, 4};

    trace_define(TRACE_BAR, disk, &bar, 1, "modern", 6);
    trace_define(TRACE_FEATURE, disk, &bit, 1, "event_idx", 9);
    trace_access_begin(disk, 4, 0x14, 4);
    regs_write(&block, NULL, &regs_little, 0, data, 4);
    trace_access_end(true, data, 4);
    trace_access_begin(disk, TRACE_BAR_CONFIG, 0x44, 2);
    regs_read(&block, NULL, &regs_little, 2, data, 2);
    trace_access_end(false, data, 2);
    trace_access_begin(disk, 4, 0x3000, 2);
    trace_access_end(true, data, 2);
    TRACE(PCI_READ, disk, TRACE_NO_QUEUE, 0x4, 2, 7);
    TRACE(STATUS, disk, TRACE_NO_QUEUE, 0, 0xf);
    TRACE(POP, disk, 1, 5, 16, 4097);
    TRACE(INTERRUPT, disk, 1, TRACE_IRQ_MSIX, 2);
    TRACE(INTERRUPT, disk, TRACE_NO_QUEUE, TRACE_IRQ_INTX, 0xffff);
    TRACE(EXIT, TRACE_NONE, TRACE_NO_QUEUE, 1, 0x3f8, 1234);
    trace_emit_bytes(TRACE_FAIL, disk, TRACE_NO_QUEUE, NULL, 0, "a bad\nring", 10);
    trace_emit_bytes(TRACE_DATA, disk, 1, (const uint64_t[]){5}, 1, "\1\2\3", 3);
    TRACE(FEATURES, disk, TRACE_NO_QUEUE, UINT64_C(1) << 32 | 1u << 29, 2, 1);
}

static int good_make(void **state)
{
    (void)state;
    good_len = trace_recorded(record, good, sizeof(good));
    return good_len ? 0 : -1;
}

/* All that can be asked. Returns the number of records. */
static size_t look(const struct trace_file *f)
{
    char line[TRACE_LINE], word[TRACE_WORD], buf[32];
    struct trace_rec rec;

    for (size_t i = 0; i < trace_file_count(f); i++) {
        json_t *o;
        char *text;

        trace_file_get(f, i, &rec);
        trace_line(f, &rec, line);
        assert_true(strlen(line) < sizeof(line));
        trace_kind(&rec, word);
        trace_file_source(f, rec.source, buf);
        trace_file_thread(f, rec.thread, buf);
        o = trace_json(f, &rec);
        assert_non_null(o);
        text = json_dumps(o, JSON_COMPACT);
        assert_non_null(text);
        free(text);
        json_decref(o);
    }
    for (size_t i = 0; i < trace_file_defines(f); i++)
        trace_file_define(f, i, &rec);
    return trace_file_count(f);
}

static struct trace_file *parse(const void *data, size_t len)
{
    struct err err = {""};
    struct trace_file *f = trace_file_parse(data, len, "x", &err);

    if (!f)
        fail_msg("%s", err.text);
    return f;
}

static void line_is(const struct trace_file *f, size_t i, const char *want)
{
    char line[TRACE_LINE];
    struct trace_rec rec;

    trace_file_get(f, i, &rec);
    trace_line(f, &rec, line);
    assert_string_equal(line, want);
}

static void test_words(void **state)
{
    struct trace_file *f = parse(good, good_len);
    struct trace_rec rec;
    char buf[32];

    (void)state;
    assert_int_equal(look(f), 12);
    line_is(f, 0, "modern  first                  4  0x4030201");
    line_is(f, 1, "window  first+2                2  0x0");
    line_is(f, 2, "modern  bar4+0x3000            2  0x0");
    line_is(f, 3, "pci     command                2  0x7");
    line_is(f, 4, "old 0x0  new ACKNOWLEDGE+DRIVER+FEATURES_OK+DRIVER_OK");
    line_is(f, 5, "id 5  out 16  in 4097");
    line_is(f, 6, "kind msix  vector 2");
    line_is(f, 7, "kind intx  vector none");
    line_is(f, 8, "exit pio-write  address 0x3f8  ns 1234");
    line_is(f, 9, "a bad ring");
    line_is(f, 10, "id 5  bytes 010203 (3 bytes)");
    line_is(f, 11, "granted: event_idx 32 65");
    trace_file_get(f, 0, &rec);
    assert_string_equal(trace_file_thread(f, rec.thread, buf), "vcpu3");
    assert_int_equal(trace_file_cpu(f, rec.thread), 3);
    assert_int_equal(trace_file_find(f, "disk0"), rec.source);
    assert_int_equal(trace_file_find(f, "disk9"), -1);
    assert_true(trace_file_ended(f));
    trace_file_close(f);
}

static void test_json(void **state)
{
    struct trace_file *f = parse(good, good_len);
    struct trace_rec rec;
    json_t *o;

    (void)state;
    trace_file_get(f, 0, &rec);
    o = trace_json(f, &rec);
    assert_string_equal(json_string_value(json_object_get(o, "kind")), "write");
    assert_string_equal(json_string_value(json_object_get(o, "device")), "disk0");
    assert_string_equal(json_string_value(json_object_get(o, "register")), "first");
    assert_string_equal(json_string_value(json_object_get(o, "interface")), "modern");
    assert_int_equal(json_integer_value(json_object_get(o, "value")), 0x4030201);
    assert_int_equal(json_integer_value(json_object_get(o, "cpu")), 3);
    assert_null(json_object_get(o, "queue"));
    json_decref(o);
    trace_file_get(f, 5, &rec);
    o = trace_json(f, &rec);
    assert_int_equal(json_integer_value(json_object_get(o, "queue")), 1);
    assert_int_equal(json_integer_value(json_object_get(o, "in")), 4097);
    json_decref(o);
    trace_file_close(f);
}

/* Killed at any byte: what was written whole can be read. */
static void test_cut(void **state)
{
    size_t records = 0;

    (void)state;
    for (size_t len = 0; len < good_len; len++) {
        struct trace_file *f = trace_file_parse(good, len, "x", NULL);
        size_t now;

        if (len < sizeof(struct trace_header)) {
            assert_null(f);
            continue;
        }
        assert_non_null(f);
        now = look(f);
        assert_true(now >= records && now <= records + 1);
        assert_false(trace_file_ended(f));
        assert_true(trace_file_rest(f) < TRACE_HEAD_BYTES + 8 * TRACE_FIELDS + 64);
        records = now;
        trace_file_close(f);
    }
    assert_int_equal(records, 12);
}

/* Bytes of a stranger's. Memory checkers watch. */
static void test_mutations(void **state)
{
    static uint8_t bad[MAX];
    unsigned readable = 0;

    (void)state;
    srandom(1);
    for (unsigned i = 0; i < MUTATIONS; i++) {
        struct trace_file *f;

        memcpy(bad, good, good_len);
        for (unsigned n = 1 + (unsigned)random() % 8; n; n--)
            bad[(size_t)random() % good_len] =
                random() % 3 ? (uint8_t)random() : (uint8_t[]){0, 0xff, 0x80, 8}[random() % 4];
        f = trace_file_parse(bad, good_len - (size_t)random() % 64, "x", NULL);
        if (!f)
            continue;
        readable++;
        look(f);
        trace_file_close(f);
    }
    assert_true(readable > MUTATIONS / 2);
}

static void test_noise(void **state)
{
    static uint8_t bad[4096];

    (void)state;
    srandom(2);
    for (unsigned i = 0; i < 500; i++) {
        struct trace_file *f;

        for (size_t k = 0; k < sizeof(bad); k++)
            bad[k] = (uint8_t)random();
        memcpy(bad, good, sizeof(struct trace_header));
        for (size_t k = sizeof(struct trace_header); k + 16 <= sizeof(bad); k += 64) {
            le16_store(bad + k, 64); /* lengths that lead somewhere */
            bad[k + 2] %= TRACE_POINTS + 2;
        }
        f = parse(bad, sizeof(bad));
        look(f);
        trace_file_close(f);
    }
}

static void test_strangers(void **state)
{
    static uint8_t bad[MAX];
    struct err err;

    (void)state;
    memcpy(bad, good, good_len);
    bad[0] = 'x';
    assert_null(trace_file_parse(bad, good_len, "x", &err));
    assert_non_null(strstr(err.text, "is not a trace"));
    memcpy(bad, good, good_len);
    bad[8] = 9;
    assert_null(trace_file_parse(bad, good_len, "x", &err));
    assert_non_null(strstr(err.text, "version 9"));
    bad[8] = TRACE_VERSION;
    bad[13] = 0xff;
    assert_null(trace_file_parse(bad, good_len, "x", &err));
    assert_non_null(strstr(err.text, "header is broken"));
    assert_null(trace_file_open("/nonexistent", &err));
    assert_null(trace_file_open("/dev/zero", &err));
    assert_non_null(strstr(err.text, "not a regular file"));
}

/* A file far larger than memory that is a trace at its beginning, or not even there. */
static void test_huge(void **state)
{
    char path[] = "/tmp/vmm-test-trace.XXXXXX";
    const int fd = mkstemp(path);
    struct trace_file *f;
    struct err err;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, good, good_len), (ssize_t)good_len);
    assert_int_equal(ftruncate(fd, INT64_C(1) << 40), 0);
    f = trace_file_open(path, &err);
    assert_non_null(f);
    assert_true(trace_file_count(f) > 0);
    assert_true(trace_file_rest(f) > 0);
    trace_file_close(f);
    assert_int_equal(pwrite(fd, "x", 1, 0), 1);
    assert_null(trace_file_open(path, &err));
    assert_non_null(strstr(err.text, "is not a trace"));
    close(fd);
    unlink(path);
}

/* A record of a later version is told by its numbers. */
static void test_later(void **state)
{
    static uint8_t later[MAX];
    const uint64_t value[] = {0, 77};
    struct trace_file *f;
    struct trace_rec rec;
    char kind[TRACE_WORD];

    (void)state;
    memcpy(later, good, good_len);
    le16_store(later + good_len, TRACE_HEAD_BYTES + 16);
    later[good_len + 2] = 200;
    memset(later + good_len + 3, 0xff, 13);
    memcpy(later + good_len + TRACE_HEAD_BYTES, value, sizeof(value));
    f = parse(later, good_len + TRACE_HEAD_BYTES + 16);
    trace_file_get(f, 12, &rec);
    assert_string_equal(trace_kind(&rec, kind), "point 200");
    line_is(f, 12, "value 0x0  value 0x4d");
    look(f);
    trace_file_close(f);
}

static void test_time(void **state)
{
    static const struct {
        const char *text;
        uint64_t ns;
    } ok[] = {{"1.5", 1500000000}, {"2s", 2000000000}, {"20ms", 20000000},
              {"7us", 7000},       {"900ns", 900},     {"0", 0}};
    static const char *const bad[] = {"", "x", "-1", "1h", "1e30", "nan", "5 ms"};
    uint64_t ns;

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(ok); i++) {
        assert_int_equal(trace_time(ok[i].text, &ns, NULL), 0);
        assert_int_equal(ns, ok[i].ns);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
        assert_true(trace_time(bad[i], &ns, NULL) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words), cmocka_unit_test(test_json),
        cmocka_unit_test(test_cut),   cmocka_unit_test(test_mutations),
        cmocka_unit_test(test_noise), cmocka_unit_test(test_strangers),
        cmocka_unit_test(test_later), cmocka_unit_test(test_time),
        cmocka_unit_test(test_huge),
    };

    return cmocka_run_group_tests_name("trace-read", tests, good_make, NULL);
}
