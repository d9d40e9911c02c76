// SPDX-License-Identifier: MIT
/* Keys and pointers in a window, with an SDL that is not there; and a window nobody sees. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/backend/display-sdl-internal.h"
#include "vmm/base/bits.h"

enum { WINDOW = 7, WIDTH = 640, HEIGHT = 480, UNITS = 320 };

static char said[512];
static SDL_Surface surface;

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(said + strlen(said), sizeof(said) - strlen(said), fmt, ap);
    va_end(ap);
}

static void expect(const char *want)
{
    assert_string_equal(said, want);
    said[0] = '\0';
}

/* ---- a sink that tells ---- */

static void on_key(void *ctx, uint16_t code, bool down)
{
    (void)ctx;
    say("%c%u", down ? '+' : '-', code);
}

static void on_move(void *ctx, int32_t dx, int32_t dy)
{
    (void)ctx;
    say("move %d,%d ", dx, dy);
}

static void on_point(void *ctx, unsigned screen, uint32_t x, uint32_t y)
{
    (void)ctx;
    say("point %u:%u,%u ", screen, x, y);
}

static const struct display_input_ops mouse = {.key = on_key, .button = on_key, .move = on_move},
                                      tablet = {.key = on_key, .button = on_key, .point = on_point};

/* ---- an SDL ---- */

static SDL_bool keyboard_grabbed, relative;
static Uint32 full;

static void fake_keyboard(SDL_Window *win, SDL_bool on)
{
    (void)win;
    keyboard_grabbed = on;
}

static int fake_relative(SDL_bool on)
{
    relative = on;
    return 0;
}

static int fake_full(SDL_Window *win, Uint32 flags)
{
    (void)win;
    full = flags;
    return 0;
}

static void fake_title(SDL_Window *win, const char *title)
{
    (void)win;
    (void)title;
}

static SDL_Surface *fake_surface(SDL_Window *win)
{
    (void)win;
    return &surface;
}

static void fake_size(SDL_Window *win, int *w, int *h)
{
    (void)win;
    *w = UNITS; /* two pixels each */
    *h = UNITS;
}

static void close_told(void *ctx)
{
    (void)ctx;
    say("close ");
}

static struct windows *windows_new(const struct display_input_ops *ops)
{
    struct windows *w = calloc(1, sizeof(*w));

    sdl = (struct sdl_calls){.SetWindowKeyboardGrab = fake_keyboard,
                             .SetRelativeMouseMode = fake_relative,
                             .SetWindowFullscreen = fake_full,
                             .SetWindowTitle = fake_title,
                             .GetWindowSurface = fake_surface,
                             .GetWindowSize = fake_size};
    surface = (SDL_Surface){.w = WIDTH, .h = WIDTH};
    keyboard_grabbed = relative = SDL_FALSE;
    full = 0;
    said[0] = '\0';
    w->n = 1;
    w->d = display_none_open(1, WIDTH, HEIGHT, NULL);
    w->window[0] = (struct window){.id = WINDOW,
                                   .width = WIDTH,
                                   .height = HEIGHT,
                                   .place = {0, (WIDTH - HEIGHT) / 2, WIDTH, HEIGHT}};
    display_add_input(w->d, ops, NULL);
    display_on_close(w->d, close_told, NULL);
    return w;
}

static void windows_end(struct windows *w)
{
    display_free(w->d);
    free(w);
}

static void key(struct windows *w, SDL_Scancode scancode, Uint16 mod, bool down, bool repeat)
{
    const SDL_Event e = {.key = {.type = down ? SDL_KEYDOWN : SDL_KEYUP,
                                 .windowID = WINDOW,
                                 .repeat = repeat,
                                 .keysym = {.scancode = scancode, .mod = mod}}};

    windows_event(w, &e);
}

static void window(struct windows *w, SDL_WindowEventID what)
{
    const SDL_Event e = {
        .window = {.type = SDL_WINDOWEVENT, .windowID = WINDOW, .event = (Uint8)what}};

    windows_event(w, &e);
}

static void motion(struct windows *w, int x, int y, int dx, int dy)
{
    const SDL_Event e = {
        .motion = {
            .type = SDL_MOUSEMOTION, .windowID = WINDOW, .x = x, .y = y, .xrel = dx, .yrel = dy}};

    windows_event(w, &e);
}

static void click(struct windows *w, Uint8 button, bool down)
{
    const SDL_Event e = {.button = {.type = down ? SDL_MOUSEBUTTONDOWN : SDL_MOUSEBUTTONUP,
                                    .windowID = WINDOW,
                                    .button = button}};

    windows_event(w, &e);
}

/* ---- tests ---- */

static void test_keys(void **state)
{
    struct windows *w = windows_new(&tablet);

    (void)state;
    key(w, SDL_SCANCODE_A, 0, true, false);
    key(w, SDL_SCANCODE_A, 0, true, true); /* the guest repeats */
    key(w, SDL_SCANCODE_RETURN, 0, true, false);
    key(w, SDL_SCANCODE_A, 0, false, false);
    expect("+30+28-30");
    window(w, SDL_WINDOWEVENT_FOCUS_LOST);
    expect("-28");
    key(w, SDL_SCANCODE_RETURN, 0, false, false);
    key(w, SDL_SCANCODE_UNKNOWN, 0, true, false);
    expect("");
    windows_end(w);
}

