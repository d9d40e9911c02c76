// SPDX-License-Identifier: MIT
/* Compare: figures of a trace made by hand, and how those of several boots become a sheet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "virtio/lint.h"
#include "virtio/spec.h"
#include "vmm/base/bits.h"
#include "vmm/base/regs.h"
#include "vmm/compare-collect.h"
#include "vmm/compare-table.h"
#include "vmm/vcpu.h"

enum { MS = 1000000 };

/* ---- registers of two interfaces ---- */

static uint32_t selected;

static void select_write(void *ctx, const struct reg *reg, uint64_t value)
{
    (void)ctx;
    (void)reg;
    selected = (uint32_t)value;
}

static uint64_t feature_read(void *ctx, const struct reg *reg)
{
    (void)ctx;
    (void)reg;
    return selected ? 1 : 1 << 29 | 1 << 6;
}

static uint64_t features_read(void *ctx, const struct reg *reg)
{
    (void)ctx;
    (void)reg;
    return 1 << 24 | 1 << 6;
}

static const struct reg common_rows[] = {
    {.off = 0, .size = 4, .name = "device_feature_select", .write = select_write},
    {.off = 4, .size = 4, .name = "device_feature", .read = feature_read},
    {.off = 8, .size = 1, .name = "device_status"},
};
static const struct regs common = {
    .name = "common", .row = common_rows, .n = ARRAY_SIZE(common_rows), .size = 16};
static const struct reg config_rows[] = {{.off = 0, .size = 8, .name = "capacity"}};
static const struct regs config = {
    .name = "virtio_x_config", .row = config_rows, .n = 1, .size = 8};
static const struct reg old_rows[] = {
    {.off = 0, .size = 4, .name = "device_features", .read = features_read},
    {.off = 4, .size = 4, .name = "driver_features"}};
static const struct regs old = {.name = "old header", .row = old_rows, .n = 2, .size = 8};

static void access_value(uint16_t source, const struct regs *regs, unsigned bar, uint64_t off,
                         unsigned len, const uint64_t *write)
{
    uint8_t data[8] = {0};

    trace_access_begin(source, bar, off, len);
    if (write) {
        order_store(ORDER_LITTLE, data, len, *write);
        regs_write(regs, NULL, &regs_little, off, data, len);
    } else {
        regs_read(regs, NULL, &regs_little, off, data, len);
    }
    trace_access_end(write != NULL, data, len);
}

static void access_one(uint16_t source, const struct regs *regs, unsigned bar, uint64_t off,
                       unsigned len, bool write)
{
    access_value(source, regs, bar, off, len, write ? &(uint64_t){0} : NULL);
}

static void describe(uint16_t source)
{
    const uint64_t device[] = {2, 8, 1, UINT64_C(1) << 32 | 1 << 29 | 1 << 6, 0};
    const uint64_t identity[] = {0x1af4, 0x1042, 1, 0x010000, 0x1af4, 0x1100};
    const uint64_t place[] = {4, 16384, 0x80000000}, bar = 4, bells = 2, io = 0;
    const uint64_t version = 32, event = 29, blk_size = 6;

    trace_define(TRACE_DEVICE, source, device, ARRAY_SIZE(device), "", 0);
    trace_define(TRACE_BAR, source, &bar, 1, "modern", 6);
    trace_define(TRACE_BAR, source, &io, 1, "old", 3);
    trace_define(TRACE_BAR, source, &bells, 1, "doorbells", 9);
    trace_define(TRACE_IDENTITY, source, identity, ARRAY_SIZE(identity), "blk", 3);
    trace_define(TRACE_BAR_PLACE, source, place, ARRAY_SIZE(place), "mem64", 5);
    trace_define(TRACE_FEATURE, source, &blk_size, 1, "blk_size", 8);
    trace_define(TRACE_FEATURE, source, &event, 1, "event_idx", 9);
    trace_define(TRACE_FEATURE, source, &version, 1, "version_1", 9);
}

static double slept[2]; /* nanoseconds */

static double sleep_some(void)
{
    const uint64_t from = clock_ns();

    usleep(3000);
    return (double)(clock_ns() - from);
}

