// SPDX-License-Identifier: MIT
/*
 * Takes net-slirp.c's place in builds without libslirp. Owns a sentence.
 */
#include <errno.h>

#include "devices/backend/net-slirp.h"

const bool net_slirp_built = false;

struct net *net_slirp_open(const struct net_slirp_conf *conf, const char *name, struct loop *loop,
                           struct err *err)
{
    (void)conf;
    (void)loop;
    err_set(err, ENOSYS,
            "%s: this vmm was built without libslirp: install libslirp-dev and libglib2.0-dev and "
            "build it again, or "
            "use --net tap, --net passt or --net none",
            name);
    return NULL;
}
