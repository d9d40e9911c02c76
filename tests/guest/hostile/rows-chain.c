// SPDX-License-Identifier: MIT
/* D: descriptor chains. */
#include "tests/guest/hostile/hostile.h"

#define NOWHERE (UINT64_C(1) << 40)

static uint64_t at(struct dev *d, unsigned off)
{
    return (uint64_t)(uintptr_t)(d->data + off);
}

/* A block request in data: header at 0, 4 KiB of data at 0x1000, status at 0x2000. */
static volatile uint8_t *request(struct dev *d, uint32_t type, uint64_t sector)
{
    memset(d->data, 0, 16);
    memcpy(d->data, &type, 4);
    memcpy(d->data + 8, &sector, 8);
    memset(d->data + 0x1000, POISON, 0x1001);
    return d->data + 0x2000;
}

static enum answer D01_self_loop(struct dev *d)
{
    struct queue *q = dev_queue(d);

    request(d, 0, 0);
    desc_put(q, 0, (struct piece){at(d, 0), 16, NEXT, 1});
    desc_put(q, 1, (struct piece){at(d, 0x1000), 512, NEXT | WRITE, 1});
    avail_put(q, 0);
    return answer_of(q);
}

static enum answer D02_two_entry_loop(struct dev *d)
{
    struct queue *q = dev_queue(d);

    request(d, 0, 0);
    desc_put(q, 0, (struct piece){at(d, 0), 16, NEXT, 1});
    desc_put(q, 1, (struct piece){at(d, 0), 16, NEXT, 0});
    avail_put(q, 0);
    return answer_of(q);
}

static enum answer D02_loop_after_prefix(struct dev *d)
{
    struct queue *q = dev_queue(d);

    request(d, 0, 0);
    for (uint16_t i = 0; i < 8; i++)
        desc_put(q, i, (struct piece){at(d, 0), 16, NEXT, i < 7 ? (uint16_t)(i + 1) : 4});
    avail_put(q, 0);
    return answer_of(q);
}

static enum answer D05_next(struct dev *d, uint16_t next)
{
    struct queue *q = dev_queue(d);

    request(d, 0, 0);
    desc_put(q, 0, (struct piece){at(d, 0), 16, NEXT, next});
    avail_put(q, 0);
    return answer_of(q);
}

static enum answer D05_next_is_size(struct dev *d)
{
    return D05_next(d, dev_queue(d)->size);
}

static enum answer D05_next_is_ffff(struct dev *d)
{
    return D05_next(d, 0xffff);
}

static enum answer D05_head(struct dev *d)
{
    avail_put(dev_queue(d), dev_queue(d)->size);
    return answer_of(dev_queue(d));
}

/* One buffer after the header (blk), or the only one: addr and len are what the row is about. */
static enum answer buffer(struct dev *d, uint64_t addr, uint32_t len)
{
    struct queue *q = dev_queue(d);
    volatile uint8_t *status = request(d, 0, 0);
    const struct piece blk[] = {
        {at(d, 0), 16, 0, 0}, {addr, len, WRITE, 0}, {at(d, 0x2000), 1, WRITE, 0}};
    const struct piece one = {addr, len, d->kind == RNG ? WRITE : 0, 0};

    if (d->kind != BLK) {
        chain_put(q, &one, 1);
        return answer_of(q);
    }
    chain_put(q, blk, 3);
    return answer_blk(q, status);
}

static enum answer D10_beyond_ram(struct dev *d)
{
    return buffer(d, NOWHERE, 512);
}

static enum answer D11_wraps(struct dev *d)
{
    return buffer(d, UINT64_MAX - 255, 512);
}

static enum answer D13_hole(struct dev *d)
{
    return buffer(d, RAM_END - 256, 512);
}

static enum answer D14_own_bar(struct dev *d)
{
    return buffer(d, d->common ? d->common : 0xc0000000, 512);
}

static enum answer D14_ecam(struct dev *d)
{
    return buffer(d, 0xe8000000, 512);
}

