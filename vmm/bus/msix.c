// SPDX-License-Identifier: MIT
/*
 * Owns the MSI-X table and pending bits of a function, and decides when a message goes out. Refuses
 * to know where Message Control and the BAR lie (pci.h) and how messages travel (irq.h).
 */
#include "vmm/bus/msix.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/bits.h"
#include "vmm/base/le.h"

/* Words of a table entry, and what may be written in them. */
enum { WORD_ADDR, WORD_ADDR_HIGH, WORD_DATA, WORD_CTRL, WORDS };
enum { CTRL_MASK = 0x1 };

static const uint32_t word_mask[WORDS] = {
    [WORD_ADDR] = UINT32_C(0xfffffffc),
    [WORD_ADDR_HIGH] = UINT32_MAX,
    [WORD_DATA] = UINT32_MAX,
    [WORD_CTRL] = CTRL_MASK,
};

struct msix_vector {
    uint32_t word[WORDS];
    struct irq_msi msi;
};

struct msix {
    unsigned n;
    bool enable, mask_all, bus_master;
    uint32_t pending[MSIX_MAX_VECTORS / 32];
    struct msix_vector vector[];
};

/* Half of the BAR: the table has the lower one, the pending bits the upper one. */
static uint32_t msix_half(unsigned n)
{
    uint32_t half = 2048;

    while (half < n * MSIX_ENTRY)
        half *= 2;
    return half;
}

struct msix *msix_new(struct irqs *irqs, unsigned n, struct err *err)
{
    struct msix *msix;

    if (n < 1 || n > MSIX_MAX_VECTORS) {
        err_set(err, EINVAL, "a function cannot have %u interrupt vectors: 1 to %d are possible", n,
                MSIX_MAX_VECTORS);
        return NULL;
    }
    msix = (struct msix *)calloc(1, sizeof(*msix) + n * sizeof(msix->vector[0]));
    if (!msix) {
        err_errno(err, ENOMEM, "interrupt vectors");
        return NULL;
    }
    msix->n = n;
    for (unsigned i = 0; i < n; i++)
        irq_msi_init(&msix->vector[i].msi, irqs);
    msix_reset(msix);
    return msix;
}

void msix_free(struct msix *msix)
{
    if (!msix)
        return;
    for (unsigned i = 0; i < msix->n; i++)
        irq_msi_done(&msix->vector[i].msi);
    free(msix);
}

void msix_place(struct msix *msix, uint32_t devid)
{
    for (unsigned i = 0; i < msix->n; i++)
        irq_msi_from(&msix->vector[i].msi, devid);
}

unsigned msix_vectors(const struct msix *msix)
{
    return msix->n;
}

uint64_t msix_bar_size(const struct msix *msix)
{
    return 2 * (uint64_t)msix_half(msix->n);
}

uint32_t msix_pba_offset(const struct msix *msix)
{
    return msix_half(msix->n);
}

static bool vector_open(const struct msix *msix, unsigned i)
{
    return msix->enable && !msix->mask_all && msix->bus_master &&
           !(msix->vector[i].word[WORD_CTRL] & CTRL_MASK);
}

static struct irq_msi *vector_message(struct msix_vector *vector)
{
    const uint32_t *word = vector->word;

    irq_msi_set(&vector->msi, (uint64_t)word[WORD_ADDR_HIGH] << 32 | word[WORD_ADDR],
                word[WORD_DATA]);
    return &vector->msi;
}

/* Send what was held back, if it may go now. */
static void vector_flush(struct msix *msix, unsigned i)
{
    const uint32_t bit = BIT32(i % 32);

    if (!(msix->pending[i / 32] & bit) || !vector_open(msix, i))
        return;
    msix->pending[i / 32] &= ~bit;
    irq_msi_fire(vector_message(&msix->vector[i]));
}

void msix_notify(struct msix *msix, unsigned vector)
{
    if (vector >= msix->n || !msix->enable)
        return;
    msix->pending[vector / 32] |= BIT32(vector % 32);
    vector_flush(msix, vector);
}

int msix_eventfd(struct msix *msix, unsigned vector)
{
    if (vector >= msix->n || !vector_open(msix, vector))
        return -1;
    return irq_msi_fd(vector_message(&msix->vector[vector]));
}

void msix_control(struct msix *msix, bool enable, bool mask_all, bool bus_master)
{
    msix->enable = enable;
    msix->mask_all = mask_all;
    msix->bus_master = bus_master;
    for (unsigned i = 0; i < msix->n; i++)
        vector_flush(msix, i);
}

static uint32_t dword_read(const struct msix *msix, uint64_t off)
{
    const uint32_t pba = msix_pba_offset(msix);

    if (off < (uint64_t)msix->n * MSIX_ENTRY)
        return msix->vector[off / MSIX_ENTRY].word[off % MSIX_ENTRY / 4];
    if (off >= pba && (off - pba) / 4 < ARRAY_SIZE(msix->pending))
        return msix->pending[(off - pba) / 4];
    return 0;
}

static void dword_write(struct msix *msix, uint64_t off, uint32_t value)
{
    const uint64_t i = off / MSIX_ENTRY;
    const unsigned word = off % MSIX_ENTRY / 4;

    if (i >= msix->n)
        return;
    msix->vector[i].word[word] = value & word_mask[word];
    vector_flush(msix, (unsigned)i);
}

static bool access_ok(uint64_t off, unsigned len)
{
    return (len == 4 || len == 8) && off % len == 0;
}

void msix_bar_read(struct msix *msix, uint64_t off, void *data, unsigned len)
{
    memset(data, 0, len);
    if (!access_ok(off, len))
        return;
    for (unsigned i = 0; i < len; i += 4)
        le32_store((uint8_t *)data + i, dword_read(msix, off + i));
}

void msix_bar_write(struct msix *msix, uint64_t off, const void *data, unsigned len)
{
    if (!access_ok(off, len))
        return;
    for (unsigned i = 0; i < len; i += 4)
        dword_write(msix, off + i, le32_load((const uint8_t *)data + i));
}

void msix_clear_pending(struct msix *msix)
{
    memset(msix->pending, 0, sizeof(msix->pending));
}

void msix_forget(struct msix *msix, unsigned vector)
{
    if (vector < msix->n)
        msix->pending[vector / 32] &= ~BIT32(vector % 32);
}

void msix_reset(struct msix *msix)
{
    msix->enable = msix->mask_all = msix->bus_master = false;
    msix_clear_pending(msix);
    for (unsigned i = 0; i < msix->n; i++) {
        memset(msix->vector[i].word, 0, sizeof(msix->vector[i].word));
        msix->vector[i].word[WORD_CTRL] = CTRL_MASK;
    }
}
