// SPDX-License-Identifier: MIT
/*
 * Owns the capabilities that tell a driver of virtio 1.x where things are (4.1.4), and the window
 * through configuration space that one of them is (4.1.4.9). Refuses to know registers.
 */
#include <string.h>

#include "virtio/modern-internal.h"
#include "vmm/base/bits.h"

static uint8_t *window_bytes(struct vpci *vp)
{
    return vp->func.cfg + modern_of(vp)->window;
}

/* Does [off, off+len) touch pci_cfg_data, and do bar, offset and length name something that virtio
 * put there? (P29, P31; 4.1.4.9.2-t1) */
static bool window_aims(struct vpci *vp, unsigned off, unsigned len, uint64_t *at, unsigned *width)
{
    const unsigned data = modern_of(vp)->window + VIRTIO_PCI_CAP_BYTES;
    const uint8_t *cap = window_bytes(vp);
    const uint32_t offset = le32_load(cap + 8), length = le32_load(cap + 12);

    if (off >= data + 4 || off + len <= data)
        return false;
    *at = offset;
    *width = length;
    return (length == 1 || length == 2 || length == 4) && *at % length == 0 &&
           range_ok(offset, length, modern_bar_size(vp, cap[4], at));
}

static void window_used(struct vpci *vp, unsigned off, unsigned len)
{
    const unsigned data = modern_of(vp)->window + VIRTIO_PCI_CAP_BYTES;
    const uint8_t *cap = window_bytes(vp);

    if (vp->dev->lint && off < data + 4 && off + len > data)
        modern_lint_window(vp, cap[4], le32_load(cap + 8), le32_load(cap + 12));
}

void modern_cap_read(struct vpci *vp, unsigned off, unsigned len)
{
    uint8_t *data = window_bytes(vp) + VIRTIO_PCI_CAP_BYTES;
    uint64_t at;
    unsigned width;

    if (off >= modern_of(vp)->window + VIRTIO_PCI_CAP_BYTES_EXTRA ||
        off + len <= modern_of(vp)->window + VIRTIO_PCI_CAP_BYTES)
        return;
    memset(data, 0, 4);
    if (le32_load(window_bytes(vp) + 12)) /* else somebody prints all of configuration space */
        window_used(vp, off, len);
    if (window_aims(vp, off, len, &at, &width))
        modern_bar_read(vp, at, data, width);
}

void modern_cap_written(struct vpci *vp, unsigned off, unsigned len)
{
    uint8_t data[4];
    uint64_t at;
    unsigned width;

    window_used(vp, off, len);
    if (!window_aims(vp, off, len, &at, &width))
        return;
    memcpy(data, window_bytes(vp) + VIRTIO_PCI_CAP_BYTES, sizeof(data));
    modern_bar_write(vp, at, data, width);
}

/* offset and length in bar; extra counts when len says so. Returns the capability's offset. */
static int cap_add(struct vpci *vp, uint8_t type, uint8_t bar, uint32_t offset, uint32_t length,
                   uint32_t extra)
{
    static const uint8_t window_rw[VIRTIO_PCI_CAP_BYTES_EXTRA - 2] = {
        [2] = 0xff,                                         /* bar */
        [6] = 0xff,  [7] = 0xff,  [8] = 0xff,  [9] = 0xff,  /* offset */
        [10] = 0xff, [11] = 0xff, [12] = 0xff, [13] = 0xff, /* length */
        [14] = 0xff, [15] = 0xff, [16] = 0xff, [17] = 0xff, /* pci_cfg_data */
    };
    const bool window = type == VIRTIO_PCI_CAP_PCI;
    const bool longer = window || type == VIRTIO_PCI_CAP_NOTIFY;
    const struct virtio_pci_cap cap = {
        .cap_len = longer ? VIRTIO_PCI_CAP_BYTES_EXTRA : VIRTIO_PCI_CAP_BYTES,
        .cfg_type = type,
        .bar = bar,
        .offset = le32_make(offset),
        .length = le32_make(length),
        .extra = le32_make(extra),
    };

    return pci_cap_add(&vp->func, PCI_CAP_ID_VENDOR, &cap, window ? window_rw : NULL,
                       cap.cap_len - 2U);
}

/* The better place first (4.1.4.2-d3). */
static int notify_add(struct vpci *vp)
{
    const uint32_t size = MODERN_NOTIFY_STEP * vp->dev->n_queues;
    int ret = 0;

    if (modern_of(vp)->ports)
        ret = cap_add(vp, VIRTIO_PCI_CAP_NOTIFY, VPCI_BAR_BELLS, 0, size, MODERN_NOTIFY_STEP);
    return ret < 0 ? ret
                   : cap_add(vp, VIRTIO_PCI_CAP_NOTIFY, VPCI_BAR_MODERN, MODERN_NOTIFY, size,
                             MODERN_NOTIFY_STEP);
}

int modern_caps_add(struct vpci *vp)
{
    const struct regs *config = vp->dev->type->config;
    int ret = cap_add(vp, VIRTIO_PCI_CAP_COMMON, VPCI_BAR_MODERN, MODERN_COMMON, COMMON_SIZE, 0);

    if (ret >= 0)
        ret = notify_add(vp);
    if (ret >= 0)
        ret = cap_add(vp, VIRTIO_PCI_CAP_ISR, VPCI_BAR_MODERN, MODERN_ISR, 1, 0);
    if (ret >= 0 && config)
        ret = cap_add(vp, VIRTIO_PCI_CAP_DEVICE, VPCI_BAR_MODERN, MODERN_DEVICE,
                      (uint32_t)align_up(config->size, 4), 0);
    if (ret >= 0)
        ret = cap_add(vp, VIRTIO_PCI_CAP_PCI, 0, 0, 0, 0);
    if (ret >= 0)
        modern_of(vp)->window = (unsigned)ret;
    return ret < 0 ? ret : 0;
}
