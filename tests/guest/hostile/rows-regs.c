// SPDX-License-Identifier: MIT
/* F, T, C, P: features, status, registers, configuration space. */
#include "tests/guest/hostile/hostile.h"

static enum answer F01_never_offered(struct dev *d)
{
    EXPECT(dev_reset(d));
    dev_status_set(d, S_ACK | S_DRIVER);
    common_set(d, R_GFSELECT, 4, 1);
    common_set(d, R_GF, 4, 0xffffffff);
    dev_status_set(d, S_ACK | S_DRIVER | S_FEATURES_OK);
    EXPECT(!(dev_status(d) & S_FEATURES_OK));
    return IGN;
}

static enum answer F02_after_features_ok(struct dev *d)
{
    uint32_t before;

    common_set(d, R_GFSELECT, 4, 0);
    before = common_get(d, R_GF, 4);
    common_set(d, R_GF, 4, ~before);
    EXPECT(common_get(d, R_GF, 4) == before);
    EXPECT(honest(d));
    return IGN;
}

static enum answer F04_select_outside(struct dev *d)
{
    static const uint32_t select[] = {4, 32, 0xffffffff};

    for (unsigned i = 0; i < ARRAY_SIZE(select); i++) {
        common_set(d, R_DFSELECT, 4, select[i]);
        EXPECT(common_get(d, R_DF, 4) == 0);
        common_set(d, R_GFSELECT, 4, select[i]);
        common_set(d, R_GF, 4, 0xffffffff);
        EXPECT(common_get(d, R_GF, 4) == 0);
    }
    EXPECT(honest(d));
    return IGN;
}

static enum answer F07_no_features(struct dev *d)
{
    EXPECT(dev_start(d, d->way, 0));
    EXPECT(honest(d));
    return IGN;
}

/* A bit without the one that it needs: refused, or as if it were not there. */
static enum answer F05_alone(struct dev *d)
{
    static const struct {
        enum kind kind;
        uint8_t bit;
    } t[] = {{BLK, 11}, {NET, 7}, {NET, 11}, {NET, 18}, {NET, 19}, {NET, 22}, {NET, 23}, {NET, 57}};

    for (unsigned i = 0; i < ARRAY_SIZE(t); i++)
        if (t[i].kind == d->kind && dev_start(d, d->way, BIT(t[i].bit)))
            EXPECT(honest(d));
    return IGN;
}

static enum answer T01_no_features_ok(struct dev *d)
{
    EXPECT(dev_reset(d));
    dev_status_set(d, S_ACK | S_DRIVER | S_DRIVER_OK);
    EXPECT(!(dev_status(d) & S_DRIVER_OK));
    queue_ring(dev_queue(d));
    return IGN;
}

static enum answer T02_bits_cleared(struct dev *d)
{
    const uint8_t before = dev_status(d);

    dev_status_set(d, S_ACK | S_DRIVER);
    EXPECT(dev_status(d) == before);
    dev_status_set(d, before | 0x70); /* T08 */
    EXPECT(dev_status(d) == before);
    EXPECT(honest(d));
    return IGN;
}

static enum answer T05_many_resets(struct dev *d)
{
    for (unsigned i = 0; i < 200; i++) {
        queue_ring(dev_queue(d));
        EXPECT(dev_reset(d));
        queue_ring(dev_queue(d));
    }
    return IGN;
}

static enum answer T07_failed(struct dev *d)
{
    struct used u;

    dev_status_set(d, dev_status(d) | S_FAILED);
    request_put(d);
    queue_ring(dev_queue(d));
    cpu_idle(3);
    EXPECT(!used_take(dev_queue(d), &u));
    (void)dev_config(d, 0, 4);
    EXPECT(dev_status(d) & S_FAILED);
    return IGN;
}

/* What has failed hears nothing but a reset. */
static enum answer T13_failed_is_deaf(struct dev *d)
{
    struct queue *q = dev_queue(d);
    uint32_t features;

