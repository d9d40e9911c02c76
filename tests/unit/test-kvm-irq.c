// SPDX-License-Identifier: MIT
/*
 * Interrupts on a real /dev/kvm: lines, messages, routes.
 */
#include "tests/unit/kvm-rig.h"

/* PICs masked, local APIC on, IOAPIC pin 16 level-triggered to vector 0x40; MSI is vector 0x41. */
GUEST(irq, ".code32\n"
           "lidt 0x2000\n"
           "mov $0xff, %al\nout %al, $0x21\nout %al, $0xa1\n"
           "movl $0x1ff, 0xfee000f0\n"
           "movl $0x31, 0xfec00000\nmovl $0, 0xfec00010\n"
           "movl $0x30, 0xfec00000\nmovl $0x8040, 0xfec00010\n"
           "sti\n" G_DONE "1: hlt\njmp 1b\n");
/* Handlers wait for the next interrupt where they are: IRET is beyond an emulating KVM. */
GUEST(irq_line, ".code32\n"
                "mov $0x5f8, %dx\nout %al, %dx\n" /* lowers the rig's pin */
                "movl $0, 0xfee000b0\n"
                "add $12, %esp\nsti\nmov $0x40, %al\n" G_DONE "1: hlt\njmp 1b\n");
GUEST(irq_msi, ".code32\n"
               "movl $0, 0xfee000b0\n"
               "add $12, %esp\nsti\nmov $0x41, %al\n" G_DONE "1: hlt\njmp 1b\n");

static void gate(struct rig *rig, unsigned vector, uint32_t handler)
{
    const uint16_t words[] = {(uint16_t)handler, 8, 0x8e00, (uint16_t)(handler >> 16)};

    rig_poke(rig, RIG_IDT + vector * 8, words, sizeof(words));
}

static void irq_open(struct rig *rig)
{
    static const struct __attribute__((packed)) {
        uint16_t limit;
        uint32_t base;
    } idtr = {0x7ff, RIG_IDT};

    rig_open(rig, 1);
    RIG_LOAD(rig, RIG_CODE, irq);
    RIG_LOAD(rig, 0x11000, irq_line);
    RIG_LOAD(rig, 0x12000, irq_msi);
    rig_poke(rig, 0x2000, &idtr, sizeof(idtr));
    gate(rig, 0x40, 0x11000);
    gate(rig, 0x41, 0x12000);
    rig_aim(rig, false, RIG_CODE);
    vcpus_resume(rig->vcpus);
    rig_wait(rig);
    rig_log_clear(rig);
}

/*
 * Wait for the handler that says value, then for silence: an emulating KVM (LAB.md) delivers some
 * interrupts a second time, as real controllers may, and drivers must bear it.
 */
static void expect_irq(struct rig *rig, uint64_t value)
{
    unsigned n = 0;

    rig_wait(rig);
    while (rig_sem_wait(&rig->done, 5))
        assert_true(++n < 10);
    n = rig_logged(rig);
    assert_true(n > 0);
    assert_int_equal(rig->log[n - 1].off, RIG_DONE);
    assert_int_equal(rig->log[n - 1].value, value);
    rig_log_clear(rig);
}

static void expect_silence(struct rig *rig)
{
    assert_false(rig_sem_wait(&rig->done, 50));
}

static void test_line(void **state)
{
    struct rig rig;

    (void)state;
    irq_open(&rig);
    for (unsigned i = 0; i < 100; i++) { /* from HLT, each time */
        rig_pin(&rig, true);             /* the handler's write to 0xf8 lowers it */
        expect_irq(&rig, 0x40);
    }
    expect_silence(&rig); /* down: no more */
    rig_close(&rig);
}

/* A level: as long as the pin is up every end of interrupt is followed by another one. */
static void test_line_stays(void **state)
{
    struct irq_pin other;
    struct rig rig;

    (void)state;
    irq_open(&rig);
    other = rig.pin;
    irq_pin_set(&other, true);
    for (unsigned i = 0; i < 10; i++)
        rig_wait(&rig);
    irq_pin_set(&other, false);
    while (rig_sem_wait(&rig.done, 200))
        ;
    rig_close(&rig);
}

