// SPDX-License-Identifier: MIT
/* devices/backend/display-png: a picture per change, some a second, right to the pixel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <dirent.h>
#include <errno.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/backend/display-png.h"
#include "vmm/base/bits.h"

static char dir[64];

static int dir_make(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/test-display-png.XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int dir_remove(void **state)
{
    DIR *d = opendir(dir);
    char path[512];

    (void)state;
    for (const struct dirent *e; d && (e = readdir(d));) {
        snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
        unlink(path);
    }
    closedir(d);
    return rmdir(dir);
}

static unsigned pictures(void)
{
    DIR *d = opendir(dir);
    unsigned n = 0;

    for (const struct dirent *e; (e = readdir(d));)
        n += display_png_is_name(e->d_name);
    closedir(d);
    return n;
}

static void fill(void *ctx, uint32_t x, uint32_t y, uint32_t n, uint32_t *to)
{
    for (uint32_t i = 0; i < n; i++)
        to[i] = *(const uint32_t *)ctx + (y << 16 | (x + i) << 8) + 0xff000000;
}

static void wait_for(unsigned n)
{
    for (unsigned i = 0; i < 2000 && pictures() < n; i++)
        usleep(10000);
    assert_true(pictures() >= n);
}

static struct display *display_make(void)
{
    struct err err;
    struct display *d = display_png_open(dir, NULL, 2, 64, 32, &err);

    assert_non_null(d);
    return d;
}

static void to_the_pixel(void **state)
{
    struct display *d = display_make();
    png_image image = {.version = PNG_IMAGE_VERSION};
    static uint8_t rgb[64 * 32 * 3];
    uint32_t blue = 0x55;
    char path[128];

    (void)state;
    assert_int_equal(display_set(d, 1, 64, 32), 0);
    display_draw(d, 1, (struct display_rect){0, 0, 64, 32}, fill, &blue);
    display_free(d); /* what was drawn before the end is there */
    snprintf(path, sizeof(path), "%s/screen1-000000.png", dir);
    if (pictures() == 2) /* it looked between the two */
        snprintf(path, sizeof(path), "%s/screen1-000001.png", dir);
    assert_true(png_image_begin_read_from_file(&image, path));
    assert_int_equal(image.width, 64);
    assert_int_equal(image.height, 32);
    image.format = PNG_FORMAT_RGB;
    assert_true(png_image_finish_read(&image, NULL, rgb, 0, NULL));
    for (unsigned i = 0; i < 64 * 32; i++) {
        assert_int_equal(rgb[i * 3], i / 64);
        assert_int_equal(rgb[i * 3 + 1], i % 64);
        assert_int_equal(rgb[i * 3 + 2], 0x55);
    }
}

/* A thousand changes at once are few pictures, and none of them waits for any. */
static void not_too_many(void **state)
{
    struct display *d = display_make();
    uint32_t blue = 0;

    (void)state;
    assert_int_equal(display_set(d, 0, 64, 32), 0);
    for (; blue < 1000; blue++) {
        display_draw(d, 0, (struct display_rect){0, 0, 64, 32}, fill, &blue);
        usleep(200);
    }
    wait_for(1);
    display_free(d);
    assert_in_range(pictures(), 1, 200);
}

static void nothing_new_no_picture(void **state)
{
    struct display *d = display_make();

    (void)state;
    assert_int_equal(display_set(d, 0, 64, 32), 0);
    wait_for(1);
    display_cursor_move(d, 0, 1, 1);
    display_free(d);
    assert_int_equal(pictures(), 1);
}

static void folders_that_are_none(void **state)
{
    struct err err;

    (void)state;
    assert_null(display_png_open("/nowhere/at/all", NULL, 1, 64, 32, &err));
    assert_non_null(strstr(err.text, "/nowhere/at/all"));
    assert_null(display_png_open("/dev/null", NULL, 1, 64, 32, &err));
    assert_non_null(strstr(err.text, "not a folder"));
}

/* What the helper process opens for a sandboxed machine. */
static void names(void **state)
{
    static const char *const bad[] = {"",
                                      "screen0-1.png",
                                      "screen0-000001.png.",
                                      "../screen0-000001.png",
                                      "screen0-000001/../x.png",
                                      "screen+1-000001.png",
                                      "screen 1-000001.png"};

    (void)state;
    assert_true(display_png_is_name("screen0-000001.png"));
    assert_true(display_png_is_name("screen15-999999.png"));
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
        assert_false(display_png_is_name(bad[i]));
    assert_int_equal(display_png_create("/nowhere", "screen0-000001.png"), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(to_the_pixel, dir_make, dir_remove),
        cmocka_unit_test_setup_teardown(not_too_many, dir_make, dir_remove),
        cmocka_unit_test_setup_teardown(nothing_new_no_picture, dir_make, dir_remove),
        cmocka_unit_test(folders_that_are_none),
        cmocka_unit_test(names),
    };

    return cmocka_run_group_tests_name("display-png", tests, NULL, NULL);
}
