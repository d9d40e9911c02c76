// SPDX-License-Identifier: MIT
/* B: block requests. */
#include "tests/guest/hostile/hostile.h"

enum { T_IN = 0, T_OUT = 1, T_FLUSH = 4, T_GET_ID = 8, SECTORS = 16384 };

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
    {"B17 data of the wrong kind", W_ALL, D_BLK, IOERR, B17_wrong_kind},
    {0},
};
