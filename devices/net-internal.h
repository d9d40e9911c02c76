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
    NET_F_CTRL_VQ = 17,
    NET_F_CTRL_RX = 18,
    NET_F_CTRL_VLAN = 19,
    NET_F_CTRL_RX_EXTRA = 20,
    NET_F_GUEST_ANNOUNCE = 21,
    NET_F_MQ = 22,
    NET_F_CTRL_MAC_ADDR = 23,
    NET_F_VQ_NOTF_COAL = 52,
    NET_F_NOTF_COAL = 53,
    NET_F_GUEST_USO4 = 54,
    NET_F_GUEST_USO6 = 55,
    NET_F_HOST_USO = 56,
    NET_F_HASH_REPORT = 57,
    NET_F_RSS = 60,
    NET_F_SPEED_DUPLEX = 63,
};

enum {
    NET_RX_QUEUE = 1024, /* a frame of 64 KiB needs 44 buffers of 1.5 KiB */
    NET_TX_QUEUE = 256,
    NET_CTRL_QUEUE = 64,
    NET_ETHERNET = 14, /* bytes before what the MTU counts */
    NET_VLAN_TAG = 4,
    NET_RX_HEAD = 128, /* bytes of a received frame that the device looks at */
    NET_FILTER_MACS = 64,
    NET_VLANS = 4096,
};

/* Modes of the filter, numbered as the commands that set them (5.1.9.5.1). */
enum {
    NET_RX_PROMISC,
    NET_RX_ALLMULTI,
    NET_RX_ALLUNI,
    NET_RX_NOMULTI,
    NET_RX_NOUNI,
    NET_RX_NOBCAST,
    NET_RX_MODES,
};

struct net_macs {
    unsigned n;
    bool overflow; /* there are more: all count */
    uint8_t mac[NET_FILTER_MACS][NET_MAC];
};

struct net_filter {
    bool mode[NET_RX_MODES];
    struct net_macs unicast, multicast;
    uint32_t vlan[NET_VLANS / 32];
};

/* What a driver asked for: an interrupt after so many frames or so much time; either 0: at once. */
struct net_coal_set {
    uint32_t packets, usecs;
};

struct net_coal {
    struct vq *vq;
    struct net_coal_set set;
    uint32_t count; /* frames since the last interrupt */
    struct loop_timer *timer;
    bool running;
};

/* 5.1.9.4.3-d4: types of hashes, as bit numbers; each is followed by those with ports. */
enum { NET_HASH_IPV4 = 0, NET_HASH_IPV6 = 3, NET_HASH_TYPES = 0x3f };

enum {
    NET_RSS_KEY = 40,
    NET_RSS_TABLE = 128,
    NET_RSS_INPUT = 36,  /* bytes: addresses of IPv6, ports */
    NET_HASH_HEADER = 8, /* more than NET_HEADER, where the driver is told of hashes */
};

struct net_rss {
    bool steers;    /* frames go where the table says, not where they arrive */
    uint32_t types; /* of hashes that are wanted */
    uint16_t mask, unclassified, table[NET_RSS_TABLE];
    uint32_t half[2 * NET_RSS_INPUT][16]; /* made of the key */
};

struct net_hash {
    uint32_t value;
    uint16_t report; /* 0: none */
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
    struct net_pair *to; /* whose buffers it is put in */
    struct net_hash hash;
};

struct net_vhost;

struct net_pair {
    struct net_dev *nd;
    unsigned index;
    /* Receiving. Buffers are held in the order in which they came, in a circle. */
    struct vq_chain *held[NET_RX_QUEUE];
    unsigned held_first, n_held;
    uint64_t held_bytes;
    uint32_t expect; /* bytes of the next frame, by those before */
    uint8_t head[NET_HASH_HEADER + NET_HEADER + NET_RX_HEAD]; /* the first bytes are spare */
    uint8_t *bounce;
    struct net_rx_frame frame;
    struct loop_timer *patience; /* how long it waits for buffers */
    bool waiting;                /* ... and does */
    unsigned given;              /* frames since the ring was published */
    bool listening, rx_kicks;
    bool rx_reset; /* its queue was reset alone: what arrives here is for others, or lost */
    struct loop_work rx_again; /* more to do than one turn may take, or to look at soon */
    /* Sending. */
    struct vq_chain *sending; /* the network does not take it now */
    uint8_t tx_header[NET_HEADER];
    struct net_coal rx_coal, tx_coal;
    struct net_vhost *vhost; /* NULL: none */
};

