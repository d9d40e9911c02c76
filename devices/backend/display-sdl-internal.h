/* SPDX-License-Identifier: MIT */
/* Between the files of windows: display-sdl.c has the thread and pictures, display-sdl-input.c what
 * the user does. */
#ifndef DEVICES_BACKEND_DISPLAY_SDL_INTERNAL_H
#define DEVICES_BACKEND_DISPLAY_SDL_INTERNAL_H

#include <linux/input-event-codes.h>
#include <stdatomic.h>

#include "devices/backend/display-sdl.h"
#include "devices/backend/sdl.h"
#include "vmm/base/thread.h"

enum { TITLE_BYTES = DISPLAY_TITLE_BYTES + 96 };

struct window {
    SDL_Window *win;
    uint32_t id;
    char title[TITLE_BYTES]; /* as it is now */
    uint32_t width, height;  /* of the guest's picture; 0: the screen is off */
    uint32_t *picture;       /* as it was looked at last */
    SDL_Surface *surface;    /* of that */
    SDL_Rect place;          /* where it is in the window, in the window's pixels */
    bool all;                /* to be drawn whole */
    bool full;               /* screen */
    uint64_t resized_ns;     /* when the user last changed its size; 0: told already */
    SDL_Cursor *cursor;      /* the guest's; NULL: it never had one */
    uint32_t cursor_pixels[DISPLAY_CURSOR * DISPLAY_CURSOR];
    bool cursor_shown;
};

struct windows {
    struct display *d;
    unsigned n;
    int wake; /* eventfd */
    _Atomic bool ending;
    _Atomic unsigned leds; /* enum display_led */
    struct thread thread;
    bool grabbed;
    bool swallowed[SDL_NUM_SCANCODES]; /* keys of ours, whose release is ours, too */
    bool down[KEY_CNT];
    struct window window[DISPLAY_SCREENS];
};

/* One event of SDL's; whatever it means. */
void windows_event(struct windows *w, const SDL_Event *e);

/* The title, as of now. */
void windows_title(struct windows *w);

#endif
