// SPDX-License-Identifier: MIT
/* Two traces compared: what counts, what does not, and how it is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "vmm/base/bits.h"
#include "vmm/base/regs.h"
#include "vmm/trace-diff.h"
#include "vmm/trace-show.h"

static const struct reg rows[] = {
    {.off = 0, .size = 1, .name = "device_status"},
    {.off = 4, .size = 4, .name = "queue_desc_lo"},
    {.off = 8, .size = 4, .name = "driver_feature"},
};
static const struct regs block = {.name = "block", .row = rows, .n = ARRAY_SIZE(rows), .size = 16};

/* What one run does differently from the other. */
struct run {
    uint32_t desc, features;
    bool more, net_first;
    unsigned id, in_flight;
};

static void reg_write(const char *device, unsigned off, unsigned len, uint32_t v)
{
    uint8_t data[4];

    order_store(ORDER_LITTLE, data, len, v);
    trace_access_begin(trace_source(device), 4, off, len);
    regs_write(&block, NULL, &regs_little, off, data, len);
    trace_access_end(true, data, len);
}

static void net(void)
{
    TRACE(STATUS, trace_source("net0"), TRACE_NO_QUEUE, 0, 1);
}

static struct trace_file *record(const struct run *r)
{
    char path[] = "/tmp/vmm-trace-XXXXXX";
    const int fd = mkstemp(path);
    const uint64_t bar = 4;
    struct trace_file *f;
    uint16_t disk;

    close(fd);
    assert_int_equal(trace_open(path, TRACE_BASE, 0, NULL), 0);
    disk = trace_source("disk0");
    trace_define(TRACE_BAR, disk, &bar, 1, "modern", 6);
    if (r->net_first)
        net();
    reg_write("disk0", 0, 1, 1);
    TRACE(STATUS, disk, TRACE_NO_QUEUE, 0, 1);
    reg_write("disk0", 8, 4, r->features);
    reg_write("disk0", 4, 4, r->desc);
    TRACE(QUEUE, disk, 0, 256, r->desc, 2, 3, 0);
    TRACE(POP, disk, 0, r->id, 16, 513);
    TRACE(PUSH, disk, 0, r->id, 513);
    if (r->more)
        reg_write("disk0", 0, 1, 0);
    TRACE(RESET, disk, TRACE_NO_QUEUE, r->in_flight);
    if (!r->net_first)
        net();
    assert_true(trace_close());
    f = trace_file_open(path, NULL);
    unlink(path);
    assert_non_null(f);
    return f;
}

static int64_t diff(const struct run *x, const struct run *y, const char *kinds, char **text)
{
    struct trace_file *a = record(x), *b = record(y);
    struct trace_diff what = {.device = NULL};
    size_t size;
    FILE *to = open_memstream(text, &size);
    int64_t n;

    assert_int_equal(trace_kinds(kinds, what.kind, NULL), 0);
    n = trace_diff_print(a, b, &what, to);
    fclose(to);
    trace_file_close(a);
    trace_file_close(b);
    return n;
}

static const struct run plain = {.features = 7};

/* Time, addresses, ids, what was under way and the order between devices are no differences. */
static void test_same(void **state)
{
    const struct run other = {
        .desc = 0x1000, .features = 7, .net_first = true, .id = 9, .in_flight = 3};
    char *text;

    (void)state;
    assert_int_equal(diff(&plain, &other, "write,state,ring", &text), 0);
    assert_non_null(strstr(text, "disk0: 8 and 8 events, 0 differ\n"));
    assert_non_null(strstr(text, "net0: 1 and 1 events, 0 differ\n"));
    assert_null(strstr(text, "+ "));
    free(text);
}

static void test_value(void **state)
{
    const struct run other = {.features = 3};
    char *text;

    (void)state;
    assert_int_equal(diff(&plain, &other, "write,state", &text), 2);
    assert_non_null(strstr(text, "disk0: 6 and 6 events, 2 differ\n"));
    assert_non_null(strstr(text, "write modern driver_feature:4 0x7\n"));
    assert_non_null(strstr(text, "write modern driver_feature:4 0x3\n"));
    assert_non_null(strstr(text, "\n  - "));
    assert_non_null(strstr(text, "\n  + "));
    free(text);
}

static void test_more(void **state)
{
    const struct run other = {.features = 7, .more = true};
    char *text;

    (void)state;
    assert_int_equal(diff(&plain, &other, "write,state", &text), 1);
    assert_null(strstr(text, "\n  - "));
    assert_non_null(strstr(text, "device_status:1 0x0\n"));
    free(text);
    assert_int_equal(diff(&plain, &other, "state", &text), 0); /* it is a write only */
    free(text);
}

static void test_missing(void **state)
{
    char path[] = "/tmp/vmm-trace-XXXXXX", *text;
    const int fd = mkstemp(path);
    struct trace_diff what = {.device = NULL};
    struct trace_file *a = record(&plain), *b;
    size_t size;
    FILE *to = open_memstream(&text, &size);

    (void)state;
    trace_kinds("state", what.kind, NULL);
    /* a file of the header alone */
    assert_int_equal(trace_open(path, TRACE_BASE, 0, NULL), 0);
    assert_true(trace_close());
    assert_int_equal(ftruncate(fd, 48), 0);
    b = trace_file_open(path, NULL);
    unlink(path);
    close(fd);
    assert_non_null(b);
    assert_int_equal(trace_diff_print(a, b, &what, to), 4);
    fflush(to);
    assert_non_null(strstr(text, "disk0: 3 and 0 events, 3 differ; only in the first\n"));
    assert_int_equal(trace_diff_print(b, a, &what, to), 4);
    fclose(to);
    assert_non_null(strstr(text, "disk0: 0 and 3 events, 3 differ; only in the second\n"));
    free(text);
    trace_file_close(a);
    trace_file_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same),
        cmocka_unit_test(test_value),
        cmocka_unit_test(test_more),
        cmocka_unit_test(test_missing),
    };

    return cmocka_run_group_tests_name("trace-diff", tests, NULL, NULL);
}
