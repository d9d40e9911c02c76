/* SPDX-License-Identifier: MIT */
/*
 * A front end for tests of networks: keeps the frames that arrive, sends others, and speaks just
 * enough ARP, DHCP, ICMP and TCP to play a guest.
 */
#ifndef TESTS_UNIT_NET_RIG_H
#define TESTS_UNIT_NET_RIG_H

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/backend/net-queue.h"
#include "devices/backend/net.h"

enum {
    RIG_FRAME = NET_HEADER + NET_FRAME_MAX,
    ETH = 14,
    TCP_FIN = 1,
    TCP_SYN = 2,
    TCP_RST = 4,
    TCP_PSH = 8,
    TCP_ACK = 16
};

struct net_rig {
    struct loop *loop;
    struct net *net;
    unsigned arrivals, sendables, links; /* calls */
    bool up;
    uint8_t mac[6], peer[6]; /* the guest's, and the gateway's as ARP or DHCP said */
    uint32_t ip, server;     /* host order */
    uint16_t id;
    size_t len;               /* of the last frame, without header */
    uint8_t frame[RIG_FRAME]; /* header first */
};

static inline void rig_arrived(void *arg, unsigned pair)
{
    (void)pair;
    ((struct net_rig *)arg)->arrivals++;
}

static inline void rig_sendable(void *arg, unsigned pair)
{
    (void)pair;
    ((struct net_rig *)arg)->sendables++;
}

static inline void rig_link(void *arg, bool up)
{
    ((struct net_rig *)arg)->links++;
    ((struct net_rig *)arg)->up = up;
}

static const struct net_front rig_front = {
    .arrived = rig_arrived, .sendable = rig_sendable, .link = rig_link};

static inline void rig_init(struct net_rig *r)
{
    struct err err;

    memset(r, 0, sizeof(*r));
    memcpy(r->mac, "\x52\x54\x00\x12\x34\x56", 6);
    memset(r->peer, 0xff, 6);
    r->loop = loop_new("net", &err);
    assert_non_null(r->loop);
}

static inline void rig_plug(struct net_rig *r, struct net *net, const struct err *err)
{
    if (!net)
        fail_msg("%s", err->text);
    r->net = net;
    r->up = net->up;
    net_set_front(net, &rig_front, r);
    for (unsigned i = 0; i < net->pairs; i++)
        net_listen(net, i, true);
}

static inline void rig_done(struct net_rig *r)
{
    net_close(r->net);
    loop_free(r->loop);
}

/* ---- frames ---- */

static inline int rig_send(struct net_rig *r, const void *frame, size_t len)
{
    uint8_t header[NET_HEADER] = {0};
    const struct iovec iov[] = {{header, sizeof(header)}, {(void *)(uintptr_t)frame, len}};

    return net_send(r->net, 0, iov, 2);
}

/* The next frame, if there is one now. */
static inline bool rig_take(struct net_rig *r)
{
    const struct iovec iov = {r->frame, sizeof(r->frame)};
    const int64_t n = net_receive(r->net, 0, &iov, 1);

    if (n < 0)
        return false;
    assert_true(n >= NET_HEADER && (size_t)n <= sizeof(r->frame));
    r->len = (size_t)n - NET_HEADER;
    return true;
}

static inline const uint8_t *rig_eth(const struct net_rig *r)
{
    return r->frame + NET_HEADER;
}

