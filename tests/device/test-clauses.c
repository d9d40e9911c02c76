// SPDX-License-Identifier: MIT
/*
 * Clauses of the core, of rings and of their setting up that no other test is about: who writes
 * what, where the parts of an old ring lie, what is left of a queue that was reset. The table of
 * all clauses and their tests is tests/conformance/clauses.tsv.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/driver/echo.h"
#include "vmm/base/bits.h"

enum {
    BYTES = 32,
    SHORT = 8, /* in single bytes it fits in a small ring */
    N = 3,
    PAGE = 4096,
    AREA_MAX = 8192,
    ACK = VIRTIO_S_ACKNOWLEDGE,
    DRIVER = VIRTIO_S_DRIVER,
    FEATURES = VIRTIO_S_FEATURES_OK,
    /* Registers (4.1.4.3). */
    ACCEPT_SELECT = 0x08,
    ACCEPT = 0x0c,
    SELECT = 0x16,
    SIZE = 0x18,
    VECTOR = 0x1a,
    ENABLE = 0x1c,
    AREAS = 0x20,
    AREAS_END = 0x38,
    RESET = 0x3a,
    /* ... of 0.9 (4.1.4.10). */
    OLD_PFN = 0x08,
    OLD_SIZE = 0x0c,
    OLD_SELECT = 0x0e,
};

static uint64_t get(struct bench *b, unsigned off, unsigned len)
{
    return modern_read(&b->d, VIRTIO_PCI_CAP_COMMON, off, len);
}

static void set(struct bench *b, unsigned off, unsigned len, uint64_t v)
{
    modern_write(&b->d, VIRTIO_PCI_CAP_COMMON, off, len, v);
}

/* ---- what is left of a driver after its reset ---- */

/* Guest memory as it was. */
struct shot {
    uint64_t at;
    uint32_t len;
    uint8_t bytes[AREA_MAX];
};

static void shot_take(struct bench *b, struct shot *s, uint64_t at, uint32_t len)
{
    assert_true(len <= AREA_MAX);
    s->at = at;
    s->len = len;
    memcpy(s->bytes, drv_mem(&b->d, at, len), len);
}

static void shot_holds(struct bench *b, const struct shot *s)
{
    assert_memory_equal(s->bytes, drv_mem(&b->d, s->at, s->len), s->len);
}

/* 2.4.1-d3, 3.3-d1: a request that was available, and all the doorbells there are. */
static void reset_leaves_queues_alone(struct bench *b)
{
    static struct shot shot[4];
    static struct chain c;
    struct dq *q = &b->d.q[0];
    const bool packed = q->ops == &ring_packed;
    const uint64_t at = drv_alloc(&b->d, 2 * BYTES, 64), served = echo_served(b);

    memset(drv_mem(&b->d, at, 2 * BYTES), 0x5c, 2 * BYTES);
    c.n = 0;
    chain_out(&c, at, BYTES);
    chain_in(&c, at + BYTES, BYTES);
    assert_true(dq_add(q, &c, NULL) >= 0);
    q->ops->publish(q);
    drv_reset(&b->d);
    shot_take(b, &shot[0], q->desc, q->size * 16u);
    shot_take(b, &shot[1], q->driver, packed ? 4 : 6 + 2u * q->size);
    shot_take(b, &shot[2], q->device, packed ? 4 : 6 + 8u * q->size);
    shot_take(b, &shot[3], at, 2 * BYTES);
    for (unsigned i = 0; i < 50; i++)
        b->d.ops->kick(&b->d, i % b->d.n_queues);
    machine_settle(b->m);
    for (unsigned i = 0; i < ARRAY_SIZE(shot); i++)
        shot_holds(b, &shot[i]);
    assert_int_equal(echo_served(b), served);
    bench_init(b);
    echo_works(b, 0, BYTES);
}

