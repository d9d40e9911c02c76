// SPDX-License-Identifier: MIT
/* P: configuration space and BARs that move; M: what lies between regions. */
#include "tests/guest/hostile/hostile.h"

#define ECAM  UINT64_C(0xe8000000)
#define LAPIC UINT64_C(0xfee00000)
#define FREE  UINT64_C(0xd8000000) /* in the window of 32 bits, and nobody's */

enum { BAR_FRAMES = 0x10 /* of a GPU */, BAR_MODERN = 0x20, ROM = 0x30 };

static uint32_t config(const struct dev *d, unsigned off)
{
    return pci_read(d->devfn, off, 4);
}

/* ---- configuration space ---- */

static enum answer P01_every_offset(struct dev *d)
{
    static const uint8_t some[] = {0, 6, 0x0e, 0x34, 0x80, 0xff};

    for (unsigned off = 0; off < 256; off++)
        for (unsigned len = 1; len <= 4 && off % 4 + len <= 4; len *= 2)
            EXPECT(pci_read(d->devfn, off, len) == pci_read(d->devfn, off, len));
    for (unsigned devfn = 0; devfn < 256; devfn++)
        for (unsigned i = 0; i < ARRAY_SIZE(some); i++)
            (void)pci_read(devfn, some[i], 1);
    EXPECT(honest(d));
    return IGN;
}

static enum answer P05_message_control(struct dev *d)
{
    const unsigned cap = pci_cap(d->devfn, PCI_MSIX_ID, 0);
    const uint32_t before = config(d, cap);

    pci_write(d->devfn, cap + 3, 1, 0x80);
    EXPECT(config(d, cap) == (before | 0x80000000));
    pci_write(d->devfn, cap + 3, 1, 0xc0);
    EXPECT(config(d, cap) == (before | 0xc0000000));
    pci_write(d->devfn, cap + 2, 1, 0xff); /* the size is not the driver's */
    pci_write(d->devfn, cap + 2, 2, 0);
    EXPECT(config(d, cap) == before);
    pci_write(d->devfn, cap, 4, 0xffffffff);
    EXPECT(config(d, cap) == (before | 0xc0000000));
    pci_write(d->devfn, cap, 4, 0);
    EXPECT(config(d, cap) == before);
    EXPECT(honest(d));
    return IGN;
}

/* Over the end of a function, of the window, of its last bus; eight bytes at once. */
static enum answer P10_ecam(struct dev *d)
{
    const uint64_t at = ECAM + ((uint64_t)d->devfn << 12);
    const uint32_t id = config(d, 0);

    EXPECT(mmio_read(at, 4) == id);
    (void)mmio_read(at + 0xffe, 4);
    mmio_write(at + 0xffe, 4, 0xffffffff);
    (void)mmio_read8(at);
    mmio_write8(at, UINT64_MAX);
    pci_command(d, PCI_ON);
    for (unsigned off = 1; off < 12; off += 2) {
        (void)mmio_read(at + off, 4);
        (void)mmio_read8(at + off);
    }
    mmio_write(at + 1, 4, 0xffffffff);
    (void)mmio_read(ECAM + 0xfffff, 1);
    (void)mmio_read(ECAM + 0xffffd, 4); /* M02 */
    mmio_write(ECAM + 0xffffd, 4, 0xffffffff);
    EXPECT(mmio_read(ECAM + 0x100000, 4) == 0xffffffff);
    pci_command(d, PCI_ON);
    EXPECT(config(d, 0) == id && mmio_read(at, 4) == id);
    EXPECT(honest(d));
    return IGN;
}

static enum answer P35_not_there(struct dev *d)
{
    for (unsigned i = 0; i < 6; i++) {
        const unsigned bar = 0x10 + 4 * i;

        if ((config(d, bar) & 7) == 4) { /* the next one is its upper half */
            i++;
            continue;
        }
        if (config(d, bar))
            continue;
        pci_write(d->devfn, bar, 4, 0xffffffff);
        EXPECT(config(d, bar) == 0);
    }
    pci_write(d->devfn, ROM, 4, 0xffffffff);
    EXPECT(config(d, ROM) == 0);
    EXPECT(honest(d));
    return IGN;
}

/* Its identity and the window's place stay, whatever is written where others have PCIEXBAR. */
static enum answer P37_host_bridge(struct dev *d)
{
    const uint32_t id = pci_read(0, 0, 4);
    uint32_t x = 1;

