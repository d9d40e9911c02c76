// SPDX-License-Identifier: MIT
/*
 * Owns the registers of a PL011, as its manual has them, with a line that is infinitely fast: a
 * byte written is gone, so the transmit FIFO is always empty. Refuses to know where bytes go.
 */
#include "devices/platform/pl011.h"

#include <errno.h>
#include <stdlib.h>

#include "devices/platform/primecell.h"
#include "vmm/base/bits.h"

#define PART UINT32_C(0x00341011) /* r1p5: FIFOs of 32 */

enum { FIFO_BYTES = 32, FIFO_MASK = FIFO_BYTES - 1 };

enum {
    REG_DR = 0x00,
    REG_RSR = 0x04,
    REG_FR = 0x18,
    REG_ILPR = 0x20,
    REG_IBRD = 0x24,
    REG_FBRD = 0x28,
    REG_LCR_H = 0x2c,
    REG_CR = 0x30,
    REG_IFLS = 0x34,
    REG_IMSC = 0x38,
    REG_RIS = 0x3c,
    REG_MIS = 0x40,
    REG_ICR = 0x44,
    REG_DMACR = 0x48,
};

enum {
    DR_BREAK = 0x400,
    FR_CTS = 0x01,
    FR_DSR = 0x02,
    FR_DCD = 0x04,
    FR_RX_EMPTY = 0x10,
    FR_RX_FULL = 0x40,
    FR_TX_EMPTY = 0x80,
    LCR_FIFO = 0x10,
    CR_ENABLE = 0x001,
    CR_LOOP = 0x080,
    CR_TX = 0x100,
    CR_RX = 0x200,
    CR_POWER_ON = 0x300,
    IFLS_POWER_ON = 0x12,
    IFLS_RX_SHIFT = 3,
    INT_RX = 0x010,
    INT_TX = 0x020,
    INT_TIMEOUT = 0x040,
    INT_BREAK = 0x200,
    INT_BITS = 0x7ff,
};

/* Registers that are only remembered. */
enum { KEEP_ILPR, KEEP_IBRD, KEEP_FBRD, KEEP_DMACR, KEPT };

struct pl011 {
    struct primecell cell;
    struct chr *chr;
    struct irq_pin pin;
    uint16_t fifo[FIFO_BYTES]; /* as DR shows them */
    unsigned head, count;
    uint32_t lcr, cr, ifls, imsc, ris, rsr;
    uint32_t kept[KEPT];
};

/* ---- interrupts ---- */

static unsigned fifo_size(const struct pl011 *u)
{
    return u->lcr & LCR_FIFO ? FIFO_BYTES : 1;
}

/* Received bytes that interrupt at once: 1/8, 1/4, 1/2, 3/4, 7/8 of the FIFO. */
static unsigned rx_trigger(const struct pl011 *u)
{
    static const uint8_t eighths[] = {1, 2, 4, 6, 7, 7, 7, 7};

    return u->lcr & LCR_FIFO ? FIFO_BYTES / 8 * eighths[u->ifls >> IFLS_RX_SHIFT & 7] : 1;
}

/* Below the trigger level a byte has always waited "long enough". */
static void pin_update(struct pl011 *u)
{
    irq_pin_set(&u->pin, u->ris & u->imsc);
}

static void rx_update(struct pl011 *u)
{
    if (u->count >= rx_trigger(u))
        u->ris |= INT_RX;
    else
        u->ris &= ~(uint32_t)INT_RX;
    if (u->count)
        u->ris |= INT_TIMEOUT;
    else
        u->ris &= ~(uint32_t)INT_TIMEOUT;
    pin_update(u);
}

/* ---- input ---- */

static bool rx_open(const struct pl011 *u)
{
    return (u->cr & (CR_ENABLE | CR_RX)) == (CR_ENABLE | CR_RX) && !(u->cr & CR_LOOP);
}

static unsigned fifo_room(const struct pl011 *u)
{
    return u->count < fifo_size(u) ? fifo_size(u) - u->count : 0;
}

static void fifo_push(struct pl011 *u, uint16_t entry)
{
    if (!fifo_room(u))
        return;
    u->fifo[(u->head + u->count) & FIFO_MASK] = entry;
    u->count++;
}

