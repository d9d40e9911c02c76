// SPDX-License-Identifier: MIT
/* The user-mode network with a guest that wants more of it than there are descriptors: N23. */
#include "tests/unit/slirp-rig.h"

#include <sys/resource.h>

#include "devices/backend/slirp-flow.h"

enum { LIMIT = 256, BUDGET = LIMIT / 2, TCPS = 4 };

static void udp_send(struct net_rig *r, uint16_t from, uint16_t to)
{
    uint8_t frame[64] = {0};

    put16(frame + 34, from);
    put16(frame + 36, to);
    put16(frame + 38, 9);
    rig_send(r, frame, frame_ip(r, frame, GATEWAY, IPPROTO_UDP, 9, 6));
}

/* Datagrams that have come to the host. */
static unsigned udp_count(int fd)
{
    unsigned n = 0;
    char byte;

    while (recv(fd, &byte, 1, MSG_DONTWAIT) == 1)
        n++;
    return n;
}

static void tcp_open(struct net_rig *r, struct rig_tcp *t, int listener)
{
    uint8_t *data;
    int fd;

    tcp_send(r, t, TCP_SYN, NULL, 0);
    assert_int_equal(tcp_wait(r, t, TCP_SYN, &data), 0);
    tcp_send(r, t, TCP_ACK, NULL, 0);
    fd = accept(listener, NULL, NULL);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(tcp_wait(r, t, TCP_FIN, &data), 0);
    tcp_send(r, t, TCP_ACK, NULL, 0);
}

static bool tcp_arrives(struct net_rig *r, unsigned ms)
{
    size_t len;

    return rig_wait(r, IPPROTO_TCP, ms, &len);
}

/* All that could open something, which does not. */
static void full_expect(struct net_rig *r, uint16_t udp, uint16_t tcp, uint16_t forwarded)
{
    struct rig_tcp t = {.to = GATEWAY, .own = 3000, .port = tcp};
    const unsigned before = fds();
    uint8_t ping[64] = {0};
    int fd;

    udp_send(r, 60000, udp);
    tcp_send(r, &t, TCP_SYN, NULL, 0);
    ping[34] = 8;
    for (unsigned i = 0; i < BUDGET; i++)
        rig_send(r, ping, frame_ip(r, ping, 0x7f000001, IPPROTO_ICMP, 30, 2));
    loop_turn(r->loop, 0);
    fd = host_connect(SOCK_STREAM, forwarded);
    assert_false(tcp_arrives(r, 200));
    assert_int_equal(fds(), before + 1);
    close(fd);
}

/* A question at a forwarded UDP port, and the guest's answer. */
static void forwarded_answer(struct net_rig *r, uint16_t port)
{
    const int fd = host_connect(SOCK_DGRAM, port);
    size_t len;
    char byte;

    assert_int_equal(send(fd, "?", 1, 0), 1);
    do
        assert_non_null(rig_wait(r, IPPROTO_UDP, 3000, &len));
    while (len != 9);
    udp_send(r, 53, (uint16_t)get16(rig_eth(r) + 34));
    assert_int_equal(recv(fd, &byte, 1, 0), 1);
    close(fd);
}

