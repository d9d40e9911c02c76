// SPDX-License-Identifier: MIT
/*
 * Owns base address registers: their shape, where they are decoded, and the places that firmware
 * would give them. Refuses to know what is behind one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/bits.h"
#include "vmm/base/gmem.h"
#include "vmm/base/le.h"
#include "vmm/base/trace.h"
#include "vmm/bus/pci-internal.h"

enum {
    FLAG_IO = 0x1,
    FLAG_MEM64 = 0x4,
    FLAG_PREFETCH = 0x8,
    IO_MIN_SIZE = 16,
    MEM_MIN_SIZE = 4096,
    IO_LOW = 0x1000, /* below are platform devices, and Linux allocates nothing there */
};

/* What the kinds of BAR differ in. */
static const struct bar_kind {
    enum bus_space space;
    unsigned regs; /* dwords that it takes */
    uint8_t flags;
    uint8_t decode; /* the COMMAND bit */
    uint64_t min, max;
} bar_kinds[] = {
    [PCI_BAR_IO] = {BUS_PIO, 1, FLAG_IO, PCI_CMD_IO, IO_MIN_SIZE, UINT64_C(1) << 15},
    [PCI_BAR_MEM32] = {BUS_MMIO, 1, 0, PCI_CMD_MEMORY, MEM_MIN_SIZE, UINT64_C(1) << 31},
    [PCI_BAR_MEM64] = {BUS_MMIO, 2, FLAG_MEM64, PCI_CMD_MEMORY, MEM_MIN_SIZE, UINT64_C(1) << 62},
};

static const struct bar_kind *bar_kind(const struct pci_bar *bar)
{
    return &bar_kinds[bar->kind];
}

/* Both places where a guest's access reaches a BAR: the lock of the function is taken here. */
static void bar_read(void *ctx, uint64_t off, void *data, unsigned len)
{
    struct pci_bar *bar = (struct pci_bar *)ctx;
    struct pci_func *func = bar->func;

    loop_lock(func->loop);
    if (trace_on(TRACE_BASE))
        trace_access_begin(func->trace, bar->index, off, len);
    if (bar->msix)
        msix_bar_read(func->msix, off, data, len);
    else if (bar->host)
        memcpy(data, bar->host + off, len);
    else if (func->ops->bar_read)
        func->ops->bar_read(func, bar->index, off, data, len);
    if (trace_on(TRACE_BASE))
        trace_access_end(false, data, len);
    loop_unlock(func->loop);
}

static void bar_write(void *ctx, uint64_t off, const void *data, unsigned len)
{
    struct pci_bar *bar = (struct pci_bar *)ctx;
    struct pci_func *func = bar->func;

    loop_lock(func->loop);
    if (trace_on(TRACE_BASE))
        trace_access_begin(func->trace, bar->index, off, len);
    if (bar->msix) {
        msix_bar_write(func->msix, off, data, len);
        pci_vectors_changed(func);
    } else if (bar->host) {
        memcpy(bar->host + off, data, len);
    } else if (func->ops->bar_write) {
        func->ops->bar_write(func, bar->index, off, data, len);
    }
    if (trace_on(TRACE_BASE))
        trace_access_end(true, data, len);
    loop_unlock(func->loop);
}

static const struct bus_ops bar_ops = {bar_read, bar_write};

static uint8_t *bar_reg(struct pci_func *func, unsigned index)
{
    return &func->cfg[PCI_BAR0 + 4 * index];
}

/* Is register i free, also of being the upper half of a 64-bit BAR? */
static bool reg_free(const struct pci_func *func, unsigned i)
{
    return i < PCI_BARS && func->bar[i].kind == PCI_BAR_NONE &&
           (i == 0 || func->bar[i - 1].kind != PCI_BAR_MEM64);
}

static bool bar_ok(const struct pci_func *func, unsigned index, enum pci_bar_kind kind,
                   uint64_t size)
{
    if (kind <= PCI_BAR_NONE || kind > PCI_BAR_MEM64 || !is_pow2(size))
        return false;
    if (size < bar_kinds[kind].min || size > bar_kinds[kind].max)
        return false;
    return reg_free(func, index) && (bar_kinds[kind].regs == 1 || reg_free(func, index + 1));
}

