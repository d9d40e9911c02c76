// SPDX-License-Identifier: MIT
/*
 * The state machine of status, reset and failure: group T of the list of hostile inputs as far as
 * it concerns all devices. Features are in test-features.c; what only virtio 0.9 has is in
 * test-legacy.c.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/driver/common.h"
#include "tests/driver/echo.h"
#include "vmm/base/bits.h"

enum {
    ACK = VIRTIO_S_ACKNOWLEDGE,
    DRIVER = VIRTIO_S_DRIVER,
    DRIVER_OK = VIRTIO_S_DRIVER_OK,
    FAILED = VIRTIO_S_FAILED,
    BYTES = 200,
    /* Registers (4.1.4.3). */
    CONFIG_VECTOR = 0x10,
    QUEUE_SELECT = 0x16,
    QUEUE_SIZE = 0x18,
    QUEUE_ENABLE = 0x1c,
};

static void works(struct bench *b)
{
    for (unsigned i = 0; i < b->d.n_queues; i++)
        echo_works(b, i, BYTES);
}

static void recovers(struct bench *b)
{
    echo_set_hold(b, ECHO_AT_ONCE);
    bench_init(b);
    works(b);
}

/* 2.1.2-d1, d2: a request that waits is taken when DRIVER_OK comes, not before. */
static void nothing_before_driver_ok(struct bench *b)
{
    struct dq *q = &b->d.q[0];
    struct dirq irq;
    struct used u;

    assert_true(drv_negotiate(&b->d, b->want));
    gfunc_msix_control(&b->d.func, b->d.use_msix, false);
    drv_queue(&b->d, 0, 0);
    irq = dq_arm(q);
    echo_ask(b, 0, BYTES);
    b->d.ops->kick(&b->d, 0);
    machine_settle(b->m);
    assert_false(q->ops->used_any(q));
    assert_false(dq_interrupted(q, &irq));
    drv_go(&b->d);
    assert_true(dq_wait(q, &u, WAIT_MS));
    recovers(b);
}

static void T01_driver_ok_alone(struct bench *b)
{
    drv_reset(&b->d);
    status(b, ACK | DRIVER);
    status(b, ACK | DRIVER | DRIVER_OK);
    assert_int_equal(drv_status(&b->d), ACK | DRIVER);
    set(b, QUEUE_ENABLE, 2, 1);
    for (unsigned i = 0; i < b->d.n_queues; i++)
        b->d.ops->kick(&b->d, i);
    machine_settle(b->m);
    assert_false(drv_broken(&b->d));
    recovers(b);
}

static void T02_bits_stay(struct bench *b)
{
    const uint8_t now = drv_status(&b->d);

    for (unsigned v = 1; v < 256; v++)
        if ((v & now) != now) {
            status(b, (uint8_t)v);
            assert_int_equal(drv_status(&b->d), now);
        }
    works(b);
}

static bool is_idle(void *arg)
{
    return drv_status((struct drv *)arg) == 0;
}

/* 2.4.1-d1..d3: after it reads 0, nothing is written and nobody interrupted. */
static void T04_reset_in_flight(struct bench *b)
{
    struct dq *q = &b->d.q[0];
    struct dirq irq;

    echo_set_hold(b, ECHO_HOLD_IO);
    for (unsigned i = 0; i < 4; i++)
        echo_ask(b, i % 2, BYTES);
    echo_wait_held(b, 4);
    irq = dq_arm(q);
    status(b, 0);
    assert_int_not_equal(drv_status(&b->d), 0);
    status(b, ACK); /* impatient drivers are ignored */
    set(b, QUEUE_SIZE, 2, 2);
    b->d.ops->kick(&b->d, 0);
    assert_int_equal(echo_release(b, 3), 3);
    assert_int_not_equal(drv_status(&b->d), 0);
    assert_int_equal(echo_release(b, 1), 1);
    assert_true(machine_until(b->m, is_idle, &b->d, WAIT_MS));
    machine_settle(b->m);
    assert_false(q->ops->used_any(q));
    assert_false(dq_interrupted(q, &irq));
    assert_int_equal(b->d.ops->isr(&b->d), 0);
    recovers(b);
}

