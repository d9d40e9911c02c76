// SPDX-License-Identifier: MIT
/*
 * Owns the host bridge's window through which memory accesses reach ports. Refuses to know who
 * answers there.
 */
#include "vmm/bus/pio-window.h"

#include <errno.h>
#include <stdlib.h>

enum { PORTS = 0x10000 };

struct pio_window {
    struct bus *bus;
    struct bus_claim claim;
};

static void window_read(void *ctx, uint64_t off, void *data, unsigned len)
{
    bus_read(((struct pio_window *)ctx)->bus, BUS_PIO, off, data, len);
}

static void window_write(void *ctx, uint64_t off, const void *data, unsigned len)
{
    bus_write(((struct pio_window *)ctx)->bus, BUS_PIO, off, data, len);
}

static const struct bus_ops window_ops = {window_read, window_write};

struct pio_window *pio_window_new(struct bus *bus, uint64_t base, struct err *err)
{
    struct pio_window *window = (struct pio_window *)calloc(1, sizeof(*window));
    int ret;

    if (!window) {
        err_set(err, ENOMEM, "no memory for the window of ports");
        return NULL;
    }
    window->bus = bus;
    window->claim = (struct bus_claim){.name = "pio-window",
                                       .space = BUS_MMIO,
                                       .prio = BUS_PRIO_PLATFORM,
                                       .size = PORTS,
                                       .ops = &window_ops,
                                       .ctx = window};
    ret = bus_map(bus, &window->claim, base);
    if (ret == 0)
        return window;
    err_errno(err, -ret, "cannot place the window of ports at 0x%llx", (unsigned long long)base);
    free(window);
    return NULL;
}

void pio_window_free(struct pio_window *window)
{
    if (!window)
        return;
    bus_unmap(window->bus, &window->claim);
    free(window);
}
