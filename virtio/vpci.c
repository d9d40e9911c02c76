// SPDX-License-Identifier: MIT
/*
 * Owns what the interfaces of a virtio PCI function share: doorbells, vectors, ISR, INTx, and the
 * order of things at reset. Refuses to know registers.
 */
#include "virtio/vpci.h"

#include <errno.h>
#include <stdlib.h>

#include "virtio/lint.h"
#include "vmm/base/bits.h"
#include "vmm/base/trace.h"

static struct vpci *vpci_of(struct pci_func *func)
{
    return (struct vpci *)func->ctx;
}

/* ---- towards the driver: interrupts ---- */

static void vector_fire(struct vpci *vp, uint16_t vector)
{
    if (vector != VIRTIO_NO_VECTOR)
        msix_notify(vp->func.msix, vector);
}

static void isr_set(struct vpci *vp, uint8_t bits)
{
    vp->isr |= bits;
    pci_intx_set(&vp->func, vp->isr != 0);
}

static void interrupt_tell(const struct vpci *vp, uint16_t queue, uint16_t vector)
{
    const bool msix = pci_msix_enabled(&vp->func);

    TRACE(INTERRUPT, vp->dev->trace, queue, msix ? TRACE_IRQ_MSIX : TRACE_IRQ_INTX,
          msix ? vector : VIRTIO_NO_VECTOR);
}

static void up_queue_interrupt(struct vdev *dev, unsigned index)
{
    struct vpci *vp = (struct vpci *)dev->up.ctx;

    interrupt_tell(vp, (uint16_t)index, vp->queue_vector[index]);
    if (pci_msix_enabled(&vp->func))
        vector_fire(vp, vp->queue_vector[index]); /* 4.1.5.3-d1 */
    else
        isr_set(vp, VIRTIO_ISR_QUEUE);
}

static void up_config_interrupt(struct vdev *dev)
{
    struct vpci *vp = (struct vpci *)dev->up.ctx;

    interrupt_tell(vp, TRACE_NO_QUEUE, vp->config_vector);
    isr_set(vp, VIRTIO_ISR_CONFIG); /* with MSI-X too: 4.1.4.5.1-d2 */
    if (pci_msix_enabled(&vp->func))
        vector_fire(vp, vp->config_vector);
}

static void up_failed(struct vdev *dev)
{
    const struct vpci *vp = (const struct vpci *)dev->up.ctx;

    if (vp->active && vp->active->shows_failure)
        up_config_interrupt(dev);
}

static bool vector_used(const struct vpci *vp, uint16_t vector)
{
    for (unsigned i = 0; i < vp->dev->n_queues; i++)
        if (vp->queue_vector[i] == vector)
            return true;
    return vp->config_vector == vector;
}

/* A masked vector does not tell of it later, either (2.6.1.1.1-d2). */
static void up_queue_reset_done(struct vdev *dev, unsigned index)
{
    struct vpci *vp = (struct vpci *)dev->up.ctx;
    const uint16_t vector = vp->queue_vector[index];

    vp->queue_vector[index] = VIRTIO_NO_VECTOR;
    if (vector != VIRTIO_NO_VECTOR && !vector_used(vp, vector))
        msix_forget(vp->func.msix, vector);
}

/* Which interface is driven decides whether bus mastering counts. */
static void dma_update(struct vpci *vp)
{
    const bool needs = !vp->active || vp->active->needs_master;

    pci_master_waive(&vp->func, !needs);
    vdev_dma_allow(vp->dev, !needs || pci_is_master(&vp->func));
}

static void up_reset_done(struct vdev *dev)
{
    struct vpci *vp = (struct vpci *)dev->up.ctx;

    vp->isr = 0;
    pci_intx_set(&vp->func, false);
    vp->config_vector = VIRTIO_NO_VECTOR; /* 4.1.5.1.2.1-d7 */
    for (unsigned i = 0; i < dev->n_queues; i++)
        vp->queue_vector[i] = VIRTIO_NO_VECTOR;
    msix_clear_pending(vp->func.msix); /* 2.4.1-d2 */
    for (unsigned i = 0; i < vp->ifs->n; i++)
        vp->ifs->list[i]->reset(vp);
    vp->active = NULL;
    dma_update(vp);
}

