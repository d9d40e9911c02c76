// SPDX-License-Identifier: MIT
/*
 * Two interfaces of one device at once: the first that is driven after a reset is the active one,
 * writes of the other are ignored but for resets, and its ISR reads 0. Then what virtio 0.9 expects
 * to be complete when a register write returns: resets and stopped queues with I/O in flight.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "tests/driver/echo.h"
#include "vmm/base/bits.h"

enum {
    /* Registers of 0.9 (4.1.4.10). */
    L_ACCEPT = 0x04,
    L_PFN = 0x08,
    L_SELECT = 0x0e,
    L_NOTIFY = 0x10,
    L_STATUS = 0x12,
    L_ISR = 0x13,
    L_CONFIG_INTX = 0x14,
    /* ... of 1.x (4.1.4.3). */
    M_ACCEPT_SELECT = 0x08,
    M_ACCEPT = 0x0c,
    M_STATUS = 0x14,
    M_SELECT = 0x16,
    M_SIZE = 0x18,
    M_ENABLE = 0x1c,
    M_DESC = 0x20,
    COMMON = VIRTIO_PCI_CAP_COMMON,
    BYTES = 100,
    LIVE = VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER | VIRTIO_S_DRIVER_OK,
};

static void works(struct bench *b)
{
    for (unsigned i = 0; i < b->d.n_queues; i++)
        echo_works(b, i, BYTES);
}

/* Go on through this interface; the device has both. */
static void drive_by(struct bench *b, const struct driver_ops *ops)
{
    b->d.ops = ops;
    assert_true(ops->probe(&b->d));
    bench_init(b);
    works(b);
}

/* ---- both at once ---- */

/* Everything that the interface of 1.x has, but a reset. */
static void modern_meddles(struct bench *b)
{
    struct drv *d = &b->d;

    for (unsigned v = 1; v < 256; v++)
        modern_write(d, COMMON, M_STATUS, 1, v);
    for (unsigned i = 0; i < 2; i++) {
        modern_write(d, COMMON, M_ACCEPT_SELECT, 4, i);
        modern_write(d, COMMON, M_ACCEPT, 4, 0xffffffff);
    }
    for (unsigned i = 0; i < d->n_queues; i++) {
        modern_write(d, COMMON, M_SELECT, 2, i);
        modern_write(d, COMMON, M_SIZE, 2, 2);
        modern_write(d, COMMON, M_DESC, 4, 0);
        modern_write(d, COMMON, M_ENABLE, 2, 1);
        modern_write(d, COMMON, 0x3a, 2, 1); /* queue_reset */
        modern_write(d, COMMON, 0x1a, 2, VIRTIO_NO_VECTOR);
        modern_write(d, VIRTIO_PCI_CAP_NOTIFY, i * d->notify_step, 2, i);
    }
    modern_write(d, VIRTIO_PCI_CAP_DEVICE, ECHO_C_WORD_RW, 4, 0xbad);
    machine_settle(b->m);
}

static void legacy_meddles(struct bench *b)
{
    struct drv *d = &b->d;

    for (unsigned v = 1; v < 256; v++)
        legacy_write(d, L_STATUS, 1, v);
    legacy_write(d, L_ACCEPT, 4, 0xffffffff);
    for (unsigned i = 0; i < d->n_queues; i++) {
        legacy_write(d, L_SELECT, 2, i);
        legacy_write(d, L_PFN, 4, 0);
        legacy_write(d, L_PFN, 4, 7);
        legacy_write(d, L_NOTIFY, 2, i);
    }
    if (gfunc_msix_enabled(&d->func))
        legacy_write(d, L_CONFIG_INTX, 4, 0xffffffff);
    legacy_write(d, legacy_config(d) + ECHO_C_WORD_RW, 4, 0xbad);
    machine_settle(b->m);
}

static void interrupt_is_the_drivers(struct bench *b, bool modern_looks)
{
    struct drv *d = &b->d;

    d->use_msix = false;
    bench_init(b);
    echo_resize(b, 7);
    assert_true(gfunc_intx_line(&d->func));
    if (modern_looks)
        assert_int_equal(modern_read(d, VIRTIO_PCI_CAP_ISR, 0, 1), 0);
    else
        assert_int_equal(legacy_read(d, L_ISR, 1), 0);
    assert_true(gfunc_intx_line(&d->func));
    assert_int_equal(d->ops->isr(d), VIRTIO_ISR_CONFIG);
    assert_false(gfunc_intx_line(&d->func));
}

