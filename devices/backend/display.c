// SPDX-License-Identifier: MIT
/*
 * Owns the pictures of screens, what of them is new, and who is told of what. Refuses to know who
 * draws and who looks.
 */
#include "devices/backend/display.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/bits.h"

struct screen {
    pthread_mutex_t lock; /* held for copying only */
    uint32_t width, height;
    uint32_t *pixels;
    struct display_rect damage;
    bool resized, cursor_new, cursor_moved, cursor_shown;
    int32_t cursor_x, cursor_y;
    uint32_t hot_x, hot_y;
    uint32_t *cursor; /* NULL: there never was one */
};

struct input {
    const struct display_input_ops *ops;
    void *ctx;
};

struct display {
    const struct display_ops *ops;
    void *ctx;
    unsigned n_screens;
    bool woken;              /* atomic: the back end will look */
    pthread_mutex_t lock;    /* of what follows; not held while others are told, except inputs */
    pthread_mutex_t in_lock; /* input comes one event at a time */
    uint32_t want_w[DISPLAY_SCREENS], want_h[DISPLAY_SCREENS];
    const struct display_screen_ops *screen_ops;
    void *screen_ctx;
    void (*on_close)(void *ctx);
    void *close_ctx;
    char name[DISPLAY_TITLE_BYTES];
    enum display_state state;
    unsigned n_inputs;
    struct input input[DISPLAY_INPUTS];
    struct screen screen[DISPLAY_SCREENS];
};

static bool side_fits(uint32_t n)
{
    return n >= DISPLAY_SIDE_MIN && n <= DISPLAY_SIDE_MAX;
}

struct display *display_new(const struct display_ops *ops, void *ctx, unsigned screens,
                            uint32_t width, uint32_t height, struct err *err)
{
    struct display *d;

    if (!screens || screens > DISPLAY_SCREENS || !side_fits(width) || !side_fits(height)) {
        err_set(err, EINVAL, "a display has 1 to %d screens of %d to %d pixels a side",
                DISPLAY_SCREENS, DISPLAY_SIDE_MIN, DISPLAY_SIDE_MAX);
        return NULL;
    }
    d = calloc(1, sizeof(*d));
    if (!d) {
        err_errno(err, ENOMEM, "display");
        return NULL;
    }
    d->ops = ops;
    d->ctx = ctx;
    d->n_screens = screens;
    pthread_mutex_init(&d->lock, NULL);
    pthread_mutex_init(&d->in_lock, NULL);
    for (unsigned i = 0; i < DISPLAY_SCREENS; i++)
        pthread_mutex_init(&d->screen[i].lock, NULL);
    for (unsigned i = 0; i < screens; i++) {
        d->want_w[i] = width;
        d->want_h[i] = height;
    }
    return d;
}

