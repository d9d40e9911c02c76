// SPDX-License-Identifier: MIT
/* Ports in memory: what is written there arrives at the port, at every width, and nowhere else. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/bus/pio-window.h"

#define BASE UINT64_C(0x3eff0000)

enum { PORT = 0x1000, PORTS = 8, ALL = 0x10000 };

struct device {
    uint8_t byte[PORTS];
    unsigned reads, writes, last_len;
};

static void device_read(void *ctx, uint64_t off, void *data, unsigned len)
{
    struct device *d = ctx;

    d->reads++;
    memcpy(data, d->byte + off, len);
}

static void device_write(void *ctx, uint64_t off, const void *data, unsigned len)
{
    struct device *d = ctx;

    d->writes++;
    d->last_len = len;
    memcpy(d->byte + off, data, len);
}

static const struct bus_ops device_ops = {device_read, device_write};

struct rig {
    struct bus *bus;
    struct pio_window *window;
    struct device device;
    struct bus_claim claim;
};

static void rig_make(struct rig *r, uint64_t port)
{
    memset(r, 0, sizeof(*r));
    r->bus = bus_new(NULL);
    r->window = pio_window_new(r->bus, BASE, NULL);
    assert_non_null(r->window);
    r->claim = (struct bus_claim){.name = "device",
                                  .space = BUS_PIO,
                                  .prio = BUS_PRIO_PLATFORM,
                                  .size = PORTS,
                                  .ops = &device_ops,
                                  .ctx = &r->device};
    assert_int_equal(bus_map(r->bus, &r->claim, port), 0);
}

static void rig_free(struct rig *r)
{
    bus_unmap(r->bus, &r->claim);
    pio_window_free(r->window);
    bus_free(r->bus);
}

static void test_widths(void **state)
{
    static const uint8_t pattern[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    struct rig r;

    (void)state;
    rig_make(&r, PORT);
    for (unsigned len = 1; len <= 4; len *= 2) {
        uint8_t back[4] = {0};

        assert_true(bus_write(r.bus, BUS_MMIO, BASE + PORT + 4, pattern, len));
        assert_int_equal(r.device.last_len, len);
        assert_memory_equal(r.device.byte + 4, pattern, len);
        assert_true(bus_read(r.bus, BUS_MMIO, BASE + PORT + 4, back, len));
        assert_memory_equal(back, pattern, len);
    }
    assert_int_equal(r.device.byte[0], 0);
    rig_free(&r);
}

/* The first port and the last are in it; what nobody answers reads as ones, as on a bus. */
static void test_ends(void **state)
{
    static const uint64_t port[] = {0, ALL - PORTS};
    uint8_t byte = 0x77, none[4] = {0};
    struct rig r;

    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        rig_make(&r, port[i]);
        assert_true(bus_write(r.bus, BUS_MMIO, BASE + port[i] + PORTS - 1, &byte, 1));
        assert_int_equal(r.device.byte[PORTS - 1], byte);
        bus_read(r.bus, BUS_MMIO, BASE + 0x4000, none, sizeof(none));
        assert_memory_equal(none, "\xff\xff\xff\xff", sizeof(none));
        assert_int_equal(r.device.reads, 0);
        assert_false(bus_write(r.bus, BUS_MMIO, BASE + ALL, &byte, 1));
        assert_false(bus_write(r.bus, BUS_MMIO, BASE - 1, &byte, 1));
        assert_int_equal(r.device.writes, 1);
        rig_free(&r);
    }
}

static void test_place(void **state)
{
    struct bus *bus = bus_new(NULL);
    struct pio_window *first = pio_window_new(bus, BASE, NULL);
    struct err err = {""};

    (void)state;
    assert_non_null(first);
    assert_null(pio_window_new(bus, UINT64_MAX - 1, &err));
    assert_non_null(strstr(err.text, "cannot place the window of ports"));
    pio_window_free(first);
    pio_window_free(NULL);
    bus_free(bus);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_widths),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
