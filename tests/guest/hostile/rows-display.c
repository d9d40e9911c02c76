// SPDX-License-Identifier: MIT
/* U, I: what is particular to a GPU and to a keyboard. And C13. */
#include "tests/guest/hostile/hostile.h"

enum {
    BUFFER = 0x4000,
    ANSWER = 0x5000,
    HEADER = 24,
    CREATE_2D = 0x101,
    UNREF,
    SET_SCANOUT,
    FLUSH,
    TRANSFER,
    ATTACH,
    DETACH,
    CAPSET_INFO,
    CAPSET,
    EDID,
    UPDATE_CURSOR = 0x300,
    MOVE_CURSOR,
    OK = 0x1100,
    UNSPEC = 0x1200,
    NO_MEMORY,
    BAD_SCANOUT,
    BAD_RESOURCE,
    BAD_PARAMETER = 0x1205,
    FORMAT = 2,
    SIDE = 64,
    BYTES = SIDE * SIDE * 4,
    PAGE = 0x100000, /* of guest memory, the first one above the old world's */
    EVENTS = 0,
    LIGHTS = 1,
    EVENT = 8,
};

static uint64_t at(struct dev *d, unsigned off)
{
    return (uint64_t)(uintptr_t)(d->data + off);
}

/* ---- U ---- */

/* What a command of len bytes is answered; 0: nothing. */
static uint32_t sent(struct dev *d, unsigned queue, uint32_t len)
{
    volatile uint32_t *answer = (volatile uint32_t *)(void *)(d->data + ANSWER);
    const struct piece p[] = {{at(d, BUFFER), len, 0, 0}, {at(d, ANSWER), 2048, WRITE, 0}};

    *answer = 0;
    chain_put(&d->q[queue], p, 2);
    return answer_of(&d->q[queue]) == WORKS ? *answer : 0;
}

static uint32_t command(struct dev *d, unsigned queue, uint32_t type, const uint32_t *word,
                        unsigned n)
{
    uint32_t *out = (uint32_t *)(void *)(d->data + BUFFER);

    memset(out, 0, HEADER);
    out[0] = type;
    memcpy(out + HEADER / 4, word, 4 * n);
    return sent(d, queue, HEADER + 4 * n);
}

#define WORDS(...) (const uint32_t[]){__VA_ARGS__}, sizeof((const uint32_t[]){__VA_ARGS__}) / 4

#define GPU_DO(d, type, ...) command(d, 0, type, WORDS(__VA_ARGS__))

static uint32_t create(struct dev *d, uint32_t id, uint32_t w, uint32_t h)
{
    return GPU_DO(d, CREATE_2D, id, FORMAT, w, h);
}

static uint32_t attach(struct dev *d, uint32_t id, uint64_t addr, uint32_t len)
{
    return GPU_DO(d, ATTACH, id, 1, (uint32_t)addr, (uint32_t)(addr >> 32), len, 0);
}

static uint32_t transfer(struct dev *d, uint32_t id, uint32_t w, uint32_t h, uint64_t from)
{
    return GPU_DO(d, TRANSFER, 0, 0, w, h, (uint32_t)from, (uint32_t)(from >> 32), id, 0);
}

static uint32_t scanout(struct dev *d, uint32_t screen, uint32_t id, uint32_t w, uint32_t h)
{
    return GPU_DO(d, SET_SCANOUT, 0, 0, w, h, screen, id);
}

static uint32_t flush(struct dev *d, uint32_t id, uint32_t w, uint32_t h)
{
    return GPU_DO(d, FLUSH, 0, 0, w, h, id, 0);
}

static uint32_t unref(struct dev *d, uint32_t id)
{
    return GPU_DO(d, UNREF, id, 0);
}

/* A picture, as an ordinary driver makes it. */
static bool picture(struct dev *d)
{
    return create(d, 7, SIDE, SIDE) == OK && attach(d, 7, PAGE, BYTES) == OK &&
           transfer(d, 7, SIDE, SIDE, 0) == OK && scanout(d, 0, 7, SIDE, SIDE) == OK &&
           flush(d, 7, SIDE, SIDE) == OK && unref(d, 7) == OK;
}

