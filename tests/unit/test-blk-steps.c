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

/* ---- H01: what the host refuses is held ---- */

struct held {
    unsigned times;
};

static void held_count(void *arg)
{
    ((struct held *)arg)->times++;
}

static void start_held(struct image *m, struct held *h, enum blk_werror werror, bool snapshot)
{
    memset(&host, 0, sizeof(host));
    *h = (struct held){0};
    image_make(m, SIZE);
    image_open(m, (struct blk_open){.engine = &scripted, .werror = werror, .snapshot = snapshot});
    blk_on_held(m->be, held_count, h);
}

static void ask_begin(struct image *m, struct ask *a, enum blk_op op, uint64_t offset, void *data,
                      size_t len)
{
    *a = (struct ask){.io = {.op = op, .offset = offset, .n_iov = 1}, .iov = {{data, len}}};
    if (op == BLK_ZERO || op == BLK_DISCARD)
        a->io.len = len;
    ask_submit(m, a);
    for (unsigned i = 0; i < 8; i++)
        loop_turn(m->loop, 0);
}

static void retry(struct image *m)
{
    loop_lock(m->loop);
    blk_retry(m->be);
    loop_unlock(m->loop);
}

/* It goes on where it was refused, and the data of the moment of the request is what arrives. */
static void test_H01_held_and_tried_again(void **state)
{
    static uint8_t data[3][4096], back[4096];
    struct ask a[3];
    struct held h;
    struct image m;
    int error;

    (void)state;
    start_held(&m, &h, BLK_WERROR_ENOSPC, false);
    for (unsigned i = 0; i < 3; i++)
        memset(data[i], 0x11 * (int)(i + 1), sizeof(data[i]));
    SCRIPTED(1024, -ENOSPC, -ENOSPC, -EDQUOT);
    for (unsigned i = 0; i < 3; i++)
        ask_begin(&m, &a[i], BLK_WRITE, 8192 * i, data[i], 4096);
    for (unsigned i = 0; i < 3; i++)
        assert_false(a[i].ended);
    assert_int_equal(blk_held(m.be, &error), 3);
    assert_int_equal(error, -EDQUOT);
    assert_int_equal(h.times, 1);                        /* told once */
    assert_int_equal(ask_read(&m, 65536, back, 512), 0); /* others go on */

    SCRIPTED(REAL, -ENOSPC); /* one finds room, the next does not, the third does */
    retry(&m);
    for (unsigned i = 0; i < 8; i++)
        loop_turn(m.loop, 0);
    assert_true(a[0].ended && !a[1].ended && a[2].ended);
    assert_int_equal(h.times, 2);
    retry(&m);
    assert_int_equal(ask_wait(&m, &a[1]), 0);
    assert_int_equal(blk_held(m.be, &error), 0);
    assert_int_equal(error, 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(a[i].result, 0);
        image_peek(&m, 8192 * i, back, 4096);
        assert_memory_equal(back, data[i], 4096);
    }
    assert_int_equal(blk_errors(m.be), 0);
    retry(&m); /* nothing is held: nothing happens */
    image_done(&m);
}

/* Which ones: by the word, and never a read or a flush. */
static void test_H01_what_is_held(void **state)
{
    static const struct {
        enum blk_werror werror;
        enum blk_op op;
        int error;
        bool held;
    } rows[] = {
        {BLK_WERROR_REPORT, BLK_WRITE, ENOSPC, false}, {BLK_WERROR_ENOSPC, BLK_WRITE, ENOSPC, true},
        {BLK_WERROR_ENOSPC, BLK_WRITE, EFBIG, true},   {BLK_WERROR_ENOSPC, BLK_WRITE, EIO, false},
        {BLK_WERROR_STOP, BLK_WRITE, EIO, true},       {BLK_WERROR_STOP, BLK_READ, EIO, false},
        {BLK_WERROR_STOP, BLK_FLUSH, EIO, false},      {BLK_WERROR_ENOSPC, BLK_ZERO, ENOSPC, true},
        {BLK_WERROR_STOP, BLK_DISCARD, EIO, true},
    };
    static uint8_t data[4096];
    struct image m;
    struct held h;
    struct ask a;

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        start_held(&m, &h, rows[i].werror, false);
        SCRIPTED(-rows[i].error);
        ask_begin(&m, &a, rows[i].op, 0, data, sizeof(data));
        assert_int_equal(!a.ended, rows[i].held);
        assert_int_equal(h.times, rows[i].held);
        assert_int_equal(blk_errors(m.be), !rows[i].held);
        if (rows[i].held)
            retry(&m);
        assert_int_equal(ask_wait(&m, &a), rows[i].held ? 0 : -rows[i].error);
        image_done(&m);
    }
}

