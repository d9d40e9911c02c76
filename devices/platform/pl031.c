// SPDX-License-Identifier: MIT
/*
 * Owns the PL031's registers: the host's wall clock in seconds, and the alarm. Refuses to know who
 * else may want the time.
 */
#include "devices/platform/pl031.h"

#include <errno.h>
#include <stdlib.h>

#include "devices/platform/primecell.h"
#include "vmm/base/bits.h"

#define PART      UINT32_C(0x00041031)
#define SECOND_NS UINT64_C(1000000000)

enum {
    REG_DR = 0x00,
    REG_MR = 0x04,
    REG_LR = 0x08,
    REG_CR = 0x0c,
    REG_IMSC = 0x10,
    REG_RIS = 0x14,
    REG_MIS = 0x18,
    REG_ICR = 0x1c,
};

struct pl031 {
    struct primecell cell;
    struct irq_pin pin;
    struct loop_timer *timer;
    void (*now)(struct timespec *ts);
    uint32_t offset; /* seconds that the guest's clock is ahead of the host's, modulo 2^32 */
    uint32_t match, load;
    bool mask, raw;
};

static void host_now(struct timespec *ts)
{
    clock_gettime(CLOCK_REALTIME, ts);
}

static uint32_t seconds(const struct pl031 *c)
{
    struct timespec ts;

    c->now(&ts);
    return (uint32_t)ts.tv_sec + c->offset;
}

static void pin_update(struct pl031 *c)
{
    irq_pin_set(&c->pin, c->raw && c->mask);
}

/* The alarm is for the second in which the clock shows what match says, and not before. */
static void alarm_set(struct pl031 *c)
{
    const uint32_t wait = c->match - seconds(c);
    struct timespec ts;

    c->now(&ts);
    loop_timer_set(c->timer, wait ? wait * SECOND_NS - (uint64_t)ts.tv_nsec : 1);
}

static void alarm_due(void *arg)
{
    struct pl031 *c = (struct pl031 *)arg;

    if ((int32_t)(seconds(c) - c->match) < 0) { /* the host's clock was put back */
        alarm_set(c);
        return;
    }
    c->raw = true;
    pin_update(c);
}

static uint64_t dr_read(void *ctx, const struct reg *reg)
{
    (void)reg;
    return seconds((const struct pl031 *)ctx);
}

static uint64_t mr_read(void *ctx, const struct reg *reg)
{
    (void)reg;
    return ((const struct pl031 *)ctx)->match;
}

static void mr_write(void *ctx, const struct reg *reg, uint64_t value)
{
    struct pl031 *c = (struct pl031 *)ctx;

    (void)reg;
    c->match = (uint32_t)value;
    alarm_set(c);
}

static uint64_t lr_read(void *ctx, const struct reg *reg)
{
    (void)reg;
    return ((const struct pl031 *)ctx)->load;
}

static void lr_write(void *ctx, const struct reg *reg, uint64_t value)
{
    struct pl031 *c = (struct pl031 *)ctx;

    (void)reg;
    c->load = (uint32_t)value;
    c->offset += c->load - seconds(c);
    alarm_set(c);
}

/* It runs, always. */
static uint64_t cr_read(void *ctx, const struct reg *reg)
{
    (void)ctx;
    (void)reg;
    return 1;
}

static uint64_t imsc_read(void *ctx, const struct reg *reg)
{
    (void)reg;
    return ((const struct pl031 *)ctx)->mask;
}

static void imsc_write(void *ctx, const struct reg *reg, uint64_t value)
{
    struct pl031 *c = (struct pl031 *)ctx;

    (void)reg;
    c->mask = value & 1;
    pin_update(c);
}

static uint64_t ris_read(void *ctx, const struct reg *reg)
{
    (void)reg;
    return ((const struct pl031 *)ctx)->raw;
}

static uint64_t mis_read(void *ctx, const struct reg *reg)
{
    const struct pl031 *c = (const struct pl031 *)ctx;

    (void)reg;
    return c->raw && c->mask;
}

static void icr_write(void *ctx, const struct reg *reg, uint64_t value)
{
    struct pl031 *c = (struct pl031 *)ctx;

    (void)reg;
    if (value & 1)
        c->raw = false;
    pin_update(c);
}

static const struct reg pl031_rows[] = {
    {REG_DR, 4, 0, "RTCDR", NULL, dr_read, NULL},
    {REG_MR, 4, 0, "RTCMR", NULL, mr_read, mr_write},
    {REG_LR, 4, 0, "RTCLR", NULL, lr_read, lr_write},
    {REG_CR, 4, 0, "RTCCR", NULL, cr_read, NULL},
    {REG_IMSC, 4, 0, "RTCIMSC", NULL, imsc_read, imsc_write},
    {REG_RIS, 4, 0, "RTCRIS", NULL, ris_read, NULL},
    {REG_MIS, 4, 0, "RTCMIS", NULL, mis_read, NULL},
    {REG_ICR, 4, 0, "RTCICR", NULL, NULL, icr_write},
};

static const struct regs pl031_regs = {
    .name = "pl031",
    .row = pl031_rows,
    .n = ARRAY_SIZE(pl031_rows),
    .size = PRIMECELL_ID,
};

void pl031_reset(struct pl031 *c)
{
    if (!c)
        return;
    loop_timer_set(c->timer, 0);
    c->match = c->load = 0;
    c->mask = c->raw = false;
    pin_update(c);
}

struct pl031 *pl031_new(struct bus *bus, struct irqs *irqs, struct loop *loop,
                        const struct pl031_config *config, struct err *err)
{
    struct pl031 *c = (struct pl031 *)calloc(1, sizeof(*c));

    if (c)
        c->timer = loop_timer_new(loop, alarm_due, c);
    if (!c || !c->timer) {
        err_set(err, ENOMEM, "no memory for the clock");
        free(c);
        return NULL;
    }
    c->cell =
        (struct primecell){.regs = &pl031_regs, .ctx = c, .loop = loop, .bus = bus, .part = PART};
    c->pin = (struct irq_pin){.irqs = irqs, .gsi = config->gsi};
    c->now = config->now ? config->now : host_now;
    if (primecell_map(&c->cell, config->base, err) < 0) {
        loop_timer_del(c->timer);
        free(c);
        return NULL;
    }
    return c;
}

void pl031_free(struct pl031 *c)
{
    if (!c)
        return;
    primecell_unmap(&c->cell);
    irq_pin_set(&c->pin, false);
    loop_timer_del(c->timer);
    free(c);
}
