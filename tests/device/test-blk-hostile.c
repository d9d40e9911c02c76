// SPDX-License-Identifier: MIT
/* Block requests that no driver should make. Tests bear the ids of the list of hostile inputs. */
#include <errno.h>

#include "tests/device/blk-bench.h"

#define NOWHERE (UINT64_C(1) << 40)

/* One chain of the test's own making. a->in is where its status is looked for. */
static void chain_kick(struct bench *b, struct chain *c, struct ask_blk *a)
{
    dq_add_kick(&b->d.q[0], c, a);
}

static uint8_t chain_run(struct bench *b, struct chain *c, struct ask_blk *a)
{
    chain_kick(b, c, a);
    return ask_ended(b, a);
}

static struct ask_blk ask_new(struct bench *b, uint32_t type, uint64_t sector, uint32_t in_len)
{
    struct ask_blk a = {.type = type, .sector = sector, .in_len = in_len};

    ask_make(b, &a, NULL);
    return a;
}

/* ---- B: the request ---- */

static void B01_sector_overflows(struct bench *b)
{
    static const uint64_t sectors[] = {UINT64_MAX, UINT64_MAX / 512, UINT64_MAX / 512 + 1,
                                       UINT64_C(1) << 55, SECTORS};

    for (unsigned i = 0; i < ARRAY_SIZE(sectors); i++) {
        assert_int_equal(ask_status_of(b, T_IN, sectors[i], 0, 512), S_IOERR);
        assert_int_equal(ask_status_of(b, T_OUT, sectors[i], 512, 0), S_IOERR);
    }
    assert_int_equal(disk_steps(b, BLK_READ) + disk_steps(b, BLK_WRITE), 0);
}

static void B02_ends_past_capacity(struct bench *b)
{
    assert_int_equal(ask_status_of(b, T_IN, SECTORS - 1, 0, 1024), S_IOERR);
    assert_int_equal(ask_status_of(b, T_OUT, SECTORS - 1, 1024, 0), S_IOERR);
    assert_int_equal(disk_steps(b, BLK_READ) + disk_steps(b, BLK_WRITE), 0);
    disk_intact(0, DISK);
}

static void B04_last_sector(struct bench *b)
{
    disk_reads(b, SECTORS - 1, 512);
    assert_int_equal(ask_status_of(b, T_OUT, SECTORS - 1, 512, 0), S_OK);
    disk_intact(0, DISK - 512);
}

static void B05_no_whole_sectors(struct bench *b)
{
    static const uint32_t lens[] = {1, 511, 513};

    for (unsigned i = 0; i < ARRAY_SIZE(lens); i++) {
        assert_int_equal(ask_status_of(b, T_IN, 0, 0, lens[i]), S_IOERR);
        assert_int_equal(ask_status_of(b, T_OUT, 0, lens[i], 0), S_IOERR);
    }
    assert_int_equal(ask_status_of(b, T_IN, 0, 0, 0), S_OK);
    disk_intact(0, DISK);
}

/* B07, B08, B22, 5.2.6.2-d17, d19: what is not known or not offered */
static void B07_unknown_types(struct bench *b)
{
    static const uint32_t types[] = {
        2,  3,  5,  6,  7,  9,  10,         12,         14,         15,         16,
        18, 20, 22, 24, 26, 99, 0x80000000, 0x80000001, 0x80000004, 0x01000000, 0xffffffff};

    for (unsigned i = 0; i < ARRAY_SIZE(types); i++) {
        struct ask_blk a = {.type = types[i]};
        const uint64_t mark = drv_mark(&b->d);

        if (types[i] == T_FLUSH_OUT && !b->d.ops->features_ok)
            continue; /* there it is known: 5.2.6.3-l4, test-blk-legacy.c */
        assert_int_equal(ask_run(b, &a, NULL), S_UNSUPP);
        assert_int_equal(a.used, 1); /* 5.2.6-d3 */
        drv_rewind(&b->d, mark);
        assert_int_equal(ask_status_of(b, types[i], 0, 16, 0), S_UNSUPP);
        assert_int_equal(ask_status_of(b, types[i], 0, 0, 512), S_UNSUPP);
    }
    disk_intact(0, DISK);
}