/* A driver of 1.x: one look at the configuration too early, two requests of which one in flight is
 * overtaken, one doorbell for both. */
static void modern_driver(uint16_t s)
{
    const uint16_t none = TRACE_NO_QUEUE;

    access_one(s, &common, 4, 8, 1, true);
    TRACE(STATUS, s, none, 0, VIRTIO_S_ACKNOWLEDGE);
    TRACE(STATUS, s, none, 1, 3);
    access_one(s, &config, 4, 0, 8, false);
    for (uint64_t i = 0; i < 2; i++) {
        access_value(s, &common, 4, 0, 4, &i);
        access_one(s, &common, 4, 4, 4, false);
    }
    TRACE(FEATURES, s, none, UINT64_C(1) << 32 | 1 << 29, 0, true);
    TRACE(STATUS, s, none, 3, 0xb);
    access_one(s, &config, 4, 4, 4, false);
    TRACE(QUEUE, s, 0, 256, 0x10000, 0x11000, 0x11240, 0);
    TRACE(QUEUE, s, 1, 64, 0x20000, 0x28000, 0x22000, 0);
    TRACE(STATUS, s, none, 0xb, 0xf);
    TRACE(KICK, s, 0);
    TRACE(POP, s, 0, 1, 16, 512);
    TRACE(POP, s, 0, 2, 528, 1);
    slept[0] = sleep_some();
    TRACE(PUSH, s, 0, 2, 1);
    TRACE(SUPPRESSED, s, 0);
    slept[1] = sleep_some();
    TRACE(PUSH, s, 0, 1, 513);
    TRACE(INTERRUPT, s, 0, TRACE_IRQ_MSIX, 1);
    TRACE(INTERRUPT, s, none, TRACE_IRQ_MSIX, 0);
    access_one(s, &common, 4, 8, 1, true);
    TRACE(RESET, s, none, 0);
}

static void old_driver(uint16_t s)
{
    access_one(s, &config, 0, 0, 4, false);
    access_one(s, &old, 0, 0, 4, false);
    access_value(s, &old, 0, 4, 4, &(uint64_t){1 << 24});
    TRACE(FEATURES, s, TRACE_NO_QUEUE, UINT64_C(1) << 34, 0, true);
    TRACE(QUEUE, s, 0, 64, 0x30000, 0x31000, 0x31800, 0);
    access_one(s, &config, 0, 4, 4, false);
    TRACE(STATUS, s, TRACE_NO_QUEUE, 3, 7);
}

static struct figures figures;

static int figures_make(void **state)
{
    char path[] = "/tmp/vmm-compare-test-XXXXXX";
    const int fd = mkstemp(path);
    struct collect_boot boot = {
        .first_output = 30 * (uint64_t)MS, .until = 70 * (uint64_t)MS, .end = 71 * (uint64_t)MS};
    struct trace_file *f;

    (void)state;
    if (fd < 0 || trace_open(path, TRACE_BASE | TRACE_EXITS, 0, NULL) < 0)
        return -1;
    close(fd);
    trace_thread("vcpu0", 0);
    describe(trace_source("disk0"));
    describe(trace_source("disk1"));
    describe(trace_source("disk2"));
    TRACE(START, TRACE_NONE, TRACE_NO_QUEUE);
    TRACE(PCI_READ, trace_source("disk0"), TRACE_NO_QUEUE, 0, 4, 0x10421af4);
    modern_driver(trace_source("disk0"));
    old_driver(trace_source("disk1"));
    for (unsigned i = 0; i < 3; i++)
        TRACE(EXIT, TRACE_NONE, TRACE_NO_QUEUE, VCPU_EXIT_PIO_WRITE, 0x3f8, 1000);
    TRACE(EXIT, TRACE_NONE, TRACE_NO_QUEUE, VCPU_EXITS, 0, 1000);
    trace_define(TRACE_LINT_COUNT, trace_source("disk1"), &(uint64_t){7}, 1,
                 lint_rules[LINT_KICK_EARLY].id, strlen(lint_rules[LINT_KICK_EARLY].id));
    for (uint64_t cpu = 0; cpu < 2; cpu++)
        trace_define(TRACE_KVM_COUNT, TRACE_NONE, (const uint64_t[]){cpu, 20 + cpu}, 2,
                     "halt_exits", 10);
    if (!trace_close() || !(f = trace_file_open(path, NULL)))
        return -1;
    boot.wall = trace_file_wall(f) - 5 * (uint64_t)MS;
    compare_collect(f, &boot, &figures);
    trace_file_close(f);
    unlink(path);
    return figures.failed;
}

