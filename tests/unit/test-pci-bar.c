// SPDX-License-Identifier: MIT
/* PCI BARs: sizing, moving, overlapping, doorbells, and the places that we give them. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "tests/unit/pci-dev.h"

static void test_P11_sizing_with_decode_on(void **state)
{
    struct fix x;
    struct dev *d;
    uint64_t io, mem;

    (void)state;
    fix_open(&x);
    d = dev_plug(&x);
    fix_boot(&x);
    io = home(d, BAR_IO);
    mem = home(d, BAR_MEM);
    assert_int_equal(who(&x, BUS_PIO, io), 0);
    cfg_put(&x, d, PCI_BAR0, UINT32_MAX, 4);
    assert_int_equal(cfg_get(&x, d, PCI_BAR0, 4), 0xffffffc1);
    assert_int_equal(who(&x, BUS_PIO, io), -1);
    bar_put(&x, d, BAR_IO, io);
    assert_int_equal(who(&x, BUS_PIO, io), 0);
    cfg_put(&x, d, PCI_BAR0 + 4, UINT32_MAX, 4);
    assert_int_equal(cfg_get(&x, d, PCI_BAR0 + 4, 4), 0xfffff000);
    assert_int_equal(who(&x, BUS_MMIO, home(d, BAR_MSIX)), -1);

    assert_int_equal(who(&x, BUS_MMIO, mem), 0);
    cfg_put(&x, d, PCI_BAR0 + 20, UINT32_MAX, 4); /* the upper half alone */
    assert_int_equal(cfg_get(&x, d, PCI_BAR0 + 20, 4), UINT32_MAX);
    assert_int_equal(who(&x, BUS_MMIO, mem), -1);
    assert_int_equal(fake_bell_fd(&x.bells, BUS_MMIO, mem + 0x100), -1);
    cfg_put(&x, d, PCI_BAR0 + 16, UINT32_MAX, 4);
    assert_int_equal(cfg_get(&x, d, PCI_BAR0 + 16, 4), 0xffffc00c);
    cfg_put(&x, d, PCI_BAR0 + 20, 0, 4); /* the lower half alone */
    assert_int_equal(cfg_get(&x, d, PCI_BAR0 + 16, 4), 0xffffc00c);
    assert_int_equal(who(&x, BUS_MMIO, 0xffffc000), -1);
    bar_put(&x, d, BAR_MEM, mem);
    assert_int_equal(who(&x, BUS_MMIO, mem), 0);
    assert_int_equal(fake_bell_fd(&x.bells, BUS_MMIO, mem + 0x100), d->bell[0].fd);
    assert_int_equal(cfg_get(&x, d, PCI_BAR0 + 16, 4), (uint32_t)mem | 0xc);
    fix_close(&x);
}

static void test_P13_bar_over_bar(void **state)
{
    struct fix x;
    struct dev *a, *b;
    uint64_t at_a, at_b;

    (void)state;
    fix_open(&x);
    a = dev_plug(&x);
    b = dev_plug(&x);
    fix_boot(&x);
    at_a = home(a, BAR_MEM);
    at_b = home(b, BAR_MEM);
    bar_put(&x, b, BAR_MEM, at_a);
    assert_int_equal(who(&x, BUS_MMIO, at_a), 0);
    assert_int_equal(who(&x, BUS_MMIO, at_b), -1);
    assert_int_equal(fake_bell_fd(&x.bells, BUS_MMIO, at_a + 0x100), a->bell[0].fd);
    bar_put(&x, a, BAR_MEM, at_b);
    assert_int_equal(who(&x, BUS_MMIO, at_a), 1);
    assert_int_equal(who(&x, BUS_MMIO, at_b), 0);
    assert_int_equal(fake_bell_fd(&x.bells, BUS_MMIO, at_a + 0x100), b->bell[0].fd);
    bar_put(&x, a, BAR_MEM, at_a); /* over b, which came later */
    assert_int_equal(who(&x, BUS_MMIO, at_a), 0);
    bar_put(&x, b, BAR_MEM, at_b);
    assert_int_equal(who(&x, BUS_MMIO, at_b), 1);
    assert_int_equal(fake_bell_fd(&x.bells, BUS_MMIO, at_b + 0x100), b->bell[0].fd);
    fix_close(&x);
}