/* 2.6.1.1.1-d3, 2.6.1.2.1-d1: all that belongs to the queue, its places in the ring included. */
static void queue_reset_to_defaults(struct bench *b)
{
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 5 + round; i++)
            echo_works(b, 0, SHORT);
        set(b, SELECT, 2, 0);
        set(b, RESET, 2, 1);
        machine_settle(b->m);
        assert_int_equal(get(b, RESET, 2), 0);
        assert_int_equal(get(b, ENABLE, 2), 0);
        assert_int_equal(get(b, SIZE, 2), ECHO_MAX);
        assert_int_equal(get(b, VECTOR, 2), VIRTIO_NO_VECTOR);
        for (unsigned off = AREAS; off < AREAS_END; off += 4)
            assert_int_equal(get(b, off, 4), 0);
        drv_queue(&b->d, 0, (uint16_t)(64 << round)); /* begins at 0, or the next does not work */
        assert_int_equal(get(b, SIZE, 2), 64 << round);
        echo_works(b, 0, SHORT);
        echo_works(b, 1, SHORT);
    }
}

/* 4.1.4.3.1-d4: what is offered and was written reads back, before FEATURES_OK and after. */
static void driver_feature_reads_back(struct bench *b)
{
    static const uint32_t masks[] = {0xffffffff, 0x55555555, 0xaaaaaaaa, 0, 0xf0f0f0f0};
    const uint64_t all = b->d.ops->offered(&b->d);

    for (unsigned i = 0; i < ARRAY_SIZE(masks); i++) {
        drv_reset(&b->d);
        b->d.ops->status_set(&b->d, ACK | DRIVER);
        for (unsigned word = 0; word < 2; word++) {
            set(b, ACCEPT_SELECT, 4, word);
            set(b, ACCEPT, 4, (all >> 32 * word) & masks[i]);
        }
        for (unsigned word = 0; word < 2; word++) {
            set(b, ACCEPT_SELECT, 4, word);
            assert_int_equal(get(b, ACCEPT, 4), (all >> 32 * word) & masks[i]);
        }
    }
    bench_init(b);
    for (unsigned word = 0; word < 2; word++) {
        set(b, ACCEPT_SELECT, 4, word);
        assert_int_equal(get(b, ACCEPT, 4), b->d.features >> 32 * word & 0xffffffff);
    }
    echo_works(b, 0, BYTES);
}

/* ---- who writes what ---- */

/* 2.7-d3, 2.7.5.1-d1, d3, 2.7.6-d2, 2.7.8-d1: by the bytes of the three parts. */
static void split_sides(struct bench *b)
{
    static struct shot desc, avail, out;
    struct dq *q = &b->d.q[0];
    const uint64_t at = drv_alloc(&b->d, 2 * BYTES, 64);
    const uint8_t *used = drv_mem(&b->d, q->device, 6 + 8u * q->size);

    memset(drv_mem(&b->d, at, BYTES), 0x77, BYTES);
    for (unsigned i = 0; i < N; i++) {
        split_desc(q, 7 * i, at, BYTES, VIRTQ_DESC_NEXT, (uint16_t)(7 * i + 1));
        split_desc(q, 7 * i + 1, at + BYTES, BYTES - i, VIRTQ_DESC_WRITE, 0);
        split_avail(q, (uint16_t)(7 * i));
    }
    split_avail_show(q);
    shot_take(b, &desc, q->desc, q->size * 16u);
    shot_take(b, &avail, q->driver, 6 + 2u * q->size);
    shot_take(b, &out, at, BYTES);
    b->d.ops->kick(&b->d, 0);
    machine_settle(b->m);
    shot_holds(b, &desc);
    shot_holds(b, &avail);
    shot_holds(b, &out);
    assert_int_equal(order_load(q->order, used, 2) & ~1u, 0);
    assert_int_equal(order_load(q->order, used + 2, 2), N);
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(order_load(q->order, used + 4 + 8 * i, 4), 7 * i);
        assert_int_equal(order_load(q->order, used + 8 + 8 * i, 4), BYTES - i);
    }
    for (unsigned i = 4 + 8 * N; i < 4 + 8u * q->size; i++)
        assert_int_equal(used[i], 0);
    assert_int_equal(order_load(q->order, used + 4 + 8 * q->size, 2), q->event_idx ? N : 0);
}

