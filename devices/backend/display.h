/* SPDX-License-Identifier: MIT */
/*
 * A display: the screens that devices draw, keys and pointers that come back, and one back end that
 * shows all of it (a window, pictures in a folder, nobody).
 *
 * Three parties, none of which waits for another:
 *   devices    draw, on their loop's thread: display_draw() and friends copy into the screen's
 *              picture, which the display owns, and wake the back end
 *   back end   looks, on a thread of its own: display_look() to display_done() is for copying out
 *              of memory only, never for calls that can wait for the host; tells devices of what
 *              the user does by display_mode(), display_key() and so on
 *   sinks      devices, told so: on the back end's thread; they take note and post work to their
 *              loop, and do not call the display from there
 * Devices may be told before they ask and after they stopped; they pass that over.
 */
#ifndef DEVICES_BACKEND_DISPLAY_H
#define DEVICES_BACKEND_DISPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/base/err.h"

enum {
    DISPLAY_SCREENS = 16,
    DISPLAY_SIDE_MIN = 16,    /* pixels: no screen is smaller, except off */
    DISPLAY_SIDE_MAX = 16384, /* nor larger */
    DISPLAY_CURSOR = 64,      /* pixels, both sides */
    DISPLAY_INPUTS = 8,       /* sinks of input */
    DISPLAY_ABS_MAX = 32767,  /* absolute positions are 0 to this, over the whole screen */
    DISPLAY_TITLE_BYTES = 64,
};

struct display;

struct display_rect {
    uint32_t x, y, w, h; /* w or h 0: nothing */
};

/* ---- for back ends ---- */

struct display_ops {
    /* Something is new to look at. Any thread, from inside drawing: must not wait nor draw. It is
     * called once until the next display_look(). */
    void (*wake)(struct display *d);
    /* The guest's keyboard lights: bits as enum display_led. May be NULL. Must not wait. */
    void (*leds)(struct display *d, unsigned leds);
    /* End the thread and free the back end's own; d is freed afterwards. No device draws any more.
     * May be NULL. */
    void (*close)(struct display *d);
};

/* What is on a screen now, and what of it is new since the last look. */
struct display_look {
    uint32_t width, height; /* pixels; 0: the screen is off */
    size_t stride;          /* bytes from row to row */
    const uint32_t *pixels; /* XRGB8888 in the host's order: 0x00RRGGBB, the top byte is noise */
    struct display_rect damage;
    bool resized; /* damage is all of it */
    bool cursor_new, cursor_moved;
    bool cursor_shown;
    int32_t cursor_x, cursor_y; /* of the hot spot */
    uint32_t hot_x, hot_y;
    const uint32_t *cursor; /* 64 x 64 ARGB8888, alpha premultiplied by nobody */
};

enum display_state { DISPLAY_RUNNING, DISPLAY_PAUSED, DISPLAY_ENDED };

/* A display with no screen on, of `screens` (1 to 16), all connected screens wanting width x
 * height. ctx is the back end's. NULL with err filled. Main thread. */
struct display *display_new(const struct display_ops *ops, void *ctx, unsigned screens,
                            uint32_t width, uint32_t height, struct err *err);
void *display_ctx(const struct display *d);

/* Any one thread of the back end's: pointers are good until display_done(), which must come soon:
 * the device that draws this screen waits meanwhile. What was new is not new at the next look. */
void display_look(struct display *d, unsigned screen, struct display_look *look);
void display_done(struct display *d, unsigned screen);

/* The screen is to have this size from now on, or not to exist (0, 0). Any thread. Sizes are
 * brought within bounds. */
void display_mode(struct display *d, unsigned screen, uint32_t width, uint32_t height);

/* The user wants to close it: what display_on_close() says. Any thread. */
void display_closing(struct display *d);

/* What a user does. code: Linux's KEY_* or BTN_*; each call is followed by display_sync() where the
 * events that belong together end. Any thread, but one at a time. */
