/* SPDX-License-Identifier: MIT */
/* Between the files of tap devices. */
#ifndef DEVICES_BACKEND_NET_TAP_INTERNAL_H
#define DEVICES_BACKEND_NET_TAP_INTERNAL_H

#include <net/if.h>

#include "devices/backend/net-tap.h"
#include "devices/backend/net-watch.h"

/* Younger than the headers of Debian 12. */
enum { TAP_USO4 = 0x20, TAP_USO6 = 0x40 };

struct tap;

struct tap_queue {
    struct tap *tap;
    int fd;
    struct loop_fd *src; /* NULL: not waited for */
    uint32_t events;     /* with src */
    bool attached, listening, lent;
    bool full; /* send said -EAGAIN */
};

struct tap {
    struct net net;
    char ifname[IFNAMSIZ];
    uint32_t can; /* offloads */
    struct net_watch *watch;
    struct tap_queue queue[NET_PAIRS_MAX];
};

extern const struct net_ops tap_ops;

void tap_watched(void *arg, enum net_watch_state state);
/* TUN_F_* for a set of offloads. */
unsigned tap_offload_flags(uint32_t set);
/* 0 or -errno. */
int tap_queue_attach(struct tap_queue *q, bool attach);
void tap_close(struct net *net);

#endif
