/* SPDX-License-Identifier: MIT */
/* A tap device: an interface of the host whose other end is the guest's card. */
#ifndef DEVICES_BACKEND_NET_TAP_H
#define DEVICES_BACKEND_NET_TAP_H

#include "devices/backend/net.h"

struct net_tap_conf {
    const char *ifname; /* NULL: a new one, named by the kernel */
    unsigned pairs;     /* 1 ... NET_PAIRS_MAX */
    uint16_t mtu;       /* bytes, the interface is given it; 0: what it has */
};

/*
 * Attach to the interface, or make it (and set it up), which then vanishes with the network. An
 * existing one needs no rights if its owner is the user. name: for messages, outlives it. NULL with
 * err filled.
 */
struct net *net_tap_open(const struct net_tap_conf *conf, const char *name, struct loop *loop,
                         struct err *err);

#endif
