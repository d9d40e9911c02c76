// SPDX-License-Identifier: MIT
/*
 * Owns the registers of a 16550A, as the data sheet has them, with a line that is infinitely fast:
 * a byte written is gone, so the transmitter is always empty. Refuses to know where bytes go.
 */
#include "devices/platform/serial.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/bits.h"
#include "vmm/base/regs.h"

enum { FIFO_BYTES = 16, FIFO_MASK = FIFO_BYTES - 1, BREAK_FLAG = 0x100 };

enum { REG_DATA, REG_IER, REG_IIR_FCR, REG_LCR, REG_MCR, REG_LSR, REG_MSR, REG_SCR };

enum {
    IER_RX = 0x01,
    IER_TX = 0x02,
    IER_LINE = 0x04,
    IER_MODEM = 0x08,
    IER_BITS = 0x0f,
};

enum {
    IIR_NONE = 0x01,
    IIR_MODEM = 0x00,
    IIR_TX = 0x02,
    IIR_RX = 0x04,
    IIR_LINE = 0x06,
    IIR_TIMEOUT = 0x0c,
    IIR_FIFO = 0xc0,
};

enum { FCR_ENABLE = 0x01, FCR_CLEAR_RX = 0x02, FCR_TRIGGER_SHIFT = 6 };
enum { LCR_DLAB = 0x80 };

enum {
    MCR_DTR = 0x01,
    MCR_RTS = 0x02,
    MCR_OUT1 = 0x04,
    MCR_OUT2 = 0x08,
    MCR_LOOP = 0x10,
    MCR_BITS = 0x1f,
};

enum {
    LSR_DATA = 0x01,
    LSR_OVERRUN = 0x02,
    LSR_BREAK = 0x10,
    LSR_TX_EMPTY = 0x60, /* holding register and transmitter */
};

enum {
    MSR_DELTA_CTS = 0x01,
    MSR_DELTA_DSR = 0x02,
    MSR_RING_END = 0x04,
    MSR_DELTA_DCD = 0x08,
    MSR_CTS = 0x10,
    MSR_DSR = 0x20,
    MSR_RING = 0x40,
    MSR_DCD = 0x80,
    MSR_LINES = 0xf0,
    MSR_PLUGGED = MSR_CTS | MSR_DSR | MSR_DCD, /* somebody is at the other end */
};

struct serial {
    struct loop *loop;
    struct bus *bus;
    struct chr *chr;
    struct bus_claim claim;
    struct irq_pin pin;
    uint16_t fifo[FIFO_BYTES]; /* a byte, with BREAK_FLAG */
    unsigned head, count;
    unsigned trigger; /* received bytes that interrupt at once */
    uint16_t divisor;
    uint8_t ier, lcr, mcr, scr;
    uint8_t msr_delta;
    bool fifo_on;
    bool overrun;
    bool tx_pending; /* "holding register empty" was not told yet */
    bool tx_looked;  /* the driver read IIR or LSR since it last wrote a byte */
};

/* ---- interrupts ---- */

static bool line_status_pending(const struct serial *s)
{
    return s->overrun || (s->count && (s->fifo[s->head] & BREAK_FLAG));
}

/* What IIR says, by priority. Below the trigger level a byte has always waited "long enough". */
static uint8_t interrupt_cause(const struct serial *s)
{
    if ((s->ier & IER_LINE) && line_status_pending(s))
        return IIR_LINE;
    if ((s->ier & IER_RX) && s->count)
        return s->count >= s->trigger ? IIR_RX : IIR_TIMEOUT;
    if ((s->ier & IER_TX) && s->tx_pending)
        return IIR_TX;
    if ((s->ier & IER_MODEM) && s->msr_delta)
        return IIR_MODEM;
    return IIR_NONE;
}

/* On a PC, OUT2 connects the port to its interrupt line; a loop takes OUT2 off its pin. */
static void pin_update(struct serial *s)
{
    const bool wired = (s->mcr & MCR_OUT2) && !(s->mcr & MCR_LOOP);

    irq_pin_set(&s->pin, wired && interrupt_cause(s) != IIR_NONE);
}

/* ---- input ---- */

static void fifo_clear(struct serial *s)
{
    s->head = s->count = 0;
}

static unsigned fifo_room(const struct serial *s)
{
    const unsigned size = s->fifo_on ? FIFO_BYTES : 1;

    return s->count < size ? size - s->count : 0;
}

static void fifo_push(struct serial *s, uint16_t entry)
{
    if (!fifo_room(s)) {
        s->overrun = true;
        return;
    }
    s->fifo[(s->head + s->count) & FIFO_MASK] = entry;
    s->count++;
}

static size_t front_room(void *arg)
{
    const struct serial *s = (const struct serial *)arg;

    return s->mcr & MCR_LOOP ? 0 : fifo_room(s);
}

static void front_input(void *arg, const uint8_t *data, size_t len)
{
    struct serial *s = (struct serial *)arg;

    for (size_t i = 0; i < len; i++)
        fifo_push(s, data[i]);
    pin_update(s);
}

