// SPDX-License-Identifier: MIT
/*
 * make bench-native: nanoseconds of processor time per 4 KiB request, from the driver's stores to
 * the used ring, without KVM and without I/O. Owns the tables and what is a fair measurement: all
 * cells of a table are measured in turns, several times, and the median counts, so that what else
 * the machine does hits all of them alike.
 *   native [ROUNDS]    1 to 15, which is the default; 1: does it still run?
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "tests/bench/floor.h"
#include "tests/bench/rig.h"
#include "vmm/base/bits.h"

enum { ROUNDS_MAX = 15, CELLS = 96, SAMPLE_US = 3000, WARM_BATCHES = 64 };

static const struct rig_way ways[] = {
    {"modern split", "modern", &driver_modern, &ring_split, true},
    {"modern split, direct", "modern", &driver_modern, &ring_split, false},
    {"modern packed", "modern", &driver_modern, &ring_packed, true},
    {"modern packed, direct", "modern", &driver_modern, &ring_packed, false},
    {"legacy split", "legacy", &driver_legacy, &ring_split, true},
    {"legacy split, direct", "legacy", &driver_legacy, &ring_split, false},
};

static const unsigned depths[] = {1, 32, 256};

struct cell {
    struct rig *rig; /* NULL: no such cell, or a row of the floor */
    void (*batch)(struct rig *r);
    uint64_t (*floor)(unsigned n);
    unsigned per_batch, batches;
    double ns[ROUNDS_MAX];
};

static unsigned rounds = ROUNDS_MAX;

static struct {
    struct cell cell[CELLS];
    unsigned n;
} table;

static uint64_t cpu_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static double cell_run(struct cell *c, unsigned batches)
{
    static volatile uint64_t sink;
    const uint64_t start = cpu_ns();

    if (c->floor)
        sink = c->floor(batches);
    else
        for (unsigned i = 0; i < batches; i++)
            c->batch(c->rig);
    (void)sink;
    return (double)(cpu_ns() - start) / batches / c->per_batch;
}

static bool cell_there(const struct cell *c)
{
    return c->rig || c->floor;
}

/* How many batches make a sample; this warms everything up, too. */
static void cell_calibrate(struct cell *c)
{
    double ns;

    cell_run(c, WARM_BATCHES);
    if (c->batch == rig_batch)
        rig_check(c->rig);
    ns = cell_run(c, 256) * c->per_batch;
    c->batches = 1 + (unsigned)(SAMPLE_US * 1000.0 / (ns > 1 ? ns : 1));
}

static struct cell *cell_add(struct rig *rig, void (*batch)(struct rig *r), unsigned per_batch)
{
    struct cell *c = &table.cell[table.n++];

    assert_true(table.n <= CELLS);
    *c = (struct cell){.rig = rig, .batch = batch, .per_batch = per_batch};
    return c;
}

static void cell_rig(const struct rig_conf *conf, void (*batch)(struct rig *r))
{
    cell_add(rig_new(conf), batch, conf->depth);
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double cell_median(struct cell *c)
{
    qsort(c->ns, rounds, sizeof(c->ns[0]), compare);
    return c->ns[rounds / 2];
}

static void table_measure(void)
{
    for (unsigned i = 0; i < table.n; i++)
        if (cell_there(&table.cell[i]))
            cell_calibrate(&table.cell[i]);
    for (unsigned round = 0; round < rounds; round++)
        for (unsigned i = 0; i < table.n; i++)
            if (cell_there(&table.cell[i]))
                table.cell[i].ns[round] = cell_run(&table.cell[i], table.cell[i].batches);
}

static void table_end(void)
{
    while (table.n)
        rig_free(table.cell[--table.n].rig);
}

/* Cells from `at` on as the columns of one line. */
static void line_print(const char *name, unsigned at, unsigned columns)
{
    printf("  %-28s", name);
    for (unsigned i = at; i < at + columns; i++) {
        if (cell_there(&table.cell[i]))
            printf(" %9.1f", cell_median(&table.cell[i]));
        else
            printf(" %9s", "-");
    }
    putchar('\n');
    fflush(stdout);
}

static void head_print(const char *title, const char *what, const unsigned *v, unsigned n)
{
    printf("\n%s\n  %-28s", title, what);
    for (unsigned i = 0; i < n; i++)
        printf(" %9u", v[i]);
    putchar('\n');
}

static void depths_table(const char *title, struct rig_conf conf, void (*batch)(struct rig *r))
{
    const unsigned n = ARRAY_SIZE(depths);

    for (unsigned w = 0; w < ARRAY_SIZE(ways); w++) {
        for (unsigned i = 0; i < n; i++) {
            conf.way = &ways[w];
            conf.depth = depths[i];
            cell_rig(&conf, batch);
        }
    }
    table_measure();
    head_print(title, "depth", depths, n);
    for (unsigned w = 0; w < ARRAY_SIZE(ways); w++)
        line_print(ways[w].name, w * n, n);
    table_end();
}

static void flat_table(const char *title, const unsigned *counts, unsigned n, bool devices)
{
    for (unsigned w = 0; w < ARRAY_SIZE(ways); w++) {
        for (unsigned i = 0; i < n; i++)
            cell_rig(&(struct rig_conf){.way = &ways[w],
                                        .blk = devices,
                                        .devices = devices ? counts[i] : 1,
                                        .queues = devices ? 1 : counts[i],
                                        .depth = 32},
                     rig_batch);
    }
    table_measure();
    head_print(title, devices ? "devices" : "queues", counts, n);
    for (unsigned w = 0; w < ARRAY_SIZE(ways); w++)
        line_print(ways[w].name, w * n, n);
    table_end();
}

static void floor_table(void)
{
    unsigned i = 0;

    for (const struct floor_row *row = floor_rows(); row->name; row++)
        cell_add(NULL, NULL, 1)->floor = row->run;
    table_measure();
    printf("\nthe floor: what this machine needs for (ns)\n");
    for (const struct floor_row *row = floor_rows(); row->name; row++)
        printf("  %-64s %7.1f\n", row->name, cell_median(&table.cell[i++]));
    table_end();
}

int main(int argc, char **argv)
{
    static const unsigned devices[] = {1, 4, 16}, queues[] = {1, 4, 16};
    const struct rig_conf one = {.devices = 1, .queues = 1};
    struct rig_conf conf = one;

    if (argc > 1)
        rounds = (unsigned)max_u64(1, min_u64(strtoul(argv[1], NULL, 10), ROUNDS_MAX));
    printf(
        "ns of processor time per 4 KiB request, median of %u; tables are indirect unless said\n",
        rounds);
    depths_table("the driver alone: contained in all that follows", one, rig_batch_driver);
    depths_table("rings: a device that gives back at once", one, rig_batch);
    conf.blk = true;
    depths_table("block device on a back end that moves nothing", conf, rig_batch);
    flat_table("the same at depth 32, devices in turns", devices, ARRAY_SIZE(devices), true);
    flat_table("rings at depth 32, queues in turns", queues, ARRAY_SIZE(queues), false);
    conf.events = true;
    depths_table("block device with doorbell, two turns of the event loop and interrupt", conf,
                 rig_batch);
    floor_table();
    return 0;
}