static void B10_flush_with_extras(struct bench *b)
{
    assert_int_equal(ask_status_of(b, T_FLUSH, 77, 0, 0), S_OK);
    assert_int_equal(ask_status_of(b, T_FLUSH, UINT64_MAX, 512, 0), S_OK);
    assert_int_equal(ask_status_of(b, T_FLUSH, 0, 0, 512), S_OK);
    assert_int_equal(disk_steps(b, BLK_FLUSH), 3);
    disk_intact(0, DISK);
}

static void B11_get_id_lengths(struct bench *b)
{
    static const uint32_t lens[] = {0, 1, 19, 20, 21, 512};

    for (unsigned i = 0; i < ARRAY_SIZE(lens); i++) {
        struct ask_blk a = {.type = T_GET_ID, .in_len = lens[i]};

        assert_int_equal(ask_run(b, &a, NULL), S_OK);
        assert_int_equal(a.used, lens[i] > 20 ? 20 : lens[i] + 1); /* D37 */
        assert_memory_equal(ask_data(b, &a), "0123456789abcdefghij", min_u64(20, lens[i]));
        for (unsigned k = 20; k < lens[i]; k++)
            assert_int_equal(ask_data(b, &a)[k], POISON);
    }
}

/* Header with data in one buffer, status at the end of the data's; and all of it in bytes. */
static void B13_framing(struct bench *b)
{
    static const enum frame frames[] = {FRAME_WHOLE, FRAME_BYTES, FRAME_ODD};

    for (unsigned i = 0; i < ARRAY_SIZE(frames); i++) {
        b->d.frame = frames[i];
        disk_reads(b, i, 1024);
        assert_int_equal(ask_status_of(b, T_OUT, SECTORS - 1, 512, 0), S_OK);
        assert_int_equal(ask_status_of(b, T_FLUSH, 0, 0, 0), S_OK);
    }
}

static void B14_short_header(struct bench *b)
{
    static const uint32_t lens[] = {1, 15};

    for (unsigned i = 0; i < ARRAY_SIZE(lens); i++) {
        struct ask_blk a = ask_new(b, T_IN, 0, 512);
        struct chain c = {0};

        chain_out(&c, a.out, lens[i]);
        chain_in(&c, a.in, 513);
        chain_kick(b, &c, &a);
        disk_failed_and_recovers(b);
    }
}

static void B16_no_status_byte(struct bench *b)
{
    struct ask_blk a = ask_new(b, T_OUT, 0, 512);
    struct chain c = {0};

    chain_out(&c, a.out, HEADER);
    chain_out(&c, a.in, 513); /* readable */
    chain_kick(b, &c, &a);
    disk_failed_and_recovers(b);
    c.n = 0;
    a = ask_new(b, T_FLUSH, 0, 0);
    chain_out(&c, a.out, HEADER);
    chain_in(&c, a.in, 0);
    chain_kick(b, &c, &a);
    disk_failed_and_recovers(b);
    disk_intact(0, DISK);
}

/* More than a byte: the last one is it, the others count as data. */
static void B16_long_status(struct bench *b)
{
    struct ask_blk a = ask_new(b, T_FLUSH, 0, 7);
    struct chain c = {0};

    chain_out(&c, a.out, HEADER);
    chain_in(&c, a.in, 8);
    assert_int_equal(chain_run(b, &c, &a), S_OK);
    assert_int_equal(a.used, 0);
    for (unsigned i = 0; i < 7; i++)
        assert_int_equal(ask_data(b, &a)[i], POISON);
    assert_int_equal(ask_status_of(b, T_IN, 0, 0, 512 + 3), S_IOERR);
}

static void B17_data_of_the_wrong_kind(struct bench *b)
{
    assert_int_equal(ask_status_of(b, T_IN, 0, 512, 512), S_IOERR);
    assert_int_equal(ask_status_of(b, T_OUT, 0, 512, 512), S_IOERR);
    assert_int_equal(ask_status_of(b, T_OUT, 0, 512, 1), S_IOERR);
    disk_intact(0, DISK);
}

