// SPDX-License-Identifier: MIT
/*
 * Owns what the user does in a window: keys, pointer, grab, the window's own keys and its button to
 * close. Refuses to draw.
 */
#include <string.h>

#include "devices/backend/display-sdl-internal.h"
#include "vmm/base/bits.h"

static const uint16_t key_of[SDL_NUM_SCANCODES] = {
#define X(code, name, scancode, plain, shifted) [SDL_SCANCODE_##scancode] = KEY_##code,
#include "devices/backend/keys.list"
#undef X
};

static struct window *window_of(struct windows *w, uint32_t id)
{
    for (unsigned i = 0; i < w->n; i++)
        if (w->window[i].id == id)
            return &w->window[i];
    return &w->window[0];
}

/* ---- the grab ---- */

/* With a tablet the pointer is free: what a grab then takes is the keyboard. */
static void grab(struct windows *w, struct window *win, bool on)
{
    if (w->grabbed == on)
        return;
    w->grabbed = on;
    if (!display_has_point(w->d))
        sdl.SetRelativeMouseMode(on ? SDL_TRUE : SDL_FALSE);
    sdl.SetWindowKeyboardGrab(win->win, on ? SDL_TRUE : SDL_FALSE);
    windows_title(w);
}

static void key_tell(struct windows *w, uint16_t code, bool down)
{
    if (!code || w->down[code] == down)
        return;
    w->down[code] = down;
    display_key(w->d, code, down);
    display_sync(w->d);
}

static void keys_release(struct windows *w)
{
    for (unsigned code = 1; code < KEY_CNT; code++)
        key_tell(w, (uint16_t)code, false);
}

static void full_screen(struct windows *w, struct window *win)
{
    (void)w;
    win->full = !win->full;
    sdl.SetWindowFullscreen(win->win, win->full ? SDL_WINDOW_FULLSCREEN_DESKTOP : 0);
    win->all = true;
}

static void grab_toggle(struct windows *w, struct window *win)
{
    grab(w, win, !w->grabbed);
}

/* With Ctrl and Alt. */
static const struct {
    SDL_Scancode scancode;
    void (*fn)(struct windows *w, struct window *win);
} own_keys[] = {
    {SDL_SCANCODE_G, grab_toggle},
    {SDL_SCANCODE_F, full_screen},
};

static bool own_key(struct windows *w, struct window *win, const SDL_KeyboardEvent *key)
{
    const bool both = (key->keysym.mod & KMOD_CTRL) && (key->keysym.mod & KMOD_ALT);

    for (unsigned i = 0; both && i < ARRAY_SIZE(own_keys); i++) {
        if (own_keys[i].scancode != key->keysym.scancode)
            continue;
        if (!key->repeat)
            own_keys[i].fn(w, win);
        return true;
    }
    return false;
}

static void on_key(struct windows *w, const SDL_KeyboardEvent *key)
{
    const SDL_Scancode scancode = key->keysym.scancode;
    const bool down = key->type == SDL_KEYDOWN;

    if (scancode >= SDL_NUM_SCANCODES)
        return;
    if (down && own_key(w, window_of(w, key->windowID), key)) {
        w->swallowed[scancode] = true;
        return;
    }
    if (!w->swallowed[scancode])
        key_tell(w, key_of[scancode], down);
    if (!down)
        w->swallowed[scancode] = false;
}

/* ---- the pointer ---- */

/* 0 to DISPLAY_ABS_MAX of a place in the window, in its units. */
static uint32_t share_of(int at, int units, int pixels, int from, int len)
{
    const int64_t pixel = units > 0 ? (int64_t)at * pixels / units - from : 0;

    if (pixel <= 0 || len < 2)
        return 0;
    return (uint32_t)min_u64((uint64_t)pixel * DISPLAY_ABS_MAX / (uint64_t)(len - 1),
                             DISPLAY_ABS_MAX);
}

static void on_motion(struct windows *w, const SDL_MouseMotionEvent *e)
{
    const struct window *win = window_of(w, e->windowID);
    const SDL_Surface *surface;
    int width, height;

    if (!display_has_point(w->d)) {
        if (w->grabbed)
            display_move(w->d, e->xrel, e->yrel);
        display_sync(w->d);
        return;
    }
    surface = sdl.GetWindowSurface(win->win);
    sdl.GetWindowSize(win->win, &width, &height);
    if (!surface || !win->width)
        return;
    display_point(w->d, (unsigned)(win - w->window),
                  share_of(e->x, width, surface->w, win->place.x, win->place.w),
                  share_of(e->y, height, surface->h, win->place.y, win->place.h));
    display_sync(w->d);
}

static void on_button(struct windows *w, const SDL_MouseButtonEvent *e)
{
    static const uint16_t button[] = {[SDL_BUTTON_LEFT] = BTN_LEFT,
                                      [SDL_BUTTON_MIDDLE] = BTN_MIDDLE,
                                      [SDL_BUTTON_RIGHT] = BTN_RIGHT,
                                      [SDL_BUTTON_X1] = BTN_SIDE,
                                      [SDL_BUTTON_X2] = BTN_EXTRA};
    const bool down = e->type == SDL_MOUSEBUTTONDOWN;

    if (!display_has_point(w->d) && !w->grabbed) {
        if (down) /* this click is for us */
            grab(w, window_of(w, e->windowID), true);
        return;
    }
    if (e->button >= ARRAY_SIZE(button) || !button[e->button])
        return;
    display_button(w->d, button[e->button], down);
    display_sync(w->d);
}

static void on_wheel(struct windows *w, const SDL_MouseWheelEvent *e)
{
    display_wheel(w->d, e->x, e->y);
    display_sync(w->d);
}

/* ---- the window ---- */

static void on_window(struct windows *w, const SDL_WindowEvent *e)
{
    struct window *win = window_of(w, e->windowID);

    if (e->event == SDL_WINDOWEVENT_CLOSE)
        display_closing(w->d);
    else if (e->event == SDL_WINDOWEVENT_SIZE_CHANGED)
        win->resized_ns = clock_ns();
    if (e->event == SDL_WINDOWEVENT_SIZE_CHANGED || e->event == SDL_WINDOWEVENT_EXPOSED)
        win->all = true;
    if (e->event == SDL_WINDOWEVENT_FOCUS_LOST) { /* their releases go elsewhere */
        keys_release(w);
        grab(w, win, false);
    }
}

void windows_event(struct windows *w, const SDL_Event *e)
{
    if (e->type == SDL_KEYDOWN || e->type == SDL_KEYUP)
        on_key(w, &e->key);
    else if (e->type == SDL_MOUSEMOTION)
        on_motion(w, &e->motion);
    else if (e->type == SDL_MOUSEBUTTONDOWN || e->type == SDL_MOUSEBUTTONUP)
        on_button(w, &e->button);
    else if (e->type == SDL_MOUSEWHEEL)
        on_wheel(w, &e->wheel);
    else if (e->type == SDL_WINDOWEVENT)
        on_window(w, &e->window);
}
