/* SPDX-License-Identifier: MIT */
/*
 * Ports in memory, for processors that have no instructions for them: an access at base + n is one
 * to port n. Doorbells on ports are the business of bus_bell_ops.
 */
#ifndef VMM_BUS_PIO_WINDOW_H
#define VMM_BUS_PIO_WINDOW_H

#include "vmm/base/err.h"
#include "vmm/bus/bus.h"

struct pio_window;

/* Map all 65,536 ports at base. NULL with err filled. */
struct pio_window *pio_window_new(struct bus *bus, uint64_t base, struct err *err);
/* Before bus_free(). NULL is fine. */
void pio_window_free(struct pio_window *window);

#endif
