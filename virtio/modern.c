// SPDX-License-Identifier: MIT
/*
 * Owns the interface of virtio 1.x on PCI (4.1.4): one 64-bit memory BAR with the common, ISR,
 * device and notification structures, the capabilities that point there, and the window through
 * configuration space. All of it is little-endian, always.
 *
 * Where the machine says that ports are better for it, the notification structure is in an I/O BAR
 * as well, which is then the one to prefer (4.1.4.2-d3): AMD's processors do not tell KVM which
 * instruction wrote to memory, so that it has to fetch, decode and emulate it before the doorbell
 * rings; a write to a port is described by the exit.
 */
#include "virtio/modern.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "virtio/fault.h"
#include "virtio/lint.h"
#include "virtio/modern-internal.h"
#include "vmm/base/bits.h"

enum {
    REVISION = 1,    /* 4.1.2.1-d5 */
    PORTS_MIN = 16,  /* bytes of an I/O BAR */
    PORTS_MAX = 256, /* ... on PCI */
};

static struct vpci *vpci_ctx(void *ctx)
{
    return (struct vpci *)ctx;
}

/* The queue that queue_select names, or NULL (Q19). */
static struct vq *queue_now(struct vpci *vp)
{
    const uint16_t i = modern_of(vp)->queue_select;

    return i < vp->dev->n_queues ? &vp->dev->vq[i] : NULL;
}

/* As queue_now, if its settings may still be changed (Q10). */
static struct vq *queue_settable(struct vpci *vp)
{
    struct vq *vq = queue_now(vp);

    return vq && !vq->enabled && !vq->draining ? vq : NULL;
}

/* ---- common configuration: device ---- */

static uint64_t device_feature_select_read(void *ctx, const struct reg *reg)
{
    (void)reg;
    return modern_of(vpci_ctx(ctx))->device_feature_select;
}

static void device_feature_select_write(void *ctx, const struct reg *reg, uint64_t v)
{
    (void)reg;
    modern_of(vpci_ctx(ctx))->device_feature_select = (uint32_t)v;
}

static uint64_t device_feature_read(void *ctx, const struct reg *reg)
{
    const struct vpci *vp = vpci_ctx(ctx);

    (void)reg;
    if (vp->dev->lint)
        lint_offer_read(vp->dev);
    return vdev_offered_word(vp->dev, modern_of(vp)->device_feature_select);
}

static uint64_t driver_feature_select_read(void *ctx, const struct reg *reg)
{
    (void)reg;
    return modern_of(vpci_ctx(ctx))->driver_feature_select;
}

static void driver_feature_select_write(void *ctx, const struct reg *reg, uint64_t v)
{
    (void)reg;
    modern_of(vpci_ctx(ctx))->driver_feature_select = (uint32_t)v;
}

static uint64_t driver_feature_read(void *ctx, const struct reg *reg)
{
    const struct vpci *vp = vpci_ctx(ctx);

    (void)reg;
    return vdev_driver_word(vp->dev, modern_of(vp)->driver_feature_select);
}

static void driver_feature_write(void *ctx, const struct reg *reg, uint64_t v)
{
    const struct vpci *vp = vpci_ctx(ctx);

    (void)reg;
    if (vp->dev->lint)
        lint_features_write(vp->dev, modern_of(vp)->driver_feature_select, (uint32_t)v);
    vdev_driver_word_set(vp->dev, modern_of(vp)->driver_feature_select, (uint32_t)v);
}

static uint64_t config_msix_vector_read(void *ctx, const struct reg *reg)
{
    (void)reg;
    return vpci_config_vector(vpci_ctx(ctx));
}

static void config_msix_vector_write(void *ctx, const struct reg *reg, uint64_t v)
{
    (void)reg;
    vpci_config_vector_set(vpci_ctx(ctx), (uint16_t)v);
}

static uint64_t num_queues_read(void *ctx, const struct reg *reg)
{
    (void)reg;
    return vpci_ctx(ctx)->dev->n_queues;
}

static uint64_t device_status_read(void *ctx, const struct reg *reg)
{
    struct vdev *dev = vpci_ctx(ctx)->dev;

    (void)reg;
    if (dev->lint)
        lint_status_read(dev);
    return dev->status;
}