static int figures_unmake(void **state)
{
    (void)state;
    figures_free(&figures);
    return 0;
}

static double number(const char *device, const char *section, const char *name)
{
    const struct figure *f = figures_find(&figures, device, section, name);

    if (!f)
        fail_msg("no figure '%s', '%s', '%s'", device, section, name);
    return f->number;
}

static const char *text(const char *device, const char *section, const char *name)
{
    const struct figure *f = figures_find(&figures, device, section, name);

    if (!f)
        fail_msg("no figure '%s', '%s', '%s'", device, section, name);
    return f->text;
}

#define count_is(device, section, name, n) \
    assert_int_equal((long)number((device), (section), (name)), (n))

static void identity(void **state)
{
    (void)state;
    assert_string_equal(text("disk0", "identity", "type"), "blk");
    assert_string_equal(text("disk0", "identity", "PCI id"), "1af4:1042");
    assert_string_equal(text("disk0", "identity", "subsystem"), "1af4:1100");
    assert_string_equal(text("disk0", "identity", "class"), "010000");
    assert_string_equal(text("disk0", "identity", "BAR4, modern"), "mem64 16 KiB");
    assert_string_equal(text("disk0", "identity", "BAR4 at"), "0x80000000");
    assert_string_equal(text("disk0", "identity", "interfaces"), "modern + old");
    assert_string_equal(text("disk0", "identity", "driven through"), "modern");
    assert_string_equal(text("disk1", "identity", "driven through"), "old");
    assert_string_equal(text("disk2", "identity", "driven through"), "nothing");
}

static void features(void **state)
{
    (void)state;
    count_is("disk0", "features", "offered", 3);
    count_is("disk0", "features", "accepted", 2);
    assert_string_equal(text("disk0", "features", "event_idx"), "accepted");
    assert_string_equal(text("disk0", "features", "version_1"), "accepted");
    assert_string_equal(text("disk0", "features", "blk_size"), "offered");
    assert_null(figures_find(&figures, "disk0", "features", "notify_on_empty"));
    assert_null(figures_find(&figures, "disk2", "features", "offered"));
    /* what the interface does not show is not offered; what it adds is */
    count_is("disk1", "features", "offered", 2);
    count_is("disk1", "features", "accepted", 2);
    assert_string_equal(text("disk1", "features", "blk_size"), "offered");
    assert_string_equal(text("disk1", "features", "notify_on_empty"), "accepted");
    assert_null(figures_find(&figures, "disk1", "features", "version_1"));
}

static void steps(void **state)
{
    static const char *const order[] = {"+ ACKNOWLEDGE", "+ DRIVER", "+ FEATURES_OK",
                                        "+ queue 0 set up", "+ DRIVER_OK"};
    double last = 0;

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(order); i++) {
        const double now = number("disk0", "driver", order[i]);

        assert_true(now > last);
        last = now;
    }
    assert_true(number("disk0", "driver", "first touch") > 5.0 * MS);
    assert_null(figures_find(&figures, "disk0", "driver", "+ reset")); /* it came afterwards */
    count_is("disk0", "driver", "config reads before FEATURES_OK", 1);
    count_is("disk0", "driver", "  of capacity", 1);
    count_is("disk1", "driver", "config reads before FEATURES_OK", 1);
    assert_null(figures_find(&figures, "disk2", "driver", "first touch"));
}

static void registers(void **state)
{
    (void)state;
    count_is("disk0", "registers, modern", "device_status, written", 2);
    count_is("disk0", "registers, modern", "device_feature, read", 2);
    count_is("disk0", "registers, modern", "capacity, read", 2);
    count_is("disk1", "registers, old", "driver_features, written", 1);
    count_is("disk0", "accesses", "modern reads", 4);
    count_is("disk0", "accesses", "modern writes", 4);
    count_is("disk0", "accesses", "PCI configuration reads", 1);
    count_is("disk1", "accesses", "old reads", 3);
    assert_null(figures_find(&figures, "disk1", "accesses", "modern reads"));
}

