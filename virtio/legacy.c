// SPDX-License-Identifier: MIT
/*
 * The appendix: all that vmm knows of virtio 0.9 ("legacy"), and nothing else of it anywhere.
 * Owns the header in BAR0, rings by page number, the guest's own byte order, use before DRIVER_OK,
 * and where the quirks of single device types (quirks.c) take effect.
 */
#include "virtio/legacy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "virtio/fault.h"
#include "virtio/lint.h"
#include "virtio/quirks.h"
#include "vmm/base/bits.h"

/* Header (4.1.4.10-l3, -l4); what follows the vectors, or their place, is the device's own. */
enum {
    LEGACY_DEVICE_FEATURES = 0x00,
    LEGACY_DRIVER_FEATURES = 0x04,
    LEGACY_QUEUE_PFN = 0x08,
    LEGACY_QUEUE_SIZE = 0x0c,
    LEGACY_QUEUE_SELECT = 0x0e,
    LEGACY_QUEUE_NOTIFY = 0x10,
    LEGACY_STATUS = 0x12,
    LEGACY_ISR = 0x13,
    LEGACY_CONFIG_VECTOR = 0x14,
    LEGACY_QUEUE_VECTOR = 0x16,
    LEGACY_HEADER_INTX = 0x14, /* size while MSI-X is disabled */
    LEGACY_HEADER_MSIX = 0x18, /* ... while it is enabled */
};

enum {
    STATUS_BITS = VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER | VIRTIO_S_DRIVER_OK | VIRTIO_S_FAILED
};
enum { LEGACY_PAGE_SHIFT = 12, LEGACY_ALIGN = 1 << LEGACY_PAGE_SHIFT, LEGACY_REVISION = 0 };

/* Reserved bits that exist here only (6-d1), and what a driver may not accept (6.3-l5). */
enum {
    LEGACY_F_NOTIFY_ON_EMPTY = 24,
    LEGACY_F_ANY_LAYOUT = 27,
    LEGACY_F_BAD = 30,
};

/* How long a driver's reset may take the host; a driver that does not ask must be made to wait. */
#define LEGACY_DRAIN_NS (30 * UINT64_C(1000000000))

const struct vfeat_row legacy_features[] = {
    {LEGACY_F_NOTIFY_ON_EMPTY, "notify_on_empty", "6.3-l2", -1},
    {LEGACY_F_ANY_LAYOUT, "any_layout", "6.3-l3", -1},
    {0, NULL, NULL, -1},
};

struct legacy {
    uint32_t driver_features; /* as written */
    uint16_t queue_select;
    bool in_use;           /* features and rings are settled */
    struct bus_bell *bell; /* by queue, all at one port; muted until in_use */
    struct quirk_state quirk;
};

static struct legacy *legacy_of(const struct vpci *vp)
{
    return (struct legacy *)vpci_state(vp, &legacy_interface);
}

static struct vpci *vpci_ctx(void *ctx)
{
    return (struct vpci *)ctx;
}

static struct vq *queue_now(struct vpci *vp)
{
    const uint16_t i = legacy_of(vp)->queue_select;

    return i < vp->dev->n_queues ? &vp->dev->vq[i] : NULL;
}

/* ---- the layer on every queue ---- */

static int layer_open(struct vq *vq)
{
    return vq->ring_ops->open(vq);
}

static void layer_close(struct vq *vq)
{
    vq->ring_ops->close(vq);
}

static struct vq_chain *layer_pop(struct vq *vq)
{
    const struct quirk *quirk = quirk_of(vq->dev->type);
    struct legacy *l = legacy_of((const struct vpci *)vq->dev->up.ctx);
    struct vq_chain *chain = vq->ring_ops->pop(vq);

    if (chain && vq->dev->lint && quirk->layout &&
        !(l->driver_features & BIT32(LEGACY_F_ANY_LAYOUT)))
        quirk->layout(chain);
    if (chain && quirk->popped)
        quirk->popped(chain, &l->quirk);
    return chain;
}

static void layer_push(struct vq *vq, struct vq_chain *chain, uint32_t written)
{
    const struct quirk *quirk = quirk_of(vq->dev->type);

    vq->ring_ops->push(vq, chain, quirk->pushed ? quirk->pushed(chain, written) : written);
}

/* An interrupt when nothing is left, whatever suppresses it (6.3-l2). */
static bool layer_publish(struct vq *vq)
{
    const bool wanted = vq->ring_ops->publish(vq);

    return wanted || (vq->dev->on_empty && !vq->ring_ops->more(vq));
}

static bool layer_kicks(struct vq *vq, bool on)
{
    return vq->ring_ops->kicks(vq, on);
}

