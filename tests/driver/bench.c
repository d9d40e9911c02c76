// SPDX-License-Identifier: MIT
/*
 * Owns the matrix and the life of a bench. Refuses to know any device type.
 */
#include "tests/driver/bench.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "virtio/interfaces.h"
#include "virtio/lint.h"
#include "vmm/base/bits.h"

enum { NAME_BYTES = 128, DEFAULT_QUEUE_SIZE = 128 };

/* A reserved bit of virtio 0.9 that overrules what the driver says about interrupts (6.3-l2). */
#define NOTIFY_ON_EMPTY BIT64(24)

/* In order, and what else is offered on request. */
#define IN_ORDER                                                    \
    (BIT64(VIRTIO_F_IN_ORDER) | BIT64(VIRTIO_F_NOTIFICATION_DATA) | \
     BIT64(VIRTIO_F_NOTIF_CONFIG_DATA))

const struct combo combos[] = {
    {.name = "modern/split",
     .interfaces = "modern",
     .ops = &driver_modern,
     .ring = &ring_split,
     .msix = true},
    {.name = "modern/split-indirect-odd",
     .interfaces = "modern",
     .ops = &driver_modern,
     .ring = &ring_split,
     .msix = true,
     .ecam = true,
     .indirect = true,
     .frame = FRAME_ODD},
    {.name = "modern/split-plain-bytes",
     .interfaces = "modern",
     .ops = &driver_modern,
     .ring = &ring_split,
     .without = BIT64(VIRTIO_F_EVENT_IDX) | BIT64(VIRTIO_F_INDIRECT_DESC),
     .frame = FRAME_BYTES},
    {.name = "legacy/split",
     .interfaces = "legacy",
     .ops = &driver_legacy,
     .ring = &ring_split,
     .without = NOTIFY_ON_EMPTY,
     .msix = true,
     .indirect = true},
    {.name = "legacy-big/split",
     .interfaces = "legacy",
     .ops = &driver_legacy,
     .ring = &ring_split,
     .order = ORDER_BIG,
     .without = NOTIFY_ON_EMPTY,
     .msix = true,
     .frame = FRAME_ODD},
    {.name = "transitional-as-legacy/split",
     .interfaces = "transitional",
     .ops = &driver_legacy,
     .ring = &ring_split,
     .without = NOTIFY_ON_EMPTY | BIT64(VIRTIO_F_EVENT_IDX)},
    {.name = "transitional-as-modern/split",
     .interfaces = "transitional",
     .ops = &driver_modern,
     .ring = &ring_split,
     .msix = true},
    {.name = "modern/split-in-order",
     .interfaces = "modern",
     .ops = &driver_modern,
     .ring = &ring_split,
     .ask = IN_ORDER,
     .msix = true},
    {.name = "modern/packed",
     .interfaces = "modern",
     .ops = &driver_modern,
     .ring = &ring_packed,
     .msix = true},
    {.name = "modern/packed-indirect-odd",
     .interfaces = "modern",
     .ops = &driver_modern,
     .ring = &ring_packed,
     .msix = true,
     .ecam = true,
     .indirect = true,
     .frame = FRAME_ODD},
    {.name = "modern/packed-plain-bytes",
     .interfaces = "modern",
     .ops = &driver_modern,
     .ring = &ring_packed,
     .without = BIT64(VIRTIO_F_EVENT_IDX) | BIT64(VIRTIO_F_INDIRECT_DESC),
     .frame = FRAME_BYTES},
    {.name = "modern/packed-in-order",
     .interfaces = "modern",
     .ops = &driver_modern,
     .ring = &ring_packed,
     .ask = IN_ORDER,
     .msix = true,
     .indirect = true},
    {.name = "transitional-as-modern/packed",
     .interfaces = "transitional",
     .ops = &driver_modern,
     .ring = &ring_packed,
     .msix = true},
};
const unsigned n_combos = ARRAY_SIZE(combos);

/* One test of cmocka's. */
struct cell {
    const struct bench_kind *kind;
    const struct bench_test *test;
    const struct combo *combo;
    char name[NAME_BYTES];
    struct bench b;
};