static void rings(void **state)
{
    (void)state;
    count_is("disk0", "rings", "queue 0 size", 256);
    count_is("disk0", "rings", "queue 0 memory", 0x1240 + 6 + 8 * 256);
    count_is("disk0", "rings", "queue 0 padding in it", 0x1240 - 16 * 256 - 6 - 2 * 256);
    count_is("disk0", "rings", "queue 1 memory", 26 * 64 + 12); /* three pieces of their own */
    count_is("disk0", "rings", "queue 1 padding in it", 0);
    count_is("disk0", "rings", "queue 0 in whole pages", 8192);
    count_is("disk0", "rings", "queue 1 in whole pages", 3 * 4096);
    /* a packed one: its parts are neighbours by chance */
    count_is("disk1", "rings", "queue 0 memory", 64 * 16 + 8);
    count_is("disk1", "rings", "queue 0 padding in it", 0);
    count_is("disk1", "rings", "queue 0 in whole pages", 2 * 4096);
}

static void requests(void **state)
{
    const double mean = number("disk0", "requests", "latency, mean");
    const double tail = number("disk0", "requests", "latency, p99");

    (void)state;
    count_is("disk0", "requests", "requests", 2);
    count_is("disk0", "requests", "bytes to the device", 544);
    count_is("disk0", "requests", "bytes from the device", 514);
    count_is("disk0", "requests", "doorbells", 1);
    count_is("disk0", "requests", "interrupts", 1);
    count_is("disk0", "requests", "interrupts suppressed", 1);
    count_is("disk0", "requests", "configuration interrupts", 1);
    assert_true(number("disk0", "requests", "doorbells per request") == 0.5);
    /* the second of two in flight took the first sleep, the first one both; the trace has a clock
     * of its own, whose rate is known to some parts in a hundred after these few milliseconds */
    if (mean < 0.95 * (slept[0] + slept[1] / 2) || tail < 0.95 * (slept[0] + slept[1]) ||
        tail <= mean)
        fail_msg("mean %.0f ns, p99 %.0f ns; slept %.0f and %.0f", mean, tail, slept[0], slept[1]);
    assert_null(figures_find(&figures, "disk1", "requests", "latency, mean"));
}

static void lint(void **state)
{
    char name[FIGURE_NAME];

    (void)state;
    count_is("disk0", "lint", "rules broken", 0);
    count_is("disk1", "lint", "rules broken", 1);
    snprintf(name, sizeof(name), "%s %s", lint_rules[LINT_KICK_EARLY].id,
             lint_rules[LINT_KICK_EARLY].seen);
    count_is("disk1", "lint", name, 7);
}

static void machine(void **state)
{
    (void)state;
    assert_true(number("", "time", "first instruction") >= 5.0 * MS);
    assert_true(number("", "time", "kernel looks at PCI") >=
                number("", "time", "first instruction"));
    assert_true(number("", "time", "last DRIVER_OK") > 11.0 * MS);
    count_is("", "time", "first console output", 30 * MS);
    count_is("", "time", "text on the console", 70 * MS);
    count_is("", "exits to vmm", "pio-write", 3);
    count_is("", "exits to vmm", "all", 3); /* the kind that nobody knows is left out */
    count_is("", "exits, as KVM counts", "halt_exits", 41); /* two vCPUs */
    count_is("", "exits to vmm", "time in vmm for them", 3000);
}

/* ---- sheets ---- */

static bool noise_of(const double *value, unsigned runs)
{
    static const char *const names[] = {"one", "two"};
    const struct figure_place at = {"", "a", 0};
    struct figures boot[8] = {{.n = 0}};
    struct sheet s;
    bool noise;

    for (unsigned i = 0; i < 2 * runs; i++)
        figures_number(&boot[i], &at, "x", UNIT_NS, value[i]);
    assert_int_equal(sheet_make(&s, boot, names, 2, runs), 0);
    noise = s.row[0].cell[1].noise;
    sheet_free(&s);
    for (unsigned i = 0; i < 2 * runs; i++)
        figures_free(&boot[i]);
    return noise;
}