    avail_put(q, 0xffff);
    EXPECT(answer_of(q) == NR);
    if (d->way == LEGACY_SPLIT)
        return NR;
    common_set(d, R_GFSELECT, 4, 0);
    features = common_get(d, R_GF, 4);
    for (unsigned i = 0; i < 50; i++) {
        queue_ring(q);
        common_set(d, R_GF, 4, ~features);
        common_set(d, R_SELECT, 2, i);
        common_set(d, R_ENABLE, 2, i & 1);
        common_set(d, R_RESET, 2, 1);
        common_set(d, R_CONFIG_VECTOR, 2, 0);
        dev_config_set(d, i, 1, 0xff);
        dev_status_set(d, S_ACK | S_DRIVER | S_FEATURES_OK | (i & 1 ? S_DRIVER_OK : 0));
    }
    EXPECT(common_get(d, R_GF, 4) == features);
    EXPECT(dev_failed(d));
    return NR;
}

/* Every register at every width and many offsets, written and read. */
static enum answer C04_widths(struct dev *d)
{
    static const uint8_t skip = R_STATUS;

    for (unsigned off = 0; off < 0x50; off++)
        for (unsigned len = 1; len <= 4; len *= 2) {
            (void)common_get(d, off, len);
            if (off + len <= skip || off > skip)
                common_set(d, off, len, 0xffffffff);
        }
    for (unsigned off = 0; off < 64; off += 8)
        (void)mmio_read8(d->common + off);
    mmio_write8(d->common + R_DESC, UINT64_MAX); /* C11 */
    return IGN;
}

static enum answer C01_past_the_end(struct dev *d)
{
    for (unsigned off = 0x100; off < 0x1000; off += 0x7c) {
        dev_config_set(d, off, 4, 0xffffffff);
        EXPECT(dev_config(d, off, 4) == 0);
    }
    EXPECT(honest(d));
    return IGN;
}

static enum answer C10_read_only(struct dev *d)
{
    const uint32_t queues = common_get(d, R_NUM_QUEUES, 2);

    common_set(d, R_NUM_QUEUES, 2, 0xffff);
    common_set(d, R_DF, 4, 0xffffffff);
    common_set(d, R_GENERATION, 1, 0xff);
    common_set(d, R_NOTIFY_OFF, 2, 0xffff);
    EXPECT(common_get(d, R_NUM_QUEUES, 2) == queues);
    EXPECT(honest(d));
    return IGN;
}

/* Is byte off of the configuration the driver's? */
static bool config_writable(const struct dev *d, unsigned off)
{
    switch (d->kind) {
    case BLK:
        return off == 32; /* writeback */
    case BALLOON:
        return off >= 4; /* actual */
    case CONSOLE:
        return off >= 8; /* emerg_wr */
    case GPU:
        return off >= 4 && off < 8; /* events_clear */
    case INPUT:
        return off < 2;
    default:
        return false;
    }
}

static enum answer C05_read_only(struct dev *d)
{
    for (unsigned off = 0; off < 64; off++) {
        const uint32_t before = dev_config(d, off, 1);

        if (config_writable(d, off))
            continue;
        dev_config_set(d, off, 1, ~before);
        EXPECT(dev_config(d, off, 1) == before);
    }
    for (unsigned off = 0; off < 64; off += 4) {
        const uint32_t before = dev_config(d, off, 4);

        if (config_writable(d, off) || config_writable(d, off + 3))
            continue;
        dev_config_set(d, off, 4, ~before);
        EXPECT(dev_config(d, off, 4) == before);
    }
    EXPECT(honest(d));
    return IGN;
}

/* What there is to read is there before anything is agreed. */
static enum answer C07_early(struct dev *d)
{
    uint8_t early[64];

    EXPECT(dev_reset(d));
    for (unsigned off = 0; off < sizeof(early); off++)
        early[off] = (uint8_t)dev_config(d, off, 1);
    EXPECT(dev_start(d, d->way, ALL));
    for (unsigned off = 0; off < sizeof(early); off++)
        EXPECT(dev_config(d, off, 1) == early[off]);
    return IGN;
}

