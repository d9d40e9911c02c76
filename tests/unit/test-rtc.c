// SPDX-License-Identifier: MIT
/* The clock: formats, setting it, memory, X04, H29. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "devices/platform/rtc.h"
#include "vmm/bus/bus.h"

enum { PORT = 0x70 };
enum { SEC, SEC_ALARM, MIN, MIN_ALARM, HOUR, HOUR_ALARM, WDAY, MDAY, MONTH, YEAR, A, B, C, D };

static struct timespec wall;

static void fake_now(struct timespec *ts)
{
    *ts = wall;
}

struct rig {
    struct bus *bus;
    struct loop *loop;
    struct rtc *rtc;
};

static int setup(void **state)
{
    const struct rtc_config config = {.port = PORT, .now = fake_now};
    struct rig *r = calloc(1, sizeof(*r));

    wall = (struct timespec){.tv_sec = 951782399}; /* Mon 2000-02-28 23:59:59 UTC */
    r->bus = bus_new(NULL);
    r->loop = loop_new("test", NULL);
    r->rtc = rtc_new(r->bus, r->loop, &config, NULL);
    assert_non_null(r->rtc);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;

    rtc_free(r->rtc);
    loop_free(r->loop);
    bus_free(r->bus);
    free(r);
    return 0;
}

static void port_out(struct rig *r, unsigned port, unsigned value)
{
    const uint8_t v = (uint8_t)value;

    assert_true(bus_write(r->bus, BUS_PIO, PORT + port, &v, 1));
}

static uint8_t get(struct rig *r, unsigned index)
{
    uint8_t v = 0x5a;

    port_out(r, 0, index);
    assert_true(bus_read(r->bus, BUS_PIO, PORT + 1, &v, 1));
    return v;
}

static void set(struct rig *r, unsigned index, unsigned value)
{
    port_out(r, 0, index);
    port_out(r, 1, value);
}

static void assert_time(struct rig *r, const uint8_t want[8])
{
    static const uint8_t regs[8] = {SEC, MIN, HOUR, WDAY, MDAY, MONTH, YEAR, RTC_CENTURY};

    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(get(r, regs[i]), want[i]);
}

static void test_formats(void **state)
{
    struct rig *r = *state;

    assert_int_equal(get(r, B), 0x02);
    assert_int_equal(get(r, D), 0x80);
    assert_time(r, (uint8_t[]){0x59, 0x59, 0x23, 0x02, 0x28, 0x02, 0x00, 0x20});
    set(r, B, 0x06);
    assert_time(r, (uint8_t[]){59, 59, 23, 2, 28, 2, 0, 20});
    set(r, B, 0x00);
    assert_int_equal(get(r, HOUR), 0x91); /* 11 pm, BCD */
    wall.tv_sec++;
    assert_int_equal(get(r, HOUR), 0x12); /* midnight */
    assert_int_equal(get(r, MDAY), 0x29); /* a leap year */
    wall.tv_sec += 12 * 3600;
    assert_int_equal(get(r, HOUR), 0x92); /* noon */
    set(r, B, 0x04);
    assert_int_equal(get(r, HOUR), 0x8c);
}

/* H29: only what is read moves. */
static void test_wall_clock_jumps(void **state)
{
    struct rig *r = *state;

    wall.tv_sec += 86400;
    assert_int_equal(get(r, MDAY), 0x29);
    wall.tv_sec -= 2 * 86400;
    assert_int_equal(get(r, MDAY), 0x27);
}

/* While it says that no update is near, there are 244 microseconds left to read the time. */
static void test_update_in_progress(void **state)
{
    struct rig *r = *state;

    assert_int_equal(get(r, A), 0x26);
    wall.tv_nsec = 999000000;
    assert_int_equal(get(r, A), 0x26);
    wall.tv_nsec = 999800000;
    assert_int_equal(get(r, A), 0xa6);
    set(r, A, 0xff);
    wall.tv_nsec = 0;
    assert_int_equal(get(r, A), 0x7f);
    wall.tv_nsec = 999800000;
    set(r, B, 0x82);
    assert_int_equal(get(r, A), 0x7f);
}

static void test_set_time(void **state)
{
    static const uint8_t want[8] = {0x00, 0x30, 0x12, 0x07, 0x31, 0x12, 0x33, 0x20};
    static const uint8_t regs[8] = {SEC, MIN, HOUR, WDAY, MDAY, MONTH, YEAR, RTC_CENTURY};
    struct rig *r = *state;

    set(r, B, 0x82);
    wall.tv_sec += 100;
    assert_int_equal(get(r, SEC), 0x59); /* stands still */
    for (unsigned i = 0; i < 8; i++)
        set(r, regs[i], want[i]);
    set(r, B, 0x02);
    assert_time(r, want); /* Saturday, worked out from the date */
    wall.tv_sec += 61;
    assert_int_equal(get(r, SEC), 0x01);
    assert_int_equal(get(r, MIN), 0x31);
    set(r, SEC, 0x10); /* running */
    assert_int_equal(get(r, SEC), 0x10);
    assert_int_equal(get(r, MIN), 0x31);
    loop_lock(r->loop);
    rtc_reset(r->rtc);
    loop_unlock(r->loop);
    assert_int_equal(get(r, YEAR), 0x33); /* the battery */
}

static void test_memory_and_index(void **state)
{
    struct rig *r = *state;

    for (unsigned i = 0x0e; i < 0x80; i++)
        if (i != RTC_CENTURY)
            set(r, i, i ^ 0x55);
    for (unsigned i = 0x0e; i < 0x80; i++)
        if (i != RTC_CENTURY)
            assert_int_equal(get(r, i | 0x80), i ^ 0x55);
    set(r, HOUR_ALARM, 0x11);
    assert_int_equal(get(r, HOUR_ALARM), 0x11);
    set(r, C, 0xff);
    set(r, D, 0xff);
    assert_int_equal(get(r, C), 0);
    assert_int_equal(get(r, D), 0x80);
    set(r, B, 0x72);
    loop_lock(r->loop);
    rtc_reset(r->rtc);
    loop_unlock(r->loop);
    assert_int_equal(get(r, B), 0x02);
}

static void test_nonsense(void **state)
{
    struct rig *r = *state;
    uint8_t data[4] = {0x32, 0xff, 0xff, 0xff};

    assert_false(bus_write(r->bus, BUS_PIO, PORT, data, 4));
    assert_true(bus_write(r->bus, BUS_PIO, PORT, data, 2));
    assert_true(bus_read(r->bus, BUS_PIO, PORT, data, 2));
    assert_int_equal(data[0], 0xff);
    assert_int_equal(data[1], 0xff);
    assert_true(bus_read(r->bus, BUS_PIO, PORT, data, 1));
    assert_int_equal(data[0], 0xff);
    for (unsigned seed = 1, i = 0; i < 200000; i++) {
        seed = seed * 1103515245 + 12345;
        if (seed >> 30)
            set(r, seed >> 16 & 0xff, seed >> 8 & 0xff);
        else
            get(r, seed >> 16 & 0xff);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_formats, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wall_clock_jumps, setup, teardown),
        cmocka_unit_test_setup_teardown(test_update_in_progress, setup, teardown),
        cmocka_unit_test_setup_teardown(test_set_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory_and_index, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nonsense, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
