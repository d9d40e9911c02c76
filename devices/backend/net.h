/* SPDX-License-Identifier: MIT */
/*
 * A network to plug a network card into: a tap device, a user-mode stack, a socket to passt. Front
 * ends (device models) send frames and fetch those that arrived; back ends know nothing of queues
 * of descriptors. Neither knows more of the other than this.
 *
 * Every frame has a header before it, NET_HEADER bytes, little-endian, as Linux's tap has it
 * (struct virtio_net_hdr_v1): flags, gso_type, hdr_len, gso_size, csum_start, csum_offset,
 * num_buffers. It asks for nothing that was not agreed on with offloads.
 *
 * Everything runs with the lock of the front end's loop held, or before the loop starts.
 */
#ifndef DEVICES_BACKEND_NET_H
#define DEVICES_BACKEND_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "vmm/base/err.h"
#include "vmm/base/loop.h"

struct net;

enum {
    NET_HEADER = 12,
    NET_FRAME_MAX = 65536 + 64, /* bytes without header: the largest that a host may hand over */
    NET_PAIRS_MAX = 16,
    NET_MAC = 6,
};

/* Header flags and kinds of segmentation. */
enum { NET_HDR_NEEDS_CSUM = 1, NET_HDR_DATA_VALID = 2 };
enum {
    NET_GSO_NONE = 0,
    NET_GSO_TCPV4 = 1,
    NET_GSO_UDP = 3,
    NET_GSO_TCPV6 = 4,
    NET_GSO_UDP_L4 = 5,
    NET_GSO_ECN = 0x80,
};

/* What one side may leave to the other; a set of these bits. */
enum {
    NET_CSUM = 1, /* checksums that are not filled in */
    NET_TSO4 = 2, /* frames of TCP over IPv4 larger than the link takes; needs NET_CSUM */
    NET_TSO6 = 4,
    NET_ECN = 8,  /* ... with congestion marks */
    NET_UFO = 16, /* UDP fragments */
    NET_USO = 32, /* UDP segments, both IP versions */
};

/* What a back end does. Functions that are not marked may not be NULL. */
struct net_ops {
    const char *name; /* "tap" */
    /*
     * Send one frame, header first, never blocking. 0: taken (or lost as a network may lose it).
     * -EAGAIN: not now; the front end keeps it, and net_sendable() is called when it is worth
     * trying again. -EINVAL: no such frame can be sent. Other: the link is broken; drop it.
     */
    int (*send)(struct net *net, unsigned pair, const struct iovec *iov, unsigned n);
    /*
     * Fetch the next frame that arrived, header first, into iov. Returns its bytes with the header
     * (more than iov holds: the rest was cut off), -EAGAIN: none, and net_arrived() is called when
     * there is one; other -errno: the link is broken.
     */
    int64_t (*receive)(struct net *net, unsigned pair, const struct iovec *iov, unsigned n);
    /* The front end does (or no longer does) want to hear of frames that arrive at pair, at first
     * of none: what comes meanwhile waits, bounded, or is lost. */
    void (*listen)(struct net *net, unsigned pair, bool on);
    /* What the front end may leave to the back end when it sends; NULL: nothing. */
    uint32_t (*can_send)(const struct net *net);
    /* What the back end could leave to the front end, which says what it takes from now on with
     * take. NULL: nothing. take: 0 or -errno. */
    uint32_t (*can_leave)(const struct net *net);
    int (*take)(struct net *net, uint32_t offloads);
    /* Use the first n pairs, n in [1, net->pairs]; NULL: there is one. 0 or -errno. */
    int (*use_pairs)(struct net *net, unsigned n);
    /* The descriptor of a pair for an accelerator in the kernel, or -1: none, now or ever; NULL:
     * none. From then on until it is called with false the back end leaves it alone. */
    int (*lend)(struct net *net, unsigned pair, bool lent);
    void (*close)(struct net *net); /* frees net */
};

/* What a front end answers. */
struct net_front {
    void (*arrived)(void *arg, unsigned pair);  /* receive() has something */
    void (*sendable)(void *arg, unsigned pair); /* after -EAGAIN */
    void (*link)(void *arg, bool up);           /* net->up changed */
    void (*ended)(void *arg); /* net->ended: what was lent is worth nothing. NULL: no matter */
};

/* Embedded in back ends, which fill the upper part before they hand it out. */
struct net {
    const struct net_ops *ops;
    const char *name; /* for messages */
    struct loop *loop;
    unsigned pairs;                /* that it has, 1 ... NET_PAIRS_MAX */
    uint16_t mtu;                  /* that the network asks for, 0: none */
    uint32_t speed;                /* Mbit/s, 0: unknown */
    bool up;                       /* is the link up? */
    bool ended;                    /* for good: nothing comes or goes any more */
    struct net_dump *dump;         /* sees every frame, closed with the network; NULL: nobody */
    const struct net_front *front; /* NULL: none */
    void *front_arg;
    uint64_t sent, received, lost; /* frames */
};

/* ---- for front ends: as in net_ops, with what is NULL there taken care of, counted and dumped */

/* front NULL unplugs. */
void net_set_front(struct net *net, const struct net_front *front, void *arg);
int net_send(struct net *net, unsigned pair, const struct iovec *iov, unsigned n);
int64_t net_receive(struct net *net, unsigned pair, const struct iovec *iov, unsigned n);
void net_listen(struct net *net, unsigned pair, bool on);
uint32_t net_can_send(const struct net *net);
uint32_t net_can_leave(const struct net *net);
int net_take(struct net *net, uint32_t offloads);
int net_use_pairs(struct net *net, unsigned n);
int net_lend(struct net *net, unsigned pair, bool lent);
/* NULL is fine. */
void net_close(struct net *net);

/* ---- for back ends ---- */

void net_arrived(struct net *net, unsigned pair);
void net_sendable(struct net *net, unsigned pair);
void net_link(struct net *net, bool up);
/* The network is gone for good; its link is down. */
void net_end(struct net *net);

#endif
