// SPDX-License-Identifier: MIT
/*
 * The interface of virtio 0.9 by its registers: identity, header, rings by page number, use before
 * DRIVER_OK. Rows of groups L, F, T and C of the list of hostile inputs. Two interfaces at once and
 * resets with I/O in flight are in test-both.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/driver/echo.h"
#include "virtio/interfaces.h"
#include "vmm/base/bits.h"

/* Registers (4.1.4.10). */
enum {
    OFFER = 0x00,
    ACCEPT = 0x04,
    PFN = 0x08,
    SIZE = 0x0c,
    SELECT = 0x0e,
    NOTIFY = 0x10,
    STATUS = 0x12,
    ISR = 0x13,
    VECTORS = 0x14,
    QUEUE_VECTOR = 0x16,
    PAGE = 4096,
    BYTES = 100,
};

enum {
    ACK = VIRTIO_S_ACKNOWLEDGE,
    DRIVER = VIRTIO_S_DRIVER,
    DRIVER_OK = VIRTIO_S_DRIVER_OK,
    FAILED = VIRTIO_S_FAILED,
    NOTIFY_ON_EMPTY = 24,
    ANY_LAYOUT = 27,
    BAD_FEATURE = 30,
};

static uint64_t get(struct bench *b, unsigned off, unsigned len)
{
    return legacy_read(&b->d, off, len);
}

static void set(struct bench *b, unsigned off, unsigned len, uint64_t v)
{
    legacy_write(&b->d, off, len, v);
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

/* Everything up to where queues are set up. */
static void negotiated(struct bench *b)
{
    assert_true(drv_negotiate(&b->d, b->want));
    gfunc_msix_control(&b->d.func, b->d.use_msix, false);
}

/* Word 0 of what the device goes by, and that there is nothing beyond (4.1.4.10-l10). */
static uint32_t device_has(struct bench *b)
{
    struct vfeat f;

    loop_lock(b->loop);
    f = b->dev->accepted;
    loop_unlock(b->loop);
    for (unsigned i = 1; i < VDEV_FEATURE_WORDS; i++)
        assert_int_equal(f.word[i], 0);
    return f.word[0];
}

/* ---- what there is ---- */

/* The switch and the build: a word either names interfaces or says why not. */
static void switch_words(struct bench *b)
{
    static const struct virtio_type young = {.name = "young", .id = 0x3f};
    static const char *const words[] = {"legacy", "transitional"};
    struct err err;

    (void)b;
    for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
        err.text[0] = '\0';
        assert_null(interfaces_find(words[i], &young, &err));
        assert_non_null(strstr(err.text, VMM_LEGACY ? "has no legacy" : "without legacy"));
        assert_int_equal(interfaces_find(words[i], &echo_type, NULL) != NULL, VMM_LEGACY);
    }
    assert_string_equal(interfaces_choose(NULL, false, &young, NULL)->name, "modern");
    assert_string_equal(interfaces_choose(NULL, true, &echo_type, NULL)->name, "modern");
    assert_string_equal(interfaces_choose(NULL, false, &echo_type, NULL)->name,
                        VMM_LEGACY ? "transitional" : "modern");
    assert_null(interfaces_choose("legacy", true, &echo_type, &err));
    assert_null(interfaces_find("1.0", &echo_type, &err));
}

static void identity(struct bench *b)
{
    struct gfunc *f = &b->d.func;
    const bool both = strcmp(b->combo->interfaces, "transitional") == 0;

    assert_int_equal(gfunc_read(f, PCI_VENDOR_ID, 2), 0x1af4);
    assert_int_equal(gfunc_read(f, PCI_DEVICE_ID, 2), 0x1009); /* that of 9P, as the echo is */
    assert_int_equal(gfunc_read(f, PCI_REVISION, 1), 0);
    assert_int_equal(gfunc_read(f, PCI_SUBSYS_ID, 2), ECHO_ID);
    assert_int_equal(gfunc_read(f, PCI_BAR0, 4) & 3, 1); /* I/O space */
    assert_int_equal(gfunc_cap(f, PCI_CAP_ID_VENDOR, 0) != 0, both);
}

static void header_after_reset(struct bench *b)
{
    drv_reset(&b->d);
    assert_int_equal(get(b, ACCEPT, 4), 0);
    assert_int_equal(get(b, STATUS, 1), 0);
    assert_int_equal(get(b, ISR, 1), 0);
    for (unsigned i = 0; i < ECHO_QUEUES; i++) {
        set(b, SELECT, 2, i);
        assert_int_equal(get(b, SELECT, 2), i);
        assert_int_equal(get(b, PFN, 4), 0);
        assert_int_equal(get(b, SIZE, 2), ECHO_MAX);
    }
    gfunc_msix_control(&b->d.func, true, false);
    assert_int_equal(get(b, VECTORS, 4), 0xffffffff);
    recovers(b);
}

