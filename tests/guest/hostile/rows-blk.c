// SPDX-License-Identifier: MIT
/* B: block requests. */
#include "tests/guest/hostile/hostile.h"

enum { T_IN = 0, T_OUT = 1, T_FLUSH = 4, T_GET_ID = 8, T_DISCARD = 11, T_ZERO = 13 };
enum { F_DISCARD = 13, F_ZERO = 14, SECTORS = 16384, RANGE = 16, SPARE = 16000 };

static uint64_t at(struct dev *d, unsigned off)
{
    return (uint64_t)(uintptr_t)(d->data + off);
}

/* A request with len bytes of data, which the device writes where flags say so. */
static enum answer ask(struct dev *d, uint32_t type, uint64_t sector, uint32_t len, uint16_t flags)
{
    const struct piece p[] = {
        {at(d, 0), 16, 0, 0}, {at(d, 0x1000), len, flags, 0}, {at(d, 0x4000), 1, WRITE, 0}};
    const struct piece bare[] = {p[0], p[2]};

    memset(d->data, 0, 16);
    memcpy(d->data, &type, 4);
    memcpy(d->data + 8, &sector, 8);
    d->data[0x4000] = POISON;
    chain_put(&d->q[0], len ? p : bare, len ? 3 : 2);
    return answer_blk(&d->q[0], d->data + 0x4000);
}

static enum answer B01_sector_overflows(struct dev *d)
{
    EXPECT(ask(d, T_OUT, UINT64_MAX / 512 + 1, 512, 0) == IOERR);
    EXPECT(ask(d, T_IN, UINT64_C(1) << 55, 512, WRITE) == IOERR);
    return ask(d, T_IN, UINT64_MAX, 512, WRITE);
}

static enum answer B02_ends_past_capacity(struct dev *d)
{
    EXPECT(ask(d, T_OUT, SECTORS - 1, 1024, 0) == IOERR);
    return ask(d, T_IN, SECTORS - 1, 1024, WRITE);
}

static enum answer B04_last_sector(struct dev *d)
{
    return ask(d, T_IN, SECTORS - 1, 512, WRITE);
}

static enum answer B05_no_whole_sectors(struct dev *d)
{
    EXPECT(ask(d, T_IN, 0, 1, WRITE) == IOERR);
    EXPECT(ask(d, T_OUT, 0, 511, 0) == IOERR);
    return ask(d, T_IN, 0, 513, WRITE);
}

static enum answer B07_unknown_type(struct dev *d)
{
    EXPECT(ask(d, 0x01000000, 0, 0, 0) == UNSUPP);
    EXPECT(ask(d, 0xffffffff, 0, 512, WRITE) == UNSUPP);
    return ask(d, 2, 0, 512, WRITE); /* B08 */
}

static enum answer B10_flush_with_extras(struct dev *d)
{
    return ask(d, T_FLUSH, UINT64_MAX, 512, 0);
}

static enum answer B11_long_id(struct dev *d)
{
    memset(d->data + 0x1000, POISON, 64);
    EXPECT(ask(d, T_GET_ID, 0, 19, WRITE) == WORKS);
    EXPECT(ask(d, T_GET_ID, 0, 64, WRITE) != NR);
    EXPECT(d->data[0x1000 + 20] == POISON);
    return WORKS;
}

static enum answer B14_short_header(struct dev *d)
{
    const struct piece p[] = {{at(d, 0), 15, 0, 0}, {at(d, 0x1000), 513, WRITE, 0}};

    memset(d->data, 0, 16);
    chain_put(&d->q[0], p, 2);
    return answer_of(&d->q[0]);
}

static enum answer B16_no_status(struct dev *d)
{
    const struct piece p[] = {{at(d, 0), 16, 0, 0}, {at(d, 0x1000), 513, 0, 0}};

    memset(d->data, 0, 16);
    chain_put(&d->q[0], p, 2);
    return answer_of(&d->q[0]);
}

static enum answer B17_wrong_kind(struct dev *d)
{
    EXPECT(ask(d, T_OUT, 0, 512, WRITE) == IOERR);
    return ask(d, T_IN, 0, 512, 0);
}