static void legacy_came_first(struct bench *b)
{
    struct drv *d = &b->d;

    assert_true(driver_modern.probe(d));
    drive_by(b, &driver_legacy);
    modern_meddles(b);
    assert_int_equal(drv_status(d), LIVE);
    assert_int_equal(driver_legacy.config_read(d, ECHO_C_WORD_RW, 4), 0);
    works(b);
    interrupt_is_the_drivers(b, true);
    modern_write(d, COMMON, M_STATUS, 1, 0); /* a reset is never ignored */
    assert_int_equal(legacy_read(d, L_STATUS, 1), 0);
    drive_by(b, &driver_modern);
    drive_by(b, &driver_legacy);
}

static void modern_came_first(struct bench *b)
{
    struct drv *d = &b->d;

    assert_true(driver_modern.probe(d));
    drive_by(b, &driver_modern);
    legacy_meddles(b);
    assert_int_equal(drv_status(d), LIVE | VIRTIO_S_FEATURES_OK);
    assert_int_equal(driver_modern.config_read(d, ECHO_C_WORD_RW, 4), 0);
    works(b);
    interrupt_is_the_drivers(b, false);
    legacy_write(d, L_STATUS, 1, 0);
    assert_int_equal(modern_read(d, COMMON, M_STATUS, 1), 0);
    drive_by(b, &driver_legacy);
    drive_by(b, &driver_modern);
}

/* Neither bits nor rings nor features of one are there for the other after a reset. */
static void nothing_is_inherited(struct bench *b)
{
    struct drv *d = &b->d;

    assert_true(driver_modern.probe(d));
    for (unsigned i = 0; i < 6; i++) {
        drive_by(b, i % 2 ? &driver_legacy : &driver_modern);
        drv_reset(d);
        assert_int_equal(legacy_read(d, L_ACCEPT, 4), 0);
        modern_write(d, COMMON, M_SELECT, 2, 0); /* which makes it the active one */
        assert_int_equal(modern_read(d, COMMON, M_ENABLE, 2), 0);
        for (unsigned word = 0; word < 4; word++) {
            modern_write(d, COMMON, M_ACCEPT_SELECT, 4, word);
            assert_int_equal(modern_read(d, COMMON, M_ACCEPT, 4), 0);
        }
        legacy_write(d, L_ACCEPT, 4, 1); /* ignored */
        assert_int_equal(legacy_read(d, L_ACCEPT, 4), 0);
        drv_reset(d);
    }
}

/* Reserved bits of 0.9 are not offered through 1.x, whichever is active. */
static void offers_differ(struct bench *b)
{
    struct drv *d = &b->d;
    const uint64_t old_only = BIT64(24) | BIT64(27);

    assert_true(driver_modern.probe(d));
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(driver_legacy.offered(d) & old_only, old_only);
        drv_reset(d);
        assert_int_equal(driver_modern.offered(d) & old_only, 0);
        assert_true(driver_modern.offered(d) & BIT64(VIRTIO_F_VERSION_1));
        drive_by(b, &driver_legacy);
    }
}

/* ---- complete when it returns ---- */

struct helper {
    struct bench *b;
    unsigned held;
    pthread_t thread;
};

/* The host finishes its I/O a little after the driver asked for the end. */
static void *finish_soon(void *arg)
{
    struct helper *h = (struct helper *)arg;
    const struct timespec nap = {.tv_nsec = 20000000};

    for (unsigned i = 0; i < h->held; i++) {
        nanosleep(&nap, NULL);
        echo_release(h->b, 1);
    }
    return NULL;
}

static void finish_begin(struct helper *h)
{
    assert_int_equal(pthread_create(&h->thread, NULL, finish_soon, h), 0);
}

static void T04_status_0_waits(struct bench *b)
{
    struct drv *d = &b->d;
    struct helper h = {.b = b, .held = 3};
    struct dirq irq;

    echo_set_hold(b, ECHO_HOLD_IO);
    for (unsigned i = 0; i < 3; i++)
        echo_ask(b, i % 2, BYTES);
    echo_wait_held(b, 3);
    irq = dq_arm(&d->q[0]);
    finish_begin(&h);
    d->ops->status_set(d, 0);
    assert_int_equal(echo_held(b), 0);
    assert_int_equal(drv_status(d), 0);
    assert_int_equal(split_used_idx(&d->q[0]), 0);
    assert_false(dq_interrupted(&d->q[0], &irq));
    pthread_join(h.thread, NULL);
    echo_set_hold(b, ECHO_AT_ONCE);
    bench_init(b);
    works(b);
}

