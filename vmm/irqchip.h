/* SPDX-License-Identifier: MIT */
/*
 * The KVM border, part 2: the interrupt controllers inside KVM, and the ways into them that
 * vmm/bus/irq.h asks for: lines, routes for messages, eventfds.
 */
#ifndef VMM_IRQCHIP_H
#define VMM_IRQCHIP_H

#include "vmm/base/err.h"
#include "vmm/bus/irq.h"
#include "vmm/kvm.h"

struct irqchip;

/*
 * Make the interrupt controllers (and the timer that belongs to them) for cpus vCPUs and remember
 * their state. Once per machine, before vcpus_new. NULL with err filled.
 */
struct irqchip *irqchip_new(struct kvm *kvm, unsigned cpus, struct err *err);

/* After the last user of its ops is gone, before kvm_close. NULL is fine. */
void irqchip_free(struct irqchip *chip);

/* Fill ops. Valid until irqchip_free. Its calls: any thread. */
void irqchip_ops(struct irqchip *chip, struct irq_ops *ops);

/*
 * Put the controllers back to their state after irqchip_new; message routes stay (they are their
 * owners'). All vCPUs paused, all lines down (reset the devices first), before vcpus_reset.
 * 0 or -errno, err filled.
 */
int irqchip_reset(struct irqchip *chip, struct err *err);

/* How many message routes exist. For tests and for finding leaks. */
unsigned irqchip_routes(struct irqchip *chip);

#endif
