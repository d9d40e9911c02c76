// SPDX-License-Identifier: MIT
/* The GPU (5.7): every command, its configuration and its monitors, over every ring. */
#include "tests/device/gpu-bench.h"

enum { EVENTS_READ = 0, EVENTS_CLEAR = 4, SCANOUTS = 8, CAPSETS = 12 };

static uint32_t config(struct bench *b, unsigned off)
{
    return (uint32_t)b->d.ops->config_read(&b->d, off, 4);
}

static void test_withheld(struct bench *b)
{
    bench_withhold(b, gpu_works);
}

/* 5.7.4-d1, 5.7.2-d1, 5.7.7-d1: no VGA, no 3D. */
static void test_identity(struct bench *b)
{
    const uint64_t offered = b->d.ops->offered(&b->d);

    assert_int_equal(gfunc_read(&b->d.func, 8, 4) >> 8, 0x038000);
    assert_int_equal(gfunc_read(&b->d.func, 2, 2), 0x1050);
    assert_int_equal(offered & 0xffffff, BIT64(F_EDID));
    assert_int_equal(b->d.n_queues, 2);
    assert_int_equal(config(b, EVENTS_READ), 0);
    assert_int_equal(config(b, SCANOUTS), SCREENS);
    assert_int_equal(config(b, CAPSETS), 0);
    b->d.ops->config_write(&b->d, EVENTS_READ, 4, 1);
    b->d.ops->config_write(&b->d, SCANOUTS, 4, 9);
    assert_int_equal(config(b, EVENTS_READ), 0);
    assert_int_equal(config(b, SCANOUTS), SCREENS);
}

/* 5.7.6.8-d1 */
static void test_display_info(struct bench *b)
{
    static struct gpu_xfer x;

    x = (struct gpu_xfer){.type = GET_DISPLAY_INFO};
    display_mode(gpu_conf.display, 1, 800, 600);
    assert_int_equal(gpu_xfer(b, &x, HEAD + 16 * 24), OK_INFO);
    assert_int_equal(x.used, 408);
    for (unsigned i = 0; i < 16; i++) {
        const uint8_t *one = x.answer + HEAD + i * 24;

        assert_int_equal(word_load(b, one + 8), i == 0 ? 640 : i == 1 ? 800 : 0);
        assert_int_equal(word_load(b, one + 12), i == 0 ? 480 : i == 1 ? 600 : 0);
        assert_int_equal(word_load(b, one + 16), i < 2);
        assert_int_equal(word_load(b, one + 20), 0);
    }
    assert_int_equal(word_load(b, x.answer + HEAD + 24), 640); /* to the right of the first */
    assert_int_equal(gpu_xfer(b, &x, 407), E_UNSPEC);          /* no room */
    assert_int_equal(gpu_xfer(b, &x, 23), 0);
    assert_int_equal(x.used, 0);
}

static bool config_told(void *arg)
{
    return config((struct bench *)arg, EVENTS_READ) == 1;
}

/* 5.7.4-d1: the user made the window another size. */
static void test_mode(struct bench *b)
{
    const uint8_t before = b->d.ops->generation(&b->d);

    display_mode(gpu_conf.display, 0, 1024, 768);
    assert_true(machine_until(b->m, config_told, b, WAIT_MS));
    assert_int_not_equal(b->d.ops->generation(&b->d), before);
    b->d.ops->config_write(&b->d, EVENTS_CLEAR, 4, 2);
    assert_int_equal(config(b, EVENTS_READ), 1);
    b->d.ops->config_write(&b->d, EVENTS_CLEAR, 4, 1);
    assert_int_equal(config(b, EVENTS_READ), 0);
    assert_int_equal(config(b, EVENTS_CLEAR), 0);
    display_mode(gpu_conf.display, 0, 1280, 800);
    assert_true(machine_until(b->m, config_told, b, WAIT_MS));
    bench_init(b);
    assert_int_equal(config(b, EVENTS_READ), 0);
}