/* As many large requests as the ring takes. */
static void B25_full_ring(struct bench *b)
{
    enum { N = 128 };
    struct ask_blk a[N];
    struct dq *q = &b->d.q[0];
    unsigned n = 0;
    struct used u;

    for (; n < N; n++) {
        struct chain c = {0};

        a[n] = ask_new(b, T_IN, n, 32768);
        chain_out(&c, a[n].out, HEADER);
        chain_in(&c, a[n].in, a[n].in_len + 1);
        if (dq_add(q, &c, &a[n]) < 0)
            break;
    }
    assert_true(n >= q->size / 2u);
    dq_kick(q);
    for (unsigned i = 0; i < n; i++) {
        assert_true(dq_wait(q, &u, WAIT_MS));
        assert_int_equal(u.len, 32768 + 1);
    }
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(ask_status(b, &a[i]), S_OK);
        assert_int_equal(ask_data(b, &a[i])[32767], image_byte(i * 512 + 32767));
    }
    disk_reads(b, 3, 512);
}

/* A header that changes once the request is under way changes nothing. */
static void B28_header_changes(struct bench *b)
{
    struct ask_blk a = {.type = T_OUT, .sector = 5, .out_len = 512};
    uint8_t data[512], back[512];
    uint8_t *header;

    memset(data, 0x42, sizeof(data));
    disk_hold(b);
    ask_make(b, &a, data);
    ask_kick(b, &a);
    assert_true(machine_until(b->m, disk_held, b, WAIT_MS));
    header = (uint8_t *)drv_mem(&b->d, a.out, HEADER);
    order_store(b->d.order, header, 4, T_IN);
    order_store(b->d.order, header + 8, 8, 900);
    disk_release(b);
    assert_int_equal(ask_ended(b, &a), S_OK);
    image_peek(&disk, 5 * 512, back, 512);
    assert_memory_equal(back, data, 512);
    disk_intact(6 * 512, DISK);
    disk_intact(0, 5 * 512);
}

/* ---- D: the chain ---- */

/* Data that is not RAM: an error of that request, before any host I/O. */
static void D10_data_is_not_ram(struct bench *b)
{
    static const struct {
        uint64_t addr;
        uint32_t len;
    } bad[] = {
        {NOWHERE, 512},        {RAM_HOLE, 512},
        {RAM_END, 512},        {RAM_END - 256, 512},    /* ends behind it */
        {RAM_HOLE - 256, 512}, {UINT64_MAX - 255, 512}, /* D11 */
        {UINT64_MAX, 512},     {ECAM_BASE, 512},        /* D14 */
        {MSI_ADDR, 512},       {RAM_LOW1, 0xfffffe00},  /* D16 */
    };

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        struct ask_blk in = ask_new(b, T_IN, 0, 0), out = ask_new(b, T_OUT, 0, 0);
        struct chain c = {0};

        chain_out(&c, in.out, HEADER);
        chain_in(&c, bad[i].addr, bad[i].len);
        chain_in(&c, in.in, 1);
        assert_int_equal(chain_run(b, &c, &in), S_IOERR);
        assert_int_equal(in.used, 0);
        c.n = 0;
        chain_out(&c, out.out, HEADER);
        chain_out(&c, bad[i].addr, bad[i].len);
        chain_in(&c, out.in, 1);
        assert_int_equal(chain_run(b, &c, &out), S_IOERR);
        assert_int_equal(out.used, 1);
    }
    assert_int_equal(disk_steps(b, BLK_READ) + disk_steps(b, BLK_WRITE), 0);
    disk_intact(0, DISK);
    disk_reads(b, 0, 512);
}

static void D10_header_is_not_ram(struct bench *b)
{
    static const uint64_t at[] = {NOWHERE, RAM_HOLE - 8, UINT64_MAX - 7};

    for (unsigned i = 0; i < ARRAY_SIZE(at); i++) {
        struct ask_blk a = ask_new(b, T_FLUSH, 0, 0);
        struct chain c = {0};

        chain_out(&c, at[i], HEADER);
        chain_in(&c, a.in, 1);
        assert_int_equal(chain_run(b, &c, &a), S_IOERR);
    }
    assert_int_equal(disk_steps(b, BLK_FLUSH), 0);
}

