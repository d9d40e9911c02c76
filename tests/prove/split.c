// SPDX-License-Identifier: MIT
/*
 * Owns the contents that a split ring (2.7) is tried with, and what is to become of each. Entries
 * that no walk can reach are left out: they do not matter. Tables have up to 3 entries where they
 * are met at once, fewer behind other descriptors.
 */
#include <stdio.h>
#include <string.h>

#include "tests/prove/prove.h"
#include "vmm/base/bits.h"
#include "vmm/base/le.h"

enum { MOST = 4, TABLE_MOST = 3 };

enum place { INSIDE, ACROSS, OVER, PLACES }; /* where an indirect table is */
static const uint64_t place_at[PLACES] = {TABLE_AT, RAM_B - 16, RAM_END - 16};

/* What a descriptor says. */
struct entry {
    bool set, next, write, indirect;
    unsigned kind;    /* of a buffer */
    uint16_t to;      /* with next */
    enum place place; /* of a table */
    uint32_t bytes;
};

struct table {
    struct entry e[MOST];
    unsigned n;
    uint64_t at;
    unsigned readable; /* entries that are RAM */
};

static struct rig rig;
static struct table ring, inner;
static uint16_t head;
static bool indirect;

static void put(const struct table *t, unsigned i)
{
    const struct entry *e = &t->e[i];
    uint8_t *d;

    if (i >= t->readable)
        return;
    d = rig.ram + (t->at - RAM_A) + (size_t)VIRTQ_DESC_BYTES * i;
    le64_store(d, e->indirect ? place_at[e->place] : kinds[e->kind].addr);
    le32_store(d + 8, e->indirect ? e->bytes : kinds[e->kind].len);
    le16_store(d + 12,
               (uint16_t)((e->next ? VIRTQ_DESC_NEXT : 0) | (e->write ? VIRTQ_DESC_WRITE : 0) |
                          (e->indirect ? VIRTQ_DESC_INDIRECT : 0)));
    le16_store(d + 14, e->to);
}

static void table_show(const char *name, const struct table *t)
{
    for (unsigned i = 0; i < t->n && i < MOST; i++) {
        const struct entry *e = &t->e[i];

        if (e->set)
            fprintf(stderr, "  %s %u: %s%s%s %s, next %u, table of %u bytes, place %u\n", name, i,
                    e->next ? "NEXT " : "", e->write ? "WRITE " : "", e->indirect ? "INDIRECT" : "",
                    kinds[e->kind].name, e->to, e->bytes, e->place);
    }
}

static void show(void)
{
    fprintf(stderr, "split ring of %u, head %u\n", ring.n, head);
    table_show("descriptor", &ring);
    table_show("indirect", &inner);
}

/* The chain at head, by 2.7.5. */
static struct verdict judge(void)
{
    struct verdict v = {.good = false};
    const struct table *t = &ring;
    unsigned i = head;
    bool writes = false;

    for (;;) {
        const struct entry *e;

        if (i >= t->n || i >= t->readable)
            return v;
        e = &t->e[i];
        if (e->indirect) {
            if (!indirect || t == &inner || e->next || !e->bytes || e->bytes % VIRTQ_DESC_BYTES)
                return v;
            t = &inner;
            i = 0;
            continue;
        }
        if (v.steps == ring.n || (writes && !e->write))
            return v;
        writes = e->write;
        verdict_buffer(&v, e->kind, e->write);
        if (!e->next) {
            v.good = true;
            return v;
        }
        i = e->to;
    }
}

static void leaf(void)
{
    const struct verdict v = judge();

    rig_case(&rig, &v);
}

static void entry_try(struct table *t, unsigned i, unsigned depth);

static void entry_set(struct table *t, unsigned i, struct entry e)
{
    e.set = true;
    t->e[i] = e;
    put(t, i);
}

/* The walk comes to i of t. */
static void go(struct table *t, unsigned i, unsigned depth)
{
    if (i >= t->n || i >= t->readable || t->e[i].set)
        leaf();
    else
        entry_try(t, i, depth);
}

