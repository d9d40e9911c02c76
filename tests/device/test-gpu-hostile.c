// SPDX-License-Identifier: MIT
/* The GPU and what no driver should send: U01 to U14, each followed by a picture that works. */
#include "tests/device/gpu-bench.h"

/* U01 */
static void test_ids(struct bench *b)
{
    assert_int_equal(create(b, 0, 16, 16), E_RESOURCE);
    assert_int_equal(create(b, 1, 16, 16), OK);
    assert_int_equal(create(b, 1, 16, 16), E_RESOURCE);
    assert_int_equal(create(b, 257, 16, 16), OK); /* the same bucket */
    assert_int_equal(GPU(b, UNREF, 513, 0), E_RESOURCE);
    assert_int_equal(GPU(b, UNREF, 0, 0), E_RESOURCE);
    assert_int_equal(GPU(b, DETACH, 2, 0), E_RESOURCE);
    assert_int_equal(attach(b, 2, 1 << 20, 16), E_RESOURCE);
    assert_int_equal(flush(b, 2, 0, 0, 1, 1), E_RESOURCE);
    assert_int_equal(transfer(b, 2, 0, 0, 0, 1, 1), E_RESOURCE);
    assert_int_equal(scanout(b, 0, 2, 0, 0, 16, 16), E_RESOURCE);
    assert_int_equal(GPU(b, UNREF, 1, 0), OK);
    assert_int_equal(GPU(b, UNREF, 1, 0), E_RESOURCE);
    assert_int_equal(GPU(b, UNREF, 257, 0), OK);
    gpu_works(b);
}

/* U02: nothing overflows, and no more than the budget is ever taken. */
static void test_budget(struct bench *b)
{
    static const uint32_t size[][2] = {
        {0xffffffff, 0xffffffff}, {0x80000000, 2}, {0x40000000, 4}, {0x10000, 0x10000},
        {1, 0xffffffff},          {1025, 1024},    {0x40000001, 1},
    };
    uint32_t n = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(size); i++)
        assert_int_equal(create(b, 1, size[i][0], size[i][1]), E_MEMORY);
    assert_int_equal(create(b, 1, 0, 16), E_PARAMETER);
    assert_int_equal(create(b, 1, 16, 0), E_PARAMETER);
    while (create(b, n + 1, 256, 256) == OK) /* 256 KiB each */
        assert_true(++n < 17);
    assert_int_equal(n, 15); /* the 16th would need a little more than there is */
    for (uint32_t i = 1; i <= n; i++)
        assert_int_equal(GPU(b, UNREF, i, 0), OK);
    assert_int_equal(create(b, 1, 1023, 1023), OK);
    assert_int_equal(scanout(b, 0, 1, 0, 0, 640, 480), E_MEMORY); /* screens count */
    assert_int_equal(GPU(b, UNREF, 1, 0), OK);
    gpu_works(b);
}

/* U02: thousands of small ones. */
static void test_many(struct bench *b)
{
    uint32_t n = 0;

    while (create(b, n + 1, 1, 1) == OK)
        n++;
    assert_int_equal(n, 4096);
    assert_int_equal(create(b, n + 1, 1, 1), E_MEMORY);
    for (uint32_t i = 1; i <= n; i += 2)
        assert_int_equal(GPU(b, UNREF, i, 0), OK);
    gpu_works(b);
    bench_init(b);
    assert_int_equal(create(b, 2, 1, 1), OK); /* a reset forgets all of them */
}

/* U04 */
static void test_backing_outside(struct bench *b)
{
    const uint64_t good = drv_alloc(&b->d, 4096, 4096);
    static const uint64_t bad[] = {RAM_END, RAM_END - 100, UINT64_MAX - 50, UINT64_C(1) << 40};

    assert_int_equal(create(b, 1, 16, 16), OK);
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(attach(b, 1, bad[i], 1024), E_UNSPEC);
        assert_int_equal(GPU(b, ATTACH, 1, 2, (uint32_t)good, 0, 512, 0, (uint32_t)bad[i],
                             (uint32_t)(bad[i] >> 32), 1024, 0),
                         E_UNSPEC);
        assert_int_equal(GPU(b, DETACH, 1, 0), E_UNSPEC); /* nothing is left */
        assert_int_equal(transfer(b, 1, 0, 0, 0, 1, 1), E_UNSPEC);
    }
    assert_int_equal(attach(b, 1, good, UINT32_MAX), E_UNSPEC);
    /* entries that are not there, and more than there may be */
    assert_int_equal(GPU(b, ATTACH, 1, 2, (uint32_t)good, 0, 512, 0), E_UNSPEC);
    assert_int_equal(GPU(b, ATTACH, 1, 0xffffffff, (uint32_t)good, 0, 512, 0), E_UNSPEC);
    assert_int_equal(GPU(b, ATTACH, 1, 0x10000001, (uint32_t)good, 0, 512, 0), E_UNSPEC);
    assert_int_equal(attach(b, 1, good, 1024), OK);
    assert_int_equal(GPU(b, UNREF, 1, 0), OK);
    gpu_works(b);
}

