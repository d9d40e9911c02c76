// SPDX-License-Identifier: MIT
/* PCI functions: configuration space, interrupts, places, reset. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

#include "tests/unit/pci-dev.h"

static void test_P01_every_offset_every_width(void **state)
{
    struct fix x;
    struct dev *d;
    uint8_t b[8];

    (void)state;
    fix_open(&x);
    d = dev_plug(&x);
    fix_boot(&x);
    for (unsigned devfn = 0; devfn < 256; devfn++)
        for (unsigned off = 0; off <= PCI_ECAM_FUNC + 8; off++)
            for (unsigned len = 1; len <= 8; len++) {
                const bool fits = len <= 4 && len != 3 && off % 4 + len <= 4 &&
                                  off + len <= PCI_ECAM_FUNC && devfn == d->func.devfn;

                memset(b, 0x5a, sizeof(b));
                pci_config_read(x.root, (uint8_t)devfn, off, b, len);
                if (!fits)
                    assert_int_equal(b[len - 1], 0xff);
                else if (off >= PCI_CFG_SIZE)
                    assert_int_equal(b[0], 0);
                else if (off < d->cap)
                    assert_memory_equal(b, &d->func.cfg[off], len);
            }
    assert_int_equal(cfg_get(&x, d, 0, 4), 0x10421af4);
    assert_int_equal(cfg_get(&x, d, 8, 4), 0x01800001);
    assert_int_equal(cfg_get(&x, d, 0x2c, 4), 0x11001af4);
    assert_int_equal(cfg_get(&x, d, 0x3c, 2), 0x100 | layout.intx_gsi[1]);
    fix_close(&x);
}

static void test_P02_read_only_bytes_stay(void **state)
{
    static const uint8_t fixed[] = {0x00, 0x01, 0x02, 0x03, 0x08, 0x09, 0x0a, 0x0b, 0x0d, 0x0e,
                                    0x0f, 0x28, 0x2c, 0x2d, 0x2e, 0x2f, 0x34, 0x3d, 0x3e, 0x3f};
    uint8_t before[PCI_CFG_SIZE];
    struct fix x;
    struct dev *d;

    (void)state;
    fix_open(&x);
    d = dev_plug(&x);
    fix_boot(&x);
    memcpy(before, d->func.cfg, sizeof(before));
    srand(2);
    for (unsigned round = 0; round < 200; round++)
        for (unsigned off = 0; off < PCI_CFG_SIZE; off += 4)
            cfg_put(&x, d, off, round ? (uint32_t)rand() * 3 : UINT32_MAX, 4);
    for (unsigned i = 0; i < sizeof(fixed); i++)
        assert_int_equal(d->func.cfg[fixed[i]], before[fixed[i]]);
    for (unsigned i = 0; i < PCI_CFG_SIZE; i++)
        assert_int_equal((d->func.cfg[i] ^ before[i]) & ~d->func.wmask[i] & 0xff, 0);
    assert_int_equal(cfg_get(&x, d, PCI_STATUS, 2), PCI_STATUS_CAPS);
    fix_close(&x);
}

static void test_P02_status_is_write_one_to_clear(void **state)
{
    struct fix x;
    struct dev *d;

    (void)state;
    fix_open(&x);
    d = dev_plug(&x);
    fix_boot(&x);
    d->func.cfg[PCI_STATUS + 1] = 0xf8;
    cfg_put(&x, d, PCI_STATUS, 0, 2);
    assert_int_equal(d->func.cfg[PCI_STATUS + 1], 0xf8);
    cfg_put(&x, d, PCI_STATUS + 1, 0x40, 1);
    assert_int_equal(d->func.cfg[PCI_STATUS + 1], 0xb8);
    cfg_put(&x, d, PCI_COMMAND, 0xffff0000, 4);
    assert_int_equal(cfg_get(&x, d, PCI_STATUS, 2), PCI_STATUS_CAPS);
    fix_close(&x);
}

static void test_P04_capability_bodies(void **state)
{
    struct fix x;
    struct dev *d;
    unsigned msix;

    (void)state;
    fix_open(&x);
    d = dev_plug(&x);
    fix_boot(&x);
    msix = d->func.msix_cap;
    assert_int_equal(cfg_get(&x, d, PCI_CAP_PTR, 1), msix);
    assert_int_equal(cfg_get(&x, d, msix, 2), d->cap << 8 | PCI_CAP_ID_MSIX);
    assert_int_equal(cfg_get(&x, d, d->cap, 2), PCI_CAP_ID_VENDOR);
    for (unsigned off = msix; off < msix + 12; off += 4)
        cfg_put(&x, d, off, 0x3fffffff, 4);
    assert_int_equal(cfg_get(&x, d, msix + 2, 2), VECTORS - 1);
    assert_int_equal(cfg_get(&x, d, msix + 4, 4), BAR_MSIX);
    assert_int_equal(cfg_get(&x, d, msix + 8, 4), msix_pba_offset(d->func.msix) | BAR_MSIX);
    assert_int_equal(d->cap_writes, 0);
    for (unsigned i = 0; i < 16; i++)
        cfg_put(&x, d, d->cap + i, 0xee, 1);
    assert_int_equal(d->func.cfg[d->cap + 2], 16);
    assert_int_equal(d->func.cfg[d->cap + 4], 0xee);
    assert_int_equal(d->func.cfg[d->cap + 5], 4);
    assert_int_equal(d->func.cfg[d->cap + 12], 0xee);
    assert_int_equal(d->cap_writes, 5);
    fix_close(&x);
}

static void test_capability_callbacks(void **state)
{
    struct fix x;
    struct dev *d;

    (void)state;
    fix_open(&x);
    d = dev_plug(&x);
    fix_boot(&x);
    cfg_get(&x, d, d->cap + 6, 2); /* nothing writable in there */
    cfg_get(&x, d, 0, 4);
    assert_int_equal(d->cap_reads, 0);
    assert_int_equal(cfg_get(&x, d, d->cap + 12, 4) >> 24, 1); /* called before the bytes go out */
    assert_int_equal(d->off, d->cap + 12);
    assert_int_equal(d->len, 4);
    cfg_put(&x, d, d->cap + 14, 0x1234, 2);
    assert_int_equal(d->off, d->cap + 14);
    assert_int_equal(d->len, 2);
    assert_int_equal(d->cap_writes, 1);
    fix_close(&x);
}

