// SPDX-License-Identifier: MIT
/*
 * Byte order of configuration, rings and requests belongs to the path by which a driver comes:
 * DEVICE_CFG is little-endian whatever was agreed on, the I/O BAR is as the guest is. Here guests
 * are big-endian; the combination legacy-big runs all device tests with such a one.
 */
#include "tests/device/blk-bench.h"

enum {
    CAPACITY = 0,
    BLK_SIZE = 20,
    SECTOR = 512,
    BLOCK = 4096, /* other bytes in either order than 512, and other ones by halves */
    ACK = VIRTIO_S_ACKNOWLEDGE,
    DRIVER = VIRTIO_S_DRIVER,
    OFFER = 0x00,  /* of 0.9 */
    ACCEPT = 0x04, /* of 0.9 */
};

static enum byte_order order_now;

static enum byte_order order_of_guest(void *ctx)
{
    (void)ctx;
    return order_now;
}

/* The guest's processors change to this order; what the driver does follows with its next reset. */
static void guest_is(struct bench *b, enum byte_order order)
{
    order_now = order;
    vpci_set_guest_order(b->vp, order_of_guest, NULL);
}

static void driver_is(struct bench *b, enum byte_order order)
{
    b->d.order = order;
    for (unsigned i = 0; i < b->d.n_queues; i++)
        b->d.q[i].order = order;
}

/* What reads as v in this order. */
static uint64_t value(enum byte_order order, uint64_t v, unsigned len)
{
    uint8_t bytes[8];

    order_store(order, bytes, len, v);
    return order_load(ORDER_LITTLE, bytes, len);
}

static void device_cfg_reads(struct bench *b, enum byte_order order)
{
    assert_int_equal(modern_read(&b->d, VIRTIO_PCI_CAP_DEVICE, BLK_SIZE, 4),
                     value(order, BLOCK, 4));
    assert_int_equal(modern_read(&b->d, VIRTIO_PCI_CAP_DEVICE, CAPACITY, 8),
                     value(order, SECTORS, 8));
}

static void bar_reads(struct bench *b, enum byte_order order)
{
    const unsigned base = legacy_config(&b->d);
    const uint64_t low = legacy_read(&b->d, base + CAPACITY, 4);

    assert_int_equal(legacy_read(&b->d, base + BLK_SIZE, 4), value(order, BLOCK, 4));
    assert_int_equal(low | legacy_read(&b->d, base + CAPACITY + 4, 4) << 32,
                     value(order, SECTORS, 8));
}

static void there_and_back(struct bench *b)
{
    struct ask_blk w = {.type = T_OUT, .sector = 0x123, .out_len = SECTOR};
    struct ask_blk r = {.type = T_IN, .sector = 0x123, .in_len = SECTOR};
    uint8_t data[SECTOR];

    memset(data, 0x3c, sizeof(data));
    assert_int_equal(ask_run(b, &w, data), S_OK);
    assert_int_equal(ask_run(b, &r, NULL), S_OK);
    assert_memory_equal(ask_data(b, &r), data, SECTOR);
    disk_reads(b, 0x124, 1024);
    disk_reads(b, 0x122, SECTOR);
}

/* Before and behind every step of 3.1.1, with VERSION_1 written and not written. */
static void device_cfg_is_little(struct bench *b)
{
    struct drv *d = &b->d;

    guest_is(b, ORDER_BIG);
    drv_reset(d);
    device_cfg_reads(b, ORDER_LITTLE);
    d->ops->status_set(d, ACK);
    device_cfg_reads(b, ORDER_LITTLE);
    d->ops->status_set(d, ACK | DRIVER);
    device_cfg_reads(b, ORDER_LITTLE);
    d->ops->accept(d, BIT64(F_FLUSH));
    device_cfg_reads(b, ORDER_LITTLE);
    d->ops->accept(d, BIT64(F_FLUSH) | BIT64(F_BLK_SIZE) | BIT64(VIRTIO_F_VERSION_1));
    device_cfg_reads(b, ORDER_LITTLE);
    d->ops->status_set(d, ACK | DRIVER | VIRTIO_S_FEATURES_OK);
    device_cfg_reads(b, ORDER_LITTLE);
    bench_init(b);
    device_cfg_reads(b, ORDER_LITTLE);
    there_and_back(b);
    d->ops->status_set(d, drv_status(d) | VIRTIO_S_FAILED);
    device_cfg_reads(b, ORDER_LITTLE);
}