static int up_queue_eventfd(struct vdev *dev, unsigned index)
{
    const struct vpci *vp = (const struct vpci *)dev->up.ctx;

    if (!pci_msix_enabled(&vp->func) || vp->queue_vector[index] == VIRTIO_NO_VECTOR)
        return -1;
    return msix_eventfd(vp->func.msix, vp->queue_vector[index]);
}

static int up_doorbell_lend(struct vdev *dev, unsigned index, bool lent)
{
    return doorbell_lend(&((struct vpci *)dev->up.ctx)->bell[index], lent);
}

/* ---- from the bus ---- */

/* Whose BAR it is; off becomes the place in the interface's own one. */
static const struct vinterface *interface_at(const struct vpci *vp, unsigned bar, uint64_t *off)
{
    for (unsigned i = 0; i < vp->ifs->n; i++) {
        const struct vinterface *itf = vp->ifs->list[i];

        if (itf->bar == bar)
            return itf;
        if (bar != VPCI_BAR_BELLS || !itf->bells)
            continue;
        *off += itf->bells;
        return itf;
    }
    return NULL;
}

static void func_bar_read(struct pci_func *func, unsigned bar, uint64_t off, void *data,
                          unsigned len)
{
    struct vpci *vp = vpci_of(func);
    const struct vinterface *itf = interface_at(vp, bar, &off);

    if (itf)
        itf->bar_read(vp, off, data, len);
}

static void func_bar_write(struct pci_func *func, unsigned bar, uint64_t off, const void *data,
                           unsigned len)
{
    struct vpci *vp = vpci_of(func);
    const struct vinterface *itf = interface_at(vp, bar, &off);

    if (itf)
        itf->bar_write(vp, off, data, len);
}

static void func_cap_read(struct pci_func *func, unsigned off, unsigned len)
{
    struct vpci *vp = vpci_of(func);

    for (unsigned i = 0; i < vp->ifs->n; i++)
        if (vp->ifs->list[i]->cap_read)
            vp->ifs->list[i]->cap_read(vp, off, len);
}

static void func_cap_written(struct pci_func *func, unsigned off, unsigned len)
{
    struct vpci *vp = vpci_of(func);

    for (unsigned i = 0; i < vp->ifs->n; i++)
        if (vp->ifs->list[i]->cap_written)
            vp->ifs->list[i]->cap_written(vp, off, len);
}

/* A write to a capability none of whose bytes may be written: is it one of virtio's? */
static void func_cap_denied(struct pci_func *func, unsigned off)
{
    struct vpci *vp = vpci_of(func);
    unsigned at = func->cfg[PCI_CAP_PTR];

    for (; at; at = func->cfg[at + 1])
        if (off >= at && func->cfg[at] == PCI_CAP_ID_VENDOR && off < at + func->cfg[at + 2])
            lint_see(vp->dev, LINT_CAP_WRITE, off);
}

static void func_master_changed(struct pci_func *func, bool on)
{
    (void)on;
    dma_update(vpci_of(func));
}

static void func_msix_changed(struct pci_func *func, bool enabled)
{
    const struct vpci *vp = vpci_of(func);

    (void)enabled;
    pci_intx_set(func, vp->isr != 0); /* 4.1.4.5.1-d4 counts while MSI-X is off */
}

static void vectors_changed(struct pci_func *func)
{
    vdev_rewire(vpci_of(func)->dev);
}

static const struct pci_ops vpci_ops = {
    .bar_read = func_bar_read,
    .bar_write = func_bar_write,
    .cap_read = func_cap_read,
    .cap_written = func_cap_written,
    .cap_denied = func_cap_denied,
    .master_changed = func_master_changed,
    .msix_changed = func_msix_changed,
    .vectors_changed = vectors_changed,
};

/* ---- for interfaces ---- */