static void test_P05_message_control_at_every_width(void **state)
{
    static const struct {
        unsigned at, len, shift;
    } row[] = {{3, 1, 8}, {2, 2, 0}, {0, 4, 16}};
    struct fix x;
    struct dev *d;

    (void)state;
    fix_open(&x);
    d = dev_plug(&x);
    fix_boot(&x);
    for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
        const unsigned at = d->func.msix_cap + row[i].at, len = row[i].len;
        const uint32_t on = MSIX_CTRL_ENABLE | MSIX_CTRL_MASK_ALL;
        const uint32_t value = row[i].shift == 8 ? on >> 8 : on << row[i].shift;

        cfg_put(&x, d, at, value, len);
        assert_true(pci_msix_enabled(&d->func));
        assert_int_equal(cfg_get(&x, d, d->func.msix_cap + 2, 2), on | (VECTORS - 1));
        assert_int_equal(d->msix_changes, 2 * i + 1);
        cfg_put(&x, d, at, 0, len);
        assert_false(pci_msix_enabled(&d->func));
        assert_int_equal(cfg_get(&x, d, d->func.msix_cap, 2) & 0xff, PCI_CAP_ID_MSIX);
        assert_int_equal(d->msix_changes, 2 * i + 2);
    }
    fix_close(&x);
}

