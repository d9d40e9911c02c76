// SPDX-License-Identifier: MIT
/*
 * How a device interrupts: ISR and INTx, MSI-X vectors, masks and pending bits, bus mastering.
 * P19, P20, P26, P28 of the list of hostile inputs and the clauses of 4.1.4.5, 4.1.5.1.2, 4.1.5.3,
 * 4.1.5.4.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/driver/echo.h"
#include "vmm/base/bits.h"

enum { BYTES = 32, VECTORS = ECHO_QUEUES + 1 };

/* Put one request on a queue and let the device work; what came back is taken. */
static void request(struct bench *b, unsigned queue)
{
    static struct chain c;
    const uint64_t mark = drv_mark(&b->d), at = drv_alloc(&b->d, 2 * BYTES, 64);
    struct used u;

    c.n = 0;
    chain_out(&c, at, BYTES);
    chain_in(&c, at + BYTES, BYTES);
    dq_add_kick(&b->d.q[queue], &c, NULL);
    machine_settle(b->m);
    while (dq_poll(&b->d.q[queue], &u))
        continue;
    drv_rewind(&b->d, mark);
}

/* With the given kind of interrupt, whatever the combination prefers. */
static void init_with(struct bench *b, bool msix)
{
    b->d.use_msix = msix;
    bench_init(b);
    machine_settle(b->m);
}

static uint8_t isr(struct bench *b)
{
    return b->d.ops->isr(&b->d);
}

static bool line(struct bench *b)
{
    return gfunc_intx_line(&b->d.func);
}

static void intx_queue(struct bench *b)
{
    init_with(b, false);
    assert_false(line(b) || gfunc_intx_status(&b->d.func) || isr(b));
    request(b, 1);
    assert_true(line(b) && gfunc_intx_status(&b->d.func));
    assert_int_equal(isr(b), VIRTIO_ISR_QUEUE);
    assert_false(line(b) || gfunc_intx_status(&b->d.func));
    assert_int_equal(isr(b), 0);
    assert_int_equal(machine_messages(b->m, gfunc_msix_data(&b->d.func, 2)), 0);
}

static void intx_config(struct bench *b)
{
    init_with(b, false);
    echo_resize(b, 1);
    assert_true(line(b));
    request(b, 0);
    assert_int_equal(isr(b), VIRTIO_ISR_CONFIG | VIRTIO_ISR_QUEUE);
    assert_false(line(b));
}

/* Reading ISR at any width takes it once; writing does nothing. */
static void isr_accesses(struct bench *b)
{
    init_with(b, false);
    request(b, 0);
    modern_write(&b->d, VIRTIO_PCI_CAP_ISR, 0, 1, 0);
    modern_write(&b->d, VIRTIO_PCI_CAP_ISR, 0, 4, 0xffffffff);
    assert_true(line(b));
    modern_read(&b->d, VIRTIO_PCI_CAP_ISR, 1, 1); /* beside it */
    assert_true(line(b));
    assert_int_equal(modern_read(&b->d, VIRTIO_PCI_CAP_ISR, 0, 4), VIRTIO_ISR_QUEUE);
    assert_false(line(b));
}

static void P20_intx_disable(struct bench *b)
{
    struct gfunc *f = &b->d.func;

    init_with(b, false);
    request(b, 0);
    assert_true(line(b));
    gfunc_command(f, PCI_CMD_INTX_OFF, 0);
    assert_false(line(b));
    assert_true(gfunc_intx_status(f)); /* the status bit is not masked */
    gfunc_command(f, 0, PCI_CMD_INTX_OFF);
    assert_true(line(b));
    gfunc_command(f, PCI_CMD_INTX_OFF, 0);
    assert_int_equal(isr(b), VIRTIO_ISR_QUEUE);
    gfunc_command(f, 0, PCI_CMD_INTX_OFF);
    assert_false(line(b));
    request(b, 0);
    assert_true(line(b));
    isr(b);
}