static void test_msi(void **state)
{
    struct irq_msi msi;
    struct rig rig;

    (void)state;
    irq_open(&rig);
    irq_msi_init(&msi, rig.irqs);
    irq_msi_set(&msi, 0xfee00000, 0x41);
    for (unsigned i = 0; i < 100; i++) {
        irq_msi_fire(&msi);
        expect_irq(&rig, 0x41);
    }
    assert_int_equal(irqchip_routes(rig.chip), 1);
    irq_msi_set(&msi, 0xd0000000, 0x41); /* P25: silently lost */
    irq_msi_fire(&msi);
    expect_silence(&rig);
    irq_msi_set(&msi, 0x1fee00000, 0x41);
    irq_msi_fire(&msi);
    expect_silence(&rig);
    irq_msi_set(&msi, 0xfee00000, 0xffff8041); /* reserved bits and level: no harm */
    irq_msi_fire(&msi);
    while (rig_sem_wait(&rig.done, 50))
        ;
    irq_msi_set(&msi, 0xfee00000, 0x41); /* and sound again */
    irq_msi_fire(&msi);
    expect_irq(&rig, 0x41);
    irq_msi_done(&msi);
    assert_int_equal(irqchip_routes(rig.chip), 0);
    rig_close(&rig);
}

/* Without a route: sent at once. */
static void test_send(void **state)
{
    struct irq_ops ops;
    struct rig rig;

    (void)state;
    irq_open(&rig);
    irqchip_ops(rig.chip, &ops);
    ops.send(ops.ctx, 0xfee00000, 0x41, 0);
    expect_irq(&rig, 0x41);
    ops.send(ops.ctx, 0xfec00000, 0x41, 0);
    ops.send(ops.ctx, UINT64_MAX, 0x41, 0);
    expect_silence(&rig);
    rig_close(&rig);
}

/* More routes than the table first has room for, freed in another order, all of them given back. */
static void test_routes(void **state)
{
    enum { MANY = 300 };
    int route[MANY];
    struct irq_ops ops;
    struct rig rig;

    (void)state;
    irq_open(&rig);
    irqchip_ops(rig.chip, &ops);
    for (unsigned i = 0; i < MANY; i++) {
        route[i] = -1;
        assert_int_equal(ops.route(ops.ctx, &route[i], 0xfee00000, 0x41, 0), 0);
        assert_true(route[i] >= 32);
    }
    assert_int_equal(irqchip_routes(rig.chip), MANY);
    for (unsigned i = 0; i < MANY; i += 2)
        ops.unroute(ops.ctx, route[i]);
    for (unsigned i = 0; i < MANY; i += 2) {
        int again = -1;

        assert_int_equal(ops.route(ops.ctx, &again, 0xfee00000, 0x41, 0), 0);
        assert_true(again < 32 + MANY); /* a freed one */
        route[i] = again;
    }
    rig_pin(&rig, true); /* lines have survived all that */
    rig_wait(&rig);
    for (unsigned i = 0; i < MANY; i++)
        ops.unroute(ops.ctx, route[i]);
    ops.unroute(ops.ctx, route[0]); /* twice, or never had: nothing */
    ops.unroute(ops.ctx, -1);
    ops.unroute(ops.ctx, 1 << 20);
    rig_close(&rig);
}

/* The end of KVM's table is an error, not a crash; what existed goes on. */
static void test_routes_full(void **state)
{
    static int route[5000];
    struct irq_ops ops;
    struct rig rig;
    unsigned n = 0;

    (void)state;
    irq_open(&rig);
    irqchip_ops(rig.chip, &ops);
    log_set_level(LOG_ERROR);
    for (; n < ARRAY_SIZE(route); n++) {
        route[n] = -1;
        if (ops.route(ops.ctx, &route[n], 0xfeeff000, 0, 0))
            break;
    }
    assert_in_range(n, 500, 4096);
    assert_int_equal(route[n], -1);
    rig_pin(&rig, true);
    rig_wait(&rig);
    while (n)
        ops.unroute(ops.ctx, route[--n]);
    rig_close(&rig);
}

static void test_msi_form(void **state)
{
    struct arch_msi msi;

    (void)state;
    assert_true(arch_msi_make(0xfee01ff8, 0x4041, false, &msi));
    assert_int_equal(msi.address_lo, 0xfee01ff8);
    assert_int_equal(msi.address_hi, 0);
    assert_int_equal(msi.data, 0x4041);
    assert_true(arch_msi_make(0xfee01ff8, 0x4041, true, &msi));
    assert_int_equal(msi.address_lo, 0xfee01018);
    assert_int_equal(msi.address_hi, 0x7f00);
    assert_false(arch_msi_make(0xfed00000, 0, false, &msi));
    assert_false(arch_msi_make(0xfef00000, 0, false, &msi));
    assert_false(arch_msi_make(0x1fee00000, 0, false, &msi));
    assert_false(arch_msi_ext_dest(255));
    assert_true(arch_msi_ext_dest(256));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_msi_form),    cmocka_unit_test(test_line),
        cmocka_unit_test(test_line_stays),  cmocka_unit_test(test_msi),
        cmocka_unit_test(test_send),        cmocka_unit_test(test_routes),
        cmocka_unit_test(test_routes_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