static bool layer_more(struct vq *vq)
{
    return vq->ring_ops->more(vq);
}

static void layer_indices(const struct vq *vq, struct vq_indices *at)
{
    vq->ring_ops->indices(vq, at);
}

static const struct vq_ops legacy_layer = {
    .open = layer_open,
    .close = layer_close,
    .pop = layer_pop,
    .push = layer_push,
    .publish = layer_publish,
    .kicks = layer_kicks,
    .more = layer_more,
    .indices = layer_indices,
};

/* ---- first use: features, rings, start ---- */

/* Bits that have all that they need, and what that needs. */
static uint32_t features_fitting(const struct vfeat_row *rows, uint32_t bits)
{
    uint32_t before;

    do {
        before = bits;
        for (const struct vfeat_row *row = rows; row && row->name; row++)
            if (row->bit < 32 && row->needs >= 0 && !(row->needs < 32 && bits & BIT32(row->needs)))
                bits &= ~BIT32(row->bit);
    } while (bits != before);
    return bits;
}

static uint32_t features_offered(const struct vdev *dev)
{
    const uint32_t added = BIT32(LEGACY_F_NOTIFY_ON_EMPTY) | BIT32(LEGACY_F_ANY_LAYOUT);

    return vdev_offered_word(dev, 0) | (added & ~dev->withheld.word[0]);
}

static void features_lint(struct vdev *dev, uint32_t accepted)
{
    lint_features(dev, &(struct vfeat){{accepted}}, &(struct vfeat){{features_offered(dev)}});
}

/* What a driver accepted that can be had. Nothing can be refused here (3.1.2-l5), so a bit without
 * the one that it needs counts as not accepted. */
static void features_settle(struct vpci *vp)
{
    struct vdev *dev = vp->dev;
    const struct quirk *quirk = quirk_of(dev->type);
    struct legacy *l = legacy_of(vp);
    uint64_t kept = 0;
    uint32_t bits, dropped;

    if (dev->lint)
        features_lint(dev, l->driver_features);
    if (l->driver_features & BIT32(LEGACY_F_BAD))
        l->driver_features = 0; /* F10: it accepts whatever it sees, so it understands nothing */
    dev->on_empty = l->driver_features & features_offered(dev) & BIT32(LEGACY_F_NOTIFY_ON_EMPTY);
    bits = features_fitting(dev->type->features, l->driver_features & vdev_offered_word(dev, 0));
    dropped = l->driver_features & vdev_offered_word(dev, 0) & ~bits;
    if (dropped)
        lint_see(dev, LINT_FEATURE_ALONE, (unsigned)__builtin_ctz(dropped));
    vdev_driver_word_set(dev, 0, bits);
    vdev_driver_word_set(dev, 1, 0); /* 4.1.4.10-l10 */
    if (quirk->settle)
        quirk->settle(dev, false, &kept);
    if (!vdev_negotiate(dev))
        vdev_fail(dev, "3.1.2-l5", "the driver's features 0x%x do not fit together", bits);
    else if (quirk->settle)
        quirk->settle(dev, true, &kept);
}

static void queue_start(struct vq *vq)
{
    if (!vq->set.desc || vq->enabled || vq->draining)
        return;
    if (vq_enable(vq) < 0) { /* L02 */
        lint_see_queue(vq, LINT_OLD_SPAN, vq->set.desc);
        log_limited(&vq->dev->log, LOG_WARN, "%s: queue %u not started: page number 0x%llx",
                    vq->dev->name, vq->index,
                    (unsigned long long)(vq->set.desc >> LEGACY_PAGE_SHIFT));
        return;
    }
    loop_post(vq->dev->loop, &vq->again);
}

/* A doorbell that makes the device start (L05) must come here, later ones need not. */
static void bells_mute(struct vpci *vp, bool mute)
{
    for (unsigned i = 0; i < vp->dev->n_queues; i++)
        legacy_of(vp)->bell[i].muted = mute;
    pci_bar_bells_changed(&vp->func, VPCI_BAR_IO);
}

/* DRIVER_OK, or a doorbell before it (3.1.2-l3, -l4): now everything is settled. */
static void device_use(struct vpci *vp)
{
    struct legacy *l = legacy_of(vp);

    if (l->in_use || vp->dev->broken || (vp->dev->status & VIRTIO_S_FAILED))
        return;
    l->in_use = true;
    features_settle(vp);
    for (unsigned i = 0; i < vp->dev->n_queues; i++)
        queue_start(&vp->dev->vq[i]);
    vdev_start(vp->dev);
    bells_mute(vp, false);
}