static enum answer D14_ioapic(struct dev *d)
{
    return buffer(d, 0xfec00000, 512);
}

static enum answer D14_msi(struct dev *d)
{
    return buffer(d, 0xfee00000, 512);
}

static enum answer D16_longest(struct dev *d)
{
    return buffer(d, at(d, 0x1000), 0xffffffff);
}

static enum answer D17_sum(struct dev *d)
{
    struct queue *q = dev_queue(d);
    const uint16_t flags = d->kind == RNG ? WRITE : 0;
    struct piece p[] = {{at(d, 0), 16, flags, 0},
                        {at(d, 0x1000), 0x80000000, flags, 0},
                        {at(d, 0x1000), 0x80000000, flags, 0},
                        {at(d, 0x2000), 1, WRITE, 0}};
    volatile uint8_t *status = request(d, 1, 0);

    chain_put(q, p, d->kind == BLK ? 4 : 3);
    return d->kind == BLK ? answer_blk(q, status) : answer_of(q);
}

static enum answer D19_readable_after_writable(struct dev *d)
{
    struct queue *q = dev_queue(d);
    const struct piece p[] = {
        {at(d, 0), 16, 0, 0}, {at(d, 0x1000), 513, WRITE, 0}, {at(d, 0), 16, 0, 0}};

    request(d, 0, 0);
    chain_put(q, p, 3);
    return answer_of(q);
}

static enum answer D20_writable_header(struct dev *d)
{
    struct queue *q = dev_queue(d);
    const struct piece p[] = {{at(d, 0), 16, WRITE, 0}, {at(d, 0x1000), 513, WRITE, 0}};

    request(d, 0, 0);
    chain_put(q, p, 2);
    return answer_of(q);
}

/* ---- indirect ---- */

static void table_offer(struct dev *d, uint64_t addr, uint32_t len, uint16_t flags)
{
    const struct piece p = {addr, len, (uint16_t)(flags | INDIRECT), 0};

    chain_put(dev_queue(d), &p, 1);
}

/* A whole read of the block device's in the table. */
static volatile uint8_t *table_read(struct dev *d)
{
    volatile uint8_t *status = request(d, 0, 3);

    table_put(d->way, d->data + 0x3000, 0, (struct piece){at(d, 0), 16, NEXT, 1});
    table_put(d->way, d->data + 0x3000, 1, (struct piece){at(d, 0x1000), 512, NEXT | WRITE, 2});
    table_put(d->way, d->data + 0x3000, 2, (struct piece){at(d, 0x2000), 1, WRITE, 0});
    return status;
}

static enum answer D22_not_negotiated(struct dev *d)
{
    EXPECT(dev_start(d, d->way, ~BIT(F_INDIRECT)));
    table_read(d);
    table_offer(d, at(d, 0x3000), 48, 0);
    return answer_of(dev_queue(d));
}

static enum answer D23_table_in_table(struct dev *d)
{
    table_read(d);
    table_put(d->way, d->data + 0x3000, 0, (struct piece){at(d, 0x3000), 48, INDIRECT, 0});
    table_offer(d, at(d, 0x3000), 48, 0);
    return answer_of(dev_queue(d));
}

/* A packed table knows WRITE only, and other flags are ignored (2.8.7). */
static enum answer D23_flags_in_table(struct dev *d)
{
    volatile uint8_t *status = table_read(d);

    table_put(d->way, d->data + 0x3000, 0, (struct piece){at(d, 0), 16, INDIRECT | 0x70, 0});
    table_offer(d, at(d, 0x3000), 48, 0);
    return answer_blk(dev_queue(d), status);
}

static enum answer D25_plain_then_table(struct dev *d)
{
    volatile uint8_t *status = table_read(d);
    const struct piece p[] = {
        {at(d, 0), 8, 0, 0}, {at(d, 8), 8, 0, 0}, {at(d, 0x3010), 32, INDIRECT, 0}};

