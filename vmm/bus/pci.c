// SPDX-License-Identifier: MIT
/*
 * Owns the root bus and what functions are made of: header, capabilities, interrupts, places.
 * Refuses to know how a guest reaches configuration space (pci-config.c, pcihost.c) and where BARs
 * lie (pci-bar.c).
 */
#include "vmm/bus/pci.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/bits.h"
#include "vmm/base/le.h"
#include "vmm/base/trace.h"
#include "vmm/bus/pci-internal.h"

enum {
    CAP_FIRST = 0x40,
    CAP_HEAD = 2, /* id, next */
    CACHE_LINE = 0x0c,
    MULTIFUNCTION = 0x80,
    MSIX_BODY = 10, /* Message Control, table and PBA locations */
};

static const struct pci_ops no_ops;

struct pci_root *pci_root_new(struct bus *bus, struct irqs *irqs, const struct pci_layout *layout)
{
    struct pci_root *root = calloc(1, sizeof(*root));

    if (!root)
        return NULL;
    root->bus = bus;
    root->irqs = irqs;
    root->layout = *layout;
    return root;
}

void pci_root_set_memory_ops(struct pci_root *root, const struct pci_memory_ops *ops)
{
    root->memory = *ops;
}

void pci_root_free(struct pci_root *root)
{
    if (!root)
        return;
    for (unsigned i = 0; i < PCI_PLACES; i++)
        if (root->func[i])
            pci_func_unplug(root->func[i]);
    free(root);
}

void pci_func_init(struct pci_func *func, const char *name, struct loop *loop,
                   const struct pci_ops *ops, void *ctx)
{
    func->name = name;
    func->trace = trace_source(name);
    func->loop = loop;
    func->ops = ops ? ops : &no_ops;
    func->ctx = ctx;
    func->cap_end = CAP_FIRST;
    le16_store(&func->wmask[PCI_COMMAND],
               PCI_CMD_IO | PCI_CMD_MEMORY | PCI_CMD_MASTER | PCI_CMD_INTX_OFF);
    func->w1c[PCI_STATUS + 1] = 0xf9; /* the error bits, which nothing here ever sets */
    func->wmask[CACHE_LINE] = 0xff;
    func->wmask[PCI_INT_LINE] = 0xff;
}

void pci_func_ids(struct pci_func *func, uint16_t vendor, uint16_t device, uint8_t revision,
                  uint32_t class_code, uint16_t subsys_vendor, uint16_t subsys_id)
{
    uint8_t *cfg = func->cfg;

    le16_store(&cfg[PCI_VENDOR_ID], vendor);
    le16_store(&cfg[PCI_DEVICE_ID], device);
    cfg[PCI_REVISION] = revision;
    order_store(ORDER_LITTLE, &cfg[PCI_CLASS], 3, class_code);
    le16_store(&cfg[PCI_SUBSYS_VENDOR], subsys_vendor);
    le16_store(&cfg[PCI_SUBSYS_ID], subsys_id);
}

int pci_cap_add(struct pci_func *func, uint8_t id, const void *body, const uint8_t *rw,
                unsigned len)
{
    const unsigned at = func->cap_end;

    if (!range_ok(at, (uint64_t)CAP_HEAD + len, PCI_CFG_SIZE))
        return -ENOSPC;
    func->cfg[at] = id;
    if (len) {
        memcpy(&func->cfg[at + CAP_HEAD], body, len);
        if (rw)
            memcpy(&func->wmask[at + CAP_HEAD], rw, len);
    }
    func->cfg[func->cap_last ? func->cap_last + 1 : PCI_CAP_PTR] = (uint8_t)at;
    func->cfg[PCI_STATUS] |= PCI_STATUS_CAPS;
    func->cap_last = at;
    func->cap_end = (unsigned)align_up(at + CAP_HEAD + len, 4);
    return (int)at;
}

int pci_msix_add(struct pci_func *func, struct irqs *irqs, unsigned n, unsigned bar,
                 struct err *err)
{
    static const uint8_t rw[MSIX_BODY] = {0, (MSIX_CTRL_ENABLE | MSIX_CTRL_MASK_ALL) >> 8};
    struct msix *msix = func->msix ? NULL : msix_new(irqs, n, err);
    uint8_t body[MSIX_BODY];
    int ret;

    if (!msix)
        return func->msix ? err_set(err, EEXIST, "%s has MSI-X already", func->name) : -EINVAL;
    ret = pci_bar_add(func, bar, PCI_BAR_MEM32, msix_bar_size(msix), false, NULL, 0);
    if (ret < 0) {
        msix_free(msix);
        return err_set(err, -ret, "%s: BAR %u cannot be used for MSI-X", func->name, bar);
    }
    le16_store(&body[0], (uint16_t)(n - 1));
    le32_store(&body[2], bar);
    le32_store(&body[6], msix_pba_offset(msix) | bar);
    func->bar[bar].msix = true;
    func->msix = msix; /* from here on pci_func_unplug() frees it */
    ret = pci_cap_add(func, PCI_CAP_ID_MSIX, body, rw, MSIX_BODY);
    if (ret < 0)
        return err_set(err, -ret, "%s: no room for the MSI-X capability", func->name);
    func->msix_cap = (unsigned)ret;
    return 0;
}

void pci_intx_add(struct pci_func *func)
{
    func->cfg[PCI_INT_PIN] = 1;
}

/* Function 0 of all slots first, then function 1 of all slots, and so on; slot 0 is the bridge's.
 */
static int place_find(const struct pci_root *root)
{
    for (unsigned f = 0; f < PCI_FUNCS; f++)
        for (unsigned s = 1; s < PCI_SLOTS; s++)
            if (!root->func[s << 3 | f])
                return (int)(s << 3 | f);
    return -ENOSPC;
}

