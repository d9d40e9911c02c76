/* SPDX-License-Identifier: MIT */
/*
 * libslirp, found when the first --net user is wanted: a vmm without does not load it, nor what it
 * stands on. Functions are called as libslirp.input().
 */
#ifndef DEVICES_BACKEND_SLIRP_LIB_H
#define DEVICES_BACKEND_SLIRP_LIB_H

#include <slirp/libslirp.h>

#include "vmm/base/err.h"

/* Name here, name there. */
/* clang-format off */
#define SLIRP_CALLS(X)                                                                         \
    X(new, slirp_new) X(cleanup, slirp_cleanup) X(input, slirp_input)                          \
    X(pollfds_fill, slirp_pollfds_fill) X(pollfds_poll, slirp_pollfds_poll)                    \
    X(add_hostfwd, slirp_add_hostfwd) X(version_string, slirp_version_string)
/* clang-format on */

/* GLib's GLogFunc. */
typedef void slirp_log_fn(const char *domain, int level, const char *text, void *arg);

struct slirp_calls {
#define X(name, symbol) __typeof__(symbol) *name;
    SLIRP_CALLS(X)
#undef X
    void *(*log_set_handler)(slirp_log_fn *fn, void *arg); /* g_log_set_default_handler */
};

extern struct slirp_calls libslirp;

/* 0, or -ENOENT with err filled. Main thread, before there is a sandbox. */
int libslirp_load(struct err *err);

#endif
