// SPDX-License-Identifier: MIT
/*
 * Owns the life of a device under fuzzing: how it is driven, operation after operation, and what
 * must hold at the end. Refuses to know what an operation does (dev-ops.c) and any device type.
 */
#include "tests/fuzz/dev.h"

#include <stdio.h>
#include <string.h>

#include "tests/fuzz/dev-ops.h"
#include "vmm/base/bits.h"

enum { OPS_AT_MOST = 400, BAR_KIND = 7, BAR_WIDE = 4 };
enum { WATCHED = 0x80, WAYS = FUZZ_IN_PORTS }; /* of the first byte: lint looks on; the rest */

static const uint16_t queue_sizes[] = {0, 2, 4, 8, 16, 3, 7, 64, 1, 32768};

/* Configuration space as it was, which guests and only they put right again. */
static void pci_restore(const struct fuzz_rig *r)
{
    struct gfunc f = r->b.d.func;

    gfunc_write(&f, PCI_COMMAND, 2, 0);
    for (unsigned i = 0; i < PCI_BARS; i++) {
        const unsigned at = PCI_BAR0 + 4 * i;

        if (!f.bar_size[i])
            continue;
        gfunc_write(&f, at, 4, (uint32_t)f.bar[i]);
        if ((gfunc_read(&f, at, 4) & BAR_KIND) == BAR_WIDE)
            gfunc_write(&f, at + 4, 4, (uint32_t)(f.bar[i] >> 32));
    }
    gfunc_write(&f, PCI_INT_LINE, 1, r->int_line);
    gfunc_write(&f, PCI_COMMAND, 2, PCI_CMD_IO | PCI_CMD_MEMORY | PCI_CMD_MASTER);
}

void fuzz_rig_init(struct fuzz_rig *r, uint64_t want, uint16_t size)
{
    struct bench *b = &r->b;

    if (r->dev->calm)
        r->dev->calm(b);
    pci_restore(r);
    if (b->d.ring != &ring_packed && (size & (size - 1)))
        size++; /* those of split rings are powers of two */
    b->d.queue_size = size;
    if (drv_negotiate(&b->d, want)) {
        gfunc_msix_control(&b->d.func, b->d.use_msix, false);
        for (unsigned i = 0; i < b->d.n_queues; i++)
            if (b->d.q[i].max)
                drv_queue(&b->d, i, 0);
        drv_go(&b->d);
    }
    r->dirty = false;
}

static const struct combo *combo_choose(const struct fuzz_dev *dev, unsigned n)
{
    for (unsigned i = 0; i < n_combos; i++) {
        const struct combo *c = &combos[(n + i) % n_combos];

        if (dev->ring && c->ring != dev->ring)
            continue;
        if (interfaces_find(c->interfaces, dev->kind->type, NULL))
            return c;
    }
    return NULL;
}

/* Whatever was done: status 0 and a new beginning make it work again. */
static void recover(struct fuzz_rig *r)
{
    struct bench *b = &r->b;

    if (r->dev->calm)
        r->dev->calm(b);
    machine_settle(b->m);
    fuzz_rig_init(r, b->want, 0);
    if (!(drv_status(&b->d) & VIRTIO_S_DRIVER_OK) || drv_broken(&b->d))
        fuzz_fail("%s: status 0x%x after a new beginning", b->dev->name, drv_status(&b->d));
    r->dev->works(b);
    if (drv_broken(&b->d))
        fuzz_fail("%s: broken after it worked", b->dev->name);
}

void fuzz_dev_run(const struct fuzz_dev *dev, struct fuzz_in *in)
{
    const uint8_t how = fuzz_u8(in);
    const struct combo *combo = combo_choose(dev, how % WAYS);
    static struct fuzz_rig rig;
    uint16_t size;

    if (!combo)
        return;
    rig.dev = dev;
    rig.next = 0;
    size = queue_sizes[fuzz_u8(in) % ARRAY_SIZE(queue_sizes)];
    bench_open(&rig.b, dev->kind, combo, NULL,
               (how & WATCHED ? BENCH_ADVICE : 0) | (how & FUZZ_IN_PORTS ? BENCH_PORTS : 0));
    fuzz_rig_open(&rig);
    fuzz_rig_init(&rig, fuzz_rig_features(&rig, in), size);
    for (unsigned i = 0; i < OPS_AT_MOST && in->left; i++)
        fuzz_ops[dev->op[fuzz_u8(in) % dev->n_ops]](&rig, in);
    recover(&rig);
    bench_close(&rig.b, dev->kind);
}

/* ---- seeds ---- */

void fuzz_put_start(struct fuzz_out *out, const struct fuzz_dev *dev, unsigned combo)
{
    (void)dev;
    fuzz_put_num(out, combo, 1);
    fuzz_put_num(out, 0, 1); /* the queues' size */
    fuzz_put_num(out, 0, 1); /* all features */
}

void fuzz_put_op(struct fuzz_out *out, const struct fuzz_dev *dev, enum fuzz_op op)
{
    for (unsigned i = 0; i < dev->n_ops; i++)
        if (dev->op[i] == op) {
            fuzz_put_num(out, i, 1);
            return;
        }
    fuzz_fail("%s: no such operation", dev->kind->name);
}

static void request_put(struct fuzz_out *out, const struct fuzz_dev *dev,
                        const struct fuzz_request *q)
{
    fuzz_put_op(out, dev, OP_REQUEST);
    fuzz_put_num(out, q->queue, 1);
    fuzz_put_num(out, q->pieces, 1);
    fuzz_put_num(out, q->in_len, 2);
    fuzz_put_num(out, q->out_len, 2);
    fuzz_put(out, q->out, q->out_len);
}

void fuzz_dev_seeds(const struct fuzz_dev *dev, const char *prefix, struct fuzz_seeds *to)
{
    for (unsigned i = 0; i < n_combos; i++) {
        struct fuzz_out out = {0};
        char name[80];

        if (combo_choose(dev, i) != &combos[i])
            continue;
        fuzz_put(&out, prefix, strlen(prefix));
        fuzz_put_start(&out, dev, i | (i & 1 ? WATCHED : 0));
        for (unsigned k = 0; k < dev->n_requests; k++)
            request_put(&out, dev, &dev->request[k]);
        fuzz_put_op(&out, dev, OP_TURN);
        fuzz_put_op(&out, dev, OP_TAKE);
        snprintf(name, sizeof(name), "%s-%s", dev->kind->name, combos[i].name);
        for (char *s = name; *s; s++)
            *s = *s == '/' ? '-' : *s;
        fuzz_seed(to, name, out.data, out.n);
    }
}