void display_key(struct display *d, uint16_t code, bool down);
void display_button(struct display *d, uint16_t code, bool down);
void display_move(struct display *d, int32_t dx, int32_t dy);
void display_wheel(struct display *d, int32_t dx, int32_t dy); /* up and right are positive */
void display_point(struct display *d, unsigned screen, uint32_t x, uint32_t y);
void display_sync(struct display *d);

/* Copies, for titles: the machine's name and state. Any thread. */
void display_title(struct display *d, char name[DISPLAY_TITLE_BYTES], enum display_state *state);

/* ---- for devices that draw: all on one thread, or under one lock ---- */

/* What the user wants. On the back end's thread; see above. */
struct display_screen_ops {
    void (*mode)(void *ctx, unsigned screen, uint32_t width, uint32_t height);
};

/* Before the machine runs, or (NULL) after it has stopped. */
void display_set_screen_ops(struct display *d, const struct display_screen_ops *ops, void *ctx);

/* How many screens there are; what size each is wanted in (0: not there). Any thread. */
unsigned display_screens(const struct display *d);
void display_wanted(struct display *d, unsigned screen, uint32_t *width, uint32_t *height);

/* Turn a screen on with a black picture, or off (0, 0). 0, -EINVAL (size), -ENOMEM: as before. */
int display_set(struct display *d, unsigned screen, uint32_t width, uint32_t height);

/* Fill a row: n pixels from (x, y) on into to, XRGB8888. */
typedef void display_fill_fn(void *ctx, uint32_t x, uint32_t y, uint32_t n, uint32_t *to);

/* Draw what is inside the screen of that rectangle, and show it. */
void display_draw(struct display *d, unsigned screen, struct display_rect rect,
                  display_fill_fn *fill, void *ctx);

/* pixels: 64 x 64 ARGB8888, or NULL: no cursor. Positions are of the hot spot. */
void display_cursor(struct display *d, unsigned screen, const uint32_t *pixels, uint32_t hot_x,
                    uint32_t hot_y);
void display_cursor_move(struct display *d, unsigned screen, int32_t x, int32_t y);

/* ---- for devices that take input ---- */

enum display_led { DISPLAY_LED_NUM = 1, DISPLAY_LED_CAPS = 2, DISPLAY_LED_SCROLL = 4 };

/* All may be NULL. On the back end's thread or another's, one at a time: see above. */
struct display_input_ops {
    void (*key)(void *ctx, uint16_t code, bool down);
    void (*button)(void *ctx, uint16_t code, bool down);
    void (*move)(void *ctx, int32_t dx, int32_t dy);
    void (*wheel)(void *ctx, int32_t dx, int32_t dy);
    void (*point)(void *ctx, unsigned screen, uint32_t x, uint32_t y); /* 0 to DISPLAY_ABS_MAX */
    void (*sync)(void *ctx);
};

/* Another sink; -ENOSPC: there are too many. Before the machine runs. */
int display_add_input(struct display *d, const struct display_input_ops *ops, void *ctx);
/* Sinks are told nothing any more once it returns. */
void display_drop_inputs(struct display *d);

/* Does anybody take absolute positions? Then no grab is needed. */
bool display_has_point(struct display *d);

void display_leds(struct display *d, unsigned leds);

/* ---- for the machine ---- */

/* fn on the back end's thread: must not wait. Before the machine runs. */
void display_on_close(struct display *d, void (*fn)(void *ctx), void *ctx);
void display_set_title(struct display *d, const char *name, enum display_state state);

/* A copy of a screen as it is now, width x height XRGB8888 without gaps, for free(). NULL: it is
 * off (*width 0), or no memory. Takes nothing from what the back end will see. Any thread. */
uint32_t *display_copy(struct display *d, unsigned screen, uint32_t *width, uint32_t *height);

/* Close the back end and free it. No device uses it any more. NULL is fine. */
void display_free(struct display *d);

/* ---- the back ends ---- */

/* Nobody looks; screens can be copied all the same. */
struct display *display_none_open(unsigned screens, uint32_t width, uint32_t height,
                                  struct err *err);

#endif
