// SPDX-License-Identifier: MIT
/*
 * Owns the PL061's registers and the key that is on one of its lines. Refuses to know what the key
 * means.
 */
#include "devices/platform/pl061.h"

#include <errno.h>
#include <stdlib.h>

#include "devices/platform/primecell.h"
#include "vmm/base/bits.h"

#define PART     UINT32_C(0x00041061)
#define PRESS_NS UINT64_C(100000000) /* longer than drivers wait for a key to stop bouncing */

enum {
    DATA_END = 0x400, /* below: the data register, address bits 2..9 being a mask */
    REG_DIR = 0x400,
    REG_IS = 0x404,
    REG_IBE = 0x408,
    REG_IEV = 0x40c,
    REG_IE = 0x410,
    REG_RIS = 0x414,
    REG_MIS = 0x418,
    REG_IC = 0x41c,
    REG_AFSEL = 0x420,
};

enum { DIR, IS, IBE, IEV, IE, AFSEL, KEPT };

struct pl061 {
    struct primecell cell;
    struct irq_pin pin;
    struct loop_timer *timer;
    uint8_t key;        /* as a bit */
    uint8_t in, out;    /* levels outside; those of outputs */
    uint8_t edges;      /* seen and not cleared */
    uint8_t kept[KEPT]; /* registers */
};

static uint8_t levels(const struct pl061 *g)
{
    return (uint8_t)((g->in & ~g->kept[DIR]) | (g->out & g->kept[DIR]));
}

static uint8_t raw(const struct pl061 *g)
{
    const uint8_t at_level = (uint8_t) ~(levels(g) ^ g->kept[IEV]);

    return (uint8_t)((g->edges & ~g->kept[IS]) | (at_level & g->kept[IS]));
}

static void pin_update(struct pl061 *g)
{
    irq_pin_set(&g->pin, raw(g) & g->kept[IE]);
}

/* Lines turned: which edges count? */
static void turned(struct pl061 *g, uint8_t before)
{
    const uint8_t now = levels(g), change = before ^ now;

    g->edges |= (uint8_t)(change & ~g->kept[IS] & (g->kept[IBE] | (uint8_t) ~(now ^ g->kept[IEV])));
    pin_update(g);
}

static void key_set(struct pl061 *g, bool down)
{
    const uint8_t before = levels(g);

    g->in = down ? g->in | g->key : g->in & (uint8_t)~g->key;
    turned(g, before);
}

static void key_up(void *arg)
{
    key_set((struct pl061 *)arg, false);
}

void pl061_press(struct pl061 *g)
{
    key_set(g, true);
    loop_timer_set(g->timer, PRESS_NS);
}

/* ---- registers ---- */

static uint64_t data_read(void *ctx, uint64_t off)
{
    return off < DATA_END ? levels((const struct pl061 *)ctx) & (off >> 2) : 0;
}

static void data_write(void *ctx, uint64_t off, uint32_t value)
{
    struct pl061 *g = (struct pl061 *)ctx;
    const uint8_t mask = (uint8_t)(off >> 2), before = levels(g);

    if (off >= DATA_END)
        return;
    g->out = (uint8_t)((g->out & ~mask) | (value & mask));
    turned(g, before);
}

static uint64_t kept_read(void *ctx, const struct reg *reg)
{
    return ((const struct pl061 *)ctx)->kept[reg->arg];
}

static void kept_write(void *ctx, const struct reg *reg, uint64_t value)
{
    struct pl061 *g = (struct pl061 *)ctx;

    g->kept[reg->arg] = (uint8_t)value;
    pin_update(g);
}

static uint64_t ris_read(void *ctx, const struct reg *reg)
{
    (void)reg;
    return raw((const struct pl061 *)ctx);
}

static uint64_t mis_read(void *ctx, const struct reg *reg)
{
    const struct pl061 *g = (const struct pl061 *)ctx;

    (void)reg;
    return raw(g) & g->kept[IE];
}

static void ic_write(void *ctx, const struct reg *reg, uint64_t value)
{
    struct pl061 *g = (struct pl061 *)ctx;

    (void)reg;
    g->edges &= (uint8_t)~value;
    pin_update(g);
}

static const struct reg pl061_rows[] = {
    {REG_DIR, 4, DIR, "GPIODIR", NULL, kept_read, kept_write},
    {REG_IS, 4, IS, "GPIOIS", NULL, kept_read, kept_write},
    {REG_IBE, 4, IBE, "GPIOIBE", NULL, kept_read, kept_write},
    {REG_IEV, 4, IEV, "GPIOIEV", NULL, kept_read, kept_write},
    {REG_IE, 4, IE, "GPIOIE", NULL, kept_read, kept_write},
    {REG_RIS, 4, 0, "GPIORIS", NULL, ris_read, NULL},
    {REG_MIS, 4, 0, "GPIOMIS", NULL, mis_read, NULL},
    {REG_IC, 4, 0, "GPIOIC", NULL, NULL, ic_write},
    {REG_AFSEL, 4, AFSEL, "GPIOAFSEL", NULL, kept_read, kept_write},
};

static const struct regs pl061_regs = {
    .name = "pl061",
    .row = pl061_rows,
    .n = ARRAY_SIZE(pl061_rows),
    .size = PRIMECELL_ID,
};

void pl061_reset(struct pl061 *g)
{
    if (!g)
        return;
    loop_timer_set(g->timer, 0);
    g->in = g->out = g->edges = 0;
    for (unsigned i = 0; i < KEPT; i++)
        g->kept[i] = 0;
    pin_update(g);
}

struct pl061 *pl061_new(struct bus *bus, struct irqs *irqs, struct loop *loop,
                        const struct pl061_config *config, struct err *err)
{
    struct pl061 *g = (struct pl061 *)calloc(1, sizeof(*g));

    if (g)
        g->timer = loop_timer_new(loop, key_up, g);
    if (!g || !g->timer) {
        err_set(err, ENOMEM, "no memory for the GPIO lines");
        free(g);
        return NULL;
    }
    g->cell = (struct primecell){.regs = &pl061_regs,
                                 .ctx = g,
                                 .loop = loop,
                                 .bus = bus,
                                 .part = PART,
                                 .read = data_read,
                                 .write = data_write};
    g->pin = (struct irq_pin){.irqs = irqs, .gsi = config->gsi};
    g->key = (uint8_t)(1u << (config->key & 7));
    if (primecell_map(&g->cell, config->base, err) < 0) {
        loop_timer_del(g->timer);
        free(g);
        return NULL;
    }
    return g;
}

void pl061_free(struct pl061 *g)
{
    if (!g)
        return;
    primecell_unmap(&g->cell);
    irq_pin_set(&g->pin, false);
    loop_timer_del(g->timer);
    free(g);
}