static void test_P14_invalid_placements(void **state)
{
    static const uint64_t bad[] = {
        0,                            /* nowhere */
        0x100000,                     /* RAM */
        UINT64_C(0xbffff000),         /* just below a window */
        UINT64_C(0xe0000000),         /* just past it */
        UINT64_C(0x7fffffc000),       /* just below the other */
        UINT64_C(0x9000000000),       /* just past it */
        UINT64_C(0xffffffffffffc000), /* the end of everything */
        UINT64_C(0x10000000000000),   /* beyond any address width */
    };
    struct fix x;
    struct dev *d;

    (void)state;
    fix_open(&x);
    d = dev_plug(&x);
    fix_boot(&x);
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        const uint64_t at = bad[i] & ~UINT64_C(0x3fff);

        bar_put(&x, d, BAR_MEM, bad[i]);
        assert_int_equal(cfg_get(&x, d, PCI_BAR0 + 16, 4), ((uint32_t)at) | 0xc);
        assert_int_equal(cfg_get(&x, d, PCI_BAR0 + 20, 4), (uint32_t)(at >> 32));
        assert_int_equal(who(&x, BUS_MMIO, at), -1);
        assert_false(d->func.bar[BAR_MEM].claim.mapped);
        assert_int_equal(fake_bell_fd(&x.bells, BUS_MMIO, at + 0x100), -1);
    }
    bar_put(&x, d, BAR_IO, 0x10000); /* ports end at 0xffff */
    assert_int_equal(cfg_get(&x, d, PCI_BAR0, 4), 0x10001);
    assert_false(d->func.bar[BAR_IO].claim.mapped);
    bar_put(&x, d, BAR_IO, 0xffc0);
    assert_int_equal(who(&x, BUS_PIO, 0xffff), 0);
    bar_put(&x, d, BAR_MEM, UINT64_C(0x8fffffc000)); /* the last place there is */
    assert_int_equal(who(&x, BUS_MMIO, UINT64_C(0x8fffffffff)), 0);
    bar_put(&x, d, BAR_MEM, 0xc0004000); /* a 64-bit BAR may live low */
    assert_int_equal(who(&x, BUS_MMIO, 0xc0004000), 0);
    fix_close(&x);
}

static void plat_read(void *ctx, uint64_t off, void *data, unsigned len)
{
    (void)ctx;
    (void)off;
    memset(data, '0' + 9, len);
}

static void test_L13_P16_platform_keeps_its_ports(void **state)
{
    static const struct bus_ops ops = {plat_read, NULL};
    struct bus_claim ports = {.space = BUS_PIO, .prio = BUS_PRIO_PLATFORM, .size = 8, .ops = &ops};
    struct bus_claim mem = {
        .space = BUS_MMIO, .prio = BUS_PRIO_PLATFORM, .size = 4096, .ops = &ops};
    struct fix x;
    struct dev *d;

    (void)state;
    fix_open(&x);
    d = dev_plug(&x);
    fix_boot(&x);
    bus_map(x.bus, &ports, 0x2008);
    bus_map(x.bus, &mem, 0xd0000000);
    bar_put(&x, d, BAR_IO, 0x2000);
    assert_int_equal(who(&x, BUS_PIO, 0x2007), 0);
    assert_int_equal(who(&x, BUS_PIO, 0x2008), 9);
    assert_int_equal(who(&x, BUS_PIO, 0x2010), 0);
    bar_put(&x, d, BAR_MEM, 0xd0000000);
    assert_int_equal(who(&x, BUS_MMIO, 0xd0000000), 9);
    assert_int_equal(who(&x, BUS_MMIO, 0xd0001000), 0);
    assert_int_equal(fake_bell_fd(&x.bells, BUS_MMIO, 0xd0000100), -1);
    bar_put(&x, d, BAR_IO, home(d, BAR_IO));
    bar_put(&x, d, BAR_MEM, home(d, BAR_MEM));
    assert_int_equal(who(&x, BUS_PIO, home(d, BAR_IO) + 8), 0);
    assert_int_equal(who(&x, BUS_MMIO, home(d, BAR_MEM)), 0);
    assert_int_equal(fake_bell_fd(&x.bells, BUS_MMIO, home(d, BAR_MEM) + 0x100), d->bell[0].fd);
    bus_unmap(x.bus, &ports);
    bus_unmap(x.bus, &mem);
    fix_close(&x);
}

