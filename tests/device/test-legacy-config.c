// SPDX-License-Identifier: MIT
/*
 * Accesses to the I/O BAR of virtio 0.9: device configuration of any width at a place that moves,
 * accesses across registers, writes at any time, and the BAR itself at bad places.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/driver/echo.h"
#include "vmm/base/bits.h"

/* Registers (4.1.4.10). */
enum {
    PFN = 0x08,
    SIZE = 0x0c,
    SELECT = 0x0e,
    NOTIFY = 0x10,
    STATUS = 0x12,
    ISR = 0x13,
    CONFIG_INTX = 0x14,
    CONFIG_MSIX = 0x18,
    BYTES = 100,
};

static uint64_t get(struct bench *b, unsigned off, unsigned len)
{
    return legacy_read(&b->d, off, len);
}

static void set(struct bench *b, unsigned off, unsigned len, uint64_t v)
{
    legacy_write(&b->d, off, len, v);
}

static void msix(struct bench *b, bool on)
{
    gfunc_msix_control(&b->d.func, on, false);
}

static void works(struct bench *b)
{
    for (unsigned i = 0; i < b->d.n_queues; i++)
        echo_works(b, i, BYTES);
}

static void recovers(struct bench *b)
{
    bench_init(b);
    works(b);
}

static uint64_t config(struct bench *b, unsigned off, unsigned len)
{
    return b->d.ops->config_read(&b->d, off, len);
}

/* The bytes that a value of this guest has in memory. */
static void bytes_of(struct bench *b, uint64_t v, unsigned len, uint8_t *bytes)
{
    order_store(b->d.order, bytes, len, v);
}

/* L10, 4.1.4.10-l8, l9: any width gives what the natural one does. */
static void L10_any_width(struct bench *b)
{
    uint8_t whole[16], part[16];

    bytes_of(b, ECHO_CAPACITY, 8, whole);
    bytes_of(b, ECHO_NUMBER, 4, whole + 8);
    bytes_of(b, 0xd00d, 2, whole + 12);
    whole[14] = 0x5a;
    whole[15] = 0;
    for (unsigned on = 0; on < 2; on++) {
        const unsigned base = on ? CONFIG_MSIX : CONFIG_INTX;

        msix(b, on);
        assert_int_equal(config(b, ECHO_C_CAPACITY, 8), ECHO_CAPACITY);
        assert_int_equal(config(b, ECHO_C_NUMBER, 4), ECHO_NUMBER);
        for (unsigned len = 1; len <= 4; len *= 2)
            for (unsigned off = 0; off + len <= sizeof(whole); off++) {
                order_store(ORDER_LITTLE, part, len, get(b, base + off, len));
                assert_memory_equal(part, whole + off, len);
            }
    }
    recovers(b);
}

static void L10_any_width_writes(struct bench *b)
{
    const uint64_t wide = UINT64_C(0xa1b2c3d4e5f60718);
    const uint32_t word = 0x01234567;
    uint8_t bytes[8];

    for (unsigned len = 1; len <= 4; len *= 2) {
        const unsigned base = legacy_config(&b->d);

        b->d.ops->config_write(&b->d, ECHO_C_WORD_RW, 4, 0);
        b->d.ops->config_write(&b->d, ECHO_C_LONG_RW, 8, 0);
        bytes_of(b, word, 4, bytes);
        for (unsigned i = 0; i < 4; i += len)
            set(b, base + ECHO_C_WORD_RW + i, len, order_load(ORDER_LITTLE, bytes + i, len));
        bytes_of(b, wide, 8, bytes);
        for (unsigned i = 0; i < 8; i += len)
            set(b, base + ECHO_C_LONG_RW + i, len, order_load(ORDER_LITTLE, bytes + i, len));
        assert_int_equal(config(b, ECHO_C_WORD_RW, 4), word);
        assert_int_equal(config(b, ECHO_C_LONG_RW, 8), wide);
        /* one field and a part of the next */
        set(b, base + ECHO_C_BYTE_RW, 2, 0xeeee);
        assert_int_equal(config(b, ECHO_C_BYTE_RW, 1), 0xee);
        bytes[0] = 0xee;
        bytes_of(b, word, 4, bytes + 4);
        bytes[4] = 0xee;
        assert_int_equal(config(b, ECHO_C_WORD_RW, 4), order_load(b->d.order, bytes + 4, 4));
    }
}

/* C01, C02, C05 */
static void C01_bounds(struct bench *b)
{
    const unsigned base = legacy_config(&b->d);
    const uint64_t size = b->d.func.bar_size[0];

    assert_true(size >= base + ECHO_C_SIZE);
    for (unsigned off = base + ECHO_C_SIZE; off < size; off++) {
        set(b, off, 1, 0xff);
        set(b, off, 4, 0xffffffff);
        assert_int_equal(get(b, off, 1), 0);
    }
    set(b, base + ECHO_C_SIZE - 2, 4, 0xffffffff);
    assert_int_equal(config(b, ECHO_C_LONG_RW, 8), 0);
    for (unsigned off = 0; off < ECHO_C_BYTE_RW; off++)
        set(b, base + off, 1, 0);
    assert_int_equal(config(b, ECHO_C_CAPACITY, 8), ECHO_CAPACITY);
    assert_int_equal(config(b, ECHO_C_NUMBER, 4), ECHO_NUMBER);
    works(b);
}

