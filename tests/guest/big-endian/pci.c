// SPDX-License-Identifier: MIT
/* Bus 0 by ECAM: the bridge's windows from the device tree, BARs placed in them, capabilities. */
#include "guest.h"

enum {
    PCI_VENDOR = 0x00,
    PCI_DEVICE = 0x02,
    PCI_COMMAND = 0x04,
    PCI_BAR = 0x10,
    PCI_SUBSYSTEM = 0x2e,
    PCI_CAPS = 0x34,
    COMMAND_ON = 0x07, /* ports, memory, bus mastering */
    CAP_VENDOR = 0x09,
    VENDOR_VIRTIO = 0x1af4,
    DEVICE_FIRST = 0x1000, /* transitional ones, to 0x103f */
    DEVICE_MODERN = 0x1040,
    DEVICE_LAST = 0x107f,
    SLOTS = 32,
    BARS = 6,
    BAR_IO = 1,
    BAR_64 = 4,
};

/* Structures that vendor capabilities tell of (4.1.4), and the capability's fields. */
enum { CFG_COMMON = 1, CFG_NOTIFY = 2, CFG_DEVICE = 4, CFG_WINDOW = 5 };
enum { CAP_TYPE = 3, CAP_BAR = 4, CAP_OFFSET = 8, CAP_LENGTH = 12, CAP_MORE = 16 };

enum { SPACE_IO = 1, SPACE_MEM32 = 2, SPACE_MEM64 = 3, SPACES = 4 };

/* A window of the bridge, as the bus and as processors see it. */
static struct space {
    uint64_t bus, cpu, size, next;
} space[SPACES];

static bool windows_read(struct fdt_prop ranges)
{
    for (unsigned i = 0; i + 7 <= ranges.len / 4; i += 7) {
        struct space *s = &space[fdt_cell(ranges, i) >> 24 & 3];

        *s = (struct space){fdt_cell2(ranges, i + 1), fdt_cell2(ranges, i + 3),
                            fdt_cell2(ranges, i + 5), 0};
        s->next = 0x1000; /* some take a BAR at 0 for one that has no place */
    }
    return space[SPACE_IO].size && space[SPACE_MEM32].size;
}

/* Give a BAR its place: the processors' address; 0: there is no room. */
static uint64_t bar_place(uintptr_t config, unsigned reg, uint64_t size, unsigned kind, bool wide)
{
    struct space *s = &space[kind];
    const uint64_t at = (s->bus + s->next + size - 1) & ~(size - 1);

    if (at - s->bus > s->size || size > s->size - (at - s->bus))
        return 0;
    s->next = at - s->bus + size;
    io_write(config + reg, 4, (uint32_t)at);
    if (wide)
        io_write(config + reg + 4, 4, (uint32_t)(at >> 32));
    return s->cpu + (at - s->bus);
}

/* Size a BAR by the bits that stay, and place it. wide: it takes two registers. */
static uint64_t bar_setup(uintptr_t config, unsigned reg, bool *wide)
{
    const uint32_t was = io_read(config + reg, 4), flags = was & BAR_IO ? 3 : 15;
    unsigned kind = SPACE_MEM32;
    uint64_t mask;

    *wide = !(was & BAR_IO) && was & BAR_64;
    io_write(config + reg, 4, UINT32_MAX);
    mask = io_read(config + reg, 4) & ~flags;
    if (was & BAR_IO)
        mask |= 0xffff0000; /* ports have 16 bits at least */
    if (*wide) {
        io_write(config + reg + 4, 4, UINT32_MAX);
        mask |= (uint64_t)io_read(config + reg + 4, 4) << 32;
    } else if (mask) {
        mask |= UINT64_C(0xffffffff) << 32;
    }
    if (!mask)
        return 0;
    if (was & BAR_IO)
        kind = SPACE_IO;
    else if (*wide && space[SPACE_MEM64].size)
        kind = SPACE_MEM64;
    return bar_place(config, reg, ~mask + 1, kind, *wide);
}

static void caps_read(struct pci_func *f, const uint64_t *bar)
{
    unsigned at = io_read(f->config + PCI_CAPS, 1) & ~3u;

    for (unsigned n = 0; at && n < 48; n++, at = io_read(f->config + at + 1, 1) & ~3u) {
        const uintptr_t cap = f->config + at;
        const unsigned b = io_read(cap + CAP_BAR, 1), type = io_read(cap + CAP_TYPE, 1);
        const uint32_t off = io_read(cap + CAP_OFFSET, 4);

        if (io_read(cap, 1) != CAP_VENDOR)
            continue;
        if (type == CFG_WINDOW)
            f->window = at;
        if (b >= BARS || !bar[b])
            continue;
        if (type == CFG_COMMON && !f->common)
            f->common = bar[b] + off;
        if (type == CFG_NOTIFY && !f->notify) {
            f->notify = bar[b] + off;
            f->notify_step = io_read(cap + CAP_MORE, 4);
        }
        if (type == CFG_DEVICE && !f->devcfg) {
            f->devcfg = bar[b] + off;
            f->devcfg_bar = b;
            f->devcfg_off = off;
        }
    }
}

static bool func_setup(struct pci_func *f)
{
    const unsigned id = io_read(f->config + PCI_DEVICE, 2);
    uint64_t bar[BARS] = {0};
    bool wide = false;

    f->both = id < DEVICE_MODERN;
    f->type = f->both ? io_read(f->config + PCI_SUBSYSTEM, 2) : id - DEVICE_MODERN;
    io_write(f->config + PCI_COMMAND, 2, 0);
    for (unsigned i = 0; i < BARS; i += 1 + wide)
        bar[i] = bar_setup(f->config, PCI_BAR + 4 * i, &wide);
    f->bar0 = f->both ? bar[0] : 0;
    io_write(f->config + PCI_COMMAND, 2, COMMAND_ON);
    caps_read(f, bar);
    return f->common && f->notify;
}

unsigned pci_find(const void *fdt, struct pci_func *func, unsigned max)
{
    const uint32_t node = fdt_node(fdt, "compatible", "pci-host-ecam-generic");
    const uint64_t ecam = node ? fdt_cell2(fdt_prop(fdt, node, "reg"), 0) : 0;
    unsigned n = 0;

    check(node && windows_read(fdt_prop(fdt, node, "ranges")), "bridge with ports and memory");
    if (!ecam)
        return 0;
    for (unsigned slot = 0; slot < SLOTS && n < max; slot++) {
        const uintptr_t config = ecam + slot * 0x8000;
        const unsigned id = io_read(config + PCI_DEVICE, 2);

        if (io_read(config + PCI_VENDOR, 2) != VENDOR_VIRTIO || id < DEVICE_FIRST ||
            id > DEVICE_LAST)
            continue;
        func[n] = (struct pci_func){.config = config, .slot = slot};
        n += func_setup(&func[n]);
    }
    return n;
}

uint32_t pci_window_read(const struct pci_func *f, uint32_t off, unsigned len)
{
    const uintptr_t cap = f->config + f->window;

    io_write(cap + CAP_BAR, 1, f->devcfg_bar);
    io_write(cap + CAP_OFFSET, 4, f->devcfg_off + off);
    io_write(cap + CAP_LENGTH, 4, len);
    return io_read(cap + CAP_MORE, len);
}