static void test_P17_doorbells_follow_the_bar(void **state)
{
    struct fix x;
    struct dev *d;
    uint64_t mem;

    (void)state;
    fix_open(&x);
    d = dev_plug(&x);
    fix_boot(&x);
    mem = home(d, BAR_MEM);
    assert_int_equal(fake_bell_fd(&x.bells, BUS_MMIO, mem + 0x100), d->bell[0].fd);
    assert_int_equal(fake_bell_fd(&x.bells, BUS_PIO, home(d, BAR_IO) + 16), d->bell[1].fd);
    bar_put(&x, d, BAR_MEM, mem + 0x10000);
    assert_int_equal(fake_bell_fd(&x.bells, BUS_MMIO, mem + 0x100), -1);
    assert_int_equal(fake_bell_fd(&x.bells, BUS_MMIO, mem + 0x10100), d->bell[0].fd);
    command(&x, d, 0, PCI_CMD_MEMORY);
    assert_int_equal(fake_bell_fd(&x.bells, BUS_MMIO, mem + 0x10100), -1);
    assert_int_equal(fake_bells_live(&x.bells), 1);
    command(&x, d, 0, PCI_CMD_IO);
    assert_int_equal(fake_bells_live(&x.bells), 0);
    command(&x, d, PCI_CMD_MEMORY | PCI_CMD_IO, 0);
    assert_int_equal(fake_bells_live(&x.bells), 2);
    fix_close(&x);
}

static void test_decode_bits(void **state)
{
    struct fix x;
    struct dev *d;

    (void)state;
    fix_open(&x);
    d = dev_plug(&x);
    assert_int_equal(who(&x, BUS_MMIO, layout.mem64_base), -1);
    fix_boot(&x);
    assert_int_equal(cfg_get(&x, d, PCI_COMMAND, 2), PCI_CMD_IO | PCI_CMD_MEMORY);
    cfg_put(&x, d, PCI_COMMAND, PCI_CMD_MEMORY, 1); /* the low byte alone */
    assert_int_equal(who(&x, BUS_PIO, home(d, BAR_IO)), -1);
    assert_int_equal(who(&x, BUS_MMIO, home(d, BAR_MEM)), 0);
    cfg_put(&x, d, PCI_COMMAND, PCI_CMD_IO, 4);
    assert_int_equal(who(&x, BUS_PIO, home(d, BAR_IO)), 0);
    assert_int_equal(who(&x, BUS_MMIO, home(d, BAR_MEM)), -1);
    fix_close(&x);
}

static void test_bar_accesses_reach_the_device(void **state)
{
    struct fix x;
    struct dev *d;
    uint64_t v = 0x1122334455667788;

    (void)state;
    fix_open(&x);
    d = dev_plug(&x);
    fix_boot(&x);
    assert_true(bus_write(x.bus, BUS_MMIO, home(d, BAR_MEM) + 0x3ff8, &v, 8));
    assert_int_equal(d->bar, BAR_MEM);
    assert_int_equal(d->off, 0x3ff8);
    assert_true(d->value == v);
    assert_true(bus_write(x.bus, BUS_PIO, home(d, BAR_IO) + 5, &v, 1));
    assert_int_equal(d->bar, BAR_IO);
    assert_int_equal(d->off, 5);
    assert_int_equal(d->value, 0x88);
    assert_false(bus_write(x.bus, BUS_PIO, home(d, BAR_IO) + 62, &v, 4)); /* M02 */
    assert_int_equal(d->writes, 2);
    fix_close(&x);
}