static void header_read_only(struct bench *b)
{
    const uint64_t offer = get(b, OFFER, 4);

    set(b, SELECT, 2, 0);
    set(b, SIZE, 2, 64);
    set(b, OFFER, 4, 0);
    set(b, ISR, 1, 0xff);
    set(b, PFN, 2, 0); /* half of it is nothing */
    set(b, ACCEPT, 1, 0);
    assert_int_equal(get(b, SIZE, 2), ECHO_MAX);
    assert_int_equal(get(b, OFFER, 4), offer);
    assert_int_equal(get(b, PFN, 4), b->d.q[0].desc / PAGE);
    works(b);
}

/* ---- features ---- */

static void features_offered(struct bench *b)
{
    const uint64_t all = get(b, OFFER, 4);

    assert_true(all & BIT64(ANY_LAYOUT));
    assert_true(all & BIT64(NOTIFY_ON_EMPTY));
    assert_false(all & BIT64(BAD_FEATURE));
    assert_true(all & BIT64(VIRTIO_F_INDIRECT_DESC) && all & BIT64(VIRTIO_F_EVENT_IDX));
    for (unsigned bit = ECHO_F_FRIEND + 1; bit < 32; bit++)
        if (bit != ANY_LAYOUT && bit != NOTIFY_ON_EMPTY)
            assert_int_equal(all >> bit & 1,
                             bit == VIRTIO_F_INDIRECT_DESC || bit == VIRTIO_F_EVENT_IDX);
}

static void features_masked(struct bench *b)
{
    const uint32_t all = (uint32_t)get(b, OFFER, 4);

    drv_reset(&b->d);
    set(b, STATUS, 1, ACK | DRIVER);
    set(b, ACCEPT, 4, ~BIT32(BAD_FEATURE)); /* F01 */
    assert_int_equal(get(b, ACCEPT, 4), all);
    set(b, STATUS, 1, ACK | DRIVER | DRIVER_OK);
    assert_int_equal(device_has(b), all & ~(BIT32(ANY_LAYOUT) | BIT32(NOTIFY_ON_EMPTY)));
    set(b, ACCEPT, 4, 0); /* F02 */
    assert_int_equal(get(b, ACCEPT, 4), all);
    assert_false(drv_broken(&b->d));
    drv_reset(&b->d);
    assert_int_equal(get(b, ACCEPT, 4), 0);
    set(b, STATUS, 1, ACK | DRIVER);
    set(b, ACCEPT, 4, BIT32(ECHO_F_GATED));
    set(b, ACCEPT, 4, BIT32(ECHO_F_FRIEND)); /* the last write counts, they do not add up */
    set(b, STATUS, 1, ACK | DRIVER | DRIVER_OK);
    assert_int_equal(device_has(b), BIT32(ECHO_F_FRIEND));
    recovers(b);
}

/* 3.1.2-l5: nothing can be refused, so what does not fit counts as not accepted. */
static void F05_dependencies(struct bench *b)
{
    b->want = BIT64(ECHO_F_CHILD) | BIT64(ECHO_F_FRIEND);
    bench_init(b);
    assert_int_equal(device_has(b), BIT32(ECHO_F_FRIEND));
    works(b);
}

/* The driver waits for every interrupt that a driver of no features must get, and no other. */
static void F10_bad_feature(struct bench *b)
{
    struct dq *q = &b->d.q[0];
    struct dirq irq;
    static struct chain c;

    drv_reset(&b->d);
    set(b, STATUS, 1, ACK | DRIVER);
    set(b, ACCEPT, 4, 0xffffffff);
    b->d.features = 0;
    gfunc_msix_control(&b->d.func, b->d.use_msix, false);
    for (unsigned i = 0; i < b->d.n_queues; i++)
        drv_queue(&b->d, i, 0);
    drv_go(&b->d);
    assert_int_equal(device_has(b), 0);
    works(b);
    q->ops->interrupts(q, false);
    irq = dq_arm(q);
    c.n = 0;
    chain_out(&c, drv_alloc(&b->d, BYTES, 64), BYTES);
    dq_add_kick(q, &c, NULL);
    machine_settle(b->m);
    assert_true(q->ops->used_any(q));
    assert_false(dq_interrupted(q, &irq));
    recovers(b);
}

/* 3.1.2-l5: there is no such bit here. */
static void no_features_ok(struct bench *b)
{
    drv_reset(&b->d);
    set(b, STATUS, 1, ACK | DRIVER | VIRTIO_S_FEATURES_OK);
    assert_int_equal(get(b, STATUS, 1), ACK | DRIVER);
    negotiated(b);
    for (unsigned i = 0; i < b->d.n_queues; i++)
        drv_queue(&b->d, i, 0);
    set(b, STATUS, 1, ACK | DRIVER | DRIVER_OK | VIRTIO_S_FEATURES_OK | 0x70);
    assert_int_equal(get(b, STATUS, 1), ACK | DRIVER | DRIVER_OK); /* T08 */
    works(b);
}

