// SPDX-License-Identifier: MIT
/* L: what only the old interface has. And what is left of D, Q and R. */
#include "tests/guest/hostile/hostile.h"

enum { L_FEATURES = 4, L_PFN = 8, L_SIZE = 12, L_SELECT = 14 };
enum { L_VECTOR_CONFIG = 20, L_VECTOR_QUEUE = 22, L_CONFIG = 20, L_CONFIG_MSIX = 24 };
enum { BUFFER = 0x4000, F_ANY_LAYOUT = 27, MSIX_ENABLE = 0x8000, BAR0 = 0x10, PORTS = 0x20 };

static uint64_t at(struct dev *d, unsigned off)
{
    return (uint64_t)(uintptr_t)(d->data + off);
}

static enum answer L01_queue_taken_away(struct dev *d)
{
    struct queue *q = dev_queue(d);

    out16(d->io + L_SELECT, (uint16_t)q->index);
    out32(d->io + L_PFN, 0);
    EXPECT(in32(d->io + L_PFN) == 0);
    memset((void *)(uintptr_t)q->desc, 0xff, 0x1000); /* its memory is the driver's again */
    for (unsigned i = 0; i < 20; i++)
        queue_ring(q);
    queue_place(q);
    EXPECT(queue_open(q));
    EXPECT(honest(d));
    return IGN;
}

static enum answer L02_queue_nowhere(struct dev *d)
{
    static const uint32_t pfn[] = {0xffffffff, 0xc0000, 0xe8000, 0xfee00, 0x4000, 0x3fff};
    struct queue *q = dev_queue(d);

    for (unsigned i = 0; i < ARRAY_SIZE(pfn); i++) {
        EXPECT(dev_negotiate(d, d->way, ALL));
        out16(d->io + L_SELECT, (uint16_t)q->index);
        out32(d->io + L_PFN, pfn[i]);
        dev_status_set(d, dev_status(d) | S_DRIVER_OK);
        for (unsigned n = 0; n < 20; n++)
            queue_ring(q);
    }
    return IGN;
}

static enum answer L04_select_outside(struct dev *d)
{
    out16(d->io + L_SELECT, 0xffff);
    EXPECT(in16(d->io + L_SIZE) == 0);
    out32(d->io + L_PFN, 0x100);
    EXPECT(in32(d->io + L_PFN) == 0);
    EXPECT(honest(d));
    return IGN;
}

static enum answer L05_before_driver_ok(struct dev *d)
{
    struct queue *q = dev_queue(d);

    EXPECT(dev_negotiate(d, d->way, ALL));
    q->size = queue_max(q);
    queue_place(q);
    EXPECT(queue_open(q));
    EXPECT(!(dev_status(d) & S_DRIVER_OK));
    EXPECT(honest(d));
    return WORKS;
}

/* Device configuration moves by four bytes as MSI-X is switched on and off. */
static enum answer L07_config_moves(struct dev *d)
{
    const unsigned cap = pci_cap(d->devfn, PCI_MSIX_ID, 0);
    const uint32_t before = in32(d->io + L_CONFIG);
    const uint16_t control = (uint16_t)pci_read(d->devfn, cap + 2, 2);

    if (!cap)
        return IGN;
    for (unsigned i = 0; i < 20; i++) {
        pci_write(d->devfn, cap + 2, 2, control | MSIX_ENABLE);
        EXPECT(in32(d->io + L_CONFIG_MSIX) == before);
        out16(d->io + L_SELECT, 0xffff); /* L04 */
        EXPECT(in16(d->io + L_VECTOR_QUEUE) == NO_VECTOR);
        out16(d->io + L_VECTOR_CONFIG, 0x7fff);
        EXPECT(in16(d->io + L_VECTOR_CONFIG) == NO_VECTOR);
        pci_write(d->devfn, cap + 2, 2, control & ~MSIX_ENABLE);
        EXPECT(in32(d->io + L_CONFIG) == before);
    }
    EXPECT(honest(d));
    return IGN;
}

/* Accesses over two registers, and past the last one, of each width; not those that reset it. */
static enum answer L08_over_two_registers(struct dev *d)
{
    for (uint16_t off = 0; off + 4 <= PORTS; off++) {
        (void)in8(d->io + off);
        (void)in16(d->io + off);
        (void)in32(d->io + off);
    }
    for (uint16_t off = 0; off + 4 <= PORTS; off++) {
        out32(d->io + off, 0xffffffff);
        out16(d->io + off, 0xffff);
    }
    return IGN;
}

/* The same bytes by whatever width (4.1.4.10). */
static enum answer L10_config_widths(struct dev *d)
{
    const uint32_t whole = in32(d->io + L_CONFIG);
    uint32_t by_byte = 0, by_word;