static void test_P28_msix_from_end_to_end(void **state)
{
    struct fix x;
    struct dev *d;
    uint64_t table;

    (void)state;
    fix_open(&x);
    d = dev_plug(&x);
    fix_boot(&x);
    table = home(d, BAR_MSIX);
    mem_put(&x, table + 16, 0xfee00000);
    mem_put(&x, table + 24, 0x51);
    mem_put(&x, table + 28, 0);
    cfg_put(&x, d, d->func.msix_cap + 2, MSIX_CTRL_ENABLE | MSIX_CTRL_MASK_ALL, 2);
    command(&x, d, PCI_CMD_MASTER, 0);
    msix_notify(d->func.msix, 1);
    cfg_put(&x, d, d->func.msix_cap + 3, MSIX_CTRL_ENABLE >> 8, 1);
    assert_int_equal(fake_taken(&x.irq, 0xfee00000, 0x51), 1);
    /* P19: no message without bus mastering, and it is not lost */
    command(&x, d, 0, PCI_CMD_MASTER);
    assert_false(d->master);
    assert_false(pci_is_master(&d->func));
    msix_notify(d->func.msix, 1);
    assert_int_equal(fake_taken(&x.irq, 0xfee00000, 0x51), 0);
    command(&x, d, PCI_CMD_MASTER, 0);
    assert_true(d->master);
    assert_int_equal(d->masters, 3);
    assert_int_equal(fake_taken(&x.irq, 0xfee00000, 0x51), 1);
    assert_int_equal(d->reads + d->writes, 0); /* the table is none of the device's business */
    fix_close(&x);
}

static unsigned status_intx(struct fix *x, const struct dev *d)
{
    return cfg_get(x, d, PCI_STATUS, 2) & PCI_STATUS_INTX;
}

static void test_P20_intx_disable(void **state)
{
    struct fix x;
    struct dev *d;

    (void)state;
    fix_open(&x);
    d = dev_plug(&x); /* slot 1 */
    fix_boot(&x);
    pci_intx_set(&d->func, true);
    assert_true(x.irq.level[17]);
    assert_true(status_intx(&x, d));
    command(&x, d, PCI_CMD_INTX_OFF, 0);
    assert_false(x.irq.level[17]);
    assert_true(status_intx(&x, d));
    command(&x, d, 0, PCI_CMD_INTX_OFF);
    assert_true(x.irq.level[17]);
    cfg_put(&x, d, PCI_COMMAND + 1, PCI_CMD_INTX_OFF >> 8, 1); /* the high byte alone */
    assert_false(x.irq.level[17]);
    pci_intx_set(&d->func, false);
    command(&x, d, 0, PCI_CMD_INTX_OFF);
    assert_false(x.irq.level[17]);
    assert_false(status_intx(&x, d));
    fix_close(&x);
}

static void test_intx_and_msix_exclude_each_other(void **state)
{
    struct fix x;
    struct dev *d;

    (void)state;
    fix_open(&x);
    d = dev_plug(&x);
    fix_boot(&x);
    pci_intx_set(&d->func, true);
    cfg_put(&x, d, d->func.msix_cap + 2, MSIX_CTRL_ENABLE, 2);
    assert_false(x.irq.level[17]);
    assert_false(status_intx(&x, d));
    cfg_put(&x, d, d->func.msix_cap + 2, 0, 2);
    assert_true(x.irq.level[17]);
    assert_true(status_intx(&x, d));
    fix_close(&x);
    assert_false(x.irq.level[17]); /* unplugging drops the pin */
}

static void test_places_and_pins(void **state)
{
    struct fix x;
    struct pci_func *f = (struct pci_func *)calloc(PCI_SLOTS * PCI_FUNCS, sizeof(*f));
    struct err err = {{0}};
    uint8_t type = 0;
    unsigned n = 0;

    (void)state;
    fix_open(&x);
    for (;; n++) {
        pci_func_init(&f[n], "f", x.loop, NULL, NULL);
        pci_intx_add(&f[n]);
        if (pci_func_plug(x.root, &f[n], -1, &err) < 0)
            break;
        assert_int_equal(f[n].devfn, (1 + n % 31) << 3 | n / 31);
        assert_int_equal(f[n].pin.gsi, 16 + (f[n].devfn >> 3) % 4);
        pci_config_read(x.root, 1 << 3, PCI_HEADER_TYPE, &type, 1);
        assert_int_equal(type, n < 31 ? 0 : 0x80);
    }
    assert_int_equal(n, 31 * PCI_FUNCS); /* slot 0 is the host bridge's */
    assert_true(strlen(err.text) > 0);
    pci_config_read(x.root, 31 << 3, PCI_HEADER_TYPE, &type, 1);
    assert_int_equal(type, 0x80);
    pci_reset(x.root);
    pci_config_read(x.root, 31 << 3, PCI_HEADER_TYPE, &type, 1);
    assert_int_equal(type, 0x80);
    fix_close(&x);
    free(f);
}

