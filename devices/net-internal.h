/* SPDX-License-Identifier: MIT */
/* What the files of the network device share; nobody else includes it. */
#ifndef DEVICES_NET_INTERNAL_H
#define DEVICES_NET_INTERNAL_H

#include "devices/net.h"
#include "virtio/vq.h"

/* 5.1.3 Feature bits */
enum {
    NET_F_CSUM = 0,
    NET_F_GUEST_CSUM = 1,
    NET_F_CTRL_GUEST_OFFLOADS = 2,
    NET_F_MTU = 3,
    NET_F_MAC = 5,
    NET_F_GUEST_TSO4 = 7,
    NET_F_GUEST_TSO6 = 8,
    NET_F_GUEST_ECN = 9,
    NET_F_GUEST_UFO = 10,
    NET_F_HOST_TSO4 = 11,
    NET_F_HOST_TSO6 = 12,
    NET_F_HOST_ECN = 13,
    NET_F_HOST_UFO = 14,
    NET_F_MRG_RXBUF = 15,
    NET_F_STATUS = 16,
    NET_F_GUEST_USO4 = 54,
    NET_F_GUEST_USO6 = 55,
    NET_F_HOST_USO = 56,
    NET_F_SPEED_DUPLEX = 63,
};

enum {
    NET_RX_QUEUE = 1024, /* a frame of 64 KiB needs 44 buffers of 1.5 KiB */
    NET_TX_QUEUE = 256,
    NET_ETHERNET = 14, /* bytes before what the MTU counts */
    NET_VLAN_TAG = 4,
    NET_RX_HEAD = 128, /* bytes of a received frame that the device looks at */
};

struct net_dev;

/* The header in the order of the host (5.1.9). */
struct net_hdr {
    uint8_t flags, gso;
    uint16_t hdr_len, gso_size, csum_start, csum_offset, buffers;
};

/* A frame on its way to the driver: what head does not hold went straight into the buffers that
 * are held, `direct` bytes, and the rest into the bounce. */
struct net_rx_frame {
    uint32_t len; /* with header; 0: there is none */
    uint32_t direct;
};

struct net_pair {
    struct net_dev *nd;
    unsigned index;
    /* Receiving. Buffers are held in the order in which they came, in a circle. */
    struct vq_chain *held[NET_RX_QUEUE];
    unsigned held_first, n_held;
    uint64_t held_bytes;
    uint32_t expect; /* bytes of the next frame, by those before */
    uint8_t head[NET_HEADER + NET_RX_HEAD];
    uint8_t *bounce;
    struct net_rx_frame frame;
    struct loop_timer *patience; /* how long it waits for buffers */
    bool waiting;                /* ... and does */
    bool listening, rx_kicks;
    /* Sending. */
    struct vq_chain *sending; /* the network does not take it now */
    uint8_t tx_header[NET_HEADER];
};

struct net_dev {
    struct vdev *dev;
    struct net *net;
    struct net_pair *pair;
    unsigned pairs, active; /* offered; in use */
    uint8_t mac[NET_MAC], mac_first[NET_MAC];
    uint16_t mtu;
    bool announce;  /* the driver is to tell where it is */
    uint32_t asks;  /* NET_CSUM ...: what the driver may leave to the network */
    uint32_t takes; /* what the network may leave to the driver now */
    uint8_t *bounce;
};

static inline struct net_dev *net_of(const struct vdev *dev)
{
    return (struct net_dev *)dev->state;
}

static inline struct vq *net_rx_queue(const struct net_pair *p)
{
    return &p->nd->dev->vq[2 * p->index];
}

static inline struct vq *net_tx_queue(const struct net_pair *p)
{
    return &p->nd->dev->vq[2 * p->index + 1];
}

/* net-config.c: features and configuration space */
extern const struct vfeat_row net_features[];
extern const struct regs net_config, net_config_old;
void net_offer(struct vdev *dev, struct vfeat *f);
/* What accepted features let either side leave to the other, as NET_CSUM ... */
uint32_t net_asks(const struct vdev *dev);
uint32_t net_takes(const struct vdev *dev);

/* net-frame.c: headers */
struct net_hdr net_hdr_load(enum byte_order order, const uint8_t *bytes);
void net_hdr_store(enum byte_order order, const struct net_hdr *hdr, uint8_t *bytes);
/* Make *hdr what the network may be asked for with a frame of len bytes; false: there is no such
 * frame (N05). */
bool net_hdr_sendable(const struct net_dev *nd, struct net_hdr *hdr, uint64_t len);
/* The same for what arrived: false if the driver did not agree to get such frames. */
bool net_hdr_receivable(const struct net_dev *nd, struct net_hdr *hdr, const uint8_t *frame,
                        uint64_t len);

/* net-rx.c, net-tx.c: the data path. Turns are bounded and may be taken at any time. */
void net_rx_turn(struct net_pair *p);
void net_rx_stop(struct net_pair *p);
void net_rx_impatient(void *pair);
void net_tx_turn(struct net_pair *p);
void net_tx_stop(struct net_pair *p);

#endif