static void test_P34_bytes_of_a_register(void **state)
{
    struct fix x;
    struct dev *d;

    (void)state;
    fix_open(&x);
    d = dev_plug(&x);
    fix_boot(&x);
    bar_put(&x, d, BAR_MSIX, 0xc0100000);
    cfg_put(&x, d, PCI_BAR0 + 5, 0x50, 1);
    assert_int_equal(cfg_get(&x, d, PCI_BAR0 + 4, 4), 0xc0105000);
    assert_true(d->func.bar[BAR_MSIX].claim.mapped);
    assert_int_equal(d->func.bar[BAR_MSIX].claim.base, 0xc0105000);
    cfg_put(&x, d, PCI_BAR0 + 6, 0xc123, 2);
    assert_int_equal(d->func.bar[BAR_MSIX].claim.base, 0xc1235000);
    cfg_put(&x, d, PCI_BAR0 + 4, 0xffff, 1);
    assert_int_equal(d->func.bar[BAR_MSIX].claim.base, 0xc1235000);
    fix_close(&x);
}

static void test_P35_absent_bars_stay_zero(void **state)
{
    static const uint8_t regs[] = {PCI_BAR0 + 8, PCI_BAR0 + 12, PCI_ROM_BAR, 0x28, 0x38};
    struct fix x;
    struct dev *d;

    (void)state;
    fix_open(&x);
    d = dev_plug(&x);
    fix_boot(&x);
    for (unsigned i = 0; i < sizeof(regs); i++) {
        cfg_put(&x, d, regs[i], UINT32_MAX, 4);
        assert_int_equal(cfg_get(&x, d, regs[i], 4), 0);
    }
    fix_close(&x);
}

static void test_assign_gives_disjoint_aligned_places(void **state)
{
    struct fix x;
    struct pci_func f = {0};
    struct pci_bar *bar[20];
    unsigned n = 0;

    (void)state;
    fix_open(&x);
    pci_func_init(&f, "big", x.loop, NULL, NULL);
    assert_int_equal(pci_bar_add(&f, 0, PCI_BAR_MEM32, 16 * MIB, false, NULL, 0), 0);
    assert_int_equal(pci_bar_add(&f, 2, PCI_BAR_MEM64, UINT64_C(0x200000000), true, NULL, 0), 0);
    assert_int_equal(pci_bar_add(&f, 5, PCI_BAR_IO, 256, false, NULL, 0), 0);
    dev_plug(&x);
    assert_int_equal(pci_func_plug(x.root, &f, -1, NULL), 0);
    dev_plug(&x);
    fix_boot(&x);
    for (unsigned i = 0; i < 256; i++)
        for (unsigned j = 0; pci_func_at(x.root, (uint8_t)i) && j < PCI_BARS; j++)
            if (pci_func_at(x.root, (uint8_t)i)->bar[j].kind)
                bar[n++] = &pci_func_at(x.root, (uint8_t)i)->bar[j];
    assert_int_equal(n, 9);
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(bar[i]->home % bar[i]->size, 0);
        assert_true(bar[i]->claim.mapped && bar[i]->claim.base == bar[i]->home);
        if (bar[i]->kind == PCI_BAR_IO)
            assert_true(bar[i]->home >= 0x1000);
        if (bar[i]->kind == PCI_BAR_MEM64)
            assert_true(bar[i]->home >= layout.mem64_base);
        for (unsigned j = 0; j < i; j++)
            assert_true(bar[i]->claim.space != bar[j]->claim.space ||
                        bar[i]->home + bar[i]->size <= bar[j]->home ||
                        bar[j]->home + bar[j]->size <= bar[i]->home);
    }
    fix_close(&x);
}

