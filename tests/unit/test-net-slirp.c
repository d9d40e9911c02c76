// SPDX-License-Identifier: MIT
/* The user-mode network, with a small guest of our own in front of it: N23, N22. */
#include "tests/unit/slirp-rig.h"

#include <time.h>

static void test_lease(void **state)
{
    struct net_rig r;
    const uint8_t *ack, *o;
    size_t len;

    (void)state;
    rig_open(&r, &(struct net_slirp_conf){.host = "guest"});
    ack = rig_dhcp(&r, &len);
    assert_int_equal(r.ip, GUEST);
    o = dhcp_option(ack, len, 1);
    assert_true(o && get32(o) == 0xffffff00);
    o = dhcp_option(ack, len, 3);
    assert_true(o && get32(o) == GATEWAY);
    o = dhcp_option(ack, len, 6);
    assert_true(o && get32(o) == GATEWAY + 1);
    o = dhcp_option(ack, len, 12);
    assert_true(o && memcmp(o, "guest", 5) == 0);
    assert_true(rig_ping(&r, GATEWAY, "is anybody there?"));
    assert_true(r.net->sent >= 3 && r.net->received >= 3 && r.net->lost == 0);
    rig_done(&r);
}

static void accept_exchange(struct net_rig *r, struct rig_tcp *t, int listener)
{
    char text[16] = "";
    uint8_t *data;
    int fd, n;

    tcp_send(r, t, TCP_SYN, NULL, 0);
    assert_int_equal(tcp_wait(r, t, TCP_SYN, &data), 0);
    tcp_send(r, t, TCP_ACK | TCP_PSH, "from the guest", 14);
    fd = accept(listener, NULL, NULL);
    assert_true(fd >= 0);
    for (int i = 0; i < 200 && recv(fd, text, 14, MSG_DONTWAIT | MSG_PEEK) != 14; i++)
        loop_turn(r->loop, 5);
    assert_int_equal(recv(fd, text, 14, MSG_DONTWAIT), 14);
    assert_memory_equal(text, "from the guest", 14);
    assert_int_equal(send(fd, "from the host", 13, 0), 13);
    n = tcp_wait(r, t, 0, &data);
    assert_int_equal(n, 13);
    assert_memory_equal(data, "from the host", 13);
    tcp_send(r, t, TCP_ACK, NULL, 0);
    close(fd);
    assert_int_equal(tcp_wait(r, t, TCP_FIN, &data), 0);
    tcp_send(r, t, TCP_ACK | TCP_RST, NULL, 0); /* FIN would make libslirp wait for stragglers */
}

/* To the host's own loopback by way of the gateway's address, and descriptors come back. */
static void test_tcp_out(void **state)
{
    struct net_rig r;
    struct rig_tcp t = {.to = GATEWAY, .own = 1000};
    unsigned before = 0;
    size_t len;
    int listener;

    (void)state;
    rig_open(&r, &(struct net_slirp_conf){0});
    rig_dhcp(&r, &len);
    listener = host_listen(SOCK_STREAM, &t.port);
    before = fds();
    for (unsigned i = 0; i < 20; i++) {
        t.to = GATEWAY;
        t.own++;
        accept_exchange(&r, &t, listener);
    }
    for (unsigned i = 0; i < 200 && fds() > before; i++)
        loop_turn(r.loop, 20);
    assert_true(fds() <= before);
    close(listener);
    rig_done(&r);
}

/* Nobody listens there: a reset, soon. */
static void test_tcp_refused(void **state)
{
    struct net_rig r;
    struct rig_tcp t = {.to = GATEWAY, .own = 1000, .port = host_free_port(SOCK_STREAM)};
    uint8_t *data;
    size_t len;

    (void)state;
    rig_open(&r, &(struct net_slirp_conf){0});
    rig_dhcp(&r, &len);
    tcp_send(&r, &t, TCP_SYN, NULL, 0);
    assert_int_equal(tcp_wait(&r, &t, TCP_RST, &data), 0);
    rig_done(&r);
}

/* A guest with a lease, whose port 22 a client of the host knocks at: the guest
 * lets it in, and it has sent 5 bytes. The client's socket. */
