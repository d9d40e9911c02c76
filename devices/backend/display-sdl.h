/* SPDX-License-Identifier: MIT */
/* A display in windows, one for each screen, by SDL. */
#ifndef DEVICES_BACKEND_DISPLAY_SDL_H
#define DEVICES_BACKEND_DISPLAY_SDL_H

#include "devices/backend/display.h"

/* Is it in this build? 0, or -ENOTSUP with err filled. */
int display_sdl_built(struct err *err);

/* Windows of that size. Their thread (THREAD_WINDOW) may be held until the process has given up its
 * rights: all that SDL opens is opened here. Main thread. NULL with err filled: no SDL in this
 * build or on this host, or nowhere to show a window. */
struct display *display_sdl_open(unsigned screens, uint32_t width, uint32_t height,
                                 struct err *err);

#endif
