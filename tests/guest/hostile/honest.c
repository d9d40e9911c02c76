// SPDX-License-Identifier: MIT
/* Owns one ordinary request of each device type, and what an answer to any request says. */
#include "tests/guest/hostile/hostile.h"

enum { SECONDS = 20, SILENCE = 4 };

const char *const answer_name[] = {"works",  "NR",  "DROP",      "IOERR",
                                   "UNSUPP", "IGN", "reply ERR", "nothing"};

bool dev_failed(struct dev *d)
{
    return d->way != LEGACY_SPLIT && (dev_status(d) & S_NEEDS_RESET);
}

struct queue *dev_queue(struct dev *d)
{
    static const uint8_t out[KINDS] = {
        [BLK] = 0, [NET] = 1, [CONSOLE] = 1, [RNG] = 0, [BALLOON] = 0};

    return &d->q[out[d->kind]];
}

static uint64_t mem(const void *p)
{
    return (uint64_t)(uintptr_t)p;
}

/* Sector n of the disk is full of n, 32-bit words. */
bool blk_read(struct dev *d, uint64_t sector)
{
    uint32_t *header = (uint32_t *)(void *)(d->data + 0x8000), *in = header + 64;
    volatile uint8_t *status = (uint8_t *)in + 512;
    const struct piece p[] = {{mem(header), 16, 0, 0},
                              {mem(in), 512, WRITE, 0},
                              {mem((const void *)status), 1, WRITE, 0}};
    struct used u;

    memset(header, 0, 0x1000);
    memcpy(header + 2, &sector, 8);
    *status = POISON;
    chain_put(&d->q[0], p, 3);
    queue_ring(&d->q[0]);
    return used_wait(&d->q[0], &u) && u.len == 513 && !*status && in[0] == (uint32_t)sector &&
           in[127] == (uint32_t)sector;
}

static bool buffer_used(struct dev *d, unsigned len, uint16_t flags, uint32_t least)
{
    const struct piece p = {mem(d->data + 0x8000), len, flags, 0};
    struct queue *q = dev_queue(d);
    struct used u;

    chain_put(q, &p, 1);
    queue_ring(q);
    return used_wait(q, &u) && u.len >= least;
}

bool honest(struct dev *d)
{
    memset(d->data + 0x8000, 0, 0x1000);
    switch (d->kind) {
    case BLK:
        return blk_read(d, 7);
    case RNG:
        return buffer_used(d, 32, WRITE, 1);
    case CONSOLE:
        d->data[0x8000] = '.';
        return buffer_used(d, 1, 0, 0);
    case NET:
        memset(d->data + 0x8000 + 12, 0xff, 6);
        return buffer_used(d, 12 + 60, 0, 0);
    default: /* the page that holds 8 MiB, which nobody else needs */
        *(uint32_t *)(void *)(d->data + 0x8000) = 0x2800;
        return buffer_used(d, 4, 0, 0);
    }
}

bool silence_wanted;

enum answer answer_of(struct queue *q)
{
    /* where a failure shows in nothing but silence, that it is expected makes it a short one */
    const bool mute = q->d->way == LEGACY_SPLIT;
    const uint32_t began = ticks,
                   most = mute && silence_wanted ? SILENCE : SECONDS * TICKS_PER_SECOND;
    struct used u;

    queue_ring(q);
    while (!used_take(q, &u)) {
        if (dev_failed(q->d))
            return NR;
        if (ticks - began > most)
            return mute ? NR : NOTHING;
        if (mute)
            cpu_idle(1);
    }
    return u.len ? WORKS : DROP;
}

enum answer answer_blk(struct queue *q, const volatile uint8_t *status)
{
    static const enum answer by_status[] = {WORKS, IOERR, UNSUPP};
    const enum answer a = answer_of(q);

    if (a != WORKS && a != DROP)
        return a;
    return *status < ARRAY_SIZE(by_status) ? by_status[*status] : DROP;
}