bool vpci_drive(struct vpci *vp, const struct vinterface *itf)
{
    if (vp->dev->broken || vp->dev->resetting)
        return false; /* T13 */
    if (!vp->active) {
        vp->active = itf;
        dma_update(vp);
    }
    return vp->active == itf;
}

void *vpci_state(const struct vpci *vp, const struct vinterface *itf)
{
    return vp->state[vp->ifs->list[0] == itf ? 0 : 1];
}

void vpci_set_guest_order(struct vpci *vp, enum byte_order (*fn)(void *ctx), void *ctx)
{
    vp->guest_order = fn;
    vp->guest_order_ctx = ctx;
}

enum byte_order vpci_guest_order(const struct vpci *vp)
{
    return vp->guest_order ? vp->guest_order(vp->guest_order_ctx) : ORDER_LITTLE;
}

uint8_t vpci_isr_take(struct vpci *vp, const struct vinterface *itf)
{
    const uint8_t isr = vp->isr;

    if (vp->active && vp->active != itf)
        return 0; /* it belongs to the driver of the other one */
    if (pci_msix_enabled(&vp->func) && !(isr & VIRTIO_ISR_CONFIG))
        lint_see(vp->dev, LINT_ISR_MSIX, isr);
    vp->isr = 0;
    pci_intx_set(&vp->func, false);
    return isr;
}

/* What becomes of a vector that a driver sets. */
static uint16_t vector_take(struct vpci *vp, int queue, uint16_t v)
{
    const unsigned n = msix_vectors(vp->func.msix);

    if (vp->dev->lint)
        lint_vector_write(vp->dev, queue, v, n);
    return v < n ? v : VIRTIO_NO_VECTOR; /* 4.1.5.1.2.1-d9 */
}

void vpci_config_vector_set(struct vpci *vp, uint16_t v)
{
    vp->config_vector = vector_take(vp, LINT_NO_QUEUE, v);
}

uint16_t vpci_config_vector(struct vpci *vp)
{
    if (vp->dev->lint)
        lint_vector_read(vp->dev, LINT_NO_QUEUE);
    return vp->config_vector;
}

uint16_t vpci_queue_vector(struct vpci *vp, unsigned queue)
{
    if (vp->dev->lint)
        lint_vector_read(vp->dev, (int)queue);
    return vp->queue_vector[queue];
}

void vpci_queue_vector_set(struct vpci *vp, unsigned queue, uint16_t v)
{
    vp->queue_vector[queue] = vector_take(vp, (int)queue, v);
    vectors_changed(&vp->func);
}

void vpci_doorbell(struct vpci *vp, unsigned queue)
{
    if (queue < vp->dev->n_queues)
        doorbell_ring(&vp->bell[queue]);
}

static void doorbell_rung(void *ctx, unsigned index)
{
    vdev_kick(((struct vpci *)ctx)->dev, index);
}

/* ---- making and freeing ---- */

static int doorbells_open(struct vpci *vp, struct err *err)
{
    int ret = 0;

    for (unsigned i = 0; i < vp->dev->n_queues; i++)
        vp->bell[i] = (struct doorbell){.fd = -1, .index = i, .rung = doorbell_rung, .ctx = vp};
    for (unsigned i = 0; ret == 0 && i < vp->dev->n_queues; i++)
        ret = doorbell_open(&vp->bell[i], vp->dev->loop, err);
    return ret;
}

static int interfaces_attach(struct vpci *vp, struct err *err)
{
    for (unsigned i = 0; i < vp->ifs->n; i++) {
        int ret = -ENOMEM;

        vp->state[i] = calloc(1, vp->ifs->list[i]->state_size);
        if (vp->state[i])
            ret = vp->ifs->list[i]->attach(vp, err);
        if (ret < 0)
            return ret;
    }
    vp->ifs->list[vp->ifs->n - 1]->identify(vp);
    return 0;
}

