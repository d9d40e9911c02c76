// SPDX-License-Identifier: MIT
/*
 * Owns how a guest finds a PCI function and handles what all functions have: BARs, INTx, MSI-X.
 * Refuses to know virtio, and how vmm makes a function.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/driver/driver.h"
#include "vmm/base/bits.h"

enum {
    PORT_ADDR = 0xcf8,
    PORT_DATA = 0xcfc,
    ENTRY_CTRL = 12,
    ALL_PLACES = 256,
    CAPS_AT_MOST = 48,
};

uint32_t gfunc_read(struct gfunc *f, unsigned off, unsigned len)
{
    if (f->ecam)
        return (uint32_t)machine_read(f->m, BUS_MMIO, ECAM_BASE + f->devfn * 4096u + off, len);
    machine_write(f->m, BUS_PIO, PORT_ADDR, 4,
                  0x80000000u | (uint32_t)f->devfn << 8 | (off & 0xfc));
    return (uint32_t)machine_read(f->m, BUS_PIO, PORT_DATA + (off & 3), len);
}

void gfunc_write(struct gfunc *f, unsigned off, unsigned len, uint32_t v)
{
    if (f->ecam) {
        machine_write(f->m, BUS_MMIO, ECAM_BASE + f->devfn * 4096u + off, len, v);
        return;
    }
    machine_write(f->m, BUS_PIO, PORT_ADDR, 4,
                  0x80000000u | (uint32_t)f->devfn << 8 | (off & 0xfc));
    machine_write(f->m, BUS_PIO, PORT_DATA + (off & 3), len, v);
}

/* Size a BAR as a guest does: with decoding off. Returns how many registers it takes. */
static unsigned bar_probe(struct gfunc *f, unsigned i)
{
    const unsigned off = PCI_BAR0 + 4 * i;
    const uint32_t low = gfunc_read(f, off, 4);
    const bool io = low & 1, wide = !io && (low & 6) == 4;
    const uint32_t flags = io ? 3 : 0xf;
    uint64_t mask, addr = low & ~flags;

    gfunc_write(f, off, 4, 0xffffffff);
    mask = gfunc_read(f, off, 4) & ~flags;
    gfunc_write(f, off, 4, low);
    if (wide) {
        const uint32_t high = gfunc_read(f, off + 4, 4);

        addr |= (uint64_t)high << 32;
        gfunc_write(f, off + 4, 4, 0xffffffff);
        mask |= (uint64_t)gfunc_read(f, off + 4, 4) << 32;
        gfunc_write(f, off + 4, 4, high);
    } else if (mask) {
        mask |= UINT64_C(0xffffffff00000000);
    }
    f->bar[i] = addr;
    f->bar_size[i] = mask ? ~mask + 1 : 0;
    f->bar_space[i] = io ? BUS_PIO : BUS_MMIO;
    return wide ? 2 : 1;
}

static void bars_probe(struct gfunc *f)
{
    const uint16_t command = (uint16_t)gfunc_read(f, PCI_COMMAND, 2);

    gfunc_write(f, PCI_COMMAND, 2, command & ~3u);
    for (unsigned i = 0; i < PCI_BARS;)
        i += bar_probe(f, i);
    gfunc_write(f, PCI_COMMAND, 2, command | PCI_CMD_IO | PCI_CMD_MEMORY | PCI_CMD_MASTER);
}

static void msix_probe(struct gfunc *f)
{
    uint32_t table, pba;

    f->msix = gfunc_cap(f, PCI_CAP_ID_MSIX, 0);
    if (!f->msix)
        return;
    f->msix_n = (gfunc_read(f, f->msix + 2, 2) & 0x7ff) + 1;
    table = gfunc_read(f, f->msix + 4, 4);
    pba = gfunc_read(f, f->msix + 8, 4);
    f->msix_table = f->bar[table & 7] + (table & ~7u);
    f->msix_pba = f->bar[pba & 7] + (pba & ~7u);
}

bool gfunc_find(struct gfunc *f, struct machine *m, bool ecam, uint16_t vendor, uint16_t device,
                unsigned nth)
{
    for (unsigned devfn = 0; devfn < ALL_PLACES; devfn++) {
        *f = (struct gfunc){.m = m, .devfn = (uint8_t)devfn, .ecam = ecam};
        if (gfunc_read(f, PCI_VENDOR_ID, 4) != ((uint32_t)device << 16 | vendor) || nth--)
            continue;
        bars_probe(f);
        msix_probe(f);
        return true;
    }
    return false;
}

unsigned gfunc_cap(struct gfunc *f, uint8_t id, unsigned after)
{
    unsigned at;

    if (!(gfunc_read(f, PCI_STATUS, 2) & PCI_STATUS_CAPS))
        return 0;
    at = gfunc_read(f, after ? after + 1 : PCI_CAP_PTR, 1);
    for (unsigned i = 0; at && i < CAPS_AT_MOST; i++, at = gfunc_read(f, at + 1, 1))
        if (gfunc_read(f, at, 1) == id)
            return at;
    return 0;
}

void gfunc_command(struct gfunc *f, uint16_t set, uint16_t clear)
{
    const uint32_t now = gfunc_read(f, PCI_COMMAND, 2);

    gfunc_write(f, PCI_COMMAND, 2, (now & ~(uint32_t)clear) | set);
}

bool gfunc_intx_status(struct gfunc *f)
{
    return gfunc_read(f, PCI_STATUS, 2) & PCI_STATUS_INTX;
}

bool gfunc_intx_line(struct gfunc *f)
{
    return machine_level(f->m, gfunc_read(f, PCI_INT_LINE, 1));
}

void gfunc_msix_control(struct gfunc *f, bool enable, bool mask_all)
{
    const unsigned bits = (enable ? MSIX_CTRL_ENABLE : 0) | (mask_all ? MSIX_CTRL_MASK_ALL : 0);

    gfunc_write(f, f->msix + 2, 2, bits);
}

bool gfunc_msix_enabled(struct gfunc *f)
{
    return f->msix && (gfunc_read(f, f->msix + 2, 2) & MSIX_CTRL_ENABLE);
}

uint16_t gfunc_msix_data(const struct gfunc *f, unsigned vector)
{
    return (uint16_t)((f->devfn >> 3) << 11 | (vector & 0x7ff));
}

void gfunc_msix_entry(struct gfunc *f, unsigned vector, bool masked)
{
    const uint64_t at = f->msix_table + vector * MSIX_ENTRY;

    machine_write(f->m, BUS_MMIO, at, 4, MSI_ADDR);
    machine_write(f->m, BUS_MMIO, at + 4, 4, 0);
    machine_write(f->m, BUS_MMIO, at + 8, 4, gfunc_msix_data(f, vector));
    machine_write(f->m, BUS_MMIO, at + ENTRY_CTRL, 4, masked);
}

bool gfunc_msix_pending(struct gfunc *f, unsigned vector)
{
    const uint64_t at = f->msix_pba + vector / 32 * 4;

    return machine_read(f->m, BUS_MMIO, at, 4) >> (vector % 32) & 1;
}

uint32_t gfunc_msix_count(struct gfunc *f, unsigned vector)
{
    return machine_messages(f->m, gfunc_msix_data(f, vector));
}
