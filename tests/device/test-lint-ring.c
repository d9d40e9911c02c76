// SPDX-License-Identifier: MIT
/* Lint over an echo device: what lies in rings. Each test breaks one clause and nothing else. */
#include "tests/device/lint-bench.h"
#include "tests/driver/plot.h"

enum { SPLIT = BENCH_LINT | BENCH_SPLIT, PACKED = BENCH_LINT | BENCH_PACKED };

static void kick(const struct plot *p)
{
    p->b->d.ops->kick(&p->b->d, p->q->index);
}

/* Make the chain at head available, and see what lint says. */
static void head_breaks(const struct plot *p, uint16_t head, enum lint_id rule)
{
    split_avail(p->q, head);
    split_avail_show(p->q);
    kick(p);
    lint_only(p->b, rule);
}

static void areas_odd(struct bench *b, enum lint_id rule)
{
    const uint64_t at[] = {0x100008, 0x110000, 0x120000};

    assert_true(drv_negotiate(&b->d, b->want));
    cw(b, C_QUEUE_SELECT, 2, 0);
    for (unsigned i = 0; i < 3; i++) {
        cw(b, C_QUEUE_DESC + 8 * i, 4, at[i]);
        cw(b, C_QUEUE_DESC + 8 * i + 4, 4, 0);
    }
    cw(b, C_QUEUE_ENABLE, 2, 1);
    lint_only(b, rule);
}

/* ---- for all layouts ---- */

static void buffer_address(struct bench *b)
{
    struct chain c = {0};
    struct used u;

    chain_out(&c, RAM_HOLE, 16);
    dq_add_kick(&b->d.q[0], &c, NULL);
    assert_true(dq_wait(&b->d.q[0], &u, WAIT_MS));
    lint_only(b, LINT_BUFFER_ADDRESS);
}

/* ---- split ---- */

static void split_align(struct bench *b)
{
    areas_odd(b, LINT_SPLIT_ALIGN);
}

static void old_span(struct bench *b)
{
    assert_true(drv_negotiate(&b->d, b->want));
    legacy_write(&b->d, 0x0e, 2, 0);
    legacy_write(&b->d, 0x08, 4, (RAM_HOLE - 4096) / 4096);
    drv_go(&b->d);
    lint_only(b, LINT_OLD_SPAN);
}

static void head(struct bench *b)
{
    struct plot p = plot_make(b);

    head_breaks(&p, 0xff00, LINT_HEAD);
}

static void table_bytes(struct bench *b)
{
    struct plot p = plot_make(b);

    split_desc(p.q, 0, p.out, 15, VIRTQ_DESC_INDIRECT, 0);
    head_breaks(&p, 0, LINT_TABLE_BYTES);
}

static void write_first(struct bench *b)
{
    struct plot p = plot_make(b);

    split_desc(p.q, 0, p.in, BYTES, WRITE | NEXT, 1);
    split_desc(p.q, 1, p.out, BYTES, 0, 0);
    head_breaks(&p, 0, LINT_WRITE_FIRST);
}

/* More than 4 GiB, all of it memory: the same again and again. */
static void chain_bytes(struct bench *b)
{
    struct plot p;

    b->d.queue_size = ECHO_MAX;
    bench_init(b);
    p = plot_make(b);
    for (unsigned i = 0; i < 130; i++)
        split_desc(p.q, i, RAM_LOW0, 2 * RAM_SIZE, WRITE | (i < 129 ? NEXT : 0), (uint16_t)(i + 1));
    head_breaks(&p, 0, LINT_CHAIN_BYTES);
}

static void in_order_next(struct bench *b)
{
    struct plot p;

    if (b->d.ring != &ring_split)
        return;
    p = plot_make(b);
    split_desc(p.q, 0, p.out, BYTES, NEXT, 2);
    split_desc(p.q, 2, p.in, BYTES, WRITE, 0);
    head_breaks(&p, 0, LINT_IN_ORDER_NEXT);
}

static uint64_t table(struct bench *b, unsigned n)
{
    return drv_alloc(&b->d, 16 * n, 16);
}

static void in_order_table(struct bench *b)
{
    struct plot p;
    uint64_t at;

    if (b->d.ring != &ring_split)
        return;
    p = plot_make(b);
    at = table(b, 3);
    split_desc_at(p.q, at, p.out, BYTES, NEXT, 2);
    split_desc_at(p.q, at + 32, p.in, BYTES, WRITE, 0);
    split_desc(p.q, 0, at, 48, VIRTQ_DESC_INDIRECT, 0);
    head_breaks(&p, 0, LINT_IN_ORDER_TABLE);
}

static void indirect_alone(struct bench *b)
{
    struct plot p;

    drv_init(&b->d, b->want & ~BIT64(VIRTIO_F_INDIRECT_DESC));
    p = plot_make(b);
    split_desc(p.q, 0, p.out, 16, VIRTQ_DESC_INDIRECT, 0);
    head_breaks(&p, 0, LINT_INDIRECT_ALONE);
}

