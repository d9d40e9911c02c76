// SPDX-License-Identifier: MIT
/*
 * What becomes of a request when the host is slow, short or broken: an engine that answers by
 * script stands in for the kernel.
 */
#include <errno.h>

#include "tests/unit/blk-script.h"

enum { SIZE = 1 << 20 };

static void start(struct image *m, bool snapshot)
{
    memset(&host, 0, sizeof(host));
    image_make(m, SIZE);
    image_open(m, (struct blk_open){.engine = &scripted, .snapshot = snapshot});
}

static void check(const uint8_t *data, uint64_t at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        assert_int_equal(data[i], image_byte(at + i));
}

/* H05: whatever the kernel delivers at a time, every byte arrives. */
static void test_H05_short_transfers(void **state)
{
    static uint8_t data[16384], back[16384];
    struct ask a = {.io = {.op = BLK_READ, .offset = 512, .n_iov = 3},
                    .iov = {{data, 700}, {data + 700, 4096}, {data + 4796, 8192 - 4796}}};
    struct image m;

    (void)state;
    start(&m, false);
    SCRIPTED(512, -EINTR, 1000, -EAGAIN, 3, 513, 4096, -ECANCELED);
    ask_submit(&m, &a);
    assert_int_equal(ask_wait(&m, &a), 0);
    check(data, 512, 8192);
    assert_int_equal(host.at, host.n);
    memset(data, 0x5a, sizeof(data));
    SCRIPTED(1, 511, 512, -EINTR, 4097, 1024);
    assert_int_equal(ask_write(&m, 1024, data, 16384), 0);
    image_peek(&m, 1024, back, 16384);
    assert_memory_equal(back, data, 16384);
    image_peek(&m, 0, back, 1024);
    check(back, 0, 1024);
    image_peek(&m, 1024 + 16384, back, 1024);
    check(back, 1024 + 16384, 1024);
    assert_int_equal(blk_errors(m.be), 0);
    image_done(&m);
}

/* A host that never gets anywhere is an error in the end, not a loop. */
static void test_H05_no_progress_ends(void **state)
{
    static const int64_t never[] = {-EINTR, -EAGAIN, 7};
    int64_t answers[SCRIPT];
    uint8_t data[512];
    struct image m;

    (void)state;
    start(&m, false);
    for (unsigned k = 0; k < 3; k++) {
        for (unsigned i = 0; i < SCRIPT; i++)
            answers[i] = never[k];
        script(SCRIPT, answers);
        assert_true(ask_read(&m, 0, data, 512) < 0);
        assert_true(host.at > 10 && host.at < SCRIPT);
    }
    image_done(&m);
}

/* H02, H08, I2: an error is reported once, and later requests are tried again. */
static void test_H02_errors_are_reported(void **state)
{
    static const int codes[] = {EIO, ENOSPC, ENXIO, ENODEV, EFBIG};
    uint8_t data[2048] = {0};
    struct image m;

    (void)state;
    start(&m, false);
    for (unsigned i = 0; i < ARRAY_SIZE(codes); i++) {
        SCRIPTED(-codes[i]);
        assert_int_equal(ask_read(&m, 0, data, 2048), -codes[i]);
        SCRIPTED(1024, -codes[i]);
        assert_int_equal(ask_write(&m, 0, data, 2048), -codes[i]);
        assert_int_equal(ask_read(&m, 0, data, 2048), 0);
    }
    assert_int_equal(blk_errors(m.be), 2 * ARRAY_SIZE(codes));
    SCRIPTED(0);
    assert_int_equal(ask_write(&m, 0, data, 512), -EIO); /* took nothing, gave no reason */
    image_done(&m);
}

/* H04, I1: a flush is a sync of the file; a stable write is one, too; others are not. */
static void test_H04_flush_syncs(void **state)
{
    uint8_t data[512] = {0};
    struct image m;

    (void)state;
    start(&m, false);
    SCRIPTED(REAL);
    assert_int_equal(ask_flush(&m), 0);
    assert_int_equal(host.steps[BLK_FLUSH], 1);
    SCRIPTED(REAL);
    assert_int_equal(ask_write(&m, 0, data, 512), 0);
    assert_int_equal(host.steps[BLK_FLUSH], 0);
    SCRIPTED(REAL);
    assert_int_equal(ask_io(&m, BLK_WRITE, true, 0, data, 512), 0);
    assert_int_equal(host.steps[BLK_FLUSH], 1);
    SCRIPTED(REAL, -EINTR, REAL);
    assert_int_equal(ask_io(&m, BLK_WRITE, true, 0, data, 512), 0);
    assert_int_equal(host.steps[BLK_FLUSH], 2);
    image_done(&m);
}