static int vpci_build(struct vpci *vp, struct irqs *irqs, struct err *err)
{
    struct vdev *dev = vp->dev;
    int ret;

    vp->queue_vector = calloc(dev->n_queues ? dev->n_queues : 1, sizeof(vp->queue_vector[0]));
    vp->bell = calloc(dev->n_queues ? dev->n_queues : 1, sizeof(vp->bell[0]));
    if (!vp->queue_vector || !vp->bell)
        return err_errno(err, ENOMEM, "device %s", dev->name);
    dev->up = (struct vdev_up){.queue_interrupt = up_queue_interrupt,
                               .config_interrupt = up_config_interrupt,
                               .failed = up_failed,
                               .queue_reset_done = up_queue_reset_done,
                               .reset_done = up_reset_done,
                               .queue_eventfd = up_queue_eventfd,
                               .doorbell_lend = up_doorbell_lend,
                               .ctx = vp};
    pci_func_init(&vp->func, dev->name, dev->loop, &vpci_ops, vp);
    ret = doorbells_open(vp, err);
    if (ret == 0)
        ret = pci_msix_add(&vp->func, irqs, (unsigned)min_u64(dev->n_queues + 1, MSIX_MAX_VECTORS),
                           VPCI_BAR_MSIX, err);
    if (ret == 0)
        ret = interfaces_attach(vp, err);
    if (ret == 0 && dev->memory)
        ret = pci_bar_add_memory(&vp->func, VPCI_BAR_MEMORY, dev->memory_size, dev->memory);
    if (ret == 0)
        pci_intx_add(&vp->func);
    return ret;
}

static void identity_tell(const struct vpci *vp)
{
    const uint8_t *cfg = vp->func.cfg;

    log_msg(LOG_INFO, "%s: virtio-%s at 00:%02x.%x, %04x:%04x revision %u, %s", vp->dev->name,
            vp->dev->type->name, vp->func.devfn >> 3, vp->func.devfn & 7u,
            le16_load(cfg + PCI_VENDOR_ID), le16_load(cfg + PCI_DEVICE_ID), cfg[PCI_REVISION],
            vp->ifs->name);
}

struct vpci *vpci_new(struct pci_root *root, struct irqs *irqs, struct vdev *dev,
                      const struct vinterfaces *ifs, int devfn, struct err *err)
{
    struct vpci *vp = calloc(1, sizeof(*vp));
    int ret;

    if (!vp) {
        err_errno(err, ENOMEM, "device %s", dev->name);
        vdev_free(dev);
        return NULL;
    }
    vp->dev = dev;
    vp->ifs = ifs;
    vp->port_bells = pci_root_layout(root)->port_bells;
    loop_lock(dev->loop);
    ret = vpci_build(vp, irqs, err);
    if (ret == 0)
        ret = pci_func_plug(root, &vp->func, devfn, err);
    if (ret == 0) {
        up_reset_done(dev); /* every register as after reset */
        identity_tell(vp);
    }
    loop_unlock(dev->loop);
    if (ret < 0) {
        vpci_free(vp);
        return NULL;
    }
    return vp;
}

void vpci_free(struct vpci *vp)
{
    if (!vp)
        return;
    pci_func_unplug(&vp->func); /* first: the bus knows the doorbells */
    for (unsigned i = 0; vp->bell && i < vp->dev->n_queues; i++)
        doorbell_close(&vp->bell[i]);
    vdev_free(vp->dev);
    for (unsigned i = 0; i < vp->ifs->n; i++) {
        if (vp->state[i] && vp->ifs->list[i]->detach)
            vp->ifs->list[i]->detach(vp);
        free(vp->state[i]);
    }
    free(vp->bell);
    free(vp->queue_vector);
    free(vp);
}

bool vpci_reset_wait(struct vpci *vp, uint64_t deadline_ns)
{
    struct vdev *dev = vp->dev;
    bool done;

    loop_lock(dev->loop);
    vdev_reset(dev);
    while (dev->resetting && loop_wait(dev->loop, deadline_ns))
        continue;
    done = !dev->resetting;
    if (dev->lint)
        lint_restart(dev);
    loop_unlock(dev->loop);
    return done;
}
