// SPDX-License-Identifier: MIT
/*
 * Owns the few registers by which a guest ends or restarts the machine. Refuses to know how that is
 * done. A guest may write to them as often as it likes (X10): nothing is logged, nothing grows.
 */
#include "devices/platform/pm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/bits.h"

enum {
    SLEEP_TYPE_SHIFT = 2,
    SLEEP_TYPE = 0x1c,
    SLEEP_ENABLE = 0x20, /* reads 0 */
    STATUS_WAKE = 0x80,  /* never set: there is no sleep to wake from */
    RESET_SYSTEM = 0x02, /* which kind */
    RESET_CPU = 0x04,    /* its rising edge does it */
    RESET_FULL = 0x08,   /* with a power cycle: the same to us */
    KEYBOARD_PULSE_RESET = 0xfe,
};

enum pm_event { PM_NOTHING, PM_POWER_OFF, PM_RESET };

enum { PM_PORTS = 4 };

/* One register of one byte. */
struct pm_row {
    const char *name;
    size_t port; /* offset in struct pm_config */
    uint8_t (*read)(const struct pm *pm);
    enum pm_event (*write)(struct pm *pm, uint8_t value);
};

struct pm_port {
    struct pm *pm;
    const struct pm_row *row;
    struct bus_claim claim;
};

struct pm {
    struct loop *loop;
    struct bus *bus;
    struct pm_config config;
    struct irq_pin button;
    struct pm_port port[PM_PORTS];
    uint8_t sleep_type; /* in its place in the register */
    uint8_t reset_control;
};

static uint8_t sleep_read(const struct pm *pm)
{
    return pm->sleep_type;
}

static enum pm_event sleep_write(struct pm *pm, uint8_t value)
{
    pm->sleep_type = value & SLEEP_TYPE;
    if (!(value & SLEEP_ENABLE) || pm->sleep_type >> SLEEP_TYPE_SHIFT != pm->config.s5_type)
        return PM_NOTHING;
    return PM_POWER_OFF;
}

static uint8_t zero_read(const struct pm *pm)
{
    (void)pm;
    return 0;
}

static enum pm_event status_write(struct pm *pm, uint8_t value)
{
    (void)pm;
    (void)value;
    return PM_NOTHING;
}

static uint8_t reset_read(const struct pm *pm)
{
    return pm->reset_control;
}

static enum pm_event reset_write(struct pm *pm, uint8_t value)
{
    const uint8_t both = RESET_SYSTEM | RESET_CPU;

    pm->reset_control = value & (RESET_SYSTEM | RESET_FULL);
    return (value & both) == both ? PM_RESET : PM_NOTHING;
}

static enum pm_event keyboard_write(struct pm *pm, uint8_t value)
{
    (void)pm;
    return value == KEYBOARD_PULSE_RESET ? PM_RESET : PM_NOTHING;
}

static const struct pm_row pm_rows[PM_PORTS] = {
    {"sleep-control", offsetof(struct pm_config, sleep_control_port), sleep_read, sleep_write},
    {"sleep-status", offsetof(struct pm_config, sleep_status_port), zero_read, status_write},
    {"reset-control", offsetof(struct pm_config, reset_port), reset_read, reset_write},
    {"keyboard-pulse", offsetof(struct pm_config, keyboard_port), zero_read, keyboard_write},
};

static void claim_read(void *ctx, uint64_t off, void *data, unsigned len)
{
    const struct pm_port *port = (const struct pm_port *)ctx;

    (void)off;
    memset(data, 0xff, len);
    if (len != 1)
        return;
    loop_lock(port->pm->loop);
    *(uint8_t *)data = port->row->read(port->pm);
    loop_unlock(port->pm->loop);
}

/* What is to happen happens without the lock: it may stop this very loop. */
static void claim_write(void *ctx, uint64_t off, const void *data, unsigned len)
{
    const struct pm_port *port = (const struct pm_port *)ctx;
    const struct pm_config *config = &port->pm->config;
    enum pm_event event;

    (void)off;
    if (len != 1)
        return;
    loop_lock(port->pm->loop);
    event = port->row->write(port->pm, *(const uint8_t *)data);
    loop_unlock(port->pm->loop);
    if (event == PM_POWER_OFF && config->power_off)
        config->power_off(config->arg);
    if (event == PM_RESET && config->reset)
        config->reset(config->arg);
}

static const struct bus_ops pm_claim_ops = {.read = claim_read, .write = claim_write};

static uint16_t port_number(const struct pm *pm, const struct pm_row *row)
{
    uint16_t number;

    memcpy(&number, (const char *)&pm->config + row->port, sizeof(number));
    return number;
}

static int port_open(struct pm *pm, unsigned i, struct err *err)
{
    const struct pm_row *row = &pm_rows[i];
    struct pm_port *port = &pm->port[i];
    const uint16_t number = port_number(pm, row);
    int ret;

    port->pm = pm;
    port->row = row;
    port->claim = (struct bus_claim){.name = row->name,
                                     .space = BUS_PIO,
                                     .prio = BUS_PRIO_PLATFORM,
                                     .size = 1,
                                     .ops = &pm_claim_ops,
                                     .ctx = port};
    ret = number ? bus_map(pm->bus, &port->claim, number) : 0;
    return ret < 0 ? err_errno(err, -ret, "cannot place register %s at 0x%x", row->name, number)
                   : 0;
}

struct pm *pm_new(struct bus *bus, struct irqs *irqs, struct loop *loop,
                  const struct pm_config *config, struct err *err)
{
    struct pm *pm = calloc(1, sizeof(*pm));

    if (!pm) {
        err_set(err, ENOMEM, "no memory for the power registers");
        return NULL;
    }
    pm->loop = loop;
    pm->bus = bus;
    pm->config = *config;
    pm->button = (struct irq_pin){.irqs = irqs, .gsi = config->power_gsi};
    for (unsigned i = 0; i < PM_PORTS; i++) {
        if (port_open(pm, i, err) < 0) {
            pm_free(pm);
            return NULL;
        }
    }
    return pm;
}

void pm_free(struct pm *pm)
{
    if (!pm)
        return;
    for (unsigned i = 0; i < PM_PORTS; i++)
        bus_unmap(pm->bus, &pm->port[i].claim);
    free(pm);
}

void pm_reset(struct pm *pm)
{
    pm->sleep_type = 0;
    pm->reset_control = 0;
}

void pm_power_button(struct pm *pm)
{
    irq_pin_set(&pm->button, true);
    irq_pin_set(&pm->button, false);
}
