/* SPDX-License-Identifier: MIT */
/*
 * What the files pci*.c share: the root, and the calls between functions, their configuration space
 * and their BARs. Not for anybody else.
 */
#ifndef VMM_BUS_PCI_INTERNAL_H
#define VMM_BUS_PCI_INTERNAL_H

#include "vmm/bus/pci.h"

enum { PCI_PLACES = PCI_SLOTS * PCI_FUNCS };

/* Functions come and go only while no vCPU runs, so that looking one up needs no lock. */
struct pci_root {
    struct bus *bus;
    struct irqs *irqs;
    struct pci_layout layout;
    struct pci_memory_ops memory;      /* show NULL: none */
    struct pci_func *func[PCI_PLACES]; /* by devfn */
};

/* Map BARs as the registers and COMMAND say now, or unmap them. Locked. */
void pci_bars_update(struct pci_func *func);
void pci_bars_unmap(struct pci_func *func);

/* Memory behind BARs reads as zero from now on. Locked, no vCPU runs. */
void pci_bars_clear(struct pci_func *func);

/* Set Status bit 3 and the pin from the interrupt condition, COMMAND and MSI-X. Locked. */
void pci_intx_update(struct pci_func *func);

/* What of a function's state follows from its configuration space, outside BARs. */
struct pci_follow {
    bool master;
    bool msix;
};

/* Take note before configuration space changes, then tell everybody concerned. Locked. */
struct pci_follow pci_follow_get(const struct pci_func *func);
void pci_follow_tell(struct pci_func *func, struct pci_follow before);

/* Tell the owner that vectors may have changed. */
void pci_vectors_changed(struct pci_func *func);

#endif