static void device_status_write(void *ctx, const struct reg *reg, uint64_t v)
{
    struct vdev *dev = vpci_ctx(ctx)->dev;

    (void)reg;
    if (dev->lint)
        lint_status(dev, (uint8_t)v, true);
    vdev_status_write(dev, (uint8_t)v);
    if (dev->lint)
        lint_status_written(dev, (uint8_t)v, true);
}

static uint64_t config_generation_read(void *ctx, const struct reg *reg)
{
    struct vdev *dev = vpci_ctx(ctx)->dev;

    (void)reg;
    dev->config_seen = true;
    return dev->generation;
}

/* ---- common configuration: the selected queue ---- */

static uint64_t queue_select_read(void *ctx, const struct reg *reg)
{
    (void)reg;
    return modern_of(vpci_ctx(ctx))->queue_select;
}

static void queue_select_write(void *ctx, const struct reg *reg, uint64_t v)
{
    (void)reg;
    modern_of(vpci_ctx(ctx))->queue_select = (uint16_t)v;
}

/* The driver sets something of a queue, one area of it (enum lint_area) or another thing. */
static void settings_lint(struct vpci *vp, const struct reg *reg, unsigned area)
{
    const struct vq *vq = queue_now(vp);

    if (vq && vp->dev->lint)
        lint_queue_set(vq, reg->off, area);
}

static uint64_t queue_size_read(void *ctx, const struct reg *reg)
{
    const struct vq *vq = queue_now(vpci_ctx(ctx));

    (void)reg;
    return vq ? vq->set.size : 0;
}

static void queue_size_write(void *ctx, const struct reg *reg, uint64_t v)
{
    struct vpci *vp = vpci_ctx(ctx);
    struct vq *vq = queue_settable(vp);
    const bool any = vq && vdev_has(vq->dev, VIRTIO_F_RING_PACKED); /* 2.8-d2 */

    settings_lint(vp, reg, 0);
    if (vp->dev->lint)
        lint_queue_size(vp->dev, queue_now(vp), (uint16_t)v);
    if (vq && v && (any || is_pow2(v)) && v <= vq->max) /* Q05, Q07; 4.1.4.3.1-d15 */
        vq->set.size = (uint16_t)v;
}

static uint64_t queue_msix_vector_read(void *ctx, const struct reg *reg)
{
    struct vpci *vp = vpci_ctx(ctx);
    const struct vq *vq = queue_now(vp);

    (void)reg;
    return vq ? vpci_queue_vector(vp, vq->index) : VIRTIO_NO_VECTOR;
}

static void queue_msix_vector_write(void *ctx, const struct reg *reg, uint64_t v)
{
    struct vpci *vp = vpci_ctx(ctx);
    const struct vq *vq = queue_now(vp);

    if (v != VIRTIO_NO_VECTOR) /* taking it away is for the end */
        settings_lint(vp, reg, 0);
    if (vq)
        vpci_queue_vector_set(vp, vq->index, (uint16_t)v);
}

static uint64_t queue_enable_read(void *ctx, const struct reg *reg)
{
    const struct vq *vq = queue_now(vpci_ctx(ctx));

    (void)reg;
    return vq && vq->enabled;
}

static void queue_enable_write(void *ctx, const struct reg *reg, uint64_t v)
{
    struct vpci *vp = vpci_ctx(ctx);
    struct vq *vq = queue_settable(vp);
    int ret;

    (void)reg;
    if (vp->dev->lint)
        lint_queue_enable(vp->dev, queue_now(vp), modern_of(vp)->queue_select, v);
    if (!vq || v != 1 || !(vp->dev->status & VIRTIO_S_FEATURES_OK))
        return; /* Q16, Q17; before FEATURES_OK the layout of the ring is not known */
    ret = vq_enable(vq);
    if (vp->dev->lint)
        lint_queue_enabled(vq, ret);
    if (ret < 0) {
        log_limited(&vp->dev->log, LOG_WARN,
                    "%s: queue %u not enabled: size %u, areas 0x%llx 0x%llx 0x%llx (2.7-d1)",
                    vp->dev->name, vq->index, vq->set.size, (unsigned long long)vq->set.desc,
                    (unsigned long long)vq->set.driver, (unsigned long long)vq->set.device);
        return;
    }
    if (vp->dev->started)
        loop_post(vp->dev->loop, &vq->again);
}

