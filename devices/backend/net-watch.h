/* SPDX-License-Identifier: MIT */
/* What happens to a network interface of the host: set up, set down, deleted. */
#ifndef DEVICES_BACKEND_NET_WATCH_H
#define DEVICES_BACKEND_NET_WATCH_H

#include "vmm/base/loop.h"

struct net_watch;

enum net_watch_state { NET_WATCH_DOWN, NET_WATCH_UP, NET_WATCH_GONE };

/*
 * Tell fn the state of the interface with this index, from the loop: once soon, then whenever there
 * is news of it, which may be the same state again. NULL with errno set.
 */
struct net_watch *net_watch_new(struct loop *loop, unsigned index,
                                void (*fn)(void *arg, enum net_watch_state state), void *arg);

/* NULL is fine. Not from fn. */
void net_watch_free(struct net_watch *watch);

#endif