static enum answer U01_ids(struct dev *d)
{
    EXPECT(create(d, 0, 16, 16) == BAD_RESOURCE);
    EXPECT(create(d, 1, 16, 16) == OK);
    EXPECT(create(d, 1, 16, 16) == BAD_RESOURCE);
    EXPECT(unref(d, 2) == BAD_RESOURCE && unref(d, 0) == BAD_RESOURCE);
    EXPECT(attach(d, 0xffffffff, PAGE, 16) == BAD_RESOURCE);
    EXPECT(GPU_DO(d, DETACH, 2, 0) == BAD_RESOURCE);
    EXPECT(transfer(d, 2, 1, 1, 0) == BAD_RESOURCE && flush(d, 2, 1, 1) == BAD_RESOURCE);
    EXPECT(scanout(d, 0, 2, 16, 16) == BAD_RESOURCE);
    EXPECT(unref(d, 1) == OK && unref(d, 1) == BAD_RESOURCE);
    EXPECT(picture(d));
    return REPLY_ERR;
}

static enum answer U02_sizes(struct dev *d)
{
    static const uint32_t size[][2] = {{0xffffffff, 0xffffffff}, {0x80000000, 2}, {0x40000000, 4},
                                       {0x10000, 0x10000},       {1, 0xffffffff}, {0x40000001, 1}};
    uint32_t n = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(size); i++)
        EXPECT(create(d, 1, size[i][0], size[i][1]) == NO_MEMORY);
    EXPECT(create(d, 1, 0, 16) == BAD_PARAMETER && create(d, 1, 16, 0) == BAD_PARAMETER);
    while (n < 100 && create(d, n + 1, 2048, 2048) == OK) /* 16 MiB each */
        n++;
    EXPECT(n > 0 && n <= 16);
    EXPECT(create(d, n + 1, 2048, 2048) == NO_MEMORY);
    for (uint32_t i = 1; i <= n; i++)
        EXPECT(unref(d, i) == OK);
    EXPECT(picture(d));
    return REPLY_ERR;
}

static enum answer U04_backing(struct dev *d)
{
    static const uint64_t bad[] = {UINT64_C(1) << 40, RAM_END - 100, UINT64_MAX - 50,
                                   0xe8000000,        0xfee00000,    0x4000000};

    EXPECT(create(d, 1, 16, 16) == OK);
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        EXPECT(attach(d, 1, bad[i], 1024) == UNSPEC);
        EXPECT(GPU_DO(d, ATTACH, 1, 2, PAGE, 0, 512, 0, (uint32_t)bad[i], (uint32_t)(bad[i] >> 32),
                      1024, 0) == UNSPEC);
        EXPECT(GPU_DO(d, DETACH, 1, 0) == UNSPEC); /* nothing is left of the good one */
    }
    EXPECT(attach(d, 1, PAGE, UINT32_MAX) == UNSPEC);
    EXPECT(GPU_DO(d, ATTACH, 1, 2, PAGE, 0, 512, 0) == UNSPEC); /* the second is not there */
    EXPECT(GPU_DO(d, ATTACH, 1, 0xffffffff, PAGE, 0, 512, 0) == UNSPEC);
    EXPECT(unref(d, 1) == OK);
    EXPECT(picture(d));
    return REPLY_ERR;
}

static enum answer U05_lives(struct dev *d)
{
    for (unsigned i = 0; i < 10; i++) {
        EXPECT(create(d, 1, SIDE, SIDE) == OK);
        EXPECT(attach(d, 1, PAGE, BYTES) == OK && attach(d, 1, PAGE, BYTES) == UNSPEC);
        EXPECT(scanout(d, 0, 1, SIDE, SIDE) == OK);
        if (i % 2)
            EXPECT(GPU_DO(d, DETACH, 1, 0) == OK);
        EXPECT(unref(d, 1) == OK); /* while it is on the screen */
    }
    EXPECT(flush(d, 1, 1, 1) == BAD_RESOURCE);
    EXPECT(create(d, 1, SIDE, SIDE) == OK && scanout(d, 0, 1, SIDE, SIDE) == OK);
    EXPECT(dev_start(d, d->way, ALL)); /* likewise */
    EXPECT(picture(d));
    return REPLY_ERR;
}

static enum answer U07_transfers(struct dev *d)
{
    static const uint64_t from[] = {4, BYTES, BYTES - 3, UINT64_MAX, UINT64_C(1) << 32};

