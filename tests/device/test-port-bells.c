// SPDX-License-Identifier: MIT
/*
 * Doorbells of virtio 1.x in ports: a second notification structure, before the one in memory, on
 * machines that say that ports are better for them. Either works, and both ring without an exit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/driver/echo.h"
#include "vmm/base/bits.h"

enum {
    NOTIFY = VIRTIO_PCI_CAP_NOTIFY,
    WINDOW = VIRTIO_PCI_CAP_PCI,
    PORTS = VPCI_BAR_BELLS,
    BYTES = 100,
    LOOKS = 64, /* more than lint wants to see */
    MANY = 65,  /* queues: one more than 256 ports hold */
};

static void works(struct bench *b)
{
    for (unsigned i = 0; i < b->d.n_queues; i++)
        echo_works(b, i, BYTES);
}

/* Of the notification capabilities, the one behind `after`, or 0. */
static unsigned notify_cap(struct bench *b, unsigned after)
{
    unsigned at = gfunc_cap(&b->d.func, PCI_CAP_ID_VENDOR, after);

    while (at && gfunc_read(&b->d.func, at + 3, 1) != NOTIFY)
        at = gfunc_cap(&b->d.func, PCI_CAP_ID_VENDOR, at);
    return at;
}

/* Ring by the capability at `cap` from now on. */
static void use_cap(struct bench *b, unsigned cap)
{
    struct gfunc *f = &b->d.func;

    b->d.region[NOTIFY] = (struct dregion){.cap = cap,
                                           .bar = (uint8_t)gfunc_read(f, cap + 4, 1),
                                           .off = gfunc_read(f, cap + 8, 4),
                                           .len = gfunc_read(f, cap + 12, 4)};
    b->d.notify_step = gfunc_read(f, cap + 16, 4);
}

static void preferred(struct bench *b)
{
    const unsigned first = notify_cap(b, 0), second = notify_cap(b, first);
    const struct dregion *r = &b->d.region[NOTIFY];

    assert_int_equal(r->cap, first);
    assert_int_equal(r->bar, PORTS);
    assert_int_equal(b->d.func.bar_space[PORTS], BUS_PIO);
    assert_true(b->d.func.bar_size[PORTS] <= 256);
    assert_true(range_ok(r->off, r->len, b->d.func.bar_size[PORTS]));
    assert_int_equal(r->len, b->d.n_queues * b->d.notify_step);
    assert_true(second);
    assert_int_equal(gfunc_read(&b->d.func, second + 4, 1), VPCI_BAR_MODERN);
    assert_int_equal(notify_cap(b, second), 0);
}

/* Ring all, so many times. Returns how many of these made an exit. */
static unsigned ring_all(struct bench *b, unsigned times)
{
    const unsigned exits = machine_exits(b->m);

    for (unsigned i = 0; i < times; i++)
        for (unsigned k = 0; k < b->d.n_queues; k++)
            b->d.ops->kick(&b->d, k);
    return machine_exits(b->m) - exits;
}

static void no_exits(struct bench *b)
{
    works(b);
    assert_int_equal(ring_all(b, 3), 0);
    use_cap(b, notify_cap(b, b->d.region[NOTIFY].cap));
    assert_int_equal(b->d.func.bar_space[b->d.region[NOTIFY].bar], BUS_MMIO);
    assert_int_equal(ring_all(b, 3), 0);
    works(b);
}

/* The start itself looks at every queue once. */
static uint64_t kicks_so_far(struct bench *b)
{
    machine_settle(b->m);
    return echo_kicks(b);
}

static void ports_off(struct bench *b)
{
    const uint64_t kicks = kicks_so_far(b);

    gfunc_command(&b->d.func, 0, PCI_CMD_IO);
    ring_all(b, 1);
    machine_settle(b->m);
    assert_int_equal(echo_kicks(b), kicks);
    use_cap(b, notify_cap(b, b->d.region[NOTIFY].cap));
    works(b);
}

static void ports_read_zero(struct bench *b)
{
    const struct gfunc *f = &b->d.func;

    for (unsigned i = 0; i < f->bar_size[PORTS]; i++)
        assert_int_equal(machine_read(b->m, BUS_PIO, f->bar[PORTS] + i, 1), 0);
    works(b);
}

/* Ports behind the last queue, and between two: nobody's doorbells. */
static void ports_between(struct bench *b)
{
    const struct gfunc *f = &b->d.func;
    const uint64_t kicks = kicks_so_far(b);

    for (unsigned i = 0; i < f->bar_size[PORTS]; i++)
        if (i % b->d.notify_step || i / b->d.notify_step >= b->d.n_queues)
            machine_write(b->m, BUS_PIO, f->bar[PORTS] + i, 1, 0);
    machine_settle(b->m);
    assert_int_equal(echo_kicks(b), kicks);
}

static void window_write(struct bench *b, uint32_t off, unsigned len)
{
    const unsigned cap = b->d.region[WINDOW].cap;

    gfunc_write(&b->d.func, cap + 4, 1, PORTS);
    gfunc_write(&b->d.func, cap + 8, 4, off);
    gfunc_write(&b->d.func, cap + 12, 4, len);
    gfunc_write(&b->d.func, cap + 16, len, 0);
    machine_settle(b->m);
}

static void through_the_window(struct bench *b)
{
    const uint64_t kicks = kicks_so_far(b);

    window_write(b, (uint32_t)b->d.func.bar_size[PORTS], 2);
    window_write(b, UINT32_MAX - 1, 2);
    assert_int_equal(echo_kicks(b), kicks);
    window_write(b, b->d.notify_step, 2);
    assert_int_equal(echo_kicks(b), kicks + 1);
    works(b);
}

static void too_many(struct bench *b)
{
    assert_int_equal(b->d.func.bar_size[PORTS], 0);
    assert_int_equal(b->d.region[NOTIFY].bar, VPCI_BAR_MODERN);
    assert_int_equal(notify_cap(b, b->d.region[NOTIFY].cap), 0);
    echo_works(b, 0, BYTES);
}

/* Lint sees the first ones, then they ring without an exit again. */
static void watched(struct bench *b)
{
    assert_int_equal(ring_all(b, 1), b->d.n_queues);
    ring_all(b, LOOKS);
    assert_int_equal(ring_all(b, 1), 0);
    works(b);
}

static const struct echo_conf many = {.n_queues = MANY};

/* clang-format off */
#define ROW(fn) {#fn, fn, BENCH_MODERN | BENCH_PORTS, NULL}
/* clang-format on */

int main(void)
{
    static const struct bench_test tests[] = {
        ROW(preferred), /* 4.1.4-d6, 4.1.4.2-d3 */
        ROW(no_exits),
        ROW(ports_off),
        ROW(ports_read_zero),
        ROW(ports_between),
        ROW(through_the_window), /* 4.1.4.9.1-d2 */
        {"too_many", too_many, BENCH_MODERN | BENCH_PORTS | BENCH_ONCE, &many},
        {"watched", watched, BENCH_MODERN | BENCH_PORTS | BENCH_LINT, NULL},
    };

    return bench_run("port-bells", &echo_kind, tests, ARRAY_SIZE(tests));
}