/* The fewer boots, the farther they have to be apart. */
static void noise(void **state)
{
    (void)state;
    assert_false(noise_of((const double[]){5, 7}, 1)); /* nothing is known of it */
    assert_true(noise_of((const double[]){5, 7, 9, 10}, 2));
    assert_false(noise_of((const double[]){5, 7, 14, 13}, 2));
    assert_true(noise_of((const double[]){5, 7, 6, 8, 9, 8}, 3));
    assert_false(noise_of((const double[]){5, 7, 6, 10, 9, 10}, 3));
    assert_true(noise_of((const double[]){5, 7, 6, 5, 7, 9, 8, 9}, 4));
    assert_false(noise_of((const double[]){5, 7, 6, 5, 8, 9, 8, 9}, 4));
    assert_false(noise_of((const double[]){5, 5, 6, 6}, 2)); /* counts that never change */
    assert_false(noise_of((const double[]){5, 5, 5, 5}, 2));
}

static void boot_fill(struct figures *f, double steady, double wild, const char *word)
{
    const struct figure_place disk = {"disk0", "b", 1}, all = {"", "a", 0};

    figures_number(f, &disk, "steady", UNIT_COUNT, steady);
    figures_number(f, &disk, "next", UNIT_COUNT, 1);
    figures_text(f, &disk, "word", "%s", word);
    figures_number(f, &all, "wild", UNIT_NS, wild);
}

static void sheet(void **state)
{
    static const char *const names[] = {"one", "two"};
    const struct figure_place first = {"disk0", "a", 0};
    struct figures boot[6] = {{.n = 0}};
    struct sheet s;
    char buf[FIGURE_TEXT];
    const struct row *row;

    (void)state;
    boot_fill(&boot[0], 5, 1000, "x");
    boot_fill(&boot[1], 5, 3000, "x");
    boot_fill(&boot[2], 5, 2000, "x");
    boot_fill(&boot[3], 7, 2900, "y");
    boot_fill(&boot[4], 7, 2800, "y");
    boot_fill(&boot[5], 7, 9000, "z");
    figures_number(&boot[3], &first, "late", UNIT_BYTES, 4096);
    figures_number(&boot[3], &first, "later", UNIT_BYTES, 4104);
    figures_number(&boot[4], &first, "late", UNIT_BYTES, 4096);
    figures_number(&boot[4], &first, "between", UNIT_BYTES, 4104);
    assert_int_equal(sheet_make(&s, boot, names, 2, 3), 0);
    assert_int_equal(s.n, 7);
    assert_string_equal(s.row[0].name, "wild");    /* the machine first */
    assert_string_equal(s.row[1].name, "late");    /* its section comes first */
    assert_string_equal(s.row[2].name, "between"); /* where it stands in its own boot */
    assert_string_equal(s.row[3].name, "later");
    assert_string_equal(s.row[4].name, "steady");
    assert_string_equal(s.row[5].name, "next");
    assert_string_equal(s.row[6].name, "word");
    assert_string_equal(cell_text(&s.row[3], &s.row[3].cell[1], buf), "4104 B");
    row = sheet_find(&s, "", "a", "wild");
    assert_true(row->cell[0].median == 2000 && row->cell[1].median == 2900);
    assert_true(row->cell[1].noise && !row->cell[0].noise);
    row = sheet_find(&s, "disk0", "b", "steady");
    assert_true(row->cell[1].median == 7 && !row->cell[1].noise);
    row = sheet_find(&s, "disk0", "b", "word");
    assert_true(row->cell[1].varies && !row->cell[0].varies);
    assert_string_equal(cell_text(row, &row->cell[1], buf), "y (varies)");
    row = sheet_find(&s, "disk0", "a", "late");
    assert_string_equal(cell_text(row, &row->cell[0], buf), "-");
    assert_string_equal(cell_text(row, &row->cell[1], buf), "4 KiB");
    sheet_free(&s);
    for (unsigned i = 0; i < ARRAY_SIZE(boot); i++)
        figures_free(&boot[i]);
}