static int place_check(const struct pci_root *root, const struct pci_func *func, int devfn,
                       struct err *err)
{
    if (devfn < 0)
        return err_set(err, ENOSPC, "no place left on the PCI bus for %s: leave out some devices",
                       func->name);
    if (devfn >= PCI_PLACES)
        return err_set(err, EINVAL, "%s: there is no PCI place 0x%x", func->name, (unsigned)devfn);
    if (root->func[devfn])
        return err_set(err, EBUSY, "%s: PCI place %02x.%x is taken by %s", func->name,
                       (unsigned)devfn >> 3, (unsigned)devfn & 7, root->func[devfn]->name);
    if (devfn % PCI_FUNCS && !root->func[devfn & ~7])
        return err_set(err, EINVAL, "%s: PCI slot %02x has no function 0 yet", func->name,
                       (unsigned)devfn >> 3);
    return 0;
}

static void pin_wire(struct pci_root *root, struct pci_func *func)
{
    const unsigned pin = func->cfg[PCI_INT_PIN];

    if (!pin)
        return;
    func->pin.irqs = root->irqs;
    func->pin.gsi = root->layout.intx_gsi[((func->devfn >> 3) + pin - 1) % 4];
    func->cfg[PCI_INT_LINE] = (uint8_t)func->pin.gsi;
}

int pci_func_plug(struct pci_root *root, struct pci_func *func, int devfn, struct err *err)
{
    struct pci_func *first;
    int ret;

    if (devfn == -1)
        devfn = place_find(root);
    ret = place_check(root, func, devfn, err);
    if (ret < 0)
        return ret;
    root->func[devfn] = func;
    func->root = root;
    func->devfn = (uint8_t)devfn;
    pin_wire(root, func);
    if (func->msix)
        msix_place(func->msix, func->devfn);
    memcpy(func->boot, func->cfg, sizeof(func->boot));
    if (devfn % PCI_FUNCS) {
        first = root->func[devfn & ~7];
        first->cfg[PCI_HEADER_TYPE] |= MULTIFUNCTION;
        first->boot[PCI_HEADER_TYPE] |= MULTIFUNCTION;
    }
    return 0;
}

void pci_func_unplug(struct pci_func *func)
{
    if (func->root) {
        pci_bars_unmap(func);
        irq_pin_set(&func->pin, false);
        func->root->func[func->devfn] = NULL;
        func->root = NULL;
    }
    msix_free(func->msix);
    func->msix = NULL;
}

const struct pci_layout *pci_root_layout(const struct pci_root *root)
{
    return &root->layout;
}

struct pci_func *pci_func_at(struct pci_root *root, uint8_t devfn)
{
    return root->func[devfn];
}

bool pci_is_master(const struct pci_func *func)
{
    return func->cfg[PCI_COMMAND] & PCI_CMD_MASTER;
}

void pci_master_waive(struct pci_func *func, bool waived)
{
    const struct pci_follow now = pci_follow_get(func);

    if (func->master_waived == waived)
        return;
    func->master_waived = waived;
    pci_follow_tell(func, now);
}

static unsigned msix_control_word(const struct pci_func *func)
{
    return func->msix_cap ? le16_load(&func->cfg[func->msix_cap + CAP_HEAD]) : 0;
}

void pci_vectors_changed(struct pci_func *func)
{
    if (func->ops && func->ops->vectors_changed)
        func->ops->vectors_changed(func);
}

bool pci_msix_enabled(const struct pci_func *func)
{
    return msix_control_word(func) & MSIX_CTRL_ENABLE;
}

void pci_intx_update(struct pci_func *func)
{
    const bool on = func->intx_wanted && func->cfg[PCI_INT_PIN] && !pci_msix_enabled(func);
    const bool off = le16_load(&func->cfg[PCI_COMMAND]) & PCI_CMD_INTX_OFF;
    uint8_t *status = &func->cfg[PCI_STATUS];

    *status = (uint8_t)((*status & ~PCI_STATUS_INTX) | (on ? PCI_STATUS_INTX : 0));
    irq_pin_set(&func->pin, on && !off);
}

void pci_intx_set(struct pci_func *func, bool on)
{
    func->intx_wanted = on;
    pci_intx_update(func);
}

struct pci_follow pci_follow_get(const struct pci_func *func)
{
    return (struct pci_follow){.master = pci_is_master(func), .msix = pci_msix_enabled(func)};
}

void pci_follow_tell(struct pci_func *func, struct pci_follow before)
{
    const struct pci_follow now = pci_follow_get(func);
    const struct pci_ops *ops = func->ops;

    pci_intx_update(func);
    if (func->msix)
        msix_control(func->msix, now.msix, msix_control_word(func) & MSIX_CTRL_MASK_ALL,
                     now.master || func->master_waived);
    pci_vectors_changed(func);
    if (now.msix != before.msix && ops->msix_changed)
        ops->msix_changed(func, now.msix);
    if (now.master != before.master && ops->master_changed)
        ops->master_changed(func, now.master);
}

static void func_reset(struct pci_func *func)
{
    struct pci_follow before;

    loop_lock(func->loop);
    before = pci_follow_get(func);
    memcpy(func->cfg, func->boot, sizeof(func->cfg));
    if (func->msix)
        msix_reset(func->msix);
    pci_bars_update(func);
    pci_bars_clear(func);
    pci_follow_tell(func, before);
    loop_unlock(func->loop);
}

void pci_reset(struct pci_root *root)
{
    for (unsigned i = 0; i < PCI_PLACES; i++)
        if (root->func[i])
            func_reset(root->func[i]);
}
