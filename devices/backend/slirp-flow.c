// SPDX-License-Identifier: MIT
/*
 * Owns what libslirp sees of the guest's frames, and what one would open there. Refuses to know
 * what is open, and whether libslirp finds the frame good.
 */
#include "devices/backend/slirp-flow.h"

#include <string.h>
#include <sys/resource.h>

#include "vmm/base/bits.h"

enum {
    ETHERNET_HEADER = 14,
    IPV4_HEADER = 20,
    IPV6_HEADER = 40,
    PORTS = 4,
    TCP_FLAGS = 13,
    TCP_SYN_ACK = 0x12,
    TCP_SYN = 0x02,
    ICMP_ECHO_REQUEST = 8,
    ICMP6_ECHO_REQUEST = 128,
    DHCP_SERVER = 67,
};

/* Of IPv4 no fragments: libslirp 4.7 can be crashed with them while it puts them together. */
static bool ipv4_known(const uint8_t *ip, size_t len)
{
    return len >= IPV4_HEADER && (ip[6] & 0xbf) == 0 && ip[7] == 0;
}

bool slirp_frame_known(const uint8_t *frame, size_t len)
{
    switch (frame[12] << 8 | frame[13]) {
    case 0x0800:
        return ipv4_known(frame + ETHERNET_HEADER, len - ETHERNET_HEADER);
    case 0x0806: /* ARP */
    case 0x86dd: /* IPv6 */
        return true;
    default: /* libslirp speaks NC-SI, too, which no guest has reason to */
        return false;
    }
}

struct slirp_flow slirp_flow_ipv4(struct in_addr addr, uint16_t port)
{
    struct slirp_flow flow = {.version = 4, .port = {(uint8_t)(port >> 8), (uint8_t)port}};

    memcpy(flow.addr, &addr, sizeof(addr));
    return flow;
}

/* The other half is for all else: images, doorbells, clients of the control socket, boot files. */
unsigned slirp_flows_max(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return 512;
    return (unsigned)(min_u64(files.rlim_cur, UINT16_MAX) / 2);
}

static enum slirp_opens opens_if(bool one)
{
    return one ? SLIRP_OPENS_ONE : SLIRP_OPENS_NONE;
}

/* p: what is in the packet, n bytes of it. */
static enum slirp_opens payload_opens(uint8_t protocol, const uint8_t *p, size_t n,
                                      struct slirp_flow *flow)
{
    switch (protocol) {
    case IPPROTO_TCP:
        return opens_if(n <= TCP_FLAGS || (p[TCP_FLAGS] & TCP_SYN_ACK) == TCP_SYN);
    case IPPROTO_UDP:
        if (n < PORTS)
            return SLIRP_OPENS_ONE;
        memcpy(flow->port, p, sizeof(flow->port));
        return SLIRP_OPENS_UNLESS;
    case IPPROTO_ICMP:
        return opens_if(n == 0 || p[0] == ICMP_ECHO_REQUEST);
    case IPPROTO_ICMPV6:
        return opens_if(n == 0 || p[0] == ICMP6_ECHO_REQUEST);
    default:
        return SLIRP_OPENS_NONE;
    }
}

/* libslirp answers these itself; a guest gets an address whatever else it has open. */
static bool is_dhcp(const uint8_t *ip, const uint8_t *udp, size_t n)
{
    static const uint8_t host[] = {SLIRP_HOST >> 24, SLIRP_HOST >> 16 & 0xff,
                                   SLIRP_HOST >> 8 & 0xff, SLIRP_HOST & 0xff};
    static const uint8_t all[] = {255, 255, 255, 255};

    return ip[9] == IPPROTO_UDP && n >= PORTS && udp[2] == 0 && udp[3] == DHCP_SERVER &&
           (memcmp(ip + 16, host, sizeof(host)) == 0 || memcmp(ip + 16, all, sizeof(all)) == 0);
}

static enum slirp_opens ipv4_opens(const uint8_t *ip, size_t n, struct slirp_flow *flow)
{
    const size_t header = n ? (size_t)(ip[0] & 15) * 4 : 0;

    if (header < IPV4_HEADER || header > n)
        return SLIRP_OPENS_ONE;
    if (is_dhcp(ip, ip + header, n - header))
        return SLIRP_OPENS_NONE;
    flow->version = 4;
    memcpy(flow->addr, ip + 12, 4);
    return payload_opens(ip[9], ip + header, n - header, flow);
}

/* libslirp takes no extension headers. */
static enum slirp_opens ipv6_opens(const uint8_t *ip, size_t n, struct slirp_flow *flow)
{
    if (n < IPV6_HEADER)
        return SLIRP_OPENS_ONE;
    flow->version = 6;
    memcpy(flow->addr, ip + 8, sizeof(flow->addr));
    return payload_opens(ip[6], ip + IPV6_HEADER, n - IPV6_HEADER, flow);
}

enum slirp_opens slirp_flow_of(const uint8_t *frame, size_t len, struct slirp_flow *flow)
{
    const uint8_t *ip = frame + ETHERNET_HEADER;
    const size_t n = len - ETHERNET_HEADER;
    enum slirp_opens opens;

    *flow = (struct slirp_flow){.version = 0};
    switch (frame[12] << 8 | frame[13]) {
    case 0x0800:
        opens = ipv4_opens(ip, n, flow);
        break;
    case 0x86dd:
        opens = ipv6_opens(ip, n, flow);
        break;
    default:
        opens = SLIRP_OPENS_NONE;
    }
    if (opens != SLIRP_OPENS_UNLESS)
        *flow = (struct slirp_flow){.version = 0};
    return opens;
}
