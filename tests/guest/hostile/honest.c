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
        [BLK] = 0, [NET] = 1, [CONSOLE] = 1, [RNG] = 0, [BALLOON] = 0, [GPU] = 0, [INPUT] = 1};

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

/* What screens are there? */
static bool gpu_info(struct dev *d)
{
    enum { GET_DISPLAY_INFO = 0x100, OK_DISPLAY_INFO = 0x1101, HEADER = 24, BYTES = 24 + 16 * 24 };
    uint32_t *out = (uint32_t *)(void *)(d->data + 0x8000);
    volatile uint32_t *in = out + 64;
    const struct piece p[] = {{mem(out), HEADER, 0, 0}, {mem((const void *)in), BYTES, WRITE, 0}};
    struct used u;

    *out = GET_DISPLAY_INFO;
    chain_put(dev_queue(d), p, 2);
    queue_ring(dev_queue(d));
    return used_wait(dev_queue(d), &u) && u.len == BYTES && *in == OK_DISPLAY_INFO;
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
    case GPU:
        return gpu_info(d);
    case INPUT: /* an event of no type that it knows */
        return buffer_used(d, 8, 0, 0);
    case NET:
        memset(d->data + 0x8000 + 12, 0xff, 6);
        return buffer_used(d, 12 + 60, 0, 0);
    default: /* the page that holds 8 MiB, which nobody else needs */
        *(uint32_t *)(void *)(d->data + 0x8000) = 0x2800;
        return buffer_used(d, 4, 0, 0);
    }
}

void request_put(struct dev *d)
{
    uint32_t *p = (uint32_t *)(void *)(d->data + 0x4000);
    const uint64_t at = (uint64_t)(uintptr_t)p;
    const struct piece one = {at, d->kind == INPUT ? 8 : 64, d->kind == RNG ? WRITE : 0, 0};
    const struct piece two[] = {{at, d->kind == BLK ? 16 : 24, 0, 0}, {at + 64, 513, WRITE, 0}};

    memset(p, 0, 1024);
    chain_put(dev_queue(d), d->kind == BLK || d->kind == GPU ? two : &one,
              d->kind == BLK || d->kind == GPU ? 2 : 1);
}

bool request_done(struct dev *d)
{
    struct used u;

    return used_wait(dev_queue(d), &u);
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
