// SPDX-License-Identifier: MIT
/*
 * Owns a PrimeCell's page on the bus: widths, identification, the lock. Refuses to know registers.
 */
#include "devices/platform/primecell.h"

#include <string.h>

#include "vmm/base/le.h"

enum { REGISTER = 4 };

/* PrimeCell identification, the same in all of them. */
#define CELL_ID UINT32_C(0xb105f00d)

static uint32_t id_read(const struct primecell *cell, uint64_t off)
{
    const unsigned byte = (unsigned)(off - PRIMECELL_ID) / REGISTER;

    return (byte < 4 ? cell->part >> (8 * byte) : CELL_ID >> (8 * (byte - 4))) & 0xff;
}

static void claim_read(void *ctx, uint64_t off, void *data, unsigned len)
{
    struct primecell *cell = (struct primecell *)ctx;
    uint8_t word[REGISTER] = {0};

    memset(data, 0, len);
    if (off % REGISTER || len > REGISTER)
        return;
    loop_lock(cell->loop);
    if (off >= PRIMECELL_ID)
        le32_store(word, id_read(cell, off));
    else if (!regs_find(cell->regs, off) && cell->read)
        le32_store(word, (uint32_t)cell->read(cell->ctx, off));
    else
        regs_read(cell->regs, cell->ctx, &regs_little, off, word, sizeof(word));
    loop_unlock(cell->loop);
    memcpy(data, word, len);
}

static void claim_write(void *ctx, uint64_t off, const void *data, unsigned len)
{
    struct primecell *cell = (struct primecell *)ctx;
    uint8_t word[REGISTER] = {0};

    if (off % REGISTER || len > REGISTER)
        return;
    memcpy(word, data, len);
    loop_lock(cell->loop);
    if (off < PRIMECELL_ID && !regs_find(cell->regs, off) && cell->write)
        cell->write(cell->ctx, off, le32_load(word));
    else if (off < PRIMECELL_ID)
        regs_write(cell->regs, cell->ctx, &regs_little, off, word, sizeof(word));
    loop_unlock(cell->loop);
}

static const struct bus_ops cell_ops = {claim_read, claim_write};

int primecell_map(struct primecell *cell, uint64_t base, struct err *err)
{
    int ret;

    cell->claim = (struct bus_claim){.name = cell->regs->name,
                                     .space = BUS_MMIO,
                                     .prio = BUS_PRIO_PLATFORM,
                                     .size = PRIMECELL_SIZE,
                                     .ops = &cell_ops,
                                     .ctx = cell};
    ret = bus_map(cell->bus, &cell->claim, base);
    return ret < 0 ? err_errno(err, -ret, "cannot place the %s at 0x%llx", cell->regs->name,
                               (unsigned long long)base)
                   : 0;
}

void primecell_unmap(struct primecell *cell)
{
    bus_unmap(cell->bus, &cell->claim);
}