    table_put(d->way, d->data + 0x3000, 1, (struct piece){at(d, 0x1000), 512, NEXT | WRITE, 1});
    chain_put(dev_queue(d), p, 3);
    return answer_blk(dev_queue(d), status);
}

static enum answer D26_writable_table(struct dev *d)
{
    volatile uint8_t *status = table_read(d);

    table_offer(d, at(d, 0x3000), 48, WRITE);
    return answer_blk(dev_queue(d), status);
}

static enum answer table_of(struct dev *d, uint64_t addr, uint32_t len)
{
    table_read(d);
    table_offer(d, addr, len, 0);
    return answer_of(dev_queue(d));
}

static enum answer D28_length_1(struct dev *d)
{
    return table_of(d, at(d, 0x3000), 1);
}

static enum answer D28_length_17(struct dev *d)
{
    return table_of(d, at(d, 0x3000), 17);
}

static enum answer D28_length_0(struct dev *d)
{
    return table_of(d, at(d, 0x3000), 0);
}

static enum answer D29_huge(struct dev *d)
{
    return table_of(d, NOWHERE, 0xfffffff0);
}

static enum answer D29_hole(struct dev *d)
{
    return table_of(d, 0xe8000000, 48);
}

static enum answer D31_next_outside(struct dev *d)
{
    table_read(d);
    table_put(d->way, d->data + 0x3000, 0, (struct piece){at(d, 0), 16, NEXT, 3});
    table_offer(d, at(d, 0x3000), 48, 0);
    return answer_of(dev_queue(d));
}

static enum answer D32_loop_in_table(struct dev *d)
{
    table_read(d);
    table_put(d->way, d->data + 0x3000, 1, (struct piece){at(d, 0x1000), 512, NEXT | WRITE, 1});
    table_offer(d, at(d, 0x3000), 48, 0);
    return answer_of(dev_queue(d));
}

/* ---- what overlaps ---- */

static enum answer D34_aliases(struct dev *d)
{
    volatile uint8_t *status = request(d, 0, 5);
    const struct piece p[] = {{at(d, 0x1000 + 64), 16, 0, 0},
                              {at(d, 0x1000), 512, WRITE, 0},
                              {at(d, 0x2000), 1, WRITE, 0}};

    memcpy(d->data + 0x1000 + 64, d->data, 16);
    chain_put(dev_queue(d), p, 3);
    return answer_blk(dev_queue(d), status);
}

/* Data that goes over the ring itself: what comes of it is the guest's own business. */
static enum answer D35_over(struct dev *d, uint64_t where)
{
    const struct piece p[] = {
        {at(d, 0), 16, 0, 0}, {where, 512, WRITE, 0}, {at(d, 0x2000), 1, WRITE, 0}};
    volatile uint8_t *status = request(d, 0, 1);

    chain_put(dev_queue(d), p, 3);
    for (unsigned i = 0; i < 20 && *status == POISON; i++) {
        queue_ring(dev_queue(d));
        cpu_idle(1);
    }
    EXPECT(!*status); /* the request itself was a good one */
    return WORKS;
}

static enum answer D35_over_descriptors(struct dev *d)
{
    return D35_over(d, dev_queue(d)->desc);
}

static enum answer D35_over_avail(struct dev *d)
{
    return D35_over(d, dev_queue(d)->avail);
}

static enum answer D35_over_used(struct dev *d)
{
    return D35_over(d, dev_queue(d)->used);
}

/* Rung again and again, the broken head is not looked at again. */
static enum answer D38_latched(struct dev *d)
{
    const enum answer a = D05_head(d);

    for (unsigned i = 0; i < 1000; i++)
        queue_ring(dev_queue(d));
    EXPECT(answer_of(dev_queue(d)) == NR);
    return a;
}