/* 5.7.6.8-d6: header, checksum, and the preferred timing is the size that is wanted. */
static void test_edid(struct bench *b)
{
    static struct gpu_xfer x;
    const uint8_t *edid = x.answer + HEAD + 8;
    uint8_t sum = 0;

    x = (struct gpu_xfer){.type = GET_EDID, .n = 2, .word = {1, 0}};
    display_mode(gpu_conf.display, 1, 1366, 768);
    if (!bench_has(b, F_EDID)) {
        assert_int_equal(gpu_xfer(b, &x, HEAD + 8 + 1024), E_UNSPEC);
        return;
    }
    assert_int_equal(gpu_xfer(b, &x, HEAD + 8 + 1024), OK_EDID);
    assert_int_equal(x.used, HEAD + 8 + 1024);
    assert_int_equal(word_load(b, x.answer + HEAD), 128);
    assert_memory_equal(edid, "\0\xff\xff\xff\xff\xff\xff\0", 8);
    for (unsigned i = 0; i < 128; i++)
        sum = (uint8_t)(sum + edid[i]);
    assert_int_equal(sum, 0);
    assert_int_equal(edid[126], 0); /* nothing follows */
    assert_int_equal(edid[54 + 2] | edid[54 + 4] >> 4 << 8, 1366);
    assert_int_equal(edid[54 + 5] | edid[54 + 7] >> 4 << 8, 768);
    for (unsigned i = 128; i < 1024; i++)
        assert_int_equal(edid[i], 0);
    x.word[0] = SCREENS;
    assert_int_equal(gpu_xfer(b, &x, HEAD + 8 + 1024), E_SCANOUT);
}

static void test_edid_withheld(struct bench *b)
{
    b->want &= ~BIT64(F_EDID);
    bench_init(b);
    test_edid(b);
}

/* 5.7.6.5-d2, 5.7.6.7-d1..d4 */
static void test_fence(struct bench *b)
{
    static struct gpu_xfer x;

    x = (struct gpu_xfer){.type = UNREF, .flags = 1, .fence = UINT64_C(0x123456789abcdef0), .n = 2};
    x.word[0] = 5;
    assert_int_equal(gpu_xfer(b, &x, HEAD), E_RESOURCE);
    assert_int_equal(word_load(b, x.answer + 4), 1);
    assert_int_equal(order_load(b->d.order, x.answer + 8, 8), x.fence);
    assert_int_equal(create(b, 5, 16, 16), OK);
    assert_int_equal(gpu_xfer(b, &x, HEAD), OK);
    assert_int_equal(word_load(b, x.answer + 4), 1);
    x.flags = 0;
    gpu_xfer(b, &x, HEAD);
    assert_int_equal(word_load(b, x.answer + 4), 0);
    assert_int_equal(order_load(b->d.order, x.answer + 8, 8), 0);
}

/* 5.7.6.8-d4: the rectangle alone, out of backing in pieces, and shown by the flush only. */
static void test_pixels(struct bench *b)
{
    enum { W = 40, H = 30, BYTES = W * H * 4, CUT = 1001 };
    const uint64_t at = drv_alloc(&b->d, 2 * BYTES, 4096);
    const uint64_t far =
        at + BYTES + 8; /* the second piece comes first in memory? no: after a gap */
    uint8_t *one = drv_mem(&b->d, at, CUT), *two = drv_mem(&b->d, far, BYTES - CUT);

    for (unsigned i = 0; i < BYTES; i++)
        *(i < CUT ? one + i : two + i - CUT) = (uint8_t)(i / 4 % W * 3 + i / 4 / W * 5 + i % 4);
    assert_int_equal(create(b, 7, W, H), OK);
    assert_int_equal(GPU(b, ATTACH, 7, 3, (uint32_t)at, 0, CUT, 0, (uint32_t)at, 0, 0, 0,
                         (uint32_t)far, 0, BYTES - CUT, 0),
                     OK);
    assert_int_equal(scanout(b, 1, 7, 4, 2, 32, 20), OK);
    assert_int_equal(seen_width(0), 0);
    assert_int_equal(seen_width(1), 32);
    assert_int_equal(transfer(b, 7, (6 * W + 10) * 4, 10, 6, 5, 4), OK);
    assert_int_equal(seen(1, 6, 4), 0); /* not flushed */
    assert_int_equal(flush(b, 7, 11, 0, W - 11, H), OK);
    for (uint32_t y = 0; y < H; y++) {
        for (uint32_t x = 0; x < W; x++) {
            const bool in = x >= 11 && x < 15 && y >= 6 && y < 10;
            const uint8_t v = (uint8_t)(x * 3 + y * 5);
            const uint32_t rgb = (uint32_t)((uint8_t)(v + 2) << 16 | (uint8_t)(v + 1) << 8 | v);

            if (x >= 4 && x < 36 && y >= 2 && y < 22)
                assert_int_equal(seen(1, x - 4, y - 2), in ? rgb : 0);
        }
    }
    assert_int_equal(scanout(b, 1, 0, 0, 0, 0, 0), OK);
    assert_int_equal(seen_width(1), 0);
}