/* 2.8.12-d1, and what the split ring does as well: taken one after the other. */
static void taken_in_order(struct bench *b)
{
    static struct chain c;
    struct dq *q = &b->d.q[0];
    const uint64_t at = drv_alloc(&b->d, 2 * BYTES, 64);
    struct used u;
    int id[8];

    for (unsigned round = 0; round < 20; round++) {
        echo_set_hold(b, ECHO_HOLD);
        for (unsigned i = 0; i < ARRAY_SIZE(id); i++) {
            c.n = 0;
            chain_out(&c, at, BYTES);
            chain_in(&c, at + BYTES, BYTES);
            id[i] = dq_add(q, &c, NULL);
            assert_true(id[i] >= 0);
        }
        dq_kick(q);
        echo_wait_held(b, ARRAY_SIZE(id));
        for (unsigned i = 0; i < ARRAY_SIZE(id); i++) { /* the one that was taken first */
            echo_release(b, 1);
            assert_true(dq_poll(q, &u));
            assert_int_equal(u.id, id[i]);
        }
    }
}

/* ---- the ring of 0.9 ---- */

static void put(struct bench *b, uint64_t at, uint64_t v, unsigned len)
{
    order_store(b->d.order, drv_mem(&b->d, at, len), len, v);
}

static uint64_t peek(struct bench *b, uint64_t at, unsigned len)
{
    return order_load(b->d.order, drv_mem(&b->d, at, len), len);
}

/* 2.7.2-l2 ... l4, 4.1.5.1.3.1-l1: all of it written by hand, from the page number on. */
static void old_layout(struct bench *b)
{
    struct drv *d = &b->d;
    unsigned size;
    uint64_t ring, avail, used, data, end;

    assert_true(drv_negotiate(d, b->want));
    gfunc_msix_control(&d->func, false, false);
    legacy_write(d, OLD_SELECT, 2, 0);
    size = (unsigned)legacy_read(d, OLD_SIZE, 2);
    ring = drv_alloc(d, 4 * PAGE, PAGE);
    memset(drv_mem(d, ring, 4 * PAGE), 0, 4 * PAGE);
    data = drv_alloc(d, 2 * BYTES, 64);
    memset(drv_mem(d, data, BYTES), 0x42, BYTES);
    avail = ring + 16 * size;
    used = align_up(avail + 6 + 2 * size, PAGE);
    end = used + 6 + 8 * size;
    assert_true(end > ring + PAGE && end <= ring + 4 * PAGE);
    put(b, ring, data, 8); /* a descriptor to read, one to write */
    put(b, ring + 8, BYTES, 4);
    put(b, ring + 12, VIRTQ_DESC_NEXT, 2);
    put(b, ring + 14, size - 1, 2);
    put(b, avail - 16, data + BYTES, 8); /* the last of the table */
    put(b, avail - 8, BYTES, 4);
    put(b, avail - 4, VIRTQ_DESC_WRITE, 2);
    put(b, avail + 2, 1, 2);            /* idx; ring[0] is 0 */
    put(b, avail + 4 + 2 * size, 0, 2); /* used_event: the first one */
    legacy_write(d, OLD_PFN, 4, ring / PAGE);
    d->ops->status_set(d, drv_status(d) | VIRTIO_S_DRIVER_OK);
    d->ops->kick(d, 0);
    machine_settle(b->m);
    assert_int_equal(peek(b, used + 2, 2), 1);
    assert_int_equal(peek(b, used + 4, 4), 0);
    assert_int_equal(peek(b, used + 8, 4), BYTES);
    assert_memory_equal(drv_mem(d, data, BYTES), drv_mem(d, data + BYTES, BYTES), BYTES);
    assert_int_equal(d->ops->isr(d), VIRTIO_ISR_QUEUE);
    if (bench_has(b, VIRTIO_F_EVENT_IDX))
        assert_int_equal(peek(b, used + 4 + 8 * size, 2), 1); /* avail_event */
    for (uint64_t at = avail + 6 + 2 * size; at < used; at++) /* padding is nobody's */
        assert_int_equal(*(uint8_t *)drv_mem(d, at, 1), 0);
}

/* clang-format off */
#define ROW(fn) {#fn, fn, 0, NULL}
#define MODERN(fn) {#fn, fn, BENCH_MODERN, NULL}
/* clang-format on */

int main(void)
{
    static const struct bench_test tests[] = {
        ROW(reset_leaves_queues_alone),
        MODERN(queue_reset_to_defaults),
        MODERN(driver_feature_reads_back),
        {"split_sides", split_sides, BENCH_SPLIT, NULL},
        ROW(taken_in_order),
        {"old_layout", old_layout, BENCH_LEGACY, NULL},
    };

    return bench_run("clauses", &echo_kind, tests, ARRAY_SIZE(tests));
}
