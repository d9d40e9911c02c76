// SPDX-License-Identifier: MIT
/*
 * What Eva is asked of guest memory and cursors; see rings.c. Numbers are looked at one by one
 * here, for whether a range fits depends on several of them together. RAM is arrays of which only
 * gmem knows that they touch: going on from one into the next is an alarm.
 */
#include "vmm/base/giov.c"
#include "vmm/base/gmem.c"

enum { PIECE = 2, PIECES = 2, CELL = 4, BASE = 0x1000, MOST = 6 };

volatile uint64_t eva_any;
static uint8_t cell_a[CELL], cell_b[CELL], cell_c[CELL], buffer[MOST];
static struct gmem mem;

/* 0 to most, each a case of its own. */
static uint64_t eva_each(uint64_t most)
{
    for (uint64_t i = 0; i < most; i++)
        if (eva_any & 1)
            return i;
    return most;
}

/* ---- cursors ---- */

static struct iovec piece[PIECES];

/* Copies of nothing are left out: Frama-C's contract of memcpy() forbids them at the end of an
 * array, where C does not. Pieces of every length, each of them RAM or not. */
static struct gcur cursor_make(void)
{
    static uint8_t first[PIECE], second[PIECE];
    uint8_t *const at[PIECES] = {first, second};

    for (unsigned i = 0; i < PIECES; i++)
        piece[i] = (struct iovec){eva_each(1) ? at[i] : NULL, eva_each(PIECE)};
    return gcur_make(piece, PIECES, ORDER_LITTLE);
}

void ask_cursor_get(void)
{
    struct gcur c = cursor_make();

    if (gcur_get(&c, buffer, 1 + eva_each(1)))
        gcur_get(&c, buffer, 1 + eva_each(MOST - 2));
}

void ask_cursor_put(void)
{
    struct gcur c = cursor_make();

    if (gcur_skip(&c, eva_each(2)))
        gcur_put(&c, buffer, 1 + eva_each(MOST - 2));
}

void ask_cursor_fill(void)
{
    struct gcur c = cursor_make(), head;

    gcur_is_ram(&c);
    if (gcur_split(&c, eva_each(3), &head)) {
        gcur_fill(&head, 0, eva_each(4));
        gcur_fill(&c, 1, eva_each(4));
    }
}

/* ---- guest memory ---- */

static void region_add(uint8_t *at, uint64_t size, uint64_t gap)
{
    const struct gmem_region *last = mem.n ? &mem.region[mem.n - 1] : NULL;

    mem.region[mem.n] = (struct gmem_region){last ? last->base + last->size + gap : BASE, size, at};
    mem.n++;
}

/* Addresses around two regions that touch, a gap and a third one, and at the ends of the numbers.
 */
static gpa_t address_each(void)
{
    region_add(cell_a, CELL, 0);
    region_add(cell_b, CELL, 0);
    region_add(cell_c, CELL, CELL);
    if (eva_each(1))
        return gpa(eva_each(1) ? eva_each(1) : UINT64_MAX - eva_each(2));
    return gpa(BASE - 1 + eva_each(4 * CELL + 2));
}

void ask_memory_read(void)
{
    const gpa_t at = address_each();

    gmem_read(&mem, at, buffer, eva_each(MOST));
}

void ask_memory_write(void)
{
    const gpa_t at = address_each();

    gmem_write(&mem, at, buffer, eva_each(MOST));
}

void ask_memory_span(void)
{
    const gpa_t at = address_each();
    const uint64_t len = eva_each(MOST);
    uint8_t *host = (uint8_t *)gmem_span(&mem, at, len);

    if (host && len)
        host[0] = host[len - 1] = 1;
}