static void reset_drops_interrupts(struct bench *b)
{
    init_with(b, false);
    request(b, 0);
    echo_resize(b, 3);
    drv_reset(&b->d);
    assert_false(line(b));
    assert_int_equal(isr(b), 0);
    echo_resize(b, 4); /* no driver, no interrupt: 2.4.1-d2 */
    assert_false(line(b));
    assert_int_equal(isr(b), 0);
    bench_init(b);
    echo_works(b, 0, BYTES);
}

static void msix_each_its_own(struct bench *b)
{
    uint32_t before[VECTORS];

    init_with(b, true);
    assert_int_equal(b->d.func.msix_n, VECTORS);
    for (unsigned i = 0; i < ECHO_QUEUES; i++) {
        for (unsigned v = 0; v < VECTORS; v++)
            before[v] = gfunc_msix_count(&b->d.func, v);
        request(b, i);
        for (unsigned v = 0; v < VECTORS; v++)
            assert_int_equal(gfunc_msix_count(&b->d.func, v) - before[v], v == i + 1);
        assert_int_equal(isr(b), 0); /* not used by queues: 4.1.5.1.2-d1 */
    }
    before[0] = gfunc_msix_count(&b->d.func, 0);
    echo_resize(b, 1);
    assert_int_equal(gfunc_msix_count(&b->d.func, 0), before[0] + 1);
    assert_int_equal(isr(b), VIRTIO_ISR_CONFIG); /* 4.1.4.5.1-d2 */
    assert_false(line(b) || gfunc_intx_status(&b->d.func));
}

static void msix_shared_vector(struct bench *b)
{
    const uint16_t last = VECTORS - 1;
    uint32_t n;

    init_with(b, true);
    for (unsigned i = 0; i < ECHO_QUEUES; i++)
        assert_int_equal(b->d.ops->vector(&b->d, (int)i, last), last);
    assert_int_equal(b->d.ops->vector(&b->d, DRV_CONFIG, last), last);
    n = gfunc_msix_count(&b->d.func, last);
    for (unsigned i = 0; i < ECHO_QUEUES; i++)
        request(b, i);
    echo_resize(b, 1);
    assert_int_equal(gfunc_msix_count(&b->d.func, last), n + ECHO_QUEUES + 1);
}

static void msix_no_vector(struct bench *b)
{
    init_with(b, true);
    assert_int_equal(b->d.ops->vector(&b->d, 0, VIRTIO_NO_VECTOR), VIRTIO_NO_VECTOR);
    assert_int_equal(b->d.ops->vector(&b->d, DRV_CONFIG, VIRTIO_NO_VECTOR), VIRTIO_NO_VECTOR);
    request(b, 0);
    echo_resize(b, 1);
    for (unsigned v = 0; v < VECTORS; v++)
        assert_int_equal(gfunc_msix_count(&b->d.func, v), 0);
    assert_false(line(b));
}

static void vector_read_back(struct bench *b)
{
    static const uint16_t bad[] = {VECTORS, VECTORS + 1, 0x7ff, 0x800, 0x8000, 0xfffe};

    init_with(b, true);
    for (int q = DRV_CONFIG; q < ECHO_QUEUES; q++) {
        for (uint16_t v = 0; v < VECTORS; v++)
            assert_int_equal(b->d.ops->vector(&b->d, q, v), v);
        for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
            assert_int_equal(b->d.ops->vector(&b->d, q, bad[i]), VIRTIO_NO_VECTOR);
    }
    for (unsigned i = 0; i < ECHO_QUEUES; i++)
        request(b, i);
}

static void P26_no_route_leak(struct bench *b)
{
    struct gfunc *f = &b->d.func;

    init_with(b, true);
    for (unsigned i = 0; i < 3000; i++) {
        const uint64_t at = f->msix_table + (i % VECTORS) * MSIX_ENTRY;

        b->d.ops->vector(&b->d, (int)(i % ECHO_QUEUES), (uint16_t)(i % VECTORS));
        machine_write(b->m, BUS_MMIO, at, 4, MSI_ADDR | (i & 0xff) << 12);
        machine_write(b->m, BUS_MMIO, at + 8, 4, i);
        request(b, i % ECHO_QUEUES);
    }
    assert_in_range(b->m->most_routes, 1, VECTORS);
    bench_init(b);
    echo_works(b, 0, BYTES);
}