/* Ctrl-Alt-G and Ctrl-Alt-F are ours, down and up; the guest sees Ctrl and Alt. */
static void test_own_keys(void **state)
{
    const Uint16 both = KMOD_LCTRL | KMOD_LALT;
    struct windows *w = windows_new(&tablet);

    (void)state;
    key(w, SDL_SCANCODE_LCTRL, KMOD_LCTRL, true, false);
    key(w, SDL_SCANCODE_LALT, both, true, false);
    key(w, SDL_SCANCODE_G, both, true, false);
    assert_true(w->grabbed && keyboard_grabbed && !relative);
    key(w, SDL_SCANCODE_G, both, true, true);
    assert_true(w->grabbed);
    key(w, SDL_SCANCODE_G, both, false, false);
    key(w, SDL_SCANCODE_F, both, true, false);
    key(w, SDL_SCANCODE_F, both, false, false);
    assert_int_equal(full, SDL_WINDOW_FULLSCREEN_DESKTOP);
    key(w, SDL_SCANCODE_G, both, true, false);
    assert_false(w->grabbed || keyboard_grabbed);
    key(w, SDL_SCANCODE_G, both, false, false);
    key(w, SDL_SCANCODE_G, KMOD_LCTRL, true, false);
    expect("+29+56+34");
    windows_end(w);
}

/* A mouse: the first click takes it, and is nobody's; Ctrl-Alt-G gives it back. */
static void test_mouse(void **state)
{
    struct windows *w = windows_new(&mouse);

    (void)state;
    motion(w, 1, 1, 5, 5);
    click(w, SDL_BUTTON_LEFT, true);
    assert_true(relative);
    click(w, SDL_BUTTON_LEFT, false);
    expect("-272");
    motion(w, 1, 1, 5, -6);
    click(w, SDL_BUTTON_RIGHT, true);
    click(w, 9, true);
    expect("move 5,-6 +273");
    key(w, SDL_SCANCODE_G, KMOD_LCTRL | KMOD_LALT, true, false);
    assert_false(relative);
    motion(w, 1, 1, 5, 5);
    expect("");
    windows_end(w);
}

/* Places are of the picture, wherever in the window it is. */
static void test_tablet(void **state)
{
    struct windows *w = windows_new(&tablet);

    (void)state;
    motion(w, 0, 0, 0, 0);
    motion(w, 160, 160, 0, 0);
    motion(w, UNITS, UNITS, 0, 0);
    expect("point 0:0,0 point 0:16409,16417 point 0:32767,32767 ");
    click(w, SDL_BUTTON_X1, true);
    expect("+275");
    windows_end(w);
}

static void test_window(void **state)
{
    struct windows *w = windows_new(&tablet);

    (void)state;
    window(w, SDL_WINDOWEVENT_CLOSE);
    window(w, SDL_WINDOWEVENT_CLOSE);
    expect("close close ");
    window(w, SDL_WINDOWEVENT_SIZE_CHANGED);
    assert_true(w->window[0].resized_ns && w->window[0].all);
    windows_end(w);
}

static void fill(void *ctx, uint32_t x, uint32_t y, uint32_t n, uint32_t *to)
{
    (void)ctx;
    for (uint32_t i = 0; i < n; i++)
        to[i] = (x + i) * 0x10001 + y * 0x100;
}

/* SDL's driver without a desktop: the picture arrives in the window. */
static void test_dummy(void **state)
{
    struct display *d;
    struct err err;
    struct windows *w;
    const uint32_t *pixel;

    (void)state;
#if defined(__SANITIZE_THREAD__)
    skip(); /* it looks over the other thread's shoulder */
#endif
    setenv("SDL_VIDEODRIVER", "dummy", 1);
    d = display_sdl_open(1, WIDTH, HEIGHT, &err);
    if (!d)
        fail_msg("%s", err.text);
    display_set_title(d, "web", DISPLAY_PAUSED);
    assert_int_equal(display_set(d, 0, WIDTH, HEIGHT), 0);
    display_draw(d, 0, (struct display_rect){0, 0, WIDTH, HEIGHT}, fill, NULL);
    w = display_ctx(d);
    for (unsigned i = 0; i < 1000 && __atomic_load_n(&w->window[0].all, __ATOMIC_ACQUIRE); i++)
        usleep(10000); /* until it was drawn for the first time */
    usleep(100000);
    pixel = (const uint32_t *)w->window[0].picture;
    assert_non_null(pixel);
    assert_int_equal(pixel[0], 0);
    assert_int_equal(pixel[3 * WIDTH + 5], 0x050305);
    pixel = (const uint32_t *)sdl.GetWindowSurface(w->window[0].win)->pixels;
    assert_int_equal(pixel[3 * WIDTH + 5] & 0xffffff, 0x050305);
    assert_int_equal(display_set(d, 0, 0, 0), 0);
    usleep(100000);
    display_free(d);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),   cmocka_unit_test(test_own_keys),
        cmocka_unit_test(test_mouse),  cmocka_unit_test(test_tablet),
        cmocka_unit_test(test_window), cmocka_unit_test(test_dummy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
