// SPDX-License-Identifier: MIT
/*
 * Offering and agreeing on features: group F of the list of hostile inputs as far as it concerns
 * all devices. Feature words and FEATURES_OK are of the modern interface only.
 */
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
    FEATURES = VIRTIO_S_FEATURES_OK,
    DRIVER_OK = VIRTIO_S_DRIVER_OK,
    BYTES = 200,
    /* Registers (4.1.4.3). */
    OFFER_SELECT = 0x00,
    OFFER = 0x04,
    ACCEPT_SELECT = 0x08,
    ACCEPT = 0x0c,
};

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

static void offer_is_sane(struct bench *b)
{
    const uint64_t all = b->d.ops->offered(&b->d);

    assert_true(all & v1);
    assert_int_equal(all & BIT64(30), 0);
    assert_int_equal(all >> 44 & 0x3f, 0);   /* 44..49 are reserved: 2.2-d1 */
    for (unsigned bit = 24; bit < 44; bit++) /* what is not built must not be offered: 2.2.2-d4 */
        if (all >> bit & 1)
            assert_true(bit == VIRTIO_F_INDIRECT_DESC || bit == VIRTIO_F_EVENT_IDX ||
                        bit == VIRTIO_F_VERSION_1 || bit == VIRTIO_F_RING_RESET ||
                        bit == VIRTIO_F_RING_PACKED || (b->combo->ask >> bit & 1));
    assert_int_equal(all & b->combo->ask, b->combo->ask);
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

static void offer_change(struct bench *b, void (*change)(struct vdev *, const struct vfeat *),
                         const uint8_t *bits, unsigned n)
{
    struct vfeat f = {{0}};

    for (unsigned i = 0; i < n; i++)
        vfeat_add(&f, bits[i]);
    drv_reset(&b->d);
    loop_lock(b->loop);
    change(b->dev, &f);
    loop_unlock(b->loop);
}

static void asked_in_vain(struct bench *b)
{
    static const uint8_t ask[] = {VIRTIO_F_IN_ORDER};
    const uint64_t before = b->d.ops->offered(&b->d);

    offer_change(b, vdev_ask, ask, ARRAY_SIZE(ask));
    assert_int_equal(b->d.ops->offered(&b->d), before);
    recovers(b);
}

/* What the user chose: bits on request, bits withheld, and what cannot be had without these. */
static void asked_and_withheld(struct bench *b)
{
    static const uint8_t ask[] = {VIRTIO_F_IN_ORDER, ECHO_F_HIGH + 1};
    static const uint8_t withhold[] = {ECHO_F_GATED, VIRTIO_F_RING_PACKED, VIRTIO_F_VERSION_1};
    const uint64_t before = b->d.ops->offered(&b->d);
    const uint64_t less = BIT64(ECHO_F_GATED) | BIT64(ECHO_F_CHILD) | BIT64(VIRTIO_F_RING_PACKED);

    offer_change(b, vdev_ask, ask, ARRAY_SIZE(ask)); /* the second is nobody's to ask for */
    assert_int_equal(b->d.ops->offered(&b->d), before | BIT64(VIRTIO_F_IN_ORDER));
    offer_change(b, vdev_withhold, withhold, ARRAY_SIZE(withhold));
    assert_int_equal(b->d.ops->offered(&b->d),
                     (before | BIT64(VIRTIO_F_IN_ORDER)) & ~less); /* VERSION_1 stays: 6.2-d1 */
    assert_int_equal(b->d.ops->config_read(&b->d, ECHO_C_GATED, 4), 0);
    recovers(b);
}

static void each_withheld(struct bench *b)
{
    bench_withhold(b, works);
}

/* clang-format off */
#define ROW(fn) {#fn, fn, BENCH_MODERN, NULL}
#define EVERY(fn) {#fn, fn, 0, NULL}
/* clang-format on */

static const struct echo_conf not_in_order = {.not_in_order = true};

int main(void)
{
    static const struct bench_test tests[] = {
        ROW(offer_is_sane),         /* 2.2-d1, 2.2.2-d4, 6.2-d1, 4.1.4.3.1-d3 */
        ROW(F01_never_offered),     /* 2.2.2-d3, 4.1.4.3.1-d5 */
        ROW(F02_too_late),          /* 2.2-d2 */
        ROW(F04_select_outside),    /* 4.1.4.3.1-d3, d4 */
        ROW(F05_dependencies),      /* 2.2.2-d3, 6.2-d2 */
        EVERY(F07_no_features),     /* 2.2.2-d2 */
        ROW(F08_fewer_after_reset), /* 2.2-d2, 2.2.2-d5 */
        EVERY(every_subset),        /* 2.2.2-d2 */
        EVERY(each_withheld),       /* 2.2.2-d1, 2.2.1-t6 */
        {"asked_and_withheld", asked_and_withheld, BENCH_ONCE, NULL},
        {"asked_in_vain", asked_in_vain, BENCH_ONCE, &not_in_order},
    };

    return bench_run("features", &echo_kind, tests, ARRAY_SIZE(tests));
}