/* Header and data are one descriptor; then data and status are. The sector is as it was before. */
static enum answer B13_two_descriptors(struct dev *d)
{
    const uint64_t sector = SPARE;
    const struct piece write[] = {{at(d, 0), 16 + 512, 0, 0}, {at(d, 0x4000), 1, WRITE, 0}};
    const struct piece read[] = {{at(d, 0), 16, 0, 0}, {at(d, 0x1000), 513, WRITE, 0}};

    memset(d->data, 0, 16);
    d->data[0] = T_OUT;
    memcpy(d->data + 8, &sector, 8);
    for (unsigned i = 0; i < 128; i++)
        memcpy(d->data + 16 + 4 * i, &sector, 4);
    d->data[0x4000] = POISON;
    chain_put(&d->q[0], write, 2);
    EXPECT(answer_blk(&d->q[0], d->data + 0x4000) == WORKS);
    d->data[0] = T_IN;
    memset(d->data + 0x1000, POISON, 513);
    chain_put(&d->q[0], read, 2);
    EXPECT(answer_blk(&d->q[0], d->data + 0x1000 + 512) == WORKS);
    EXPECT(memcmp(d->data + 0x1000, d->data + 16, 512) == 0);
    return WORKS;
}

/* ---- ranges: DISCARD and WRITE_ZEROES ---- */

struct range {
    uint64_t sector;
    uint32_t sectors, flags;
};

static enum answer ranges(struct dev *d, uint32_t type, const struct range *r, uint32_t len)
{
    memcpy(d->data + 0x1000, r, len);
    return ask(d, type, 0, len, 0);
}

static enum answer B19_no_whole_ranges(struct dev *d)
{
    static const struct range r[2] = {{SPARE, 8, 0}, {SPARE, 8, 0}};

    EXPECT((d->features & (BIT(F_DISCARD) | BIT(F_ZERO))) == (BIT(F_DISCARD) | BIT(F_ZERO)));
    for (unsigned i = 0; i < 2; i++) {
        const uint32_t type = i ? T_ZERO : T_DISCARD;

        EXPECT(ask(d, type, 0, 0, 0) == IOERR);
        EXPECT(ranges(d, type, r, RANGE - 1) == IOERR);
        EXPECT(ranges(d, type, r, RANGE + 1) == IOERR);
        EXPECT(ask(d, type, 0, RANGE, WRITE) == IOERR);
    }
    EXPECT(blk_read(d, SPARE));
    return IOERR;
}

static enum answer B20_out_of_range(struct dev *d)
{
    static const struct range bad[] = {{SECTORS, 1, 0},
                                       {SECTORS - 1, 2, 0},
                                       {UINT64_MAX, 2, 0},
                                       {UINT64_C(1) << 55, 8, 0},
                                       {SPARE, 0xffffffff, 0},
                                       {UINT64_MAX - 7, 16, 0},
                                       {0x80000000, 0x80000000, 0}};

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        EXPECT(ranges(d, T_DISCARD, &bad[i], RANGE) == IOERR);
        EXPECT(ranges(d, T_ZERO, &bad[i], RANGE) == IOERR);
    }
    EXPECT(blk_read(d, SPARE) && blk_read(d, SECTORS - 1));
    return IOERR;
}

static enum answer B22_not_negotiated(struct dev *d)
{
    static const struct range r = {SPARE, 8, 0};
    static const uint8_t type[] = {T_DISCARD, T_ZERO, 14, 15, 16, 18, 20, 22, 24, 26};

    EXPECT(dev_start(d, d->way, ~(BIT(F_DISCARD) | BIT(F_ZERO))));
    for (unsigned i = 0; i < ARRAY_SIZE(type); i++)
        EXPECT(ranges(d, type[i], &r, RANGE) == UNSUPP);
    EXPECT(blk_read(d, SPARE));
    return UNSUPP;
}

/* The first one of two is good, and is not touched either. */
static enum answer B23_second_is_bad(struct dev *d)
{
    static const struct range r[2] = {{SPARE, 8, 0}, {SECTORS, 8, 0}};

