// SPDX-License-Identifier: MIT
/* What the disk says of itself: queues, topology, and a capacity that changes. */
#include <sys/stat.h>

#include "tests/device/blk-bench.h"

enum { QUEUES = 4 };

static uint64_t config(struct bench *b, unsigned off, unsigned len)
{
    return b->d.ops->config_read(&b->d, off, len);
}

/* 5.2.2-d1, 5.2.4-d4 */
static void queues(struct bench *b)
{
    assert_true(b->d.ops->offered(&b->d) & BIT64(F_MQ));
    assert_int_equal(config(b, 34, 2), QUEUES);
    assert_int_equal(b->d.n_queues, QUEUES);
    assert_int_equal(b->d.ops->queue_max(&b->d, QUEUES), 0);
}

static void one_queue(struct bench *b)
{
    assert_false(b->d.ops->offered(&b->d) & BIT64(F_MQ));
    assert_int_equal(config(b, 34, 2), 0);
    assert_int_equal(b->d.n_queues, 1);
}

static void ask_on(struct bench *b, unsigned q, struct ask_blk *a)
{
    struct chain c = {0};

    chain_out(&c, a->out, HEADER + a->out_len);
    chain_in(&c, a->in, a->in_len + 1);
    dq_add_kick(&b->d.q[q], &c, a);
}

/* Requests on all queues at once; each comes back where it came from, with an interrupt. */
static void all_queues_work(struct bench *b)
{
    enum { ROUNDS = 20 };
    struct ask_blk ask[QUEUES];
    struct used u;

    for (unsigned round = 0; round < ROUNDS; round++) {
        const uint64_t mark = drv_mark(&b->d);

        for (unsigned q = 0; q < QUEUES; q++) {
            ask[q] = (struct ask_blk){.type = T_IN, .sector = round * 10 + q, .in_len = 512};
            ask_make(b, &ask[q], NULL);
            ask_on(b, q, &ask[q]);
        }
        for (unsigned q = QUEUES; q--;) {
            assert_true(dq_wait(&b->d.q[q], &u, WAIT_MS));
            assert_ptr_equal(u.cookie, &ask[q]);
            assert_int_equal(ask_status(b, &ask[q]), S_OK);
            for (unsigned k = 0; k < 512; k++)
                assert_int_equal(ask_data(b, &ask[q])[k], image_byte(ask[q].sector * 512 + k));
        }
        drv_rewind(&b->d, mark);
    }
}

/* Q26: a driver that knows of one queue only. */
static void Q26_one_of_many(struct bench *b)
{
    b->want &= ~BIT64(F_MQ);
    assert_true(drv_negotiate(&b->d, b->want));
    gfunc_msix_control(&b->d.func, b->d.use_msix, false);
    drv_queue(&b->d, 0, 0);
    drv_go(&b->d);
    disk_reads(b, 3, 1024);
}

static void topology(struct bench *b)
{
    const struct disk_case *c = (const struct disk_case *)b->arg;
    const uint32_t unit = c ? c->block_size : 512;
    struct stat st;
    uint32_t physical;

    assert_int_equal(stat(disk.path, &st), 0);
    physical = st.st_blksize <= 4096 ? (uint32_t)st.st_blksize : 4096;
    assert_int_equal(config(b, 20, 4), unit);
    assert_int_equal(unit << config(b, 24, 1), max_u64(physical, unit));
    assert_int_equal(config(b, 25, 1), 0);
    assert_int_equal(config(b, 26, 2), physical / unit);
    assert_int_equal(config(b, 28, 4), 0);
}

static void disk_works(struct bench *b)
{
    const uint64_t mark = drv_mark(&b->d);

    disk_reads(b, 3, 1024);
    assert_int_equal(ask_status_of(b, T_OUT, 8, 512, 0), S_OK);
    assert_int_equal(ask_status_of(b, T_FLUSH, 0, 0, 0), S_OK);
    drv_rewind(&b->d, mark);
}

