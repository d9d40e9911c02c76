// SPDX-License-Identifier: MIT
/*
 * Owns which platform devices a board has, and their order. Refuses to know what they do.
 */
#include "vmm/platform.h"

#include <errno.h>
#include <stdlib.h>

#include "devices/platform/pl011.h"
#include "devices/platform/pl031.h"
#include "devices/platform/pl061.h"
#include "devices/platform/pm.h"
#include "devices/platform/rtc.h"
#include "devices/platform/serial.h"
#include "devices/platform/v2m.h"
#include "vmm/base/bits.h"
#include "vmm/bus/pio-window.h"

enum { KEYBOARD_PORT = 0x64, SPI_FIRST = 32 /* as INTID */ };

struct platform {
    struct platform_env env;
    const struct board *board;
    struct serial *serial;
    struct rtc *rtc;
    struct pm *pm;
    struct pio_window *ports;
    struct pl011 *uart;
    struct pl031 *clock;
    struct pl061 *gpio;
    struct v2m *v2m;
};

/* 0: it is there, or the board has none. */

static int serial_make(struct platform *p, struct err *err)
{
    const struct board_port_device *dev = &p->board->serial;
    const struct serial_config config = {.port = dev->port, .gsi = dev->gsi, .chr = p->env.chr};

    if (dev->port)
        p->serial = serial_new(p->env.bus, p->env.irqs, p->env.loop, &config, err);
    return dev->port && !p->serial ? -EIO : 0;
}

static int rtc_make(struct platform *p, struct err *err)
{
    const struct rtc_config config = {.port = p->board->rtc.port};

    if (config.port)
        p->rtc = rtc_new(p->env.bus, p->env.loop, &config, err);
    return config.port && !p->rtc ? -EIO : 0;
}

static int pm_make(struct platform *p, struct err *err)
{
    const struct board *b = p->board;
    const struct pm_config config = {
        .sleep_control_port = b->sleep_control_port,
        .sleep_status_port = b->sleep_status_port,
        .s5_type = b->s5_type,
        .reset_port = b->reset_port,
        .keyboard_port = KEYBOARD_PORT,
        .power_gsi = b->power_gsi,
        .power_off = p->env.power_off,
        .reset = p->env.reset,
        .arg = p->env.arg,
    };

    if (b->reset_port)
        p->pm = pm_new(p->env.bus, p->env.irqs, p->env.loop, &config, err);
    return b->reset_port && !p->pm ? -EIO : 0;
}

static int ports_make(struct platform *p, struct err *err)
{
    const uint64_t base = p->board->pci.io_cpu_base;

    if (base)
        p->ports = pio_window_new(p->env.bus, base, err);
    return base && !p->ports ? -EIO : 0;
}

static int uart_make(struct platform *p, struct err *err)
{
    const struct board_mem_device *dev = &p->board->uart;
    const struct pl011_config config = {.base = dev->base, .gsi = dev->gsi, .chr = p->env.chr};

    if (dev->base)
        p->uart = pl011_new(p->env.bus, p->env.irqs, p->env.loop, &config, err);
    return dev->base && !p->uart ? -EIO : 0;
}

static int clock_make(struct platform *p, struct err *err)
{
    const struct board_mem_device *dev = &p->board->clock;
    const struct pl031_config config = {.base = dev->base, .gsi = dev->gsi};

    if (dev->base)
        p->clock = pl031_new(p->env.bus, p->env.irqs, p->env.loop, &config, err);
    return dev->base && !p->clock ? -EIO : 0;
}

static int gpio_make(struct platform *p, struct err *err)
{
    const struct board_mem_device *dev = &p->board->gpio;
    const struct pl061_config config = {
        .base = dev->base, .gsi = dev->gsi, .key = p->board->power_line};

    if (dev->base)
        p->gpio = pl061_new(p->env.bus, p->env.irqs, p->env.loop, &config, err);
    return dev->base && !p->gpio ? -EIO : 0;
}

static int v2m_make(struct platform *p, struct err *err)
{
    const struct board_gic *gic = &p->board->gic;
    const struct v2m_config config = {
        .base = gic->v2m.base, .first = SPI_FIRST + gic->v2m_first, .count = gic->v2m_count};

    if (gic->v2m.size)
        p->v2m = v2m_new(p->env.bus, p->env.irqs, p->env.loop, &config, err);
    return gic->v2m.size && !p->v2m ? -EIO : 0;
}

struct platform *platform_new(const struct board *board, const struct platform_env *env,
                              struct err *err)
{
    static int (*const make[])(struct platform *, struct err *) = {
        serial_make, rtc_make, pm_make, ports_make, uart_make, clock_make, gpio_make, v2m_make,
    };
    struct platform *p = calloc(1, sizeof(*p));

    if (!p) {
        err_errno(err, ENOMEM, "platform devices");
        return NULL;
    }
    p->env = *env;
    p->board = board;
    for (unsigned i = 0; i < ARRAY_SIZE(make); i++) {
        if (make[i](p, err) < 0) {
            platform_free(p);
            return NULL;
        }
    }
    return p;
}

void platform_free(struct platform *p)
{
    if (!p)
        return;
    v2m_free(p->v2m);
    pl061_free(p->gpio);
    pl031_free(p->clock);
    pl011_free(p->uart);
    pio_window_free(p->ports);
    pm_free(p->pm);
    rtc_free(p->rtc);
    serial_free(p->serial);
    free(p);
}

void platform_reset(struct platform *p)
{
    if (!p)
        return;
    if (p->serial)
        serial_reset(p->serial);
    if (p->rtc)
        rtc_reset(p->rtc);
    if (p->pm)
        pm_reset(p->pm);
    pl011_reset(p->uart);
    pl031_reset(p->clock);
    pl061_reset(p->gpio);
}

void platform_power_button(struct platform *p)
{
    if (p && p->pm)
        pm_power_button(p->pm);
    else if (p && p->gpio)
        pl061_press(p->gpio);
}
