// SPDX-License-Identifier: MIT
/*
 * Life of a packed ring: wrap counters, sizes of any number, used descriptors, and who tells whom
 * when. The clauses of 2.8 that are not about single lists (test-packed.c).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/driver/echo.h"
#include "vmm/base/bits.h"

enum { BYTES = 24, HERE = PVIRTQ_EVENT_DESC, ON = PVIRTQ_EVENT_ENABLE, OFF = PVIRTQ_EVENT_DISABLE };

static uint64_t buffers;

static void buffers_make(struct bench *b)
{
    buffers = drv_alloc(&b->d, 4096, 64);
}

/* A request of n descriptors, the last of them written. */
static int request(struct dq *q, unsigned n)
{
    static struct chain c;

    c.n = 0;
    for (unsigned i = 0; i + 1 < n; i++)
        chain_out(&c, buffers + i * BYTES, BYTES);
    chain_in(&c, buffers + 2048, BYTES);
    return q->ops->add(q, &c, false, NULL);
}

/* Add n plain requests, let the device work, take them. The driver says nothing about events. */
static void run(struct bench *b, struct dq *q, unsigned n)
{
    struct used u;

    for (unsigned i = 0; i < n; i++)
        assert_true(request(q, 2) >= 0);
    q->ops->publish(q);
    b->d.ops->kick(&b->d, q->index);
    machine_settle(b->m);
    q->quiet = true; /* take() leaves events alone */
    for (unsigned i = 0; i < n; i++)
        assert_true(dq_poll(q, &u));
}

static bool run_interrupts(struct bench *b, struct dq *q, unsigned n)
{
    struct dirq irq = dq_arm(q);

    run(b, q, n);
    return dq_interrupted(q, &irq);
}

/* Every combination of the two bits, on either turn of the ring: one of them is available. */
static void flag_combinations(struct bench *b)
{
    static const uint16_t bits[] = {0, PVIRTQ_AVAIL, PVIRTQ_USED, PVIRTQ_AVAIL | PVIRTQ_USED};
    struct dq *q = &b->d.q[0];

    b->d.queue_size = 8;
    for (unsigned turn = 0; turn < 2; turn++)
        for (unsigned i = 0; i < ARRAY_SIZE(bits); i++) {
            const bool good = bits[i] == packed_available(turn == 0);
            uint64_t served;
            uint16_t flags;

            bench_init(b);
            buffers_make(b);
            run(b, q, turn * 4);
            served = echo_served(b);
            packed_desc(q, 0, buffers, BYTES, 3, bits[i]);
            b->d.ops->kick(&b->d, 0);
            machine_settle(b->m);
            assert_int_equal(echo_served(b) - served, good);
            packed_entry(q, 0, &flags);
            assert_int_equal(flags, good ? packed_used(turn == 0) : bits[i]);
            assert_false(drv_broken(&b->d));
        }
    b->d.queue_size = 128;
    bench_init(b);
    echo_works(b, 0, BYTES);
}

/* 2.8-d2: any number; lists of one to all of its slots, over its end wherever that falls. */
static void Q08_every_size(struct bench *b)
{
    static const uint16_t sizes[] = {1, 2, 3, 5, 7, 8, 100, 127, 128, 255};
    struct dq *q = &b->d.q[0];
    struct used u;

    buffers_make(b);
    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
        b->d.queue_size = sizes[i];
        bench_init(b);
        assert_int_equal(q->size, sizes[i]);
        for (unsigned k = 0; k < 6 * sizes[i]; k++) {
            const unsigned n = 1 + k % (unsigned)min_u64(sizes[i], 9);
            const int id = request(q, n);

            dq_kick(q);
            assert_true(id >= 0 && dq_wait(q, &u, WAIT_MS));
            assert_int_equal(u.id, id);
            assert_int_equal(u.len, n > 1 ? BYTES : 0);
        }
    }
}