/* Requests that the device gives up: reset is complete at once. */
static void T04_reset_cancels(struct bench *b)
{
    echo_set_hold(b, ECHO_HOLD);
    for (unsigned i = 0; i < 6; i++)
        echo_ask(b, i % 3, BYTES);
    echo_wait_held(b, 6);
    status(b, 0);
    assert_int_equal(drv_status(&b->d), 0);
    assert_int_equal(echo_held(b), 0);
    recovers(b);
}

/* As the machine resets its devices: it can wait for them, and give up. */
static void T14_machine_reset(struct bench *b)
{
    echo_set_hold(b, ECHO_HOLD_IO);
    echo_ask(b, 0, BYTES);
    echo_wait_held(b, 1);
    assert_false(vpci_reset_wait(b->vp, clock_ns() + 20000000));
    assert_int_equal(echo_release(b, 1), 1);
    assert_true(vpci_reset_wait(b->vp, clock_ns() + WAIT_MS * UINT64_C(1000000)));
    assert_int_equal(drv_status(&b->d), 0);
    recovers(b);
}

static void T05_many_resets(struct bench *b)
{
    const unsigned rounds = 300;
    unsigned fds, threads;

    works(b); /* what is made when first needed is there now */
    fds = count_fds();
    threads = count_threads();
    for (unsigned i = 0; i < rounds; i++) {
        bench_init(b);
        echo_set_hold(b, i % 3 ? ECHO_AT_ONCE : ECHO_HOLD);
        for (unsigned k = 0; k < 5; k++)
            echo_ask(b, k % ECHO_QUEUES, BYTES);
        if (i % 2)
            machine_settle(b->m);
        if (i % 5 == 0)
            status(b, 0);
    }
    assert_int_equal(count_fds(), fds);
    assert_int_equal(count_threads(), threads);
    assert_in_range(b->m->most_routes, 0, ECHO_QUEUES + 1);
    recovers(b);
}

static void T07_failed(struct bench *b)
{
    uint64_t served;

    machine_settle(b->m);
    served = echo_served(b);
    status(b, drv_status(&b->d) | FAILED);
    assert_true(drv_status(&b->d) & FAILED);
    echo_ask(b, 0, BYTES);
    b->d.ops->kick(&b->d, 0);
    machine_settle(b->m);
    assert_int_equal(echo_served(b), served);
    assert_int_equal(b->d.ops->config_read(&b->d, ECHO_C_NUMBER, 4), ECHO_NUMBER);
    status(b, drv_status(&b->d) | DRIVER_OK);
    machine_settle(b->m);
    assert_int_equal(echo_served(b), served);
    recovers(b);
}

static void T08_bits_not_the_drivers(struct bench *b)
{
    const uint8_t now = drv_status(&b->d);

    status(b, now | 0x70);
    assert_int_equal(drv_status(&b->d), now);
    works(b);
    drv_reset(&b->d);
    status(b, 0x70);
    assert_int_equal(drv_status(&b->d), 0);
    recovers(b);
}

static void fail_start(struct bench *b, bool on)
{
    loop_lock(b->loop);
    ((struct echo *)b->dev->state)->fail_start = on;
    loop_unlock(b->loop);
}

static void T10_start_fails(struct bench *b)
{
    fail_start(b, true);
    assert_true(drv_negotiate(&b->d, b->want));
    gfunc_msix_control(&b->d.func, b->d.use_msix, false);
    drv_queue(&b->d, 0, 0);
    drv_go(&b->d);
    assert_true(drv_broken(&b->d));
    fail_start(b, false);
    echo_failed_and_recovers(b);
}

