// SPDX-License-Identifier: MIT
/* Snapshots: against a model in memory, by random requests, several at once. */
#include <errno.h>
#include <sys/stat.h>

#include "devices/backend/blk-overlay.h"
#include "tests/unit/blk-image.h"

enum { SIZE = 40 << 20, ROUNDS = 600, ASKS = 8, MOST = 256 * 1024 };

static uint32_t seed;

static uint32_t any(uint32_t below)
{
    seed = seed * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)(seed >> 4) * below >> 28);
}

/* Mostly around the ends of the map's chunks, and small enough to meet each other. */
static uint64_t any_sector(void)
{
    static const uint32_t around[] = {0, 32768, 65536, SIZE / 512 - 800};
    const uint32_t base = around[any(4)];

    return base > 400 ? base - 400 + any(800) : any(800);
}

static void fill(struct ask *a, uint8_t *data)
{
    uint64_t sector = any_sector();
    size_t len = (size_t)min_u64((1 + any(any(4) ? 24 : MOST / 512)), SIZE / 512 - sector) * 512;
    size_t first = any((uint32_t)len);

    *a = (struct ask){
        .io = {.op = any(2) ? BLK_READ : BLK_WRITE, .offset = sector * 512, .n_iov = 2},
        .iov = {{data, first}, {data + first, len - first}}};
    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)(a->io.op == BLK_WRITE ? any(256) : 0);
}

static bool overlaps(const struct ask *a, uint64_t from, uint64_t to)
{
    const uint64_t len = a->iov[0].iov_len + a->iov[1].iov_len;

    return a->io.offset < to && from < a->io.offset + len;
}

/* One round: some requests that do not meet each other, all at once. */
static void round_run(struct image *m, uint8_t *model)
{
    static uint8_t data[ASKS][MOST];
    struct ask ask[ASKS];
    uint64_t at[ASKS], len[ASKS];
    unsigned n = 0;

    for (unsigned tries = 0; tries < ASKS; tries++) {
        bool clash = false;

        fill(&ask[n], data[n]);
        at[n] = ask[n].io.offset;
        len[n] = ask[n].iov[0].iov_len + ask[n].iov[1].iov_len;
        for (unsigned i = 0; i < n; i++)
            clash |= overlaps(&ask[n], at[i], at[i] + len[i]);
        n += !clash;
    }
    for (unsigned i = 0; i < n; i++) {
        if (ask[i].io.op == BLK_WRITE)
            memcpy(model + at[i], data[i], len[i]);
        ask_submit(m, &ask[i]);
    }
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(ask_wait(m, &ask[i]), 0);
        assert_memory_equal(data[i], model + at[i], len[i]);
    }
}

static void against_model(const struct blk_engine *engine, uint32_t start)
{
    uint8_t *model = (uint8_t *)malloc(SIZE), *whole = (uint8_t *)malloc(SIZE);
    struct image m;

    seed = start;
    image_make(&m, SIZE);
    image_peek(&m, 0, model, SIZE);
    image_open(&m, (struct blk_open){.snapshot = true, .engine = engine});
    assert_false(blk_read_only(m.be));
    for (unsigned i = 0; i < ROUNDS; i++)
        round_run(&m, model);
    assert_int_equal(ask_flush(&m), 0);
    assert_int_equal(ask_read(&m, 0, whole, SIZE), 0);
    assert_memory_equal(whole, model, SIZE);
    image_peek(&m, 0, whole, SIZE); /* the image has never been touched */
    for (size_t i = 0; i < SIZE; i++)
        if (whole[i] != image_byte(i))
            fail_msg("the image changed at %zu", i);
    image_done(&m);
    free(model);
    free(whole);
}

static void test_model_uring(void **state)
{
    (void)state;
    against_model(&blk_uring, 1);
}

static void test_model_threads(void **state)
{
    (void)state;
    against_model(&blk_pool, 2);
}

/* Every other sector written: as many pieces as there can be. */
static void test_every_other_sector(void **state)
{
    enum { N = 512 };
    static uint8_t back[N * 512];
    uint8_t data[512];
    struct image m;

    (void)state;
    memset(data, 0x77, sizeof(data));
    image_make(&m, 1 << 20);
    image_open(&m, (struct blk_open){.snapshot = true});
    for (unsigned i = 0; i < N; i += 2)
        assert_int_equal(ask_write(&m, (uint64_t)i * 512, data, 512), 0);
    assert_int_equal(ask_read(&m, 0, back, sizeof(back)), 0);
    for (unsigned i = 0; i < sizeof(back); i++)
        assert_int_equal(back[i], i / 512 % 2 ? image_byte(i) : 0x77);
    image_done(&m);
}

/* All is forgotten at close, also what was flushed. */
static void test_thrown_away(void **state)
{
    uint8_t data[512] = {1}, back[512];
    struct image m;

    (void)state;
    image_make(&m, 1 << 20);
    image_open(&m, (struct blk_open){.snapshot = true});
    assert_int_equal(ask_io(&m, BLK_WRITE, true, 0, data, 512), 0);
    assert_int_equal(ask_flush(&m), 0);
    image_close(&m);
    image_open(&m, (struct blk_open){.snapshot = true});
    assert_int_equal(ask_read(&m, 0, back, 512), 0);
    assert_int_equal(back[0], image_byte(0));
    image_done(&m);
}

/* A write-protected image can be the base; the temporary file has no name; no folder, no start. */
static void test_files(void **state)
{
    char *old = getenv("TMPDIR") ? strdup(getenv("TMPDIR")) : NULL;
    uint8_t data[512] = {1};
    struct image m;
    struct stat st;

    (void)state;
    image_make(&m, 1 << 20);
    assert_int_equal(chmod(m.path, 0400), 0);
    image_open(&m, (struct blk_open){.snapshot = true});
    assert_int_equal(ask_write(&m, 0, data, 512), 0);
    assert_int_equal(fstat(blk_overlay_fd(m.be->overlay), &st), 0);
    assert_int_equal(st.st_nlink, 0);
    assert_true(st.st_blocks < 128);
    image_close(&m);
    setenv("TMPDIR", "/nonexistent", 1);
    assert_true(image_try(&m, (struct blk_open){.snapshot = true}) < 0);
    assert_non_null(strstr(m.err.text, "TMPDIR"));
    assert_non_null(strstr(m.err.text, "/nonexistent"));
    unsetenv("TMPDIR");
    if (old)
        setenv("TMPDIR", old, 1);
    free(old);
    image_done(&m);
}

/* A read-only snapshot is read-only. */
static void test_read_only_wins(void **state)
{
    uint8_t data[512] = {1};
    struct image m;

    (void)state;
    image_make(&m, 1 << 20);
    image_open(&m, (struct blk_open){.snapshot = true, .read_only = true});
    assert_true(blk_read_only(m.be));
    assert_int_equal(ask_write(&m, 0, data, 512), -EROFS);
    image_done(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model_uring),
        cmocka_unit_test(test_model_threads),
        cmocka_unit_test(test_every_other_sector),
        cmocka_unit_test(test_thrown_away),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_read_only_wins),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