struct net_dev {
    struct vdev *dev;
    struct net *net;
    struct net_pair *pair;
    unsigned pairs, active; /* offered; in use */
    uint8_t mac[NET_MAC], mac_first[NET_MAC];
    uint16_t mtu;
    bool pairs_told; /* VQ_PAIRS_SET came, for lint */
    bool vhost_on;   /* the kernel has the rings of frames, for this driver */
    bool announce;   /* the driver is to tell where it is */
    uint32_t asks;   /* NET_CSUM ...: what the driver may leave to the network */
    uint32_t takes;  /* what the network may leave to the driver now */
    struct net_filter filter;
    struct net_rss rss;
    unsigned extra; /* bytes that the driver's header has more than NET_HEADER */
    struct net_coal_set rx_coal, tx_coal; /* of queues that are set up anew */
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
extern const struct vfeat_tie net_ties[];
extern const struct regs net_config, net_config_old;
void net_offer(struct vdev *dev, struct vfeat *f);
/* What accepted features let either side leave to the other, as NET_CSUM ... */
uint32_t net_asks(const struct vdev *dev);
uint32_t net_takes(const struct vdev *dev);
/* The driver leaves only these feature bits of those that it accepted on; false: it may not. */
bool net_offloads_set(struct net_dev *nd, uint64_t bits);

/* net-frame.c: headers */
struct net_hdr net_hdr_load(enum byte_order order, const uint8_t *bytes);
void net_hdr_store(enum byte_order order, const struct net_hdr *hdr, uint8_t *bytes);
/* Make *hdr what the network may be asked for with a frame of len bytes; false: there is no such
 * frame (N05). */
bool net_hdr_sendable(const struct net_dev *nd, struct net_hdr *hdr, uint64_t len);
/* The same for what arrived: false if the driver did not agree to get such frames. */
bool net_hdr_receivable(const struct net_dev *nd, struct net_hdr *hdr, const uint8_t *frame,
                        uint64_t len);

/* net-filter.c */
void net_filter_reset(struct net_dev *nd);
/* Does the driver want this frame of len bytes, the first of which are given? */
bool net_filter_passes(const struct net_dev *nd, const uint8_t *frame, uint64_t len);

/* net-rss.c. A frame of len bytes that are given. */
struct net_hash net_rss_hash(const struct net_rss *rss, const uint8_t *frame, uint32_t len);
unsigned net_rss_pair(const struct net_rss *rss, const struct net_hash *hash);
/* Commands. Pairs that are in use from now on, 0: it is wrong, and nothing changes. */
unsigned net_rss_configure(struct net_rss *rss, struct gcur *args, unsigned pairs);
bool net_hash_configure(struct net_rss *rss, struct gcur *args);

/* net-coal.c: vq_publish() of so many frames, with the interrupt when the driver wants it. ready:
 * false if the next net_coal_set() could not be done. */
void net_coal_publish(struct net_coal *c, unsigned frames);
bool net_coal_ready(struct net_coal *c);
bool net_coal_set(struct net_coal *c, const struct net_coal_set *set);
void net_coal_reset(struct net_coal *c, const struct net_coal_set *set);

/* net-lint.c: rules that are broken by a frame of len bytes to send, by a doorbell of a transmit
 * queue that is not in use, by a buffer to receive in, by a command. Only while watched. */
void net_lint_tx(const struct net_dev *nd, const struct vq *vq, const struct net_hdr *hdr,
                 uint64_t len);
void net_lint_tx_kick(const struct net_dev *nd, struct vq *vq);
void net_lint_rx(const struct net_dev *nd, const struct vq_chain *chain);
void net_lint_ctrl(struct net_dev *nd, struct vq *vq, uint8_t class, uint8_t command,
                   const struct gcur *args);

/* net-ctrl.c: one command */
void net_ctrl_one(struct vdev *dev, struct vq_chain *chain);

/*
 * net-vhost.c: the accelerator of a pair. sync: rings that the kernel should (not) have now; 0, or
 * -errno, and the device has failed. forget: the queue, or all of them, begins anew.
 */
int net_vhost_open(struct net_pair *p, const struct vhost_kind *kind, struct err *err);
void net_vhost_close(struct net_pair *p);
void net_vhost_offer(const struct net_pair *p, struct vfeat *f);
/* Can the kernel do what this driver expects? */
bool net_vhost_serves(const struct net_dev *nd);
int net_vhost_sync(struct net_dev *nd);
/* The device itself works on the rings from now on, where the kernel stopped. */
void net_vhost_yield(struct net_dev *nd);
void net_vhost_rewire(struct vdev *dev);
void net_vhost_forget(struct net_pair *p, const struct vq *only);

/* net.c */
bool net_pairs_set(struct net_dev *nd, unsigned n);
/* Of a queue that frames go through, NULL of others; of a live one. */
struct net_coal *net_coal_at(struct net_dev *nd, unsigned index);
struct net_coal *net_coal_of(struct net_dev *nd, unsigned index);

/* net-rx.c, net-tx.c: the data path. Turns are bounded and may be taken at any time. */
void net_rx_turn(struct net_pair *p);
void net_rx_soon(struct net_pair *p);
void net_rx_stop(struct net_pair *p);
void net_rx_impatient(void *pair);
void net_tx_turn(struct net_pair *p);
void net_tx_stop(struct net_pair *p);
/* The pair is no longer used: what waits is lost, buffers stay. */
void net_rx_rest(struct net_pair *p);
void net_tx_rest(struct net_pair *p);

#endif