    for (unsigned off = 0; off < 256; off++)
        for (unsigned len = 1; len <= 4 && off % 4 + len <= 4; len *= 2) {
            pci_write(0, off, len, 0xffffffff);
            pci_write(0, off, len, x = x * 1664525 + 1013904223);
        }
    EXPECT(pci_read(0, 0, 4) == id && mmio_read(ECAM, 4) == id);
    EXPECT(mmio_read(ECAM + ((uint64_t)d->devfn << 12), 4) == config(d, 0));
    EXPECT(honest(d));
    return IGN;
}

/* ---- BARs ---- */

static void bar_write(const struct dev *d, uint64_t v)
{
    pci_write(d->devfn, BAR_MODERN, 4, (uint32_t)v);
    pci_write(d->devfn, BAR_MODERN + 4, 4, (uint32_t)(v >> 32));
}

/* ... and everything that the driver knows follows. Where it was. */
static uint64_t bar_move(struct dev *d, uint64_t to)
{
    const uint64_t from = pci_bar(d->devfn, 4), by = to - from;

    bar_write(d, to);
    d->common += by, d->notify += by, d->isr += by, d->config += d->config ? by : 0;
    for (unsigned i = 0; i < QUEUES; i++)
        d->q[i].bell += d->q[i].bell ? by : 0;
    return from;
}

static bool frames_there(const struct dev *d)
{
    return d->kind == GPU && (config(d, BAR_FRAMES) & 9) == 8;
}

static enum answer P11_sizing(struct dev *d)
{
    const uint64_t before = pci_bar(d->devfn, 4);

    bar_write(d, UINT64_MAX);
    EXPECT((config(d, BAR_MODERN) & 0xfff) == 4 && config(d, BAR_MODERN + 4) == 0xffffffff);
    EXPECT(mmio_read(d->common, 4) == 0xffffffff);
    queue_ring(dev_queue(d));
    bar_write(d, before);
    EXPECT(honest(d));
    pci_write(d->devfn, BAR_MODERN + 4, 4, 0xffffffff); /* one half */
    EXPECT(mmio_read(d->common, 4) == 0xffffffff);
    queue_ring(dev_queue(d));
    bar_write(d, before);
    EXPECT(honest(d));
    for (unsigned i = 0; i < 20; i++) { /* off and on, rung in between */
        pci_command(d, PCI_NO_MEMORY);
        EXPECT(mmio_read(d->common, 4) == 0xffffffff);
        queue_ring(dev_queue(d));
        pci_command(d, PCI_ON);
    }
    EXPECT(honest(d));
    return IGN;
}

/* Memory that KVM shows the guest without exits: it comes and goes, and is never over others. */
static enum answer P11_frames(struct dev *d)
{
    static const uint32_t bad[] = {0, 0x200000, 0xe8000000, 0xfec00000, 0xfee00000, 0xff000000};
    const uint32_t before = config(d, BAR_FRAMES);
    const uint64_t at = before & ~15u;

    if (!frames_there(d))
        return IGN;
    mmio_write(at + 4096, 4, 0x12345678);
    for (unsigned i = 0; i < 20; i++) {
        pci_write(d->devfn, BAR_FRAMES, 4, i % 2 ? 0xffffffff : bad[i / 2 % ARRAY_SIZE(bad)]);
        EXPECT(mmio_read(at + 4096, 4) == 0xffffffff);
        EXPECT(mmio_read(LAPIC + 0xf0, 4) == 0x1ff);
        EXPECT(mmio_read(ECAM + ((uint64_t)d->devfn << 12), 4) == config(d, 0));
        pci_write(d->devfn, BAR_FRAMES, 4, before);
    }
    for (unsigned i = 0; i < 20; i++) {
        pci_command(d, PCI_NO_MEMORY);
        pci_command(d, PCI_ON);
    }
    EXPECT(mmio_read(at + 4096, 4) == 0x12345678);
    /* P13: over another one's registers, and away again */
    pci_write(d->devfn, BAR_FRAMES, 4, (uint32_t)pci_bar(devs[BLK].devfn, 4));
    (void)mmio_read(devs[BLK].common, 4);
    pci_write(d->devfn, BAR_FRAMES, 4, before);
    EXPECT(mmio_read(at + 4096, 4) == 0x12345678);
    mmio_write(at + 4096, 4, 0);
    EXPECT(honest(d));
    return IGN;
}

static enum answer P13_over_another(struct dev *d)
{
    struct dev *other = &devs[d->kind == RNG ? BLK : RNG];
    const uint64_t before = bar_move(d, pci_bar(other->devfn, 4));

