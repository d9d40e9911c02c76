// SPDX-License-Identifier: MIT
/*
 * Owns the three registers of a v2m frame. Refuses to know how an interrupt is raised.
 */
#include "devices/platform/v2m.h"

#include <errno.h>
#include <stdlib.h>

#include "devices/platform/primecell.h"
#include "vmm/base/bits.h"

enum { REG_TYPER = 0x008, REG_SETSPI = 0x040, TYPER_FIRST_SHIFT = 16 };

struct v2m {
    struct primecell cell;
    struct irq_msi msi; /* what a processor writes here */
    struct v2m_config config;
};

static uint64_t typer_read(void *ctx, const struct reg *reg)
{
    const struct v2m *v = (const struct v2m *)ctx;

    (void)reg;
    return v->config.first << TYPER_FIRST_SHIFT | v->config.count;
}

static void setspi_write(void *ctx, const struct reg *reg, uint64_t value)
{
    struct v2m *v = (struct v2m *)ctx;

    irq_msi_set(&v->msi, v->config.base + reg->off, (uint32_t)value);
    irq_msi_fire(&v->msi);
}

static const struct reg v2m_rows[] = {
    {REG_TYPER, 4, 0, "MSI_TYPER", NULL, typer_read, NULL},
    {REG_SETSPI, 4, 0, "MSI_SETSPI_NS", NULL, NULL, setspi_write},
};

static const struct regs v2m_regs = {
    .name = "v2m",
    .row = v2m_rows,
    .n = ARRAY_SIZE(v2m_rows),
    .size = PRIMECELL_ID,
};

struct v2m *v2m_new(struct bus *bus, struct irqs *irqs, struct loop *loop,
                    const struct v2m_config *config, struct err *err)
{
    struct v2m *v = (struct v2m *)calloc(1, sizeof(*v));

    if (!v) {
        err_set(err, ENOMEM, "no memory for the v2m frame");
        return NULL;
    }
    v->cell = (struct primecell){.regs = &v2m_regs, .ctx = v, .loop = loop, .bus = bus};
    v->config = *config;
    irq_msi_init(&v->msi, irqs);
    if (primecell_map(&v->cell, config->base, err) < 0) {
        free(v);
        return NULL;
    }
    return v;
}

void v2m_free(struct v2m *v)
{
    if (!v)
        return;
    primecell_unmap(&v->cell);
    irq_msi_done(&v->msi);
    free(v);
}
