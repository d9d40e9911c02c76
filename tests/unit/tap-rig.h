/* SPDX-License-Identifier: MIT */
/*
 * A guest in front of a tap device, in a network namespace of its own, so that nothing of the
 * host's is touched; tests skip where why_not says that there can be none.
 */
#ifndef TESTS_UNIT_TAP_RIG_H
#define TESTS_UNIT_TAP_RIG_H

#include "tests/unit/net-rig.h"

#include <fcntl.h>
#include <sched.h>

#include "devices/backend/net-tap-internal.h"

enum { HOST = 0x0a090001, GUEST = 0x0a090002 };

static const char *why_not;

static inline void run(const char *command)
{
    if (system(command) != 0)
        fail_msg("%s", command);
}

static inline void rig_open(struct net_rig *r, const struct net_tap_conf *conf)
{
    struct err err;

    rig_init(r);
    rig_plug(r, net_tap_open(conf, "net0", r->loop, &err), &err);
}

/* With an address on the host's side, and the guest's known there. */
static inline void rig_address(struct net_rig *r)
{
    run("ip addr add 10.9.0.1/24 dev vt0 && ip neigh replace 10.9.0.2 lladdr 52:54:00:12:34:56 "
        "dev vt0 nud permanent");
    r->ip = GUEST;
}

/* The address of the host's end. */
static inline void rig_learn(struct net_rig *r)
{
    assert_true(rig_ping(r, HOST, "learn the gateway"));
    memcpy(r->peer, rig_eth(r) + 6, 6);
}

/* A datagram of len bytes on its way to the host, all sums in it; the frame's length. */
static inline size_t udp_frame(struct net_rig *r, uint8_t *frame, uint16_t from, uint16_t to,
                               unsigned len)
{
    put16(frame + 34, from);
    put16(frame + 36, to);
    put16(frame + 38, 8 + len);
    return frame_ip(r, frame, HOST, IPPROTO_UDP, 8 + len, 6);
}

/* ... of a few bytes that are 0, by that pair. As net_send. */
static inline int udp_send(struct net_rig *r, unsigned pair, uint16_t from, uint16_t to,
                           unsigned len)
{
    uint8_t header[NET_HEADER] = {0}, frame[1514] = {0};
    struct iovec iov[] = {{header, sizeof(header)}, {frame, 0}};

    iov[1].iov_len = udp_frame(r, frame, from, to, len);
    return net_send(r->net, pair, iov, 2);
}

/* A network of our own, as root or as anybody who may have name spaces. */
static inline void network_own(void)
{
    int fd;

    if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
        why_not = "no network namespace";
    fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        why_not = "no /dev/net/tun";
    else
        close(fd);
    if (why_not)
        fprintf(stderr, "net-tap: %s here: skipped\n", why_not);
    setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
}

#endif