static enum answer C14_actual(struct dev *d)
{
    static const uint32_t actual[] = {0xffffffff, 0x80000000, 0};

    for (unsigned i = 0; i < ARRAY_SIZE(actual); i++) {
        dev_config_set(d, 4, 4, actual[i]);
        EXPECT(dev_config(d, 4, 4) == actual[i]);
        EXPECT(honest(d));
    }
    return IGN;
}

static enum answer P02_all_ones(struct dev *d)
{
    static const uint8_t fixed[] = {0x00, 0x08, 0x2c, 0x34};

    for (unsigned i = 0; i < ARRAY_SIZE(fixed); i++) {
        const uint32_t before = pci_read(d->devfn, fixed[i], 4);

        pci_write(d->devfn, fixed[i], 4, 0xffffffff);
        EXPECT(pci_read(d->devfn, fixed[i], 4) == before);
    }
    for (unsigned cap = pci_cap(d->devfn, PCI_VNDR_ID, 0), i = 0; cap && i < 8; i++) {
        const uint32_t before = pci_read(d->devfn, cap + 8, 4);

        if (pci_read(d->devfn, cap + 3, 1) != 5) { /* P04; the window may be aimed */
            pci_write(d->devfn, cap + 8, 4, 0xffffffff);
            EXPECT(pci_read(d->devfn, cap + 8, 4) == before);
        }
        cap = pci_cap(d->devfn, PCI_VNDR_ID, cap);
    }
    EXPECT(honest(d));
    return IGN;
}

static enum answer P07_not_there(struct dev *d)
{
    EXPECT(pci_read(d->devfn | 1, 0, 4) == 0xffffffff); /* P08 */
    EXPECT(pci_read(0xf8, 0, 4) == 0xffffffff);
    pci_write(0xf8, 4, 2, 7);
    out32(0xcf8, d->devfn << 8);
    EXPECT(in32(0xcfc) == 0xffffffff);
    out32(0xcfc, 0);
    EXPECT(honest(d));
    return IGN;
}

static enum answer P14_bar_anywhere(struct dev *d)
{
    static const uint32_t low[] = {0, 0xfee00000, 0xfec00000, 0xe8000000, 0xfffff000, 0x200000};
    const unsigned bar = 0x20;
    const uint32_t before[] = {pci_read(d->devfn, bar, 4), pci_read(d->devfn, bar + 4, 4)};

    for (unsigned i = 0; i < ARRAY_SIZE(low); i++) {
        pci_write(d->devfn, bar + 4, 4, i % 2 ? 0 : 0xffffffff);
        pci_write(d->devfn, bar, 4, low[i]);
    }
    pci_write(d->devfn, bar + 4, 4, before[1]);
    pci_write(d->devfn, bar, 4, before[0]);
    EXPECT(pci_read(d->devfn, bar, 4) == before[0]);
    EXPECT(honest(d));
    return IGN;
}

static enum answer P29_window(struct dev *d)
{
    unsigned cap = pci_cap(d->devfn, PCI_VNDR_ID, 0);

    while (cap && pci_read(d->devfn, cap + 3, 1) != 5)
        cap = pci_cap(d->devfn, PCI_VNDR_ID, cap);
    for (unsigned bar = 0; bar < 256; bar += 51)
        for (unsigned len = 0; len < 9; len++) { /* P31 */
            pci_write(d->devfn, cap + 4, 1, bar);
            pci_write(d->devfn, cap + 8, 4, bar * 0x01010101);
            pci_write(d->devfn, cap + 12, 4, len);
            (void)pci_read(d->devfn, cap + 16, 4);
            pci_write(d->devfn, cap + 16, 4, 0xffffffff);
        }
    EXPECT(honest(d));
    return IGN;
}

/* What asks for no reset and for no power-off that there is. */
static enum answer X10_ports(struct dev *d)
{
    enum { SLEEP = 0x600, ENABLE = 0x20, S5 = 5 };
    static const uint8_t reset[] = {0, 2, 8, 0xf9};

