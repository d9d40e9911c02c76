// SPDX-License-Identifier: MIT
/* Owns what each operation does to guest memory, registers and rings. */
#include "tests/fuzz/dev-ops.h"

#include <string.h>

#include "virtio/modern.h"
#include "vmm/base/bits.h"

enum {
    PIECES = 16,
    POKE_MAX = 64,
    REQUEST_OUT = 4096, /* bytes of its own; what is longer is cut */
    TURNS_TAKE = 64,
    WORD_ALL = 0xff, /* a number follows, instead of one out of a class */
};

void fuzz_rig_open(struct fuzz_rig *r)
{
    r->data = drv_alloc(&r->b.d, FUZZ_DATA, 4096);
    r->int_line = (uint8_t)gfunc_read(&r->b.d.func, PCI_INT_LINE, 1);
}

/* 0: all; odd: without a few, by number; even: as the input says */
uint64_t fuzz_rig_features(const struct fuzz_rig *r, struct fuzz_in *in)
{
    const uint8_t how = fuzz_u8(in);
    uint64_t want = r->b.want;

    if (how & 1)
        for (unsigned i = 0; i < how / 64u + 1; i++)
            want &= ~BIT64(fuzz_u8(in) % 64);
    else if (how)
        want &= fuzz_num(in, 8);
    return want;
}

/* ---- classes of numbers ---- */

static struct dq *queue_of(struct fuzz_rig *r, uint8_t n)
{
    return &r->b.d.q[n % r->b.d.n_queues];
}

static uint64_t address(struct fuzz_rig *r, struct dq *q, struct fuzz_in *in)
{
    const uint8_t class = fuzz_u8(in);
    const uint64_t base[] = {r->data,
                             r->data,
                             q->desc,
                             q->driver,
                             q->device,
                             RAM_LOW1 - 256,
                             RAM_HOLE - 256,
                             RAM_HIGH,
                             RAM_END - 256,
                             r->b.d.func.bar[VPCI_BAR_MODERN],
                             r->b.d.func.bar[VPCI_BAR_MSIX],
                             ECAM_BASE,
                             MSI_ADDR,
                             0,
                             UINT64_C(0) - 256};

    if (class == WORD_ALL)
        return fuzz_num(in, 8);
    if (class & 0x80) /* by pages */
        return base[class % ARRAY_SIZE(base)] + (fuzz_num(in, 1) << 12);
    return base[class % ARRAY_SIZE(base)] + fuzz_num(in, class & 0x40 ? 2 : 1);
}

static uint32_t length(struct fuzz_in *in)
{
    static const uint32_t odd[] = {0,       512,     4096,       65536,      RAM_SIZE,
                                   1 << 30, 1 << 31, 0x7fffffff, 0xffffffff, 0xfffff000};
    const uint8_t n = fuzz_u8(in);

    if (n == WORD_ALL)
        return (uint32_t)fuzz_num(in, 4);
    if (n == WORD_ALL - 1)
        return (uint32_t)fuzz_num(in, 2);
    return n & 0x80 ? odd[n % ARRAY_SIZE(odd)] : n;
}

static uint64_t value(struct fuzz_rig *r, struct fuzz_in *in)
{
    const uint8_t n = fuzz_u8(in);

    if (n < 0x80)
        return n;
    if (n < 0xa0)
        return BIT64(n % 64);
    if (n < 0xc0)
        return address(r, queue_of(r, n), in);
    return n & 1 ? UINT64_MAX : fuzz_num(in, n & 2 ? 8 : 2);
}

/* ---- rings ---- */