/* An address that no interrupt controller answers: lost, and that is all (P25). */
static void P25_wild_message(struct bench *b)
{
    static const uint64_t wild[] = {0, 0x1000, UINT64_C(0x100000000), 0xfffffffc};

    init_with(b, true);
    for (unsigned i = 0; i < ARRAY_SIZE(wild); i++) {
        machine_write(b->m, BUS_MMIO, b->d.func.msix_table + MSIX_ENTRY, 8, wild[i]);
        machine_write(b->m, BUS_MMIO, b->d.func.msix_table + MSIX_ENTRY + 8, 4, 0xffffffff);
        request(b, 0);
    }
    bench_init(b);
    echo_works(b, 0, BYTES);
}

static void P28_masked_vector(struct bench *b)
{
    struct gfunc *f = &b->d.func;
    uint32_t n;

    init_with(b, true);
    n = gfunc_msix_count(f, 1);
    gfunc_msix_entry(f, 1, true);
    for (unsigned i = 0; i < 5; i++)
        request(b, 0);
    assert_int_equal(gfunc_msix_count(f, 1), n);
    assert_true(gfunc_msix_pending(f, 1));
    request(b, 1);
    assert_false(gfunc_msix_pending(f, 2));
    gfunc_msix_entry(f, 1, false);
    assert_int_equal(gfunc_msix_count(f, 1), n + 1); /* exactly one */
    assert_false(gfunc_msix_pending(f, 1));
}

static void P28_function_mask(struct bench *b)
{
    struct gfunc *f = &b->d.func;
    uint32_t n[VECTORS];

    init_with(b, true);
    gfunc_msix_control(f, true, true);
    for (unsigned v = 0; v < VECTORS; v++)
        n[v] = gfunc_msix_count(f, v);
    for (unsigned i = 0; i < 2 * ECHO_QUEUES; i++)
        request(b, i % ECHO_QUEUES);
    echo_resize(b, 9);
    for (unsigned v = 0; v < VECTORS; v++)
        assert_true(gfunc_msix_pending(f, v) && gfunc_msix_count(f, v) == n[v]);
    gfunc_msix_control(f, true, false);
    for (unsigned v = 0; v < VECTORS; v++)
        assert_true(!gfunc_msix_pending(f, v) && gfunc_msix_count(f, v) == n[v] + 1);
}

/* What is pending belongs to the driver's time before the reset: 2.4.1-d2. */
static void pending_dies_with_reset(struct bench *b)
{
    struct gfunc *f = &b->d.func;
    uint32_t n;

    init_with(b, true);
    gfunc_msix_control(f, true, true);
    request(b, 0);
    n = gfunc_msix_count(f, 1);
    drv_reset(&b->d);
    gfunc_msix_control(f, true, false);
    assert_int_equal(gfunc_msix_count(f, 1), n);
}

enum { QUEUE_SELECT = 0x16, QUEUE_RESET = 0x3a }; /* 4.1.4.3 */

static void reset_queue(struct bench *b, unsigned queue)
{
    modern_write(&b->d, VIRTIO_PCI_CAP_COMMON, QUEUE_SELECT, 2, queue);
    modern_write(&b->d, VIRTIO_PCI_CAP_COMMON, QUEUE_RESET, 2, 1);
}