/* U05: a resource that goes takes its screens along; memory comes back each time. */
static void test_lives(struct bench *b)
{
    const uint64_t at = drv_alloc(&b->d, 512 * 512 * 4, 4096);

    for (unsigned i = 0; i < 50; i++) {
        assert_int_equal(create(b, 1, 512, 512), OK);
        assert_int_equal(attach(b, 1, at, 512 * 512 * 4), OK);
        assert_int_equal(attach(b, 1, at, 512 * 512 * 4), E_UNSPEC);
        assert_int_equal(scanout(b, 0, 1, 0, 0, 512, 512), OK);
        assert_int_equal(scanout(b, 1, 1, 0, 0, 400, 512), OK);
        if (i % 2)
            assert_int_equal(GPU(b, DETACH, 1, 0), OK);
        if (i % 3 == 0) {
            bench_init(b);
        } else {
            assert_int_equal(GPU(b, UNREF, 1, 0), OK);
        }
        assert_int_equal(seen_width(0), 0);
        assert_int_equal(seen_width(1), 0);
    }
    assert_int_equal(flush(b, 1, 0, 0, 1, 1), E_RESOURCE);
    gpu_works(b);
}

/* U07: rectangles and offsets that leave the resource or its backing, sums that wrap. */
static void test_transfers(struct bench *b)
{
    enum { W = 32, BYTES = W * W * 4 };
    static const struct {
        uint64_t offset;
        uint32_t x, y, w, h, answer;
    } t[] = {
        {0, 0, 0, W + 1, W, E_PARAMETER},
        {0, 0, 0, W, W + 1, E_PARAMETER},
        {0, W, 0, 1, 1, E_PARAMETER},
        {0, 0, 0xffffffff, W, 2, E_PARAMETER},
        {0, 0xffffffff, 0, 2, W, E_PARAMETER},
        {0, 0, 0, 0, W, E_PARAMETER},
        {0, 0, 0, W, 0, E_PARAMETER},
        {4, 0, 0, W, W, E_PARAMETER},
        {BYTES, 0, 0, 1, 1, E_PARAMETER},
        {BYTES - 3, 0, 0, 1, 1, E_PARAMETER},
        {UINT64_MAX, 0, 0, 1, 1, E_PARAMETER},
        {UINT64_MAX - 3, 0, 0, 1, 1, E_PARAMETER},
        {UINT64_C(1) << 32, 0, 0, 1, 1, E_PARAMETER},
        {BYTES - 4, 0, 0, 1, 1, OK},
        {0, 0, 0, W, W, OK},
    };
    const uint64_t at = drv_alloc(&b->d, BYTES, 4096);

    assert_int_equal(create(b, 1, W, W), OK);
    assert_int_equal(transfer(b, 1, 0, 0, 0, 1, 1), E_UNSPEC); /* no backing */
    assert_int_equal(attach(b, 1, at, BYTES), OK);
    for (unsigned i = 0; i < ARRAY_SIZE(t); i++)
        assert_int_equal(transfer(b, 1, t[i].offset, t[i].x, t[i].y, t[i].w, t[i].h), t[i].answer);
    assert_int_equal(flush(b, 1, 0, 0, W + 1, 1), E_PARAMETER);
    assert_int_equal(flush(b, 1, 0xffffffff, 0, 1, 1), E_PARAMETER);
    assert_int_equal(flush(b, 1, 1, 1, 0xffffffff, 0xffffffff), E_PARAMETER);
    assert_int_equal(GPU(b, UNREF, 1, 0), OK);
    gpu_works(b);
}