    EXPECT(create(d, 1, SIDE, SIDE) == OK);
    EXPECT(transfer(d, 1, 1, 1, 0) == UNSPEC); /* no backing */
    EXPECT(attach(d, 1, PAGE, BYTES) == OK);
    for (unsigned i = 0; i < ARRAY_SIZE(from); i++)
        EXPECT(transfer(d, 1, SIDE, SIDE, from[i]) == BAD_PARAMETER);
    EXPECT(transfer(d, 1, SIDE + 1, SIDE, 0) == BAD_PARAMETER);
    EXPECT(transfer(d, 1, 0, SIDE, 0) == BAD_PARAMETER);
    EXPECT(GPU_DO(d, TRANSFER, 0xffffffff, 0, 2, 2, 0, 0, 1, 0) == BAD_PARAMETER);
    EXPECT(flush(d, 1, SIDE, SIDE + 1) == BAD_PARAMETER);
    EXPECT(GPU_DO(d, FLUSH, 1, 1, 0xffffffff, 0xffffffff, 1, 0) == BAD_PARAMETER);
    EXPECT(unref(d, 1) == OK);
    EXPECT(picture(d));
    return REPLY_ERR;
}

static enum answer U08_scanouts(struct dev *d)
{
    EXPECT(create(d, 1, SIDE, SIDE) == OK);
    EXPECT(scanout(d, 1, 1, SIDE, SIDE) == BAD_SCANOUT); /* there is one screen */
    EXPECT(scanout(d, 0xffffffff, 0, SIDE, SIDE) == BAD_SCANOUT);
    EXPECT(scanout(d, 0, 1, 15, SIDE) == BAD_PARAMETER);
    EXPECT(scanout(d, 0, 1, SIDE, SIDE + 1) == BAD_PARAMETER);
    EXPECT(GPU_DO(d, SET_SCANOUT, 0xffffffff, 0xffffffff, SIDE, SIDE, 0, 1) == BAD_PARAMETER);
    EXPECT(unref(d, 1) == OK);
    EXPECT(picture(d));
    return REPLY_ERR;
}

/* What there is not, what is the other queue's, and what is cut short at each word. */
static enum answer U10_commands(struct dev *d)
{
    static const uint32_t unknown[] = {0,     0xff,  CAPSET_INFO, CAPSET, 0x10b,     0x10c,
                                       0x10d, 0x10e, 0x200,       0x302,  0xffffffff};
    static const uint32_t known[] = {CREATE_2D, UNREF,  SET_SCANOUT, FLUSH,         TRANSFER,
                                     ATTACH,    DETACH, EDID,        UPDATE_CURSOR, MOVE_CURSOR};
    static const uint8_t words[] = {4, 2, 6, 6, 8, 2, 2, 2, 8, 8};
    const uint32_t zero[16] = {0};

    for (unsigned i = 0; i < ARRAY_SIZE(unknown); i++) /* U13 */
        for (unsigned queue = 0; queue < 2; queue++)
            EXPECT(command(d, queue, unknown[i], zero, 16) == UNSPEC);
    for (unsigned i = 0; i < ARRAY_SIZE(known); i++) {
        const unsigned queue = known[i] >= UPDATE_CURSOR;

        EXPECT(command(d, !queue, known[i], zero, 8) == UNSPEC);
        for (unsigned n = 0; n < words[i]; n++)
            EXPECT(command(d, queue, known[i], zero, n) == UNSPEC);
        for (uint32_t len = 1; len < HEADER; len += 7)
            EXPECT(sent(d, queue, len) == UNSPEC);
    }
    EXPECT(picture(d));
    return REPLY_ERR;
}

static uint32_t cursor(struct dev *d, uint32_t screen, uint32_t id)
{
    return command(d, 1, UPDATE_CURSOR, WORDS(screen, 5, 5, 0, id, 0xffffffff, 64, 0));
}

static enum answer U11_cursors(struct dev *d)
{
    EXPECT(create(d, 1, 64, 63) == OK && create(d, 2, 64, 64) == OK);
    EXPECT(cursor(d, 0, 1) == BAD_PARAMETER);
    EXPECT(cursor(d, 0, 3) == BAD_RESOURCE);
    EXPECT(cursor(d, 1, 2) == BAD_SCANOUT);
    EXPECT(command(d, 1, MOVE_CURSOR, WORDS(0xffffffff, 9, 9, 0, 2, 0, 0, 0)) == BAD_SCANOUT);
    EXPECT(cursor(d, 0, 2) == OK);
    EXPECT(unref(d, 2) == OK && unref(d, 1) == OK);
    EXPECT(picture(d));
    return REPLY_ERR;
}

