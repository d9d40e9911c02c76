/* SPDX-License-Identifier: MIT */
/*
 * PCI functions: configuration space with write masks, BARs, capabilities, INTx and MSI-X, and the
 * root bus that they sit on. Knows nothing of virtio and nothing of KVM.
 *
 * Locking: every access that a guest makes to a function (configuration or BAR) takes the lock of
 * the function's loop here, and every callback below runs under it. That is one of the two places
 * where device locks are taken (loop.h is the other).
 *
 * A BAR is decoded while the COMMAND bit of its space is set and its register holds a valid
 * placement: not 0, and all of it inside one of the layout's windows (I/O, or either memory
 * window). Sizing values, wrapping addresses and those beyond the guest's address width lie outside
 * all windows: they read back as written and nobody answers there (P11, P14). One half of a 64-bit
 * BAR written with ones can name a valid place, and is then decoded there, as by hardware.
 */
#ifndef VMM_BUS_PCI_H
#define VMM_BUS_PCI_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/base/err.h"
#include "vmm/base/loop.h"
#include "vmm/bus/bus.h"
#include "vmm/bus/irq.h"
#include "vmm/bus/msix.h"

enum {
    PCI_CFG_SIZE = 256,
    PCI_ECAM_FUNC = 4096, /* bytes per function in ECAM; those past 255 read 0 */
    PCI_BARS = 6,
    PCI_SLOTS = 32,
    PCI_FUNCS = 8,
};

/* Offsets in the type 0 header, and bits of them, that more than one file needs. */
enum {
    PCI_VENDOR_ID = 0x00,
    PCI_DEVICE_ID = 0x02,
    PCI_COMMAND = 0x04,
    PCI_STATUS = 0x06,
    PCI_REVISION = 0x08,
    PCI_CLASS = 0x09, /* 3 bytes: interface, subclass, class */
    PCI_HEADER_TYPE = 0x0e,
    PCI_BAR0 = 0x10,
    PCI_SUBSYS_VENDOR = 0x2c,
    PCI_SUBSYS_ID = 0x2e,
    PCI_ROM_BAR = 0x30,
    PCI_CAP_PTR = 0x34,
    PCI_INT_LINE = 0x3c,
    PCI_INT_PIN = 0x3d,
    PCI_CMD_IO = 0x1,
    PCI_CMD_MEMORY = 0x2,
    PCI_CMD_MASTER = 0x4,
    PCI_CMD_INTX_OFF = 0x400,
    PCI_STATUS_INTX = 0x8,
    PCI_STATUS_CAPS = 0x10,
    PCI_CAP_ID_VENDOR = 0x09,
    PCI_CAP_ID_MSIX = 0x11,
};

enum pci_bar_kind { PCI_BAR_NONE, PCI_BAR_IO, PCI_BAR_MEM32, PCI_BAR_MEM64 };

struct pci_func;

struct pci_ops {
    /* Access to a BAR added with pci_bar_add(); off + len is inside it. Locked. */
    void (*bar_read)(struct pci_func *func, unsigned bar, uint64_t off, void *data, unsigned len);
    void (*bar_write)(struct pci_func *func, unsigned bar, uint64_t off, const void *data,
                      unsigned len);
    /* Before a read of, after a write to bytes [off, off+len) of configuration space of which at
     * least one belongs to a capability's body and may be written (pci_cap_add's rw mask); not for
     * MSI-X. May be NULL. Locked. */
    void (*cap_read)(struct pci_func *func, unsigned off, unsigned len);
    void (*cap_written)(struct pci_func *func, unsigned off, unsigned len);
    /* A write at off, behind the header, changed nothing as nothing there may be written. May be
     * NULL. Locked. */
    void (*cap_denied)(struct pci_func *func, unsigned off);
    /* Bus mastering was switched; or MSI-X enable was. May be NULL. Locked. */
    void (*master_changed)(struct pci_func *func, bool on);
    void (*msix_changed)(struct pci_func *func, bool enabled);
    /* What msix_eventfd() says may be different now. May be NULL. Locked. */
    void (*vectors_changed)(struct pci_func *func);
};

struct pci_bar {
    enum pci_bar_kind kind;
    uint64_t size;
    bool prefetch;
    bool msix;      /* answered by msix.c */
    uint8_t *host;  /* memory is behind it; NULL: the function's owner is */
    uint64_t shown; /* where the guest has that without exits; 0: nowhere */
    uint64_t home;  /* where pci_assign() put it */
    struct pci_func *func;
    unsigned index;
    struct bus_claim claim;
};

struct pci_func {
    const char *name; /* for messages */
    uint16_t trace;   /* the source that it is in traces */
    struct pci_root *root;
    uint8_t devfn;     /* slot << 3 | function */
    struct loop *loop; /* whose lock guards the function */
    const struct pci_ops *ops;
    void *ctx; /* the owner's */
    uint8_t cfg[PCI_CFG_SIZE];
    uint8_t wmask[PCI_CFG_SIZE]; /* bits that a guest may write */
    uint8_t w1c[PCI_CFG_SIZE];   /* bits that a guest clears by writing 1 */
    uint8_t boot[PCI_CFG_SIZE];  /* cfg as pci_reset() restores it */
    struct pci_bar bar[PCI_BARS];
    unsigned cap_end;  /* first free byte for capabilities */
    unsigned cap_last; /* offset of the last one, 0: none */
    struct msix *msix;
    unsigned msix_cap; /* its offset, 0: none */
    struct irq_pin pin;
    bool intx_wanted;   /* the device's interrupt condition */
    bool master_waived; /* see pci_master_waive() */
};

