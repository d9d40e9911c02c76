/* SPDX-License-Identifier: MIT */
/*
 * The two address spaces that a guest reaches by exits: ports and memory. Claims say who answers
 * where. Claims may overlap (a guest moves BARs as it likes): the lower prio number wins, among
 * equals the one that was added first, where moving and unmapping in between do not count; the
 * loser answers again when the winner moves away.
 *
 * The winner at an access's first byte answers the whole access, if all of it lies inside its claim
 * (not only inside the part that it won); else nobody does, which reads all ones and writes
 * nothing. So the host bridge gets dwords at 0xcf8 although the byte 0xcf9 in the middle is
 * another's.
 *
 * Data are bytes as they lie on the bus. Any thread may access; handlers run without the bus's
 * lock, and take that of their device themselves (pci.h does it for functions). Lock order: device
 * before bus, never the other way. A handler may still be entered once by an access that was looked
 * up just before the claim was unmapped: an owner goes away only when no vCPU runs any more.
 */
#ifndef VMM_BUS_BUS_H
#define VMM_BUS_BUS_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/base/err.h"

enum bus_space { BUS_PIO, BUS_MMIO };

/* Platform devices win over the host bridge's ports (0xcf9 is not the bridge's), and both over PCI
 * BARs (P16, L13). */
enum { BUS_PRIO_PLATFORM, BUS_PRIO_HOST, BUS_PRIO_PCI };

/* off + len is inside the claim, len 1..8. A read starts out as all ones. */
struct bus_ops {
    void (*read)(void *ctx, uint64_t off, void *data, unsigned len);
    void (*write)(void *ctx, uint64_t off, const void *data, unsigned len);
};

/* A doorbell inside a claim: writes at offset off signal fd, see doorbell.h. Several that differ in
 * value may share an offset and a width. */
struct bus_bell {
    uint64_t off;
    unsigned len;   /* 0: a write of any width */
    bool match;     /* only writes of value, len bytes; all others arrive at the handler */
    uint64_t value; /* ... as a little-endian processor has it in a register */
    bool muted;     /* not now: writes arrive at the handler; see bus_bells_changed() */
    int fd;         /* eventfd, the owner's */
    bool live;      /* registered now; bus.c's */
};

/*
 * One range. Embedded in its owner, who fills the upper part before bus_map(); while it is mapped
 * the bus keeps a pointer to it.
 */
struct bus_claim {
    const char *name;
    enum bus_space space;
    int prio;
    uint64_t size;
    const struct bus_ops *ops;
    void *ctx;
    struct bus_bell *bell;
    unsigned n_bells;
    /* bus.c's: */
    uint64_t base;
    bool mapped;
    uint64_t order; /* when it was first mapped; 0: never yet */
};

/*
 * How doorbells are made to work without an exit: KVM's ioeventfd, or nothing in tests. Called with
 * the bus's lock held. assign: 0 or -errno; what it refuses arrives at the claim's handler.
 */
struct bus_bell_ops {
    int (*assign)(void *ctx, enum bus_space space, uint64_t addr, const struct bus_bell *bell);
    void (*deassign)(void *ctx, enum bus_space space, uint64_t addr, const struct bus_bell *bell);
    void *ctx;
};

struct bus;

/* ops (copied) may be NULL: every doorbell write then arrives at the claim's handler. NULL without
 * memory. bus_free() forgets claims that are still mapped, without touching them. */
struct bus *bus_new(const struct bus_bell_ops *ops);
void bus_free(struct bus *bus);

/*
 * Map claim at base, or move it there; its doorbells follow: registered at the new address exactly
 * while the claim is the winner there, unregistered at the old one (P17). -EINVAL if the range
 * wraps, is empty or, for ports, ends past 0xffff, -ENOMEM (never for a claim that was mapped
 * before while the others have not grown in number); the claim is then unmapped. Any thread.
 */
int bus_map(struct bus *bus, struct bus_claim *claim, uint64_t base);
void bus_unmap(struct bus *bus, struct bus_claim *claim);

/* The owner muted doorbells of claim, or let them sound again. Any thread. */
void bus_bells_changed(struct bus *bus, struct bus_claim *claim);

/* A guest's access of len bytes, 1..8. Reads that nobody answers give all ones. Any thread.
 * Returns whether somebody answered (for tracing and tests). */
bool bus_read(struct bus *bus, enum bus_space space, uint64_t addr, void *data, unsigned len);
bool bus_write(struct bus *bus, enum bus_space space, uint64_t addr, const void *data,
               unsigned len);

#endif
