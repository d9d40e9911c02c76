/* SPDX-License-Identifier: MIT */
/*
 * A network at the other end of a stream socket, as passt offers it: each frame has its length in
 * bytes before it, 32 bits, most significant byte first.
 */
#ifndef DEVICES_BACKEND_NET_PASST_H
#define DEVICES_BACKEND_NET_PASST_H

#include "devices/backend/net.h"

struct net_passt_conf {
    const char *path; /* of the socket; outlives the network */
    uint16_t mtu;     /* bytes, 0: unknown */
};

/*
 * Connect. When the other side goes away the link goes down, and the socket is tried again, ever
 * more rarely, until somebody answers. name: for messages, outlives it. NULL with err filled:
 * nobody answers now.
 */
struct net *net_passt_open(const struct net_passt_conf *conf, const char *name, struct loop *loop,
                           struct err *err);

#endif
