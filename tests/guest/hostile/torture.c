// SPDX-License-Identifier: MIT
/*
 * Owns the run that looks for lost data: records with a number each are written and flushed one
 * after the other, and what the device acknowledged is told: A both done, W the write refused, F
 * the flush refused. It goes on until somebody ends vmm.
 */
#include "tests/guest/hostile/hostile.h"

enum { T_OUT = 1, T_FLUSH = 4, RECORD = 4096, RECORDS = 16384 };

static uint64_t mem(const void *p)
{
    return (uint64_t)(uintptr_t)p;
}

/* One request; its status, or POISON if none came back. */
static uint8_t request(struct dev *d, uint32_t type, uint64_t sector, uint32_t len)
{
    volatile uint8_t *status = d->data + 0x2000;
    struct piece p[] = {{mem(d->data), 16, 0, 0},
                        {mem(d->data + 0x1000), len, 0, 0},
                        {mem(d->data + 0x2000), 1, WRITE, 0}};
    struct used u;

    memset(d->data, 0, 16);
    memcpy(d->data, &type, 4);
    memcpy(d->data + 8, &sector, 8);
    *status = POISON;
    if (!len)
        p[1] = p[2];
    chain_put(&d->q[0], p, len ? 3 : 2);
    queue_ring(&d->q[0]);
    return used_wait(&d->q[0], &u) ? *status : POISON;
}

void torture(struct dev *d, uint32_t first)
{
    uint32_t *record = (uint32_t *)(void *)(d->data + 0x1000);

    for (uint32_t n = first; n < RECORDS; n++) {
        uint8_t wrote, flushed;

        for (unsigned i = 0; i < RECORD / 4; i++)
            record[i] = n * 2654435761u + i;
        wrote = request(d, T_OUT, (uint64_t)n * (RECORD / 512), RECORD);
        flushed = request(d, T_FLUSH, 0, 0);
        print("%s%u\n", wrote ? "W" : flushed ? "F" : "A", n);
    }
    print("all\n");
    cpu_off();
}