void display_free(struct display *d)
{
    if (!d)
        return;
    if (d->ops->close)
        d->ops->close(d);
    for (unsigned i = 0; i < DISPLAY_SCREENS; i++) {
        pthread_mutex_destroy(&d->screen[i].lock);
        free(d->screen[i].pixels);
        free(d->screen[i].cursor);
    }
    pthread_mutex_destroy(&d->in_lock);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

void *display_ctx(const struct display *d)
{
    return d->ctx;
}

unsigned display_screens(const struct display *d)
{
    return d->n_screens;
}

/* ---- looking ---- */

static void wake(struct display *d)
{
    if (!__atomic_exchange_n(&d->woken, true, __ATOMIC_ACQ_REL) && d->ops->wake)
        d->ops->wake(d);
}

void display_look(struct display *d, unsigned screen, struct display_look *look)
{
    struct screen *s = &d->screen[screen];

    __atomic_store_n(&d->woken, false, __ATOMIC_RELEASE); /* before: what comes later wakes again */
    pthread_mutex_lock(&s->lock);
    *look = (struct display_look){
        .width = s->width,
        .height = s->height,
        .stride = (size_t)s->width * sizeof(*s->pixels),
        .pixels = s->pixels,
        .damage = s->damage,
        .resized = s->resized,
        .cursor_new = s->cursor_new,
        .cursor_moved = s->cursor_moved,
        .cursor_shown = s->cursor_shown,
        .cursor_x = s->cursor_x,
        .cursor_y = s->cursor_y,
        .hot_x = s->hot_x,
        .hot_y = s->hot_y,
        .cursor = s->cursor,
    };
    s->damage = (struct display_rect){0};
    s->resized = s->cursor_new = s->cursor_moved = false;
}

void display_done(struct display *d, unsigned screen)
{
    pthread_mutex_unlock(&d->screen[screen].lock);
}

uint32_t *display_copy(struct display *d, unsigned screen, uint32_t *width, uint32_t *height)
{
    struct screen *s = &d->screen[screen];
    uint32_t *copy = NULL;
    size_t bytes;

    pthread_mutex_lock(&s->lock);
    *width = s->width;
    *height = s->height;
    bytes = (size_t)s->width * s->height * sizeof(*copy);
    if (bytes)
        copy = malloc(bytes);
    if (copy)
        memcpy(copy, s->pixels, bytes);
    pthread_mutex_unlock(&s->lock);
    return copy;
}

/* ---- drawing ---- */

int display_set(struct display *d, unsigned screen, uint32_t width, uint32_t height)
{
    const bool off = !width && !height;
    struct screen *s = &d->screen[screen];
    uint32_t *pixels = NULL, *old;

    if (screen >= d->n_screens || (!off && (!side_fits(width) || !side_fits(height))))
        return -EINVAL;
    if (!off)
        pixels = calloc((size_t)width * height, sizeof(*pixels));
    if (!off && !pixels)
        return -ENOMEM;
    pthread_mutex_lock(&s->lock);
    old = s->pixels;
    s->pixels = pixels;
    s->width = width;
    s->height = height;
    s->damage = (struct display_rect){0, 0, width, height};
    s->resized = true;
    pthread_mutex_unlock(&s->lock);
    free(old);
    wake(d);
    return 0;
}

static struct display_rect rect_clip(struct display_rect r, uint32_t width, uint32_t height)
{
    if (r.x >= width || r.y >= height)
        return (struct display_rect){0};
    r.w = (uint32_t)min_u64(r.w, width - r.x);
    r.h = (uint32_t)min_u64(r.h, height - r.y);
    return r;
}

/* Sides are below 2^15: sums do not overflow. */
static struct display_rect rect_join(struct display_rect a, struct display_rect b)
{
    uint32_t right, bottom;

    if (!a.w || !a.h)
        return b;
    right = (uint32_t)max_u64(a.x + a.w, b.x + b.w);
    bottom = (uint32_t)max_u64(a.y + a.h, b.y + b.h);
    a.x = (uint32_t)min_u64(a.x, b.x);
    a.y = (uint32_t)min_u64(a.y, b.y);
    a.w = right - a.x;
    a.h = bottom - a.y;
    return a;
}

void display_draw(struct display *d, unsigned screen, struct display_rect rect,
                  display_fill_fn *fill, void *ctx)
{
    struct screen *s = &d->screen[screen];

    pthread_mutex_lock(&s->lock);
    rect = rect_clip(rect, s->width, s->height);
    for (uint32_t y = rect.y; y - rect.y < rect.h && rect.w; y++)
        fill(ctx, rect.x, y, rect.w, s->pixels + (size_t)y * s->width + rect.x);
    if (rect.w && rect.h)
        s->damage = rect_join(s->damage, rect);
    pthread_mutex_unlock(&s->lock);
    if (rect.w && rect.h)
        wake(d);
}

void display_cursor(struct display *d, unsigned screen, const uint32_t *pixels, uint32_t hot_x,
                    uint32_t hot_y)
{
    enum { BYTES = DISPLAY_CURSOR * DISPLAY_CURSOR * 4 };
    struct screen *s = &d->screen[screen];

    pthread_mutex_lock(&s->lock);
    if (pixels && !s->cursor)
        s->cursor = malloc(BYTES);
    if (pixels && s->cursor)
        memcpy(s->cursor, pixels, BYTES);
    s->cursor_shown = pixels && s->cursor;
    s->cursor_new = true;
    s->hot_x = hot_x;
    s->hot_y = hot_y;
    pthread_mutex_unlock(&s->lock);
    wake(d);
}

void display_cursor_move(struct display *d, unsigned screen, int32_t x, int32_t y)
{
    struct screen *s = &d->screen[screen];

    pthread_mutex_lock(&s->lock);
    s->cursor_moved = true;
    s->cursor_x = x;
    s->cursor_y = y;
    pthread_mutex_unlock(&s->lock);
    wake(d);
}

/* ---- what the user wants ---- */

void display_set_screen_ops(struct display *d, const struct display_screen_ops *ops, void *ctx)
{
    pthread_mutex_lock(&d->lock);
    d->screen_ops = ops;
    d->screen_ctx = ctx;
    pthread_mutex_unlock(&d->lock);
}

void display_wanted(struct display *d, unsigned screen, uint32_t *width, uint32_t *height)
{
    pthread_mutex_lock(&d->lock);
    *width = screen < d->n_screens ? d->want_w[screen] : 0;
    *height = screen < d->n_screens ? d->want_h[screen] : 0;
    pthread_mutex_unlock(&d->lock);
}

static uint32_t side_bound(uint32_t n)
{
    return (uint32_t)min_u64(max_u64(n, DISPLAY_SIDE_MIN), DISPLAY_SIDE_MAX);
}

/* The lock stays held while the device takes note, so that it can go afterwards. */
void display_mode(struct display *d, unsigned screen, uint32_t width, uint32_t height)
{
    if (screen >= d->n_screens)
        return;
    if (width && height) {
        width = side_bound(width);
        height = side_bound(height);
    } else {
        width = height = 0;
    }
    pthread_mutex_lock(&d->lock);
    if (d->want_w[screen] != width || d->want_h[screen] != height) {
        d->want_w[screen] = width;
        d->want_h[screen] = height;
        if (d->screen_ops)
            d->screen_ops->mode(d->screen_ctx, screen, width, height);
    }
    pthread_mutex_unlock(&d->lock);
}

void display_on_close(struct display *d, void (*fn)(void *ctx), void *ctx)
{
    pthread_mutex_lock(&d->lock);
    d->on_close = fn;
    d->close_ctx = ctx;
    pthread_mutex_unlock(&d->lock);
}

void display_closing(struct display *d)
{
    pthread_mutex_lock(&d->lock);
    if (d->on_close)
        d->on_close(d->close_ctx);
    pthread_mutex_unlock(&d->lock);
}

void display_set_title(struct display *d, const char *name, enum display_state state)
{
    pthread_mutex_lock(&d->lock);
    if (name)
        snprintf(d->name, sizeof(d->name), "%s", name);
    d->state = state;
    pthread_mutex_unlock(&d->lock);
    wake(d);
}

void display_title(struct display *d, char name[DISPLAY_TITLE_BYTES], enum display_state *state)
{
    pthread_mutex_lock(&d->lock);
    memcpy(name, d->name, sizeof(d->name));
    *state = d->state;
    pthread_mutex_unlock(&d->lock);
}

/* ---- input ---- */

int display_add_input(struct display *d, const struct display_input_ops *ops, void *ctx)
{
    int ret = -ENOSPC;

    pthread_mutex_lock(&d->in_lock);
    if (d->n_inputs < DISPLAY_INPUTS) {
        d->input[d->n_inputs++] = (struct input){ops, ctx};
        ret = 0;
    }
    pthread_mutex_unlock(&d->in_lock);
    return ret;
}

void display_drop_inputs(struct display *d)
{
    pthread_mutex_lock(&d->in_lock);
    d->n_inputs = 0;
    pthread_mutex_unlock(&d->in_lock);
}

bool display_has_point(struct display *d)
{
    bool any = false;

    pthread_mutex_lock(&d->in_lock);
    for (unsigned i = 0; i < d->n_inputs; i++)
        any |= d->input[i].ops->point != NULL;
    pthread_mutex_unlock(&d->in_lock);
    return any;
}

/* Tell all sinks that have op. */
#define TELL(d, op, ...)                                                \
    do {                                                                \
        pthread_mutex_lock(&(d)->in_lock);                              \
        for (unsigned i_ = 0; i_ < (d)->n_inputs; i_++)                 \
            if ((d)->input[i_].ops->op)                                 \
                (d)->input[i_].ops->op((d)->input[i_].ctx __VA_ARGS__); \
        pthread_mutex_unlock(&(d)->in_lock);                            \
    } while (0)

void display_key(struct display *d, uint16_t code, bool down)
{
    TELL(d, key, , code, down);
}

void display_button(struct display *d, uint16_t code, bool down)
{
    TELL(d, button, , code, down);
}

void display_move(struct display *d, int32_t dx, int32_t dy)
{
    TELL(d, move, , dx, dy);
}

void display_wheel(struct display *d, int32_t dx, int32_t dy)
{
    TELL(d, wheel, , dx, dy);
}

void display_point(struct display *d, unsigned screen, uint32_t x, uint32_t y)
{
    x = (uint32_t)min_u64(x, DISPLAY_ABS_MAX);
    y = (uint32_t)min_u64(y, DISPLAY_ABS_MAX);
    TELL(d, point, , screen, x, y);
}

void display_sync(struct display *d)
{
    TELL(d, sync, );
}

void display_leds(struct display *d, unsigned leds)
{
    if (d->ops->leds)
        d->ops->leds(d, leds);
}

/* ---- nobody ---- */

static const struct display_ops none_ops = {.wake = NULL};

struct display *display_none_open(unsigned screens, uint32_t width, uint32_t height,
                                  struct err *err)
{
    return display_new(&none_ops, NULL, screens, width, height, err);
}