/* ---- queues ---- */

static void L01_pfn_0_stops(struct bench *b)
{
    uint64_t served;

    works(b);
    machine_settle(b->m);
    served = echo_served(b);
    set(b, SELECT, 2, 0);
    set(b, PFN, 4, 0);
    assert_int_equal(get(b, PFN, 4), 0);
    for (unsigned i = 0; i < 10; i++)
        b->d.ops->kick(&b->d, 0);
    machine_settle(b->m);
    assert_int_equal(echo_served(b), served);
    echo_works(b, 1, BYTES);
    set(b, SELECT, 2, 0);
    set(b, PFN, 4, 0); /* again: it is not there any more */
    drv_queue(&b->d, 0, 0);
    works(b);
}

static void L02_bad_pfn(struct bench *b)
{
    static const uint32_t bad[] = {0xffffffff,          0x80000000,      RAM_END / PAGE,
                                   RAM_END / PAGE - 2, /* the tail is past RAM */
                                   RAM_HOLE / PAGE - 1, RAM_HOLE / PAGE, RAM_HIGH / PAGE - 1};

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        const uint64_t served = echo_served(b);

        negotiated(b);
        set(b, SELECT, 2, 0);
        set(b, PFN, 4, bad[i]);
        assert_int_equal(get(b, PFN, 4), bad[i]);
        b->d.ops->kick(&b->d, 0);
        drv_go(&b->d);
        b->d.ops->kick(&b->d, 0);
        machine_settle(b->m);
        assert_int_equal(echo_served(b), served);
        assert_false(drv_broken(&b->d));
        drv_queue(&b->d, 1, 0); /* too late for others, not for this one */
        echo_works(b, 1, BYTES);
        set(b, SELECT, 2, 0);
        set(b, PFN, 4, 0);
        drv_queue(&b->d, 0, 0);
        echo_works(b, 0, BYTES);
    }
}

static void L04_select_outside(struct bench *b)
{
    const uint16_t bad[] = {ECHO_QUEUES, 0x100, 0x8000, 0xffff};
    const bool msix = gfunc_msix_enabled(&b->d.func);

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        set(b, SELECT, 2, bad[i]);
        assert_int_equal(get(b, SELECT, 2), bad[i]);
        set(b, PFN, 4, 0x123);
        set(b, NOTIFY, 2, bad[i]);
        assert_int_equal(get(b, PFN, 4), 0);
        assert_int_equal(get(b, SIZE, 2), 0);
        if (!msix)
            continue;
        set(b, QUEUE_VECTOR, 2, 1);
        assert_int_equal(get(b, QUEUE_VECTOR, 2), VIRTIO_NO_VECTOR);
    }
    works(b);
}

/* 3.1.2-l3, l4: drivers of the time did so. */
static void L05_use_before_driver_ok(struct bench *b)
{
    negotiated(b);
    drv_queue(&b->d, 0, 0);
    echo_works(b, 0, BYTES);
    drv_queue(&b->d, 1, 0); /* a queue that comes later */
    echo_works(b, 1, BYTES);
    drv_go(&b->d);
    echo_works(b, 0, BYTES);
    echo_works(b, 1, BYTES);
    drv_queue(&b->d, 2, 0);
    works(b);
    drv_reset(&b->d); /* not a word about features, nor of itself */
    b->d.features = 0;
    drv_queue(&b->d, 0, 0);
    echo_works(b, 0, BYTES);
    set(b, ACCEPT, 4, BIT32(VIRTIO_F_EVENT_IDX)); /* settled by use */
    assert_int_equal(get(b, ACCEPT, 4), 0);
    assert_int_equal(get(b, STATUS, 1), 0);
    echo_works(b, 0, BYTES);
    recovers(b);
}

/* Nothing starts a device of which its driver says that it is lost. */
static void T07_failed_before_use(struct bench *b)
{
    static struct chain c;
    const uint64_t served = echo_served(b);

    negotiated(b);
    drv_queue(&b->d, 0, 0);
    set(b, STATUS, 1, ACK | DRIVER | FAILED);
    c.n = 0;
    chain_out(&c, drv_alloc(&b->d, BYTES, 64), BYTES);
    dq_add_kick(&b->d.q[0], &c, NULL);
    b->d.ops->kick(&b->d, 0);
    machine_settle(b->m);
    set(b, STATUS, 1, ACK | DRIVER | DRIVER_OK | FAILED);
    b->d.ops->kick(&b->d, 0);
    machine_settle(b->m);
    assert_int_equal(echo_served(b), served);
    recovers(b);
}

