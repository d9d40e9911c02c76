// SPDX-License-Identifier: MIT
/* vmm/screendump: a picture in pieces, as it was when it was asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/base/base64.h"
#include "vmm/screendump.h"

enum { W = 640, H = 480, BYTES = W * H * 4 }; /* more than one piece */

static struct parts parts;

static void fill(void *ctx, uint32_t x, uint32_t y, uint32_t n, uint32_t *to)
{
    for (uint32_t i = 0; i < n; i++)
        to[i] = *(const uint32_t *)ctx + y * W + x + i;
}

static void draw(uint32_t first)
{
    display_draw(parts.display, 0, (struct display_rect){0, 0, W, H}, fill, &first);
}

static json_t *take(int screen, struct control_call *call)
{
    json_t *args = json_pack("{s:i}", "screen", screen), *ret;

    *call = (struct control_call){.args = args};
    ret = screendump_take(call, &parts);
    json_decref(args);
    return ret;
}

static json_t *piece(json_int_t id, json_int_t offset)
{
    json_t *args = json_pack("{s:I,s:I}", "id", id, "offset", offset), *ret;
    struct control_call call = {.args = args};

    ret = screendump_read(&call);
    json_decref(args);
    return ret;
}

static json_int_t number(json_t *of, const char *name)
{
    return json_integer_value(json_object_get(of, name));
}

static void in_pieces(void **state)
{
    static uint32_t pixels[W * H];
    struct control_call call;
    size_t at = 0, n;
    json_t *head, *part;

    (void)state;
    draw(7);
    head = take(0, &call);
    assert_int_equal(number(head, "width"), W);
    assert_int_equal(number(head, "height"), H);
    draw(1000); /* too late for this picture */
    for (; at < BYTES; at += n) {
        part = piece(number(head, "id"), (json_int_t)at);
        void *data = base64_decode(json_string_value(json_object_get(part, "data")), &n);

        assert_true(n && n <= BYTES - at);
        memcpy((uint8_t *)pixels + at, data, n);
        free(data);
        json_decref(part);
    }
    for (uint32_t i = 0; i < W * H; i++)
        assert_int_equal(pixels[i], 7 + i);
    assert_null(piece(number(head, "id"), 0)); /* it is gone with its last piece */
    json_decref(head);
}

static void the_newest_only(void **state)
{
    struct control_call call;
    json_t *one = take(0, &call), *two = take(0, &call);

    (void)state;
    assert_null(piece(number(one, "id"), 0));
    assert_null(piece(number(two, "id"), -1));
    assert_null(piece(number(two, "id"), BYTES));
    assert_null(piece(number(two, "id"), INT64_MAX));
    json_decref(piece(number(two, "id"), BYTES - 4));
    json_decref(one);
    json_decref(two);
}

static void no_screen(void **state)
{
    struct display *d = parts.display;
    struct control_call call;

    (void)state;
    assert_null(take(1, &call));
    assert_string_equal(call.class, "DeviceNotActive");
    assert_null(take(2, &call));
    assert_string_equal(call.class, "DeviceNotFound");
    assert_null(take(-1, &call));
    parts.display = NULL;
    assert_null(take(0, &call));
    assert_non_null(strstr(call.err.text, "--display"));
    parts.display = d;
}

static int display_open(void **state)
{
    struct err err;

    (void)state;
    parts.display = display_none_open(2, W, H, &err);
    return parts.display ? display_set(parts.display, 0, W, H) : -1;
}

static int display_close(void **state)
{
    (void)state;
    display_free(parts.display);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_pieces),
        cmocka_unit_test(the_newest_only),
        cmocka_unit_test(no_screen),
    };

    return cmocka_run_group_tests_name("screendump", tests, display_open, display_close);
}