static int tcp_forwarded(struct net_rig *r, struct rig_tcp *t)
{
    const struct net_slirp_forward f = {.host = {htonl(INADDR_LOOPBACK)},
                                        .host_port = host_free_port(SOCK_STREAM),
                                        .guest_port = 22,
                                        .text = "tcp"};
    uint8_t *data;
    size_t len;
    int fd;

    rig_open(r, &(struct net_slirp_conf){.forward = &f, .n_forwards = 1});
    rig_dhcp(r, &len);
    fd = host_connect(SOCK_STREAM, f.host_port);
    assert_int_equal(tcp_wait(r, t, TCP_SYN, &data), 0);
    assert_int_equal(t->own, 22);
    tcp_send(r, t, TCP_SYN | TCP_ACK, NULL, 0);
    assert_int_equal(send(fd, "knock", 5, 0), 5);
    return fd;
}

static void test_forward_tcp(void **state)
{
    struct net_rig r;
    struct rig_tcp t = {.seq = 5000};
    uint8_t *data;
    char text[8];
    int fd;

    (void)state;
    fd = tcp_forwarded(&r, &t);
    assert_int_equal(tcp_wait(&r, &t, 0, &data), 5);
    assert_memory_equal(data, "knock", 5);
    tcp_send(&r, &t, TCP_ACK | TCP_PSH, "enter", 5);
    for (int i = 0; i < 200 && recv(fd, text, 5, MSG_DONTWAIT | MSG_PEEK) != 5; i++)
        loop_turn(r.loop, 5);
    assert_int_equal(recv(fd, text, 5, MSG_DONTWAIT), 5);
    assert_memory_equal(text, "enter", 5);
    close(fd);
    rig_done(&r);
}

static void test_forward_udp(void **state)
{
    const struct net_slirp_forward f = {.udp = true,
                                        .host = {htonl(INADDR_LOOPBACK)},
                                        .host_port = host_free_port(SOCK_DGRAM),
                                        .guest = {htonl(GUEST)},
                                        .guest_port = 53,
                                        .text = "udp"};
    struct net_rig r;
    uint8_t *udp;
    size_t len;
    int fd;

    (void)state;
    rig_open(&r, &(struct net_slirp_conf){.forward = &f, .n_forwards = 1});
    rig_dhcp(&r, &len);
    fd = host_connect(SOCK_DGRAM, f.host_port);
    assert_int_equal(send(fd, "question", 8, 0), 8);
    udp = rig_wait(&r, IPPROTO_UDP, 3000, &len);
    assert_non_null(udp);
    assert_int_equal(get16(udp + 2), 53);
    assert_int_equal(len, 16);
    assert_memory_equal(udp + 8, "question", 8);
    close(fd);
    rig_done(&r);
}

static void test_port_in_use(void **state)
{
    struct net_slirp_forward f = {.host = {htonl(INADDR_LOOPBACK)}, .guest_port = 22};
    struct loop *loop;
    struct err err;
    int fd;

    (void)state;
    loop = loop_new("net", &err);
    strcpy(f.text, "tcp:127.0.0.1:1-22");
    fd = host_listen(SOCK_STREAM, &f.host_port);
    assert_null(net_slirp_open(&(struct net_slirp_conf){.forward = &f, .n_forwards = 1}, "net0",
                               loop, &err));
    assert_non_null(strstr(err.text, "hostfwd=tcp:127.0.0.1:1-22"));
    assert_non_null(strstr(err.text, "in use"));
    close(fd);
    fd = host_listen(SOCK_DGRAM, &f.host_port);
    f.udp = true;
    assert_null(net_slirp_open(&(struct net_slirp_conf){.forward = &f, .n_forwards = 1}, "net0",
                               loop, &err));
    assert_non_null(strstr(err.text, "in use"));
    close(fd);
    loop_free(loop);
}

static void ping_many(struct net_rig *r, unsigned n)
{
    uint8_t ping[64] = {0};

    ping[34] = 8;
    while (n--)
        rig_send(r, ping, frame_ip(r, ping, GATEWAY, IPPROTO_ICMP, 30, 2));
}

/* How often was that segment sent to the guest, which sends something itself every 100 ms? */
static unsigned segments_count(struct net_rig *r, uint16_t port, uint8_t flags, unsigned ms)
{
    const uint64_t end = clock_ns() + ms * UINT64_C(1000000);
    uint64_t ping = 0;
    unsigned n = 0;

    while (clock_ns() < end) {
        if (clock_ns() >= ping) {
            ping_many(r, 1);
            ping = clock_ns() + 100000000u;
        }
        while (rig_take(r)) {
            const uint8_t *ip = rig_eth(r) + ETH;

            n += get16(ip - 2) == 0x0800 && ip[9] == IPPROTO_TCP && get16(ip + 22) == port &&
                 (ip[33] & flags);
        }
        loop_turn(r->loop, 10);
    }
    return n;
}