/* 6.3-l2: whatever the driver says about interrupts, the last one is announced. */
static void notify_on_empty(struct bench *b)
{
    static struct chain c;
    struct dq *q = &b->d.q[0];
    const uint64_t at = drv_alloc(&b->d, BYTES, 64);

    for (unsigned on = 0; on < 2; on++) {
        struct dirq irq;
        struct used u;

        b->want = on ? b->want | BIT64(NOTIFY_ON_EMPTY) : b->want & ~BIT64(NOTIFY_ON_EMPTY);
        bench_init(b);
        q->ops->interrupts(q, false);
        irq = dq_arm(q);
        for (unsigned i = 0; i < 3; i++) {
            c.n = 0;
            chain_out(&c, at, BYTES);
            assert_true(dq_add(q, &c, NULL) >= 0);
        }
        dq_kick(q);
        machine_settle(b->m);
        assert_int_equal(dq_interrupted(q, &irq), on);
        while (dq_poll(q, &u))
            continue;
    }
    recovers(b);
}

/* T13 as far as this interface shows it. */
static void T13_ignored_until_reset(struct bench *b)
{
    struct drv *d = &b->d;
    struct dq *q = &d->q[0];

    set(b, SELECT, 2, 0);
    split_avail_idx(q, (uint16_t)(q->size + 100)); /* breaks it */
    d->ops->kick(d, 0);
    machine_settle(b->m);
    assert_true(drv_broken(d));
    assert_int_equal(drv_status(d), ACK | DRIVER | DRIVER_OK); /* there is no bit for it */
    for (unsigned v = 1; v < 256; v++)
        set(b, STATUS, 1, v);
    set(b, SELECT, 2, 1);
    set(b, PFN, 4, 0);
    d->ops->config_write(d, ECHO_C_WORD_RW, 4, 0x31313131);
    assert_int_equal(get(b, PFN, 4), q->desc / PAGE);
    assert_int_equal(d->ops->config_read(d, ECHO_C_WORD_RW, 4), 0);
    assert_int_equal(d->ops->config_read(d, ECHO_C_NUMBER, 4), ECHO_NUMBER);
    echo_failed_and_recovers(b);
}

/* P19: drivers of the time did not switch bus mastering on. */
static void P19_no_mastering_needed(struct bench *b)
{
    for (unsigned msix = 0; msix < 2; msix++) {
        b->d.use_msix = msix;
        gfunc_command(&b->d.func, 0, PCI_CMD_MASTER);
        bench_init(b);
        works(b);
        gfunc_command(&b->d.func, PCI_CMD_MASTER, 0);
        works(b);
    }
}

/* L14: nothing of it on a modern device. */
static void L14_no_bar_on_modern(struct bench *b)
{
    assert_int_equal(gfunc_read(&b->d.func, PCI_BAR0, 4), 0);
    assert_int_equal(b->d.func.bar_size[0], 0);
    for (unsigned port = 0x1000; port < 0x10000; port += 0x10)
        assert_int_equal(machine_read(b->m, BUS_PIO, port + STATUS, 1), 0xff);
    echo_works(b, 0, BYTES);
}

/* clang-format off */
#define ROW(fn) {#fn, fn, BENCH_LEGACY, NULL}
#define SPLIT(fn) {#fn, fn, BENCH_LEGACY | BENCH_SPLIT, NULL}
/* clang-format on */

int main(void)
{
    static const struct bench_test tests[] = {
        {"switch_words", switch_words, BENCH_ONCE, NULL},
        ROW(identity),           /* 4.1.2.3-l1..l3, 4.1.4.10-l1 */
        ROW(header_after_reset), /* 4.1.4.10-l3, l11 */
        ROW(header_read_only),   /* 4.1.5.1.3.1-l2 */
        ROW(features_offered),   /* 6.3-l1, l3, l5 */
        ROW(features_masked),    /* 4.1.4.10-l10, 3.1.2-l5 */
        ROW(F05_dependencies),   /* 3.1.2-l5 */
        ROW(F10_bad_feature),    /* 6.3-l5 */
        ROW(no_features_ok),     /* 3.1.2-l1, l5 */
        ROW(L01_pfn_0_stops),    /* 4.1.4.10-l11 */
        ROW(L02_bad_pfn),        /* 2.7.2-l1 */
        ROW(L04_select_outside),
        ROW(L05_use_before_driver_ok), /* 3.1.2-l3, l4 */
        ROW(T07_failed_before_use),
        ROW(notify_on_empty), /* 6.3-l2 */
        SPLIT(T13_ignored_until_reset),
        ROW(P19_no_mastering_needed),
        {"L14_no_bar_on_modern", L14_no_bar_on_modern, BENCH_ONCE, NULL},
    };

    return bench_run("legacy", &echo_kind, tests, ARRAY_SIZE(tests));
}