static void Q04_largest_queue(struct bench *b)
{
    struct dq *q = &b->d.q[0];
    struct used u;

    buffers_make(b);
    b->d.queue_size = 0;
    bench_init(b);
    assert_int_equal(q->size, VIRTQ_MAX_SIZE);
    for (unsigned round = 0; round < 5; round++) {
        for (unsigned i = 0; i < q->size / 2; i++)
            assert_true(request(q, 2) >= 0);
        dq_kick(q);
        for (unsigned i = 0; i < q->size / 2; i++)
            assert_true(dq_wait(q, &u, WAIT_MS));
    }
    assert_int_equal(request(q, 2) >= 0, true);
}

/* 2.6-d3, 2.8.12-d2: in the order in which they end, which lets ids and slots part ways. */
static void out_of_order(struct bench *b)
{
    struct dq *q = &b->d.q[0];
    struct used u;
    int id[4];

    b->d.queue_size = 16;
    bench_init(b);
    buffers_make(b);
    for (unsigned round = 0; round < 50; round++) {
        echo_set_hold(b, ECHO_HOLD);
        for (unsigned i = 0; i < ARRAY_SIZE(id); i++)
            id[i] = request(q, 1 + (round + i) % 4);
        q->ops->publish(q);
        b->d.ops->kick(&b->d, 0);
        echo_wait_held(b, ARRAY_SIZE(id));
        echo_release_last(b);
        echo_release(b, 1);
        echo_release_last(b);
        echo_release(b, 1);
        for (unsigned i = 0; i < ARRAY_SIZE(id); i++) {
            static const uint8_t order[] = {3, 0, 2, 1};

            assert_true(dq_poll(q, &u));
            assert_int_equal(u.id, id[order[i]]);
        }
    }
}

/* What does not end stays where it is while others come and go, over the wrap as well. */
static void one_stays_behind(struct bench *b)
{
    struct dq *q = &b->d.q[0];
    struct used u;
    int id;

    b->d.queue_size = 5;
    bench_init(b);
    buffers_make(b);
    echo_set_hold(b, ECHO_HOLD_IO);
    id = request(q, 2);
    dq_kick(q);
    echo_wait_held(b, 1);
    echo_set_hold(b, ECHO_AT_ONCE);
    for (unsigned i = 0; i < 40; i++) {
        const int other = request(q, 1 + i % 3);

        dq_kick(q);
        assert_true(dq_wait(q, &u, WAIT_MS));
        assert_int_equal(u.id, other);
        assert_int_not_equal(u.id, id);
    }
    echo_release(b, 1);
    assert_true(dq_wait(q, &u, WAIT_MS));
    assert_int_equal(u.id, id);
}

/* 2.8.10-d1: enable and disable; the third one says nothing that may hush the device. */
static void flags_rule_interrupts(struct bench *b)
{
    struct dq *q = &b->d.q[0];

    b->want &= ~BIT64(VIRTIO_F_EVENT_IDX);
    bench_init(b);
    buffers_make(b);
    packed_event(q, 0x7fff, ON);
    assert_true(run_interrupts(b, q, 1));
    assert_true(run_interrupts(b, q, 5));
    packed_event(q, 0x8000, OFF);
    assert_false(run_interrupts(b, q, 1));
    assert_false(run_interrupts(b, q, 5));
    packed_event(q, 0, HERE); /* not agreed on */
    assert_true(run_interrupts(b, q, 1));
    packed_event(q, 0, 3);
    assert_true(run_interrupts(b, q, 1));
    packed_event(q, 0, 0xfffc | OFF); /* of flags, two bits count */
    assert_false(run_interrupts(b, q, 1));
    packed_event(q, 0, ON);
    assert_true(run_interrupts(b, q, 1));
}

static uint16_t place(unsigned slot, bool wrap)
{
    return (uint16_t)(slot | (wrap ? PVIRTQ_EVENT_WRAP : 0));
}

