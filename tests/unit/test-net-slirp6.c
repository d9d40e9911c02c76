// SPDX-License-Identifier: MIT
/* The user-mode network's IPv6: a guest of our own speaks with sockets of the host on ::1. */
#include "tests/unit/slirp-rig.h"

enum { IP6 = 40, ICMP6 = 58, NS = 135, NA = 136, DATA6_AT = ETH + IP6 };

/* The guest's address, and the gateway's, which is the host's ::1. */
static const uint8_t own6[16] = {0xfe, 0xc0, [15] = 0x15}, gateway6[16] = {0xfe, 0xc0, [15] = 2};

/* As frame_ip, around len bytes at frame + DATA6_AT. */
static void send_ip6(struct net_rig *r, uint8_t *frame, const uint8_t *to, uint8_t protocol,
                     size_t len, size_t sum_at)
{
    uint8_t *ip = frame + ETH, *payload = ip + IP6;

    memcpy(frame, r->peer, 6);
    memcpy(frame + 6, r->mac, 6);
    put16(frame + 12, 0x86dd);
    put32(ip, UINT32_C(0x60000000));
    put16(ip + 4, (unsigned)len);
    ip[6] = protocol;
    ip[7] = 255;
    memcpy(ip + 8, own6, 16);
    memcpy(ip + 24, to, 16);
    put16(payload + sum_at, 0);
    put16(payload + sum_at,
          sum_end(sum16(payload, len, sum16(ip + 8, 32, protocol + (uint32_t)len))));
    rig_send(r, frame, DATA6_AT + len);
}

/* As rig_wait, over IPv6; with sums that are right. */
static uint8_t *wait_ip6(struct net_rig *r, uint8_t protocol, size_t *len)
{
    for (const uint64_t end = clock_ns() + UINT64_C(3000000000); clock_ns() < end;) {
        while (rig_take(r)) {
            uint8_t *ip = r->frame + NET_HEADER + ETH;

            if (get16(ip - 2) != 0x86dd || ip[6] != protocol || memcmp(ip + 24, own6, 16) != 0)
                continue;
            *len = get16(ip + 4);
            assert_int_equal(r->len, DATA6_AT + *len);
            assert_int_equal(
                sum_end(sum16(ip + IP6, *len, sum16(ip + 8, 32, protocol + (uint32_t)*len))), 0);
            assert_memory_equal(ip + 8, gateway6, 16);
            return ip + IP6;
        }
        loop_turn(r->loop, 5);
    }
    return NULL;
}

/* Asks for the gateway, which learns where the guest is. */
static void rig_open6(struct net_rig *r)
{
    uint8_t frame[DATA6_AT + 32] = {0}, *icmp = frame + DATA6_AT;
    size_t len;

    rig_open(r, &(struct net_slirp_conf){0});
    rig_dhcp(r, &len);
    icmp[0] = NS;
    memcpy(icmp + 8, gateway6, 16);
    memcpy(icmp + 24, "\1\1", 2);
    memcpy(icmp + 26, r->mac, 6);
    send_ip6(r, frame, gateway6, ICMP6, 32, 2);
    do {
        icmp = wait_ip6(r, ICMP6, &len);
        assert_non_null(icmp);
    } while (icmp[0] != NA);
    memcpy(r->peer, rig_eth(r) + 6, 6);
}

/* A socket of the host on ::1; -1 where it has no IPv6. */
static int host_listen6(int type, uint16_t *port)
{
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    socklen_t len = sizeof(a);
    const int fd = socket(AF_INET6, type, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
        close(fd);
        return -1;
    }
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    assert_true(type != SOCK_STREAM || listen(fd, 4) == 0);
    *port = ntohs(a.sin6_port);
    return fd;
}

static void test_udp6(void **state)
{
    uint8_t frame[DATA6_AT + 16] = {0}, *udp = frame + DATA6_AT;
    struct sockaddr_in6 from;
    socklen_t size = sizeof(from);
    struct net_rig r;
    uint16_t port;
    char text[16];
    size_t len;
    const int fd = host_listen6(SOCK_DGRAM, &port);

    (void)state;
    if (fd < 0)
        skip();
    rig_open6(&r);
    put16(udp, 4000);
    put16(udp + 2, port);
    put16(udp + 4, 16);
    memcpy(udp + 8, "question", 8);
    send_ip6(&r, frame, gateway6, IPPROTO_UDP, 16, 6);
    assert_int_equal(recvfrom(fd, text, sizeof(text), 0, (struct sockaddr *)&from, &size), 8);
    assert_memory_equal(text, "question", 8);
    assert_int_equal(sendto(fd, "answers", 7, 0, (struct sockaddr *)&from, size), 7);
    udp = wait_ip6(&r, IPPROTO_UDP, &len);
    assert_non_null(udp);
    assert_int_equal(len, 15);
    assert_int_equal(get16(udp), port);
    assert_int_equal(get16(udp + 2), 4000);
    assert_memory_equal(udp + 8, "answers", 7);
    close(fd);
    rig_done(&r);
}

static void tcp6_send(struct net_rig *r, struct rig_tcp *t, uint8_t flags, const char *data)
{
    uint8_t frame[200] = {0}, *tcp = frame + DATA6_AT;
    const size_t len = strlen(data);

    put16(tcp, t->own);
    put16(tcp + 2, t->port);
    put32(tcp + 4, t->seq);
    put32(tcp + 8, t->ack);
    tcp[12] = 0x50;
    tcp[13] = flags;
    put16(tcp + 14, 65535);
    memcpy(tcp + 20, data, len);
    send_ip6(r, frame, gateway6, IPPROTO_TCP, 20 + len, 16);
    t->seq += (uint32_t)len + ((flags & TCP_SYN) != 0);
}

static void test_tcp6(void **state)
{
    struct rig_tcp t = {.own = 1000};
    struct net_rig r;
    char text[16];
    uint8_t *tcp;
    size_t len;
    int fd;
    const int listener = host_listen6(SOCK_STREAM, &t.port);

    (void)state;
    if (listener < 0)
        skip();
    rig_open6(&r);
    tcp6_send(&r, &t, TCP_SYN, "");
    tcp = wait_ip6(&r, IPPROTO_TCP, &len);
    assert_non_null(tcp);
    assert_int_equal(tcp[13], TCP_SYN | TCP_ACK);
    t.ack = get32(tcp + 4) + 1;
    tcp6_send(&r, &t, TCP_ACK | TCP_PSH, "there");
    fd = accept(listener, NULL, NULL);
    for (int i = 0; i < 200 && recv(fd, text, 5, MSG_DONTWAIT | MSG_PEEK) != 5; i++)
        loop_turn(r.loop, 5);
    assert_int_equal(recv(fd, text, sizeof(text), MSG_DONTWAIT), 5);
    assert_memory_equal(text, "there", 5);
    assert_int_equal(send(fd, "and back", 8, 0), 8);
    do {
        tcp = wait_ip6(&r, IPPROTO_TCP, &len);
        assert_non_null(tcp);
    } while (len == (size_t)(tcp[12] >> 4) * 4);
    assert_int_equal(len - (size_t)(tcp[12] >> 4) * 4, 8);
    assert_memory_equal(tcp + len - 8, "and back", 8);
    close(fd);
    close(listener);
    rig_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_udp6),
        cmocka_unit_test(test_tcp6),
    };

    return cmocka_run_group_tests_name("net-slirp6", tests, NULL, NULL);
}