/* ---- I ---- */

static enum answer lights(struct dev *d, uint64_t addr, uint32_t len, uint16_t flags)
{
    chain_put(&d->q[LIGHTS], &(const struct piece){addr, len, flags, 0}, 1);
    return answer_of(&d->q[LIGHTS]);
}

static enum answer I01_lights(struct dev *d)
{
    memset(d->data + BUFFER, 0xff, 0x4000);
    for (uint32_t len = 0; len < EVENT; len++)
        EXPECT(lights(d, at(d, BUFFER), len, 0) == DROP);
    EXPECT(lights(d, at(d, BUFFER), 0x4000, 0) == DROP);
    EXPECT(lights(d, at(d, BUFFER), 0xffffffff, 0) == DROP);
    EXPECT(lights(d, UINT64_C(1) << 40, EVENT, 0) == DROP);
    return lights(d, at(d, BUFFER), EVENT, WRITE);
}

/* n buffers of len bytes each for events, behind those that were offered before. */
static void buffers_offer(struct dev *d, unsigned first, unsigned n, uint32_t len)
{
    for (unsigned i = first; i < first + n; i++) {
        desc_put(&d->q[EVENTS], i, (struct piece){at(d, BUFFER + EVENT * i), len, WRITE, 0});
        avail_put(&d->q[EVENTS], (uint16_t)i);
    }
    queue_ring(&d->q[EVENTS]);
}

/* The user types while there is no buffer; then there are too small ones, and an odd number. */
static enum answer I02_typed_unheard(struct dev *d)
{
    enum { SMALL = 3, GOOD = 33 };
    uint16_t last = 0xffff;
    struct used u;
    unsigned n = 0;

    print("type\n");
    EXPECT(serial_get() == '+');
    buffers_offer(d, 0, SMALL, EVENT - 1);
    for (unsigned i = 0; i < SMALL; i++)
        EXPECT(used_wait(&d->q[EVENTS], &u) && u.len == 0);
    buffers_offer(d, SMALL, GOOD, EVENT);
    cpu_idle(3);
    for (; used_take(&d->q[EVENTS], &u); n++) {
        EXPECT(u.len == EVENT && u.id < SMALL + GOOD);
        last = *(volatile uint16_t *)(void *)(d->data + BUFFER + EVENT * (u.id % QUEUE_SIZE));
    }
    EXPECT(n > 0 && n < GOOD);
    EXPECT(last == 0); /* whole groups: the last one is closed */
    return IGN;
}

static enum answer C13_any_select(struct dev *d)
{
    static const uint8_t known[] = {1, 2, 3, 0x10, 0x11, 0x12};

    for (unsigned select = 0; select < 256; select += select < 0x14 ? 1 : 9)
        for (unsigned sub = 0; sub < 256; sub += sub < 0x16 ? 1 : 29) {
            bool there = false;

            for (unsigned i = 0; i < ARRAY_SIZE(known); i++)
                there |= known[i] == select;
            dev_config_set(d, 0, 1, select);
            dev_config_set(d, 1, 1, sub);
            EXPECT(dev_config(d, 2, 1) <= (there ? 128u : 0));
        }
    for (unsigned off = 2; off < 136; off += 4)
        dev_config_set(d, off, 1, 0xff);
    EXPECT(honest(d));
    return IGN;
}

const struct row rows_display[] = {
    {"U01 ids", W_M, D_GPU, REPLY_ERR, U01_ids},
    {"U02 sizes", W_M, D_GPU, REPLY_ERR, U02_sizes},
    {"U04 backing nowhere", W_M, D_GPU, REPLY_ERR, U04_backing},
    {"U05 lives", W_M, D_GPU, REPLY_ERR, U05_lives},
    {"U07 transfers", W_M, D_GPU, REPLY_ERR, U07_transfers},
    {"U08 scanouts", W_M, D_GPU, REPLY_ERR, U08_scanouts},
    {"U10 U13 commands", W_M, D_GPU, REPLY_ERR, U10_commands},
    {"U11 cursors", W_M, D_GPU, REPLY_ERR, U11_cursors},
    {"I01 lights", W_M, D_INPUT, DROP, I01_lights},
    {"I02 typed, unheard", W_MS, D_INPUT, IGN, I02_typed_unheard},
    {"C13 any select", W_MS, D_INPUT, IGN, C13_any_select},
    {0},
};