static void D10_status_is_not_ram(struct bench *b)
{
    struct ask_blk a = ask_new(b, T_IN, 0, 512);
    struct chain c = {0};

    chain_out(&c, a.out, HEADER);
    chain_in(&c, a.in, 512);
    chain_in(&c, NOWHERE, 1);
    chain_kick(b, &c, &a);
    disk_failed_and_recovers(b);
}

/* Where two regions of RAM touch that are far apart on the host. */
static void D13_across_regions(struct bench *b)
{
    static const uint32_t before[] = {1, 511, 512, 700, 1023};

    for (unsigned i = 0; i < ARRAY_SIZE(before); i++) {
        struct ask_blk a = ask_new(b, T_IN, 4, 0);
        const uint64_t at = RAM_LOW1 - before[i];
        struct chain c = {0};

        chain_out(&c, a.out, HEADER);
        chain_in(&c, at, 1024);
        chain_in(&c, a.in, 1);
        assert_int_equal(chain_run(b, &c, &a), S_OK);
        assert_int_equal(a.used, 1025);
        for (unsigned k = 0; k < 1024; k++)
            assert_int_equal(*(uint8_t *)machine_mem(b->m, at + k, 1), image_byte(2048 + k));
    }
}

static void D17_more_than_32_bits(struct bench *b)
{
    struct ask_blk a = ask_new(b, T_IN, 0, 512);
    struct chain c = {0};

    chain_out(&c, a.out, HEADER);
    chain_in(&c, NOWHERE, 0x80000000);
    chain_in(&c, NOWHERE, 0x80000000);
    chain_in(&c, a.in, 513); /* in 32 bits: an ordinary request */
    assert_int_equal(chain_run(b, &c, &a), S_IOERR);
    assert_int_equal(a.used, 0);
    assert_int_equal(disk_steps(b, BLK_READ), 0);
}

/* All of it RAM, again and again, and all of it on the disk: but no used length could tell. */
static void D17_more_than_32_bits_of_ram(struct bench *b)
{
    struct ask_blk a;
    struct chain c = {0};

    b->d.queue_size = 256;
    bench_init(b);
    a = ask_new(b, T_IN, 0, 0);
    chain_out(&c, a.out, HEADER);
    for (unsigned i = 0; i < 128; i++)
        chain_in(&c, RAM_LOW0, 2 * RAM_SIZE);
    chain_in(&c, a.in, 1);
    assert_int_equal(chain_run(b, &c, &a), S_IOERR);
    assert_int_equal(a.used, 0);
    assert_int_equal(disk_steps(b, BLK_READ), 0);
}

static void D19_readable_after_writable(struct bench *b)
{
    struct ask_blk a = ask_new(b, T_IN, 0, 512);
    struct chain c = {0};

    chain_out(&c, a.out, HEADER);
    chain_in(&c, a.in, 513);
    chain_out(&c, a.out, HEADER);
    chain_kick(b, &c, &a);
    disk_failed_and_recovers(b);
}

static void D20_header_marked_writable(struct bench *b)
{
    struct ask_blk a = ask_new(b, T_IN, 0, 512);
    struct chain c = {0};

    chain_in(&c, a.out, HEADER);
    chain_in(&c, a.in, 513);
    chain_kick(b, &c, &a);
    disk_failed_and_recovers(b);
}

/* The data goes where the request itself stands. */
static void D34_buffers_overlap(struct bench *b)
{
    struct ask_blk a = {.type = T_IN, .sector = 6, .out_len = 0, .in_len = 512};
    struct chain c = {0};

    ask_make(b, &a, NULL);
    memcpy(ask_data(b, &a) + 100, drv_mem(&b->d, a.out, HEADER), HEADER);
    chain_out(&c, a.in + 100, HEADER);
    chain_in(&c, a.in, 513);
    assert_int_equal(chain_run(b, &c, &a), S_OK);
    for (unsigned i = 0; i < 512; i++)
        assert_int_equal(ask_data(b, &a)[i], image_byte(6 * 512 + i));
}