/* L01: its ring is the driver's again as soon as the write is through; other queues go on. */
static void L01_pfn_0_waits(struct bench *b)
{
    struct drv *d = &b->d;
    struct helper h = {.b = b, .held = 2};
    struct used u;

    echo_set_hold(b, ECHO_HOLD_IO);
    echo_ask(b, 0, BYTES);
    echo_ask(b, 0, BYTES);
    echo_ask(b, 1, BYTES);
    echo_wait_held(b, 3);
    finish_begin(&h);
    legacy_write(d, L_SELECT, 2, 0);
    legacy_write(d, L_PFN, 4, 0);
    assert_int_equal(echo_held(b), 1);
    assert_int_equal(split_used_idx(&d->q[0]), 0);
    assert_int_equal(legacy_read(d, L_PFN, 4), 0);
    pthread_join(h.thread, NULL);
    echo_release(b, 1);
    assert_true(dq_wait(&d->q[1], &u, WAIT_MS));
    echo_set_hold(b, ECHO_AT_ONCE);
    drv_queue(d, 0, 0);
    works(b);
}

/* ---- several vCPUs, each with its own idea ---- */

struct racer {
    struct bench *b;
    unsigned seed;
};

static void race_step(struct drv *d, uint32_t x)
{
    const uint32_t v = x >> 12;

    switch (x >> 28) {
    case 0:
        legacy_write(d, L_STATUS, 1, 0);
        break;
    case 1:
        modern_write(d, COMMON, M_STATUS, 1, v & 0x0f);
        break;
    case 2:
    case 3:
        gfunc_msix_entry(&d->func, v & 3, v & 4);
        break;
    case 4:
    case 5:
    case 6:
        modern_write(d, COMMON, v & 0x3e, v & 0x100 ? 2 : 4, x);
        break;
    case 7:
        machine_read(d->m, d->func.bar_space[0], d->func.bar[0] + (v & 0x3f), 4);
        break;
    case 8:
    case 9:
        legacy_write(d, L_STATUS, 1, v & 0x87);
        break;
    case 10: /* rings of all queues where they were */
        legacy_write(d, L_SELECT, 2, v & 3);
        legacy_write(d, L_PFN, 4, d->q[v & 3].desc >> 12);
        break;
    case 11:
        legacy_write(d, L_PFN, 4, 0);
        break;
    default:
        legacy_write(d, L_NOTIFY, 2, v & 3);
    }
}

static void *race_registers(void *arg)
{
    struct racer *r = (struct racer *)arg;
    unsigned x = r->seed;

    for (unsigned i = 0; i < 3000; i++) {
        x = x * 1664525 + 1013904223;
        race_step(&r->b->d, x);
    }
    return NULL;
}

/* T11, and L07 with it: one thread moves the configuration while others read it. */
static void T11_vcpus_race(struct bench *b)
{
    struct racer racer[3];
    pthread_t thread[ARRAY_SIZE(racer)];
    struct gfunc f = b->d.func;

    assert_true(driver_modern.probe(&b->d));
    f.ecam = true; /* one access each: no race about the address port */
    for (unsigned i = 0; i < ARRAY_SIZE(racer); i++) {
        racer[i] = (struct racer){b, i * 77777 + 1};
        assert_int_equal(pthread_create(&thread[i], NULL, race_registers, &racer[i]), 0);
    }
    for (unsigned i = 0; i < 2000; i++)
        gfunc_msix_control(&f, i & 1, false);
    for (unsigned i = 0; i < ARRAY_SIZE(racer); i++)
        pthread_join(thread[i], NULL);
    drive_by(b, &driver_legacy);
    drive_by(b, &driver_modern);
}

/* clang-format off */
#define BOTH(fn) {#fn, fn, BENCH_BOTH, NULL}
/* clang-format on */

int main(void)
{
    static const struct bench_test tests[] = {
        BOTH(legacy_came_first),
        BOTH(modern_came_first),
        BOTH(nothing_is_inherited), /* 4.1.4.10-l10 */
        BOTH(offers_differ),        /* 6.3-l3 */
        {"T04_status_0_waits", T04_status_0_waits, BENCH_LEGACY | BENCH_THREADS | BENCH_SPLIT,
         NULL},
        {"L01_pfn_0_waits", L01_pfn_0_waits, BENCH_LEGACY | BENCH_THREADS | BENCH_SPLIT, NULL},
        {"T11_vcpus_race", T11_vcpus_race, BENCH_BOTH | BENCH_THREADS, NULL},
    };

    return bench_run("both", &echo_kind, tests, ARRAY_SIZE(tests));
}
