// SPDX-License-Identifier: MIT
/* Images that become larger and smaller while they are in use, and syncs that are not wanted. */
#include <errno.h>
#include <sys/stat.h>

#include "tests/unit/blk-script.h"

enum { SIZE = 1 << 20 };

static int resize(struct image *m)
{
    int ret;

    loop_lock(m->loop);
    ret = blk_backend_resize(m->be, &m->err);
    loop_unlock(m->loop);
    return ret;
}

static void size_becomes(struct image *m, off_t size)
{
    assert_int_equal(truncate(m->path, size), 0);
    assert_int_equal(resize(m), 0);
    assert_int_equal(blk_size(m->be), size / 512 * 512);
}

static void grow_and_shrink(struct blk_open o)
{
    uint8_t data[1024], back[1024];
    struct image m;

    image_make(&m, SIZE);
    image_open(&m, o);
    memset(data, 0x5a, sizeof(data));
    assert_int_equal(ask_write(&m, SIZE, data, 1024), -EIO);
    assert_int_equal(truncate(m.path, 64 << 20), 0);
    assert_int_equal(ask_write(&m, SIZE, data, 1024), -EIO); /* nobody said so yet */
    size_becomes(&m, (64 << 20) + 511);
    assert_int_equal(ask_write(&m, (64 << 20) - 1024, data, 1024), 0);
    assert_int_equal(ask_write(&m, SIZE - 512, data, 1024), 0);
    assert_int_equal(ask_read(&m, (64 << 20) - 1024, back, 1024), 0);
    assert_memory_equal(back, data, 1024);
    assert_int_equal(ask_read(&m, SIZE + 512, back, 512), 0);
    assert_int_equal(back[0], 0);
    assert_int_equal(ask_read(&m, 64 << 20, back, 512), -EIO);
    size_becomes(&m, SIZE / 2);
    assert_int_equal(ask_read(&m, SIZE / 2, back, 512), -EIO);
    assert_int_equal(ask_write(&m, SIZE / 2 - 512, data, 1024), -EIO);
    assert_int_equal(ask_read(&m, SIZE / 2 - 512, back, 512), 0);
    assert_int_equal(back[5], image_byte(SIZE / 2 - 512 + 5));
    image_done(&m);
}

/* What is freed in the new part of a snapshot reads as zeros, also within the last chunk. */
static void test_discard_in_what_grew(void **state)
{
    uint8_t back[512] = {1};
    struct ask a = {.io = {.op = BLK_DISCARD, .offset = 3 * SIZE, .len = 65536}};
    struct image m;

    (void)state;
    image_make(&m, SIZE);
    image_open(&m, (struct blk_open){.engine = &blk_uring, .snapshot = true});
    size_becomes(&m, 4 * SIZE);
    ask_submit(&m, &a);
    assert_int_equal(ask_wait(&m, &a), 0);
    assert_int_equal(ask_read(&m, 3 * SIZE + 4096, back, 512), 0);
    assert_int_equal(back[0], 0);
    image_done(&m);
}

static void test_grow_and_shrink(void **state)
{
    (void)state;
    grow_and_shrink((struct blk_open){.engine = &blk_uring});
    grow_and_shrink((struct blk_open){.engine = &blk_pool});
    grow_and_shrink((struct blk_open){.engine = &blk_uring, .snapshot = true});
}

/* A request on its way does not go on behind an end that has come nearer. */
static void test_shrink_with_requests_in_flight(void **state)
{
    uint8_t data[8192] = {1};
    struct ask a = {.io = {.op = BLK_WRITE, .offset = SIZE - 8192, .n_iov = 1},
                    .iov = {{data, sizeof(data)}}};
    struct image m;

    (void)state;
    memset(&host, 0, sizeof(host));
    image_make(&m, SIZE);
    image_open(&m, (struct blk_open){.engine = &scripted});
    SCRIPTED(4096, REAL);
    host.hold = true;
    ask_submit(&m, &a);
    loop_turn(m.loop, 0);
    size_becomes(&m, SIZE - 4096);
    host.hold = false;
    loop_lock(m.loop);
    loop_post(m.loop, &host.work);
    loop_unlock(m.loop);
    assert_int_equal(ask_wait(&m, &a), -EIO);
    assert_int_equal(host.at, 1);
    image_done(&m);
}

