// SPDX-License-Identifier: MIT
/* Owns the making of PNG files. libpng does the work; it is loaded when there is a screen. */
#include "devices/backend/picture.h"

#include <dlfcn.h>
#include <errno.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>

static __typeof__(png_image_write_to_memory) *image_write;

int picture_can(struct err *err)
{
    void *lib, *fn;

    if (image_write)
        return 0;
    lib = dlopen("libpng16.so.16", RTLD_NOW | RTLD_LOCAL);
    fn = lib ? dlsym(lib, "png_image_write_to_memory") : NULL;
    if (!fn)
        return err_set(err, ENOENT, "pictures need the package libpng16-16: %s", dlerror());
    memcpy(&image_write, &fn, sizeof(fn));
    return 0;
}

static uint8_t *rgb_of(const uint32_t *pixels, size_t n)
{
    uint8_t *rgb = malloc(n * 3);

    for (size_t i = 0; rgb && i < n; i++) {
        rgb[i * 3] = (uint8_t)(pixels[i] >> 16);
        rgb[i * 3 + 1] = (uint8_t)(pixels[i] >> 8);
        rgb[i * 3 + 2] = (uint8_t)pixels[i];
    }
    return rgb;
}

void *picture_encode(const uint32_t *pixels, uint32_t width, uint32_t height, size_t *size,
                     struct err *err)
{
    png_image image = {
        .version = PNG_IMAGE_VERSION, .width = width, .height = height, .format = PNG_FORMAT_RGB};
    png_alloc_size_t room = PNG_IMAGE_PNG_SIZE_MAX(image);
    uint8_t *rgb = NULL;
    void *file = NULL;

    *size = 0;
    if (picture_can(err) < 0)
        return NULL;
    rgb = rgb_of(pixels, (size_t)width * height);
    file = rgb ? malloc(room) : NULL;
    if (!file) {
        err_errno(err, ENOMEM, "picture of %u x %u", width, height);
    } else if (!image_write(&image, file, &room, 0, rgb, 0, NULL)) {
        err_set(err, EIO, "picture of %u x %u: %s", width, height, image.message);
        free(file);
        file = NULL;
    }
    free(rgb);
    *size = room;
    return file;
}
