/* SPDX-License-Identifier: MIT */
/*
 * A root bus with PCI devices that have one of everything, for the tests of vmm/bus/pci*.c. Include
 * after cmocka.
 */
#ifndef TESTS_UNIT_PCI_DEV_H
#define TESTS_UNIT_PCI_DEV_H

#include <stdio.h>

#include "tests/unit/fake-bus.h"
#include "vmm/base/bits.h"
#include "vmm/base/le.h"
#include "vmm/bus/pci.h"

enum { BAR_IO, BAR_MSIX, BAR_MEM = 4, VECTORS = 3, CAP_LEN = 14 };

static const struct pci_layout layout = {
    .mem32_base = 0xc0000000,
    .mem32_size = 0x20000000,
    .mem64_base = UINT64_C(0x8000000000),
    .mem64_size = UINT64_C(0x1000000000),
    .io_base = 0x1000,
    .io_size = 0xf000,
    .intx_gsi = {16, 17, 18, 19},
};

/* A device with one of everything. */
struct dev {
    struct pci_func func;
    struct bus_bell bell[2];
    char name[8];
    unsigned cap; /* of the capability that a driver may write */
    unsigned cap_reads, cap_writes, masters, msix_changes, reads, writes;
    unsigned bar, len;
    uint64_t off, value;
    bool master;
};

struct fix {
    struct fake_irq irq;
    struct fake_bells bells;
    struct irqs *irqs;
    struct bus *bus;
    struct loop *loop;
    struct pci_root *root;
    struct dev dev[4];
    unsigned n;
};

static inline void dev_bar_read(struct pci_func *func, unsigned bar, uint64_t off, void *data,
                                unsigned len)
{
    struct dev *d = (struct dev *)func->ctx;

    memset(data, d->name[3], len);
    d->bar = bar;
    d->off = off;
    d->len = len;
    d->reads++;
}

static inline void dev_bar_write(struct pci_func *func, unsigned bar, uint64_t off,
                                 const void *data, unsigned len)
{
    struct dev *d = (struct dev *)func->ctx;

    d->bar = bar;
    d->off = off;
    d->len = len;
    d->value = order_load(ORDER_LITTLE, data, len);
    d->writes++;
}

static inline void dev_cap_read(struct pci_func *func, unsigned off, unsigned len)
{
    struct dev *d = (struct dev *)func->ctx;

    d->off = off;
    d->len = len;
    func->cfg[d->cap + 2 + CAP_LEN - 1] = (uint8_t)++d->cap_reads;
}

static inline void dev_cap_written(struct pci_func *func, unsigned off, unsigned len)
{
    struct dev *d = (struct dev *)func->ctx;

    d->off = off;
    d->len = len;
    d->cap_writes++;
}

static inline void dev_master(struct pci_func *func, bool on)
{
    struct dev *d = (struct dev *)func->ctx;

    d->master = on;
    d->masters++;
}

static inline void dev_msix(struct pci_func *func, bool enabled)
{
    struct dev *d = (struct dev *)func->ctx;

    assert_int_equal(enabled, pci_msix_enabled(func));
    d->msix_changes++;
}

static const struct pci_ops dev_ops = {dev_bar_read, dev_bar_write, dev_cap_read, dev_cap_written,
                                       NULL,         dev_master,    dev_msix,     NULL};

static inline void fix_open(struct fix *x)
{
    *x = (struct fix){0};
    x->irqs = fake_irqs_new(&x->irq);
    x->bus = fake_bells_bus(&x->bells);
    x->loop = loop_new("pci", NULL);
    x->root = pci_root_new(x->bus, x->irqs, &layout);
}

static inline void fix_close(struct fix *x)
{
    pci_root_free(x->root);
    assert_int_equal(fake_bells_live(&x->bells), 0);
    assert_int_equal(fake_routes(&x->irq), 0);
    assert_int_equal(x->bells.wrong, 0);
    bus_free(x->bus);
    irqs_free(x->irqs);
    loop_free(x->loop);
}

static inline struct dev *dev_new(struct fix *x)
{
    struct dev *d = &x->dev[x->n];
    const uint8_t body[CAP_LEN] = {16, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14};
    const uint8_t rw[CAP_LEN] = {[2] = 0xff, [10] = 0xff, 0xff, 0xff, 0xff};
    struct pci_func *f = &d->func;
    int cap;

    snprintf(d->name, sizeof(d->name), "dev%u", x->n++);
    pci_func_init(f, d->name, x->loop, &dev_ops, d);
    pci_func_ids(f, 0x1af4, 0x1042, 1, 0x018000, 0x1af4, 0x1100);
    d->bell[0] = (struct bus_bell){.off = 0x100, .len = 2, .fd = 100 + (int)x->n};
    d->bell[1] = (struct bus_bell){.off = 16, .len = 0, .fd = 200 + (int)x->n};
    assert_int_equal(pci_bar_add(f, BAR_IO, PCI_BAR_IO, 64, false, &d->bell[1], 1), 0);
    assert_int_equal(pci_bar_add(f, BAR_MEM, PCI_BAR_MEM64, 0x4000, true, &d->bell[0], 1), 0);
    assert_int_equal(pci_msix_add(f, x->irqs, VECTORS, BAR_MSIX, NULL), 0);
    cap = pci_cap_add(f, PCI_CAP_ID_VENDOR, body, rw, CAP_LEN);
    assert_true(cap >= 0x40);
    d->cap = (unsigned)cap;
    pci_intx_add(f);
    return d;
}

static inline struct dev *dev_plug(struct fix *x)
{
    struct dev *d = dev_new(x);

    assert_int_equal(pci_func_plug(x->root, &d->func, -1, NULL), 0);
    return d;
}

static inline void fix_boot(struct fix *x)
{
    assert_int_equal(pci_assign(x->root, NULL), 0);
}

static inline uint32_t cfg_get(struct fix *x, const struct dev *d, unsigned off, unsigned len)
{
    uint8_t b[4] = {0};

    pci_config_read(x->root, d->func.devfn, off, b, len);
    return le32_load(b);
}

static inline void cfg_put(struct fix *x, const struct dev *d, unsigned off, uint32_t value,
                           unsigned len)
{
    uint8_t b[4];

    le32_store(b, value);
    pci_config_write(x->root, d->func.devfn, off, b, len);
}

static inline void bar_put(struct fix *x, const struct dev *d, unsigned bar, uint64_t addr)
{
    cfg_put(x, d, PCI_BAR0 + 4 * bar, (uint32_t)addr, 4);
    if (d->func.bar[bar].kind == PCI_BAR_MEM64)
        cfg_put(x, d, PCI_BAR0 + 4 * bar + 4, (uint32_t)(addr >> 32), 4);
}

static inline uint64_t home(const struct dev *d, unsigned bar)
{
    return d->func.bar[bar].home;
}

/* Which device answers there: its number, or -1. */
static inline int who(struct fix *x, enum bus_space space, uint64_t addr)
{
    uint8_t byte;

    return bus_read(x->bus, space, addr, &byte, 1) ? byte - '0' : -1;
}

static inline void command(struct fix *x, const struct dev *d, unsigned set, unsigned clear)
{
    cfg_put(x, d, PCI_COMMAND, (cfg_get(x, d, PCI_COMMAND, 2) & ~clear) | set, 2);
}

static inline void mem_put(struct fix *x, uint64_t addr, uint32_t value)
{
    uint8_t b[4];

    le32_store(b, value);
    assert_true(bus_write(x->bus, BUS_MMIO, addr, b, 4));
}

#endif
