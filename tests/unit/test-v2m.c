// SPDX-License-Identifier: MIT
/* The v2m frame: what drivers read of it, and that a processor's write becomes the message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "devices/platform/v2m.h"
#include "tests/unit/fake-bus.h"

#define BASE UINT64_C(0x08020000)

enum { FIRST = 64, COUNT = 128, TYPER = 8, SETSPI = 0x40, IIDR = 0xfcc };

static uint32_t in(struct bus *bus, unsigned reg)
{
    uint32_t v = 0x5a5a5a5a;

    assert_true(bus_read(bus, BUS_MMIO, BASE + reg, &v, sizeof(v)));
    return v;
}

static void test_frame(void **state)
{
    const struct v2m_config config = {.base = BASE, .first = FIRST, .count = COUNT};
    const uint32_t intid = FIRST + 3;
    struct loop *loop = loop_new("test", NULL);
    struct bus *bus = bus_new(NULL);
    struct fake_irq irq;
    struct irqs *irqs = fake_irqs_new(&irq);
    struct v2m *v2m = v2m_new(bus, irqs, loop, &config, NULL);

    (void)state;
    assert_non_null(v2m);
    assert_int_equal(in(bus, TYPER), FIRST << 16 | COUNT);
    assert_int_equal(in(bus, SETSPI), 0);
    assert_int_equal(in(bus, IIDR), 0);
    assert_true(bus_write(bus, BUS_MMIO, BASE + TYPER, &intid, 4));
    assert_int_equal(in(bus, TYPER), FIRST << 16 | COUNT);
    assert_int_equal(fake_taken(&irq, BASE + SETSPI, intid), 0);
    assert_true(bus_write(bus, BUS_MMIO, BASE + SETSPI, &intid, 4));
    assert_int_equal(fake_taken(&irq, BASE + SETSPI, intid), 1);
    v2m_free(v2m);
    v2m_free(NULL);
    assert_int_equal(fake_routes(&irq), 0);
    loop_free(loop);
    bus_free(bus);
    irqs_free(irqs);
}

/* Where no route can be had it is sent at once. */
static void test_without_routes(void **state)
{
    const struct v2m_config config = {.base = BASE, .first = FIRST, .count = COUNT};
    const uint32_t intid = FIRST;
    struct loop *loop = loop_new("test", NULL);
    struct bus *bus = bus_new(NULL);
    struct fake_irq irq;
    struct irqs *irqs = fake_irqs_new(&irq);
    struct v2m *v2m = v2m_new(bus, irqs, loop, &config, NULL);

    (void)state;
    irq.no_routes = true;
    assert_true(bus_write(bus, BUS_MMIO, BASE + SETSPI, &intid, 4));
    assert_int_equal(irq.sends, 1);
    assert_int_equal(irq.sent_data, FIRST);
    assert_true(irq.sent_addr == BASE + SETSPI);
    v2m_free(v2m);
    loop_free(loop);
    bus_free(bus);
    irqs_free(irqs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frame),
        cmocka_unit_test(test_without_routes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