/* What is open goes on, more is not opened, and there is room again when something ends. */
static void test_many_flows(void **state)
{
    const struct net_slirp_forward f[] = {{.host = {htonl(INADDR_LOOPBACK)},
                                           .host_port = host_free_port(SOCK_STREAM),
                                           .guest_port = 22,
                                           .text = "tcp"},
                                          {.udp = true,
                                           .host = {htonl(INADDR_LOOPBACK)},
                                           .host_port = host_free_port(SOCK_DGRAM),
                                           .guest_port = 53,
                                           .text = "udp"}};
    struct rig_tcp t[TCPS];
    struct rlimit before, low;
    struct net_rig r;
    uint16_t udp_port, tcp_port;
    unsigned at_first;
    size_t len;
    int udp, tcp, fd;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    low = (struct rlimit){LIMIT, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    rig_open(&r, &(struct net_slirp_conf){.forward = f, .n_forwards = 2});
    rig_dhcp(&r, &len);
    udp = host_listen(SOCK_DGRAM, &udp_port);
    tcp = host_listen(SOCK_STREAM, &tcp_port);
    at_first = fds();
    for (unsigned i = 0; i < TCPS; i++) {
        t[i] = (struct rig_tcp){.to = GATEWAY, .own = (uint16_t)(2000 + i), .port = tcp_port};
        tcp_open(&r, &t[i], tcp);
    }
    for (unsigned i = 0; i < 4 * BUDGET; i++)
        udp_send(&r, (uint16_t)(4000 + i), udp_port);
    assert_int_equal(udp_count(udp), BUDGET - TCPS - 2);
    assert_int_equal(fds(), at_first + BUDGET - 2);
    assert_int_equal(r.net->lost, 4 * BUDGET - (BUDGET - TCPS - 2));
    full_expect(&r, udp_port, tcp_port, f[0].host_port);
    assert_int_equal(udp_count(udp), 0);

    udp_send(&r, 4000, udp_port);
    assert_int_equal(udp_count(udp), 1);
    rig_dhcp(&r, &len);
    forwarded_answer(&r, f[1].host_port);
    fd = host_connect(SOCK_STREAM, f[0].host_port);
    for (unsigned i = 0; i < TCPS; i++)
        tcp_send(&r, &t[i], TCP_ACK | TCP_RST, NULL, 0);
    assert_true(tcp_arrives(&r, 3000)); /* who waited at the forwarded port is let in */
    for (unsigned i = 0; i < TCPS; i++)
        udp_send(&r, (uint16_t)(50000 + i), udp_port);
    assert_in_range(udp_count(udp), 1, TCPS - 1);
    close(fd);
    close(udp);
    close(tcp);
    rig_done(&r);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

/* Each is a flow, too; and of what an earlier network had open nothing counts any more. */
static void test_many_pings(void **state)
{
    struct rlimit before, low;
    uint8_t ping[64] = {0};
    struct net_rig r;
    unsigned at_first;
    size_t len;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    low = (struct rlimit){LIMIT, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    for (unsigned i = 0; i < 2; i++) {
        rig_open(&r, &(struct net_slirp_conf){0});
        rig_dhcp(&r, &len);
        at_first = fds();
        ping[34] = 8;
        for (unsigned k = 0; k < 2 * BUDGET; k++) {
            put16(ping + 38, k);
            rig_send(&r, ping, frame_ip(&r, ping, 0x7f000001, IPPROTO_ICMP, 30, 2));
        }
        assert_int_equal(fds(), at_first + BUDGET);
        assert_int_equal(r.net->lost, BUDGET);
        rig_done(&r);
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

/* ---- what opens something ---- */

static enum slirp_opens opens(const void *packet, size_t n, struct slirp_flow *flow)
{
    uint8_t frame[ETH + 100] = {0};

    put16(frame + 12, *(const uint8_t *)packet >> 4 == 6 ? 0x86dd : 0x0800);
    memcpy(frame + ETH, packet, n);
    return slirp_flow_of(frame, ETH + n, flow);
}

static enum slirp_opens opens_ipv4(uint8_t words, uint8_t protocol, const char *to,
                                   const void *payload, size_t n, struct slirp_flow *flow)
{
    uint8_t packet[100] = {0x40 | words, [9] = protocol, [12] = 10, 0, 2, 15};

    memcpy(packet + 16, to, 4);
    memcpy(packet + words * 4, payload, n);
    return opens(packet, (size_t)words * 4 + n, flow);
}

static enum slirp_opens opens_ipv6(uint8_t protocol, const void *payload, size_t n,
                                   struct slirp_flow *flow)
{
    uint8_t packet[100] = {0x60, [6] = protocol, [8] = 0xfe, 0xc0, [23] = 9};

    memcpy(packet + 40, payload, n);
    return opens(packet, 40 + n, flow);
}

static void test_opens(void **state)
{
    static const char to[] = "\x5d\xb8\xd8\x22", host[] = "\x0a\0\2\2";
    static const uint8_t none[] = {0}, syn[20] = {[13] = 2}, syn_ack[20] = {[13] = 0x12},
                         ack[20] = {[13] = 0x10}, ecn[20] = {[13] = 0xc2}, echo[8] = {8},
                         reply[8] = {0}, echo6[8] = {128}, solicit[8] = {133},
                         udp[8] = {0x30, 0x39, 0, 53}, dhcp[8] = {0, 68, 0, 67};
    const struct {
        enum slirp_opens opens;
        uint8_t words, protocol; /* words 0: IPv6 */
        const char *to;
        const uint8_t *payload;
        size_t n;
    } row[] = {
        {SLIRP_OPENS_ONE, 5, IPPROTO_TCP, to, syn, 20},
        {SLIRP_OPENS_ONE, 5, IPPROTO_TCP, to, ecn, 20},
        {SLIRP_OPENS_ONE, 15, IPPROTO_TCP, to, syn, 20},
        {SLIRP_OPENS_NONE, 5, IPPROTO_TCP, to, syn_ack, 20},
        {SLIRP_OPENS_NONE, 5, IPPROTO_TCP, to, ack, 20},
        {SLIRP_OPENS_ONE, 5, IPPROTO_TCP, to, ack, 13},
        {SLIRP_OPENS_ONE, 4, IPPROTO_TCP, to, ack, 20},
        {SLIRP_OPENS_UNLESS, 5, IPPROTO_UDP, to, udp, 8},
        {SLIRP_OPENS_UNLESS, 6, IPPROTO_UDP, to, udp, 8},
        {SLIRP_OPENS_UNLESS, 5, IPPROTO_UDP, to, dhcp, 8},
        {SLIRP_OPENS_NONE, 5, IPPROTO_UDP, host, dhcp, 8},
        {SLIRP_OPENS_NONE, 5, IPPROTO_UDP, "\xff\xff\xff\xff", dhcp, 8},
        {SLIRP_OPENS_ONE, 5, IPPROTO_UDP, to, udp, 3},
        {SLIRP_OPENS_ONE, 5, IPPROTO_ICMP, to, echo, 8},
        {SLIRP_OPENS_NONE, 5, IPPROTO_ICMP, to, reply, 8},
        {SLIRP_OPENS_ONE, 5, IPPROTO_ICMP, to, none, 0},
        {SLIRP_OPENS_NONE, 5, IPPROTO_IGMP, to, none, 0},
        {SLIRP_OPENS_ONE, 0, IPPROTO_TCP, NULL, syn, 20},
        {SLIRP_OPENS_NONE, 0, IPPROTO_TCP, NULL, ack, 20},
        {SLIRP_OPENS_UNLESS, 0, IPPROTO_UDP, NULL, udp, 8},
        {SLIRP_OPENS_ONE, 0, IPPROTO_ICMPV6, NULL, echo6, 8},
        {SLIRP_OPENS_NONE, 0, IPPROTO_ICMPV6, NULL, solicit, 8},
    };
    static const struct slirp_flow no_flow;

    (void)state;
    for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
        struct slirp_flow flow;
        const enum slirp_opens got =
            row[i].words ? opens_ipv4(row[i].words, row[i].protocol, row[i].to, row[i].payload,
                                      row[i].n, &flow)
                         : opens_ipv6(row[i].protocol, row[i].payload, row[i].n, &flow);

        if (got != row[i].opens)
            fail_msg("row %zu: %d", i, got);
        if (got != SLIRP_OPENS_UNLESS) {
            assert_memory_equal(&flow, &no_flow, sizeof(flow));
            continue;
        }
        assert_int_equal(flow.version, row[i].words ? 4 : 6);
        assert_memory_equal(flow.port, row[i].payload, 2);
        assert_memory_equal(flow.addr, row[i].words ? "\x0a\0\2\x0f" : "\xfe\xc0\0", 4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_opens),
        cmocka_unit_test(test_many_flows),
        cmocka_unit_test(test_many_pings),
    };

    return cmocka_run_group_tests_name("slirp-flow", tests, NULL, NULL);
}