/* I3: after a sync has failed, nobody knows what is on the disk. */
static void test_I3_failed_sync_is_for_good(void **state)
{
    uint8_t data[512] = {0};
    struct image m;

    (void)state;
    start(&m, false);
    SCRIPTED(-EIO);
    assert_int_equal(ask_flush(&m), -EIO);
    assert_int_equal(ask_flush(&m), -EIO);
    assert_int_equal(ask_io(&m, BLK_WRITE, true, 0, data, 512), -EIO);
    assert_int_equal(ask_write(&m, 0, data, 512), 0);
    assert_int_equal(ask_read(&m, 0, data, 512), 0);
    image_close(&m);
    image_open(&m, (struct blk_open){.engine = &scripted});
    assert_int_equal(ask_flush(&m), 0);
    SCRIPTED(REAL, -ENOSPC);
    assert_int_equal(ask_io(&m, BLK_WRITE, true, 0, data, 512), -ENOSPC);
    assert_int_equal(ask_flush(&m), -EIO);
    image_done(&m);
}

/* A snapshot's write counts once it is there; one that fails leaves what was there before. */
/* One sync at a time, shared by all that wait for it: an error is told by the kernel only once. */
static void test_I3_syncs_are_shared(void **state)
{
    struct ask a[5] = {{.ended = false}};
    struct image m;

    (void)state;
    start(&m, false);
    SCRIPTED(REAL, REAL, -EIO);
    for (unsigned i = 0; i < 5; i++) {
        a[i].io.op = BLK_FLUSH;
        ask_submit(&m, &a[i]);
    }
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(ask_wait(&m, &a[i]), 0);
    assert_int_equal(host.steps[BLK_FLUSH], 2);

    for (unsigned i = 0; i < 5; i++) {
        a[i] = (struct ask){.io = {.op = BLK_FLUSH}};
        ask_submit(&m, &a[i]);
    }
    for (unsigned i = 0; i < 5; i++) /* the first one failed, and all later ones do */
        assert_int_equal(ask_wait(&m, &a[i]), -EIO);
    assert_int_equal(host.steps[BLK_FLUSH], 4);
    image_done(&m);
}

static void test_snapshot_failed_write(void **state)
{
    uint8_t data[2048], back[2048];
    struct image m;

    (void)state;
    start(&m, true);
    memset(data, 0xee, sizeof(data));
    SCRIPTED(-ENOSPC);
    assert_int_equal(ask_write(&m, 4096, data, 2048), -ENOSPC);
    assert_int_equal(ask_read(&m, 4096, back, 2048), 0);
    check(back, 4096, 2048);
    SCRIPTED(700, -ENOSPC); /* one sector and a part of the next */
    assert_int_equal(ask_write(&m, 4096, data, 2048), -ENOSPC);
    assert_int_equal(ask_read(&m, 4096, back, 2048), 0);
    assert_memory_equal(back, data, 512);
    check(back + 512, 4096 + 512, 1536);
    SCRIPTED(700, 100, 511, 1000);
    assert_int_equal(ask_write(&m, 4096, data, 2048), 0);
    assert_int_equal(ask_read(&m, 4096, back, 2048), 0);
    assert_memory_equal(back, data, 2048);
    SCRIPTED(-EIO);
    assert_int_equal(ask_flush(&m), 0); /* there is nothing to keep */
    assert_int_equal(host.steps[BLK_FLUSH], 0);
    image_done(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_H05_short_transfers),
        cmocka_unit_test(test_H05_no_progress_ends),
        cmocka_unit_test(test_H02_errors_are_reported),
        cmocka_unit_test(test_H04_flush_syncs),
        cmocka_unit_test(test_I3_failed_sync_is_for_good),
        cmocka_unit_test(test_I3_syncs_are_shared),
        cmocka_unit_test(test_snapshot_failed_write),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