static void test_wanted_places(void **state)
{
    struct fix x;
    struct pci_func f[3] = {0};
    struct err err = {{0}};

    (void)state;
    fix_open(&x);
    for (unsigned i = 0; i < 3; i++)
        pci_func_init(&f[i], "f", x.loop, NULL, NULL);
    assert_int_equal(pci_func_plug(x.root, &f[0], 0x19, &err), -EINVAL);
    assert_int_equal(pci_func_plug(x.root, &f[0], 256, &err), -EINVAL);
    assert_int_equal(pci_func_plug(x.root, &f[0], 0x18, &err), 0);
    assert_int_equal(pci_func_plug(x.root, &f[1], 0x18, &err), -EBUSY);
    assert_int_equal(pci_func_plug(x.root, &f[1], 0x19, &err), 0);
    assert_int_equal(pci_func_plug(x.root, &f[2], -1, &err), 0);
    assert_int_equal(f[2].devfn, 1 << 3);
    assert_ptr_equal(pci_func_at(x.root, 0x19), &f[1]);
    assert_int_equal(f[0].cfg[PCI_HEADER_TYPE], 0x80);
    pci_func_unplug(&f[1]);
    pci_func_unplug(&f[1]);
    assert_null(pci_func_at(x.root, 0x19));
    fix_close(&x);
}

static void test_reset(void **state)
{
    uint8_t before[PCI_CFG_SIZE];
    struct fix x;
    struct dev *d;
    uint64_t table;

    (void)state;
    fix_open(&x);
    d = dev_plug(&x);
    fix_boot(&x);
    memcpy(before, d->func.cfg, sizeof(before));
    table = home(d, BAR_MSIX);
    mem_put(&x, table + 28, 0);
    for (unsigned off = 0; off < PCI_CFG_SIZE; off += 4)
        cfg_put(&x, d, off, UINT32_MAX, 4);
    msix_notify(d->func.msix, 0);
    assert_true(d->master);
    assert_int_equal(who(&x, BUS_MMIO, home(d, BAR_MEM)), -1);
    pci_reset(x.root);
    assert_memory_equal(d->func.cfg, before, sizeof(before));
    assert_false(d->master);
    assert_int_equal(d->msix_changes, 2);
    assert_int_equal(who(&x, BUS_MMIO, home(d, BAR_MEM)), 0);
    assert_int_equal(who(&x, BUS_PIO, home(d, BAR_IO)), 0);
    assert_int_equal(fake_bells_live(&x.bells), 2);
    cfg_put(&x, d, d->func.msix_cap + 2, MSIX_CTRL_ENABLE, 2);
    command(&x, d, PCI_CMD_MASTER, 0);
    mem_put(&x, table + 12, 0);
    assert_int_equal(x.irq.route_calls, 0); /* nothing was left pending */
    fix_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_P01_every_offset_every_width),
        cmocka_unit_test(test_P02_read_only_bytes_stay),
        cmocka_unit_test(test_P02_status_is_write_one_to_clear),
        cmocka_unit_test(test_P04_capability_bodies),
        cmocka_unit_test(test_capability_callbacks),
        cmocka_unit_test(test_P05_message_control_at_every_width),
        cmocka_unit_test(test_P28_msix_from_end_to_end),
        cmocka_unit_test(test_P20_intx_disable),
        cmocka_unit_test(test_intx_and_msix_exclude_each_other),
        cmocka_unit_test(test_places_and_pins),
        cmocka_unit_test(test_wanted_places),
        cmocka_unit_test(test_reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