/* Nothing left of it: refused, and the disk stays as it is known. */
static void test_no_size_is_refused(void **state)
{
    struct image m;

    (void)state;
    image_make(&m, SIZE);
    image_open(&m, (struct blk_open){.engine = &blk_uring});
    assert_int_equal(truncate(m.path, 100), 0);
    assert_int_equal(resize(&m), -EINVAL);
    assert_non_null(strstr(m.err.text, m.path));
    assert_int_equal(blk_size(m.be), SIZE);
    size_becomes(&m, SIZE);
    image_done(&m);
}

static int grow(struct image *m, uint64_t size)
{
    int ret;

    loop_lock(m->loop);
    ret = blk_backend_grow(m->be, size, &m->err);
    loop_unlock(m->loop);
    return ret;
}

static off_t file_size(const struct image *m)
{
    struct stat st;

    assert_int_equal(stat(m->path, &st), 0);
    return st.st_size;
}

/* A file grows when it is asked to; it is never made smaller, nor one touched that others own. */
static void test_grow(void **state)
{
    static const struct blk_open untouched[] = {{.read_only = true}, {.snapshot = true}};
    struct image m;

    (void)state;
    image_make(&m, SIZE);
    image_open(&m, (struct blk_open){.engine = &blk_uring});
    assert_int_equal(grow(&m, SIZE - 512), -EINVAL);
    assert_int_equal(grow(&m, 0), -EINVAL);
    assert_int_equal(grow(&m, 2 * SIZE + 1), -EINVAL);
    assert_true(grow(&m, UINT64_MAX - 511) < 0);
    assert_int_equal(file_size(&m), SIZE);
    assert_int_equal(grow(&m, 2 * SIZE), 0);
    assert_int_equal(file_size(&m), 2 * SIZE);
    assert_int_equal(blk_size(m.be), SIZE); /* until it is looked at */
    assert_int_equal(resize(&m), 0);
    assert_int_equal(blk_size(m.be), 2 * SIZE);
    image_done(&m);
    for (unsigned i = 0; i < ARRAY_SIZE(untouched); i++) {
        image_make(&m, SIZE);
        image_open(&m, untouched[i]);
        assert_int_equal(grow(&m, 2 * SIZE), -EROFS);
        assert_int_equal(file_size(&m), SIZE);
        image_done(&m);
    }
}

/* cache=unsafe: nothing is ever synced, not even for stable writes. */
static void test_unsafe_does_not_sync(void **state)
{
    uint8_t data[512] = {0};
    struct image m;

    (void)state;
    memset(&host, 0, sizeof(host));
    image_make(&m, SIZE);
    image_open(&m, (struct blk_open){.engine = &scripted, .cache = BLK_CACHE_UNSAFE});
    assert_int_equal(ask_write(&m, 0, data, 512), 0);
    assert_int_equal(ask_io(&m, BLK_WRITE, true, 0, data, 512), 0);
    assert_int_equal(ask_flush(&m), 0);
    assert_int_equal(host.steps[BLK_FLUSH], 0);
    assert_int_equal(host.steps[BLK_WRITE], 2);
    image_done(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grow_and_shrink),
        cmocka_unit_test(test_discard_in_what_grew),
        cmocka_unit_test(test_shrink_with_requests_in_flight),
        cmocka_unit_test(test_grow),
        cmocka_unit_test(test_no_size_is_refused),
        cmocka_unit_test(test_unsafe_does_not_sync),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