static uint64_t queue_notify_off_read(void *ctx, const struct reg *reg)
{
    const struct vq *vq = queue_now(vpci_ctx(ctx));

    (void)reg;
    return vq ? vq->index : 0;
}

/* Doorbells have an address each, so that what is written there says nothing new (2.9-d1). */
static uint64_t queue_notif_config_data_read(void *ctx, const struct reg *reg)
{
    struct vpci *vp = vpci_ctx(ctx);
    const struct vq *vq = queue_now(vp);

    (void)reg;
    return vq && vdev_offers(vp->dev, VIRTIO_F_NOTIF_CONFIG_DATA) ? vq->index : 0;
}

/* The six halves of the addresses: arg / 2 says which, arg % 2 the half. */
static uint64_t *queue_address(struct vq *vq, const struct reg *reg)
{
    uint64_t *const field[] = {&vq->set.desc, &vq->set.driver, &vq->set.device};

    return field[reg->arg / 2];
}

static uint64_t queue_address_read(void *ctx, const struct reg *reg)
{
    struct vq *vq = queue_now(vpci_ctx(ctx));

    return vq ? (*queue_address(vq, reg) >> (32 * (reg->arg % 2))) & UINT32_MAX : 0;
}

static void queue_address_write(void *ctx, const struct reg *reg, uint64_t v)
{
    struct vq *vq = queue_settable(vpci_ctx(ctx));
    const unsigned shift = 32 * (reg->arg % 2);
    uint64_t *field;

    settings_lint(vpci_ctx(ctx), reg, LINT_DESC << (reg->arg / 2));
    if (!vq)
        return;
    field = queue_address(vq, reg);
    *field = (*field & ~((uint64_t)UINT32_MAX << shift)) | v << shift;
}

static uint64_t queue_reset_read(void *ctx, const struct reg *reg)
{
    const struct vq *vq = queue_now(vpci_ctx(ctx));

    (void)reg;
    if (vq && vq->dev->lint)
        lint_queue_reset_read(vq, vq->draining);
    return vq && vq->draining;
}

static void queue_reset_write(void *ctx, const struct reg *reg, uint64_t v)
{
    const struct vpci *vp = vpci_ctx(ctx);
    const struct vq *vq = queue_now(vpci_ctx(ctx));

    (void)reg;
    if (v == 1 && vq && vq_live(vq) && vdev_has(vp->dev, VIRTIO_F_RING_RESET)) { /* Q31 */
        if (vp->dev->lint)
            lint_queue_reset(vq);
        vdev_queue_reset(vp->dev, vq->index);
    }
}

/* clang-format off */
static const struct reg common_rows[] = {
    {0x00, 4, 0, "device_feature_select", "4.1.4.3-d1", device_feature_select_read, device_feature_select_write},
    {0x04, 4, 0, "device_feature", "4.1.4.3.1-d3", device_feature_read, NULL},
    {0x08, 4, 0, "driver_feature_select", "4.1.4.3-d1", driver_feature_select_read, driver_feature_select_write},
    {0x0c, 4, 0, "driver_feature", "4.1.4.3.1-d4", driver_feature_read, driver_feature_write},
    {0x10, 2, 0, "config_msix_vector", "4.1.5.1.2.1-d6", config_msix_vector_read, config_msix_vector_write},
    {0x12, 2, 0, "num_queues", "4.1.4.3-d4", num_queues_read, NULL},
    {0x14, 1, 0, "device_status", "4.1.4.3.1-d7", device_status_read, device_status_write},
    {0x15, 1, 0, "config_generation", "4.1.4.3.1-d6", config_generation_read, NULL},
    {0x16, 2, 0, "queue_select", "4.1.4.3-d2", queue_select_read, queue_select_write},
    {0x18, 2, 0, "queue_size", "4.1.4.3-d5", queue_size_read, queue_size_write},
    {0x1a, 2, 0, "queue_msix_vector", "4.1.5.1.2.1-d6", queue_msix_vector_read, queue_msix_vector_write},
    {0x1c, 2, 0, "queue_enable", "4.1.4.3.1-d8", queue_enable_read, queue_enable_write},
    {0x1e, 2, 0, "queue_notify_off", "4.1.4.4-d1", queue_notify_off_read, NULL},
    {0x20, 4, 0, "queue_desc_lo", "4.1.3.2-d1", queue_address_read, queue_address_write},
    {0x24, 4, 1, "queue_desc_hi", "4.1.3.2-d1", queue_address_read, queue_address_write},
    {0x28, 4, 2, "queue_driver_lo", "4.1.3.2-d1", queue_address_read, queue_address_write},
    {0x2c, 4, 3, "queue_driver_hi", "4.1.3.2-d1", queue_address_read, queue_address_write},
    {0x30, 4, 4, "queue_device_lo", "4.1.3.2-d1", queue_address_read, queue_address_write},
    {0x34, 4, 5, "queue_device_hi", "4.1.3.2-d1", queue_address_read, queue_address_write},
    {0x38, 2, 0, "queue_notif_config_data", "4.1.4.3-d3", queue_notif_config_data_read, NULL},
    {0x3a, 2, 0, "queue_reset", "4.1.4.3.1-d11", queue_reset_read, queue_reset_write},
};
/* clang-format on */