static size_t front_room(void *arg)
{
    const struct pl011 *u = (const struct pl011 *)arg;

    return rx_open(u) ? fifo_room(u) : 0;
}

static void front_input(void *arg, const uint8_t *data, size_t len)
{
    struct pl011 *u = (struct pl011 *)arg;

    for (size_t i = 0; i < len; i++)
        fifo_push(u, data[i]);
    rx_update(u);
}

static void front_break(void *arg)
{
    struct pl011 *u = (struct pl011 *)arg;

    if (!rx_open(u))
        return;
    fifo_push(u, DR_BREAK);
    u->ris |= INT_BREAK;
    rx_update(u);
}

static const struct chr_front pl011_front = {
    .room = front_room,
    .input = front_input,
    .line_break = front_break,
    .backlog = true,
};

/* ---- registers ---- */

static uint64_t dr_read(void *ctx, const struct reg *reg)
{
    struct pl011 *u = (struct pl011 *)ctx;
    uint16_t entry;

    (void)reg;
    if (!u->count)
        return 0;
    entry = u->fifo[u->head];
    u->head = (u->head + 1) & FIFO_MASK;
    u->count--;
    u->rsr = entry >> 8;
    chr_more(u->chr);
    rx_update(u);
    return entry;
}

/* Sent at once. The FIFO passes its trigger level with every byte. */
static void dr_write(void *ctx, const struct reg *reg, uint64_t value)
{
    struct pl011 *u = (struct pl011 *)ctx;
    const uint8_t byte = (uint8_t)value;

    (void)reg;
    if (u->cr & CR_LOOP)
        fifo_push(u, byte);
    else
        chr_write(u->chr, &byte, 1);
    u->ris |= INT_TX;
    rx_update(u);
}

static uint64_t rsr_read(void *ctx, const struct reg *reg)
{
    (void)reg;
    return ((const struct pl011 *)ctx)->rsr;
}

static void rsr_write(void *ctx, const struct reg *reg, uint64_t value)
{
    (void)reg;
    (void)value; /* any value clears */
    ((struct pl011 *)ctx)->rsr = 0;
}

static uint64_t fr_read(void *ctx, const struct reg *reg)
{
    const struct pl011 *u = (const struct pl011 *)ctx;
    uint32_t fr = FR_TX_EMPTY | FR_CTS | FR_DSR | FR_DCD;

    (void)reg;
    if (!u->count)
        fr |= FR_RX_EMPTY;
    if (!fifo_room(u))
        fr |= FR_RX_FULL;
    return fr;
}

static uint64_t kept_read(void *ctx, const struct reg *reg)
{
    return ((const struct pl011 *)ctx)->kept[reg->arg];
}

static void kept_write(void *ctx, const struct reg *reg, uint64_t value)
{
    ((struct pl011 *)ctx)->kept[reg->arg] = value & UINT16_MAX;
}

static uint64_t lcr_read(void *ctx, const struct reg *reg)
{
    (void)reg;
    return ((const struct pl011 *)ctx)->lcr;
}

static void lcr_write(void *ctx, const struct reg *reg, uint64_t value)
{
    struct pl011 *u = (struct pl011 *)ctx;
    const uint32_t turned = u->lcr ^ (uint32_t)value;

    (void)reg;
    u->lcr = value & 0xff;
    if (turned & LCR_FIFO) /* what was in it is lost */
        u->head = u->count = 0;
    chr_more(u->chr);
    rx_update(u);
}

static uint64_t cr_read(void *ctx, const struct reg *reg)
{
    (void)reg;
    return ((const struct pl011 *)ctx)->cr;
}

static void cr_write(void *ctx, const struct reg *reg, uint64_t value)
{
    struct pl011 *u = (struct pl011 *)ctx;

    (void)reg;
    u->cr = value & UINT16_MAX;
    chr_more(u->chr);
}

static uint64_t ifls_read(void *ctx, const struct reg *reg)
{
    (void)reg;
    return ((const struct pl011 *)ctx)->ifls;
}

static void ifls_write(void *ctx, const struct reg *reg, uint64_t value)
{
    struct pl011 *u = (struct pl011 *)ctx;

    (void)reg;
    u->ifls = value & 0x3f;
    rx_update(u);
}