/* 2.8.10-d1, 2.8.14-d1: every place of two turns, reached one by one and in batches. */
static void event_rules_interrupts(struct bench *b)
{
    struct dq *q = &b->d.q[0];
    const unsigned size = 10; /* five requests of two slots each */

    if (!bench_has(b, VIRTIO_F_EVENT_IDX))
        return; /* the plain combination: the test above */
    b->d.queue_size = size;
    for (unsigned at = 0; at < 2 * size; at += 2)
        for (unsigned step = 1; step <= 5; step++) {
            bench_init(b);
            buffers_make(b);
            packed_event(q, place(at % size, at < size), HERE);
            for (unsigned done = 0; done < 2 * size; done += 2 * step) {
                const unsigned end = done + 2 * step; /* two turns on it is the same place */
                const bool crosses = (at >= done && at < end) || at + 2 * size < end;

                assert_int_equal(run_interrupts(b, q, step), crosses);
            }
        }
    bench_init(b);
    buffers_make(b);
    packed_event(q, place(2, true), OFF); /* the place counts with its flag only */
    assert_false(run_interrupts(b, q, 5));
    packed_event(q, 0, ON);
    assert_true(run_interrupts(b, q, 1));
}

static void Q28_garbage_event(struct bench *b)
{
    struct dq *q = &b->d.q[0];

    buffers_make(b);
    for (unsigned i = 0; i < 0x10000; i += 0x0321) {
        packed_event(q, (uint16_t)i, (uint16_t) ~(i * 7));
        run(b, q, 1 + i % 16);
        packed_event(q, (uint16_t)i, HERE);
        run(b, q, 1 + i % 16);
    }
    assert_false(drv_broken(&b->d));
    bench_init(b);
    echo_works(b, 0, BYTES);
}

/* What the device says about kicks is well-formed; a driver that follows it is always served. */
static void device_rules_kicks(struct bench *b)
{
    struct dq *q = &b->d.q[0];
    unsigned kicks = 0, taken = 0;
    uint16_t at, flags;
    struct used u;

    buffers_make(b);
    machine_settle(b->m);
    for (unsigned i = 0; i < 1000; i++) {
        if (q->n_free < 3) {
            machine_settle(b->m);
            while (dq_poll(q, &u))
                taken++;
        }
        assert_true(request(q, 1 + i % 3) >= 0);
        if (q->ops->publish(q)) {
            kicks++;
            b->d.ops->kick(&b->d, 0);
        }
        if (i % 3 == 0 || i % 16 == 0)
            machine_settle(b->m);
        packed_event_device(q, &at, &flags);
        assert_true(flags == ON || flags == OFF || (q->event_idx && flags == HERE));
        assert_true((at & ~PVIRTQ_EVENT_WRAP) < q->size);
    }
    machine_settle(b->m);
    while (dq_poll(q, &u))
        taken++;
    assert_int_equal(taken, 1000);
    packed_event_device(q, &at, &flags);
    assert_int_equal(flags, q->event_idx ? HERE : ON);
    if (q->event_idx)
        assert_int_equal(at, place(q->avail_idx, q->avail_wrap));
    assert_true(kicks > 0);
}