static void front_break(void *arg)
{
    struct serial *s = (struct serial *)arg;

    if (s->mcr & MCR_LOOP)
        return;
    fifo_push(s, BREAK_FLAG);
    pin_update(s);
}

static const struct chr_front serial_front = {
    .room = front_room,
    .input = front_input,
    .line_break = front_break,
    .backlog = true,
};

/* ---- registers ---- */

static uint64_t data_read(void *ctx, const struct reg *reg)
{
    struct serial *s = (struct serial *)ctx;
    uint8_t byte;

    (void)reg;
    if (s->lcr & LCR_DLAB)
        return s->divisor & 0xff;
    if (!s->count)
        return 0;
    byte = (uint8_t)s->fifo[s->head];
    s->head = (s->head + 1) & FIFO_MASK;
    s->count--;
    chr_more(s->chr);
    pin_update(s);
    return byte;
}

static void byte_send(struct serial *s, uint8_t byte)
{
    if (s->mcr & MCR_LOOP)
        fifo_push(s, byte);
    else
        chr_write(s->chr, &byte, 1);
}

/*
 * Sent at once, so the interrupt condition ends and begins again: the line goes down in between,
 * for a controller that looks at edges only. Once per look that the driver takes is enough: the
 * rest of what it then writes to a FIFO should not cost two turns of the line per byte.
 */
static void data_write(void *ctx, const struct reg *reg, uint64_t value)
{
    struct serial *s = (struct serial *)ctx;

    (void)reg;
    if (s->lcr & LCR_DLAB) {
        s->divisor = (uint16_t)((s->divisor & 0xff00) | value);
        return;
    }
    byte_send(s, (uint8_t)value);
    if (s->tx_looked) {
        s->tx_pending = false;
        pin_update(s);
    }
    s->tx_looked = false;
    s->tx_pending = true;
    pin_update(s);
}

static uint64_t ier_read(void *ctx, const struct reg *reg)
{
    const struct serial *s = (const struct serial *)ctx;

    (void)reg;
    return s->lcr & LCR_DLAB ? s->divisor >> 8 : s->ier;
}

/* Drivers switch IER_TX on to be interrupted by a transmitter that has been empty all along. */
static void ier_write(void *ctx, const struct reg *reg, uint64_t value)
{
    struct serial *s = (struct serial *)ctx;
    const uint8_t ier = value & IER_BITS;

    (void)reg;
    if (s->lcr & LCR_DLAB) {
        s->divisor = (uint16_t)((s->divisor & 0xff) | value << 8);
        return;
    }
    if (ier & ~s->ier & IER_TX)
        s->tx_pending = true;
    s->ier = ier;
    pin_update(s);
}

static uint64_t iir_read(void *ctx, const struct reg *reg)
{
    struct serial *s = (struct serial *)ctx;
    const uint8_t cause = interrupt_cause(s);

    (void)reg;
    s->tx_looked = true;
    if (cause == IIR_TX) {
        s->tx_pending = false;
        pin_update(s);
    }
    return cause | (s->fifo_on ? IIR_FIFO : 0);
}

static void fcr_write(void *ctx, const struct reg *reg, uint64_t value)
{
    static const uint8_t level[] = {1, 4, 8, 14};
    struct serial *s = (struct serial *)ctx;
    const bool on = value & FCR_ENABLE;

    (void)reg;
    if (on != s->fifo_on || (on && (value & FCR_CLEAR_RX)))
        fifo_clear(s);
    s->fifo_on = on;
    s->trigger = on ? level[value >> FCR_TRIGGER_SHIFT & 3] : 1;
    chr_more(s->chr);
    pin_update(s);
}

static uint64_t lcr_read(void *ctx, const struct reg *reg)
{
    (void)reg;
    return ((const struct serial *)ctx)->lcr;
}

static void lcr_write(void *ctx, const struct reg *reg, uint64_t value)
{
    (void)reg;
    ((struct serial *)ctx)->lcr = (uint8_t)value;
}

static uint64_t mcr_read(void *ctx, const struct reg *reg)
{
    (void)reg;
    return ((const struct serial *)ctx)->mcr;
}

/* The modem's lines as the port sees them: its own outputs while looped. */
static uint8_t modem_lines(const struct serial *s)
{
    if (!(s->mcr & MCR_LOOP))
        return MSR_PLUGGED;
    return (uint8_t)((s->mcr & MCR_RTS ? MSR_CTS : 0) | (s->mcr & MCR_DTR ? MSR_DSR : 0) |
                     (s->mcr & MCR_OUT1 ? MSR_RING : 0) | (s->mcr & MCR_OUT2 ? MSR_DCD : 0));
}

static void mcr_write(void *ctx, const struct reg *reg, uint64_t value)
{
    struct serial *s = (struct serial *)ctx;
    const uint8_t before = modem_lines(s);
    uint8_t turned;

    (void)reg;
    s->mcr = value & MCR_BITS;
    turned = before ^ modem_lines(s);
    s->msr_delta |= turned >> 4 & (MSR_DELTA_CTS | MSR_DELTA_DSR | MSR_DELTA_DCD);
    if (turned & before & MSR_RING)
        s->msr_delta |= MSR_RING_END;
    chr_more(s->chr);
    pin_update(s);
}