/* L07: where the configuration is follows MSI-X, at once and with every access. */
static void L07_msix_toggled(struct bench *b)
{
    drv_reset(&b->d);
    for (unsigned i = 0; i < 50; i++) {
        msix(b, true);
        assert_int_equal(get(b, CONFIG_INTX, 4), 0xffffffff); /* the vectors */
        set(b, CONFIG_INTX, 2, 1);
        set(b, CONFIG_INTX + 2, 2, 0);
        assert_int_equal(get(b, CONFIG_INTX, 2), 1);
        assert_int_equal(config(b, ECHO_C_NUMBER, 4), ECHO_NUMBER);
        set(b, CONFIG_MSIX + ECHO_C_BYTE_RW, 1, i);
        msix(b, false);
        assert_int_equal(get(b, CONFIG_INTX + ECHO_C_BYTE_RW, 1), i);
        set(b, CONFIG_INTX, 2, 3); /* the capacity, not a vector */
        assert_int_equal(config(b, ECHO_C_CAPACITY, 8), ECHO_CAPACITY);
        msix(b, true);
        assert_int_equal(get(b, CONFIG_INTX, 2), 1);
        drv_reset(&b->d);
    }
    recovers(b);
}

/* L08: each register that an access covers whole, and nothing else. */
static void L08_across_registers(struct bench *b)
{
    const uint8_t status = drv_status(&b->d);
    uint64_t served;

    set(b, SELECT, 2, 2);
    assert_int_equal(get(b, SIZE, 4), ECHO_MAX | 2u << 16);
    machine_settle(b->m);
    served = echo_served(b);
    set(b, SELECT, 4, 1); /* and the doorbell of queue 0 */
    machine_settle(b->m);
    assert_int_equal(get(b, SELECT, 2), 1);
    assert_int_equal(echo_served(b), served);
    set(b, PFN + 2, 4, 0);
    assert_int_not_equal(get(b, PFN, 4), 0);
    msix(b, false);
    assert_int_equal(get(b, STATUS, 2), status); /* ISR is 0 */
    assert_int_equal(get(b, STATUS, 4) >> 16, get(b, CONFIG_INTX, 2));
    assert_int_equal(get(b, ISR, 2) >> 8, get(b, CONFIG_INTX, 1));
    set(b, STATUS + 1, 4, 0xffffffff);
    assert_int_equal(config(b, ECHO_C_CAPACITY, 8), ECHO_CAPACITY);
    msix(b, b->d.use_msix);
    works(b);
}

/* C04: all offsets, widths and values. */
static void C04_anything(struct bench *b)
{
    const unsigned size = (unsigned)b->d.func.bar_size[0];
    uint32_t x = 1;

    for (unsigned i = 0; i < 20000; i++) {
        x = x * 1664525 + 1013904223;
        if (x >> 30)
            set(b, (x >> 8) % size, 1u << (x >> 4 & 3) % 3, x ^ x << 13);
        else
            get(b, (x >> 8) % size, 1u << (x >> 4 & 3) % 3);
        if (i % 64 == 0) {
            msix(b, x & 0x10000);
            machine_settle(b->m);
        }
    }
    recovers(b);
}

/* 3.1.2-l2: before any status bit, let alone features. */
static void write_before_negotiation(struct bench *b)
{
    drv_reset(&b->d);
    b->d.ops->config_write(&b->d, ECHO_C_WORD_RW, 4, 0x5eed);
    assert_int_equal(config(b, ECHO_C_WORD_RW, 4), 0x5eed);
    b->d.ops->config_write(&b->d, ECHO_C_BYTE_RW, 1, 7);
    assert_int_equal(config(b, ECHO_C_GATED, 4), 0x600d); /* 2.5.2-d2 */
    recovers(b);
    assert_int_equal(config(b, ECHO_C_WORD_RW, 4), 0x5eed);
}

/* L13: where other ports are. Those win, and the device comes back when it is moved. */
static void L13_bar_over_ports(struct bench *b)
{
    static const uint16_t bad[] = {0x0cc0, 0x0c80, 0x0040, 0x0000, 0xffc0};
    struct gfunc f = b->d.func;
    const uint32_t home = (uint32_t)b->d.func.bar[0];

    f.ecam = true;
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        gfunc_write(&f, PCI_BAR0, 4, bad[i]);
        for (unsigned port = bad[i]; port < bad[i] + b->d.func.bar_size[0]; port++)
            machine_write(b->m, BUS_PIO, port, 1, 0);
        machine_settle(b->m);
        f.ecam = false; /* by the ports 0xcf8 and 0xcfc */
        assert_int_equal(gfunc_read(&f, PCI_VENDOR_ID, 2), 0x1af4);
        f.ecam = true;
        gfunc_write(&f, PCI_BAR0, 4, home);
        recovers(b);
    }
    gfunc_command(&f, 0, PCI_CMD_IO);
    set(b, STATUS, 1, 0);
    assert_int_equal(get(b, STATUS, 1), 0xff);
    gfunc_command(&f, PCI_CMD_IO, 0);
    works(b);
}

/* clang-format off */
#define ROW(fn) {#fn, fn, BENCH_LEGACY, NULL}
/* clang-format on */

int main(void)
{
    static const struct bench_test tests[] = {
        ROW(L10_any_width),        /* 4.1.4.10-l8, l9 */
        ROW(L10_any_width_writes), /* 4.1.4.10-l7, l8, l9 */
        ROW(C01_bounds),
        ROW(L07_msix_toggled), /* 4.1.4.10-l4, l5 */
        ROW(L08_across_registers),
        ROW(C04_anything),
        ROW(write_before_negotiation), /* 3.1.2-l2 */
        ROW(L13_bar_over_ports),
    };

    return bench_run("legacy-config", &echo_kind, tests, ARRAY_SIZE(tests));
}
