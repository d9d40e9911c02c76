// SPDX-License-Identifier: MIT
/* devices/backend/display: pictures, what of them is new, and who is told. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "devices/backend/display.h"

static unsigned wakes, leds;

static void count_wake(struct display *d)
{
    (void)d;
    wakes++;
}

static void note_leds(struct display *d, unsigned on)
{
    (void)d;
    leds = on;
}

static const struct display_ops test_ops = {.wake = count_wake, .leds = note_leds};

static struct display *display_make(unsigned screens)
{
    struct err err;
    struct display *d = display_new(&test_ops, NULL, screens, 640, 480, &err);

    assert_non_null(d);
    wakes = 0;
    return d;
}

/* A pixel tells where it is. */
static void fill_place(void *ctx, uint32_t x, uint32_t y, uint32_t n, uint32_t *to)
{
    (void)ctx;
    for (uint32_t i = 0; i < n; i++)
        to[i] = y << 16 | (x + i);
}

static struct display_look look_at(struct display *d, unsigned screen)
{
    struct display_look look;

    display_look(d, screen, &look);
    display_done(d, screen);
    return look;
}

static void assert_rect(struct display_rect r, uint32_t x, uint32_t y, uint32_t w, uint32_t h)
{
    assert_int_equal(r.x, x);
    assert_int_equal(r.y, y);
    assert_int_equal(r.w, w);
    assert_int_equal(r.h, h);
}

static void sizes_are_bounded(void **state)
{
    struct err err;
    struct display *d;
    uint32_t w, h;

    (void)state;
    assert_null(display_new(&test_ops, NULL, 0, 640, 480, &err));
    assert_null(display_new(&test_ops, NULL, 17, 640, 480, &err));
    assert_null(display_new(&test_ops, NULL, 1, 15, 480, &err));
    assert_null(display_new(&test_ops, NULL, 1, 640, 16385, &err));
    d = display_make(2);
    assert_int_equal(display_set(d, 2, 640, 480), -EINVAL);
    assert_int_equal(display_set(d, 0, 15, 480), -EINVAL);
    assert_int_equal(display_set(d, 0, 640, 0), -EINVAL);
    assert_int_equal(display_set(d, 0, 640, 16385), -EINVAL);
    assert_null(display_copy(d, 0, &w, &h));
    assert_int_equal(w, 0);
    display_free(d);
}

static void damage_is_joined_and_clipped(void **state)
{
    struct display *d = display_make(1);
    struct display_look look;

    (void)state;
    assert_int_equal(display_set(d, 0, 100, 50), 0);
    look = look_at(d, 0);
    assert_true(look.resized);
    assert_rect(look.damage, 0, 0, 100, 50);
    look = look_at(d, 0);
    assert_false(look.resized);
    assert_int_equal(look.damage.w, 0);

    display_draw(d, 0, (struct display_rect){10, 5, 4, 3}, fill_place, NULL);
    display_draw(d, 0, (struct display_rect){90, 40, UINT32_MAX, UINT32_MAX}, fill_place, NULL);
    display_draw(d, 0, (struct display_rect){100, 0, 1, 1}, fill_place, NULL);
    display_draw(d, 0, (struct display_rect){0, UINT32_MAX, 1, 1}, fill_place, NULL);
    display_look(d, 0, &look);
    assert_rect(look.damage, 10, 5, 90, 45);
    assert_int_equal(look.pixels[5 * 100 + 10], 5 << 16 | 10);
    assert_int_equal(look.pixels[7 * 100 + 13], 7 << 16 | 13);
    assert_int_equal(look.pixels[7 * 100 + 14], 0);
    assert_int_equal(look.pixels[8 * 100 + 10], 0);
    assert_int_equal(look.pixels[49 * 100 + 99], 49 << 16 | 99);
    display_done(d, 0);
    display_free(d);
}

/* One wake until somebody looks: a guest that draws as fast as it can is no flood. */
static void woken_once(void **state)
{
    struct display *d = display_make(1);

    (void)state;
    assert_int_equal(display_set(d, 0, 100, 50), 0);
    for (unsigned i = 0; i < 1000; i++)
        display_draw(d, 0, (struct display_rect){0, 0, 100, 50}, fill_place, NULL);
    assert_int_equal(wakes, 1);
    look_at(d, 0);
    display_draw(d, 0, (struct display_rect){0, 0, 0, 50}, fill_place, NULL);
    assert_int_equal(wakes, 1);
    display_draw(d, 0, (struct display_rect){0, 0, 1, 1}, fill_place, NULL);
    assert_int_equal(wakes, 2);
    display_free(d);
}

static void copies_take_nothing(void **state)
{
    struct display *d = display_make(1);
    uint32_t w, h, *copy;

    (void)state;
    assert_int_equal(display_set(d, 0, 32, 16), 0);
    display_draw(d, 0, (struct display_rect){0, 0, 32, 16}, fill_place, NULL);
    copy = display_copy(d, 0, &w, &h);
    assert_non_null(copy);
    assert_int_equal(w, 32);
    assert_int_equal(h, 16);
    for (uint32_t i = 0; i < 32 * 16; i++)
        assert_int_equal(copy[i], i / 32 << 16 | i % 32);
    free(copy);
    assert_int_equal(look_at(d, 0).damage.w, 32);
    assert_int_equal(display_set(d, 0, 0, 0), 0);
    assert_null(display_copy(d, 0, &w, &h));
    display_free(d);
}