    for (unsigned i = 0; i < 500; i++) {
        const uint32_t type = i % 8 == S5 ? 0 : i % 8;

        out8(0x80, (uint8_t)i);
        out8(0x92, 0);
        out8(0xcf9, reset[i % ARRAY_SIZE(reset)]);
        out8(SLEEP, (uint8_t)(ENABLE | type << 2)); /* X07 */
        out16(SLEEP, (uint16_t)(0x101 * (ENABLE | type << 2)));
        out32(SLEEP, 0x1010101 * (ENABLE | type << 2));
        out8(0x70, (uint8_t)(0x80 | i)); /* X04 */
        (void)in8(0x71);
    }
    EXPECT(honest(d));
    return IGN;
}

/* The serial line that this text goes over: each register but the data, at each width. */
static enum answer X01_serial(struct dev *d)
{
    enum { PORT = 0x3f8, IER = 1, FCR = 2, LCR = 3, MCR = 4, DLAB = 0x80 };
    static const uint8_t value[] = {0xff, 0, 0x55, 0xaa};
    const uint8_t ier = in8(PORT + IER), lcr = in8(PORT + LCR), mcr = in8(PORT + MCR);

    for (unsigned i = 0; i < 2 * ARRAY_SIZE(value); i++)
        for (uint16_t reg = PORT + 1; reg < PORT + 8; reg++) {
            out8(PORT + LCR, i & 1 ? lcr | DLAB : lcr & ~DLAB);
            out8(reg, value[i / 2]);
            out16(reg, (uint16_t)(value[i / 2] * 0x101));
            out32(reg, value[i / 2] * 0x01010101u);
            (void)in8(reg), (void)in16(reg), (void)in32(reg);
        }
    out8(PORT + LCR, lcr & ~DLAB);
    out8(PORT + MCR, mcr);
    out8(PORT + IER, ier);
    out8(PORT + FCR, 7); /* whatever looped back */
    EXPECT(in8(PORT + 5) & 0x60);
    EXPECT(honest(d));
    return IGN;
}

const struct row rows_regs[] = {
    {"F01 bits never offered", W_M, D_ALL, IGN, F01_never_offered},
    {"F02 features too late", W_M, D_ALL, IGN, F02_after_features_ok},
    {"F04 feature select outside", W_M, D_ALL, IGN, F04_select_outside},
    {"F07 no features", W_ALL, D_ALL & ~D_NET, IGN, F07_no_features},
    {"F05 bits alone", W_MS, D_BLK | D_NET, IGN, F05_alone},
    {"T01 DRIVER_OK alone", W_M, D_ALL, IGN, T01_no_features_ok},
    {"T02 T08 status bits", W_M, D_ALL, IGN, T02_bits_cleared},
    {"T05 many resets", W_ALL, D_BLK | D_NET, IGN, T05_many_resets},
    {"T07 FAILED", W_ALL, D_ALL, IGN, T07_failed},
    {"T13 failed is deaf", W_S, D_ALL, NR, T13_failed_is_deaf},
    {"C01 past the end", W_M, D_ALL, IGN, C01_past_the_end},
    {"C04 C11 every width", W_M, D_BLK | D_NET, IGN, C04_widths},
    {"C10 read-only registers", W_M, D_ALL, IGN, C10_read_only},
    {"C05 read-only fields", W_MS, D_ALL, IGN, C05_read_only},
    {"C07 read early", W_MS, D_SOME | D_NET | D_CON, IGN, C07_early},
    {"C14 actual", W_ALL, D_BAL, IGN, C14_actual},
    {"P02 P04 all ones", W_MS, D_ALL, IGN, P02_all_ones},
    {"P07 P08 not there", W_MS, D_BLK, IGN, P07_not_there},
    {"P14 P16 BAR anywhere", W_MS, D_ALL, IGN, P14_bar_anywhere},
    {"P29 P31 window", W_MS, D_ALL, IGN, P29_window},
    {"X01 serial line", W_S, D_BLK, IGN, X01_serial},
    {"X04 X07 X10 ports", W_S, D_BLK, IGN, X10_ports},
    {0},
};