/* 5.7.6.8-d2: eight formats, each with its colours in their places. */
static void test_formats(struct bench *b)
{
    static const struct {
        uint32_t id;
        uint8_t byte[4]; /* of a pixel with red 0x11, green 0x22, blue 0x33, alpha 0x44 */
    } format[] = {
        {1, {0x33, 0x22, 0x11, 0x44}},   {2, {0x33, 0x22, 0x11, 0x44}},
        {3, {0x44, 0x11, 0x22, 0x33}},   {4, {0x44, 0x11, 0x22, 0x33}},
        {67, {0x11, 0x22, 0x33, 0x44}},  {68, {0x44, 0x33, 0x22, 0x11}},
        {121, {0x44, 0x33, 0x22, 0x11}}, {134, {0x11, 0x22, 0x33, 0x44}},
    };
    const uint64_t at = drv_alloc(&b->d, 16 * 16 * 4, 64);

    for (unsigned i = 0; i < ARRAY_SIZE(format); i++) {
        uint8_t *mem = drv_mem(&b->d, at, 16 * 16 * 4);

        for (unsigned p = 0; p < 16 * 16; p++)
            memcpy(mem + p * 4, format[i].byte, 4);
        assert_int_equal(GPU(b, CREATE_2D, i + 1, format[i].id, 16, 16), OK);
        assert_int_equal(attach(b, i + 1, at, 16 * 16 * 4), OK);
        assert_int_equal(transfer(b, i + 1, 0, 0, 0, 16, 16), OK);
        assert_int_equal(scanout(b, 0, i + 1, 0, 0, 16, 16), OK);
        assert_int_equal(seen(0, 15, 15), 0x112233);
    }
    for (uint32_t f = 0; f < 200; f++) {
        bool known = false;

        for (unsigned i = 0; i < ARRAY_SIZE(format); i++)
            known |= format[i].id == f;
        if (!known)
            assert_int_equal(GPU(b, CREATE_2D, 100, f, 16, 16), E_PARAMETER);
    }
}

/* 5.7.6.8-d3: one resource on two screens that overlap; another one takes a screen's place. */
static void test_scanouts(struct bench *b)
{
    const uint64_t at = drv_alloc(&b->d, 64 * 64 * 4, 64);

    memset(drv_mem(&b->d, at, 64 * 64 * 4), 0x77, 64 * 64 * 4);
    assert_int_equal(create(b, 1, 64, 64), OK);
    assert_int_equal(create(b, 2, 64, 64), OK);
    assert_int_equal(attach(b, 1, at, 64 * 64 * 4), OK);
    assert_int_equal(scanout(b, 0, 1, 0, 0, 40, 40), OK);
    assert_int_equal(scanout(b, 1, 1, 20, 20, 44, 44), OK);
    assert_int_equal(transfer(b, 1, 0, 0, 0, 64, 64), OK);
    assert_int_equal(flush(b, 1, 30, 30, 1, 1), OK);
    assert_int_equal(seen(0, 30, 30), 0x777777);
    assert_int_equal(seen(1, 10, 10), 0x777777);
    assert_int_equal(seen(1, 11, 10), 0);
    assert_int_equal(scanout(b, 0, 2, 0, 0, 40, 40), OK); /* the same size: another picture */
    assert_int_equal(seen(0, 30, 30), 0);
    assert_int_equal(scanout(b, 0, 1, 0, 0, 40, 40), OK);
    assert_int_equal(seen(0, 0, 0), 0x777777);
    drv_reset(&b->d);
    assert_int_equal(seen_width(0), 0);
    assert_int_equal(seen_width(1), 0);
}