/* Where things are; from the machine. */
struct pci_layout {
    uint64_t mem32_base, mem32_size;
    uint64_t mem64_base, mem64_size;
    uint64_t io_base, io_size;
    uint32_t intx_gsi[4]; /* slot s, pin p (0..3) arrives at intx_gsi[(s + p) % 4] */
    bool port_bells;      /* doorbells are better in ports than in memory */
};

/*
 * How memory behind a BAR is reached without an exit: KVM's memory slots, or nothing in tests.
 * slot: one for each function. Called with the function's lock held, on any thread. show: 0 or
 * -errno; what it refuses arrives as accesses to the BAR.
 */
struct pci_memory_ops {
    int (*show)(void *ctx, unsigned slot, uint64_t addr, uint64_t size, void *host);
    void (*hide)(void *ctx, unsigned slot);
    void *ctx;
};

struct pci_root;

/* NULL without memory. */
struct pci_root *pci_root_new(struct bus *bus, struct irqs *irqs, const struct pci_layout *layout);
/* ops are copied. Before pci_assign(). */
void pci_root_set_memory_ops(struct pci_root *root, const struct pci_memory_ops *ops);
/* Unplugs all functions, which themselves belong to their owners. Before bus_free(). */
void pci_root_free(struct pci_root *root);

/*
 * Initialise func (memory zeroed by the caller) as an endpoint. No BARs, no capabilities yet: add
 * them, and INTx, then pci_func_plug(). ops may be NULL for one without BARs. class_code: 24 bits.
 */
void pci_func_init(struct pci_func *func, const char *name, struct loop *loop,
                   const struct pci_ops *ops, void *ctx);
void pci_func_ids(struct pci_func *func, uint16_t vendor, uint16_t device, uint8_t revision,
                  uint32_t class_code, uint16_t subsys_vendor, uint16_t subsys_id);

/*
 * Add BAR index (a MEM64 takes index and index + 1). size: a power of two, at least 16 (I/O) or
 * 4096. bells, n_bells: doorbells in it, kept by the caller. 0 or -EINVAL. Before pci_func_plug().
 */
int pci_bar_add(struct pci_func *func, unsigned index, enum pci_bar_kind kind, uint64_t size,
                bool prefetch, struct bus_bell *bells, unsigned n_bells);

/* As pci_bar_add(), MEM32 and prefetchable: size bytes of memory at host, page-aligned and the
 * caller's. One for each function. pci_reset() makes it zero. */
int pci_bar_add_memory(struct pci_func *func, unsigned index, uint64_t size, void *host);

/* The owner of BAR index muted its doorbells or let them sound again (bus.h). Locked. */
void pci_bar_bells_changed(struct pci_func *func, unsigned index);

/*
 * Append a capability: id, then body (len bytes, from the byte after cap_next). rw, len bytes: bits
 * that a driver may write, NULL for none. Returns its offset, or -ENOSPC.
 */
int pci_cap_add(struct pci_func *func, uint8_t id, const void *body, const uint8_t *rw,
                unsigned len);

/* MSI-X capability with n vectors in a new MEM32 BAR `bar`. 0 or -errno with err filled. */
int pci_msix_add(struct pci_func *func, struct irqs *irqs, unsigned n, unsigned bar,
                 struct err *err);

/* Wire INTA. */
void pci_intx_add(struct pci_func *func);

/*
 * Put func on the bus: at devfn, or at the next free place if devfn is -1 (slot 1 function 0 first,
 * functions 1..7 when all slots are taken; function 0 then says "multifunction"). -ENOSPC if full,
 * -EBUSY if devfn is taken, -EINVAL for a function 1..7 before its function 0. Before the guest
 * runs.
 */
int pci_func_plug(struct pci_root *root, struct pci_func *func, int devfn, struct err *err);

/* Undo pci_func_plug() (if it was done), unmap the BARs, drop the pin and free MSI-X state. Before
 * the owner frees func, if the root still lives. No vCPU runs any more. */
void pci_func_unplug(struct pci_func *func);

/*
 * Act as firmware: give every BAR an address inside the layout's windows and switch I/O and memory
 * decoding on. Once, after the last pci_func_plug(). MEM64 BARs go to the 64-bit window, or the
 * other one when that is full; ports below 0x1000 are left alone. -ENOSPC with err filled if
 * nothing fits.
 */
int pci_assign(struct pci_root *root, struct err *err);

/* All functions as after pci_assign(): BARs at home, command register as set there, MSI-X clean.
 * The devices are reset by their owners. */
void pci_reset(struct pci_root *root);

/*
 * A guest's access to configuration space, len 1, 2 or 4 inside one dword; else, and where there is
 * no function, all ones/ignored. off 256..4095 of a function reads 0. Takes the function's lock.
 */
void pci_config_read(struct pci_root *root, uint8_t devfn, unsigned off, void *data, unsigned len);
void pci_config_write(struct pci_root *root, uint8_t devfn, unsigned off, const void *data,
                      unsigned len);

/* Where things are, as it was given. */
const struct pci_layout *pci_root_layout(const struct pci_root *root);

/* The function at devfn, or NULL. */
struct pci_func *pci_func_at(struct pci_root *root, uint8_t devfn);

/* For owners, locked: */
bool pci_is_master(const struct pci_func *func);
/* Messages go out without it too: for drivers from before they were told to switch it on. */
void pci_master_waive(struct pci_func *func, bool waived);
bool pci_msix_enabled(const struct pci_func *func);
/* Set or drop the interrupt condition: Status bit 3, and the pin unless Command bit 10 or MSI-X
 * says otherwise (4.1.4.5.1-d4). */
void pci_intx_set(struct pci_func *func, bool on);

#endif