const struct regs modern_common = {
    .name = "common", .row = common_rows, .n = ARRAY_SIZE(common_rows), .size = COMMON_SIZE};

static uint64_t isr_read(void *ctx, const struct reg *reg)
{
    (void)reg;
    return vpci_isr_take(vpci_ctx(ctx), &modern_interface);
}

static const struct reg isr_rows[] = {{0x00, 1, 0, "isr_status", "4.1.4.5.1-d5", isr_read, NULL}};

static const struct regs isr_regs = {
    .name = "isr", .row = isr_rows, .n = ARRAY_SIZE(isr_rows), .size = 4};

/* ---- what lint wants to know ---- */

/* Doorbells come here while they are muted: the first ones, as lint looks at them. */
static void bells_mute(struct vpci *vp, bool mute)
{
    const struct modern *m = modern_of(vp);

    for (unsigned i = 0; i < vp->dev->n_queues * (1U + m->ports); i++)
        m->bell[i].muted = mute;
    pci_bar_bells_changed(&vp->func, VPCI_BAR_MODERN);
    if (m->ports)
        pci_bar_bells_changed(&vp->func, VPCI_BAR_BELLS);
}

static void notify_lint(struct vpci *vp, uint64_t in, const void *data, unsigned len)
{
    const uint64_t i = in / MODERN_NOTIFY_STEP;

    if (i < vp->dev->n_queues && in % MODERN_NOTIFY_STEP == 0 &&
        !lint_notify(&vp->dev->vq[i], (uint32_t)order_load(ORDER_LITTLE, data, len > 4 ? 4 : len),
                     len))
        bells_mute(vp, false);
}

/* ---- the BAR ---- */

uint64_t modern_bar_size(const struct vpci *vp, uint8_t bar, uint64_t *off)
{
    if (bar == VPCI_BAR_MODERN)
        return MODERN_BAR_SIZE;
    if (bar != VPCI_BAR_BELLS || !modern_of(vp)->ports)
        return 0;
    *off += MODERN_NOTIFY;
    return vp->func.bar[bar].size;
}

void modern_bar_read(struct vpci *vp, uint64_t off, void *data, unsigned len)
{
    const struct regs *config = vp->dev->type->config;
    const uint64_t in = off % MODERN_REGION;

    if (vp->dev->lint)
        modern_lint_access(vp, false, off - in, in, len);
    switch (off - in) {
    case MODERN_COMMON:
        regs_read(&modern_common, vp, &regs_little, in, data, len);
        break;
    case MODERN_ISR:
        regs_read(&isr_regs, vp, &regs_little, in, data, len);
        break;
    case MODERN_DEVICE:
        if (config) {
            vp->dev->config_seen = true;
            regs_read(config, vp->dev, &regs_little, in, data, len);
            if (FAULTY(vp->dev))
                fault_config(vp->dev, in, data, len);
            break;
        }
        memset(data, 0, len);
        break;
    default: /* doorbells are written, not read */
        memset(data, 0, len);
    }
}

/* The driver always may reset, and say so; all else needs this interface to be the active one. */
static bool write_allowed(struct vpci *vp, uint64_t off, const void *data, unsigned len)
{
    const bool status = off == regs_find(&modern_common, 0x14)->off && len == 1;

    if (status && *(const uint8_t *)data == 0)
        return true;
    return vpci_drive(vp, &modern_interface);
}