static void indirect_try(unsigned i, unsigned depth)
{
    static const uint32_t odd[] = {0, 8, 24};
    const unsigned most = depth ? depth == 1 ? 2 : 1 : TABLE_MOST;

    for (unsigned k = 0; k < ARRAY_SIZE(odd); k++) {
        entry_set(&ring, i, (struct entry){.indirect = true, .bytes = odd[k]});
        leaf();
    }
    for (unsigned n = 1; indirect && n <= most; n++)
        for (enum place place = INSIDE; place < PLACES; place++) {
            entry_set(&ring, i,
                      (struct entry){.indirect = true,
                                     .write = n & 1,
                                     .place = place,
                                     .bytes = n * VIRTQ_DESC_BYTES});
            inner =
                (struct table){.n = n, .at = place_at[place], .readable = place == OVER ? 1 : n};
            entry_try(&inner, 0, 0);
            inner.n = 0;
        }
    if (!indirect) {
        entry_set(&ring, i, (struct entry){.indirect = true, .bytes = VIRTQ_DESC_BYTES});
        leaf();
    }
}

static void buffer_try(struct table *t, unsigned i, unsigned depth, struct entry e)
{
    entry_set(t, i, e);
    leaf();
    e.next = true;
    for (e.to = 0; e.to <= t->n; e.to++) {
        entry_set(t, i, e);
        go(t, e.to, depth + 1);
    }
}

/* All that entry i of t can say. */
static void entry_try(struct table *t, unsigned i, unsigned depth)
{
    for (unsigned kind = 0; kind < KINDS; kind++)
        for (unsigned write = 0; write < 2; write++)
            buffer_try(t, i, depth, (struct entry){.kind = kind, .write = write});
    for (unsigned next = 0; next < 2; next++) {
        entry_set(t, i, (struct entry){.indirect = true, .next = next, .bytes = 16});
        if (next || t == &inner)
            leaf();
    }
    if (t == &ring)
        indirect_try(i, depth);
    t->e[i].set = false;
}

static void heads_try(uint16_t size)
{
    const uint16_t bad[] = {size, 0x7fff, 0xffff};

    le16_store(rig.ram + (DRIVER_AT - RAM_A) + VIRTQ_RING_IDX, 1);
    for (unsigned h = 0; h < size + ARRAY_SIZE(bad); h++) {
        head = h < size ? (uint16_t)h : bad[h - size];
        le16_store(rig.ram + (DRIVER_AT - RAM_A) + VIRTQ_RING_ENTRY, head);
        go(&ring, head, 0);
    }
}

/* Every index that the driver can show at the beginning: at most size more than the last. */
static void indices_try(uint16_t size)
{
    head = 0;
    entry_set(&ring, 0, (struct entry){.kind = 0});
    le16_store(rig.ram + (DRIVER_AT - RAM_A) + VIRTQ_RING_ENTRY, 0);
    for (uint32_t idx = 0; idx <= UINT16_MAX; idx++) {
        struct verdict v = judge();

        if (idx == 0 || idx > size)
            v = (struct verdict){.none = idx == 0};
        le16_store(rig.ram + (DRIVER_AT - RAM_A) + VIRTQ_RING_IDX, (uint16_t)idx);
        rig_case(&rig, &v);
    }
    ring.e[0].set = false;
}

uint64_t prove_split(uint16_t size)
{
    uint64_t cases = 0;

    prove_show = show;
    for (unsigned i = 0; i < 2; i++) {
        indirect = i == 1;
        ring = (struct table){.n = size, .at = DESC_AT, .readable = size};
        rig_make(&rig, indirect ? BIT64(VIRTIO_F_INDIRECT_DESC) : 0, size);
        heads_try(size);
        indices_try(size);
        if (!rig.good || !rig.bad)
            prove_fail("only one kind of chain was met");
        cases += rig.cases;
        rig_free(&rig);
        rig = (struct rig){.dev = NULL};
    }
    return cases;
}