static void op_request(struct fuzz_rig *r, struct fuzz_in *in)
{
    static struct chain c;
    struct dq *q = queue_of(r, fuzz_u8(in));
    const uint8_t pieces = fuzz_u8(in);
    const uint32_t in_len = (uint32_t)fuzz_num(in, 2);
    uint32_t out_len = (uint32_t)min_u64(fuzz_num(in, 2), REQUEST_OUT);
    size_t n;
    const uint8_t *out = fuzz_bytes(in, out_len, &n);
    const unsigned n_out = pieces % PIECES + 1, n_in = pieces / PIECES + 1;

    if (r->next > FUZZ_DATA - REQUEST_OUT - 65536)
        r->next = 0;
    memcpy(drv_mem(&r->b.d, r->data + r->next, n), out, n);
    c.n = 0;
    for (uint32_t i = 0, at = 0, len; i < n_out && at < out_len; i++, at += len) {
        len = i + 1 < n_out ? (out_len - at + 1) / 2 : out_len - at;
        chain_out(&c, r->data + r->next + at, len);
    }
    r->next += out_len;
    for (uint32_t i = 0, at = 0, len; i < n_in && at < in_len; i++, at += len) {
        len = i + 1 < n_in ? (in_len - at + 1) / 2 : in_len - at;
        chain_in(&c, r->data + r->next + at, len);
    }
    r->next += in_len;
    if (!c.n || !q->on)
        return;
    chain_cut(&c, r->b.d.frame);
    if (dq_add(q, &c, NULL) >= 0)
        dq_kick(q);
}

/* where: bit 7: in a table at the start of data; flags: bits 0-2 as on the wire, 3 and 4 those of
 * the packed ring, 5: available there */
static void op_desc(struct fuzz_rig *r, struct fuzz_in *in)
{
    struct dq *q = queue_of(r, fuzz_u8(in));
    const uint8_t where = fuzz_u8(in);
    const uint64_t addr = address(r, q, in);
    const uint32_t len = length(in);
    const uint8_t bits = fuzz_u8(in), next = fuzz_u8(in);
    const uint16_t link = next == WORD_ALL ? (uint16_t)fuzz_num(in, 2) : next;
    uint16_t flags = bits & 7;
    uint64_t at;

    if (!q->on)
        return;
    at = where & 0x80 ? r->data + VIRTQ_DESC_BYTES * (where % FUZZ_TABLE_SLOTS)
                      : q->desc + VIRTQ_DESC_BYTES * (where % q->size);
    r->dirty = true;
    if (q->ops != &ring_packed) {
        split_desc_at(q, at, addr, len, flags, link);
        return;
    }
    flags |= bits & 8 ? PVIRTQ_AVAIL : 0;
    flags |= bits & 16 ? PVIRTQ_USED : 0;
    if (bits & 32)
        flags = (uint16_t)((bits & 7) | packed_available(q->avail_wrap));
    packed_desc_at(q, at, addr, len, link, flags);
}

static void op_avail(struct fuzz_rig *r, struct fuzz_in *in)
{
    struct dq *q = queue_of(r, fuzz_u8(in));
    const uint8_t what = fuzz_u8(in);

    if (!q->on)
        return;
    r->dirty = true;
    if (q->ops == &ring_packed) {
        packed_flags(q, what % q->size, (uint16_t)fuzz_num(in, 2));
        return;
    }
    split_avail(q, what == WORD_ALL ? (uint16_t)fuzz_num(in, 2) : what);
    split_avail_show(q);
    q->ops->publish(q);
}

static void op_index(struct fuzz_rig *r, struct fuzz_in *in)
{
    struct dq *q = queue_of(r, fuzz_u8(in));
    const uint8_t what = fuzz_u8(in);
    const uint16_t v = (uint16_t)fuzz_num(in, 2);

    if (!q->on)
        return;
    r->dirty = true;
    if (q->ops == &ring_packed)
        packed_event(q, v, what);
    else if (what % 3 == 0)
        split_avail_idx(q, v);
    else if (what % 3 == 1)
        split_avail_flags(q, v);
    else
        split_used_event(q, v);
}

static void op_poke(struct fuzz_rig *r, struct fuzz_in *in)
{
    struct dq *q = queue_of(r, fuzz_u8(in));
    const uint8_t where = fuzz_u8(in);
    const uint64_t area[] = {r->data, q->desc, q->driver, q->device};
    const uint64_t off = fuzz_num(in, where & 4 ? 2 : 1);
    size_t n;
    const uint8_t *bytes = fuzz_bytes(in, fuzz_u8(in) % POKE_MAX, &n);

    if (!q->on || !n)
        return;
    r->dirty |= where % 4 != 0;
    memcpy(drv_mem(&r->b.d, area[where % 4] + off, n), bytes, n);
}

