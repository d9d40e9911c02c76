// SPDX-License-Identifier: MIT
/* P: who may reach memory, who is interrupted and how, and the window of configuration space. */
#include "tests/guest/hostile/hostile.h"

#define IOAPIC UINT64_C(0xfec00000)
#define LAPIC  UINT64_C(0xfee00000)

enum {
    STATUS = 6,
    INTX_STATUS = 8,
    LINE = 0x3c,
    MSIX_ON = 0x8000,
    MSIX_MASK = 0x4000,
};

static uint32_t config(const struct dev *d, unsigned off)
{
    return pci_read(d->devfn, off, 4);
}

/* ---- who may reach memory, and who is interrupted ---- */

static enum answer P19_not_the_master(struct dev *d)
{
    struct queue *q = dev_queue(d);
    struct used u;

    for (unsigned i = 0; i < 30; i++) { /* while it works */
        request_put(d);
        queue_ring(q);
        pci_command(d, PCI_NO_MASTER);
        pci_command(d, PCI_ON);
        EXPECT(request_done(d));
    }
    pci_command(d, PCI_NO_MASTER);
    request_put(d);
    queue_ring(q);
    cpu_idle(4);
    EXPECT(!used_take(q, &u));
    pci_command(d, PCI_ON); /* it was rung, and that counts now */
    EXPECT(request_done(d));
    EXPECT(honest(d));
    return IGN;
}

/* The line arrives as an edge: each time that it rises counts once. */
static uint32_t rises(void)
{
    cpu_idle(3);
    return messages[1];
}

static void line_listen(unsigned pin, bool on)
{
    mmio_write(IOAPIC, 4, 0x11 + 2 * pin);
    mmio_write(IOAPIC + 16, 4, 0);
    mmio_write(IOAPIC, 4, 0x10 + 2 * pin);
    mmio_write(IOAPIC + 16, 4, on ? MESSAGE_VECTOR + 1 : 0x10000);
}

static void lines_clear(void)
{
    for (unsigned k = 0; k < KINDS; k++)
        if (devs[k].there)
            (void)dev_isr(&devs[k]);
}

static enum answer P20_line(struct dev *d)
{
    const unsigned pin = pci_read(d->devfn, LINE, 1);
    uint32_t before;

    EXPECT(dev_start(d, d->way, ~BIT(F_EVENT_IDX)));
    EXPECT(pin < 24);
    lines_clear();
    line_listen(pin, true);
    before = rises();
    EXPECT(honest(d));
    EXPECT(rises() == before + 1);
    EXPECT(pci_read(d->devfn, STATUS, 2) & INTX_STATUS);
    pci_command(d, PCI_ON | PCI_INTX_OFF);
    EXPECT(rises() == before + 1);
    pci_command(d, PCI_ON); /* what it wanted it still wants */
    EXPECT(rises() == before + 2);
    pci_command(d, PCI_ON | PCI_INTX_OFF);
    (void)dev_isr(d);
    pci_command(d, PCI_ON);
    EXPECT(rises() == before + 2);
    EXPECT(!(pci_read(d->devfn, STATUS, 2) & INTX_STATUS));
    line_listen(pin, false);
    return IGN;
}

/* ---- messages ---- */

static uint64_t msix_at(const struct dev *d, unsigned reg)
{
    const uint32_t v = config(d, pci_cap(d->devfn, PCI_MSIX_ID, 0) + reg);

    return pci_bar(d->devfn, v & 7) + (v & ~7u);
}

static uint64_t table_at(const struct dev *d)
{
    return msix_at(d, 4);
}

static uint64_t pending_at(const struct dev *d)
{
    return msix_at(d, 8);
}

static void msix_control(const struct dev *d, unsigned v)
{
    pci_write(d->devfn, pci_cap(d->devfn, PCI_MSIX_ID, 0) + 2, 2, v);
}

static void entry_set(const struct dev *d, uint64_t addr, uint32_t v, bool mask)
{
    const uint64_t at = table_at(d);

    mmio_write(at, 4, (uint32_t)addr);
    mmio_write(at + 4, 4, (uint32_t)(addr >> 32));
    mmio_write(at + 8, 4, v);
    mmio_write(at + 12, 4, mask);
}