/* The data goes over the rings: whatever comes of it, the next driver finds a device that works. */
static void D35_data_over_the_rings(struct bench *b)
{
    for (unsigned i = 0; i < 3; i++) {
        struct dq *q = &b->d.q[0];
        const uint64_t area[] = {q->desc, q->driver, q->device};
        struct ask_blk a = ask_new(b, T_IN, 0, 0);
        struct chain c = {0};

        chain_out(&c, a.out, HEADER);
        chain_in(&c, area[i], 512);
        chain_in(&c, a.in, 1);
        chain_kick(b, &c, &a);
        machine_settle(b->m);
        q->ops->publish(q);
        b->d.ops->kick(&b->d, 0);
        machine_settle(b->m);
        bench_init(b);
        disk_reads(b, 8, 512);
    }
}

static bool disk_used(void *arg)
{
    struct dq *q = &((struct bench *)arg)->d.q[0];

    return q->ops->used_any(q);
}

/* T05: resets with requests just made, under way, and ended. */
static void T05_resets_and_kicks(struct bench *b)
{
    b->d.frame = FRAME_WHOLE;
    for (unsigned i = 0; i < 300; i++) {
        const uint64_t mark = drv_mark(&b->d);
        struct ask_blk a[3];

        for (unsigned k = 0; k < ARRAY_SIZE(a); k++) {
            a[k] = ask_new(b, k ? T_IN : T_FLUSH, i, k ? 65536 : 0);
            ask_kick(b, &a[k]);
        }
        if (i % 3 == 0)
            assert_true(machine_until(b->m, disk_used, b, WAIT_MS));
        drv_reset(&b->d);
        drv_rewind(&b->d, mark);
        bench_init(b);
    }
    disk_reads(b, 8, 512);
}

static const struct disk_case named = {.serial = "0123456789abcdefghij"};
static const struct disk_case huge = {.size = UINT64_C(8) << 30};
static const struct disk_case by_uring = {.open.engine = &blk_uring};
static const struct disk_case by_threads = {.open.engine = &blk_pool};

int main(void)
{
    static const struct bench_test tests[] = {
        {"B01_sector_overflows", B01_sector_overflows, 0, NULL},
        {"B02_ends_past_capacity", B02_ends_past_capacity, 0, NULL},
        {"B04_last_sector", B04_last_sector, 0, NULL},
        {"B05_no_whole_sectors", B05_no_whole_sectors, 0, NULL},
        {"B07_B08_B22_unknown_types", B07_unknown_types, 0, NULL},
        {"B10_flush_with_extras", B10_flush_with_extras, 0, NULL},
        {"B11_get_id_lengths", B11_get_id_lengths, 0, &named},
        {"B13_framing", B13_framing, 0, &by_uring},
        {"B14_short_header", B14_short_header, 0, NULL},
        {"B16_no_status_byte", B16_no_status_byte, 0, NULL},
        {"B16_long_status", B16_long_status, 0, NULL},
        {"B17_data_of_the_wrong_kind", B17_data_of_the_wrong_kind, 0, NULL},
        {"B25_full_ring/io_uring", B25_full_ring, 0, &by_uring},
        {"B25_full_ring/threads", B25_full_ring, 0, &by_threads},
        {"B28_header_changes", B28_header_changes, 0, NULL},
        {"D10_D11_D14_D16_data_is_not_ram", D10_data_is_not_ram, 0, NULL},
        {"D10_header_is_not_ram", D10_header_is_not_ram, 0, NULL},
        {"D10_status_is_not_ram", D10_status_is_not_ram, 0, NULL},
        {"D13_across_regions", D13_across_regions, 0, &by_uring},
        {"D17_more_than_32_bits", D17_more_than_32_bits, 0, NULL},
        {"D17_more_than_32_bits_of_ram", D17_more_than_32_bits_of_ram, BENCH_RAW, &huge},
        {"D19_readable_after_writable", D19_readable_after_writable, 0, NULL},
        {"D20_header_marked_writable", D20_header_marked_writable, 0, NULL},
        {"D34_buffers_overlap", D34_buffers_overlap, 0, &by_uring},
        {"D35_data_over_the_rings", D35_data_over_the_rings, 0, &by_uring},
        {"T05_resets_and_kicks/io_uring", T05_resets_and_kicks, BENCH_THREADS, &by_uring},
        {"T05_resets_and_kicks/threads", T05_resets_and_kicks, BENCH_THREADS, &by_threads},
    };

    return bench_run("blk-hostile", &disk_kind, tests, ARRAY_SIZE(tests));
}