static void T13_ignored_until_reset(struct bench *b)
{
    struct drv *d = &b->d;
    struct dq *q = &d->q[0];
    uint8_t now;

    split_avail_idx(q, (uint16_t)(q->size + 100)); /* breaks it */
    d->ops->kick(d, 0);
    machine_settle(b->m);
    assert_true(drv_broken(d));
    now = drv_status(d);
    for (unsigned v = 1; v < 256; v++)
        status(b, (uint8_t)v);
    assert_int_equal(drv_status(d), now);
    set(b, QUEUE_SELECT, 2, 0);
    set(b, QUEUE_SIZE, 2, 2);
    set(b, CONFIG_VECTOR, 2, 1);
    d->ops->config_write(d, ECHO_C_WORD_RW, 4, 0x31313131);
    assert_int_equal(get(b, QUEUE_SIZE, 2), q->size);
    assert_int_equal(d->ops->config_read(d, ECHO_C_WORD_RW, 4), 0);
    assert_int_equal(d->ops->config_read(d, ECHO_C_NUMBER, 4), ECHO_NUMBER);
    echo_resize(b, 5); /* the host goes on; the driver hears nothing more */
    echo_failed_and_recovers(b);
}

/* A queue that breaks stops the device's others too, and not its neighbours. */
static void broken_queue_stops_device(struct bench *b)
{
    struct drv *d = &b->d;
    uint64_t served;

    works(b);
    split_avail_idx(&d->q[0], (uint16_t)(split_used_idx(&d->q[0]) - 1));
    d->ops->kick(d, 0);
    machine_settle(b->m);
    served = echo_served(b);
    echo_ask(b, 1, BYTES);
    d->ops->kick(d, 1);
    machine_settle(b->m);
    assert_int_equal(echo_served(b), served);
    echo_failed_and_recovers(b);
}

/* ---- several vCPUs (T11) ---- */

struct racer {
    struct bench *b;
    unsigned seed;
};

static void *race_registers(void *arg)
{
    struct racer *r = (struct racer *)arg;
    unsigned x = r->seed;

    for (unsigned i = 0; i < 3000; i++) {
        x = x * 1664525 + 1013904223;
        switch (x >> 28) {
        case 0:
        case 1:
            status(r->b, 0);
            break;
        case 2:
        case 3:
        case 4:
            status(r->b, (uint8_t)(x >> 16));
            break;
        case 5:
        case 6:
            r->b->d.ops->kick(&r->b->d, x >> 8 & 3);
            break;
        case 7:
            gfunc_msix_entry(&r->b->d.func, x >> 8 & 3, x & 0x8000);
            break;
        default:
            set(r->b, x >> 8 & 0x3e, x & 1 ? 2 : 4, x >> 12);
        }
    }
    return NULL;
}

static void T11_vcpus_race(struct bench *b)
{
    struct racer racer[3];
    pthread_t thread[ARRAY_SIZE(racer)];

    for (unsigned i = 0; i < ARRAY_SIZE(racer); i++) {
        racer[i] = (struct racer){b, i * 77777 + 1};
        assert_int_equal(pthread_create(&thread[i], NULL, race_registers, &racer[i]), 0);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(racer); i++)
        pthread_join(thread[i], NULL);
    recovers(b);
}

/* clang-format off */
#define ROW(fn) {#fn, fn, 0, NULL}
#define SPLIT(fn) {#fn, fn, BENCH_SPLIT, NULL}
#define MODERN(fn) {#fn, fn, BENCH_MODERN, NULL}
/* clang-format on */

int main(void)
{
    static const struct bench_test tests[] = {
        MODERN(nothing_before_driver_ok), /* 2.1.2-d1, d2 */
        MODERN(T01_driver_ok_alone),
        ROW(T02_bits_stay),            /* 2.1.1-t2 */
        MODERN(T04_reset_in_flight),   /* 2.4.1-d1..d3 */
        ROW(T04_reset_cancels),        /* 2.4.1-d1 */
        ROW(T05_many_resets),          /* 2.1-d2, 4.1.4.3.1-d7 */
        ROW(T07_failed),               /* 2.1-d1 */
        ROW(T08_bits_not_the_drivers), /* 2.1-d1 */
        ROW(T10_start_fails),          /* 2.1.2-d3, d4 */
        {"T11_vcpus_race", T11_vcpus_race, BENCH_THREADS | BENCH_MODERN, NULL},
        {"T13_ignored_until_reset", T13_ignored_until_reset, BENCH_SPLIT | BENCH_MODERN,
         NULL}, /* 2.1.2-d3, d4 */
        ROW(T14_machine_reset),
        SPLIT(broken_queue_stops_device),
    };

    return bench_run("vdev", &echo_kind, tests, ARRAY_SIZE(tests));
}
