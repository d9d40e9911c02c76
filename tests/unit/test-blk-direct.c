// SPDX-License-Identifier: MIT
/*
 * Direct I/O against a model, with memory and ranges of every alignment; and cache=unsafe. Where
 * the file system of the temporary folder has no direct I/O, that it is refused with a reason.
 */
#include <errno.h>

#include "tests/unit/blk-image.h"

enum { SIZE = 4 << 20, ROUNDS = 400, MOST = 64 * 1024 };

static uint32_t seed;

static uint32_t any(uint32_t below)
{
    seed = seed * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)(seed >> 4) * below >> 28);
}

/* false: not possible here, and said so. */
static bool direct_open(struct image *m, struct blk_open o)
{
    o.cache = BLK_CACHE_DIRECT;
    image_make(m, SIZE);
    if (!image_try(m, o))
        return true;
    assert_non_null(strstr(m->err.text, "has no direct I/O; use cache=writeback"));
    assert_non_null(strstr(m->err.text, m->path));
    loop_free(m->loop);
    unlink(m->path);
    return false;
}

/* As if the storage had blocks of 4096 bytes. */
static void large_blocks(struct image *m)
{
    m->be->limits.logical = m->be->mem_align = 4096;
    if (m->be->fd[BLK_PLAIN] < 0)
        m->be->fd[BLK_PLAIN] = open(m->path, O_RDWR | O_CLOEXEC);
    assert_true(m->be->fd[BLK_PLAIN] >= 0);
}

/* One request, cut in three pieces anywhere, in memory at any address. */
static void ask_any(struct image *m, uint8_t *model, uint8_t *memory)
{
    static const unsigned grain[] = {512, 4096};
    const unsigned g = grain[any(2)];
    const uint64_t at = (uint64_t)any(SIZE / g - MOST / g) * g;
    const size_t len = (size_t)(1 + any(MOST / g)) * g;
    uint8_t *data = memory + (any(2) ? any(4096) : 0);
    const size_t a = any(2) ? any((uint32_t)len) : 0, b = any(3) ? 0 : any((uint32_t)(len - a));
    struct ask ask = {.io = {.op = any(2) ? BLK_READ : BLK_WRITE, .offset = at, .n_iov = 3},
                      .iov = {{data, a}, {data + a, b}, {data + a + b, len - a - b}}};

    for (size_t i = 0; i < len && ask.io.op == BLK_WRITE; i++)
        data[i] = (uint8_t)any(256);
    if (ask.io.op == BLK_WRITE)
        memcpy(model + at, data, len);
    ask_submit(m, &ask);
    assert_int_equal(ask_wait(m, &ask), 0);
    assert_memory_equal(model + at, data, len);
}

static void direct_any(struct blk_open o, bool large)
{
    uint8_t *model = (uint8_t *)malloc(SIZE);
    void *memory = NULL;
    struct image m;

    if (!direct_open(&m, o)) {
        free(model);
        return;
    }
    if (large)
        large_blocks(&m);
    memory = aligned_alloc(4096, MOST + 4096);
    assert_non_null(memory);
    memset(memory, 0, MOST + 4096);
    for (size_t i = 0; i < SIZE; i++)
        model[i] = image_byte(i);
    for (unsigned i = 0; i < ROUNDS; i++)
        ask_any(&m, model, (uint8_t *)memory);
    assert_int_equal(ask_flush(&m), 0);
    if (!o.snapshot) {
        uint8_t *back = (uint8_t *)malloc(SIZE);

        image_peek(&m, 0, back, SIZE);
        assert_memory_equal(back, model, SIZE);
        free(back);
    }
    free(memory);
    free(model);
    image_done(&m);
}

static void test_direct(void **state)
{
    (void)state;
    direct_any((struct blk_open){.engine = &blk_uring}, false);
    direct_any((struct blk_open){.engine = &blk_pool}, false);
    direct_any((struct blk_open){.engine = &blk_uring, .snapshot = true}, false);
}

static void test_direct_large_blocks(void **state)
{
    (void)state;
    direct_any((struct blk_open){.engine = &blk_uring}, true);
    direct_any((struct blk_open){.engine = &blk_pool}, true);
}

/* Many small pieces, more than one bounce. */
static void test_direct_many_pieces(void **state)
{
    enum { N = 3000, PIECE = 1024 };
    static uint8_t data[N * PIECE + 1];
    static struct iovec iov[N];
    struct ask a = {.io = {.op = BLK_READ, .offset = 512, .iov = iov, .n_iov = N}};
    struct image m;

    (void)state;
    if (!direct_open(&m, (struct blk_open){.engine = &blk_uring}))
        return;
    for (unsigned i = 0; i < N; i++)
        iov[i] = (struct iovec){data + 1 + i * PIECE, PIECE};
    ask_submit(&m, &a);
    assert_int_equal(ask_wait(&m, &a), 0);
    for (size_t i = 0; i < N * PIECE; i++)
        if (data[1 + i] != image_byte(512 + i))
            fail_msg("byte %zu", i);
    image_done(&m);
}

/* What is read and written does not stay in the host's page cache: O_DIRECT is really set. */
static void test_direct_is_direct(void **state)
{
    struct image m;

    (void)state;
    if (!direct_open(&m, (struct blk_open){.engine = &blk_uring}))
        return;
    assert_true(fcntl(m.be->fd[BLK_IMAGE], F_GETFL) & O_DIRECT);
    assert_true(blk_limits(m.be)->logical >= BLK_SECTOR);
    image_close(&m);
    image_open(&m, (struct blk_open){.engine = &blk_uring});
    assert_false(fcntl(m.be->fd[BLK_IMAGE], F_GETFL) & O_DIRECT);
    image_done(&m);
}

/* Zeros that have to be written are written directly, too. */
static void test_direct_zeroes(void **state)
{
    struct ask a = {.io = {.op = BLK_ZERO, .offset = 1024, .len = SIZE - 4096}};
    static uint8_t back[SIZE];
    struct image m;

    (void)state;
    for (unsigned large = 0; large < 2; large++) {
        struct ask again = a;

        if (!direct_open(&m, (struct blk_open){.engine = &blk_uring}))
            return;
        if (large)
            large_blocks(&m);
        m.be->cannot[BLK_IMAGE] = 0x7;
        ask_submit(&m, &again);
        assert_int_equal(ask_wait(&m, &again), 0);
        image_peek(&m, 0, back, SIZE);
        for (size_t i = 0; i < SIZE; i++)
            if (back[i] != (i < 1024 || i >= SIZE - 3072 ? image_byte(i) : 0))
                fail_msg("byte %zu", i);
        image_done(&m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_direct),
        cmocka_unit_test(test_direct_large_blocks),
        cmocka_unit_test(test_direct_many_pieces),
        cmocka_unit_test(test_direct_is_direct),
        cmocka_unit_test(test_direct_zeroes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
