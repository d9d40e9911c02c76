// SPDX-License-Identifier: MIT
/*
 * Lint over an echo device: status, features, registers, queue set-up and doorbells. Each test
 * breaks one clause and nothing else; the well-behaved driver breaks none.
 */
#include "tests/device/lint-bench.h"
#include "tests/driver/echo.h"

enum { RAW = BENCH_LINT | BENCH_RAW, MODERN = RAW | BENCH_MODERN, OLD = RAW | BENCH_LEGACY };
enum { UNKNOWN = 20 }; /* a feature that the device does not have */

static void begin(struct bench *b)
{
    drv_reset(&b->d);
    status(b, S_ACK);
    status(b, S_DRIVER);
}

/* ---- a driver without fault ---- */

static void well_behaved(struct bench *b)
{
    const bool modern = b->d.ops == &driver_modern;

    for (unsigned i = 0; i < 3; i++) {
        bench_init(b);
        if (modern) {
            b->d.ops->generation(&b->d);
            b->d.ops->config_read(&b->d, ECHO_C_CAPACITY, 4);
            b->d.ops->config_read(&b->d, ECHO_C_CAPACITY + 4, 4);
            b->d.ops->generation(&b->d);
            b->d.ops->config_write(&b->d, ECHO_C_BYTE_RW, 1, 1);
        }
        for (unsigned k = 0; k < 50; k++)
            echo_works(b, k % ECHO_QUEUES, 1 + 97 * k);
    }
    lint_clean(b);
}

static void well_behaved_reset(struct bench *b)
{
    bench_init(b);
    cw(b, C_QUEUE_SELECT, 2, 0);
    cw(b, C_QUEUE_RESET, 2, 1);
    assert_int_equal(cr(b, C_QUEUE_RESET, 2), 0);
    drv_queue(&b->d, 0, 0);
    echo_works(b, 0, 100);
    lint_clean(b);
}

static void counted_once(struct bench *b)
{
    struct lint_expect e = {.rule = LINT_STATUS_CLEARED};

    begin(b);
    for (unsigned i = 0; i < 5; i++)
        status(b, S_ACK);
    lint_only(b, LINT_STATUS_CLEARED);
    loop_lock(b->loop);
    assert_int_equal(lint_each(b->dev, lint_check, &e), 1);
    loop_unlock(b->loop);
    assert_int_equal(e.count, 5);
}

/* ---- status and features ---- */

static void status_order(struct bench *b)
{
    drv_reset(&b->d);
    status(b, VIRTIO_S_DRIVER);
    lint_only(b, LINT_STATUS_ORDER);
}

static void failed_on(struct bench *b)
{
    drv_reset(&b->d);
    status(b, S_ACK);
    status(b, S_ACK | VIRTIO_S_FAILED);
    status(b, S_DRIVER | VIRTIO_S_FAILED);
    lint_only(b, LINT_FAILED_ON);
}

static void kick_broken(struct bench *b)
{
    bench_init(b);
    for (unsigned i = 0; i < 2; i++) { /* heard by exits, then by doorbells */
        loop_lock(b->loop);
        vdev_fail(b->dev, "2.1.2-d3", "told to");
        loop_unlock(b->loop);
        b->d.ops->kick(&b->d, 0);
        lint_only(b, LINT_KICK_BROKEN);
        bench_init(b);
        for (unsigned k = 0; k < 60; k++)
            echo_works(b, 0, 10);
    }
}

static void feature_foreign(struct bench *b)
{
    begin(b);
    b->d.features = b->d.ops->offered(&b->d) | BIT64(UNKNOWN);
    b->d.ops->accept(&b->d, b->d.features);
    status(b, b->d.ops->features_ok ? S_FEATURES : 7);
    lint_only(b, LINT_FEATURE_FOREIGN);
}

static void feature_undefined(struct bench *b)
{
    const unsigned bit = b->d.ops->features_ok ? 44 : 30;

    begin(b);
    b->d.ops->accept(&b->d, b->d.ops->offered(&b->d) | BIT64(bit));
    status(b, b->d.ops->features_ok ? S_FEATURES : 7);
    lint_only(b, LINT_FEATURE_UNDEFINED);
}

