/* SPDX-License-Identifier: MIT */
/*
 * The host bridge: function 00:00.0, configuration mechanism #1 (ports 0xcf8, 0xcfc) and ECAM.
 * There is one bus, 0. ECAM stays where the machine put it: no register moves it (P37).
 */
#ifndef VMM_BUS_PCIHOST_H
#define VMM_BUS_PCIHOST_H

#include "vmm/base/err.h"
#include "vmm/base/loop.h"
#include "vmm/bus/bus.h"
#include "vmm/bus/pci.h"

struct pcihost;

/*
 * Claim ports 0xcf8..0xcff (ports: false leaves them out, for machines without mechanism #1) and
 * ECAM of bus 0 at ecam_base (1 MiB), and plug the bridge at 00:00.0. NULL with err filled. loop
 * guards the bridge's function.
 */
struct pcihost *pcihost_new(struct pci_root *root, struct bus *bus, struct loop *loop,
                            uint64_t ecam_base, bool ports, struct err *err);
/* Before bus_free(); before or after pci_root_free(). */
void pcihost_free(struct pcihost *host);

/* The address register as after power-on. */
void pcihost_reset(struct pcihost *host);

#endif