static struct display_look cursor_look(unsigned screen)
{
    struct display_look look;

    display_look(gpu_conf.display, screen, &look);
    display_done(gpu_conf.display, screen);
    return look;
}

/* 5.7.6.10-d1 */
static void test_cursor(struct bench *b)
{
    const uint64_t at = drv_alloc(&b->d, 64 * 64 * 4, 64);
    struct display_look look;

    memset(drv_mem(&b->d, at, 64 * 64 * 4), 0x80, 64 * 64 * 4);
    assert_int_equal(GPU(b, CREATE_2D, 9, 1, 64, 64), OK);
    assert_int_equal(attach(b, 9, at, 64 * 64 * 4), OK);
    assert_int_equal(transfer(b, 9, 0, 0, 0, 64, 64), OK);
    assert_int_equal(GPU(b, UPDATE_CURSOR, 1, 100, 200, 0, 9, 3, 5, 0), OK);
    look = cursor_look(1);
    assert_true(look.cursor_shown && look.cursor_new);
    assert_int_equal(look.cursor[64 * 64 - 1], 0x80808080);
    assert_int_equal(look.cursor_x, 100);
    assert_int_equal(look.cursor_y, 200);
    assert_int_equal(look.hot_x, 3);
    assert_int_equal(look.hot_y, 5);
    assert_int_equal(GPU(b, MOVE_CURSOR, 1, 7, 8, 0, 12345, 60, 60, 0), OK);
    look = cursor_look(1);
    assert_true(look.cursor_shown && !look.cursor_new && look.cursor_moved);
    assert_int_equal(look.cursor_x, 7);
    assert_int_equal(look.hot_x, 3); /* MOVE has none */
    assert_int_equal(GPU(b, UPDATE_CURSOR, 1, 0, 0, 0, 0, 0, 0, 0), OK);
    assert_false(cursor_look(1).cursor_shown);
}

/* Drivers give the cursor queue no room for answers. */
static void test_cursor_silent(struct bench *b)
{
    static struct gpu_xfer x;

    x = (struct gpu_xfer){.queue = 1, .type = MOVE_CURSOR, .n = 8, .word = {0, 11, 12}};
    assert_int_equal(gpu_xfer(b, &x, 0), 0);
    assert_int_equal(cursor_look(0).cursor_x, 11);
}

static const struct bench_test tests[] = {
    {"works", gpu_works, 0, NULL},
    {"features_withheld", test_withheld, BENCH_RAW, NULL},
    {"identity", test_identity, 0, NULL},
    {"display_info", test_display_info, 0, NULL},
    {"mode_changes", test_mode, 0, NULL},
    {"edid", test_edid, 0, NULL},
    {"edid_withheld", test_edid_withheld, BENCH_RAW, NULL},
    {"fence", test_fence, 0, NULL},
    {"pixels", test_pixels, 0, NULL},
    {"formats", test_formats, 0, NULL},
    {"scanouts", test_scanouts, 0, NULL},
    {"cursor", test_cursor, 0, NULL},
    {"cursor_silent", test_cursor_silent, 0, NULL},
};

int main(void)
{
    return bench_run("gpu", &gpu_kind, tests, ARRAY_SIZE(tests));
}
