// SPDX-License-Identifier: MIT
/*
 * Owns how many pins hold a line up, and the way of a message from a device to its route. Refuses
 * to know what interrupt controller is behind the lines and what a route is.
 */
#include "vmm/bus/irq.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct irqs {
    struct irq_ops ops;
    pthread_mutex_t lock; /* leaf; ops.line runs under it, so that levels arrive in order */
    uint32_t up[IRQ_LINES];
};

struct irqs *irqs_new(const struct irq_ops *ops)
{
    struct irqs *irqs = calloc(1, sizeof(*irqs));

    if (!irqs)
        return NULL;
    irqs->ops = *ops;
    pthread_mutex_init(&irqs->lock, NULL);
    return irqs;
}

void irqs_free(struct irqs *irqs)
{
    if (!irqs)
        return;
    pthread_mutex_destroy(&irqs->lock);
    free(irqs);
}

void irq_pin_set(struct irq_pin *pin, bool up)
{
    struct irqs *irqs = pin->irqs;
    uint32_t *count;
    bool turned;

    if (pin->up == up || !irqs || pin->gsi >= IRQ_LINES)
        return;
    pin->up = up;
    count = &irqs->up[pin->gsi];
    pthread_mutex_lock(&irqs->lock);
    *count = up ? *count + 1 : *count - 1;
    turned = *count == (up ? 1 : 0);
    if (turned && irqs->ops.line)
        irqs->ops.line(irqs->ops.ctx, pin->gsi, up);
    pthread_mutex_unlock(&irqs->lock);
}

void irq_msi_init(struct irq_msi *msi, struct irqs *irqs)
{
    *msi = (struct irq_msi){.irqs = irqs, .fd = -1, .route = -1, .stale = true};
}

void irq_msi_from(struct irq_msi *msi, uint32_t devid)
{
    msi->stale |= msi->devid != devid;
    msi->devid = devid;
}

void irq_msi_done(struct irq_msi *msi)
{
    const struct irq_ops *ops;

    if (!msi->irqs)
        return;
    ops = &msi->irqs->ops;
    if (msi->connected)
        ops->connect(ops->ctx, msi->route, msi->fd, false);
    if (msi->route >= 0 && ops->unroute)
        ops->unroute(ops->ctx, msi->route);
    if (msi->fd >= 0)
        close(msi->fd);
    irq_msi_init(msi, msi->irqs);
}

void irq_msi_set(struct irq_msi *msi, uint64_t addr, uint32_t data)
{
    if (msi->addr == addr && msi->data == data)
        return;
    msi->addr = addr;
    msi->data = data;
    msi->stale = true;
}

/* Is there a connected descriptor whose route says what the message says now? Makes it so.
 * #syscalls:vcpu,io,user eventfd2 */
static bool msi_ready(struct irq_msi *msi)
{
    const struct irq_ops *ops = &msi->irqs->ops;

    if (!ops->route || !ops->connect)
        return false;
    if (msi->fd < 0)
        msi->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (msi->fd < 0)
        return false;
    if (msi->stale && ops->route(ops->ctx, &msi->route, msi->addr, msi->data, msi->devid) < 0)
        return false;
    msi->stale = false;
    if (!msi->connected)
        msi->connected = ops->connect(ops->ctx, msi->route, msi->fd, true) == 0;
    return msi->connected;
}

int irq_msi_fd(struct irq_msi *msi)
{
    return msi_ready(msi) ? msi->fd : -1;
}

void irq_msi_fire(struct irq_msi *msi)
{
    const struct irq_ops *ops = &msi->irqs->ops;
    const uint64_t one = 1;

    if (msi_ready(msi) && write(msi->fd, &one, sizeof(one)) == (ssize_t)sizeof(one))
        return;
    if (ops->send)
        ops->send(ops->ctx, msi->addr, msi->data, msi->devid);
}
