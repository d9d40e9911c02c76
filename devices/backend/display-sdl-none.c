// SPDX-License-Identifier: MIT
/* Stands for windows where vmm is built without SDL. */
#include <errno.h>

#include "devices/backend/display-sdl.h"

int display_sdl_built(struct err *err)
{
    return err_set(
        err, ENOTSUP,
        "this vmm is built without SDL and has no windows; install libsdl2-dev and build again, "
        "or take png:DIR");
}

struct display *display_sdl_open(unsigned screens, uint32_t width, uint32_t height, struct err *err)
{
    (void)screens;
    (void)width;
    (void)height;
    display_sdl_built(err);
    return NULL;
}