int pci_bar_add(struct pci_func *func, unsigned index, enum pci_bar_kind kind, uint64_t size,
                bool prefetch, struct bus_bell *bells, unsigned n_bells)
{
    struct pci_bar *bar;
    uint8_t *wmask;

    if (func->root || !bar_ok(func, index, kind, size))
        return -EINVAL;
    bar = &func->bar[index];
    *bar = (struct pci_bar){
        .kind = kind,
        .size = size,
        .prefetch = prefetch && kind != PCI_BAR_IO,
        .func = func,
        .index = index,
        .claim = {.name = func->name,
                  .space = bar_kinds[kind].space,
                  .prio = BUS_PRIO_PCI,
                  .size = size,
                  .ops = &bar_ops,
                  .ctx = bar,
                  .bell = bells,
                  .n_bells = n_bells},
    };
    *bar_reg(func, index) = bar_kinds[kind].flags | (bar->prefetch ? FLAG_PREFETCH : 0);
    wmask = &func->wmask[PCI_BAR0 + 4 * index];
    order_store(ORDER_LITTLE, wmask, 4 * bar_kinds[kind].regs, ~(size - 1));
    return 0;
}

int pci_bar_add_memory(struct pci_func *func, unsigned index, uint64_t size, void *host)
{
    const int ret = pci_bar_add(func, index, PCI_BAR_MEM32, size, true, NULL, 0);

    if (ret == 0)
        func->bar[index].host = (uint8_t *)host;
    return ret;
}

void pci_bar_bells_changed(struct pci_func *func, unsigned index)
{
    if (func->root)
        bus_bells_changed(func->root->bus, &func->bar[index].claim);
}

static uint64_t bar_addr(struct pci_func *func, const struct pci_bar *bar)
{
    const unsigned len = 4 * bar_kind(bar)->regs;

    return order_load(ORDER_LITTLE, bar_reg(func, bar->index), len) & ~(bar->size - 1);
}

static bool window_has(uint64_t base, uint64_t size, uint64_t addr, uint64_t len)
{
    return addr >= base && range_ok(addr - base, len, size);
}

/* A valid placement, see pci.h. */
static bool bar_placed(const struct pci_root *root, const struct pci_bar *bar, uint64_t addr)
{
    const struct pci_layout *l = &root->layout;

    if (!addr)
        return false;
    if (bar->kind == PCI_BAR_IO)
        return window_has(l->io_base, l->io_size, addr, bar->size);
    return window_has(l->mem32_base, l->mem32_size, addr, bar->size) ||
           window_has(l->mem64_base, l->mem64_size, addr, bar->size);
}

/* addr 0: nowhere. Slots are deleted before they are moved: KVM has it so. */
static void memory_show(struct pci_func *func, struct pci_bar *bar, uint64_t addr)
{
    const struct pci_memory_ops *ops = &func->root->memory;

    if (!bar->host || !ops->show || bar->shown == addr)
        return;
    if (bar->shown)
        ops->hide(ops->ctx, func->devfn);
    bar->shown = 0;
    if (addr && ops->show(ops->ctx, func->devfn, addr, bar->size, bar->host) == 0)
        bar->shown = addr;
}

static void bar_unmap(struct pci_func *func, struct pci_bar *bar)
{
    memory_show(func, bar, 0);
    bus_unmap(func->root->bus, &bar->claim);
}

static void bar_update(struct pci_func *func, struct pci_bar *bar)
{
    const uint64_t addr = bar_addr(func, bar);
    const bool on = func->cfg[PCI_COMMAND] & bar_kind(bar)->decode;

    if (!on || !bar_placed(func->root, bar, addr)) {
        bar_unmap(func, bar);
        return;
    }
    bus_map(func->root->bus, &bar->claim, addr);
    memory_show(func, bar, addr);
}

void pci_bars_update(struct pci_func *func)
{
    for (unsigned i = 0; i < PCI_BARS; i++)
        if (func->bar[i].kind != PCI_BAR_NONE)
            bar_update(func, &func->bar[i]);
}

void pci_bars_unmap(struct pci_func *func)
{
    for (unsigned i = 0; i < PCI_BARS; i++)
        if (func->bar[i].kind != PCI_BAR_NONE)
            bar_unmap(func, &func->bar[i]);
}

void pci_bars_clear(struct pci_func *func)
{
    for (unsigned i = 0; i < PCI_BARS; i++) {
        struct pci_bar *bar = &func->bar[i];

        if (bar->host && gmem_discard_host(bar->host, bar->size) != bar->size)
            memset(bar->host, 0, bar->size);
    }
}