#define LONG_NAME                                                                               \
    "the name of this row needs more than the line that a table has for names and their cells " \
    "and ends here"

/* What a way of showing says of two boots; the caller frees it. */
static char *shown(int (*show)(const struct sheet *, const struct compare_about *, FILE *))
{
    static const char *const names[] = {"one", "t<o"};
    const struct compare_about about = {"vmm compare --disk \"a&b\"", "the guest ended"};
    struct figures boot[2] = {{.n = 0}};
    struct sheet s;
    char *out = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&out, &len);

    boot_fill(&boot[0], 5, 1500, "x");
    boot_fill(&boot[1], 7, 2.5e9, "a longer <word> than that");
    figures_number(&boot[1], &(struct figure_place){"disk0", "b", 1}, LONG_NAME, UNIT_COUNT, 3);
    assert_int_equal(sheet_make(&s, boot, names, 2, 1), 0);
    assert_int_equal(show(&s, &about, to), 0);
    fclose(to);
    sheet_free(&s);
    figures_free(&boot[0]);
    figures_free(&boot[1]);
    return out;
}

static int as_table(const struct sheet *s, const struct compare_about *about, FILE *to)
{
    compare_table(s, about, to);
    return 0;
}

static int as_html(const struct sheet *s, const struct compare_about *about, FILE *to)
{
    compare_html(s, about, to);
    return 0;
}

static void table(void **state)
{
    char *out = shown(as_table);

    (void)state;
    assert_non_null(strstr(out, "each boot until the guest ended"));
    assert_non_null(strstr(out, "machine\n  a\n    wild         1.50 us"));
    assert_non_null(strstr(out, "2.50 s\n\ndisk0\n  b\n"));
    assert_non_null(strstr(out, "x  a longer <word> than that\n"));
    assert_non_null(strstr(out, "\n    the name of this row needs more"));
    assert_non_null(strstr(out, "eir cells \n    and ends here\n    "));
    free(out);
}

static void html(void **state)
{
    char *out = shown(as_html);

    (void)state;
    assert_non_null(strstr(out, "--disk &quot;a&amp;b&quot;"));
    assert_non_null(strstr(out, "t&lt;o"));
    assert_non_null(strstr(out, "a longer &lt;word&gt; than that"));
    assert_non_null(strstr(out, "<tr class='same'><td>next"));
    assert_non_null(strstr(out, "<tr><td>steady"));
    assert_non_null(strstr(out, "<td class='n other'>7<"));
    assert_null(strstr(out, "<word>"));
    assert_null(strstr(out, "t<o"));
    assert_null(strstr(out, "src=")); /* nothing is loaded */
    assert_null(strstr(out, "url("));
    assert_non_null(strstr(out, "</html>"));
    free(out);
}

static void json(void **state)
{
    char *out = shown(compare_json);
    json_t *all = json_loads(out, 0, NULL), *row, *cells;

    (void)state;
    assert_non_null(all);
    assert_int_equal(json_integer_value(json_object_get(all, "runs")), 1);
    assert_string_equal(json_string_value(json_array_get(json_object_get(all, "columns"), 1)),
                        "t<o");
    row = json_array_get(json_object_get(all, "rows"), 0);
    assert_string_equal(json_string_value(json_object_get(row, "name")), "wild");
    assert_string_equal(json_string_value(json_object_get(row, "unit")), "ns");
    cells = json_object_get(row, "cells");
    assert_true(json_number_value(json_object_get(json_array_get(cells, 1), "median")) == 2.5e9);
    json_decref(all);
    free(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identity),  cmocka_unit_test(features), cmocka_unit_test(steps),
        cmocka_unit_test(registers), cmocka_unit_test(rings),    cmocka_unit_test(requests),
        cmocka_unit_test(machine),   cmocka_unit_test(sheet),    cmocka_unit_test(table),
        cmocka_unit_test(html),      cmocka_unit_test(json),     cmocka_unit_test(noise),
        cmocka_unit_test(lint),
    };

    return cmocka_run_group_tests_name("compare", tests, figures_make, figures_unmake);
}
