/* SPDX-License-Identifier: MIT */
/* Pictures as PNG files. Without libpng (make PNG=0) there are none, and errors say so. */
#ifndef DEVICES_BACKEND_PICTURE_H
#define DEVICES_BACKEND_PICTURE_H

#include <stddef.h>
#include <stdint.h>

#include "vmm/base/err.h"

/* A PNG file in memory, for free(), of width x height pixels 0x00RRGGBB without gaps (the top byte
 * is noise). NULL with err filled. Any thread. */
void *picture_encode(const uint32_t *pixels, uint32_t width, uint32_t height, size_t *size,
                     struct err *err);

/* 0, or -ENOSYS or -ENOENT with err filled: there is no libpng here. Loads it: the first call is on
 * the main thread, before there is a sandbox. */
int picture_can(struct err *err);

#endif
