// SPDX-License-Identifier: MIT
/* The host bridge: ports 0xcf8..0xcff, ECAM, and the bridge's own function. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

#include "tests/unit/fake-bus.h"
#include "vmm/base/bits.h"
#include "vmm/base/le.h"
#include "vmm/bus/pcihost.h"

#define ECAM   UINT64_C(0xb0000000)
#define ENABLE UINT32_C(0x80000000)

enum { ADDR = 0xcf8, DATA = 0xcfc, ID_BRIDGE = 0x00081b36, ID_DEV = 0x10411af4, SLOT = 1 };

static const struct pci_layout layout = {
    .mem32_base = 0xc0000000,
    .mem32_size = 0x1000000,
    .io_size = 0x10000,
    .intx_gsi = {16, 17, 18, 19},
};

struct fix {
    struct fake_irq irq;
    struct irqs *irqs;
    struct bus *bus;
    struct loop *loop;
    struct pci_root *root;
    struct pcihost *host;
    struct pci_func dev;
};

static void fix_open(struct fix *x, bool ports)
{
    *x = (struct fix){0};
    x->irqs = fake_irqs_new(&x->irq);
    x->bus = bus_new(NULL);
    x->loop = loop_new("host", NULL);
    x->root = pci_root_new(x->bus, x->irqs, &layout);
    x->host = pcihost_new(x->root, x->bus, x->loop, ECAM, ports, NULL);
    assert_non_null(x->host);
    pci_func_init(&x->dev, "dev", x->loop, NULL, NULL);
    pci_func_ids(&x->dev, 0x1af4, 0x1041, 1, 0x020000, 0, 0);
    pci_bar_add(&x->dev, 0, PCI_BAR_IO, 4096, false, NULL, 0);
    assert_int_equal(pci_func_plug(x->root, &x->dev, -1, NULL), 0);
    assert_int_equal(pci_assign(x->root, NULL), 0);
}

static void fix_close(struct fix *x)
{
    pcihost_free(x->host);
    pci_root_free(x->root);
    bus_free(x->bus);
    irqs_free(x->irqs);
    loop_free(x->loop);
}

static uint32_t in(struct fix *x, uint64_t port, unsigned len)
{
    uint8_t b[4] = {0};

    bus_read(x->bus, BUS_PIO, port, b, len);
    return le32_load(b);
}

static void out(struct fix *x, uint64_t port, uint32_t value, unsigned len)
{
    uint8_t b[4];

    le32_store(b, value);
    bus_write(x->bus, BUS_PIO, port, b, len);
}

static uint64_t ecam(struct fix *x, uint64_t off, unsigned len)
{
    uint8_t b[8] = {0};

    bus_read(x->bus, BUS_MMIO, ECAM + off, b, len);
    return le64_load(b);
}

static void ecam_put(struct fix *x, uint64_t off, uint64_t value, unsigned len)
{
    uint8_t b[8];

    le64_store(b, value);
    bus_write(x->bus, BUS_MMIO, ECAM + off, b, len);
}

static void test_mechanism_1(void **state)
{
    struct fix x;

    (void)state;
    fix_open(&x, true);
    out(&x, ADDR, ENABLE, 4);
    assert_int_equal(in(&x, ADDR, 4), ENABLE);
    assert_int_equal(in(&x, DATA, 4), ID_BRIDGE);
    out(&x, ADDR, ENABLE | 8, 4);
    assert_int_equal(in(&x, DATA + 2, 2), 0x0600);
    out(&x, ADDR, ENABLE | SLOT << 11, 4);
    assert_int_equal(in(&x, DATA, 4), ID_DEV);
    assert_int_equal(in(&x, DATA + 2, 2), 0x1041);
    assert_int_equal(in(&x, DATA + 3, 1), 0x10);
    out(&x, ADDR, ENABLE | SLOT << 11 | PCI_INT_LINE, 4);
    out(&x, DATA, 0x5a, 1);
    assert_int_equal(x.dev.cfg[PCI_INT_LINE], 0x5a);
    out(&x, ADDR, ENABLE | SLOT << 11 | 0xc, 4);
    out(&x, DATA + 1, 0xffff, 2); /* beside the cache line size */
    assert_int_equal(in(&x, DATA, 4), 0);
    out(&x, DATA, 0xffff, 2);
    assert_int_equal(in(&x, DATA, 4), 0xff);
    fix_close(&x);
}

static void test_address_register_takes_dwords_only(void **state)
{
    struct fix x;

    (void)state;
    fix_open(&x, true);
    out(&x, ADDR, UINT32_MAX, 4);
    assert_int_equal(in(&x, ADDR, 4), 0x80fffffc); /* reserved and type bits read 0 */
    out(&x, ADDR, ENABLE | SLOT << 11, 4);
    for (unsigned i = 0; i < 4; i++) {
        out(&x, ADDR + i, 0, 1);
        out(&x, ADDR + i, 0, 2);
        assert_int_equal(in(&x, ADDR + i, 1), 0xff);
        assert_int_equal(in(&x, ADDR + i, 2), 0xffff);
    }
    out(&x, ADDR + 1, 0, 4);
    out(&x, ADDR + 2, 0, 4); /* half address, half data */
    assert_int_equal(in(&x, ADDR + 2, 4), UINT32_MAX);
    assert_int_equal(in(&x, ADDR, 4), ENABLE | SLOT << 11);
    assert_int_equal(in(&x, DATA + 2, 4), UINT32_MAX); /* past the end */
    assert_int_equal(in(&x, DATA + 1, 4), UINT32_MAX);
    pcihost_reset(x.host);
    assert_int_equal(in(&x, ADDR, 4), 0);
    fix_close(&x);
}