static void test_assign_when_windows_are_full(void **state)
{
    struct fix x;
    struct pci_func f = {0};
    struct err err = {{0}};

    (void)state;
    fix_open(&x);
    pci_func_init(&f, "huge", x.loop, NULL, NULL);
    assert_int_equal(pci_bar_add(&f, 0, PCI_BAR_MEM32, UINT64_C(0x40000000), false, NULL, 0), 0);
    assert_int_equal(pci_func_plug(x.root, &f, -1, NULL), 0);
    assert_int_equal(pci_assign(x.root, &err), -ENOSPC);
    assert_non_null(strstr(err.text, "huge"));
    fix_close(&x);
}

static void test_windows_at_odd_places(void **state)
{
    static const struct pci_layout odd = {
        .mem32_base = 0xc0001000, .mem32_size = 0x100000, .io_size = 0x10000};
    struct fix x;
    struct dev *d;
    struct pci_func f = {0};

    (void)state;
    fix_open(&x);
    pci_root_free(x.root);
    x.root = pci_root_new(x.bus, x.irqs, &odd);
    d = dev_plug(&x);
    pci_func_init(&f, "f", x.loop, NULL, NULL);
    assert_int_equal(pci_bar_add(&f, 0, PCI_BAR_MEM32, 0x10000, false, NULL, 0), 0);
    assert_int_equal(pci_func_plug(x.root, &f, -1, NULL), 0);
    fix_boot(&x);
    assert_int_equal(f.bar[0].home, 0xc0010000); /* aligned */
    assert_int_equal(f.bar[0].claim.base, 0xc0010000);
    assert_int_equal(home(d, BAR_MEM), 0xc0020000); /* there is no 64-bit window */
    assert_int_equal(home(d, BAR_IO), 0x1000);
    bar_put(&x, d, BAR_IO, 0x40); /* a guest may go lower */
    assert_int_equal(who(&x, BUS_PIO, 0x40), 0);
    bar_put(&x, d, BAR_IO, 0); /* but 0 is no place, P14 */
    assert_int_equal(who(&x, BUS_PIO, 0), -1);
    fix_close(&x);
}

static void test_bad_bars_and_capabilities(void **state)
{
    struct fix x;
    struct pci_func f = {0};
    struct err err = {{0}};
    uint8_t body[100] = {0};

    (void)state;
    fix_open(&x);
    pci_func_init(&f, "f", x.loop, NULL, NULL);
    assert_int_equal(pci_bar_add(&f, 6, PCI_BAR_MEM32, 4096, false, NULL, 0), -EINVAL);
    assert_int_equal(pci_bar_add(&f, 0, PCI_BAR_MEM32, 2048, false, NULL, 0), -EINVAL);
    assert_int_equal(pci_bar_add(&f, 0, PCI_BAR_MEM32, 4097, false, NULL, 0), -EINVAL);
    assert_int_equal(pci_bar_add(&f, 0, PCI_BAR_MEM32, 4 * GIB, false, NULL, 0), -EINVAL);
    assert_int_equal(pci_bar_add(&f, 0, PCI_BAR_IO, 8, false, NULL, 0), -EINVAL);
    assert_int_equal(pci_bar_add(&f, 0, PCI_BAR_NONE, 4096, false, NULL, 0), -EINVAL);
    assert_int_equal(pci_bar_add(&f, 5, PCI_BAR_MEM64, 4096, false, NULL, 0), -EINVAL);
    assert_int_equal(pci_bar_add(&f, 1, PCI_BAR_MEM64, 8 * GIB, false, NULL, 0), 0);
    assert_int_equal(pci_bar_add(&f, 1, PCI_BAR_IO, 16, false, NULL, 0), -EINVAL);
    assert_int_equal(pci_bar_add(&f, 2, PCI_BAR_IO, 16, false, NULL, 0), -EINVAL);
    assert_int_equal(pci_bar_add(&f, 0, PCI_BAR_MEM64, 4096, false, NULL, 0), -EINVAL);
    assert_int_equal(pci_msix_add(&f, x.irqs, 2, 2, &err), -EINVAL);
    assert_int_equal(pci_msix_add(&f, x.irqs, 0, 3, &err), -EINVAL);
    assert_int_equal(pci_msix_add(&f, x.irqs, 2, 3, &err), 0);
    assert_int_equal(pci_msix_add(&f, x.irqs, 2, 4, &err), -EEXIST);
    assert_int_equal(pci_cap_add(&f, 9, body, NULL, 100), 0x4c);
    assert_int_equal(pci_cap_add(&f, 9, body, NULL, 75), -ENOSPC);
    assert_int_equal(pci_cap_add(&f, 9, body, NULL, 74), 0xb4);
    assert_int_equal(pci_cap_add(&f, 9, body, NULL, 0), -ENOSPC);
    pci_func_unplug(&f); /* never plugged: frees MSI-X */
    fix_close(&x);
}

