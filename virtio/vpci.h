/* SPDX-License-Identifier: MIT */
/*
 * A virtio device on PCI: what all interfaces of one function share. The function has a list of
 * interfaces, each a const table that owns its identity, BARs, capabilities and registers; which
 * one a driver uses is settled by what it drives first after a reset.
 */
#ifndef VIRTIO_VPCI_H
#define VIRTIO_VPCI_H

#include "virtio/vdev.h"
#include "virtio/vq.h"
#include "vmm/bus/doorbell.h"
#include "vmm/bus/pci.h"

struct vpci;

/* BARs of a virtio function, the same whichever interfaces it has. */
enum {
    VPCI_BAR_IO = 0,
    VPCI_BAR_MEMORY = 0, /* of types that are modern only */
    VPCI_BAR_MSIX = 1,
    VPCI_BAR_BELLS = 2,
    VPCI_BAR_MODERN = 4,
};

enum { VPCI_INTERFACES = 2 }; /* that one function may have */

struct vinterface {
    const char *name;
    bool needs_master;  /* reaches memory only while bus mastering is on */
    bool shows_failure; /* has a bit for DEVICE_NEEDS_RESET */
    size_t state_size;  /* bytes of its own, zeroed: vpci_state() */
    /* Can it serve this type at all? NULL: every type. */
    bool (*serves)(const struct virtio_type *type);
    /* Set PCI ids. The last interface in the list that serves the type has the word. */
    void (*identify)(struct vpci *vp);
    /* Add BARs and capabilities. 0 or -errno with err filled. detach (may be NULL) frees. */
    int (*attach)(struct vpci *vp, struct err *err);
    void (*detach)(struct vpci *vp);
    /* Accesses to its BAR, and to its capability bodies (may be NULL). */
    void (*bar_read)(struct vpci *vp, uint64_t off, void *data, unsigned len);
    void (*bar_write)(struct vpci *vp, uint64_t off, const void *data, unsigned len);
    void (*cap_read)(struct vpci *vp, unsigned off, unsigned len);
    void (*cap_written)(struct vpci *vp, unsigned off, unsigned len);
    /* Its registers as after reset. */
    void (*reset)(struct vpci *vp);
    unsigned bar;
    uint64_t bells; /* where in it the doorbells are that VPCI_BAR_BELLS shows too; 0: nowhere */
};

/* Interfaces, in order of attachment. */
struct vinterfaces {
    const char *name; /* "modern" */
    unsigned n;
    const struct vinterface *list[VPCI_INTERFACES];
};

struct vpci {
    struct pci_func func;
    struct vdev *dev;
    const struct vinterfaces *ifs;
    const struct vinterface *active; /* since the last reset; NULL: none driven yet */
    struct doorbell *bell;           /* per queue */
    bool port_bells;                 /* show them in ports, too (pci.h) */
    uint8_t isr;
    uint16_t config_vector;
    uint16_t *queue_vector;                    /* per queue */
    void *state[VPCI_INTERFACES];              /* of the interfaces in the list */
    enum byte_order (*guest_order)(void *ctx); /* NULL: little-endian */
    void *guest_order_ctx;
};

/*
 * Put dev on PCI with the given interfaces and plug it at the next free place (devfn -1) or at
 * devfn. Takes dev over, freed with vpci_free(). vectors: 0 for the default, one per queue and one
 * for configuration changes. NULL with err filled (dev is then freed too).
 */
struct vpci *vpci_new(struct pci_root *root, struct irqs *irqs, struct vdev *dev,
                      const struct vinterfaces *ifs, int devfn, struct err *err);
void vpci_free(struct vpci *vp);

/* Begin a reset as at machine reset, and wait until it is complete. Takes the lock itself.
 * deadline_ns on clock_ns(), 0 for none; false when I/O was still in flight then. */
bool vpci_reset_wait(struct vpci *vp, uint64_t deadline_ns);

/* Who knows the byte order that the guest's processors use now; before the machine runs. */
void vpci_set_guest_order(struct vpci *vp, enum byte_order (*fn)(void *ctx), void *ctx);

/* ---- for interfaces, locked ---- */

/* The interface's own bytes. */
void *vpci_state(const struct vpci *vp, const struct vinterface *itf);

enum byte_order vpci_guest_order(const struct vpci *vp);

/* Called on every register write of an interface: the first after a reset makes it the active one.
 * false: another one is active, the write is to be ignored. */
bool vpci_drive(struct vpci *vp, const struct vinterface *itf);

/* Read and clear the ISR, drop INTx (4.1.4.5.1-d5); 0 for an interface that is not the active one.
 */
uint8_t vpci_isr_take(struct vpci *vp, const struct vinterface *itf);

/* The vector of configuration changes. What a driver writes becomes what it reads back: v, or
 * NO_VECTOR. */
void vpci_config_vector_set(struct vpci *vp, uint16_t v);
uint16_t vpci_config_vector(struct vpci *vp);

/* The same for the vector of a queue. */
void vpci_queue_vector_set(struct vpci *vp, unsigned queue, uint16_t v);
uint16_t vpci_queue_vector(struct vpci *vp, unsigned queue);

/* Ring the doorbell of a queue that was written by an exit; out of range is ignored (Q20). */
void vpci_doorbell(struct vpci *vp, unsigned queue);

#endif
