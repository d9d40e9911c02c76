/* SPDX-License-Identifier: MIT */
/*
 * SDL, found when the first window is wanted: a vmm without windows does not load what SDL needs.
 * Functions are called as sdl.Init().
 */
#ifndef DEVICES_BACKEND_SDL_H
#define DEVICES_BACKEND_SDL_H

#include <SDL2/SDL.h>

#include "vmm/base/err.h"

/* clang-format off */
#define SDL_CALLS(X)                                                                           \
    X(Init) X(Quit) X(GetError) X(SetHint) X(EnableScreenSaver) X(StopTextInput)               \
    X(CreateWindow) X(DestroyWindow) X(GetWindowID) X(GetWindowSize) X(SetWindowTitle)         \
    X(SetWindowFullscreen) X(SetWindowKeyboardGrab) X(SetRelativeMouseMode) X(GetWindowSurface)\
    X(UpdateWindowSurfaceRects) X(CreateRGBSurfaceWithFormatFrom) X(FreeSurface) X(UpperBlit)  \
    X(UpperBlitScaled) X(FillRect) X(CreateColorCursor) X(FreeCursor) X(SetCursor)             \
    X(GetDefaultCursor) X(ShowCursor) X(PollEvent)
/* clang-format on */

struct sdl_calls {
#define X(name) __typeof__(SDL_##name) *name;
    SDL_CALLS(X)
#undef X
};

extern struct sdl_calls sdl;

/* 0, or -ENOENT with err filled. Main thread. */
int sdl_load(struct err *err);

#endif
