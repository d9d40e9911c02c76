/* SPDX-License-Identifier: MIT */
/*
 * Interrupts as devices see them: pins that share level-triggered lines (INTx), edge-triggered
 * platform lines, and messages (MSI). What is behind them (KVM, or a test) is injected.
 *
 * A line is up while any of its pins is. It is a true level: the interrupt controller looks at it
 * again at every end-of-interrupt, so a pin that is still up interrupts again by itself.
 */
#ifndef VMM_BUS_IRQ_H
#define VMM_BUS_IRQ_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/base/err.h"

enum { IRQ_LINES = 256 };

/* All calls from any thread. line: one at a time. Members but ctx may be NULL: there is no such
 * thing then. */
struct irq_ops {
    void (*line)(void *ctx, uint32_t gsi, bool level);
    /* Make or change a route for a message of function devid (bus, device, function): 0 or -errno.
     * *route is -1 at first and kept by the caller; changing a route does not change its number. */
    int (*route)(void *ctx, int *route, uint64_t addr, uint32_t data, uint32_t devid);
    void (*unroute)(void *ctx, int route);
    /* Connect eventfd fd to a route, or disconnect it. 0 or -errno. */
    int (*connect)(void *ctx, int route, int fd, bool on);
    /* Send a message at once, without a route. */
    void (*send)(void *ctx, uint64_t addr, uint32_t data, uint32_t devid);
    void *ctx;
};

struct irqs;

/* NULL without memory. ops is copied. */
struct irqs *irqs_new(const struct irq_ops *ops);
void irqs_free(struct irqs *irqs);

/* One pin on a line. Embedded in its owner; zero plus irqs and gsi set is a pin that is down. */
struct irq_pin {
    struct irqs *irqs;
    uint32_t gsi; /* < IRQ_LINES */
    bool up;
};

/* Any thread; calls for the same pin must be serialised by its owner's lock. */
void irq_pin_set(struct irq_pin *pin, bool up);

/* A message: zero-initialise, then irq_msi_init(). */
struct irq_msi {
    struct irqs *irqs;
    int fd;    /* eventfd, -1 until first needed */
    int route; /* -1: none */
    bool connected;
    bool stale; /* addr or data are newer than the route */
    uint64_t addr;
    uint32_t data;
    uint32_t devid; /* of the function that sends it: irq_msi_from() */
};

void irq_msi_init(struct irq_msi *msi, struct irqs *irqs);
/* Say which function sends it; 0 until then. Before it is first sent. */
void irq_msi_from(struct irq_msi *msi, uint32_t devid);
/* Frees descriptor and route. */
void irq_msi_done(struct irq_msi *msi);

/*
 * Say where the message goes. No system call: the route follows when the message is next sent, and
 * is reused, never leaked (P26). Under the owner's lock.
 */
void irq_msi_set(struct irq_msi *msi, uint64_t addr, uint32_t data);

/* An eventfd that others may signal to send it, until it is set anew; -1: there is none. */
int irq_msi_fd(struct irq_msi *msi);

/* Send it: an eventfd write, or ops->send where no descriptor or route could be had. Under the
 * owner's lock. */
void irq_msi_fire(struct irq_msi *msi);

#endif