static void entry_mask(const struct dev *d, bool mask)
{
    mmio_write(table_at(d) + 12, 4, mask);
}

/* The queue's interrupts are entry 0, which is a message of ours. */
static void messages_start(struct dev *d)
{
    EXPECT(dev_start(d, d->way, ~BIT(F_EVENT_IDX)));
    msix_control(d, MSIX_ON);
    entry_set(d, LAPIC, MESSAGE_VECTOR, true);
    common_set(d, R_SELECT, 2, dev_queue(d)->index);
    common_set(d, R_VECTOR, 2, 0);
    EXPECT(common_get(d, R_VECTOR, 2) == 0);
}

static uint32_t came(void)
{
    cpu_idle(3);
    return messages[0];
}

static enum answer P28_masked(struct dev *d)
{
    uint32_t before;

    messages_start(d);
    before = came();
    for (unsigned i = 0; i < 3; i++)
        EXPECT(honest(d));
    EXPECT(came() == before && (mmio_read(pending_at(d), 4) & 1));
    entry_mask(d, false);
    EXPECT(came() == before + 1 && !(mmio_read(pending_at(d), 4) & 1));
    msix_control(d, MSIX_ON | MSIX_MASK);
    for (unsigned i = 0; i < 3; i++)
        EXPECT(honest(d));
    EXPECT(came() == before + 1 && (mmio_read(pending_at(d), 4) & 1));
    msix_control(d, MSIX_ON);
    EXPECT(came() == before + 2 && !(mmio_read(pending_at(d), 4) & 1));
    EXPECT(honest(d));
    EXPECT(came() == before + 3);
    msix_control(d, 0);
    return IGN;
}

/* P19: no message either; once it may, one. */
static enum answer P19_no_message(struct dev *d)
{
    uint32_t before;

    messages_start(d);
    before = came();
    EXPECT(honest(d));
    pci_command(d, PCI_NO_MASTER);
    entry_mask(d, false);
    EXPECT(came() == before);
    pci_command(d, PCI_ON);
    EXPECT(came() == before + 1);
    msix_control(d, 0);
    return IGN;
}

static enum answer P22_table(struct dev *d)
{
    const uint64_t table = table_at(d), pending = pending_at(d);
    const unsigned n = (config(d, pci_cap(d->devfn, PCI_MSIX_ID, 0)) >> 16 & 0x7ff) + 1;
    const uint64_t past = table + 16 * n;

    messages_start(d);
    for (unsigned off = 0; off < 16; off++) {
        mmio_write(table + off, 1, 0xff);
        mmio_write(table + off, 2, 0xffff);
        if (off % 4)
            mmio_write(table + off, 4, 0xffffffff);
        (void)mmio_read(table + off, 1), (void)mmio_read(table + off, 4);
        (void)mmio_read8(table + off);
    }
    EXPECT(mmio_read(table, 4) == (uint32_t)LAPIC && mmio_read(table + 4, 4) == 0);
    EXPECT(mmio_read(table + 8, 4) == MESSAGE_VECTOR && mmio_read(table + 12, 4) == 1);
    for (uint64_t at = past; at < pending; at += 52) { /* no entries, and between the two */
        mmio_write(at & ~UINT64_C(3), 4, 0xffffffff);
        mmio_write8(at & ~UINT64_C(7), UINT64_MAX);
        EXPECT(mmio_read(at & ~UINT64_C(3), 4) == 0);
    }
    for (unsigned off = 0; off < 64; off += 4) { /* P23 */
        mmio_write(pending + off, 4, 0xffffffff);
        EXPECT(mmio_read(pending + off, 4) == 0);
    }
    entry_mask(d, false);
    EXPECT(honest(d));
    msix_control(d, 0);
    return IGN;
}

/* Messages to where no interrupts are taken, and with reserved bits: lost, or as if they were 0. */
static enum answer P25_nowhere(struct dev *d)
{
    static const uint64_t addr[] = {0,          0x200000,   0xe8000000,        0xfec00000,
                                    0xfed00000, 0xffffff00, LAPIC | 1ull << 40};
    uint32_t before;