static bool wants_threads(const struct bench_test *test)
{
    const char *env = getenv("BENCH_THREADS");

    if (test->flags & BENCH_TURNS)
        return false;
    return (test->flags & BENCH_THREADS) || (env && env[0] == '1');
}

static enum byte_order guest_order(void *ctx)
{
    return ((const struct bench *)ctx)->combo->order;
}

static void device_make(struct bench *b, const struct bench_kind *kind, unsigned flags)
{
    const struct vinterfaces *ifs;
    const struct vfeat ask = {{(uint32_t)b->combo->ask, (uint32_t)(b->combo->ask >> 32)}};
    struct err err = {{0}};

    ifs = interfaces_find(b->combo->interfaces, kind->type, &err);
    if (!ifs)
        fail_msg("%s", err.text);
    b->conf = kind->make_conf ? kind->make_conf(b) : NULL;
    b->dev = vdev_new(kind->type, kind->name, b->loop, &b->m->mem, b->conf, &err);
    if (!b->dev)
        fail_msg("%s", err.text);
    vdev_ask(b->dev, &ask);
    if (flags & (BENCH_LINT | BENCH_ADVICE))
        assert_int_equal(lint_attach(b->dev, flags & BENCH_ADVICE), 0);
    b->vp = vpci_new(b->m->root, b->m->irqs, b->dev, ifs, -1, &err);
    if (!b->vp)
        fail_msg("%s", err.text);
    if (b->combo->order != ORDER_LITTLE)
        vpci_set_guest_order(b->vp, guest_order, b);
}

/* For interfaces that do not tell their driver. */
static bool device_failed(void *ctx)
{
    const struct bench *b = (const struct bench *)ctx;
    bool failed;

    loop_lock(b->loop);
    failed = b->dev->broken;
    loop_unlock(b->loop);
    return failed;
}

/* The function is found by what is in its configuration space, as a guest does. */
static void driver_make(struct bench *b)
{
    const struct combo *c = b->combo;
    const uint16_t vendor = le16_load(&b->vp->func.cfg[PCI_VENDOR_ID]);
    const uint16_t device = le16_load(&b->vp->func.cfg[PCI_DEVICE_ID]);

    b->d = (struct drv){.m = b->m,
                        .ops = c->ops,
                        .ring = c->ring,
                        .order = c->order,
                        .use_msix = c->msix,
                        .use_indirect = c->indirect,
                        .frame = c->frame,
                        .queue_size = DEFAULT_QUEUE_SIZE,
                        .peek = device_failed,
                        .peek_ctx = b};
    assert_true(gfunc_find(&b->d.func, b->m, c->ecam, vendor, device, 0));
    drv_probe(&b->d);
    b->want = ~c->without;
}

void bench_init(struct bench *b)
{
    drv_init(&b->d, b->want);
}

struct vq_stats bench_stats(struct bench *b, unsigned queue)
{
    struct vq_stats stats;

    loop_lock(b->loop);
    stats = b->dev->vq[queue].stats;
    loop_unlock(b->loop);
    return stats;
}

void bench_open(struct bench *b, const struct bench_kind *kind, const struct combo *combo,
                const void *arg, unsigned flags)
{
    *b = (struct bench){.combo = combo, .arg = arg};
    b->m = machine_new_with(flags & BENCH_THREADS, flags & BENCH_PORTS);
    b->loop = machine_loop(b->m, kind->name);
    device_make(b, kind, flags);
    machine_start(b->m);
    driver_make(b);
}

/* As the machine ends: reset first, so that no I/O is in flight, then the loops, then devices. */
void bench_close(struct bench *b, const struct bench_kind *kind)
{
    b->d.ops->status_set(&b->d, 0);
    drv_reset(&b->d);
    drv_done(&b->d);
    machine_stop(b->m);
    vpci_free(b->vp);
    if (kind->free_conf)
        kind->free_conf(b);
    machine_free(b->m);
}

static int cell_setup(void **state)
{
    struct cell *cell = (struct cell *)*state;

    bench_open(&cell->b, cell->kind, cell->combo, cell->test->arg,
               (cell->test->flags & ~BENCH_THREADS) |
                   (wants_threads(cell->test) ? BENCH_THREADS : 0U));
    if (!(cell->test->flags & BENCH_RAW))
        bench_init(&cell->b);
    return 0;
}

