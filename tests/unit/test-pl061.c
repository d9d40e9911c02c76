// SPDX-License-Identifier: MIT
/* The GPIO block: masked data, both kinds of interrupts, and the power key as gpio-keys uses it. */
#include "devices/platform/pl061.h"
#include "tests/unit/platform-rig.h"

#define BASE UINT64_C(0x09020000)

enum { GSI = 3, LINE = 3, KEY = 1 << LINE, ALL = 0x3fc };
enum { DIR = 0x400, IS = 0x404, IBE = 0x408, IEV = 0x40c, IE = 0x410, RIS = 0x414, MIS = 0x418 };
enum { IC = 0x41c, ID0 = 0xfe0, ID1 = 0xfe4, CELL0 = 0xff0, CELL3 = 0xffc };

static struct pl061 *gpio;

static int setup(void **state)
{
    const struct pl061_config config = {.base = BASE, .gsi = GSI, .key = LINE};
    struct rig *r = rig_new();

    gpio = pl061_new(r->bus, r->irqs, r->loop, &config, NULL);
    assert_non_null(gpio);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    pl061_free(gpio);
    rig_free(*state, GSI);
    return 0;
}

static uint32_t in(struct rig *r, unsigned reg)
{
    return rig_in(r, BASE + reg);
}

static void out(struct rig *r, unsigned reg, uint32_t v)
{
    rig_out(r, BASE + reg, v);
}

static void press(struct rig *r)
{
    loop_lock(r->loop);
    pl061_press(gpio);
    loop_unlock(r->loop);
}

/* What the AMBA bus of Linux reads to find the driver. */
static void test_identity(void **state)
{
    struct rig *r = *state;

    assert_int_equal(in(r, ID0), 0x61);
    assert_int_equal(in(r, ID1), 0x10);
    assert_int_equal(in(r, CELL0), 0x0d);
    assert_int_equal(in(r, CELL3), 0xb1);
    out(r, ID0, 0);
    assert_int_equal(in(r, ID0), 0x61);
}

/* Address bits 2 to 9 choose the lines that a write changes and a read shows. */
static void test_masked_data(void **state)
{
    struct rig *r = *state;

    out(r, DIR, 0xf0);
    out(r, ALL, 0xff);
    assert_int_equal(in(r, ALL), 0xf0);
    out(r, 0x10 << 2, 0);
    assert_int_equal(in(r, ALL), 0xe0);
    assert_int_equal(in(r, 0x20 << 2), 0x20);
    assert_int_equal(in(r, 0), 0);
    press(r);
    assert_int_equal(in(r, ALL), 0xe0 | KEY);
    out(r, KEY << 2, 0); /* an input */
    assert_int_equal(in(r, KEY << 2), KEY);
}

/* Both edges, as gpio-keys asks: a press, and its end after a while. */
static void test_key_edges(void **state)
{
    struct rig *r = *state;

    press(r);
    assert_false(r->irq.level[GSI]);
    loop_start(r->loop, NULL);
    out(r, IBE, KEY);
    out(r, IC, 0xff);
    out(r, IE, KEY);
    for (unsigned i = 0; i < 1000 && !r->irq.level[GSI]; i++)
        usleep(5000);
    loop_stop(r->loop);
    assert_true(r->irq.level[GSI]); /* it is up again */
    assert_int_equal(in(r, ALL), 0);
    assert_int_equal(in(r, MIS), KEY);
    out(r, IC, KEY);
    assert_int_equal(in(r, RIS), 0);
    assert_false(r->irq.level[GSI]);
    press(r);
    assert_true(r->irq.level[GSI]);
    out(r, IE, 0);
    assert_false(r->irq.level[GSI]);
    assert_int_equal(in(r, RIS), KEY);
    assert_int_equal(in(r, MIS), 0);
}

static void test_one_edge(void **state)
{
    struct rig *r = *state;

    out(r, IE, KEY);
    press(r); /* falling edges count after power-on */
    assert_int_equal(in(r, RIS), 0);
    loop_lock(r->loop);
    pl061_reset(gpio);
    loop_unlock(r->loop);
    out(r, IEV, KEY);
    out(r, IE, KEY);
    press(r);
    assert_int_equal(in(r, RIS), KEY);
    assert_true(r->irq.level[GSI]);
}

static void test_levels(void **state)
{
    struct rig *r = *state;

    out(r, IS, 0xff);
    out(r, IEV, 0xff);
    out(r, IE, KEY);
    assert_false(r->irq.level[GSI]);
    press(r);
    assert_true(r->irq.level[GSI]);
    out(r, IC, 0xff); /* clears no level */
    assert_true(r->irq.level[GSI]);
    out(r, IEV, 0);
    assert_false(r->irq.level[GSI]);
    loop_lock(r->loop);
    pl061_reset(gpio);
    loop_unlock(r->loop);
    assert_int_equal(in(r, ALL), 0);
    assert_int_equal(in(r, IS), 0);
}

/* Bytes, odd addresses, wide accesses: nothing happens, and nothing is read that is not there. */
static void test_odd_accesses(void **state)
{
    struct rig *r = *state;
    uint8_t wide[8] = {1, 2, 3, 4, 5, 6, 7, 8}, byte = 0xff;

    out(r, DIR, 0x0f);
    bus_write(r->bus, BUS_MMIO, BASE + DIR + 1, &byte, 1);
    bus_write(r->bus, BUS_MMIO, BASE + DIR, wide, sizeof(wide));
    assert_int_equal(in(r, DIR), 0x0f);
    bus_read(r->bus, BUS_MMIO, BASE + DIR, wide, sizeof(wide));
    assert_memory_equal(wide, "\0\0\0\0\0\0\0\0", sizeof(wide));
    assert_int_equal(in(r, 0x424), 0);
    out(r, 0x424, 0xffffffff);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {T(test_identity), T(test_masked_data), T(test_key_edges),
                                       T(test_one_edge), T(test_levels),      T(test_odd_accesses)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
