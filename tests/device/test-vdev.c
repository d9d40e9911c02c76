// SPDX-License-Identifier: MIT
/*
 * The state machine of status and features, reset and failure: groups F and T of the list of
 * hostile inputs as far as they concern all devices, over the modern interface.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/driver/echo.h"
#include "vmm/base/bits.h"

enum {
    ACK = VIRTIO_S_ACKNOWLEDGE,
    DRIVER = VIRTIO_S_DRIVER,
    FEATURES = VIRTIO_S_FEATURES_OK,
    DRIVER_OK = VIRTIO_S_DRIVER_OK,
    FAILED = VIRTIO_S_FAILED,
    BYTES = 200,
    /* Registers (4.1.4.3). */
    OFFER_SELECT = 0x00,
    OFFER = 0x04,
    ACCEPT_SELECT = 0x08,
    ACCEPT = 0x0c,
    CONFIG_VECTOR = 0x10,
    STATUS = 0x14,
    QUEUE_SELECT = 0x16,
    QUEUE_SIZE = 0x18,
    QUEUE_ENABLE = 0x1c,
};

static uint64_t get(struct bench *b, unsigned off, unsigned len)
{
    return modern_read(&b->d, VIRTIO_PCI_CAP_COMMON, off, len);
}

static void set(struct bench *b, unsigned off, unsigned len, uint64_t v)
{
    modern_write(&b->d, VIRTIO_PCI_CAP_COMMON, off, len, v);
}

static void status(struct bench *b, uint8_t v)
{
    b->d.ops->status_set(&b->d, v);
}

static void accept_word(struct bench *b, uint32_t select, uint32_t bits)
{
    set(b, ACCEPT_SELECT, 4, select);
    set(b, ACCEPT, 4, bits);
}

static uint32_t accepted_word(struct bench *b, uint32_t select)
{
    set(b, ACCEPT_SELECT, 4, select);
    return (uint32_t)get(b, ACCEPT, 4);
}

static uint32_t offered_word(struct bench *b, uint32_t select)
{
    set(b, OFFER_SELECT, 4, select);
    return (uint32_t)get(b, OFFER, 4);
}

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

/* Reset, then features of words 0 and 1. Is FEATURES_OK granted? */
static bool agrees(struct bench *b, uint64_t features)
{
    drv_reset(&b->d);
    status(b, ACK);
    status(b, ACK | DRIVER);
    accept_word(b, 0, (uint32_t)features);
    accept_word(b, 1, (uint32_t)(features >> 32));
    status(b, ACK | DRIVER | FEATURES);
    return drv_status(&b->d) & FEATURES;
}

static const uint64_t v1 = BIT64(VIRTIO_F_VERSION_1);

/* ---- features ---- */

static void offer_is_sane(struct bench *b)
{
    const uint64_t all = b->d.ops->offered(&b->d);

    assert_true(all & v1);
    assert_int_equal(all & BIT64(30), 0);
    assert_int_equal(all >> 44 & 0x3f, 0); /* 44..49 are reserved: 2.2-d1 */
    for (unsigned bit = 24; bit < 44; bit++) /* what is not built must not be offered: 2.2.2-d4 */
        if (all >> bit & 1)
            assert_true(bit == VIRTIO_F_INDIRECT_DESC || bit == VIRTIO_F_EVENT_IDX ||
                        bit == VIRTIO_F_VERSION_1 || bit == VIRTIO_F_RING_RESET || bit == 34);
    assert_true(offered_word(b, 1) & BIT32(ECHO_F_HIGH - 32));
    assert_int_equal(offered_word(b, 3), BIT32(ECHO_F_HIGHEST - 96));
}

static void F01_never_offered(struct bench *b)
{
    const uint64_t all = b->d.ops->offered(&b->d);

    for (unsigned bit = 0; bit < 64; bit++)
        if (!(all >> bit & 1))
            assert_false(agrees(b, v1 | BIT64(bit)));
    assert_int_equal(accepted_word(b, 1) & ~(uint32_t)(all >> 32), 0);
    drv_reset(&b->d);
    status(b, ACK | DRIVER);
    accept_word(b, 1, 1);
    accept_word(b, 2, 1); /* a word of which nothing is offered */
    status(b, ACK | DRIVER | FEATURES);
    assert_int_equal(drv_status(&b->d), ACK | DRIVER);
    status(b, ACK | DRIVER | DRIVER_OK);
    accept_word(b, 2, 0); /* after a refusal the driver may think again */
    status(b, ACK | DRIVER | FEATURES);
    assert_int_equal(drv_status(&b->d), ACK | DRIVER | FEATURES);
    recovers(b);
}

static void F02_too_late(struct bench *b)
{
    const uint32_t before = accepted_word(b, 0), high = accepted_word(b, 1);

    accept_word(b, 0, 0);
    accept_word(b, 1, 0xffffffff);
    assert_int_equal(accepted_word(b, 0), before);
    assert_int_equal(accepted_word(b, 1), high);
    works(b);
    assert_true(agrees(b, v1));
    accept_word(b, 0, BIT32(ECHO_F_GATED));
    assert_int_equal(accepted_word(b, 0), 0);
    recovers(b);
}