/* A window that is being filled from below. Largest BARs come first: aligning leaves no holes but
 * before the first one. */
struct window {
    uint64_t next, left;
};

static struct window window_make(uint64_t base, uint64_t size, uint64_t low)
{
    const uint64_t skip = base < low ? min_u64(low - base, size) : 0;

    return (struct window){base + skip, size - skip};
}

static bool window_take(struct window *w, uint64_t size, uint64_t *addr)
{
    const uint64_t skip = (size - w->next % size) % size;

    if (skip > w->left || size > w->left - skip)
        return false;
    *addr = w->next + skip;
    w->next += skip + size;
    w->left -= skip + size;
    return true;
}

enum { WINDOW_IO, WINDOW_MEM32, WINDOW_MEM64, WINDOWS };

static bool bar_place(struct window *windows, struct pci_bar *bar)
{
    if (bar->kind == PCI_BAR_IO)
        return window_take(&windows[WINDOW_IO], bar->size, &bar->home);
    if (bar->kind == PCI_BAR_MEM64 && window_take(&windows[WINDOW_MEM64], bar->size, &bar->home))
        return true;
    return window_take(&windows[WINDOW_MEM32], bar->size, &bar->home);
}

/* Larger ones first; equals in the order of their functions, so that places are always the same. */
static int bar_compare(const void *a, const void *b)
{
    const struct pci_bar *x = *(const struct pci_bar *const *)a;
    const struct pci_bar *y = *(const struct pci_bar *const *)b;

    if (x->size != y->size)
        return x->size < y->size ? 1 : -1;
    if (x->func->devfn != y->func->devfn)
        return x->func->devfn - y->func->devfn;
    return (int)x->index - (int)y->index;
}

static unsigned bars_collect(struct pci_root *root, struct pci_bar **bars)
{
    unsigned n = 0;

    for (unsigned i = 0; i < PCI_PLACES; i++)
        for (unsigned j = 0; root->func[i] && j < PCI_BARS; j++)
            if (root->func[i]->bar[j].kind != PCI_BAR_NONE)
                bars[n++] = &root->func[i]->bar[j];
    return n;
}

static int bars_place(struct pci_root *root, struct pci_bar **bars, unsigned n, struct err *err)
{
    const struct pci_layout *l = &root->layout;
    struct window windows[WINDOWS] = {
        [WINDOW_IO] = window_make(l->io_base, l->io_size, IO_LOW),
        [WINDOW_MEM32] = window_make(l->mem32_base, l->mem32_size, MEM_MIN_SIZE),
        [WINDOW_MEM64] = window_make(l->mem64_base, l->mem64_size, MEM_MIN_SIZE),
    };

    for (unsigned i = 0; i < n; i++)
        if (!bar_place(windows, bars[i]))
            return err_set(err, ENOSPC,
                           "no address space left for BAR %u of %s (%llu bytes): leave out some "
                           "devices",
                           bars[i]->index, bars[i]->func->name, (unsigned long long)bars[i]->size);
    return 0;
}

/* Write the registers as firmware does. */
static void func_assign(struct pci_func *func)
{
    loop_lock(func->loop);
    for (unsigned i = 0; i < PCI_BARS; i++) {
        const struct pci_bar *bar = &func->bar[i];
        uint8_t *reg = bar_reg(func, i);

        if (bar->kind == PCI_BAR_NONE)
            continue;
        order_store(ORDER_LITTLE, reg, 4 * bar_kind(bar)->regs, bar->home | (*reg & 0xf));
        func->cfg[PCI_COMMAND] |= bar_kind(bar)->decode;
    }
    memcpy(func->boot, func->cfg, sizeof(func->boot));
    pci_bars_update(func);
    loop_unlock(func->loop);
}

int pci_assign(struct pci_root *root, struct err *err)
{
    struct pci_bar **bars = (struct pci_bar **)calloc(PCI_PLACES * PCI_BARS, sizeof(*bars));
    unsigned n;
    int ret;

    if (!bars)
        return err_errno(err, ENOMEM, "placing the PCI devices");
    n = bars_collect(root, bars);
    qsort(bars, n, sizeof(*bars), bar_compare);
    ret = bars_place(root, bars, n, err);
    free(bars);
    for (unsigned i = 0; ret == 0 && i < PCI_PLACES; i++)
        if (root->func[i])
            func_assign(root->func[i]);
    return ret;
}