    for (unsigned i = 0; i < 20; i++) { /* whose ever they are */
        (void)mmio_read(other->common + 4 * i % 56, 4);
        queue_ring(dev_queue(d));
    }
    bar_move(d, before);
    EXPECT(honest(d));
    EXPECT(honest(other));
    return IGN;
}

static enum answer P17_moved_while_rung(struct dev *d)
{
    const uint64_t home = pci_bar(d->devfn, 4);
    struct queue *q = dev_queue(d);
    struct used u;

    for (unsigned i = 0; i < 30; i++) {
        request_put(d);
        queue_ring(q);
        bar_move(d, i % 2 ? home : FREE + 0x100000 * i);
        queue_ring(q);
        EXPECT(request_done(d));
    }
    bar_move(d, FREE);
    EXPECT(honest(d));
    cpu_idle(2);
    request_put(d);
    for (unsigned i = 0; i < 10; i++) /* where it was nobody hears */
        mmio_write(q->bell - FREE + home, 2, q->index);
    EXPECT(mmio_read(d->common - FREE + home, 4) == 0xffffffff);
    cpu_idle(3);
    EXPECT(!used_take(q, &u));
    queue_ring(q);
    EXPECT(request_done(d));
    bar_move(d, home);
    EXPECT(honest(d));
    return IGN;
}

static enum answer P34_bytes(struct dev *d)
{
    const uint32_t before = config(d, BAR_MODERN);

    pci_write(d->devfn, BAR_MODERN + 3, 1, 0xd9);
    EXPECT(config(d, BAR_MODERN) == ((before & 0xffffff) | 0xd9000000));
    pci_write(d->devfn, BAR_MODERN + 2, 2, before >> 16);
    pci_write(d->devfn, BAR_MODERN + 1, 1, before >> 8);
    pci_write(d->devfn, BAR_MODERN, 1, 0xff);
    EXPECT(config(d, BAR_MODERN) == before);
    EXPECT(honest(d));
    return IGN;
}

/* ---- M ---- */

static enum answer M01_nobody_there(struct dev *d)
{
    static const uint64_t at[] = {FREE,       0xe0000000, 0xe9000000,  0xf0000000,
                                  0xfed80000, 0xff000000, 0x140000000, 0x17ffffff0};

    for (unsigned i = 0; i < ARRAY_SIZE(at); i++)
        for (unsigned off = 0; off < 5; off++) {
            EXPECT(mmio_read(at[i] + off, 4) == 0xffffffff);
            EXPECT(mmio_read(at[i] + off, 2) == 0xffff && mmio_read(at[i] + off, 1) == 0xff);
            EXPECT(mmio_read8(at[i] + off) == UINT64_MAX);
            mmio_write(at[i] + off, 1, 0);
            mmio_write8(at[i] + off, 0);
        }
    for (unsigned port = 0x8000; port < 0xfff0; port += 0x61) {
        EXPECT(in32((uint16_t)port) == 0xffffffff && in16((uint16_t)port) == 0xffff);
        out8((uint16_t)port, 0), out32((uint16_t)port, 0);
    }
    (void)in32(0xffff), out32(0xffff, 0);
    mmio_write(d->common + 0xffe, 4, 0); /* M02: over an end */
    (void)mmio_read(pci_bar(d->devfn, 4) - 2, 4);
    (void)mmio_read8(pci_bar(d->devfn, 4) - 4);
    EXPECT(honest(d));
    return IGN;
}

const struct row rows_pci[] = {
    {"P01 every offset", W_MS, D_BLK, IGN, P01_every_offset},
    {"P05 message control", W_MS, D_MORE, IGN, P05_message_control},
    {"P10 M02 ECAM", W_MS, D_SOME, IGN, P10_ecam},
    {"P11 P38 sizing, off and on", W_MS, D_MORE, IGN, P11_sizing},
    {"P11 P13 P16 frame buffer", W_MS, D_GPU, IGN, P11_frames},
    {"P13 over another", W_MS, D_MORE, IGN, P13_over_another},
    {"P17 M08 moved while rung", W_M, D_MORE, IGN, P17_moved_while_rung},
    {"P34 bytes of a BAR", W_MS, D_SOME, IGN, P34_bytes},
    {"P35 BARs that are not there", W_MS, D_MORE, IGN, P35_not_there},
    {"P37 host bridge", W_MS, D_BLK, IGN, P37_host_bridge},
    {"M01 M02 nobody there", W_MS, D_BLK, IGN, M01_nobody_there},
    {0},
};