static void feature_alone(struct bench *b)
{
    const bool ok = drv_negotiate(&b->d, b->want & ~BIT64(ECHO_F_GATED));

    assert_int_equal(ok, !b->d.ops->features_ok);
    if (ok)
        drv_go(&b->d);
    lint_only(b, LINT_FEATURE_ALONE);
}

static void reset_hurried_old(struct bench *b)
{
    status(b, 0);
    status(b, S_ACK);
    lint_only(b, LINT_RESET_HURRIED_OLD);
}

static void reset_hurried(struct bench *b)
{
    status(b, 0);
    status(b, S_ACK);
    lint_only(b, LINT_RESET_HURRIED);
}

/* The reset is not even over. */
static void reset_hurried_busy(struct bench *b)
{
    struct chain c = {0};

    bench_init(b);
    echo_set_hold(b, ECHO_HOLD_IO);
    chain_out(&c, drv_alloc(&b->d, 16, 16), 16);
    dq_add_kick(&b->d.q[0], &c, NULL);
    echo_wait_held(b, 1);
    status(b, 0);
    status(b, S_ACK);
    echo_release(b, 1);
    lint_only(b, LINT_RESET_HURRIED);
}

static void no_reset(struct bench *b)
{
    status(b, S_ACK);
    lint_only(b, LINT_NO_RESET);
}

/* After a restart of the machine it counts from the beginning. */
static void no_reset_again(struct bench *b)
{
    bench_init(b);
    assert_true(vpci_reset_wait(b->vp, clock_ns() + WAIT_MS * UINT64_C(1000000)));
    status(b, S_ACK);
    lint_only(b, LINT_NO_RESET);
}

static void features_early(struct bench *b)
{
    drv_reset(&b->d);
    status(b, S_ACK);
    b->d.ops->accept(&b->d, 0);
    lint_only(b, LINT_FEATURES_EARLY);
}

static void offer_unread(struct bench *b)
{
    begin(b);
    b->d.ops->accept(&b->d, BIT64(VIRTIO_F_VERSION_1));
    status(b, S_FEATURES);
    lint_only(b, LINT_OFFER_UNREAD);
}

static void queue_early(struct bench *b)
{
    begin(b);
    areas_good(b);
    cw(b, C_QUEUE_ENABLE, 2, 1);
    lint_only(b, LINT_QUEUE_EARLY);
}

static void config_early(struct bench *b)
{
    begin(b);
    b->d.ops->config_write(&b->d, ECHO_C_BYTE_RW, 1, 1);
    lint_only(b, LINT_CONFIG_EARLY);
}

static void features_late(struct bench *b)
{
    negotiate(b);
    cw(b, C_FEATURE_SELECT, 4, 0);
    cw(b, C_FEATURE, 4, 0);
    lint_only(b, LINT_FEATURES_LATE);
}

static void features_ok_unread(struct bench *b)
{
    begin(b);
    b->d.ops->offered(&b->d);
    b->d.ops->accept(&b->d, BIT64(VIRTIO_F_VERSION_1));
    status(b, S_FEATURES);
    status(b, S_READY);
    lint_only(b, LINT_FEATURES_OK_UNREAD);
}

static void features_ok_unread_queue(struct bench *b)
{
    begin(b);
    b->d.ops->offered(&b->d);
    b->d.ops->accept(&b->d, BIT64(VIRTIO_F_VERSION_1));
    status(b, S_FEATURES);
    areas_good(b);
    cw(b, C_QUEUE_ENABLE, 2, 1);
    lint_only(b, LINT_FEATURES_OK_UNREAD);
}

static void refused_on(struct bench *b)
{
    assert_false(drv_negotiate(&b->d, b->want & ~BIT64(ECHO_F_FRIEND)));
    status(b, S_READY);
    lint_only(b, LINT_REFUSED_ON);
}

static void kick_early(struct bench *b)
{
    negotiate(b);
    drv_queue(&b->d, 0, 0);
    b->d.ops->kick(&b->d, 0);
    lint_only(b, LINT_KICK_EARLY);
}