    for (unsigned i = 0; i < 4; i++)
        by_byte |= (uint32_t)in8((uint16_t)(d->io + L_CONFIG + i)) << 8 * i;
    by_word = in16(d->io + L_CONFIG) | (uint32_t)in16(d->io + L_CONFIG + 2) << 16;
    EXPECT(whole == by_byte && whole == by_word);
    EXPECT((whole >> 8 & 0xffff) == in16(d->io + L_CONFIG + 1));
    EXPECT(honest(d));
    return IGN;
}

/* Without ANY_LAYOUT a driver promises how it frames requests. Nobody goes by it. */
static enum answer L11_framing(struct dev *d)
{
    const struct piece p[] = {{at(d, BUFFER), 3, 0, 0},
                              {at(d, BUFFER + 3), 13, 0, 0},
                              {at(d, BUFFER + 16), 513, WRITE, 0}};

    EXPECT(dev_start(d, d->way, ~BIT(F_ANY_LAYOUT)));
    EXPECT(honest(d));
    memset(d->data + BUFFER, 0, 16);
    memset(d->data + BUFFER + 16, POISON, 513);
    chain_put(&d->q[0], p, 3);
    return answer_blk(&d->q[0], d->data + BUFFER + 16 + 512);
}

/* Over the platform's own ports, which win; this very text goes over one of them. */
static enum answer L13_over_the_platform(struct dev *d)
{
    static const uint16_t port[] = {0x60, 0x70, 0x3f8, 0xcf8, 0x600, 0xffff, 0};
    const uint32_t before = pci_read(d->devfn, BAR0, 4);

    for (unsigned i = 0; i < ARRAY_SIZE(port); i++) {
        pci_write(d->devfn, BAR0, 4, port[i]);
        (void)in8(port[i]);
        EXPECT(in8(0x3f8 + 5) & 0x60); /* the serial line's transmitter is idle */
    }
    pci_write(d->devfn, BAR0, 4, before);
    EXPECT(pci_read(d->devfn, BAR0, 4) == before);
    EXPECT(honest(d));
    return IGN;
}

/* A device with the modern interface alone has no ports, whatever is written. */
static enum answer L14_no_ports(struct dev *d)
{
    const uint32_t before = pci_read(d->devfn, BAR0, 4);

    if (d->io)
        return IGN;
    pci_write(d->devfn, BAR0, 4, 0xffffffff);
    EXPECT(!(pci_read(d->devfn, BAR0, 4) & 1));
    pci_write(d->devfn, BAR0, 4, before);
    EXPECT(honest(d));
    return IGN;
}

/* Bit 30 says that the driver is a bad one: then it has no features. */
static enum answer F10_bad_feature(struct dev *d)
{
    EXPECT(dev_negotiate(d, d->way, 0));
    out32(d->io + L_FEATURES, UINT32_C(1) << 30 | in32(d->io));
    for (unsigned i = 0; i < d->n_queues; i++) {
        struct queue *q = &d->q[i];

        q->size = queue_max(q);
        queue_place(q);
        EXPECT(queue_open(q));
    }
    dev_status_set(d, dev_status(d) | S_DRIVER_OK);
    if (d->kind == BLK)
        EXPECT(honest(d));
    return IGN;
}

/* ---- D, Q, R ---- */

/* A table one longer than the queue, all of it in use. */
static enum answer D04_longer_than_queue(struct dev *d)
{
    struct queue *q = dev_queue(d);
    const uint16_t flags = d->kind == RNG ? WRITE : 0;
    const uint32_t n = q->size + 1u;

    if (!EXPECT(n * 16 <= 0xc000))
        return NOTHING;
    for (uint32_t i = 0; i < n; i++)
        table_put(d->way, d->data + BUFFER, i,
                  (struct piece){at(d, 0), 16, (uint16_t)(flags | (i + 1 < n ? NEXT : 0)),
                                 (uint16_t)(i + 1)});
    chain_put(q, &(const struct piece){at(d, BUFFER), n * 16, INDIRECT, 0}, 1);
    return answer_of(q);
}

/* Two requests at once, whose data and status are one descriptor each. */
static enum answer D08_shared(struct dev *d)
{
    struct queue *q = &d->q[0];
    struct used u;

    memset(d->data, 0, 32);
    d->data[0x4000] = POISON;
    desc_put(q, 0, (struct piece){at(d, 0), 16, NEXT, 2});
    desc_put(q, 1, (struct piece){at(d, 16), 16, NEXT, 2});
    desc_put(q, 2, (struct piece){at(d, 0x1000), 512, NEXT | WRITE, 3});
    desc_put(q, 3, (struct piece){at(d, 0x4000), 1, WRITE, 0});
    avail_put(q, 0);
    avail_put(q, 1);
    queue_ring(q);
    EXPECT(used_wait(q, &u));
    EXPECT(used_wait(q, &u));
    EXPECT(d->data[0x4000] == 0);
    return WORKS;
}

/* A read that fails may say no more than it wrote, and what it did not write is as it was. */
static enum answer D37_honest_length(struct dev *d)
{
    const struct piece p[] = {
        {at(d, 0), 16, 0, 0}, {at(d, 0x1000), 1024, WRITE, 0}, {at(d, 0x4000), 1, WRITE, 0}};
    const uint64_t sector = UINT64_C(1) << 40;
    struct used u = {0};

