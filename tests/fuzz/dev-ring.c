// SPDX-License-Identifier: MIT
/*
 * Owns the targets of what all devices share: rings of either layout, and the PCI function with its
 * registers. Rings are those of the echo device, which may hold what it popped.
 */
#include <stdio.h>

#include "tests/driver/echo.h"
#include "tests/fuzz/dev.h"
#include "tests/fuzz/targets.h"
#include "vmm/base/bits.h"

static void echo_host(struct bench *b, struct fuzz_in *in)
{
    const uint8_t what = fuzz_u8(in);

    if (what % 4 == 0)
        echo_set_hold(b, (enum echo_hold)(what / 4 % 3));
    else if (what % 4 == 1)
        echo_release(b, what / 4);
    else if (what % 4 == 2 && echo_held(b))
        echo_release_last(b);
    else
        echo_resize(b, what);
}

static void echo_calm(struct bench *b)
{
    echo_set_hold(b, ECHO_AT_ONCE);
    echo_release_batch(b, echo_held(b));
}

static void echo_answers(struct bench *b)
{
    for (unsigned i = 0; i < b->d.n_queues; i++)
        echo_works(b, i, 40);
}

static const enum fuzz_op ring_ops[] = {
    OP_REQUEST, OP_DESC, OP_DESC, OP_DESC, OP_AVAIL, OP_AVAIL,     OP_INDEX, OP_POKE, OP_POKE,
    OP_KICK,    OP_KICK, OP_TURN, OP_TURN, OP_TAKE,  OP_REG_WRITE, OP_HOST,  OP_INIT,
};

static const enum fuzz_op pci_ops[] = {
    OP_REG_WRITE, OP_REG_WRITE, OP_REG_WRITE, OP_REG_READ, OP_PCI,  OP_PCI,
    OP_PCI,       OP_PCI,       OP_BAR,       OP_BAR,      OP_BUS,  OP_TURN,
    OP_KICK,      OP_REQUEST,   OP_INIT,      OP_HOST,     OP_TAKE,
};

static const struct fuzz_request echoes[] = {
    FUZZ_REQUEST(0, 16, "there and back"),
    {1, 0x22, 64, 40, "in pieces: 0123456789012345678901234567890"},
    FUZZ_REQUEST(2, 0, "x"),
    FUZZ_REQUEST(0, 5, ""),
};

#define ECHO_DEV(ops, layout)                                                                      \
    {                                                                                              \
        .kind = &echo_kind, .op = ops, .n_ops = ARRAY_SIZE(ops), .ring = layout,                   \
        .request = echoes, .n_requests = ARRAY_SIZE(echoes), .host = echo_host, .calm = echo_calm, \
        .works = echo_answers                                                                      \
    }

static const struct fuzz_dev split = ECHO_DEV(ring_ops, &ring_split);
static const struct fuzz_dev packed = ECHO_DEV(ring_ops, &ring_packed);
static const struct fuzz_dev echo_pci = ECHO_DEV(pci_ops, NULL);

/* ---- rings ---- */

static void split_run(const uint8_t *data, size_t len)
{
    struct fuzz_in in = {data, len};

    fuzz_dev_run(&split, &in);
}

static void packed_run(const uint8_t *data, size_t len)
{
    struct fuzz_in in = {data, len};

    fuzz_dev_run(&packed, &in);
}

/* A descriptor at slot of queue 0 that points into data. */
static void desc_put(struct fuzz_out *out, const struct fuzz_dev *dev, uint8_t slot, uint8_t off,
                     uint8_t len, uint8_t flags, uint8_t next)
{
    fuzz_put_op(out, dev, OP_DESC);
    fuzz_put(out, (const uint8_t[]){0, slot, 0, off, len, flags, next}, 7);
}

static void show_put(struct fuzz_out *out, const struct fuzz_dev *dev, uint8_t head)
{
    if (dev->ring == &ring_split) {
        fuzz_put_op(out, dev, OP_AVAIL);
        fuzz_put(out, (const uint8_t[]){0, head}, 2);
    }
    fuzz_put_op(out, dev, OP_KICK);
    fuzz_put_num(out, 0, 1);
    fuzz_put_op(out, dev, OP_TURN);
}

enum { NEXT = VIRTQ_DESC_NEXT, WRITE = VIRTQ_DESC_WRITE, TABLE = VIRTQ_DESC_INDIRECT, SHOWN = 32 };

struct ring_seed {
    const char *name;
    struct {
        uint8_t slot, off, len, flags, next;
    } d[4];
    unsigned n;
    uint8_t head;
};

