// SPDX-License-Identifier: MIT
/*
 * Owns the ways from ports and memory into configuration space, and the bridge's own function.
 * Refuses to know what is in configuration space.
 */
#include "vmm/bus/pcihost.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "vmm/base/bits.h"
#include "vmm/base/le.h"

enum {
    PORT_BASE = 0xcf8,
    PORT_COUNT = 8,
    PORT_DATA = 4, /* within the claim */
    ECAM_FUNC_SHIFT = 12,
    ECAM_SIZE = 1 << 20,
    BRIDGE_VENDOR = 0x1b36, /* the generic host bridge, which no guest needs a driver for */
    BRIDGE_DEVICE = 0x0008,
    BRIDGE_CLASS = 0x060000,
};

/* The address register: enable, bus, device and function, dword. The other bits read 0. */
#define ADDR_ENABLE UINT32_C(0x80000000)
#define ADDR_BITS   UINT32_C(0x80fffffc)
#define ADDR_BUS    UINT32_C(0x00ff0000)

struct pcihost {
    struct pci_root *root;
    struct bus *bus;
    struct pci_func bridge;
    struct bus_claim ports, ecam;
    /* One register for all vCPUs: guests take turns by themselves, we only keep it whole. */
    _Atomic uint32_t addr;
};

/* Does the address register name configuration space that we have? Where an access to it goes. */
static bool addr_decode(struct pcihost *host, uint64_t port, uint8_t *devfn, unsigned *off)
{
    const uint32_t addr = atomic_load(&host->addr);

    if (!(addr & ADDR_ENABLE) || (addr & ADDR_BUS))
        return false;
    *devfn = (uint8_t)(addr >> 8);
    *off = (addr & 0xfc) + (unsigned)(port - PORT_DATA);
    return true;
}

/* Only a whole dword reaches the address register; its bytes are other devices' ports. */
static void ports_read(void *ctx, uint64_t off, void *data, unsigned len)
{
    struct pcihost *host = (struct pcihost *)ctx;
    uint8_t devfn;
    unsigned reg;

    if (off == 0 && len == 4)
        le32_store(data, atomic_load(&host->addr));
    else if (off >= PORT_DATA && addr_decode(host, off, &devfn, &reg))
        pci_config_read(host->root, devfn, reg, data, len);
}

static void ports_write(void *ctx, uint64_t off, const void *data, unsigned len)
{
    struct pcihost *host = (struct pcihost *)ctx;
    uint8_t devfn;
    unsigned reg;

    if (off == 0 && len == 4)
        atomic_store(&host->addr, le32_load(data) & ADDR_BITS);
    else if (off >= PORT_DATA && addr_decode(host, off, &devfn, &reg))
        pci_config_write(host->root, devfn, reg, data, len);
}

static void ecam_read(void *ctx, uint64_t off, void *data, unsigned len)
{
    struct pcihost *host = (struct pcihost *)ctx;

    pci_config_read(host->root, (uint8_t)(off >> ECAM_FUNC_SHIFT), off % PCI_ECAM_FUNC, data, len);
}

static void ecam_write(void *ctx, uint64_t off, const void *data, unsigned len)
{
    struct pcihost *host = (struct pcihost *)ctx;

    pci_config_write(host->root, (uint8_t)(off >> ECAM_FUNC_SHIFT), off % PCI_ECAM_FUNC, data, len);
}

static const struct bus_ops ports_ops = {ports_read, ports_write};
static const struct bus_ops ecam_ops = {ecam_read, ecam_write};

static int host_claim(struct pcihost *host, uint64_t ecam_base, bool ports, struct err *err)
{
    int ret;

    host->ports = (struct bus_claim){.name = "pci-ports",
                                     .space = BUS_PIO,
                                     .prio = BUS_PRIO_HOST,
                                     .size = PORT_COUNT,
                                     .ops = &ports_ops,
                                     .ctx = host};
    host->ecam = (struct bus_claim){.name = "pci-ecam",
                                    .space = BUS_MMIO,
                                    .prio = BUS_PRIO_PLATFORM,
                                    .size = ECAM_SIZE,
                                    .ops = &ecam_ops,
                                    .ctx = host};
    ret = bus_map(host->bus, &host->ecam, ecam_base);
    if (ret == 0 && ports)
        ret = bus_map(host->bus, &host->ports, PORT_BASE);
    return ret < 0 ? err_errno(err, -ret, "the PCI host bridge cannot claim its addresses") : 0;
}

struct pcihost *pcihost_new(struct pci_root *root, struct bus *bus, struct loop *loop,
                            uint64_t ecam_base, bool ports, struct err *err)
{
    struct pcihost *host = (struct pcihost *)calloc(1, sizeof(*host));

    if (!host) {
        err_set(err, ENOMEM, "no memory for the PCI host bridge");
        return NULL;
    }
    host->root = root;
    host->bus = bus;
    pci_func_init(&host->bridge, "host-bridge", loop, NULL, NULL);
    pci_func_ids(&host->bridge, BRIDGE_VENDOR, BRIDGE_DEVICE, 0, BRIDGE_CLASS, 0, 0);
    if (pci_func_plug(root, &host->bridge, 0, err) < 0 ||
        host_claim(host, ecam_base, ports, err) < 0) {
        pcihost_free(host);
        return NULL;
    }
    return host;
}

void pcihost_free(struct pcihost *host)
{
    if (!host)
        return;
    bus_unmap(host->bus, &host->ports);
    bus_unmap(host->bus, &host->ecam);
    pci_func_unplug(&host->bridge);
    free(host);
}

void pcihost_reset(struct pcihost *host)
{
    atomic_store(&host->addr, 0);
}
