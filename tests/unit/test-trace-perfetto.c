// SPDX-License-Identifier: MIT
/* The file for Perfetto, against the documented form: each event has what its phase requires, spans
 * begin before they end and all have ends, tracks have names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/trace-rig.h"
#include "vmm/base/bits.h"
#include "vmm/trace-perfetto.h"
#include "vmm/trace-text.h"

enum { MAX = 65536 };

static uint8_t good[MAX];
static size_t good_len;

static void record(void)
{
    const uint16_t disk = trace_source("disk0"), net = trace_source("net0");

    TRACE(STATUS, disk, TRACE_NO_QUEUE, 0xb, 0xf);
    TRACE(KICK, disk, 0);
    TRACE(POP, disk, 0, 5, 16, 4097);
    TRACE(POP, disk, 0, 6, 16, 513);
    TRACE(POP, net, 1, 5, 100, 0);
    TRACE(EXTENT, net, 1, 0, 1, 2);
    TRACE(PUSH, disk, 0, 6, 513);
    TRACE(PUSH, disk, 0, 5, 4097);
    TRACE(INTERRUPT, disk, 0, TRACE_IRQ_MSIX, 1);
    TRACE(POP, disk, 0, 5, 16, 1);
    TRACE(POP, disk, 0, 5, 16, 2); /* the push between was lost */
    TRACE(PUSH, disk, 0, 99, 2);   /* the pop before was lost */
    TRACE(POP, disk, 1, 5, 16, 3);
    TRACE(QUEUE_OFF, disk, 1, 1);
    TRACE(RESET_DONE, disk, TRACE_NO_QUEUE);
    TRACE(RESET_DONE, net, TRACE_NO_QUEUE);
    TRACE(EXIT, TRACE_NONE, TRACE_NO_QUEUE, 1, 0x3f8, 50);
    trace_emit_bytes(TRACE_FAIL, disk, TRACE_NO_QUEUE, NULL, 0, "a \"bad\\\nring", 12);
}

static int good_make(void **state)
{
    (void)state;
    good_len = trace_recorded(record, good, sizeof(good));
    return good_len ? 0 : -1;
}

static json_t *events(const void *data, size_t len)
{
    struct trace_file *f = trace_file_parse(data, len, "x", NULL);
    char *text = NULL;
    size_t size;
    FILE *to;
    json_error_t error;
    json_t *doc, *list;

    if (!f)
        return NULL;
    to = open_memstream(&text, &size);
    assert_int_equal(trace_perfetto_write(f, to), 0);
    fclose(to);
    trace_file_close(f);
    doc = json_loads(text, 0, &error);
    if (!doc)
        fail_msg("line %d: %s", error.line, error.text);
    free(text);
    list = json_incref(json_object_get(doc, "traceEvents"));
    assert_true(json_is_array(list));
    json_decref(doc);
    return list;
}

static const char *string(const json_t *e, const char *key)
{
    const char *s = json_string_value(json_object_get(e, key));

    return s ? s : "";
}

/* What every phase must have ("Trace Event Format"). */
static const struct {
    const char *ph, *strings, *numbers;
} phases[] = {
    {"M", "name", "pid"},
    {"b", "name cat id", "pid tid ts"},
    {"e", "name cat id", "pid tid ts"},
    {"i", "name s", "pid tid ts"},
    {"X", "name", "pid tid ts dur"},
};

static void keys_check(const json_t *e, const char *keys, bool number)
{
    char copy[64], *at = copy, *key;

    strcpy(copy, keys);
    while ((key = strsep(&at, " "))) {
        const json_t *v = json_object_get(e, key);

        assert_non_null(v);
        assert_true(number ? json_is_number(v) : json_is_string(v));
        assert_true(!number || json_number_value(v) >= 0);
    }
}

/* Tracks that spans and instants stand on have names, said before. */
static void track_check(const json_t *list, const json_t *e)
{
    bool process = false, thread = false;
    const json_t *m;
    size_t i;

    json_array_foreach(list, i, m)
    {
        if (strcmp(string(m, "ph"), "M") != 0)
            break;
        if (!json_equal(json_object_get(m, "pid"), json_object_get(e, "pid")))
            continue;
        assert_true(string(json_object_get(m, "args"), "name")[0]);
        process |= strcmp(string(m, "name"), "process_name") == 0;
        thread |= strcmp(string(m, "name"), "thread_name") == 0 &&
                  json_equal(json_object_get(m, "tid"), json_object_get(e, "tid"));
    }
    assert_true(process && thread);
}