static void cell_run(void **state)
{
    struct cell *cell = (struct cell *)*state;

    cell->test->fn(&cell->b);
}

static int cell_teardown(void **state)
{
    struct cell *cell = (struct cell *)*state;

    bench_close(&cell->b, cell->kind);
    return 0;
}

static bool name_wanted(const char *name)
{
    const char *only = getenv("BENCH_ONLY");

    return !only || strstr(name, only);
}

/* May this test run over this combination? first: it is the first one that could. */
static bool combo_fits(const struct bench_kind *kind, const struct bench_test *test,
                       const struct combo *combo, bool first)
{
    const bool in_order = combo->ask >> VIRTIO_F_IN_ORDER & 1;

    if (!first && (test->flags & BENCH_ONCE))
        return false;
    if ((test->flags & BENCH_SPLIT) && (combo->ring != &ring_split || in_order))
        return false;
    if ((test->flags & BENCH_PACKED) && (combo->ring != &ring_packed || in_order))
        return false;
    if ((test->flags & BENCH_IN_ORDER) && !in_order)
        return false;
    if ((test->flags & BENCH_LITTLE) && combo->order != ORDER_LITTLE)
        return false;
    if ((test->flags & BENCH_INDIRECT) && (combo->without >> VIRTIO_F_INDIRECT_DESC & 1))
        return false;
    if ((test->flags & BENCH_MODERN) && combo->ops != &driver_modern)
        return false;
    if ((test->flags & BENCH_LEGACY) && combo->ops != &driver_legacy)
        return false;
    if ((test->flags & BENCH_BOTH) && strcmp(combo->interfaces, "transitional") != 0)
        return false;
    return interfaces_find(combo->interfaces, kind->type, NULL) != NULL;
}

static unsigned cells_fill(struct cell *cells, const char *group, const struct bench_kind *kind,
                           const struct bench_test *tests, unsigned n)
{
    unsigned k = 0;

    for (unsigned i = 0; i < n; i++) {
        bool first = true;

        for (unsigned j = 0; j < n_combos; j++) {
            struct cell *cell = &cells[k];

            if (!combo_fits(kind, &tests[i], &combos[j], first))
                continue;
            first = false;
            *cell = (struct cell){.kind = kind, .test = &tests[i], .combo = &combos[j]};
            snprintf(cell->name, sizeof(cell->name), "%s/%s/%s", group, tests[i].name,
                     combos[j].name);
            k += name_wanted(cell->name);
        }
    }
    return k;
}

static void *thread_nothing(void *arg)
{
    return arg;
}

/* Sanitizers start a thread of their own with the first one: before anybody counts them. */
static void threads_warm(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, thread_nothing, NULL) == 0)
        pthread_join(thread, NULL);
}

/* In a build without the interface that all of them need. */
static void none_fits(void **state)
{
    (void)state;
    skip();
}

int bench_run(const char *group, const struct bench_kind *kind, const struct bench_test *tests,
              unsigned n)
{
    struct cell *cells = (struct cell *)calloc((size_t)n * n_combos, sizeof(*cells));
    struct CMUnitTest *list = (struct CMUnitTest *)calloc((size_t)n * n_combos, sizeof(*list));
    unsigned n_cells;
    int failed;

    if (!cells || !list)
        return EXIT_FAILURE;
    threads_warm();
    n_cells = cells_fill(cells, group, kind, tests, n);
    for (unsigned i = 0; i < n_cells; i++)
        list[i] = (struct CMUnitTest){.name = cells[i].name,
                                      .test_func = cell_run,
                                      .setup_func = cell_setup,
                                      .teardown_func = cell_teardown,
                                      .initial_state = &cells[i]};
    if (!n_cells)
        list[n_cells++] = (struct CMUnitTest){.name = group, .test_func = none_fits};
    failed = _cmocka_run_group_tests(group, list, n_cells, NULL, NULL);
    free(list);
    free(cells);
    return failed;
}
