// SPDX-License-Identifier: MIT
/* Owns where SDL's functions are. Refuses to call any. */
#include "devices/backend/sdl.h"

#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "vmm/base/bits.h"

struct sdl_calls sdl;

static const struct {
    const char *name;
    size_t at;
} calls[] = {
#define X(name) {"SDL_" #name, offsetof(struct sdl_calls, name)},
    SDL_CALLS(X)
#undef X
};

int sdl_load(struct err *err)
{
    void *lib = dlopen("libSDL2-2.0.so.0", RTLD_NOW | RTLD_LOCAL);

    if (!lib)
        return err_set(err, ENOENT, "--display sdl needs the package libsdl2-2.0-0: %s", dlerror());
    for (unsigned i = 0; i < ARRAY_SIZE(calls); i++) {
        void *fn = dlsym(lib, calls[i].name);

        if (!fn)
            return err_set(err, ENOENT, "this host's SDL is too old: it has no %s", calls[i].name);
        memcpy((char *)&sdl + calls[i].at, &fn, sizeof(fn));
    }
    return 0;
}