/* A guest that sends all the time does not keep libslirp's clock from running: what it has not
 * acknowledged is sent again. */
static void test_busy_guest(void **state)
{
    struct net_rig r;
    struct rig_tcp t = {.seq = 5000};
    int fd;

    (void)state;
    fd = tcp_forwarded(&r, &t);
    assert_true(segments_count(&r, 22, TCP_PSH, 3000) >= 2);
    close(fd);
    rig_done(&r);
}

/* A guest that reads nothing: what it asked for waits, bounded, or is lost. */
static void test_slow_guest(void **state)
{
    struct net_rig r;
    size_t len;

    (void)state;
    rig_open(&r, &(struct net_slirp_conf){0});
    rig_dhcp(&r, &len);
    net_listen(r.net, 0, false);
    loop_turn(r.loop, 0);
    r.arrivals = 0;
    ping_many(&r, 5000);
    loop_turn(r.loop, 0);
    assert_int_equal(r.arrivals, 0);
    assert_in_range(r.net->lost, 5000 - 1024, 5000);
    net_listen(r.net, 0, true);
    loop_turn(r.loop, 10);
    assert_true(r.arrivals > 0);
    for (unsigned i = 0; i < 1024; i++)
        assert_true(rig_take(&r));
    assert_true(rig_ping(&r, GATEWAY, "again"));
    rig_done(&r);
}

/* With a queue that fills the host's sockets wait instead: nothing of theirs is lost. */
static void test_back_pressure(void **state)
{
    enum { DATAGRAMS = 100 };
    uint8_t frame[64] = {0};
    struct sockaddr_in from;
    socklen_t from_len = sizeof(from);
    struct net_rig r;
    uint8_t *udp;
    uint16_t port;
    size_t len;
    char byte;
    int fd;

    (void)state;
    rig_open(&r, &(struct net_slirp_conf){0});
    rig_dhcp(&r, &len);
    fd = host_listen(SOCK_DGRAM, &port);
    put16(frame + 34, 4000);
    put16(frame + 36, port);
    put16(frame + 38, 9);
    rig_send(&r, frame, frame_ip(&r, frame, GATEWAY, IPPROTO_UDP, 9, 6));
    assert_int_equal(recvfrom(fd, &byte, 1, 0, (struct sockaddr *)&from, &from_len), 1);
    loop_turn(r.loop, 0);
    ping_many(&r, 1000);
    for (unsigned i = 0; i < DATAGRAMS; i++)
        assert_int_equal(
            sendto(fd, &(uint8_t){(uint8_t)i}, 1, 0, (struct sockaddr *)&from, from_len), 1);
    for (unsigned i = 0; i < 2 * DATAGRAMS; i++)
        loop_turn(r.loop, 1);
    for (unsigned i = 0; i < DATAGRAMS; i++) {
        udp = rig_wait(&r, IPPROTO_UDP, 3000, &len);
        assert_true(udp && len == 9 && udp[8] == i);
    }
    assert_int_equal(r.net->lost, 0);
    close(fd);
    rig_done(&r);
}

/* N23: nothing that a guest sends ends the process, and the network works afterwards. */
static void garbage_one(struct net_rig *r, unsigned kind)
{
    uint8_t frame[2000];
    const size_t len = (size_t)(rand() % 1540);
    static const uint16_t types[] = {0x0800, 0x0806, 0x86dd, 0x88f8, 0x8100};
    static const uint8_t protocols[] = {1, 2, 6, 17, 58, 0, 255};

    for (size_t i = 0; i < sizeof(frame); i++)
        frame[i] = (uint8_t)rand();
    if (rand() % 2)
        memcpy(frame, r->peer, 6);
    put16(frame + 12, types[kind % 5]);
    if (kind % 5 == 0) {
        frame[14] = rand() % 8 ? 0x45 : frame[14];
        put16(frame + 16, rand() % 4 ? (unsigned)len - 14 : get16(frame + 16));
        put16(frame + 20, rand() % 2 ? 0 : get16(frame + 20));
        frame[23] = protocols[rand() % 7];
        put32(frame + 26, rand() % 2 ? r->ip : get32(frame + 26));
        put32(frame + 30, GATEWAY + (uint32_t)(rand() % 3));
        put16(frame + 24, 0);
        put16(frame + 24, sum_end(sum16(frame + 14, 20, 0)));
        put16(frame + 36, rand() % 2 ? 67 : 53 + 16 * (rand() % 2));
    } else if (kind % 5 == 2) {
        frame[14] = 0x60;
        put16(frame + 18, (unsigned)len - 54);
        frame[20] = protocols[rand() % 7];
        memcpy(frame + 38, "\xfe\xc0\0\0\0\0\0\0\0\0\0\0\0\0\0\2", 16);
    }
    rig_send(r, frame, len);
    if (rand() % 16 == 0)
        loop_turn(r->loop, 0);
    while (rand() % 2 && rig_take(r))
        continue;
}