static void indirect_nested(struct bench *b)
{
    struct plot p = plot_make(b);
    const uint64_t at = table(b, 1);

    split_desc_at(p.q, at, p.out, 16, VIRTQ_DESC_INDIRECT, 0);
    split_desc(p.q, 0, at, 16, VIRTQ_DESC_INDIRECT, 0);
    head_breaks(&p, 0, LINT_INDIRECT_NESTED);
}

static void chain_long(struct bench *b)
{
    struct plot p = plot_make(b);

    split_desc(p.q, 0, p.out, BYTES, NEXT, 0);
    head_breaks(&p, 0, LINT_CHAIN_LONG);
}

static void indirect_next(struct bench *b)
{
    struct plot p = plot_make(b);

    split_desc(p.q, 0, p.out, 16, VIRTQ_DESC_INDIRECT | NEXT, 1);
    head_breaks(&p, 0, LINT_INDIRECT_NEXT);
}

static void avail_back(struct bench *b)
{
    struct plot p = plot_make(b);

    split_avail_idx(p.q, 0xfff0);
    kick(&p);
    lint_only(b, LINT_AVAIL_BACK);
}

static void avail_flags(struct bench *b)
{
    drv_init(&b->d, b->want & ~BIT64(VIRTIO_F_EVENT_IDX));
    split_avail_flags(&b->d.q[0], 2);
    echo_works(b, 0, 16);
    lint_only(b, LINT_AVAIL_FLAGS);
}

static void avail_flags_event(struct bench *b)
{
    if (!b->d.q[0].event_idx)
        return;
    split_avail_flags(&b->d.q[0], 1);
    echo_works(b, 0, 16);
    lint_only(b, LINT_AVAIL_FLAGS_EVENT);
}

/* The ring is handed over a second time, with something left in it. */
static void used_flags(struct bench *b)
{
    struct dq *q = &b->d.q[0];

    bench_init(b);
    assert_true(drv_negotiate(&b->d, b->want));
    q->ops->open(q);
    order_store(q->order, drv_mem(&b->d, q->device, 2), 2, 1);
    assert_true(b->d.ops->queue_open(&b->d, q));
    drv_go(&b->d);
    lint_only(b, LINT_USED_FLAGS);
}

static void changed(struct bench *b)
{
    struct plot p = plot_make(b);

    echo_set_hold(b, ECHO_HOLD);
    split_desc(p.q, 0, p.out, BYTES, NEXT, 1);
    split_desc(p.q, 1, p.in, BYTES, WRITE, 0);
    split_avail(p.q, 0);
    split_avail_show(p.q);
    kick(&p);
    echo_wait_held(b, 1);
    split_desc(p.q, 1, p.in, BYTES - 1, WRITE, 0);
    echo_release(b, 1);
    lint_only(b, LINT_CHANGED);
}

static void changed_table(struct bench *b)
{
    struct plot p = plot_make(b);
    const uint64_t at = table(b, 1);

    echo_set_hold(b, ECHO_HOLD);
    split_desc_at(p.q, at, p.out, BYTES, 0, 0);
    split_desc(p.q, 0, at, 16, VIRTQ_DESC_INDIRECT, 0);
    split_avail(p.q, 0);
    split_avail_show(p.q);
    kick(&p);
    echo_wait_held(b, 1);
    split_desc_at(p.q, at, p.in, BYTES, 0, 0);
    echo_release(b, 1);
    lint_only(b, LINT_CHANGED);
}

/* ---- packed: the ring is new, slot 0 is next and its wrap counter 1 ---- */

static void list_breaks(const struct plot *p, enum lint_id rule)
{
    kick(p);
    lint_only(p->b, rule);
}

static void slot(const struct plot *p, unsigned i, uint64_t addr, uint32_t len, uint16_t flags)
{
    packed_desc(p->q, i, addr, len, 0, flags | packed_available(true));
}

static void packed_align(struct bench *b)
{
    areas_odd(b, LINT_PACKED_ALIGN);
}

static void packed_bytes(struct bench *b)
{
    struct plot p = plot_make(b);

    slot(&p, 0, p.out, 15, VIRTQ_DESC_INDIRECT);
    list_breaks(&p, LINT_PACKED_BYTES);
}

static void packed_id(struct bench *b)
{
    struct plot p = plot_make(b);

    echo_set_hold(b, ECHO_HOLD);
    slot(&p, 1, p.out, BYTES, 0);
    slot(&p, 0, p.out, BYTES, 0);
    list_breaks(&p, LINT_PACKED_ID);
}

static void packed_long(struct bench *b)
{
    struct plot p = plot_make(b);
    const uint32_t n = p.q->size + 1U;

    slot(&p, 0, table(b, n), 16 * n, VIRTQ_DESC_INDIRECT);
    list_breaks(&p, LINT_PACKED_LONG);
}

static void packed_write_first(struct bench *b)
{
    struct plot p = plot_make(b);

    slot(&p, 1, p.out, BYTES, 0);
    slot(&p, 0, p.in, BYTES, WRITE | NEXT);
    list_breaks(&p, LINT_PACKED_WRITE_FIRST);
}