/* ---- header ---- */

static uint64_t device_features_read(void *ctx, const struct reg *reg)
{
    (void)reg;
    return features_offered(vpci_ctx(ctx)->dev);
}

static uint64_t driver_features_read(void *ctx, const struct reg *reg)
{
    const struct vpci *vp = vpci_ctx(ctx);

    (void)reg;
    return legacy_of(vp)->driver_features & features_offered(vp->dev);
}

static void driver_features_write(void *ctx, const struct reg *reg, uint64_t v)
{
    struct legacy *l = legacy_of(vpci_ctx(ctx));

    (void)reg;
    if (!(vpci_ctx(ctx)->dev->status & VIRTIO_S_DRIVER))
        lint_see(vpci_ctx(ctx)->dev, LINT_FEATURES_EARLY, v);
    if (!l->in_use)
        l->driver_features = (uint32_t)v;
}

static uint64_t queue_pfn_read(void *ctx, const struct reg *reg)
{
    const struct vq *vq = queue_now(vpci_ctx(ctx));

    (void)reg;
    return vq ? vq->set.desc >> LEGACY_PAGE_SHIFT : 0;
}

/* Stop one queue; its driver frees the ring as soon as this returns (L01). */
static void queue_stop(struct vq *vq)
{
    const uint64_t deadline = clock_ns() + LEGACY_DRAIN_NS;

    if (!vq->enabled) {
        vq_defaults(vq);
        return;
    }
    vdev_queue_reset(vq->dev, vq->index);
    while (vq->draining && loop_wait(vq->dev->loop, deadline))
        continue;
}

/* Where the parts of a ring are, from its first page (2.7.2-l2, -l3). */
static void queue_pfn_write(void *ctx, const struct reg *reg, uint64_t v)
{
    struct vpci *vp = vpci_ctx(ctx);
    struct vq *vq = queue_now(vp);
    uint64_t avail, avail_end;

    (void)reg;
    if (!vq)
        return;
    if (!v) {
        queue_stop(vq);
        return;
    }
    if (vq->enabled || vq->draining)
        return;
    avail = (v << LEGACY_PAGE_SHIFT) + VIRTQ_DESC_BYTES * (uint64_t)vq->max;
    avail_end = avail + VIRTQ_RING_ENTRY + VIRTQ_AVAIL_ENTRY_BYTES * ((uint64_t)vq->max + 1);
    vq->set = (struct vq_settings){.size = vq->max,
                                   .desc = v << LEGACY_PAGE_SHIFT,
                                   .driver = avail,
                                   .device = align_up(avail_end, LEGACY_ALIGN)};
    if (legacy_of(vp)->in_use)
        queue_start(vq);
}

static uint64_t queue_size_read(void *ctx, const struct reg *reg)
{
    const struct vq *vq = queue_now(vpci_ctx(ctx));

    (void)reg;
    return vq ? vq->max : 0;
}

static uint64_t queue_select_read(void *ctx, const struct reg *reg)
{
    (void)reg;
    return legacy_of(vpci_ctx(ctx))->queue_select;
}

static void queue_select_write(void *ctx, const struct reg *reg, uint64_t v)
{
    (void)reg;
    legacy_of(vpci_ctx(ctx))->queue_select = (uint16_t)v;
}

static void queue_notify_write(void *ctx, const struct reg *reg, uint64_t v)
{
    struct vpci *vp = vpci_ctx(ctx);

    (void)reg;
    if (v < vp->dev->n_queues && vp->dev->vq[v].set.desc)
        device_use(vp); /* L05 */
    vpci_doorbell(vp, (unsigned)v);
}

static uint64_t status_read(void *ctx, const struct reg *reg)
{
    struct vdev *dev = vpci_ctx(ctx)->dev;

    (void)reg;
    if (dev->lint)
        lint_status_read(dev);
    return dev->status & STATUS_BITS;
}

static void status_write(void *ctx, const struct reg *reg, uint64_t v)
{
    struct vpci *vp = vpci_ctx(ctx);
    const uint8_t old = vp->dev->status & STATUS_BITS, bits = v & STATUS_BITS;

    (void)reg;
    if (vp->dev->lint)
        lint_status(vp->dev, (uint8_t)v, false);
    if (!v) { /* drivers do not ask whether it is complete: it is */
        const uint64_t deadline = clock_ns() + LEGACY_DRAIN_NS;

        vdev_reset(vp->dev);
        while (vp->dev->resetting && loop_wait(vp->dev->loop, deadline))
            continue;
        return;
    }
    if (old & ~bits)
        return; /* T02 */
    if (bits & ~old & VIRTIO_S_DRIVER_OK)
        device_use(vp);
    vdev_status_add(vp->dev, bits & ~old);
    if (vp->dev->lint)
        lint_status_written(vp->dev, (uint8_t)v, false);
}