static void old_features_ok(struct bench *b)
{
    begin(b);
    status(b, S_FEATURES);
    lint_only(b, LINT_OLD_FEATURES_OK);
}

static void suspend(struct bench *b)
{
    drv_reset(&b->d);
    status(b, S_ACK | 0x10);
    lint_only(b, LINT_SUSPEND);
}

static void version_1(struct bench *b)
{
    begin(b);
    b->d.ops->offered(&b->d);
    b->d.ops->accept(&b->d, 0);
    status(b, S_FEATURES);
    lint_only(b, LINT_VERSION_1);
}

/* ---- advice ---- */

static void no_packed(struct bench *b)
{
    bench_init(b);
    lint_only(b, LINT_NO_PACKED);
}

static void no_notif_config(struct bench *b)
{
    if (b->d.ring != &ring_packed)
        return; /* and other advice with it */
    drv_init(&b->d, b->want & ~BIT64(VIRTIO_F_NOTIF_CONFIG_DATA));
    lint_only(b, LINT_NO_NOTIF_CONFIG);
}

static void no_any_layout(struct bench *b)
{
    drv_init(&b->d, b->want & ~BIT64(27));
    lint_only(b, LINT_NO_ANY_LAYOUT);
}

/* ---- registers ---- */

static void config_torn(struct bench *b)
{
    bench_init(b);
    b->d.ops->config_read(&b->d, ECHO_C_CAPACITY, 4);
    b->d.ops->config_read(&b->d, ECHO_C_CAPACITY + 4, 4);
    lint_only(b, LINT_CONFIG_TORN);
}

static void config_torn_after(struct bench *b)
{
    bench_init(b);
    b->d.ops->generation(&b->d);
    b->d.ops->config_read(&b->d, ECHO_C_CAPACITY, 4);
    b->d.ops->config_read(&b->d, ECHO_C_CAPACITY + 4, 4);
    lint_clean(b);
    drv_status(&b->d);
    lint_only(b, LINT_CONFIG_TORN);
}

static void width(struct bench *b)
{
    bench_init(b);
    if (b->arg)
        b->d.ops->config_read(&b->d, ECHO_C_NUMBER, 2);
    else
        cr(b, C_DEVICE_FEATURE_SELECT, 2);
    lint_only(b, LINT_WIDTH);
}

static void cap_write(struct bench *b)
{
    gfunc_write(&b->d.func, b->d.region[VIRTIO_PCI_CAP_COMMON].cap + 4, 1, 0);
    lint_only(b, LINT_CAP_WRITE);
}

static void read_only(struct bench *b)
{
    bench_init(b);
    cw(b, C_NUM_QUEUES, 2, 1);
    lint_only(b, LINT_READ_ONLY);
}

static unsigned window(struct bench *b, uint32_t offset, uint32_t length)
{
    struct gfunc *f = &b->d.func;
    unsigned at = gfunc_cap(f, PCI_CAP_ID_VENDOR, 0);

    while (at && gfunc_read(f, at + 3, 1) != VIRTIO_PCI_CAP_PCI)
        at = gfunc_cap(f, PCI_CAP_ID_VENDOR, at);
    assert_int_not_equal(at, 0);
    gfunc_write(f, at + 4, 1, b->d.region[VIRTIO_PCI_CAP_COMMON].bar);
    gfunc_write(f, at + 8, 4, b->d.region[VIRTIO_PCI_CAP_COMMON].off + offset);
    gfunc_write(f, at + 12, 4, length);
    return at + 16;
}

static void window_align(struct bench *b)
{
    gfunc_read(&b->d.func, window(b, C_NUM_QUEUES, 2), 2);
    lint_clean(b);
    gfunc_read(&b->d.func, window(b, C_NUM_QUEUES + 1, 2), 2);
    lint_only(b, LINT_WINDOW_ALIGN);
}

static void window_aim(struct bench *b)
{
    gfunc_read(&b->d.func, window(b, 0, 0), 4); /* as when all of it is printed */
    lint_clean(b);
    gfunc_read(&b->d.func, window(b, 0x100, 4), 4);
    lint_only(b, LINT_WINDOW_AIM);
}

