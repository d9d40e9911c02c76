// SPDX-License-Identifier: MIT
/*
 * Owns the run that looks for lost data: records with a number each are written, several at once,
 * and flushed while the next ones are under way. What the device acknowledged is told: A both
 * done, W the write refused, F the flush refused. A flush counts for what was written before it
 * was asked for. It goes on until somebody ends vmm.
 */
#include "tests/guest/hostile/hostile.h"

enum { T_OUT = 1, T_FLUSH = 4, RECORD = 4096, RECORDS = 16384 };
enum { BATCH = 4, FLUSH = 2 * BATCH, SLOTS };
enum { HEADERS = 0, STATUS = 0x800, DATA = 0x1000 };

static unsigned under_way; /* a bit for each slot */

static uint64_t at(const struct dev *d, unsigned off)
{
    return (uint64_t)(uintptr_t)(d->data + off);
}

/* In the descriptors of its slot; the bell is not rung. */
static void request(struct dev *d, unsigned slot, uint32_t type, uint64_t sector)
{
    const uint16_t first = (uint16_t)(3 * slot), last = (uint16_t)(first + 2);
    uint8_t *header = d->data + HEADERS + 16 * slot;
    const bool data = type == T_OUT;

    memset(header, 0, 16);
    memcpy(header, &type, 4);
    memcpy(header + 8, &sector, 8);
    d->data[STATUS + slot] = POISON;
    desc_put(
        &d->q[0], first,
        (struct piece){at(d, HEADERS + 16 * slot), 16, NEXT, data ? (uint16_t)(first + 1) : last});
    desc_put(&d->q[0], first + 1u, (struct piece){at(d, DATA + RECORD * slot), RECORD, NEXT, last});
    desc_put(&d->q[0], last, (struct piece){at(d, STATUS + slot), 1, WRITE, 0});
    avail_put(&d->q[0], first);
    under_way |= 1u << slot;
}

static void records_write(struct dev *d, uint32_t n)
{
    for (uint32_t last = n + BATCH; n < last; n++) {
        const unsigned slot = n % (2 * BATCH);
        uint32_t *record = (uint32_t *)(void *)(d->data + DATA + RECORD * slot);

        for (unsigned i = 0; i < RECORD / 4; i++)
            record[i] = n * 2654435761u + i;
        request(d, slot, T_OUT, (uint64_t)n * (RECORD / 512));
    }
}

/* Until none of these slots is under way; what comes for others is noted. */
static void slots_wait(struct dev *d, unsigned slots)
{
    struct used u;

    while (under_way & slots) {
        if (!used_wait(&d->q[0], &u) || u.id % 3 || !(under_way & 1u << u.id / 3)) {
            print("lost a request\n");
            cpu_off();
        }
        under_way &= ~(1u << u.id / 3);
    }
}

static void records_tell(const struct dev *d, uint32_t n)
{
    const volatile uint8_t *status = d->data + STATUS;

    for (uint32_t last = n + BATCH; n < last; n++)
        print("%s%u\n", status[n % (2 * BATCH)] ? "W" : status[FLUSH] ? "F" : "A", n);
}

void torture(struct dev *d, uint32_t first)
{
    uint32_t n = first - first % (2 * BATCH);

    records_write(d, n);
    queue_ring(&d->q[0]);
    for (; n + 2 * BATCH <= RECORDS; n += BATCH) {
        const unsigned batch = ((1u << BATCH) - 1) << n % (2 * BATCH);

        slots_wait(d, batch);
        request(d, FLUSH, T_FLUSH, 0);
        records_write(d, n + BATCH);
        queue_ring(&d->q[0]);
        slots_wait(d, 1u << FLUSH);
        records_tell(d, n);
    }
    print("all\n");
    cpu_off();
}