/* One vCPU moves BARs, one switches decoding, one accesses, and the loop raises interrupts. */

struct race {
    struct fix x;
    _Atomic bool stop;
};

static void *race_move(void *arg)
{
    struct race *r = (struct race *)arg;

    for (unsigned i = 0; i < 1500; i++) {
        bar_put(&r->x, &r->x.dev[i % 2], BAR_MEM, layout.mem64_base + (i % 5) * UINT64_C(0x4000));
        bar_put(&r->x, &r->x.dev[i % 2], BAR_IO, 0x2000 + (i % 3) * 0x20);
    }
    r->stop = true;
    return NULL;
}

static void *race_decode(void *arg)
{
    struct race *r = (struct race *)arg;

    for (unsigned i = 0; !r->stop; i++) {
        command(&r->x, &r->x.dev[1], i & 7, ~i & 7);
        cfg_put(&r->x, &r->x.dev[0], r->x.dev[0].func.msix_cap + 2, i << 14, 2);
    }
    return NULL;
}

static void *race_access(void *arg)
{
    struct race *r = (struct race *)arg;
    uint64_t v = 0;

    for (unsigned i = 0; !r->stop; i += 4) {
        bus_write(r->x.bus, BUS_MMIO, layout.mem64_base + i % 0x18000, &v, 4);
        bus_read(r->x.bus, BUS_MMIO, layout.mem32_base + i % 0x3000, &v, 4);
        bus_read(r->x.bus, BUS_PIO, 0x2000 + i % 0x100, &v, 4);
    }
    return NULL;
}

static void *race_interrupt(void *arg)
{
    struct race *r = (struct race *)arg;
    struct pci_func *f = &r->x.dev[0].func;

    for (unsigned i = 0; !r->stop; i++) {
        loop_lock(f->loop);
        pci_intx_set(f, i & 1);
        msix_notify(f->msix, i % VECTORS);
        loop_unlock(f->loop);
    }
    return NULL;
}

static void test_M08_R01_lock_order(void **state)
{
    static void *(*const fn[])(void *) = {race_move, race_decode, race_access, race_interrupt};
    struct race *r = (struct race *)calloc(1, sizeof(*r));
    pthread_t thread[ARRAY_SIZE(fn)];

    (void)state;
    fix_open(&r->x);
    dev_plug(&r->x);
    dev_plug(&r->x);
    fix_boot(&r->x);
    for (unsigned i = 0; i < ARRAY_SIZE(fn); i++)
        pthread_create(&thread[i], NULL, fn[i], r);
    for (unsigned i = 0; i < ARRAY_SIZE(fn); i++)
        pthread_join(thread[i], NULL);
    pci_reset(r->x.root);
    assert_int_equal(who(&r->x, BUS_MMIO, home(&r->x.dev[1], BAR_MEM)), 1);
    fix_close(&r->x);
    free(r);
}

/* What the guest was shown of memory. */
struct fake_memory {
    unsigned slot, shows, hides;
    uint64_t addr, size;
    void *host;
    int refuse;
};

