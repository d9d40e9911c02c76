// SPDX-License-Identifier: MIT
/*
 * Owns the contents that a packed ring (2.8) is tried with, at every place, with either wrap
 * counter and with up to size - 1 chains in flight, and what is to become of each.
 */
#include <stdio.h>
#include <string.h>

#include "tests/prove/prove.h"
#include "vmm/base/bits.h"
#include "vmm/base/le.h"

enum { MOST = 4, TABLE_MOST = 2, FREE_ID = 77 };

enum place { INSIDE, ACROSS, OVER, PLACES };
static const uint64_t place_at[PLACES] = {TABLE_AT, RAM_B - 16, RAM_END - 16};

struct entry {
    bool next, write, indirect;
    uint16_t owner; /* the two bits, as they are in flags */
    unsigned kind;
    uint16_t id;
    enum place place; /* of a table */
    uint32_t bytes;
};

static struct rig rig;
static struct entry list[MOST]; /* from the next place on */
static struct entry inner[TABLE_MOST];
static unsigned n_list, size, start, held;
static bool wrap; /* the counter at the start */
static bool indirect;

static bool wrap_of(unsigned i)
{
    return wrap ^ (start + i >= size);
}

static uint16_t owner_of(bool counter)
{
    return counter ? PVIRTQ_AVAIL : PVIRTQ_USED;
}

static void desc_put(uint8_t *d, const struct entry *e)
{
    le64_store(d, e->indirect ? place_at[e->place] : kinds[e->kind].addr);
    le32_store(d + 8, e->indirect ? e->bytes : kinds[e->kind].len);
    le16_store(d + 12, e->id);
    le16_store(d + 14, (uint16_t)(e->owner | (e->next ? VIRTQ_DESC_NEXT : 0) |
                                  (e->write ? VIRTQ_DESC_WRITE : 0) |
                                  (e->indirect ? VIRTQ_DESC_INDIRECT : 0)));
}

static uint8_t *slot(unsigned i)
{
    return rig.ram + (DESC_AT - RAM_A) + (size_t)16 * ((start + i) % size);
}

static void show(void)
{
    fprintf(stderr, "packed ring of %u, from place %u on, wrap counter %d, %u in flight\n", size,
            start, wrap, held);
    for (unsigned i = 0; i < n_list; i++)
        fprintf(stderr, "  %u: %s%s%s owner %04x %s, id %u, table of %u bytes\n", i,
                list[i].next ? "NEXT " : "", list[i].write ? "WRITE " : "",
                list[i].indirect ? "INDIRECT" : "", list[i].owner, kinds[list[i].kind].name,
                list[i].id, list[i].bytes);
}

static struct verdict buffers_judge(const struct entry *e, unsigned n)
{
    struct verdict v = {.good = false};
    bool writes = false;

    for (unsigned i = 0; i < n; i++) {
        if (writes && !e[i].write)
            return v;
        writes = e[i].write;
        verdict_buffer(&v, e[i].kind, e[i].write);
    }
    v.good = true;
    return v;
}

/* The list at the start, by 2.8.5 to 2.8.7. */
static struct verdict judge(void)
{
    const struct verdict bad = {.good = false};
    const struct entry *e = list;
    unsigned n = 0, table;

    do {
        e = &list[n % size];
        if (e->owner != owner_of(wrap_of(n)))
            return (struct verdict){.none = n == 0};
        if (held + n >= size)
            return bad;
        if (e->indirect && (n || e->next))
            return bad;
        n++;
    } while (e->next);
    table = e->bytes / 16;
    if (e->indirect &&
        (!indirect || !table || e->bytes % 16 || table > size || (e->place == OVER && table > 1)))
        return bad;
    if (e->id < held)
        return bad; /* in flight */
    return e->indirect ? buffers_judge(inner, table) : buffers_judge(list, n);
}

/* So many chains of one descriptor each, given back or kept. */
static void prelude(unsigned n, bool keep)
{
    for (unsigned i = 0; i < n; i++) {
        const unsigned at = keep ? i : i % size;
        const bool counter = keep ? wrap_of(i) : i < size;
        const struct entry e = {.owner = owner_of(counter), .id = keep ? (uint16_t)i : FREE_ID};
        struct vq_chain *chain;

        desc_put(keep ? slot(at) : rig.ram + (DESC_AT - RAM_A) + (size_t)16 * at, &e);
        chain = vq_pop(rig.vq);
        if (!chain)
            prove_fail("a chain before the case is not taken");
        if (keep) {
            rig.held[rig.n_held++] = chain;
            continue;
        }
        vq_push(chain, 0);
        vq_publish(rig.vq);
    }
}