/* A list that goes round. */
static void packed_room(struct bench *b)
{
    struct plot p = plot_make(b);

    for (unsigned i = p.q->size; i-- > 0;)
        slot(&p, i, p.out, 1, NEXT);
    list_breaks(&p, LINT_PACKED_ROOM);
}

static void packed_partial(struct bench *b)
{
    struct plot p = plot_make(b);

    slot(&p, 0, p.out, BYTES, NEXT);
    list_breaks(&p, LINT_PACKED_PARTIAL);
}

static void packed_indirect(struct bench *b)
{
    struct plot p;

    drv_init(&b->d, b->want & ~BIT64(VIRTIO_F_INDIRECT_DESC));
    p = plot_make(b);
    slot(&p, 0, p.out, 16, VIRTQ_DESC_INDIRECT);
    list_breaks(&p, LINT_PACKED_INDIRECT);
}

static void packed_table_flags(struct bench *b)
{
    struct plot p = plot_make(b);
    const uint64_t at = table(b, 2);

    packed_desc_at(p.q, at, p.out, BYTES, 0, NEXT);
    packed_desc_at(p.q, at + 16, p.in, BYTES, 0, WRITE);
    slot(&p, 0, at, 32, VIRTQ_DESC_INDIRECT);
    list_breaks(&p, LINT_PACKED_TABLE_FLAGS);
}

static void packed_mixed(struct bench *b)
{
    struct plot p = plot_make(b);

    slot(&p, 1, p.out, BYTES, 0);
    slot(&p, 0, p.out, 16, VIRTQ_DESC_INDIRECT | NEXT);
    list_breaks(&p, LINT_PACKED_MIXED);
}

/* A ring that both sides go round many times, with tables and without. */
static void well_behaved(struct bench *b)
{
    for (unsigned k = 0; k < 600; k++)
        echo_works(b, k % ECHO_QUEUES, 1 + 13 * (k % 100));
    lint_clean(b);
}

static const struct bench_test tests[] = {
    {"well_behaved", well_behaved, BENCH_LINT, NULL},
    {"6.1-t5.buffer", buffer_address, BENCH_LINT, NULL},
    {"2.7.1-t1", split_align, SPLIT | BENCH_RAW | BENCH_MODERN, NULL},
    {"2.7.2-l1", old_span, SPLIT | BENCH_RAW | BENCH_LEGACY, NULL},
    {"2.7.5-d2", head, SPLIT, NULL},
    {"2.7.5.3-d1", table_bytes, SPLIT | BENCH_INDIRECT, NULL},
    {"2.7.4.2-t1", write_first, SPLIT, NULL},
    {"2.7.5.2-t1", chain_bytes, SPLIT | BENCH_RAW, NULL},
    {"2.7.5.2-t2", in_order_next, BENCH_LINT | BENCH_IN_ORDER, NULL},
    {"2.7.5.3.1-t1", indirect_alone, SPLIT | BENCH_RAW, NULL},
    {"2.7.5.3.1-t2", indirect_nested, SPLIT | BENCH_INDIRECT, NULL},
    {"2.7.5.3.1-t3", chain_long, SPLIT, NULL},
    {"2.7.5.3.1-t4", indirect_next, SPLIT | BENCH_INDIRECT, NULL},
    {"2.7.5.3.1-t5", in_order_table, BENCH_LINT | BENCH_IN_ORDER, NULL},
    {"2.7.6.1-t1", avail_back, SPLIT, NULL},
    {"2.7.7.1-t1", avail_flags, SPLIT | BENCH_RAW, NULL},
    {"2.7.7.1-t3", avail_flags_event, SPLIT, NULL},
    {"2.7.10.1-t1", used_flags, SPLIT | BENCH_RAW, NULL},
    {"3.3.1-t1", changed, SPLIT, NULL},
    {"3.3.1-t1/table", changed_table, SPLIT | BENCH_INDIRECT, NULL},
    {"2.8.11-t1", packed_align, PACKED | BENCH_RAW, NULL},
    {"2.8.7-d1", packed_bytes, PACKED | BENCH_INDIRECT, NULL},
    {"2.8.16-t1", packed_id, PACKED, NULL},
    {"2.8.17-t2", packed_long, PACKED | BENCH_INDIRECT, NULL},
    {"2.8.17-t3", packed_write_first, PACKED, NULL},
    {"2.8.17-t5", packed_room, PACKED, NULL},
    {"2.8.17-t6", packed_partial, PACKED, NULL},
    {"2.8.19-t1", packed_indirect, PACKED | BENCH_RAW, NULL},
    {"2.8.19-t2", packed_table_flags, PACKED | BENCH_INDIRECT, NULL},
    {"2.8.19-t4", packed_mixed, PACKED | BENCH_INDIRECT, NULL},
};

int main(void)
{
    return bench_run("lint-ring", &echo_kind, tests, ARRAY_SIZE(tests));
}