/* The same for one queue, unless others use the vector: 2.6.1.1.1-d2. */
static void pending_dies_with_queue_reset(struct bench *b)
{
    struct gfunc *f = &b->d.func;
    uint32_t n;

    init_with(b, true);
    gfunc_msix_entry(f, 1, true);
    request(b, 0);
    assert_true(gfunc_msix_pending(f, 1));
    reset_queue(b, 0);
    assert_false(gfunc_msix_pending(f, 1));
    n = gfunc_msix_count(f, 1);
    gfunc_msix_entry(f, 1, false);
    assert_int_equal(gfunc_msix_count(f, 1), n);
    drv_queue(&b->d, 0, 0);
    echo_works(b, 0, BYTES);

    gfunc_msix_entry(f, 1, true);
    b->d.ops->vector(&b->d, 0, 1);
    b->d.ops->vector(&b->d, 1, 1);
    request(b, 0);
    reset_queue(b, 0);
    assert_true(gfunc_msix_pending(f, 1));
}

/* What changes after the driver has read it is told at the latest when it is ready. */
static void change_before_driver_ok(struct bench *b)
{
    struct drv *d = &b->d;
    uint32_t n;

    for (unsigned seen = 0; seen < 2; seen++) {
        init_with(b, true);
        n = gfunc_msix_count(&d->func, 0);
        assert_true(drv_negotiate(d, b->want));
        gfunc_msix_control(&d->func, true, false);
        gfunc_msix_entry(&d->func, 0, false);
        assert_int_equal(d->ops->vector(d, DRV_CONFIG, 0), 0);
        if (seen)
            d->ops->config_read(d, ECHO_C_CAPACITY, 4);
        echo_resize(b, 8 + seen);
        assert_int_equal(gfunc_msix_count(&d->func, 0), n);
        d->ops->status_set(d, drv_status(d) | VIRTIO_S_DRIVER_OK);
        machine_settle(b->m);
        assert_int_equal(gfunc_msix_count(&d->func, 0), n + seen);
    }
}

/* MSI-X switched off and on again while it is quiet, and while a reason is there. */
static void msix_toggled(struct bench *b)
{
    struct gfunc *f = &b->d.func;

    init_with(b, true);
    echo_resize(b, 1);
    assert_false(line(b));
    gfunc_msix_control(f, false, false);
    assert_true(line(b)); /* ISR says CONFIG and MSI-X is off: 4.1.4.5.1-d4 */
    gfunc_msix_control(f, true, false);
    assert_false(line(b));
    isr(b);
    gfunc_msix_control(f, false, false);
    assert_false(line(b));
    request(b, 0);
    assert_true(line(b));
    assert_int_equal(isr(b), VIRTIO_ISR_QUEUE);
    gfunc_msix_control(f, true, false);
    echo_works(b, 0, BYTES);
}

/* Kicks while the function may not master the bus: nothing is touched, all is done afterwards. */
static void P19_kick_while_off(struct bench *b)
{
    struct drv *d = &b->d;
    struct dq *q = &d->q[0];
    const uint64_t served = echo_served(b);
    struct used u;
    struct dirq irq;
    static struct chain c;
    const uint64_t at = drv_alloc(d, 2 * BYTES, 64);

    irq = dq_arm(q);
    gfunc_command(&d->func, 0, PCI_CMD_MASTER);
    c.n = 0;
    chain_out(&c, at, BYTES);
    chain_in(&c, at + BYTES, BYTES);
    assert_true(dq_add(q, &c, NULL) >= 0);
    q->ops->publish(q);
    d->ops->kick(d, 0);
    machine_settle(b->m);
    assert_int_equal(echo_served(b), served);
    assert_false(q->ops->used_any(q));
    assert_false(dq_interrupted(q, &irq));
    gfunc_command(&d->func, PCI_CMD_MASTER, 0);
    assert_true(dq_wait(q, &u, WAIT_MS));
    echo_works(b, 0, BYTES);
}