/* Returns the number of spans; each that begins ends once, later. */
static unsigned list_check(const json_t *list, bool all_end)
{
    json_t *open = json_object();
    unsigned spans = 0;
    const json_t *e;
    size_t i;

    json_array_foreach(list, i, e)
    {
        char id[256];
        unsigned p = 0;

        while (p < ARRAY_SIZE(phases) && strcmp(phases[p].ph, string(e, "ph")) != 0)
            p++;
        assert_true(p < ARRAY_SIZE(phases));
        keys_check(e, phases[p].strings, false);
        keys_check(e, phases[p].numbers, true);
        if (p)
            track_check(list, e);
        snprintf(id, sizeof(id), "%s %s %d", string(e, "cat"), string(e, "id"),
                 (int)json_integer_value(json_object_get(e, "pid")));
        if (*phases[p].ph == 'b') {
            assert_null(json_object_get(open, id));
            json_object_set(open, id, json_object_get(e, "ts"));
            spans++;
        } else if (*phases[p].ph == 'e') {
            assert_non_null(json_object_get(open, id));
            assert_true(json_number_value(json_object_get(open, id)) <=
                        json_number_value(json_object_get(e, "ts")));
            json_object_del(open, id);
        }
    }
    if (all_end)
        assert_int_equal(json_object_size(open), 0);
    json_decref(open);
    return spans;
}

static void test_form(void **state)
{
    json_t *list = events(good, good_len);

    (void)state;
    assert_int_equal(list_check(list, true), 6);
    json_decref(list);
}

static const json_t *find(const json_t *list, const char *ph, const char *name, unsigned nth)
{
    const json_t *e;
    size_t i;

    json_array_foreach(list, i, e)
    {
        if (!strcmp(string(e, "ph"), ph) && !strcmp(string(e, "name"), name) && !nth--)
            return e;
    }
    fail_msg("no %s '%s'", ph, name);
    return NULL;
}

static json_int_t arg(const json_t *e, const char *key)
{
    const json_t *v = json_object_get(json_object_get(e, "args"), key);

    assert_non_null(v);
    return json_is_true(v) ? 1 : json_integer_value(v);
}

static void test_meaning(void **state)
{
    json_t *list = events(good, good_len);
    const json_t *b, *e;

    (void)state;
    find(list, "i", "status ACKNOWLEDGE+DRIVER+FEATURES_OK+DRIVER_OK", 0);
    find(list, "i", "interrupt", 0);
    find(list, "i", "kick", 0);
    find(list, "i", "fail", 0);
    b = find(list, "b", "queue 0", 0);
    assert_int_equal(arg(b, "id"), 5);
    assert_int_equal(arg(b, "in"), 4097);
    e = find(list, "e", "queue 0", 0); /* overlapping: the second one ends first */
    assert_int_equal(arg(e, "written"), 513);
    e = find(list, "e", "queue 0", 1);
    assert_int_equal(arg(e, "written"), 4097);
    assert_string_equal(string(e, "id"), string(b, "id"));
    assert_int_equal(arg(find(list, "e", "queue 0", 2), "lost"), 1);
    assert_int_equal(arg(find(list, "e", "queue 0", 3), "reset"), 1);
    assert_int_equal(arg(find(list, "e", "queue 1", 0), "reset"), 1);
    e = find(list, "X", "pio-write", 0);
    assert_int_equal(json_integer_value(json_object_get(e, "tid")), 4);
    assert_true(json_number_value(json_object_get(e, "dur")) <= 0.05);
    json_decref(list);
}

/* A broken trace makes a worse picture, but never a broken file. */
static void test_mutations(void **state)
{
    static uint8_t bad[MAX];
    unsigned looked = 0;

    (void)state;
    srandom(3);
    for (unsigned i = 0; i < 3000; i++) {
        json_t *list;

        memcpy(bad, good, good_len);
        for (unsigned n = 1 + (unsigned)random() % 6; n; n--)
            bad[48 + (size_t)random() % (good_len - 48)] = (uint8_t)random();
        list = events(bad, good_len);
        if (!list)
            continue;
        list_check(list, false);
        json_decref(list);
        looked++;
    }
    assert_true(looked > 1000);
}

/* More requests at once than the set first has room for. */
static void test_many(void **state)
{
    char path[] = "/tmp/vmm-trace-XXXXXX";
    const int fd = mkstemp(path);
    struct trace_file *f;
    FILE *to = fopen("/dev/null", "w");
    char *text;
    size_t size;

    (void)state;
    close(fd);
    assert_int_equal(trace_open(path, TRACE_BASE, 0, NULL), 0);
    for (unsigned i = 0; i < 5000; i++)
        TRACE(POP, trace_source("disk0"), 0, i, 0, 0);
    for (unsigned i = 0; i < 5000; i += 2)
        TRACE(PUSH, trace_source("disk0"), 0, i, 0);
    TRACE(RESET_DONE, trace_source("disk0"), TRACE_NO_QUEUE);
    assert_true(trace_close());
    f = trace_file_open(path, NULL);
    unlink(path);
    assert_non_null(f);
    assert_int_equal(trace_perfetto_write(f, to), 0);
    fclose(to);
    to = open_memstream(&text, &size);
    assert_int_equal(trace_perfetto_write(f, to), 0);
    fclose(to);
    trace_file_close(f);
    size = 0;
    for (const char *at = text; (at = strstr(at, "\"ph\":\"e\"")); at++)
        size++;
    assert_int_equal(size, 5000);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_form),
        cmocka_unit_test(test_meaning),
        cmocka_unit_test(test_mutations),
        cmocka_unit_test(test_many),
    };

    return cmocka_run_group_tests_name("trace-perfetto", tests, good_make, NULL);
}