static void op_kick(struct fuzz_rig *r, struct fuzz_in *in)
{
    r->b.d.ops->kick(&r->b.d, fuzz_u8(in) % r->b.d.n_queues);
}

static void op_turn(struct fuzz_rig *r, struct fuzz_in *in)
{
    (void)in;
    machine_settle(r->b.m);
}

/* What comes back is what was given, once: the driver checks. */
static void op_take(struct fuzz_rig *r, struct fuzz_in *in)
{
    struct dq *q = queue_of(r, fuzz_u8(in));
    struct used u;

    machine_settle(r->b.m);
    for (unsigned i = 0; !r->dirty && q->on && i < TURNS_TAKE && dq_poll(q, &u); i++)
        ;
}

static void op_init(struct fuzz_rig *r, struct fuzz_in *in)
{
    static const uint16_t sizes[] = {0, 4, 8, 16, 2};
    const uint16_t size = sizes[fuzz_u8(in) % ARRAY_SIZE(sizes)];

    fuzz_rig_init(r, fuzz_rig_features(r, in), size);
}

/* ---- registers ---- */

/* A place out of a table, or any; natural width, or any. */
static uint32_t place(const struct regs *regs, struct fuzz_in *in, unsigned *len)
{
    static const uint8_t widths[] = {1, 2, 4, 8};
    const uint8_t how = fuzz_u8(in);

    if (regs && !(how & 0x80)) {
        const struct reg *reg = &regs->row[how % regs->n];

        *len = reg->size;
        return reg->off;
    }
    *len = widths[how % 4];
    return (uint32_t)fuzz_num(in, how & 0x40 ? 2 : 1);
}

struct where {
    enum bus_space space;
    uint64_t at;
    unsigned len;
};

static struct where modern_where(struct fuzz_rig *r, uint8_t what, struct fuzz_in *in)
{
    static const uint8_t type[] = {VIRTIO_PCI_CAP_COMMON, VIRTIO_PCI_CAP_COMMON,
                                   VIRTIO_PCI_CAP_DEVICE, VIRTIO_PCI_CAP_ISR,
                                   VIRTIO_PCI_CAP_NOTIFY};
    const uint8_t t = type[what % ARRAY_SIZE(type)];
    const struct regs *regs = t == VIRTIO_PCI_CAP_COMMON   ? &modern_common
                              : t == VIRTIO_PCI_CAP_DEVICE ? r->b.dev->type->config
                                                           : NULL;
    const struct dregion *d = &r->b.d.region[t];
    struct where w = {r->b.d.func.bar_space[d->bar], 0, 0};

    w.at = r->b.d.func.bar[d->bar] + d->off + place(regs, in, &w.len);
    return w;
}

static struct where legacy_where(struct fuzz_rig *r, uint8_t what, struct fuzz_in *in)
{
    const struct regs *regs = what & 1 ? r->b.dev->type->config : NULL;
    struct where w = {BUS_PIO, r->b.d.func.bar[VPCI_BAR_IO], 0};

    w.at += regs ? legacy_config(&r->b.d) : 0;
    w.at += place(regs, in, &w.len) % 0x100;
    w.len = w.len > 4 ? 4 : w.len;
    return w;
}

/* Either interface, also the one that the driver does not use. */
static struct where reg_where(struct fuzz_rig *r, struct fuzz_in *in)
{
    const uint8_t what = fuzz_u8(in);
    const bool has_modern = r->b.d.func.bar_size[VPCI_BAR_MODERN];
    const bool has_io = r->b.d.func.bar_size[VPCI_BAR_IO] && /* no VPCI_BAR_MEMORY */
                        r->b.d.func.bar_space[VPCI_BAR_IO] == BUS_PIO;
    const bool legacy = has_io && (!has_modern || (r->b.d.ops == &driver_legacy) != (what >> 7));