struct reset_port {
    unsigned writes;
    uint8_t value;
};

static void reset_write(void *ctx, uint64_t off, const void *data, unsigned len)
{
    struct reset_port *r = (struct reset_port *)ctx;

    assert_int_equal(off, 0);
    assert_int_equal(len, 1);
    r->value = *(const uint8_t *)data;
    r->writes++;
}

static void test_reset_port_in_the_middle(void **state)
{
    static const struct bus_ops ops = {NULL, reset_write};
    struct reset_port r = {0};
    struct bus_claim claim = {.name = "reset",
                              .space = BUS_PIO,
                              .prio = BUS_PRIO_PLATFORM,
                              .size = 1,
                              .ops = &ops,
                              .ctx = &r};
    struct fix x;

    (void)state;
    fix_open(&x, true);
    assert_int_equal(bus_map(x.bus, &claim, 0xcf9), 0);
    out(&x, ADDR, ENABLE | 0x600 | SLOT << 11, 4);
    assert_int_equal(r.writes, 0);
    assert_int_equal(in(&x, ADDR, 4), ENABLE | 0x600 | SLOT << 11);
    out(&x, 0xcf9, 0x06, 1);
    assert_int_equal(r.writes, 1);
    assert_int_equal(r.value, 0x06);
    assert_int_equal(in(&x, ADDR, 4), ENABLE | 0x600 | SLOT << 11);
    /* L13: an I/O BAR over it all changes nothing */
    pci_config_write(x.root, x.dev.devfn, PCI_BAR0, "\x01\x00\x00\x00", 4);
    out(&x, 0xcf9, 0x02, 1);
    assert_int_equal(r.writes, 2);
    out(&x, ADDR, ENABLE, 4);
    assert_int_equal(in(&x, DATA, 4), ID_BRIDGE);
    bus_unmap(x.bus, &claim);
    fix_close(&x);
}

static void bar_write(void *ctx, uint64_t off, const void *data, unsigned len)
{
    (void)off;
    (void)data;
    *(unsigned *)ctx += len;
}

static void test_L13_ports_win_over_older_bars(void **state)
{
    static const struct bus_ops ops = {NULL, bar_write};
    unsigned stolen = 0;
    struct bus_claim bar = {
        .space = BUS_PIO, .prio = BUS_PRIO_PCI, .size = 4096, .ops = &ops, .ctx = &stolen};
    struct fix x;

    (void)state;
    fix_open(&x, false);
    pcihost_free(x.host);
    assert_int_equal(bus_map(x.bus, &bar, 0), 0);
    x.host = pcihost_new(x.root, x.bus, x.loop, ECAM, true, NULL);
    out(&x, ADDR, ENABLE, 4);
    assert_int_equal(in(&x, DATA, 4), ID_BRIDGE);
    assert_int_equal(stolen, 0);
    out(&x, 0xcf0, 0, 4);
    assert_int_equal(stolen, 4);
    fix_close(&x);
}

static void test_P07_enable_bit_clear(void **state)
{
    struct fix x;

    (void)state;
    fix_open(&x, true);
    out(&x, ADDR, SLOT << 11 | PCI_INT_LINE, 4);
    assert_int_equal(in(&x, DATA, 4), UINT32_MAX);
    assert_int_equal(in(&x, DATA, 1), 0xff);
    x.dev.cfg[PCI_INT_LINE] = 7;
    out(&x, DATA, 0x55, 1);
    assert_int_equal(x.dev.cfg[PCI_INT_LINE], 7);
    fix_close(&x);
}

static void test_P08_absent_functions(void **state)
{
    struct fix x;
    unsigned found = 0;

    (void)state;
    fix_open(&x, true);
    for (uint32_t bdf = 0; bdf < 0x10000; bdf++) {
        uint32_t id;

        out(&x, ADDR, ENABLE | bdf << 8, 4);
        id = in(&x, DATA, 4);
        found += id != UINT32_MAX;
        if (id == UINT32_MAX)
            out(&x, DATA, 0, 4);
        if (bdf < 0x100)
            assert_int_equal(ecam(&x, (uint64_t)bdf << 12, 4), id);
    }
    assert_int_equal(found, 2);
    assert_int_equal(ecam(&x, (SLOT * 8 + 1) << 12, 4), UINT32_MAX);
    fix_close(&x);
}

