/* SPDX-License-Identifier: MIT */
/*
 * The devices of a machine that are not PCI's, as its board has them: 16550, MC146818 and the power
 * registers of a PC; or PL011, PL031, PL061 and v2m. All live on one loop.
 */
#ifndef VMM_PLATFORM_H
#define VMM_PLATFORM_H

#include "devices/backend/chr.h"
#include "firmware/board.h"
#include "vmm/base/err.h"
#include "vmm/base/loop.h"
#include "vmm/bus/bus.h"
#include "vmm/bus/irq.h"

struct platform_env {
    struct bus *bus;
    struct irqs *irqs;
    struct loop *loop;
    struct chr *chr; /* of the serial port; NULL: nowhere */
    void (*power_off)(void *arg);
    void (*reset)(void *arg);
    void *arg;
};

struct platform; /* NULL is fine for all but platform_new */

/* NULL with err filled. */
struct platform *platform_new(const struct board *board, const struct platform_env *env,
                              struct err *err);
void platform_free(struct platform *platform);

/* With the loop's lock held. */
void platform_reset(struct platform *platform);
void platform_power_button(struct platform *platform);

#endif