/* U08 */
static void test_scanouts(struct bench *b)
{
    assert_int_equal(create(b, 1, 64, 64), OK);
    assert_int_equal(scanout(b, SCREENS, 1, 0, 0, 64, 64), E_SCANOUT);
    assert_int_equal(scanout(b, 0xffffffff, 0, 0, 0, 64, 64), E_SCANOUT);
    assert_int_equal(scanout(b, 0, 1, 0, 0, 15, 64), E_PARAMETER);
    assert_int_equal(scanout(b, 0, 1, 0, 0, 64, 15), E_PARAMETER);
    assert_int_equal(scanout(b, 0, 1, 0, 0, 65, 64), E_PARAMETER);
    assert_int_equal(scanout(b, 0, 1, 1, 0, 64, 64), E_PARAMETER);
    assert_int_equal(scanout(b, 0, 1, 0xffffffff, 0xffffffff, 64, 64), E_PARAMETER);
    assert_int_equal(scanout(b, 0, 1, 48, 0, 16, 16), OK);
    assert_int_equal(create(b, 2, 20000, 16), OK); /* wider than any screen */
    assert_int_equal(scanout(b, 0, 2, 0, 0, 20000, 16), E_PARAMETER);
    assert_int_equal(seen_width(0), 16); /* as before */
    gpu_works(b);
}

static uint32_t raw(struct bench *b, unsigned queue, const uint32_t *word, uint32_t bytes)
{
    uint8_t out[128], in[HEAD];
    const uint32_t n = bytes < sizeof(out) ? bytes : sizeof(out);

    for (unsigned i = 0; i < n / 4; i++)
        word_store(b, out + i * 4, word[i]);
    return dq_xfer(&b->d.q[queue], out, n, in, HEAD) == HEAD ? word_load(b, in) : 0;
}

/* U10, U13: unknown commands, those of features that are not offered, of the other queue, and each
 * known one cut short at every place. */
static void test_commands(struct bench *b)
{
    static const unsigned unknown[] = {
        0,     0xff,  GET_CAPSET_INFO, GET_CAPSET, ASSIGN_UUID, CREATE_BLOB, SET_SCANOUT_BLOB,
        0x10e, 0x200, 0x207,           0x208,      0x302,       OK,          0xffffffff,
    };
    static const struct {
        unsigned type, words;
    } known[] = {{CREATE_2D, 4},     {UNREF, 2},      {SET_SCANOUT, 6}, {FLUSH, 6},
                 {TRANSFER, 8},      {ATTACH, 2},     {DETACH, 2},      {GET_EDID, 2},
                 {UPDATE_CURSOR, 8}, {MOVE_CURSOR, 8}};
    const uint32_t zero[16] = {0};
    uint32_t word[32] = {0};

    for (unsigned i = 0; i < ARRAY_SIZE(unknown); i++) {
        assert_int_equal(gpu_do(b, 0, unknown[i], 16, zero), E_UNSPEC);
        assert_int_equal(gpu_do(b, 1, unknown[i], 16, zero), E_UNSPEC);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(known); i++) {
        const unsigned queue = known[i].type >= UPDATE_CURSOR;

        assert_int_equal(gpu_do(b, !queue, known[i].type, known[i].words, zero), E_UNSPEC);
        word[0] = known[i].type;
        for (unsigned n = 0; n < HEAD + known[i].words * 4; n += n < HEAD ? 8 : 4)
            assert_int_equal(raw(b, queue, word, n), E_UNSPEC);
    }
    gpu_works(b);
}

/* D10: an answer that has no place, a request that is nowhere. */
static void test_buffers(struct bench *b)
{
    static struct chain c;
    const uint64_t at = drv_alloc(&b->d, 4096, 4096);
    struct used u;

    for (unsigned i = 0; i < 4; i++) {
        c.n = 0;
        chain_out(&c, i == 0 ? RAM_END : at, i == 3 ? UINT32_MAX : HEAD);
        if (i != 1)
            chain_in(&c, i == 2 ? RAM_END : at + 2048, HEAD);
        dq_add_kick(&b->d.q[0], &c, NULL);
        assert_true(dq_wait(&b->d.q[0], &u, WAIT_MS));
        assert_int_equal(u.len, 0);
    }
    gpu_works(b);
}