static uint64_t imsc_read(void *ctx, const struct reg *reg)
{
    (void)reg;
    return ((const struct pl011 *)ctx)->imsc;
}

static void imsc_write(void *ctx, const struct reg *reg, uint64_t value)
{
    struct pl011 *u = (struct pl011 *)ctx;

    (void)reg;
    u->imsc = value & INT_BITS;
    pin_update(u);
}

static uint64_t ris_read(void *ctx, const struct reg *reg)
{
    (void)reg;
    return ((const struct pl011 *)ctx)->ris;
}

static uint64_t mis_read(void *ctx, const struct reg *reg)
{
    const struct pl011 *u = (const struct pl011 *)ctx;

    (void)reg;
    return u->ris & u->imsc;
}

static void icr_write(void *ctx, const struct reg *reg, uint64_t value)
{
    struct pl011 *u = (struct pl011 *)ctx;

    (void)reg;
    u->ris &= ~(uint32_t)value;
    pin_update(u);
}

static const struct reg pl011_rows[] = {
    {REG_DR, 4, 0, "UARTDR", NULL, dr_read, dr_write},
    {REG_RSR, 4, 0, "UARTRSR", NULL, rsr_read, rsr_write},
    {REG_FR, 4, 0, "UARTFR", NULL, fr_read, NULL},
    {REG_ILPR, 4, KEEP_ILPR, "UARTILPR", NULL, kept_read, kept_write},
    {REG_IBRD, 4, KEEP_IBRD, "UARTIBRD", NULL, kept_read, kept_write},
    {REG_FBRD, 4, KEEP_FBRD, "UARTFBRD", NULL, kept_read, kept_write},
    {REG_LCR_H, 4, 0, "UARTLCR_H", NULL, lcr_read, lcr_write},
    {REG_CR, 4, 0, "UARTCR", NULL, cr_read, cr_write},
    {REG_IFLS, 4, 0, "UARTIFLS", NULL, ifls_read, ifls_write},
    {REG_IMSC, 4, 0, "UARTIMSC", NULL, imsc_read, imsc_write},
    {REG_RIS, 4, 0, "UARTRIS", NULL, ris_read, NULL},
    {REG_MIS, 4, 0, "UARTMIS", NULL, mis_read, NULL},
    {REG_ICR, 4, 0, "UARTICR", NULL, NULL, icr_write},
    {REG_DMACR, 4, KEEP_DMACR, "UARTDMACR", NULL, kept_read, kept_write},
};

static const struct regs pl011_regs = {
    .name = "pl011",
    .row = pl011_rows,
    .n = ARRAY_SIZE(pl011_rows),
    .size = PRIMECELL_ID,
};

void pl011_reset(struct pl011 *u)
{
    if (!u)
        return;
    u->head = u->count = 0;
    u->lcr = u->imsc = u->ris = u->rsr = 0;
    u->cr = CR_POWER_ON;
    u->ifls = IFLS_POWER_ON;
    for (unsigned i = 0; i < KEPT; i++)
        u->kept[i] = 0;
    pin_update(u);
    chr_more(u->chr);
}

struct pl011 *pl011_new(struct bus *bus, struct irqs *irqs, struct loop *loop,
                        const struct pl011_config *config, struct err *err)
{
    struct pl011 *u = (struct pl011 *)calloc(1, sizeof(*u));

    if (!u) {
        err_set(err, ENOMEM, "no memory for the UART");
        return NULL;
    }
    u->cell =
        (struct primecell){.regs = &pl011_regs, .ctx = u, .loop = loop, .bus = bus, .part = PART};
    u->chr = config->chr;
    u->pin = (struct irq_pin){.irqs = irqs, .gsi = config->gsi};
    pl011_reset(u);
    if (primecell_map(&u->cell, config->base, err) < 0) {
        free(u);
        return NULL;
    }
    chr_set_front(u->chr, &pl011_front, u);
    return u;
}

void pl011_free(struct pl011 *u)
{
    if (!u)
        return;
    chr_set_front(u->chr, NULL, NULL);
    primecell_unmap(&u->cell);
    irq_pin_set(&u->pin, false);
    free(u);
}