    EXPECT(ranges(d, T_DISCARD, r, 2 * RANGE) == IOERR);
    EXPECT(ranges(d, T_ZERO, r, 2 * RANGE) == IOERR);
    EXPECT(blk_read(d, SPARE) && blk_read(d, SPARE + 7));
    return IOERR;
}

/* ---- many at once ---- */

/* As many reads of 56 KiB as the ring takes, all to the same place. How many. */
static unsigned ring_fill(struct dev *d)
{
    unsigned n = 0;

    memset(d->data, 0, 16);
    for (uint16_t i = 0; i + 3 <= QUEUE_SIZE && i + 3 <= d->q[0].size; i = (uint16_t)(i + 3), n++) {
        desc_put(&d->q[0], i, (struct piece){at(d, 0), 16, NEXT, (uint16_t)(i + 1)});
        desc_put(&d->q[0], i + 1u,
                 (struct piece){at(d, 0x1000), 0xe000, NEXT | WRITE, (uint16_t)(i + 2)});
        desc_put(&d->q[0], i + 2u, (struct piece){at(d, 0xf800), 1, WRITE, 0});
        avail_put(&d->q[0], i);
    }
    queue_ring(&d->q[0]);
    return n;
}

static enum answer B25_full_ring(struct dev *d)
{
    for (unsigned round = 0; round < 5; round++) {
        struct used u;

        for (unsigned n = ring_fill(d); n; n--)
            EXPECT(used_wait(&d->q[0], &u) && u.len == 0xe001 && d->data[0xf800] == 0);
    }
    return WORKS;
}

/* Once status is 0 nothing is written any more: neither data nor the used ring. */
static enum answer T04_reset_under_way(struct dev *d)
{
    const struct queue *q = &d->q[0];

    for (unsigned round = 0; round < 5; round++) {
        EXPECT(dev_start(d, d->way, ALL));
        ring_fill(d);
        EXPECT(dev_reset(d));
        memset(d->data, POISON, 0x10000);
        memset((void *)(uintptr_t)q->used, POISON, 256);
        cpu_idle(2);
        for (unsigned i = 0; i < 0x10000; i++)
            if (!EXPECT(d->data[i] == POISON))
                break;
        for (unsigned i = 0; i < 256; i++)
            EXPECT(*(volatile uint8_t *)(uintptr_t)(q->used + i) == POISON);
    }
    return IGN;
}

/* The end of the machine with requests under way (R02): nobody waits for them. */
void requests_leave_behind(void)
{
    if (devs[BLK].there)
        ring_fill(&devs[BLK]);
}

const struct row rows_blk[] = {
    {"B01 sector overflows", W_ALL, D_BLK, IOERR, B01_sector_overflows},
    {"B02 ends past capacity", W_ALL, D_BLK, IOERR, B02_ends_past_capacity},
    {"B04 last sector", W_ALL, D_BLK, WORKS, B04_last_sector},
    {"B05 no whole sectors", W_ALL, D_BLK, IOERR, B05_no_whole_sectors},
    {"B07 B08 unknown types", W_ALL, D_BLK, UNSUPP, B07_unknown_type},
    {"B10 flush with extras", W_ALL, D_BLK, WORKS, B10_flush_with_extras},
    {"B11 identity of other lengths", W_ALL, D_BLK, WORKS, B11_long_id},
    {"B14 short header", W_ALL, D_BLK, NR, B14_short_header},
    {"B16 no status byte", W_ALL, D_BLK, NR, B16_no_status},
    {"B13 two descriptors", W_ALL, D_BLK, WORKS, B13_two_descriptors},
    {"B19 no whole ranges", W_ALL, D_BLK, IOERR, B19_no_whole_ranges},
    {"B20 ranges out of range", W_ALL, D_BLK, IOERR, B20_out_of_range},
    {"B22 not negotiated", W_ALL, D_BLK, UNSUPP, B22_not_negotiated},
    {"B23 second range is bad", W_ALL, D_BLK, IOERR, B23_second_is_bad},
    {"B25 full ring", W_S, D_BLK, WORKS, B25_full_ring},
    {"T04 reset under way", W_S, D_BLK, IGN, T04_reset_under_way},
    {"B17 data of the wrong kind", W_ALL, D_BLK, IOERR, B17_wrong_kind},
    {0},
};