    return legacy ? legacy_where(r, what, in) : modern_where(r, what, in);
}

static void op_reg_write(struct fuzz_rig *r, struct fuzz_in *in)
{
    const struct where w = reg_where(r, in);

    r->dirty = true; /* a queue may be another now */
    machine_write(r->b.m, w.space, w.at, w.len, value(r, in));
}

static void op_reg_read(struct fuzz_rig *r, struct fuzz_in *in)
{
    const struct where w = reg_where(r, in);

    machine_read(r->b.m, w.space, w.at, w.len);
}

static void op_pci(struct fuzz_rig *r, struct fuzz_in *in)
{
    static const uint8_t base[] = {0, PCI_COMMAND, PCI_BAR0, PCI_INT_LINE};
    struct gfunc f = r->b.d.func;
    const uint8_t how = fuzz_u8(in), where = fuzz_u8(in);
    const unsigned len = 1u << (how >> 2) % 3;
    unsigned off = where;

    if (how & 0x20)
        f.devfn = fuzz_u8(in);
    if (how & 0x10)
        f.ecam = !f.ecam;
    if (how % 4 == 1)
        off = base[where % 4] + where / 4u % 0x18;
    else if (how % 4 == 2)
        off = f.msix + where % MSIX_ENTRY;
    else if (how % 4 == 3)
        off = r->b.d.region[VIRTIO_PCI_CAP_PCI].cap + where % 24u;
    off &= ~(len - 1);
    r->dirty = true;
    if (how & 0x80)
        gfunc_write(&f, off, len, (uint32_t)value(r, in));
    else
        gfunc_read(&f, off, len);
}

static void access(struct fuzz_rig *r, enum bus_space space, uint64_t at, uint8_t how,
                   struct fuzz_in *in)
{
    const unsigned len = space == BUS_PIO ? 1u << how % 3 : how % 8u + 1;

    r->dirty = true;
    if (how & 0x80)
        machine_write(r->b.m, space, at, len, value(r, in));
    else
        machine_read(r->b.m, space, at, len);
}

static void op_bar(struct fuzz_rig *r, struct fuzz_in *in)
{
    static const uint8_t bars[] = {VPCI_BAR_MSIX, VPCI_BAR_MODERN,
                                   VPCI_BAR_IO, /* of a GPU: VPCI_BAR_MEMORY */
                                   VPCI_BAR_BELLS};
    const uint8_t how = fuzz_u8(in), bar = bars[how / 8u % ARRAY_SIZE(bars)];
    const uint64_t off = fuzz_num(in, how & 0x40 ? 2 : 1);

    if (off < r->b.d.func.bar_size[bar])
        access(r, r->b.d.func.bar_space[bar], r->b.d.func.bar[bar] + off, how, in);
}

static void op_bus(struct fuzz_rig *r, struct fuzz_in *in)
{
    const uint8_t how = fuzz_u8(in);

    if (how & 0x40)
        access(r, BUS_PIO, fuzz_num(in, 2), how, in);
    else
        access(r, BUS_MMIO, address(r, queue_of(r, how), in), how, in);
}

static void op_host(struct fuzz_rig *r, struct fuzz_in *in)
{
    if (r->dev->host)
        r->dev->host(&r->b, in);
}

void (*const fuzz_ops[OPS])(struct fuzz_rig *r, struct fuzz_in *in) = {
    [OP_REQUEST] = op_request,   [OP_DESC] = op_desc,
    [OP_AVAIL] = op_avail,       [OP_INDEX] = op_index,
    [OP_POKE] = op_poke,         [OP_KICK] = op_kick,
    [OP_TURN] = op_turn,         [OP_TAKE] = op_take,
    [OP_INIT] = op_init,         [OP_REG_WRITE] = op_reg_write,
    [OP_REG_READ] = op_reg_read, [OP_PCI] = op_pci,
    [OP_BAR] = op_bar,           [OP_BUS] = op_bus,
    [OP_HOST] = op_host,
};