/* 2.8-d1, 2.8.15-d1, d3, d4: the driver's area, what is read, and what is used stay as they are. */
static void each_writes_its_own(struct bench *b)
{
    struct dq *q = &b->d.q[0];
    uint8_t ring[16 * sizeof(struct pvirtq_desc)], area[64], out[BYTES];

    buffers_make(b);
    b->d.queue_size = 16;
    bench_init(b);
    memset(drv_mem(&b->d, buffers, BYTES), 0x42, BYTES);
    memset(drv_mem(&b->d, q->device, 64), 0x77, 64);
    packed_event(q, 0x1234, OFF);
    memcpy(area, drv_mem(&b->d, q->driver, 64), 64);
    memcpy(out, drv_mem(&b->d, buffers, BYTES), BYTES);
    run(b, q, 3);
    memcpy(ring, drv_mem(&b->d, q->desc, sizeof(ring)), sizeof(ring));
    assert_memory_equal(drv_mem(&b->d, q->driver, 64), area, 64);
    assert_memory_equal(drv_mem(&b->d, buffers, BYTES), out, BYTES);
    for (unsigned i = PVIRTQ_EVENT_BYTES; i < 64; i++)
        assert_int_equal(*(uint8_t *)drv_mem(&b->d, q->device + i, 1), 0x77);
    for (unsigned i = 0; i < 10; i++)
        b->d.ops->kick(&b->d, 0);
    machine_settle(b->m);
    assert_memory_equal(drv_mem(&b->d, q->desc, sizeof(ring)), ring, sizeof(ring));
    run(b, q, 5); /* over the slots behind, not these */
    assert_memory_equal(drv_mem(&b->d, q->desc, 96), ring, 96);
}

/* Q29, 2.8.10-d2: areas that end where RAM does. */
static void Q29_areas_at_end_of_ram(struct bench *b)
{
    enum { SELECT = 0x16, SIZE = 0x18, ENABLE = 0x1c, DESC = 0x20, DRIVER = 0x28, DEVICE = 0x30 };
    const struct dq q = b->d.q[0];
    const unsigned size = 100, ring = size * sizeof(struct pvirtq_desc);
    const struct {
        uint64_t desc, driver, device;
        bool good;
    } rows[] = {
        {RAM_HOLE - ring, q.driver, q.device, true},
        {RAM_HOLE - ring + 16, q.driver, q.device, false},
        {q.desc, RAM_END - 4, q.device, true},
        {q.desc, RAM_END, q.device, false},
        {q.desc, RAM_END - 2, q.device, false},
        {q.desc, q.driver, RAM_HOLE - 4, true},
        {q.desc, q.driver, RAM_HOLE, false},
        {q.desc, UINT64_MAX - 3, q.device, false},
        {UINT64_MAX - 15, q.driver, q.device, false},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        const uint64_t area[] = {rows[i].desc, rows[i].driver, rows[i].device};

        assert_true(drv_negotiate(&b->d, b->want));
        modern_write(&b->d, VIRTIO_PCI_CAP_COMMON, SELECT, 2, 0);
        modern_write(&b->d, VIRTIO_PCI_CAP_COMMON, SIZE, 2, size);
        for (unsigned k = 0; k < 6; k++)
            modern_write(&b->d, VIRTIO_PCI_CAP_COMMON, DESC + 4 * k, 4,
                         area[k / 2] >> (32 * (k % 2)) & 0xffffffff);
        modern_write(&b->d, VIRTIO_PCI_CAP_COMMON, ENABLE, 2, 1);
        assert_int_equal(modern_read(&b->d, VIRTIO_PCI_CAP_COMMON, ENABLE, 2), rows[i].good);
    }
    bench_init(b);
    echo_works(b, 0, BYTES);
}

static const struct echo_conf largest = {.n_queues = 1, .max = VIRTQ_MAX_SIZE};

/* clang-format off */
#define ROW(fn) {#fn, fn, BENCH_PACKED, NULL}
/* clang-format on */

int main(void)
{
    static const struct bench_test tests[] = {
        ROW(flag_combinations), /* 2.8.1-d1, d2, 2.8.15-d3 */
        ROW(Q08_every_size),
        {"Q04_largest_queue", Q04_largest_queue, BENCH_PACKED, &largest},
        ROW(out_of_order),
        ROW(one_stays_behind), /* 2.8.2-d1 */
        ROW(flags_rule_interrupts),
        ROW(event_rules_interrupts),
        ROW(Q28_garbage_event),
        ROW(device_rules_kicks),
        ROW(each_writes_its_own),
        ROW(Q29_areas_at_end_of_ram),
    };

    return bench_run("packed-ring", &echo_kind, tests, ARRAY_SIZE(tests));
}