void modern_bar_write(struct vpci *vp, uint64_t off, const void *data, unsigned len)
{
    const struct regs *config = vp->dev->type->config;
    const uint64_t in = off % MODERN_REGION;

    if (!write_allowed(vp, off, data, len)) {
        modern_lint_denied(vp, off - in, in);
        return;
    }
    if (vp->dev->lint)
        modern_lint_access(vp, true, off - in, in, len);
    switch (off - in) {
    case MODERN_COMMON:
        regs_write(&modern_common, vp, &regs_little, in, data, len);
        break;
    case MODERN_DEVICE:
        if (config)
            regs_write(config, vp->dev, &regs_little, in, data, len);
        break;
    case MODERN_NOTIFY:
        if (vp->dev->lint)
            notify_lint(vp, in, data, len);
        if (in % MODERN_NOTIFY_STEP == 0) /* 2 or 4 bytes (4.1.5.2-d1), and whatever else */
            vpci_doorbell(vp, (unsigned)(in / MODERN_NOTIFY_STEP));
        break;
    default:
        break;
    }
}

static void bells_place(const struct vpci *vp, struct bus_bell *bell, uint64_t start)
{
    for (unsigned i = 0; i < vp->dev->n_queues; i++)
        bell[i] = (struct bus_bell){
            .off = start + MODERN_NOTIFY_STEP * i, .len = 0, .fd = vp->bell[i].fd};
}

/* The doorbells once more, in ports, if the queues are not too many for that. */
static int ports_add(struct vpci *vp)
{
    const unsigned n = vp->dev->n_queues;
    struct modern *m = modern_of(vp);
    uint64_t size = PORTS_MIN;

    if (!vp->port_bells || !n || MODERN_NOTIFY_STEP * n > PORTS_MAX)
        return 0;
    while (size < MODERN_NOTIFY_STEP * n)
        size *= 2;
    m->ports = true;
    bells_place(vp, m->bell + n, 0);
    return pci_bar_add(&vp->func, VPCI_BAR_BELLS, PCI_BAR_IO, size, false, m->bell + n, n);
}

static int modern_attach(struct vpci *vp, struct err *err)
{
    const unsigned n = vp->dev->n_queues;
    struct modern *m = modern_of(vp);
    int ret;

    if (n > MODERN_REGION / MODERN_NOTIFY_STEP)
        return err_set(err, EINVAL, "%s: %u queues are more than the notification area holds",
                       vp->dev->name, n);
    m->bell = calloc(n ? 2 * n : 1, sizeof(m->bell[0]));
    if (!m->bell)
        return err_errno(err, ENOMEM, "device %s", vp->dev->name);
    bells_place(vp, m->bell, MODERN_NOTIFY);
    ret =
        pci_bar_add(&vp->func, VPCI_BAR_MODERN, PCI_BAR_MEM64, MODERN_BAR_SIZE, false, m->bell, n);
    if (ret == 0)
        ret = ports_add(vp);
    if (ret == 0)
        ret = modern_caps_add(vp);
    return ret < 0 ? err_errno(err, -ret, "%s: no room for the virtio capabilities", vp->dev->name)
                   : 0;
}

static void modern_identify(struct vpci *vp)
{
    const uint16_t id = (uint16_t)(VIRTIO_PCI_DEVICE_BASE + vp->dev->type->id);

    pci_func_ids(&vp->func, VIRTIO_PCI_VENDOR, id, REVISION, vp->dev->class_code, VIRTIO_PCI_VENDOR,
                 id); /* subsystem id >= 0x40: 4.1.2.1-d6 */
}

static void modern_detach(struct vpci *vp)
{
    free(modern_of(vp)->bell);
}

static void modern_reset(struct vpci *vp)
{
    struct modern *m = modern_of(vp);

    m->device_feature_select = 0;
    m->driver_feature_select = 0;
    m->queue_select = 0;
    if (vp->dev->lint)
        bells_mute(vp, true);
}

const struct vinterface modern_interface = {
    .name = "modern",
    .needs_master = true,
    .shows_failure = true,
    .state_size = sizeof(struct modern),
    .identify = modern_identify,
    .attach = modern_attach,
    .detach = modern_detach,
    .bar_read = modern_bar_read,
    .bar_write = modern_bar_write,
    .cap_read = modern_cap_read,
    .cap_written = modern_cap_written,
    .reset = modern_reset,
    .bar = VPCI_BAR_MODERN,
    .bells = MODERN_NOTIFY,
};