static void test_garbage(void **state)
{
    struct net_rig r;
    size_t len;

    (void)state;
    srand(getenv("SEED") ? (unsigned)atoi(getenv("SEED")) : 1);
    rig_open(&r, &(struct net_slirp_conf){0});
    rig_dhcp(&r, &len);
    for (unsigned i = 0; i < 30000; i++)
        garbage_one(&r, i);
    while (rig_take(&r))
        continue;
    rig_dhcp(&r, &len);
    assert_true(rig_ping(&r, GATEWAY, "still there?"));
    rig_done(&r);
}

/* Frames that were never agreed on. */
static void test_refused(void **state)
{
    static uint8_t frame[NET_HEADER + 70000];
    struct iovec iov[2] = {{frame, 0}, {frame + 5, 0}};
    struct net_rig r;

    (void)state;
    rig_open(&r, &(struct net_slirp_conf){0});
    for (size_t len = 0; len < NET_HEADER + 14; len++) {
        iov[0].iov_len = len;
        assert_int_equal(net_send(r.net, 0, iov, 1), -EINVAL);
    }
    assert_int_equal(net_send(r.net, 0, iov, 0), -EINVAL);
    iov[0].iov_len = NET_HEADER + 1518;
    assert_int_equal(net_send(r.net, 0, iov, 1), 0);
    iov[0].iov_len++;
    assert_int_equal(net_send(r.net, 0, iov, 1), -EINVAL);
    iov[0].iov_len = sizeof(frame);
    assert_int_equal(net_send(r.net, 0, iov, 1), -EINVAL);
    iov[0].iov_len = NET_HEADER + 64;
    frame[0] = NET_HDR_NEEDS_CSUM;
    assert_int_equal(net_send(r.net, 0, iov, 1), -EINVAL);
    frame[0] = 0;
    frame[1] = NET_GSO_TCPV4;
    assert_int_equal(net_send(r.net, 0, iov, 1), -EINVAL);
    frame[1] = 0;
    frame[2] = 0xff; /* lengths nobody asked for mean nothing */
    assert_int_equal(net_send(r.net, 0, iov, 1), 0);
    assert_int_equal(net_take(r.net, NET_CSUM), -EINVAL);
    assert_int_equal(net_use_pairs(r.net, 2), -EINVAL);
    assert_int_equal(net_lend(r.net, 0, true), -1);
    rig_done(&r);
}

/* An idle network does not run: N22, C idle. */
static void test_idle(void **state)
{
    struct timespec a, b;
    struct net_rig r;
    unsigned turns = 0;
    size_t len;

    (void)state;
    rig_open(&r, &(struct net_slirp_conf){.mtu = 9000});
    assert_int_equal(r.net->mtu, 9000);
    rig_dhcp(&r, &len);
    for (unsigned i = 0; i < 50; i++) /* whatever DHCP left over */
        loop_turn(r.loop, 1);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
    for (const uint64_t end = clock_ns() + 500000000u; clock_ns() < end; turns++)
        loop_turn(r.loop, 100);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
    assert_true(turns < 20);
    rig_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lease),       cmocka_unit_test(test_tcp_out),
        cmocka_unit_test(test_tcp_refused), cmocka_unit_test(test_forward_tcp),
        cmocka_unit_test(test_forward_udp), cmocka_unit_test(test_port_in_use),
        cmocka_unit_test(test_slow_guest),  cmocka_unit_test(test_back_pressure),
        cmocka_unit_test(test_garbage),     cmocka_unit_test(test_refused),
        cmocka_unit_test(test_busy_guest),  cmocka_unit_test(test_idle),
    };

    return cmocka_run_group_tests_name("net-slirp", tests, NULL, NULL);
}
