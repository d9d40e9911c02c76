/* SPDX-License-Identifier: MIT */
/*
 * Which of the guest's frames libslirp is shown, and which of them make it open a socket of the
 * host: a TCP SYN, an echo request, and a UDP datagram from an address and port that have no socket
 * yet.
 */
#ifndef DEVICES_BACKEND_SLIRP_FLOW_H
#define DEVICES_BACKEND_SLIRP_FLOW_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SLIRP_NETWORK = 0x0a000200, SLIRP_HOST = SLIRP_NETWORK | 2 };

/* The guest's end of a UDP flow, by which libslirp finds its socket. All 0: none. */
struct slirp_flow {
    uint8_t addr[16]; /* of IPv4 the first 4 */
    uint8_t version;  /* 4 or 6 */
    uint8_t port[2];  /* big-endian */
};

enum slirp_opens {
    SLIRP_OPENS_NONE,
    SLIRP_OPENS_ONE,
    SLIRP_OPENS_UNLESS, /* unless *flow is open */
};

/* Has libslirp reason to see it? frame: Ethernet, len bytes, at least 14. */
bool slirp_frame_known(const uint8_t *frame, size_t len);

/* The flow of a port of the guest's. */
struct slirp_flow slirp_flow_ipv4(struct in_addr addr, uint16_t port);

/* How many descriptors libslirp may have, all networks together. */
unsigned slirp_flows_max(void);

/* What frame, an Ethernet one of len bytes, at least 14, would open. A frame that is cut short
 * opens one: it is worth no more than one that does. */
enum slirp_opens slirp_flow_of(const uint8_t *frame, size_t len, struct slirp_flow *flow);

#endif
