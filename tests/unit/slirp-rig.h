/* SPDX-License-Identifier: MIT */
/* A guest in front of the user-mode network. */
#ifndef TESTS_UNIT_SLIRP_RIG_H
#define TESTS_UNIT_SLIRP_RIG_H

#include "tests/unit/net-rig.h"

#include <dirent.h>

#include "devices/backend/net-slirp.h"

enum { GATEWAY = 0x0a000202, GUEST = 0x0a00020f };

static inline void rig_open(struct net_rig *r, const struct net_slirp_conf *conf)
{
    struct err err;

    rig_init(r);
    rig_plug(r, net_slirp_open(conf, "net0", r->loop, &err), &err);
    assert_true(r->net->up);
    assert_int_equal(r->net->pairs, 1);
    assert_int_equal(net_can_send(r->net) | net_can_leave(r->net), 0);
}

static inline unsigned fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned n = 0;

    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

#endif