static uint64_t lsr_read(void *ctx, const struct reg *reg)
{
    struct serial *s = (struct serial *)ctx;
    uint8_t lsr = LSR_TX_EMPTY;

    (void)reg;
    s->tx_looked = true;
    if (s->count)
        lsr |= LSR_DATA;
    if (!line_status_pending(s))
        return lsr;
    if (s->overrun)
        lsr |= LSR_OVERRUN;
    if (s->count && (s->fifo[s->head] & BREAK_FLAG))
        lsr |= LSR_BREAK;
    s->overrun = false;
    s->fifo[s->head] &= (uint16_t)~BREAK_FLAG;
    pin_update(s);
    return lsr;
}

static uint64_t msr_read(void *ctx, const struct reg *reg)
{
    struct serial *s = (struct serial *)ctx;
    const uint8_t msr = modem_lines(s) | s->msr_delta;

    (void)reg;
    s->msr_delta = 0;
    pin_update(s);
    return msr;
}

static uint64_t scr_read(void *ctx, const struct reg *reg)
{
    (void)reg;
    return ((const struct serial *)ctx)->scr;
}

static void scr_write(void *ctx, const struct reg *reg, uint64_t value)
{
    (void)reg;
    ((struct serial *)ctx)->scr = (uint8_t)value;
}

static const struct reg serial_rows[] = {
    {REG_DATA, 1, 0, "RBR/THR/DLL", NULL, data_read, data_write},
    {REG_IER, 1, 0, "IER/DLM", NULL, ier_read, ier_write},
    {REG_IIR_FCR, 1, 0, "IIR/FCR", NULL, iir_read, fcr_write},
    {REG_LCR, 1, 0, "LCR", NULL, lcr_read, lcr_write},
    {REG_MCR, 1, 0, "MCR", NULL, mcr_read, mcr_write},
    {REG_LSR, 1, 0, "LSR", NULL, lsr_read, NULL},
    {REG_MSR, 1, 0, "MSR", NULL, msr_read, NULL},
    {REG_SCR, 1, 0, "SCR", NULL, scr_read, scr_write},
};

static const struct regs serial_regs = {
    .name = "serial",
    .row = serial_rows,
    .n = ARRAY_SIZE(serial_rows),
    .size = SERIAL_PORTS,
};

/* ---- the port's place on the bus ---- */

static void claim_read(void *ctx, uint64_t off, void *data, unsigned len)
{
    struct serial *s = (struct serial *)ctx;

    memset(data, 0xff, len);
    if (len != 1)
        return;
    loop_lock(s->loop);
    regs_read(&serial_regs, s, &regs_little, off, data, len);
    loop_unlock(s->loop);
}

static void claim_write(void *ctx, uint64_t off, const void *data, unsigned len)
{
    struct serial *s = (struct serial *)ctx;

    if (len != 1)
        return;
    loop_lock(s->loop);
    regs_write(&serial_regs, s, &regs_little, off, data, len);
    loop_unlock(s->loop);
}

static const struct bus_ops serial_claim_ops = {.read = claim_read, .write = claim_write};

/* A divisor of 0 would be honest, but drivers divide by what they find: 115200 baud. */
void serial_reset(struct serial *s)
{
    fifo_clear(s);
    s->trigger = 1;
    s->divisor = 1;
    s->ier = s->lcr = s->mcr = s->scr = s->msr_delta = 0;
    s->fifo_on = s->overrun = s->tx_pending = s->tx_looked = false;
    pin_update(s);
    chr_more(s->chr);
}

struct serial *serial_new(struct bus *bus, struct irqs *irqs, struct loop *loop,
                          const struct serial_config *config, struct err *err)
{
    struct serial *s = calloc(1, sizeof(*s));
    int ret;

    if (!s) {
        err_set(err, ENOMEM, "no memory for the serial port");
        return NULL;
    }
    s->loop = loop;
    s->bus = bus;
    s->chr = config->chr;
    s->pin = (struct irq_pin){.irqs = irqs, .gsi = config->gsi};
    s->claim = (struct bus_claim){.name = "serial",
                                  .space = BUS_PIO,
                                  .prio = BUS_PRIO_PLATFORM,
                                  .size = SERIAL_PORTS,
                                  .ops = &serial_claim_ops,
                                  .ctx = s};
    serial_reset(s);
    ret = bus_map(bus, &s->claim, config->port);
    if (ret < 0) {
        err_errno(err, -ret, "cannot place the serial port at 0x%x", config->port);
        free(s);
        return NULL;
    }
    chr_set_front(s->chr, &serial_front, s);
    return s;
}

void serial_free(struct serial *s)
{
    if (!s)
        return;
    chr_set_front(s->chr, NULL, NULL);
    bus_unmap(s->bus, &s->claim);
    irq_pin_set(&s->pin, false);
    free(s);
}