    messages_start(d);
    for (unsigned i = 0; i < ARRAY_SIZE(addr); i++) {
        entry_set(d, addr[i], MESSAGE_VECTOR, false);
        EXPECT(honest(d));
    }
    entry_set(d, LAPIC, 0xffff3000 | MESSAGE_VECTOR, false);
    EXPECT(honest(d));
    entry_set(d, LAPIC, MESSAGE_VECTOR, false);
    before = came();
    EXPECT(honest(d));
    EXPECT(came() == before + 1);
    msix_control(d, 0);
    return IGN;
}

/* What a vector takes it keeps: each is used once, before the host counts. */
void messages_warm(void)
{
    for (unsigned k = 0; k < KINDS; k++) {
        struct dev *d = &devs[k];

        if (!d->there || !d->common)
            continue;
        d->way = MODERN_SPLIT;
        messages_start(d);
        entry_mask(d, false);
        EXPECT(honest(d));
        msix_control(d, 0);
    }
}

/* Each change of an open vector may be a new route of KVM's; the host counts files. */
static enum answer P26_rewritten(struct dev *d)
{
    messages_start(d);
    for (unsigned i = 0; i < 1000; i++) {
        entry_set(d, LAPIC | (i & 7) << 12, MESSAGE_VECTOR + (i & 3), i & 1);
        if (i % 50 == 0)
            EXPECT(honest(d));
    }
    msix_control(d, 0);
    return IGN;
}

/* ---- the window of configuration space ---- */

static unsigned window_find(const struct dev *d)
{
    unsigned cap = pci_cap(d->devfn, PCI_VNDR_ID, 0);

    while (cap && pci_read(d->devfn, cap + 3, 1) != 5)
        cap = pci_cap(d->devfn, PCI_VNDR_ID, cap);
    return cap;
}

static unsigned window_aim(const struct dev *d, uint64_t at, unsigned len)
{
    const unsigned cap = window_find(d);

    pci_write(d->devfn, cap + 4, 1, 4);
    pci_write(d->devfn, cap + 8, 4, (uint32_t)(at - pci_bar(d->devfn, 4)));
    pci_write(d->devfn, cap + 12, 4, len);
    return cap + 16;
}

static enum answer P32_window(struct dev *d)
{
    struct queue *q = dev_queue(d);
    unsigned data;

    EXPECT(dev_start(d, d->way, ~BIT(F_EVENT_IDX)));
    EXPECT(honest(d));
    cpu_idle(2);
    data = window_aim(d, d->isr, 1);
    EXPECT(pci_read(d->devfn, data, 1) == 1);
    EXPECT(pci_read(d->devfn, data, 1) == 0 && dev_isr(d) == 0);
    request_put(d);
    data = window_aim(d, q->bell, 2);
    pci_write(d->devfn, data, 2, q->index);
    EXPECT(request_done(d));
    for (unsigned i = 0; i < 4; i++) { /* C02: offset and length wrap */
        data = window_aim(d, pci_bar(d->devfn, 4) + 0xfffffffc + i, i % 2 ? 4 : 2);
        (void)pci_read(d->devfn, data, 4);
        pci_write(d->devfn, data, 4, 0xffffffff);
    }
    data = window_aim(d, d->common + R_STATUS, 1);
    EXPECT(pci_read(d->devfn, data, 1) == dev_status(d));
    pci_write(d->devfn, data, 1, 0); /* a reset, from within configuration space */
    for (unsigned i = 0; i < 100 && dev_status(d); i++)
        cpu_idle(1);
    EXPECT(dev_status(d) == 0);
    return IGN;
}

const struct row rows_msix[] = {
    {"P19 not the master", W_M, D_MORE, IGN, P19_not_the_master},
    {"P19 no message", W_MS, D_SOME, IGN, P19_no_message},
    {"P20 line switched off", W_MS, D_MORE, IGN, P20_line},
    {"P22 P23 table and pending bits", W_MS, D_MORE, IGN, P22_table},
    {"P25 messages nowhere", W_MS, D_SOME, IGN, P25_nowhere},
    {"P26 vectors rewritten", W_MS, D_SOME, IGN, P26_rewritten},
    {"P28 masked", W_MS, D_MORE, IGN, P28_masked},
    {"P32 C02 window at registers", W_MS, D_MORE, IGN, P32_window},
    {0},
};