static uint64_t isr_read(void *ctx, const struct reg *reg)
{
    (void)reg;
    return vpci_isr_take(vpci_ctx(ctx), &legacy_interface);
}

static uint64_t config_vector_read(void *ctx, const struct reg *reg)
{
    (void)reg;
    return vpci_config_vector(vpci_ctx(ctx));
}

static void config_vector_write(void *ctx, const struct reg *reg, uint64_t v)
{
    (void)reg;
    vpci_config_vector_set(vpci_ctx(ctx), (uint16_t)v);
}

static uint64_t queue_vector_read(void *ctx, const struct reg *reg)
{
    struct vpci *vp = vpci_ctx(ctx);
    const struct vq *vq = queue_now(vp);

    (void)reg;
    return vq ? vpci_queue_vector(vp, vq->index) : VIRTIO_NO_VECTOR; /* L04 */
}

static void queue_vector_write(void *ctx, const struct reg *reg, uint64_t v)
{
    struct vpci *vp = vpci_ctx(ctx);
    const struct vq *vq = queue_now(vp);

    (void)reg;
    if (vq)
        vpci_queue_vector_set(vp, vq->index, (uint16_t)v);
}

/* clang-format off */
static const struct reg header_rows[] = {
    {LEGACY_DEVICE_FEATURES, 4, 0, "device_features", "4.1.4.10-l3", device_features_read, NULL},
    {LEGACY_DRIVER_FEATURES, 4, 0, "driver_features", "4.1.4.10-l3", driver_features_read, driver_features_write},
    {LEGACY_QUEUE_PFN, 4, 0, "queue_address", "4.1.4.10-l11", queue_pfn_read, queue_pfn_write},
    {LEGACY_QUEUE_SIZE, 2, 0, "queue_size", "4.1.5.1.3.1-l2", queue_size_read, NULL},
    {LEGACY_QUEUE_SELECT, 2, 0, "queue_select", "4.1.4.10-l3", queue_select_read, queue_select_write},
    {LEGACY_QUEUE_NOTIFY, 2, 0, "queue_notify", "4.1.4.10-l3", NULL, queue_notify_write},
    {LEGACY_STATUS, 1, 0, "device_status", "4.1.4.10-l3", status_read, status_write},
    {LEGACY_ISR, 1, 0, "isr_status", "4.1.4.5.1-d5", isr_read, NULL},
    {LEGACY_CONFIG_VECTOR, 2, 0, "config_msix_vector", "4.1.4.10-l4", config_vector_read, config_vector_write},
    {LEGACY_QUEUE_VECTOR, 2, 0, "queue_msix_vector", "4.1.4.10-l4", queue_vector_read, queue_vector_write},
};
/* clang-format on */

/* The vectors are there only while MSI-X is enabled; accesses behind them never come here. */
static const struct regs legacy_header = {.name = "legacy header",
                                          .row = header_rows,
                                          .n = ARRAY_SIZE(header_rows),
                                          .size = LEGACY_HEADER_MSIX};

/* ---- BAR0: header, then the device's own, which moves with MSI-X (L07) ---- */

static unsigned header_size(const struct vpci *vp)
{
    return pci_msix_enabled(&vp->func) ? LEGACY_HEADER_MSIX : LEGACY_HEADER_INTX;
}

/* Guest-native, any width (4.1.4.10-l8, -l9). Settled when a driver began, else as of now. */
static struct regs_path config_path(const struct vpci *vp)
{
    const bool little = quirk_of(vp->dev->type)->config_is_little;
    const enum byte_order order =
        vp->active == &legacy_interface ? vp->dev->order : vpci_guest_order(vp);

    return (struct regs_path){little ? ORDER_LITTLE : order, true};
}

/* How much of [off, off+len) lies in the header (L08). */
static unsigned header_part(const struct vpci *vp, uint64_t off, unsigned len)
{
    const unsigned size = header_size(vp);

    return off >= size ? 0 : (unsigned)min_u64(len, size - off);
}

static void legacy_read(struct vpci *vp, uint64_t off, void *data, unsigned len)
{
    const struct regs *config = vp->dev->type->config;
    const unsigned n = header_part(vp, off, len);
    const struct regs_path path = config_path(vp);
    uint8_t *rest = (uint8_t *)data + n;

    memset(data, 0, len);
    if (n)
        regs_read(&legacy_header, vp, &regs_little, off, data, n);
    if (n < len && config) {
        vp->dev->config_seen = true;
        if (vp->dev->lint)
            lint_config(vp->dev, false, off + n - header_size(vp), len - n, true);
        regs_read(config, vp->dev, &path, off + n - header_size(vp), rest, len - n);
        if (FAULTY(vp->dev))
            fault_config(vp->dev, off + n - header_size(vp), rest, len - n);
    }
}