static void bar_is_native(struct bench *b)
{
    static const enum byte_order orders[] = {ORDER_BIG, ORDER_LITTLE, ORDER_BIG};
    struct drv *d = &b->d;

    for (unsigned i = 0; i < ARRAY_SIZE(orders); i++) {
        const enum byte_order order = orders[i];

        drv_reset(d);
        guest_is(b, order);
        driver_is(b, order);
        bar_reads(b, order);
        d->ops->status_set(d, ACK | DRIVER);
        bar_reads(b, order);
        assert_true(legacy_read(d, OFFER, 4) & BIT64(F_FLUSH)); /* the header is little-endian */
        d->ops->accept(d, BIT64(F_BLK_SIZE));
        assert_int_equal(legacy_read(d, ACCEPT, 4), BIT64(F_BLK_SIZE));
        bar_reads(b, order);
        bench_init(b);
        bar_reads(b, order);
        there_and_back(b);
    }
}

/* Which order it is, is settled by the first write after a reset. */
static void settled_until_reset(struct bench *b)
{
    guest_is(b, ORDER_BIG);
    driver_is(b, ORDER_BIG);
    bench_init(b);
    there_and_back(b);
    guest_is(b, ORDER_LITTLE); /* a processor that looks at other things for a while */
    there_and_back(b);
    bar_reads(b, ORDER_BIG);
    drv_reset(&b->d);
    bar_reads(b, ORDER_LITTLE);
    driver_is(b, ORDER_LITTLE);
    bench_init(b);
    there_and_back(b);
}

static uint64_t device_has(struct bench *b)
{
    uint64_t bits;

    loop_lock(b->loop);
    bits = b->dev->accepted.word[0] | (uint64_t)b->dev->accepted.word[1] << 32;
    loop_unlock(b->loop);
    return bits;
}

/* F08: a driver with fewer features, then one through the other interface: each gets its own order
 * and its own features, nothing adds up. */
static void by_turns(struct bench *b)
{
    static const uint64_t wants[] = {~UINT64_C(0), 0, BIT64(F_FLUSH), BIT64(F_BLK_SIZE)};
    struct drv *d = &b->d;

    guest_is(b, ORDER_BIG);
    for (unsigned i = 0; i < 2 * ARRAY_SIZE(wants); i++) {
        const bool modern = i % 2 == 0;

        drv_reset(d);
        d->ops = modern ? &driver_modern : &driver_legacy;
        assert_true(d->ops->probe(d));
        driver_is(b, modern ? ORDER_LITTLE : ORDER_BIG);
        b->want = wants[i / 2] & ~(BIT64(24) | BIT64(27));
        bench_init(b);
        assert_int_equal(device_has(b), d->features);
        device_cfg_reads(b, ORDER_LITTLE);
        bar_reads(b, ORDER_BIG);
        there_and_back(b);
    }
}

static struct disk_case big_blocks = {.block_size = BLOCK};

int main(void)
{
    static const struct bench_test tests[] = {
        {"device_cfg_is_little", device_cfg_is_little, BENCH_RAW | BENCH_MODERN, &big_blocks},
        {"bar_is_native", bar_is_native, BENCH_RAW | BENCH_LEGACY, &big_blocks}, /* 4.1.4.10-l9 */
        {"settled_until_reset", settled_until_reset, BENCH_RAW | BENCH_LEGACY, &big_blocks},
        {"by_turns", by_turns, BENCH_RAW | BENCH_BOTH, &big_blocks}, /* 2.2-d2, 4.1.4.10-l10 */
    };

    return bench_run("order", &disk_kind, tests, ARRAY_SIZE(tests));
}