static int fake_show(void *ctx, unsigned slot, uint64_t addr, uint64_t size, void *host)
{
    struct fake_memory *f = (struct fake_memory *)ctx;

    assert_int_equal(f->addr, 0); /* hidden before it moves */
    f->shows++;
    if (f->refuse)
        return f->refuse;
    f->slot = slot;
    f->addr = addr;
    f->size = size;
    f->host = host;
    return 0;
}

static void fake_hide(void *ctx, unsigned slot)
{
    struct fake_memory *f = (struct fake_memory *)ctx;

    assert_int_equal(slot, f->slot);
    assert_int_not_equal(f->addr, 0);
    f->hides++;
    f->addr = 0;
}

static void test_memory_behind_a_bar(void **state)
{
    enum { BAR = 2, SIZE = 8192 };
    uint8_t *host = aligned_alloc(4096, SIZE);
    struct fake_memory f = {.host = NULL};
    const struct pci_memory_ops ops = {fake_show, fake_hide, &f};
    struct fix x;
    struct dev *d;
    uint64_t at;

    (void)state;
    memset(host, 0, SIZE);
    fix_open(&x);
    pci_root_set_memory_ops(x.root, &ops);
    d = dev_new(&x);
    assert_int_equal(pci_bar_add_memory(&d->func, BAR_MEM, SIZE, host), -EINVAL);
    assert_int_equal(pci_bar_add_memory(&d->func, BAR, SIZE, host), 0);
    assert_int_equal(pci_func_plug(x.root, &d->func, -1, NULL), 0);
    fix_boot(&x);
    at = home(d, BAR);
    assert_int_equal(cfg_get(&x, d, PCI_BAR0 + 4 * BAR, 4), at | 8);
    assert_true(f.addr == at && f.size == SIZE && f.host == host && f.shows == 1);
    command(&x, d, PCI_CMD_MASTER, 0); /* nothing moves */
    assert_int_equal(f.shows, 1);
    command(&x, d, 0, PCI_CMD_MEMORY);
    assert_int_equal(f.addr, 0);
    command(&x, d, PCI_CMD_MEMORY, 0);
    assert_int_equal(f.addr, at);
    bar_put(&x, d, BAR, UINT32_MAX);
    assert_int_equal(f.addr, 0);
    bar_put(&x, d, BAR, at + SIZE);
    assert_int_equal(f.addr, at + SIZE);
    f.refuse = -ENOSPC; /* then accesses come here */
    bar_put(&x, d, BAR, at);
    mem_put(&x, at + 4, 0x12345678);
    assert_int_equal(le32_load(host + 4), 0x12345678);
    assert_int_equal(who(&x, BUS_MMIO, at + 4), 0x78 - '0');
    assert_int_equal(d->reads + d->writes, 0);
    f.refuse = 0;
    pci_reset(x.root);
    assert_int_equal(le32_load(host + 4), 0);
    command(&x, d, 0, PCI_CMD_MEMORY);
    command(&x, d, PCI_CMD_MEMORY, 0);
    assert_int_equal(f.addr, at);
    fix_close(&x);
    assert_int_equal(f.addr, 0);
    free(host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_behind_a_bar),
        cmocka_unit_test(test_P11_sizing_with_decode_on),
        cmocka_unit_test(test_P13_bar_over_bar),
        cmocka_unit_test(test_P14_invalid_placements),
        cmocka_unit_test(test_L13_P16_platform_keeps_its_ports),
        cmocka_unit_test(test_P17_doorbells_follow_the_bar),
        cmocka_unit_test(test_decode_bits),
        cmocka_unit_test(test_bar_accesses_reach_the_device),
        cmocka_unit_test(test_P34_bytes_of_a_register),
        cmocka_unit_test(test_P35_absent_bars_stay_zero),
        cmocka_unit_test(test_assign_gives_disjoint_aligned_places),
        cmocka_unit_test(test_assign_when_windows_are_full),
        cmocka_unit_test(test_windows_at_odd_places),
        cmocka_unit_test(test_bad_bars_and_capabilities),
        cmocka_unit_test(test_M08_R01_lock_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