static unsigned first_place;
static bool first_wrap;

static void leaf(void)
{
    struct verdict v;

    start = first_place;
    wrap = first_wrap;
    memset(rig.ram + (DESC_AT - RAM_A), 0, (size_t)16 * size);
    prelude((wrap ? 0 : size) + start, false);
    prelude(held, true);
    wrap = wrap_of(held);
    start = (start + held) % size;
    for (unsigned i = 0; i < n_list; i++)
        desc_put(slot(i), &list[i]);
    v = judge();
    rig_case(&rig, &v);
}

static void table_leaf(unsigned n, enum place place)
{
    for (unsigned i = 0; i < n && (place != OVER || !i); i++)
        desc_put(rig.ram + (place_at[place] - RAM_A) + (size_t)16 * i, &inner[i]);
    leaf();
}

static void table_try(unsigned i, unsigned n, enum place place)
{
    if (i == n) {
        table_leaf(n, place);
        return;
    }
    for (unsigned k = 0; k < 2 * KINDS; k++) {
        /* flags other than WRITE mean nothing in a table: 2.8.7-d2 */
        inner[i] = (struct entry){.kind = k / 2, .write = k & 1, .next = k & 2};
        table_try(i + 1, n, place);
    }
}

static void indirect_try(unsigned i, uint16_t owner)
{
    const uint32_t odd[] = {0, 8, 24, 16 * (size + 1), UINT32_MAX - 15};

    for (unsigned k = 0; k < ARRAY_SIZE(odd); k++) {
        list[i] = (struct entry){.indirect = true, .owner = owner, .id = FREE_ID, .bytes = odd[k]};
        leaf();
    }
    list[i] = (struct entry){.indirect = true, .next = true, .owner = owner, .bytes = 16};
    leaf();
    for (unsigned n = 1; n <= TABLE_MOST && n <= size && i == 0; n++)
        for (enum place place = INSIDE; place < PLACES; place++) {
            list[i] = (struct entry){.indirect = true,
                                     .write = n & 1,
                                     .owner = owner,
                                     .id = FREE_ID,
                                     .place = place,
                                     .bytes = n * 16};
            table_try(0, n, place);
        }
}

/* Descriptor i is reached: all that it can say. */
static void entry_try(unsigned i)
{
    static const uint16_t ids[] = {FREE_ID, 0, 1, UINT16_MAX};
    static const uint16_t owners[] = {0, PVIRTQ_AVAIL, PVIRTQ_USED, PVIRTQ_AVAIL | PVIRTQ_USED};

    if (i == size) {
        leaf();
        return;
    }
    n_list = i + 1;
    for (unsigned o = 0; o < 4; o++) {
        const bool mine = owners[o] == owner_of(first_wrap ^ (first_place + held + i >= size) ^
                                                (first_place + held + i >= 2 * size));

        list[i] = (struct entry){.owner = owners[o], .id = FREE_ID};
        if (!mine) {
            leaf();
            continue;
        }
        for (unsigned k = 0; k < 2 * KINDS; k++) {
            for (unsigned id = 0; id < ARRAY_SIZE(ids); id++) {
                list[i] = (struct entry){
                    .kind = k / 2, .write = k & 1, .owner = owners[o], .id = ids[id]};
                leaf();
            }
            list[i].next = true;
            entry_try(i + 1);
            n_list = i + 1;
        }
        indirect_try(i, owners[o]);
    }
}

uint64_t prove_packed(uint16_t ring_size)
{
    uint64_t cases = 0;

    prove_show = show;
    size = ring_size;
    for (unsigned i = 0; i < 2; i++) {
        indirect = i == 1;
        rig_make(&rig, BIT64(VIRTIO_F_RING_PACKED) | (indirect ? BIT64(VIRTIO_F_INDIRECT_DESC) : 0),
                 ring_size);
        for (held = 0; held <= size; held++)
            for (unsigned at = 0; at < 2 * size; at++) {
                first_place = at % size;
                first_wrap = at < size;
                entry_try(0);
            }
        if (!rig.good || !rig.bad)
            prove_fail("only one kind of list was met");
        cases += rig.cases;
        rig_free(&rig);
        rig = (struct rig){.dev = NULL};
    }
    return cases;
}