/* Completions while bus mastering is off must not reach memory before it is on again. */
static void P19_completion_while_off(struct bench *b)
{
    struct drv *d = &b->d;
    struct dq *q = &d->q[0];
    struct used u;
    struct dirq irq;
    static struct chain c;
    const uint64_t at = drv_alloc(d, 2 * BYTES, 64);

    echo_set_hold(b, ECHO_HOLD_IO);
    c.n = 0;
    chain_out(&c, at, BYTES);
    chain_in(&c, at + BYTES, BYTES);
    dq_add_kick(q, &c, NULL);
    echo_wait_held(b, 1);
    irq = dq_arm(q);
    gfunc_command(&d->func, 0, PCI_CMD_MASTER);
    echo_release(b, 1);
    machine_settle(b->m);
    assert_false(q->ops->used_any(q));
    assert_false(dq_interrupted(q, &irq));
    echo_set_hold(b, ECHO_AT_ONCE);
    gfunc_command(&d->func, PCI_CMD_MASTER, 0);
    assert_true(dq_wait(q, &u, WAIT_MS));
    echo_works(b, 0, BYTES);
}

/* A message that bus mastering holds back goes out once, later. */
static void P19_message_waits(struct bench *b)
{
    struct gfunc *f = &b->d.func;
    uint32_t n;

    init_with(b, true);
    n = gfunc_msix_count(f, 0);
    gfunc_command(f, 0, PCI_CMD_MASTER);
    echo_resize(b, 1);
    echo_resize(b, 2);
    assert_int_equal(gfunc_msix_count(f, 0), n);
    gfunc_command(f, PCI_CMD_MASTER, 0);
    assert_int_equal(gfunc_msix_count(f, 0), n + 1);
}

/* Before the first bus mastering at all: a driver may set DRIVER_OK first. */
static void P19_driver_ok_first(struct bench *b)
{
    drv_reset(&b->d);
    gfunc_command(&b->d.func, 0, PCI_CMD_MASTER);
    bench_init(b);
    gfunc_command(&b->d.func, PCI_CMD_MASTER, 0);
    echo_works(b, 0, BYTES);
    gfunc_command(&b->d.func, 0, PCI_CMD_MASTER);
    bench_init(b); /* and a reset in between forgets nothing about it */
    machine_settle(b->m);
    gfunc_command(&b->d.func, PCI_CMD_MASTER, 0);
    echo_works(b, 1, BYTES);
}

/* clang-format off */
#define ROW(fn) {#fn, fn, 0, NULL}
#define MODERN(fn) {#fn, fn, BENCH_MODERN, NULL}
/* clang-format on */

int main(void)
{
    static const struct bench_test tests[] = {
        ROW(intx_queue),              /* 4.1.4.5-d1, 4.1.4.5.1-d3..d5, 4.1.5.3-d1 */
        ROW(intx_config),             /* 4.1.5.4-d1 */
        MODERN(isr_accesses),         /* 4.1.4.5.1-d5 */
        ROW(reset_drops_interrupts),  /* 2.4.1-d2 */
        ROW(msix_each_its_own),       /* 4.1.5.1.2-d1, 4.1.5.1.2.1-d1..d3, 4.1.4.5.1-d2 */
        ROW(msix_shared_vector),      /* 4.1.5.1.2.1-d4, d8 */
        ROW(msix_no_vector),          /* 4.1.5.1.2.1-d5, 4.1.5.3.1-d1, 4.1.5.4.1-d1 */
        ROW(vector_read_back),        /* 4.1.5.1.2.1-d6, d9 */
        ROW(msix_toggled),            /* 4.1.4.5.1-d4 */
        ROW(pending_dies_with_reset), /* 2.4.1-d2 */
        MODERN(pending_dies_with_queue_reset),
        MODERN(change_before_driver_ok), /* 3.2.1-d1 */
        MODERN(P19_kick_while_off),
        MODERN(P19_completion_while_off),
        MODERN(P19_message_waits),
        ROW(P19_driver_ok_first),
        ROW(P20_intx_disable), /* 4.1.4.5.1-d4 */
        ROW(P25_wild_message),
        ROW(P26_no_route_leak),
        ROW(P28_masked_vector),
        ROW(P28_function_mask),
    };

    return bench_run("intr", &echo_kind, tests, ARRAY_SIZE(tests));
}