/* H08: a device that went away and came back: reads wait for it with rerror=stop, flushes never. */
static void test_H08_reads_wait(void **state)
{
    static uint8_t data[4096], back[4096];
    struct image m;
    struct held h;
    struct ask a;

    (void)state;
    memset(&host, 0, sizeof(host));
    h = (struct held){0};
    image_make(&m, SIZE);
    image_open(&m, (struct blk_open){.engine = &scripted, .rerror_stop = true});
    blk_on_held(m.be, held_count, &h);
    memset(data, 0x5a, sizeof(data));
    assert_int_equal(ask_write(&m, 8192, data, sizeof(data)), 0);
    SCRIPTED(1024, -ENXIO);
    ask_begin(&m, &a, BLK_READ, 8192, back, sizeof(back));
    assert_false(a.ended);
    assert_int_equal(blk_held(m.be, NULL), 1);
    SCRIPTED(-ENODEV);
    retry(&m);
    for (unsigned i = 0; i < 8; i++)
        loop_turn(m.loop, 0);
    assert_false(a.ended);
    assert_int_equal(h.times, 2);
    retry(&m);
    assert_int_equal(ask_wait(&m, &a), 0);
    assert_memory_equal(back, data, sizeof(back));
    SCRIPTED(-ENXIO);
    assert_int_equal(ask_write(&m, 0, data, 512), -ENXIO); /* werror= is for these */
    assert_int_equal(blk_errors(m.be), 1);
    SCRIPTED(-ENXIO);
    assert_int_equal(ask_flush(&m), -ENXIO);
    assert_int_equal(h.times, 2);
    image_done(&m);
}

/* A reset does not wait for a better host; what the guest itself does wrong is told at once. */
static void test_H01_cancel_and_mistakes(void **state)
{
    static uint8_t data[4096];
    struct image m;
    struct held h;
    struct ask a;

    (void)state;
    start_held(&m, &h, BLK_WERROR_STOP, false);
    SCRIPTED(-EIO);
    ask_begin(&m, &a, BLK_WRITE, 0, data, sizeof(data));
    assert_false(a.ended);
    loop_lock(m.loop);
    blk_cancel(m.be);
    loop_unlock(m.loop);
    assert_int_equal(ask_wait(&m, &a), -ECANCELED);
    assert_int_equal(blk_held(m.be, NULL), 0);
    assert_int_equal(ask_write(&m, SIZE, data, 512), -EIO);
    assert_int_equal(ask_write(&m, 0, data, 512), 0);
    assert_int_equal(h.times, 1);
    image_done(&m);
}

/* A snapshot's file fills as any other. */
static void test_H01_snapshot(void **state)
{
    uint8_t data[4096], back[4096];
    struct image m;
    struct held h;
    struct ask a;

    (void)state;
    start_held(&m, &h, BLK_WERROR_ENOSPC, true);
    memset(data, 0xc5, sizeof(data));
    SCRIPTED(512, -ENOSPC);
    ask_begin(&m, &a, BLK_WRITE, 4096, data, sizeof(data));
    assert_false(a.ended);
    retry(&m);
    assert_int_equal(ask_wait(&m, &a), 0);
    assert_int_equal(ask_read(&m, 4096, back, 4096), 0);
    assert_memory_equal(back, data, 4096);
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
        cmocka_unit_test(test_H01_held_and_tried_again),
        cmocka_unit_test(test_H01_what_is_held),
        cmocka_unit_test(test_H01_cancel_and_mistakes),
        cmocka_unit_test(test_H08_reads_wait),
        cmocka_unit_test(test_H01_snapshot),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