/* Those with bit 7 in slot lie in the table at the start of data. */
static const struct ring_seed ring_seeds[] = {
    {"chain", {{1, 80, 16, NEXT, 2}, {2, 96, 16, WRITE, 0}}, 2, 1},
    {"d01-self-loop", {{1, 80, 16, NEXT, 1}}, 1, 1},
    {"d02-loop", {{0, 80, 8, NEXT, 1}, {1, 80, 8, NEXT, 0}}, 2, 0},
    {"d05-next-outside", {{0, 80, 8, NEXT, 0xfe}}, 1, 0},
    {"d19-order", {{0, 80, 8, WRITE | NEXT, 1}, {1, 80, 8, 0, 0}}, 2, 0},
    {"indirect", {{0x80, 80, 16, NEXT, 1}, {0x81, 96, 16, WRITE, 0}, {0, 0, 32, TABLE, 0}}, 3, 0},
    {"indirect-next", {{0x80, 80, 16, 0, 0}, {0, 0, 16, TABLE | NEXT, 1}}, 2, 0},
    {"indirect-in-indirect", {{0x80, 0, 16, TABLE, 0}, {0, 0, 16, TABLE, 0}}, 2, 0},
    {"indirect-length", {{0x80, 80, 16, 0, 0}, {0, 0, 17, TABLE, 0}}, 2, 0},
    {"empty", {{0, 80, 0, 0, 0}}, 1, 0},
};

static void ring_seeds_give(const struct fuzz_dev *dev, struct fuzz_seeds *to)
{
    fuzz_dev_seeds(dev, "", to);
    for (unsigned i = 0; i < ARRAY_SIZE(ring_seeds); i++) {
        const struct ring_seed *s = &ring_seeds[i];
        struct fuzz_out out = {0};

        fuzz_put_start(&out, dev, dev->ring == &ring_packed ? 8 : 0);
        for (unsigned k = 0; k < s->n; k++)
            desc_put(&out, dev, s->d[k].slot, s->d[k].off, s->d[k].len,
                     s->d[k].flags | (dev->ring == &ring_packed ? SHOWN : 0), s->d[k].next);
        show_put(&out, dev, s->head);
        fuzz_seed(to, s->name, out.data, out.n);
    }
}

static void split_seeds(struct fuzz_seeds *to)
{
    ring_seeds_give(&split, to);
}

static void packed_seeds(struct fuzz_seeds *to)
{
    ring_seeds_give(&packed, to);
}

const struct fuzz_target fuzz_split = {"split", 2048, split_run, split_seeds};
const struct fuzz_target fuzz_packed = {"packed", 2048, packed_run, packed_seeds};

/* ---- the function: the first byte says whose ---- */

static const struct fuzz_dev *const behind[] = {
    &echo_pci, &fuzz_dev_blk, &fuzz_dev_net, &fuzz_dev_console, &fuzz_dev_balloon, &fuzz_dev_gpu,
};

static struct fuzz_dev as_pci(unsigned i)
{
    struct fuzz_dev dev = *behind[i % ARRAY_SIZE(behind)];

    dev.op = pci_ops;
    dev.n_ops = ARRAY_SIZE(pci_ops);
    return dev;
}

static void pci_run(const uint8_t *data, size_t len)
{
    struct fuzz_in in = {data, len};
    const struct fuzz_dev dev = as_pci(fuzz_u8(&in));

    fuzz_dev_run(&dev, &in);
}

/* Every register of the common structure read and written, the PCI function's own and every BAR;
 * then it is told to work. */
static void pci_seed(const struct fuzz_dev *dev, unsigned index, unsigned combo,
                     struct fuzz_seeds *to)
{
    struct fuzz_out out = {0};
    char name[64];

    fuzz_put_num(&out, index, 1);
    fuzz_put_start(&out, dev, combo);
    for (uint8_t i = 0; i < 32; i++) {
        fuzz_put_op(&out, dev, OP_REG_READ);
        fuzz_put(&out, (const uint8_t[]){i & 2, i}, 2);
        fuzz_put_op(&out, dev, OP_REG_WRITE);
        fuzz_put(&out, (const uint8_t[]){i & 2, i, 1}, 3);
        fuzz_put_op(&out, dev, OP_PCI);
        fuzz_put(&out, (const uint8_t[]){(uint8_t)(0x80 | i % 4), i, 0x84}, 3);
        fuzz_put_op(&out, dev, OP_BAR);
        fuzz_put(&out, (const uint8_t[]){(uint8_t)(0x80 | i), i, 7}, 3);
    }
    fuzz_put_op(&out, dev, OP_INIT);
    fuzz_put(&out, (const uint8_t[]){0, 0}, 2);
    fuzz_put_op(&out, dev, OP_KICK);
    fuzz_put_num(&out, 0, 1);
    fuzz_put_op(&out, dev, OP_TURN);
    snprintf(name, sizeof(name), "%s-%u%s", dev->kind->name, combo % FUZZ_IN_PORTS,
             combo & FUZZ_IN_PORTS ? "-ports" : "");
    fuzz_seed(to, name, out.data, out.n);
}

static void pci_seeds(struct fuzz_seeds *to)
{
    static const unsigned ways[] = {0, 3, 5, 6, FUZZ_IN_PORTS};

    for (unsigned i = 0; i < ARRAY_SIZE(behind); i++) {
        const struct fuzz_dev dev = as_pci(i);

        for (unsigned k = 0; k < ARRAY_SIZE(ways); k++)
            pci_seed(&dev, i, ways[k], to);
    }
}

const struct fuzz_target fuzz_pci = {"pci", 2048, pci_run, pci_seeds};