    memset(d->data, 0, 16);
    memcpy(d->data + 8, &sector, 8);
    memset(d->data + 0x1000, POISON, 1024);
    chain_put(&d->q[0], p, 3);
    queue_ring(&d->q[0]);
    EXPECT(used_wait(&d->q[0], &u));
    for (unsigned i = 0; i < 1024; i++)
        EXPECT(d->data[0x1000 + i] == POISON || i < u.len);
    EXPECT(d->data[0x4000] == 1);
    return IOERR;
}

/* 65,536 requests and a few: the indices of both rings come round. */
static enum answer Q04_indices_wrap(struct dev *d)
{
    struct queue *q = dev_queue(d);
    const unsigned batch = q->size < QUEUE_SIZE ? q->size : QUEUE_SIZE;

    for (unsigned i = 0; i < batch; i++)
        desc_put(q, i, (struct piece){at(d, BUFFER), 1, d->kind == RNG ? WRITE : 0, 0});
    for (unsigned n = 0; n < 65536 + 100; n += batch) {
        struct used u;

        for (unsigned i = 0; i < batch; i++)
            avail_put(q, (uint16_t)i);
        queue_ring(q);
        for (unsigned i = 0; i < batch; i++)
            if (!EXPECT(used_wait(q, &u)))
                return NOTHING;
    }
    return WORKS;
}

static enum answer Q08_sizes(struct dev *d)
{
    const uint16_t max = dev_queue(d)->max;

    for (unsigned i = 0; i < 3; i++) {
        const uint16_t size = i < 2 ? (uint16_t)(i + 1) : max;

        queue_size_wanted = size;
        EXPECT(dev_start(d, d->way, ALL));
        queue_size_wanted = QUEUE_SIZE;
        EXPECT(dev_queue(d)->size == size);
        if ((d->kind == BLK && size < 3) || (d->kind == GPU && size < 2))
            continue;
        for (unsigned n = 0; n < 5; n++)
            EXPECT(honest(d));
    }
    return WORKS;
}

/* One queue of several, as firmware does. */
static enum answer Q26_one_queue(struct dev *d)
{
    struct queue *q = dev_queue(d);

    EXPECT(dev_negotiate(d, d->way, ALL));
    q->size = d->way == LEGACY_SPLIT ? queue_max(q) : 16;
    queue_place(q);
    EXPECT(queue_open(q));
    dev_status_set(d, dev_status(d) | S_DRIVER_OK);
    for (unsigned i = 0; i < QUEUES; i++)
        if (&d->q[i] != q && (d->way == LEGACY_SPLIT || d->q[i].bell))
            queue_ring(&d->q[i]);
    EXPECT(honest(d));
    return WORKS;
}

/* The same mistake again and again: neither memory nor the log grows (the host looks). */
static enum answer R04_again_and_again(struct dev *d)
{
    for (unsigned i = 0; i < 100; i++) {
        EXPECT(dev_start(d, d->way, ALL));
        avail_put(dev_queue(d), 0xffff);
        queue_ring(dev_queue(d));
    }
    return IGN;
}

const struct row rows_legacy[] = {
    {"L01 queue taken away", W_L, D_ALL, IGN, L01_queue_taken_away},
    {"L02 queue nowhere", W_L, D_ALL, IGN, L02_queue_nowhere},
    {"L04 select outside", W_L, D_ALL, IGN, L04_select_outside},
    {"L05 before DRIVER_OK", W_L, D_ALL, WORKS, L05_before_driver_ok},
    {"L07 configuration moves", W_L, D_BLK | D_NET | D_CON, IGN, L07_config_moves},
    {"L08 over two registers", W_L, D_ALL, IGN, L08_over_two_registers},
    {"L10 configuration by widths", W_L, D_BLK | D_NET | D_CON, IGN, L10_config_widths},
    {"L11 framing", W_L, D_BLK, WORKS, L11_framing},
    {"L13 ports of the platform", W_L, D_ALL, IGN, L13_over_the_platform},
    {"F10 bad feature", W_L, D_ALL, IGN, F10_bad_feature},
    {"L14 no ports", W_MS, D_ALL, IGN, L14_no_ports},
    {"D04 longer than the queue", W_M, D_ALL, NR, D04_longer_than_queue},
    {"D08 shared descriptors", W_S, D_BLK, WORKS, D08_shared},
    {"D37 length of a failed read", W_ALL, D_BLK, IOERR, D37_honest_length},
    {"Q04 indices wrap", W_S, D_RNG, WORKS, Q04_indices_wrap},
    {"Q08 sizes", W_M, D_EVERY, WORKS, Q08_sizes},
    {"Q26 one queue", W_ALL, D_ALL, WORKS, Q26_one_queue},
    {"R04 again and again", W_S, D_ALL, IGN, R04_again_and_again},
    {0},
};
