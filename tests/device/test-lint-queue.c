// SPDX-License-Identifier: MIT
/* Lint over an echo device: queue set-up and doorbells. Each test breaks one clause only. */
#include "tests/device/lint-bench.h"
#include "tests/driver/echo.h"

enum { MODERN = BENCH_LINT | BENCH_RAW | BENCH_MODERN };

/* ---- queues ---- */

static void ring_address(struct bench *b)
{
    negotiate(b);
    areas(b, 0x100000, RAM_HOLE, 0x120000);
    cw(b, C_QUEUE_ENABLE, 2, 1);
    lint_only(b, LINT_RING_ADDRESS);
}

static void size_zero(struct bench *b)
{
    if (b->d.ring != &ring_packed)
        return;
    negotiate(b);
    cw(b, C_QUEUE_SELECT, 2, 0);
    cw(b, C_QUEUE_SIZE, 2, 0);
    lint_only(b, LINT_SIZE_ZERO);
}

static void size_power(struct bench *b)
{
    negotiate(b);
    cw(b, C_QUEUE_SELECT, 2, 0);
    cw(b, C_QUEUE_SIZE, 2, 3);
    lint_only(b, LINT_SIZE_POWER);
}

static void queue_bare(struct bench *b)
{
    negotiate(b);
    cw(b, C_QUEUE_SELECT, 2, 0);
    cw(b, C_QUEUE_DESC, 4, 0x100000);
    cw(b, C_QUEUE_ENABLE, 2, 1);
    lint_only(b, LINT_QUEUE_BARE);
}

static void queue_live(struct bench *b)
{
    bench_init(b);
    cw(b, C_QUEUE_SELECT, 2, 0);
    cw(b, C_QUEUE_SIZE, 2, 64);
    lint_only(b, LINT_QUEUE_LIVE);
}

static void enable_zero(struct bench *b)
{
    bench_init(b);
    cw(b, C_QUEUE_SELECT, 2, 0);
    cw(b, C_QUEUE_ENABLE, 2, 0);
    lint_only(b, LINT_ENABLE_ZERO);
}

static void queue_beyond(struct bench *b)
{
    negotiate(b);
    cw(b, C_QUEUE_SELECT, 2, 30);
    cw(b, C_QUEUE_ENABLE, 2, 1);
    lint_only(b, LINT_QUEUE_BEYOND);
}

static void queue_reset_busy(struct bench *b)
{
    struct chain c = {0};

    bench_init(b);
    echo_set_hold(b, ECHO_HOLD_IO);
    chain_out(&c, drv_alloc(&b->d, 16, 16), 16);
    dq_add_kick(&b->d.q[0], &c, NULL);
    echo_wait_held(b, 1);
    cw(b, C_QUEUE_SELECT, 2, 0);
    cw(b, C_QUEUE_RESET, 2, 1);
    assert_int_equal(cr(b, C_QUEUE_RESET, 2), 1);
    areas_good(b);
    echo_release(b, 1);
    lint_only(b, LINT_QUEUE_RESET_BUSY);
}

static void queue_reset_blind(struct bench *b)
{
    bench_init(b);
    cw(b, C_QUEUE_SELECT, 2, 0);
    cw(b, C_QUEUE_RESET, 2, 1);
    areas_good(b);
    lint_only(b, LINT_QUEUE_RESET_BLIND);
}

static void queue_reset_bare(struct bench *b)
{
    bench_init(b);
    cw(b, C_QUEUE_SELECT, 2, 0);
    cw(b, C_QUEUE_RESET, 2, 1);
    assert_int_equal(cr(b, C_QUEUE_RESET, 2), 0);
    cw(b, C_QUEUE_ENABLE, 2, 1);
    lint_only(b, LINT_QUEUE_RESET_BARE);
}

/* ---- doorbells ---- */

static void ring_bell(struct bench *b, unsigned len, uint32_t v)
{
    modern_write(&b->d, VIRTIO_PCI_CAP_NOTIFY, 0, len, v);
}

static void notify_wide(struct bench *b)
{
    bench_init(b);
    ring_bell(b, 4, 0);
    lint_only(b, LINT_NOTIFY_WIDE);
}

static void notify_narrow(struct bench *b)
{
    bench_init(b);
    ring_bell(b, 2, 0);
    lint_only(b, LINT_NOTIFY_NARROW);
}

static void notify_index(struct bench *b)
{
    bench_init(b);
    ring_bell(b, 2, 1);
    lint_only(b, LINT_NOTIFY_INDEX);
}

static void notify_index_data(struct bench *b)
{
    drv_init(&b->d, b->want & ~BIT64(VIRTIO_F_NOTIF_CONFIG_DATA));
    ring_bell(b, 4, 1);
    lint_only(b, LINT_NOTIFY_INDEX_DATA);
}

static void notify_config(struct bench *b)
{
    drv_init(&b->d, b->want & ~BIT64(VIRTIO_F_NOTIFICATION_DATA));
    ring_bell(b, 2, 1);
    lint_only(b, LINT_NOTIFY_CONFIG);
}

static void notify_config_data(struct bench *b)
{
    bench_init(b);
    ring_bell(b, 4, 1);
    lint_only(b, LINT_NOTIFY_CONFIG_DATA);
}

static void notify_next(struct bench *b)
{
    if (b->d.ring != &ring_packed)
        return;
    bench_init(b);
    ring_bell(b, 4, 0x7fff0000);
    lint_only(b, LINT_NOTIFY_NEXT);
}

static const struct bench_test tests[] = {
    {"6.1-t5.ring", ring_address, MODERN, NULL},
    {"4.1.4.3.2-t2", size_zero, MODERN, NULL},
    {"4.1.4.3.2-t3", size_power, MODERN | BENCH_SPLIT, NULL},
    {"4.1.4.3.2-t4.before", queue_bare, MODERN, NULL},
    {"4.1.4.3.2-t4.after", queue_live, MODERN, NULL},
    {"4.1.4.3.2-t6", enable_zero, MODERN, NULL},
    {"4.1.4.3.2-t7", queue_reset_busy, MODERN, NULL},
    {"4.1.4.3.2-t10", queue_beyond, MODERN, NULL},
    {"2.6.1.1.2-t1", queue_reset_blind, MODERN, NULL},
    {"2.6.1.2.2-t1", queue_reset_bare, MODERN, NULL},
    {"4.1.5.2.1-t1", notify_wide, MODERN | BENCH_SPLIT, NULL},
    {"4.1.5.2.1-t2", notify_narrow, MODERN | BENCH_IN_ORDER, NULL},
    {"4.1.5.2.1-t3", notify_index, MODERN | BENCH_SPLIT, NULL},
    {"4.1.5.2.1-t4", notify_index_data, MODERN | BENCH_IN_ORDER, NULL},
    {"4.1.5.2.1-t5", notify_config, MODERN | BENCH_IN_ORDER, NULL},
    {"4.1.5.2.1-t6", notify_config_data, MODERN | BENCH_IN_ORDER, NULL},
    {"2.8.16-t3", notify_next, MODERN | BENCH_IN_ORDER, NULL},
};

int main(void)
{
    return bench_run("lint-queue", &echo_kind, tests, ARRAY_SIZE(tests));
}
