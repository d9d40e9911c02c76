// SPDX-License-Identifier: MIT
/* Power registers: power-off, the three ways to a reset, the button, X07, X10. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

#include "devices/platform/pm.h"
#include "tests/unit/fake-bus.h"
#include "vmm/bus/pcihost.h"

enum { SLEEP = 0x600, STATUS = 0x601, RESET = 0xcf9, KEYBOARD = 0x64, GSI = 9, S5 = 5 };

struct rig {
    struct fake_irq irq;
    struct irqs *irqs;
    struct bus *bus;
    struct loop *loop;
    struct pm *pm;
    unsigned offs, resets;
};

/* The lock must be free: what is to be done may stop the loop. */
static void on_power_off(void *arg)
{
    struct rig *r = arg;

    loop_lock(r->loop);
    r->offs++;
    loop_unlock(r->loop);
}

static void on_reset(void *arg)
{
    struct rig *r = arg;

    loop_lock(r->loop);
    r->resets++;
    loop_unlock(r->loop);
}

static int setup(void **state)
{
    struct rig *r = calloc(1, sizeof(*r));
    const struct pm_config config = {
        .sleep_control_port = SLEEP,
        .sleep_status_port = STATUS,
        .s5_type = S5,
        .reset_port = RESET,
        .keyboard_port = KEYBOARD,
        .power_gsi = GSI,
        .power_off = on_power_off,
        .reset = on_reset,
        .arg = r,
    };

    r->irqs = fake_irqs_new(&r->irq);
    r->bus = bus_new(NULL);
    r->loop = loop_new("test", NULL);
    r->pm = pm_new(r->bus, r->irqs, r->loop, &config, NULL);
    assert_non_null(r->pm);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;

    pm_free(r->pm);
    loop_free(r->loop);
    bus_free(r->bus);
    irqs_free(r->irqs);
    free(r);
    return 0;
}

static uint8_t in(struct rig *r, unsigned port)
{
    uint8_t v = 0x5a;

    assert_true(bus_read(r->bus, BUS_PIO, port, &v, 1));
    return v;
}

static void out(struct rig *r, unsigned port, unsigned value)
{
    const uint8_t v = (uint8_t)value;

    assert_true(bus_write(r->bus, BUS_PIO, port, &v, 1));
}

/* X07: only the type that we say means off does anything. */
static void test_sleep(void **state)
{
    struct rig *r = *state;

    for (unsigned type = 0; type < 8; type++) {
        out(r, SLEEP, type << 2);
        assert_int_equal(in(r, SLEEP), type << 2);
        assert_int_equal(r->offs, 0);
        if (type != S5)
            out(r, SLEEP, type << 2 | 0x20);
    }
    assert_int_equal(r->offs, 0);
    out(r, STATUS, 0xff);
    assert_int_equal(in(r, STATUS), 0);
    out(r, SLEEP, S5 << 2 | 0x20);
    assert_int_equal(r->offs, 1);
    assert_int_equal(in(r, SLEEP) & 0x20, 0);
    assert_int_equal(r->resets, 0);
}

/* X10: only "reset the CPU" together with "reset the system" resets. */
static void test_reset_control(void **state)
{
    struct rig *r = *state;
    unsigned want = 0;

    for (unsigned v = 0; v < 256; v++) {
        out(r, RESET, v);
        want += (v & 6) == 6;
        assert_int_equal(r->resets, want);
        assert_int_equal(in(r, RESET), v & 0x0a);
    }
    out(r, RESET, 0x02);
    out(r, RESET, 0x0e);
    assert_int_equal(r->resets, want + 1);
    loop_lock(r->loop);
    pm_reset(r->pm);
    loop_unlock(r->loop);
    assert_int_equal(in(r, RESET), 0);
}

static void test_keyboard_pulse(void **state)
{
    struct rig *r = *state;

    for (unsigned v = 0; v < 256; v++)
        if (v != 0xfe)
            out(r, KEYBOARD, v);
    assert_int_equal(r->resets, 0);
    assert_int_equal(in(r, KEYBOARD), 0);
    out(r, KEYBOARD, 0xfe);
    assert_int_equal(r->resets, 1);
}

static void test_button_is_a_pulse(void **state)
{
    struct rig *r = *state;

    for (unsigned i = 1; i <= 3; i++) {
        loop_lock(r->loop);
        pm_power_button(r->pm);
        loop_unlock(r->loop);
        assert_int_equal(r->irq.line_calls, 2 * i);
        assert_false(r->irq.level[GSI]);
    }
}

static void test_widths(void **state)
{
    static const unsigned port[] = {SLEEP, STATUS, RESET, KEYBOARD};
    struct rig *r = *state;
    const uint8_t bad[4] = {0xfe, 0x36, 0x06, 0xff};

    for (unsigned i = 0; i < 4; i++)
        for (unsigned len = 2; len <= 4; len += 2)
            assert_false(bus_write(r->bus, BUS_PIO, port[i], bad, len));
    assert_int_equal(r->offs + r->resets, 0);
}

/* The reset register lies inside the host bridge's address register, in whatever order they come.
 */
static void test_beside_the_host_bridge(void **state)
{
    const struct pci_layout layout = {
        .mem32_base = 0xc0000000, .mem32_size = 0x10000000, .io_base = 0x1000, .io_size = 0xf000};
    struct rig *r = *state;
    struct pci_root *root = pci_root_new(r->bus, r->irqs, &layout);
    struct pcihost *host = pcihost_new(root, r->bus, r->loop, 0xe8000000, true, NULL);
    uint32_t v = 0x80000000;

    assert_non_null(host);
    assert_true(bus_write(r->bus, BUS_PIO, 0xcf8, &v, 4));
    v = 0;
    assert_true(bus_read(r->bus, BUS_PIO, 0xcf8, &v, 4));
    assert_int_equal(v, 0x80000000);
    assert_true(bus_read(r->bus, BUS_PIO, 0xcfc, &v, 4));
    assert_int_not_equal(v, UINT32_MAX);
    out(r, RESET, 6);
    assert_int_equal(r->resets, 1);
    pcihost_free(host);
    pci_root_free(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sleep, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reset_control, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keyboard_pulse, setup, teardown),
        cmocka_unit_test_setup_teardown(test_button_is_a_pulse, setup, teardown),
        cmocka_unit_test_setup_teardown(test_widths, setup, teardown),
        cmocka_unit_test_setup_teardown(test_beside_the_host_bridge, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
