/* SPDX-License-Identifier: MIT */
/*
 * A network without any rights on the host: libslirp ends the guest's connections in this process
 * and makes them anew with ordinary sockets. The guest gets an address by DHCP.
 */
#ifndef DEVICES_BACKEND_NET_SLIRP_H
#define DEVICES_BACKEND_NET_SLIRP_H

#include <netinet/in.h>

#include "devices/backend/net.h"

/* A port of the host that leads into the guest. */
struct net_slirp_forward {
    bool udp;
    struct in_addr host; /* INADDR_ANY: all of the host's addresses */
    uint16_t host_port;
    struct in_addr guest; /* INADDR_ANY: the address that DHCP gives out first */
    uint16_t guest_port;
    char text[56]; /* as the user wrote it, for messages */
};

struct net_slirp_conf {
    const struct net_slirp_forward *forward;
    unsigned n_forwards;
    uint16_t mtu;     /* bytes, 0: 1500 */
    const char *host; /* the guest's name by DHCP, NULL: none */
};

/* Is libslirp in this build? */
extern const bool net_slirp_built;

/*
 * A network 10.0.2.0/24 with the host at .2, a name server at .3 and addresses from .15 on, and
 * fec0::/64 beside it when the host has IPv6. name: for messages, outlives it. NULL with err
 * filled: a port is in use, or libslirp is not in this build.
 */
struct net *net_slirp_open(const struct net_slirp_conf *conf, const char *name, struct loop *loop,
                           struct err *err);

#endif
