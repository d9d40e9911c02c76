// SPDX-License-Identifier: MIT
/*
 * Owns the figures of the memory that a driver gave to queues. Refuses to know what goes through
 * them.
 */
#include <stdio.h>
#include <stdlib.h>

#include "virtio/spec.h"
#include "vmm/base/bits.h"
#include "vmm/compare-collect.h"

enum { PAGE = 4096 };

struct area {
    uint64_t at, len;
};

static int by_place(const void *a, const void *b)
{
    const struct area *x = (const struct area *)a, *y = (const struct area *)b;

    return (x->at > y->at) - (x->at < y->at);
}

/* Whole pages that hold something of it. */
static uint64_t area_pages(const struct area area[3])
{
    uint64_t pages = 0, next = 0; /* next: the first page that is not counted */

    for (unsigned k = 0; k < 3; k++) {
        const uint64_t first = area[k].at / PAGE, last = (area[k].at + area[k].len - 1) / PAGE;

        if (last < next)
            continue;
        pages += last - (first > next ? first : next) + 1;
        next = last + 1;
    }
    return pages;
}

/* Between the parts of a split ring, which drivers allocate in one piece; those of a packed one are
 * apart, however near each other they happen to be. */
static uint64_t area_padding(const struct area area[3])
{
    uint64_t padding = 0;

    for (unsigned k = 1; k < 3; k++) {
        const uint64_t end = area[k - 1].at + area[k - 1].len;

        if (area[k].at > end && area[k].at - end < PAGE)
            padding += area[k].at - end;
    }
    return padding;
}

static void ring(const struct seen *s, unsigned i, struct figures *to)
{
    const struct figure_place at = {s->name, "rings", RANK_RINGS};
    const bool packed = s->accepted[0] >> VIRTIO_F_RING_PACKED & 1;
    const uint64_t n = s->queue[i].size;
    struct area area[] = {{s->queue[i].desc, 16 * n},
                          {s->queue[i].driver, packed ? 4 : 6 + 2 * n},
                          {s->queue[i].device, packed ? 4 : 6 + 8 * n}};
    const uint64_t sum = area[0].len + area[1].len + area[2].len;
    uint64_t padding;
    char name[FIGURE_NAME];

    qsort(area, ARRAY_SIZE(area), sizeof(area[0]), by_place);
    padding = packed ? 0 : area_padding(area);
    snprintf(name, sizeof(name), "queue %u size", i);
    figures_number(to, &at, name, UNIT_COUNT, (double)n);
    snprintf(name, sizeof(name), "queue %u memory", i);
    figures_number(to, &at, name, UNIT_BYTES, (double)(sum + padding));
    snprintf(name, sizeof(name), "queue %u padding in it", i);
    figures_number(to, &at, name, UNIT_BYTES, (double)padding);
    snprintf(name, sizeof(name), "queue %u in whole pages", i);
    figures_number(to, &at, name, UNIT_BYTES, (double)(area_pages(area) * PAGE));
}

void seen_rings(const struct seen *s, struct figures *to)
{
    for (unsigned i = 0; i < SEEN_QUEUES; i++)
        if (s->queue[i].size)
            ring(s, i, to);
}