static void isr_msix(struct bench *b)
{
    bench_init(b);
    b->d.ops->isr(&b->d);
    if (b->d.use_msix)
        lint_only(b, LINT_ISR_MSIX);
    else
        lint_clean(b);
}

static void vector_beyond(struct bench *b)
{
    negotiate(b);
    assert_int_equal(b->d.ops->vector(&b->d, DRV_CONFIG, 500), VIRTIO_NO_VECTOR);
    drv_go(&b->d);
    lint_only(b, LINT_VECTOR_BEYOND);
}

static void vector_unread(struct bench *b)
{
    negotiate(b);
    cw(b, C_CONFIG_VECTOR, 2, 0);
    status(b, S_READY);
    lint_only(b, LINT_VECTOR_UNREAD);
}

static const struct bench_test tests[] = {
    {"well_behaved", well_behaved, RAW, NULL},
    {"well_behaved_reset", well_behaved_reset, MODERN, NULL},
    {"2.1.1-t2", counted_once, RAW, NULL},
    {"2.1.1-t1", status_order, RAW, NULL},
    {"2.1.1-t3", failed_on, RAW, NULL},
    {"2.1.1-t4", kick_broken, MODERN, NULL},
    {"2.2.1-t1", feature_foreign, RAW, NULL},
    {"2.2.1-t2", feature_alone, RAW, NULL},
    {"2.2.1-t5", feature_undefined, RAW, NULL},
    {"2.4.2-t1", reset_hurried_old, OLD, NULL},
    {"3.1.1-t1.reset", no_reset, RAW, NULL},
    {"3.1.1-t1.reset-again", no_reset_again, RAW, NULL},
    {"3.1.1-t1.features", features_early, RAW, NULL},
    {"3.1.1-t1.offer", offer_unread, MODERN, NULL},
    {"3.1.1-t1.queue", queue_early, MODERN, NULL},
    {"3.1.1-t3", config_early, MODERN, NULL},
    {"3.1.1-t4", features_late, MODERN, NULL},
    {"3.1.1-t5", features_ok_unread, MODERN, NULL},
    {"3.1.1-t5/queue", features_ok_unread_queue, MODERN, NULL},
    {"3.1.1-t7", refused_on, MODERN, NULL},
    {"3.1.1-t8", kick_early, MODERN, NULL},
    {"3.1.2-l1", old_features_ok, OLD, NULL},
    {"3.4.1-t1", suspend, MODERN, NULL},
    {"6.1-t1", version_1, MODERN, NULL},
    {"6.1-t6", no_packed, MODERN | BENCH_SPLIT | BENCH_ADVICE, NULL},
    {"6.1-t12", no_notif_config, MODERN | BENCH_IN_ORDER | BENCH_ADVICE, NULL},
    {"6.3-l4", no_any_layout, OLD | BENCH_ADVICE, NULL},
    {"2.5.1-t1", config_torn, MODERN, NULL},
    {"2.5.1-t1/after", config_torn_after, MODERN, NULL},
    {"4.1.3.1-t1", width, MODERN, NULL},
    {"4.1.3.1-t1/device", width, MODERN, "device"},
    {"4.1.4.1-t8", cap_write, MODERN, NULL},
    {"4.1.4.3.2-t1", read_only, MODERN, NULL},
    {"4.1.4.3.2-t5", reset_hurried, MODERN, NULL},
    {"4.1.4.3.2-t5/busy", reset_hurried_busy, MODERN, NULL},
    {"4.1.4.5.2-t1", isr_msix, RAW, NULL},
    {"4.1.4.9.2-t1", window_align, MODERN, NULL},
    {"4.1.4.9.2-t2", window_aim, MODERN, NULL},
    {"4.1.5.1.2.2-t4", vector_beyond, MODERN, NULL},
    {"4.1.5.1.2.2-t5", vector_unread, MODERN, NULL},
};

/* Strings are arguments of a test here, not of the device. */
static const struct bench_kind kind = {.type = &echo_type, .name = "echo0"};

int main(void)
{
    return bench_run("lint", &kind, tests, ARRAY_SIZE(tests));
}