/* U11 */
static void test_cursors(struct bench *b)
{
    struct display_look look;

    assert_int_equal(create(b, 1, 64, 63), OK);
    assert_int_equal(create(b, 2, 64, 64), OK);
    assert_int_equal(GPU(b, UPDATE_CURSOR, 0, 5, 5, 0, 2, 1, 1, 0), OK);
    assert_int_equal(GPU(b, UPDATE_CURSOR, 0, 9, 9, 0, 1, 2, 2, 0), E_PARAMETER);
    assert_int_equal(GPU(b, UPDATE_CURSOR, 0, 9, 9, 0, 3, 2, 2, 0), E_RESOURCE);
    assert_int_equal(GPU(b, UPDATE_CURSOR, SCREENS, 9, 9, 0, 2, 2, 2, 0), E_SCANOUT);
    assert_int_equal(GPU(b, MOVE_CURSOR, 0xffffffff, 9, 9, 0, 2, 2, 2, 0), E_SCANOUT);
    display_look(gpu_conf.display, 0, &look);
    display_done(gpu_conf.display, 0);
    assert_true(look.cursor_shown);
    assert_int_equal(look.cursor_x, 5);
    assert_int_equal(look.hot_x, 1);
    /* far away, and a hot spot beyond it */
    assert_int_equal(GPU(b, UPDATE_CURSOR, 0, 0xffffffff, 0x80000000, 0, 2, 0xffffffff, 64, 0), OK);
    display_look(gpu_conf.display, 0, &look);
    display_done(gpu_conf.display, 0);
    assert_int_equal(look.cursor_x, -1);
    assert_int_equal(look.cursor_y, INT32_MIN);
    assert_int_equal(look.hot_x, 63);
    gpu_works(b);
}

/* U14: windows change their size while the guest draws as if nothing were. */
static void test_resizes(struct bench *b)
{
    assert_int_equal(create(b, 1, 128, 128), OK);
    for (unsigned i = 0; i < 50; i++) {
        display_mode(gpu_conf.display, 0, 16 + i * 331, 16000 - i * 300);
        assert_int_equal(scanout(b, 0, 1, 0, 0, 128 - i, 16 + i), OK);
        assert_int_equal(flush(b, 1, 0, 0, 128, 128), OK);
        if (i % 10 == 0)
            display_mode(gpu_conf.display, 0, 0, 0);
    }
    gpu_works(b);
}

/* As fast as it can: a queue full of flushes is done in turns, and all are answered. */
static void test_flood(struct bench *b)
{
    enum { N = 64, W = 512 };
    static struct chain c;
    const uint64_t at = drv_alloc(&b->d, 8192, 64);
    const uint32_t word[12] = {FLUSH, 0, 0, 0, 0, 0, 0, 0, W, W, 1, 0};
    struct used u;

    assert_int_equal(create(b, 1, W, W), OK);
    assert_int_equal(scanout(b, 0, 1, 0, 0, W, W), OK);
    for (unsigned i = 0; i < ARRAY_SIZE(word); i++)
        word_store(b, drv_mem(&b->d, at + 4 * i, 4), word[i]);
    c.n = 0;
    chain_out(&c, at, sizeof(word));
    chain_in(&c, at + 4096, HEAD);
    for (unsigned i = 0; i < N; i++)
        assert_true(dq_add(&b->d.q[0], &c, NULL) >= 0);
    dq_kick(&b->d.q[0]);
    for (unsigned i = 0; i < N; i++) {
        assert_true(dq_wait(&b->d.q[0], &u, WAIT_MS));
        assert_int_equal(u.len, HEAD);
    }
    assert_int_equal(word_load(b, drv_mem(&b->d, at + 4096, 4)), OK);
    gpu_works(b);
}

static const struct bench_test tests[] = {
    {"U01_ids", test_ids, 0, NULL},
    {"U02_budget", test_budget, 0, NULL},
    {"U02_many", test_many, BENCH_ONCE, NULL},
    {"U04_backing", test_backing_outside, 0, NULL},
    {"U05_lives", test_lives, 0, NULL},
    {"U07_transfers", test_transfers, 0, NULL},
    {"U08_scanouts", test_scanouts, 0, NULL},
    {"U10_U13_commands", test_commands, 0, NULL},
    {"D10_buffers", test_buffers, 0, NULL},
    {"U11_cursors", test_cursors, 0, NULL},
    {"U14_resizes", test_resizes, 0, NULL},
    {"flood", test_flood, 0, NULL},
};

int main(void)
{
    return bench_run("gpu-hostile", &gpu_kind, tests, ARRAY_SIZE(tests));
}