static inline unsigned get16(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

static inline uint32_t get32(const uint8_t *p)
{
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static inline void put16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void put32(uint8_t *p, uint32_t v)
{
    put16(p, v >> 16);
    put16(p + 2, v & 0xffff);
}

static inline uint32_t sum16(const uint8_t *p, size_t len, uint32_t sum)
{
    for (size_t i = 0; i + 1 < len; i += 2)
        sum += get16(p + i);
    if (len & 1)
        sum += (uint32_t)p[len - 1] << 8;
    return sum;
}

static inline uint16_t sum_end(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

/* Ethernet and IPv4 around len bytes that lie at frame + 34; checksum in them at sum_at, if any. */
static inline size_t frame_ip(struct net_rig *r, uint8_t *frame, uint32_t to, uint8_t protocol,
                              size_t len, size_t sum_at)
{
    uint8_t *ip = frame + ETH, *payload = ip + 20;
    uint32_t sum = 0;

    memcpy(frame, to == UINT32_MAX ? (const uint8_t *)"\xff\xff\xff\xff\xff\xff" : r->peer, 6);
    memcpy(frame + 6, r->mac, 6);
    put16(frame + 12, 0x0800);
    memset(ip, 0, 20);
    ip[0] = 0x45;
    put16(ip + 2, (unsigned)(20 + len));
    put16(ip + 4, ++r->id);
    ip[8] = 64;
    ip[9] = protocol;
    put32(ip + 12, r->ip);
    put32(ip + 16, to);
    put16(ip + 10, sum_end(sum16(ip, 20, 0)));
    if (protocol != IPPROTO_ICMP)
        sum = sum16(ip + 12, 8, protocol + (uint32_t)len);
    put16(payload + sum_at, 0);
    put16(payload + sum_at, sum_end(sum16(payload, len, sum)));
    return ETH + 20 + len;
}

/* Answer ARP questions about the guest, learn from answers. */
static inline void rig_arp(struct net_rig *r)
{
    const uint8_t *arp = rig_eth(r) + ETH;
    uint8_t out[42] = {0};

    if (get16(arp + 6) == 2) {
        memcpy(r->peer, arp + 8, 6);
        return;
    }
    if (get32(arp + 24) != r->ip)
        return;
    memcpy(out, arp + 8, 6);
    memcpy(out + 6, r->mac, 6);
    memcpy(out + 12, "\x08\x06\0\1\x08\0\6\4\0\2", 10);
    memcpy(out + 22, r->mac, 6);
    put32(out + 28, r->ip);
    memcpy(out + 32, arp + 8, 10);
    rig_send(r, out, sizeof(out));
}

/* The next IPv4 frame of that protocol to the guest within a time; its payload, or NULL. */
static inline uint8_t *rig_wait(struct net_rig *r, uint8_t protocol, unsigned ms, size_t *len)
{
    const uint64_t end = clock_ns() + ms * UINT64_C(1000000);

    for (;;) {
        while (rig_take(r)) {
            uint8_t *eth = r->frame + NET_HEADER;

            if (get16(eth + 12) == 0x0806)
                rig_arp(r);
            if (get16(eth + 12) != 0x0800 || eth[ETH + 9] != protocol)
                continue;
            *len = get16(eth + ETH + 2) - 20u;
            assert_true(*len + 20 + ETH <= r->len);
            return eth + ETH + 20;
        }
        if (clock_ns() >= end)
            return NULL;
        loop_turn(r->loop, 5);
    }
}

/* ---- DHCP ---- */

static inline const uint8_t *dhcp_option(const uint8_t *dhcp, size_t len, uint8_t which)
{
    for (size_t i = 240; i + 1 < len && dhcp[i] != 255; i += dhcp[i] ? 2u + dhcp[i + 1] : 1)
        if (dhcp[i] == which)
            return dhcp + i + 2;
    return NULL;
}

static inline void dhcp_send(struct net_rig *r, uint8_t type, uint32_t want, uint32_t server)
{
    uint8_t frame[600] = {0}, *udp = frame + 34, *dhcp = udp + 8, *o = dhcp + 240;
    const size_t len = 8 + 300;

    put16(udp, 68);
    put16(udp + 2, 67);
    put16(udp + 4, (unsigned)len);
    memcpy(dhcp, "\1\1\6\0ABCD", 8);
    memcpy(dhcp + 28, r->mac, 6);
    memcpy(dhcp + 236, "\x63\x82\x53\x63", 4);
    memcpy(o, "\x35\1", 2);
    o[2] = type;
    o += 3;
    if (want) {
        memcpy(o, "\x32\4", 2);
        put32(o + 2, want);
        memcpy(o + 6, "\x36\4", 2);
        put32(o + 8, server);
        o += 12;
    }
    memcpy(o, "\x37\3\1\3\6\xff", 6);
    rig_send(r, frame, frame_ip(r, frame, UINT32_MAX, IPPROTO_UDP, len, 6));
}

/* The answer of that type; dhcp message, or NULL. */
static inline const uint8_t *dhcp_wait(struct net_rig *r, uint8_t type, size_t *len)
{
    const uint8_t *udp, *got;

    while ((udp = rig_wait(r, IPPROTO_UDP, 3000, len))) {
        if (get16(udp + 2) != 68 || *len < 248)
            continue;
        *len -= 8;
        got = dhcp_option(udp + 8, *len, 53);
        if (got && *got == type)
            return udp + 8;
    }
    return NULL;
}

/* DISCOVER to ACK; the guest has an address then. Returns the ACK for a closer look. */
static inline const uint8_t *rig_dhcp(struct net_rig *r, size_t *len)
{
    const uint8_t *dhcp;

    r->ip = 0;
    dhcp_send(r, 1, 0, 0);
    dhcp = dhcp_wait(r, 2, len);
    assert_non_null(dhcp);
    r->server = get32(dhcp_option(dhcp, *len, 54));
    dhcp_send(r, 3, get32(dhcp + 16), r->server);
    dhcp = dhcp_wait(r, 5, len);
    assert_non_null(dhcp);
    memcpy(r->peer, rig_eth(r) + 6, 6);
    r->ip = get32(dhcp + 16);
    return dhcp;
}

/* ---- ping ---- */

static inline bool rig_ping(struct net_rig *r, uint32_t to, const char *text)
{
    uint8_t frame[200] = {0}, *icmp = frame + 34, *got;
    const size_t len = 8 + strlen(text);
    size_t n;

    icmp[0] = 8;
    put16(icmp + 4, 7);
    memcpy(icmp + 8, text, strlen(text));
    rig_send(r, frame, frame_ip(r, frame, to, IPPROTO_ICMP, len, 2));
    got = rig_wait(r, IPPROTO_ICMP, 3000, &n);
    return got && got[0] == 0 && n == len && memcmp(got + 8, text, strlen(text)) == 0 &&
           sum_end(sum16(got, n, 0)) == 0;
}

/* ---- TCP: one connection, one segment at a time ---- */

struct rig_tcp {
    uint32_t to, seq, ack;
    uint16_t port, own;
};

static inline void tcp_send(struct net_rig *r, struct rig_tcp *t, uint8_t flags, const void *data,
                            size_t len)
{
    uint8_t frame[2000] = {0}, *tcp = frame + 34;

    put16(tcp, t->own);
    put16(tcp + 2, t->port);
    put32(tcp + 4, t->seq);
    put32(tcp + 8, t->ack);
    tcp[12] = 0x50;
    tcp[13] = flags;
    put16(tcp + 14, 65535);
    if (len)
        memcpy(tcp + 20, data, len);
    rig_send(r, frame, frame_ip(r, frame, t->to, IPPROTO_TCP, 20 + len, 16));
    t->seq += (uint32_t)len + ((flags & (TCP_SYN | TCP_FIN)) != 0);
}

/* The next segment to our port with any of flags or with data; bytes of data, -1: none came. */
static inline int tcp_wait(struct net_rig *r, struct rig_tcp *t, uint8_t flags, uint8_t **data)
{
    size_t len;
    uint8_t *tcp;

    while ((tcp = rig_wait(r, IPPROTO_TCP, 3000, &len))) {
        const size_t head = (size_t)(tcp[12] >> 4) * 4;

        if (!(r->frame[0] & NET_HDR_NEEDS_CSUM))
            assert_int_equal(sum_end(sum16(tcp, len, sum16(tcp - 8, 8, (uint32_t)(6 + len)))), 0);
        if (t->own && get16(tcp + 2) != t->own)
            continue;
        if (!(tcp[13] & flags) && len == head)
            continue;
        t->to = get32(tcp - 8);
        t->own = (uint16_t)get16(tcp + 2);
        t->port = (uint16_t)get16(tcp);
        t->ack = get32(tcp + 4) + (uint32_t)(len - head) + ((tcp[13] & (TCP_SYN | TCP_FIN)) != 0);
        *data = tcp + head;
        return (int)(len - head);
    }
    return -1;
}

/* ---- sockets of the host ---- */

static inline int host_listen(int type, uint16_t *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    const int fd = socket(AF_INET, type, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    assert_true(type != SOCK_STREAM || listen(fd, 4) == 0);
    *port = ntohs(a.sin_port);
    return fd;
}

static inline int host_connect(int type, uint16_t port)
{
    const struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    const int fd = socket(AF_INET, type, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&a, sizeof(a)), 0);
    return fd;
}

/* A port that was free a moment ago. */
static inline uint16_t host_free_port(int type)
{
    uint16_t port;

    close(host_listen(type, &port));
    return port;
}

#endif