static void F04_select_outside(struct bench *b)
{
    static const uint32_t bad[] = {4, 5, 31, 32, 63, 64, 0x40000000, 0x80000000, 0xffffffff};

    drv_reset(&b->d);
    status(b, ACK | DRIVER);
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(offered_word(b, bad[i]), 0);
        assert_int_equal(get(b, OFFER_SELECT, 4), bad[i]);
        accept_word(b, bad[i], 0xffffffff);
        assert_int_equal(accepted_word(b, bad[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(accepted_word(b, i), 0);
    assert_int_equal(offered_word(b, 2), 0);
    recovers(b);
}

static void F05_dependencies(struct bench *b)
{
    assert_false(agrees(b, v1 | BIT64(ECHO_F_CHILD)));
    assert_true(agrees(b, v1 | BIT64(ECHO_F_CHILD) | BIT64(ECHO_F_GATED)));
    assert_false(agrees(b, v1 | BIT64(ECHO_F_PICKY))); /* the type's own view */
    assert_true(agrees(b, v1 | BIT64(ECHO_F_PICKY) | BIT64(ECHO_F_FRIEND)));
    assert_false(agrees(b, BIT64(ECHO_F_GATED))); /* without VERSION_1 */
    recovers(b);
}

static void F07_no_features(struct bench *b)
{
    b->want = 0;
    bench_init(b);
    works(b);
}

/* 2.2.2-d2: any subset that keeps to the dependencies. */
static void every_subset(struct bench *b)
{
    static const uint8_t bits[] = {ECHO_F_GATED,           ECHO_F_FRIEND,      ECHO_F_HIGH,
                                   VIRTIO_F_INDIRECT_DESC, VIRTIO_F_EVENT_IDX, VIRTIO_F_RING_RESET};

    for (unsigned set_no = 0; set_no < 1u << ARRAY_SIZE(bits); set_no++) {
        b->want = 0;
        for (unsigned i = 0; i < ARRAY_SIZE(bits); i++)
            b->want |= (uint64_t)(set_no >> i & 1) << bits[i];
        bench_init(b);
        echo_works(b, set_no % ECHO_QUEUES, BYTES);
    }
}

/* F08, 2.2-d2: nothing of an earlier agreement stays. */
static void F08_fewer_after_reset(struct bench *b)
{
    const uint64_t all = b->want;

    for (unsigned i = 0; i < 4; i++) {
        b->want = i % 2 ? 0 : all;
        bench_init(b);
        works(b);
        drv_reset(&b->d);
        for (unsigned word = 0; word < 4; word++)
            assert_int_equal(accepted_word(b, word), 0);
    }
    b->want = all; /* 2.2.2-d5 */
    recovers(b);
}

/* ---- status ---- */

static void request_start(struct bench *b, unsigned queue)
{
    static struct chain c;
    const uint64_t at = drv_alloc(&b->d, BYTES, 64);

    c.n = 0;
    chain_out(&c, at, BYTES / 2);
    chain_in(&c, at + BYTES / 2, BYTES / 2);
    dq_add_kick(&b->d.q[queue], &c, NULL);
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
    request_start(b, 0);
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
        request_start(b, i % 2);
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
        request_start(b, i % 3);
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
    request_start(b, 0);
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
            request_start(b, k % ECHO_QUEUES);
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
    request_start(b, 0);
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
    request_start(b, 1);
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

#define ROW(fn)   {#fn, fn, 0, NULL}
#define SPLIT(fn) {#fn, fn, BENCH_SPLIT, NULL}

int main(void)
{
    static const struct bench_test tests[] = {
        ROW(offer_is_sane),              /* 2.2-d1, 2.2.2-d4, 6.2-d1, 4.1.4.3.1-d3 */
        ROW(F01_never_offered),          /* 2.2.2-d3, 4.1.4.3.1-d5 */
        ROW(F02_too_late),               /* 2.2-d2 */
        ROW(F04_select_outside),         /* 4.1.4.3.1-d3, d4 */
        ROW(F05_dependencies),           /* 2.2.2-d3, 6.2-d2 */
        ROW(F07_no_features),            /* 2.2.2-d2 */
        ROW(F08_fewer_after_reset),      /* 2.2-d2, 2.2.2-d5 */
        ROW(every_subset),               /* 2.2.2-d2 */
        ROW(nothing_before_driver_ok),   /* 2.1.2-d1, d2 */
        ROW(T01_driver_ok_alone),
        ROW(T02_bits_stay),              /* 2.1.1-t2 */
        ROW(T04_reset_in_flight),        /* 2.4.1-d1..d3 */
        ROW(T04_reset_cancels),          /* 2.4.1-d1 */
        ROW(T05_many_resets),            /* 2.1-d2, 4.1.4.3.1-d7 */
        ROW(T07_failed),                 /* 2.1-d1 */
        ROW(T08_bits_not_the_drivers),   /* 2.1-d1 */
        ROW(T10_start_fails),            /* 2.1.2-d3, d4 */
        {"T11_vcpus_race", T11_vcpus_race, BENCH_THREADS, NULL},
        SPLIT(T13_ignored_until_reset),  /* 2.1.2-d3, d4 */
        ROW(T14_machine_reset),
        SPLIT(broken_queue_stops_device),
    };

    return bench_run("vdev", &echo_kind, tests, ARRAY_SIZE(tests));
}