static void test_ecam(void **state)
{
    struct fix x;
    const uint64_t dev = SLOT << 15;

    (void)state;
    fix_open(&x, false);
    assert_int_equal(ecam(&x, 0, 4), ID_BRIDGE);
    assert_int_equal(ecam(&x, dev, 4), ID_DEV);
    assert_int_equal(ecam(&x, dev + 2, 2), 0x1041);
    assert_int_equal(ecam(&x, dev + 3, 1), 0x10);
    ecam_put(&x, dev + PCI_INT_LINE, 0x77, 1);
    assert_int_equal(x.dev.cfg[PCI_INT_LINE], 0x77);
    /* ports: false */
    assert_int_equal(in(&x, ADDR, 4), UINT32_MAX);
    out(&x, ADDR, ENABLE, 4);
    assert_int_equal(in(&x, DATA, 4), UINT32_MAX);
    fix_close(&x);
}

static void test_P10_odd_ecam_accesses(void **state)
{
    static const unsigned len[] = {1, 2, 3, 4, 8};
    struct fix x;
    const uint64_t dev = SLOT << 15;
    uint8_t before[PCI_CFG_SIZE];

    (void)state;
    fix_open(&x, true);
    assert_int_equal(ecam(&x, dev + 0xffe, 4), UINT32_MAX);
    assert_int_equal(ecam(&x, dev + 0xffc, 4), 0);
    assert_int_equal(ecam(&x, dev + 0x100, 4), 0);
    assert_true(ecam(&x, dev, 8) == UINT64_MAX);
    assert_int_equal(ecam(&x, dev + 1, 4), UINT32_MAX);
    assert_int_equal(ecam(&x, dev + 3, 2), 0xffff);
    assert_int_equal(ecam(&x, dev, 3), 0xffffff);
    assert_int_equal(ecam(&x, MIB - 1, 1), 0xff);
    assert_int_equal(ecam(&x, MIB - 1, 4), UINT32_MAX);
    assert_int_equal(ecam(&x, MIB, 4), UINT32_MAX); /* bus 1 */
    memcpy(before, x.dev.cfg, sizeof(before));
    ecam_put(&x, dev + PCI_INT_LINE - 4, UINT64_C(0x55) << 32, 8);
    ecam_put(&x, dev + PCI_INT_LINE - 1, 0x5555, 2);
    ecam_put(&x, dev + 0x100 + PCI_INT_LINE, 0x55, 1);
    ecam_put(&x, MIB + dev + PCI_INT_LINE, 0x55, 1);
    assert_memory_equal(before, x.dev.cfg, sizeof(before));
    for (uint64_t off = 0; off < MIB + 8; off += 1 + off % 7)
        for (unsigned i = 0; i < ARRAY_SIZE(len); i++) {
            ecam(&x, off, len[i]);
            ecam_put(&x, off, 0, len[i]);
        }
    fix_close(&x);
}

static void test_P37_bridge_fuzzed(void **state)
{
    struct fix x;

    (void)state;
    fix_open(&x, true);
    srand(3);
    for (unsigned i = 0; i < 20000; i++) {
        const unsigned off = (unsigned)rand() % 1024 * 4;

        ecam_put(&x, off, (uint64_t)rand() * 3, 4);
        out(&x, ADDR, ENABLE | (off & 0xfc), 4);
        out(&x, DATA, (uint32_t)rand() * 3, 4);
    }
    assert_int_equal(ecam(&x, 0, 4), ID_BRIDGE);
    assert_int_equal(ecam(&x, 0xa, 2), 0x0600);
    for (unsigned off = PCI_BAR0; off < PCI_CAP_PTR; off += 4)
        assert_int_equal(ecam(&x, off, 4), 0);
    assert_int_equal(ecam(&x, SLOT << 15, 4), ID_DEV);
    pci_reset(x.root);
    assert_int_equal(ecam(&x, PCI_COMMAND, 2), 0);
    fix_close(&x);
}

static void test_bad_ecam_base(void **state)
{
    struct fix x;
    struct pcihost *second;
    struct err err = {{0}};

    (void)state;
    fix_open(&x, false);
    second = pcihost_new(x.root, x.bus, x.loop, ECAM, false, &err);
    assert_null(second); /* 00:00.0 is taken */
    assert_true(strlen(err.text) > 0);
    assert_int_equal(ecam(&x, 0, 4), ID_BRIDGE);
    pcihost_free(x.host);
    x.host = pcihost_new(x.root, x.bus, x.loop, UINT64_MAX - 4095, false, &err);
    assert_null(x.host);
    assert_null(pci_func_at(x.root, 0));
    fix_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mechanism_1),
        cmocka_unit_test(test_address_register_takes_dwords_only),
        cmocka_unit_test(test_reset_port_in_the_middle),
        cmocka_unit_test(test_L13_ports_win_over_older_bars),
        cmocka_unit_test(test_P07_enable_bit_clear),
        cmocka_unit_test(test_P08_absent_functions),
        cmocka_unit_test(test_ecam),
        cmocka_unit_test(test_P10_odd_ecam_accesses),
        cmocka_unit_test(test_P37_bridge_fuzzed),
        cmocka_unit_test(test_bad_ecam_base),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
