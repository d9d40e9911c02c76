// SPDX-License-Identifier: MIT
/*
 * Owns a guest's access to configuration space: which bits it may change, and who is told. Refuses
 * to know what the bits mean beyond that.
 */
#include <string.h>

#include "vmm/base/bits.h"
#include "vmm/base/le.h"
#include "vmm/base/trace.h"
#include "vmm/bus/pci-internal.h"

enum {
    CAPS_START = 0x40,
    BARS_END = PCI_BAR0 + 4 * PCI_BARS,
    MSIX_CAP_LEN = 12,
};

static bool overlap(unsigned off, unsigned len, unsigned from, unsigned to)
{
    return off < to && from < off + len;
}

static bool access_ok(unsigned off, unsigned len)
{
    return (len == 1 || len == 2 || len == 4) && off % 4 + len <= 4 &&
           range_ok(off, len, PCI_ECAM_FUNC);
}

static bool writable(const struct pci_func *func, unsigned off, unsigned len)
{
    for (unsigned i = 0; i < len; i++)
        if (func->wmask[off + i])
            return true;
    return false;
}

/* Do the bytes include one of a capability that its owner wants to hear of? */
static bool caps_concerned(const struct pci_func *func, unsigned off, unsigned len)
{
    const unsigned msix = func->msix_cap;

    if (off < CAPS_START || (msix && overlap(off, len, msix, msix + MSIX_CAP_LEN)))
        return false;
    return writable(func, off, len);
}

void pci_config_read(struct pci_root *root, uint8_t devfn, unsigned off, void *data, unsigned len)
{
    struct pci_func *func = root->func[devfn];

    memset(data, 0xff, len);
    if (!func || !access_ok(off, len))
        return;
    memset(data, 0, len);
    if (off >= PCI_CFG_SIZE)
        return;
    loop_lock(func->loop);
    if (trace_on(TRACE_BASE))
        trace_access_begin(func->trace, TRACE_BAR_CONFIG, off, len);
    if (func->ops->cap_read && caps_concerned(func, off, len))
        func->ops->cap_read(func, off, len);
    memcpy(data, &func->cfg[off], len);
    TRACE(PCI_READ, func->trace, TRACE_NO_QUEUE, off, len, order_load(ORDER_LITTLE, data, len));
    if (trace_on(TRACE_BASE))
        trace_access_end(false, NULL, 0);
    loop_unlock(func->loop);
}

static void bytes_write(struct pci_func *func, unsigned off, const uint8_t *data, unsigned len)
{
    for (unsigned i = off; i < off + len; i++) {
        const uint8_t byte = data[i - off], mask = func->wmask[i];

        func->cfg[i] = (uint8_t)((func->cfg[i] & ~mask & ~(byte & func->w1c[i])) | (byte & mask));
    }
}

void pci_config_write(struct pci_root *root, uint8_t devfn, unsigned off, const void *data,
                      unsigned len)
{
    struct pci_func *func = root->func[devfn];
    struct pci_follow before;

    if (!func || !access_ok(off, len) || off >= PCI_CFG_SIZE)
        return;
    loop_lock(func->loop);
    TRACE(PCI_WRITE, func->trace, TRACE_NO_QUEUE, off, len, order_load(ORDER_LITTLE, data, len));
    if (trace_on(TRACE_BASE))
        trace_access_begin(func->trace, TRACE_BAR_CONFIG, off, len);
    before = pci_follow_get(func);
    bytes_write(func, off, (const uint8_t *)data, len);
    if (overlap(off, len, PCI_BAR0, BARS_END) || overlap(off, len, PCI_COMMAND, PCI_COMMAND + 2))
        pci_bars_update(func);
    pci_follow_tell(func, before);
    if (func->ops->cap_written && caps_concerned(func, off, len))
        func->ops->cap_written(func, off, len);
    if (func->ops->cap_denied && off >= CAPS_START && !writable(func, off, len))
        func->ops->cap_denied(func, off);
    if (trace_on(TRACE_BASE))
        trace_access_end(false, NULL, 0);
    loop_unlock(func->loop);
}
