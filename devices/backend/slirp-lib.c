// SPDX-License-Identifier: MIT
/* Owns where libslirp's functions are. Refuses to call any. */
#include "devices/backend/slirp-lib.h"

#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "vmm/base/bits.h"

struct slirp_calls libslirp;

static const struct {
    const char *name;
    size_t at;
} calls[] = {
#define X(name, symbol) {#symbol, offsetof(struct slirp_calls, name)},
    SLIRP_CALLS(X)
#undef X
        {"g_log_set_default_handler", offsetof(struct slirp_calls, log_set_handler)},
};

int libslirp_load(struct err *err)
{
    void *lib = dlopen("libslirp.so.0", RTLD_NOW | RTLD_LOCAL);

    if (!lib)
        return err_set(err, ENOENT,
                       "--net user needs the package libslirp0 (or give --net none): %s",
                       dlerror());
    for (unsigned i = 0; i < ARRAY_SIZE(calls); i++) {
        void *fn = dlsym(lib, calls[i].name); /* GLib's, too: what a library needs is looked at */

        if (!fn)
            return err_set(err, ENOENT, "this host's libslirp is too old: it has no %s",
                           calls[i].name);
        memcpy((char *)&libslirp + calls[i].at, &fn, sizeof(fn));
    }
    return 0;
}