static void cursors(void **state)
{
    uint32_t pixels[DISPLAY_CURSOR * DISPLAY_CURSOR];
    struct display *d = display_make(1);
    struct display_look look;

    (void)state;
    memset(pixels, 0x5a, sizeof(pixels));
    display_cursor(d, 0, pixels, 3, 4);
    display_cursor_move(d, 0, -2, 9);
    look = look_at(d, 0);
    assert_true(look.cursor_new && look.cursor_moved && look.cursor_shown);
    assert_int_equal(look.hot_x, 3);
    assert_int_equal(look.hot_y, 4);
    assert_int_equal(look.cursor_x, -2);
    assert_int_equal(look.cursor_y, 9);
    assert_memory_equal(look.cursor, pixels, sizeof(pixels));
    display_cursor(d, 0, NULL, 0, 0);
    look = look_at(d, 0);
    assert_true(look.cursor_new && !look.cursor_moved && !look.cursor_shown);
    display_free(d);
}

/* ---- sinks ---- */

static unsigned modes, mode_screen, mode_w, mode_h, closes;

static void note_mode(void *ctx, unsigned screen, uint32_t width, uint32_t height)
{
    (void)ctx;
    modes++;
    mode_screen = screen;
    mode_w = width;
    mode_h = height;
}

static void note_close(void *ctx)
{
    ++*(unsigned *)ctx;
}

static void modes_are_told(void **state)
{
    static const struct display_screen_ops ops = {.mode = note_mode};
    struct display *d = display_make(2);
    uint32_t w, h;

    (void)state;
    modes = 0;
    display_set_screen_ops(d, &ops, NULL);
    display_mode(d, 1, 640, 480); /* as it is */
    display_mode(d, 2, 800, 600); /* no such screen */
    assert_int_equal(modes, 0);
    display_mode(d, 1, 1, 100000);
    assert_int_equal(modes, 1);
    assert_int_equal(mode_screen, 1);
    assert_int_equal(mode_w, DISPLAY_SIDE_MIN);
    assert_int_equal(mode_h, DISPLAY_SIDE_MAX);
    display_mode(d, 1, 0, 9);
    display_wanted(d, 1, &w, &h);
    assert_true(!w && !h && !mode_w && !mode_h);
    display_wanted(d, 0, &w, &h);
    assert_true(w == 640 && h == 480);
    display_wanted(d, 2, &w, &h);
    assert_true(!w && !h);
    display_set_screen_ops(d, NULL, NULL);
    display_mode(d, 1, 800, 600);
    assert_int_equal(modes, 2);
    display_closing(d);
    display_on_close(d, note_close, &closes);
    display_closing(d);
    assert_int_equal(closes, 1);
    display_free(d);
}

static unsigned last_code, last_down, syncs, px, py;

static void note_key(void *ctx, uint16_t code, bool down)
{
    (void)ctx;
    last_code = code;
    last_down = down;
}

static void note_point(void *ctx, unsigned screen, uint32_t x, uint32_t y)
{
    (void)ctx;
    (void)screen;
    px = x;
    py = y;
}

static void input_goes_to_all(void **state)
{
    static const struct display_input_ops keys = {.key = note_key, .sync = note_close};
    static const struct display_input_ops points = {.point = note_point, .sync = note_close};
    struct display *d = display_make(1);

    (void)state;
    syncs = 0;
    assert_int_equal(display_add_input(d, &keys, &syncs), 0);
    assert_false(display_has_point(d));
    assert_int_equal(display_add_input(d, &points, &syncs), 0);
    assert_true(display_has_point(d));
    display_key(d, 30, true);
    display_point(d, 0, 17, 99999);
    display_move(d, 1, 1); /* nobody takes it */
    display_sync(d);
    assert_int_equal(last_code, 30);
    assert_int_equal(last_down, 1);
    assert_int_equal(px, 17);
    assert_int_equal(py, DISPLAY_ABS_MAX);
    assert_int_equal(syncs, 2);
    for (unsigned i = 2; i < DISPLAY_INPUTS; i++)
        assert_int_equal(display_add_input(d, &keys, &syncs), 0);
    assert_int_equal(display_add_input(d, &keys, &syncs), -ENOSPC);
    display_drop_inputs(d);
    display_sync(d);
    assert_int_equal(syncs, 2);
    display_leds(d, DISPLAY_LED_CAPS);
    assert_int_equal(leds, DISPLAY_LED_CAPS);
    display_free(d);
}

static void titles(void **state)
{
    struct display *d = display_make(1);
    char name[DISPLAY_TITLE_BYTES];
    enum display_state now;

    (void)state;
    display_set_title(d, "web", DISPLAY_RUNNING);
    display_set_title(d, NULL, DISPLAY_PAUSED);
    display_title(d, name, &now);
    assert_string_equal(name, "web");
    assert_int_equal(now, DISPLAY_PAUSED);
    assert_int_equal(wakes, 1);
    display_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_bounded), cmocka_unit_test(damage_is_joined_and_clipped),
        cmocka_unit_test(woken_once),        cmocka_unit_test(copies_take_nothing),
        cmocka_unit_test(cursors),           cmocka_unit_test(modes_are_told),
        cmocka_unit_test(input_goes_to_all), cmocka_unit_test(titles),
    };

    return cmocka_run_group_tests_name("display", tests, NULL, NULL);
}