/* 2.2.2-d1, 5.2.5.2-d2: fields go with their features. */
static void each_withheld(struct bench *b)
{
    const struct vfeat wce = {{BIT32(F_FLUSH) | BIT32(F_TOPOLOGY) | BIT32(F_MQ)}};

    bench_withhold(b, disk_works);
    drv_reset(&b->d);
    loop_lock(b->loop);
    vdev_withhold(b->dev, &wce);
    loop_unlock(b->loop);
    assert_int_equal(b->d.ops->offered(&b->d) & BIT64(F_CONFIG_WCE), 0);
    assert_int_equal(config(b, 24, 1), 0);
    assert_int_equal(config(b, 26, 2), 0);
    assert_int_equal(config(b, 32, 1), 0);
    assert_int_equal(config(b, 34, 2), 0);
    bench_init(b);
    disk_works(b);
}

/* 5.2.6.2-d1, d2 */
static void resize_to(struct bench *b, off_t bytes, bool changes)
{
    const uint32_t before = b->d.use_msix ? gfunc_msix_count(&b->d.func, 0) : 0;
    const uint8_t generation = b->d.ops->generation ? b->d.ops->generation(&b->d) : 0;
    int ret;

    config(b, 0, 8);
    b->d.ops->isr(&b->d);
    assert_int_equal(truncate(disk.path, bytes), 0);
    loop_lock(b->loop);
    ret = blk_resize(b->dev, &disk.err);
    loop_unlock(b->loop);
    assert_int_equal(ret, 0);
    assert_int_equal(config(b, 0, 8), bytes / 512);
    if (b->d.ops->generation)
        assert_int_equal(generation != b->d.ops->generation(&b->d), changes);
    if (b->d.use_msix)
        assert_int_equal(gfunc_msix_count(&b->d.func, 0) > before, changes);
    else
        assert_int_equal((b->d.ops->isr(&b->d) & VIRTIO_ISR_CONFIG) != 0, changes);
}

static void capacity_changes(struct bench *b)
{
    resize_to(b, DISK, false);
    resize_to(b, 2 * DISK, true);
    disk_reads(b, 5, 512);
    assert_int_equal(ask_status_of(b, T_OUT, 2 * SECTORS - 1, 512, 0), S_OK);
    assert_int_equal(ask_status_of(b, T_OUT, 2 * SECTORS, 512, 0), S_IOERR);
    resize_to(b, DISK / 2, true);
    assert_int_equal(ask_status_of(b, T_IN, SECTORS / 2, 0, 512), S_IOERR);
    disk_reads(b, SECTORS / 2 - 1, 512);
    resize_to(b, DISK, true);
    disk_reads(b, 0, 512);
}

/* The image is gone but for a rest: refused, nothing changes for the driver. */
static void resize_to_nothing(struct bench *b)
{
    int ret;

    assert_int_equal(truncate(disk.path, 1), 0);
    loop_lock(b->loop);
    ret = blk_resize(b->dev, &disk.err);
    loop_unlock(b->loop);
    assert_true(ret < 0);
    assert_int_equal(config(b, 0, 8), SECTORS);
    assert_int_equal(ask_status_of(b, T_IN, 100, 0, 512), S_IOERR);
}

static const struct disk_case many = {.queues = QUEUES};
static const struct disk_case many_uring = {.queues = QUEUES, .open.engine = &blk_uring};
static const struct disk_case large_blocks = {.block_size = 4096};
static const struct disk_case by_uring = {.open.engine = &blk_uring};
static const struct disk_case snap = {.open.engine = &blk_uring, .open.snapshot = true};

int main(void)
{
    static const struct bench_test tests[] = {
        {"queues", queues, 0, &many},
        {"one_queue", one_queue, 0, NULL},
        {"all_queues_work/script", all_queues_work, 0, &many},
        {"all_queues_work/io_uring", all_queues_work, 0, &many_uring},
        {"all_queues_work/loop-thread", all_queues_work, BENCH_THREADS, &many_uring},
        {"Q26_one_of_many", Q26_one_of_many, BENCH_RAW, &many},
        {"each_withheld", each_withheld, 0, &many},
        {"topology/512", topology, 0, NULL},
        {"topology/4096", topology, 0, &large_blocks},
        {"capacity_changes/script", capacity_changes, 0, NULL},
        {"capacity_changes/io_uring", capacity_changes, 0, &by_uring},
        {"capacity_changes/snapshot", capacity_changes, 0, &snap},
        {"resize_to_nothing", resize_to_nothing, 0, &by_uring},
    };

    return bench_run("blk-config", &disk_kind, tests, ARRAY_SIZE(tests));
}