const struct row rows_chain[] = {
    {"D01 self-loop", W_S, D_EVERY, NR, D01_self_loop},
    {"D02 two-entry loop", W_S, D_ALL, NR, D02_two_entry_loop},
    {"D02 loop after a prefix", W_S, D_ALL, NR, D02_loop_after_prefix},
    {"D05 next is the size", W_S, D_ALL, NR, D05_next_is_size},
    {"D05 next is 0xffff", W_S, D_ALL, NR, D05_next_is_ffff},
    {"D05 head outside", W_S, D_ALL, NR, D05_head},
    {"D10 beyond RAM", W_ALL, D_BLK, IOERR, D10_beyond_ram},
    {"D10 beyond RAM", W_ALL, D_EVERY & ~D_BLK, DROP, D10_beyond_ram},
    {"D11 wraps", W_ALL, D_BLK, IOERR, D11_wraps},
    {"D11 wraps", W_ALL, D_ALL & ~D_BLK, DROP, D11_wraps},
    {"D13 into the hole", W_ALL, D_BLK, IOERR, D13_hole},
    {"D14 own BAR", W_ALL, D_BLK, IOERR, D14_own_bar},
    {"D14 own BAR (M04)", W_ALL, D_ALL & ~D_BLK, DROP, D14_own_bar},
    {"D14 ECAM", W_ALL, D_BLK, IOERR, D14_ecam},
    {"D14 ECAM", W_ALL, D_ALL & ~D_BLK, DROP, D14_ecam},
    {"D14 IOAPIC", W_ALL, D_BLK, IOERR, D14_ioapic},
    {"D14 message address (M05)", W_ALL, D_BLK, IOERR, D14_msi},
    {"D14 message address (M05)", W_ALL, D_ALL & ~D_BLK, DROP, D14_msi},
    {"D16 longest", W_ALL, D_BLK, IOERR, D16_longest},
    {"D16 longest", W_ALL, D_ALL & ~D_BLK, DROP, D16_longest},
    {"D17 more than 32 bits", W_ALL, D_BLK, IOERR, D17_sum},
    {"D17 more than 32 bits", W_ALL, D_ALL & ~D_BLK, DROP, D17_sum},
    {"D19 readable after writable", W_ALL, D_ALL, NR, D19_readable_after_writable},
    {"D20 writable header", W_ALL, D_BLK, NR, D20_writable_header},
    {"D20 only writable", W_ALL, D_NET | D_CON | D_BAL | D_INPUT, DROP, D20_writable_header},
    {"D22 table not negotiated", W_ALL, D_ALL, NR, D22_not_negotiated},
    {"D23 table in a table", W_S, D_ALL, NR, D23_table_in_table},
    {"D23 flags in a table", W_MP, D_BLK, WORKS, D23_flags_in_table},
    {"D25 plain, then a table", W_S, D_BLK, WORKS, D25_plain_then_table},
    {"D26 WRITE on a table", W_ALL, D_BLK, WORKS, D26_writable_table},
    {"D28 table of 1 byte", W_ALL, D_ALL, NR, D28_length_1},
    {"D28 table of 17 bytes", W_ALL, D_ALL, NR, D28_length_17},
    {"D28 table of 0 bytes", W_ALL, D_ALL, NR, D28_length_0},
    {"D29 table nowhere", W_ALL, D_ALL, NR, D29_huge},
    {"D29 table in a hole", W_ALL, D_ALL, NR, D29_hole},
    {"D31 next outside the table", W_S, D_ALL, NR, D31_next_outside},
    {"D32 loop in the table", W_S, D_ALL, NR, D32_loop_in_table},
    {"D34 buffers overlap", W_ALL, D_BLK, WORKS, D34_aliases},
    {"D35 over descriptors", W_ALL, D_BLK, WORKS, D35_over_descriptors},
    {"D35 over the available ring", W_ALL, D_BLK, WORKS, D35_over_avail},
    {"D35 over the used ring", W_ALL, D_BLK, WORKS, D35_over_used},
    {"D38 error is latched", W_S, D_ALL, NR, D38_latched},
    {0},
};