/* The first write since a reset makes this interface the active one, and settles the order. */
static bool drive(struct vpci *vp)
{
    const bool first = !vp->active;

    if (!vpci_drive(vp, &legacy_interface))
        return false;
    if (first) {
        vp->dev->order = vpci_guest_order(vp);
        vp->dev->layer = &legacy_layer;
    }
    return true;
}

/* Has the quirk taken this write for itself? */
static bool quirk_config_write(struct vpci *vp, uint64_t off, const uint8_t *data, unsigned len)
{
    const struct quirk *quirk = quirk_of(vp->dev->type);

    return quirk->config_write &&
           quirk->config_write(vp->dev, &legacy_of(vp)->quirk, off, data, len);
}

static bool is_reset(uint64_t off, const void *data, unsigned len)
{
    return off == LEGACY_STATUS && len == 1 && *(const uint8_t *)data == 0;
}

static void legacy_write(struct vpci *vp, uint64_t off, const void *data, unsigned len)
{
    const struct regs *config = vp->dev->type->config;
    const unsigned n = header_part(vp, off, len), start = header_size(vp);
    const uint8_t *rest = (const uint8_t *)data + n;
    struct regs_path path;

    if (!is_reset(off, data, len) && !drive(vp))
        return;
    path = config_path(vp);
    if (n < len && vp->dev->lint)
        lint_config(vp->dev, true, off + n - start, len - n, true);
    if (n)
        regs_write(&legacy_header, vp, &regs_little, off, data, n);
    if (n < len && config && !quirk_config_write(vp, off + n - start, rest, len - n))
        regs_write(config, vp->dev, &path, off + n - start, rest, len - n);
    if (n < len && vp->dev->type->config_old)
        regs_write(vp->dev->type->config_old, vp->dev, &path, off + n - start, rest, len - n);
}

/* ---- the interface ---- */

static bool legacy_serves(const struct virtio_type *type)
{
    return quirk_of(type) != NULL;
}

static int legacy_attach(struct vpci *vp, struct err *err)
{
    const struct regs *config = vp->dev->type->config;
    const unsigned n = vp->dev->n_queues;
    struct bus_bell *bell = calloc(n ? n : 1, sizeof(*bell));
    uint64_t size = 32;

    if (!bell)
        return err_errno(err, ENOMEM, "device %s", vp->dev->name);
    legacy_of(vp)->bell = bell;
    for (unsigned i = 0; i < n; i++)
        bell[i] = (struct bus_bell){.off = LEGACY_QUEUE_NOTIFY,
                                    .len = 2,
                                    .match = true,
                                    .value = i,
                                    .muted = true,
                                    .fd = vp->bell[i].fd};
    while (size < LEGACY_HEADER_MSIX + (config ? config->size : 0U))
        size *= 2;
    if (pci_bar_add(&vp->func, VPCI_BAR_IO, PCI_BAR_IO, size, false, bell, n) < 0)
        return err_set(err, EINVAL, "%s: no I/O BAR", vp->dev->name);
    return 0;
}

static void legacy_identify(struct vpci *vp)
{
    const struct virtio_type *type = vp->dev->type;

    pci_func_ids(&vp->func, VIRTIO_PCI_VENDOR, quirk_of(type)->pci_id, LEGACY_REVISION,
                 vp->dev->class_code, VIRTIO_PCI_VENDOR, type->id); /* 4.1.2.3-l1..l3 */
}

static void legacy_detach(struct vpci *vp)
{
    free(legacy_of(vp)->bell);
}

static void legacy_reset(struct vpci *vp)
{
    const bool was_in_use = legacy_of(vp)->in_use;

    *legacy_of(vp) = (struct legacy){.bell = legacy_of(vp)->bell};
    if (was_in_use)
        bells_mute(vp, true);
}

const struct vinterface legacy_interface = {
    .name = "legacy",
    .needs_master = false, /* drivers of the time did not switch it on (P19) */
    .shows_failure = false,
    .state_size = sizeof(struct legacy),
    .serves = legacy_serves,
    .identify = legacy_identify,
    .attach = legacy_attach,
    .detach = legacy_detach,
    .bar_read = legacy_read,
    .bar_write = legacy_write,
    .reset = legacy_reset,
    .bar = VPCI_BAR_IO,
};
