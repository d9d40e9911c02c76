/* SPDX-License-Identifier: MIT */
/* A display whose changes become pictures in a folder, at most some a second. */
#ifndef DEVICES_BACKEND_DISPLAY_PNG_H
#define DEVICES_BACKEND_DISPLAY_PNG_H

#include "devices/backend/display.h"

enum { DISPLAY_PNG_NAME = 32 };

/* Opens a new file of that name in the folder for writing: a descriptor or -errno. On the back
 * end's thread. */
typedef int display_png_create_fn(const char *dir, const char *name);

/* Is name one that this back end gives? For those who open files for it. */
bool display_png_is_name(const char *name);

/* dir must exist and outlive it. create NULL: it opens files itself. NULL with err filled. */
struct display *display_png_open(const char *dir, display_png_create_fn *create, unsigned screens,
                                 uint32_t width, uint32_t height, struct err *err);

/* What create NULL does. */
int display_png_create(const char *dir, const char *name);

#endif
