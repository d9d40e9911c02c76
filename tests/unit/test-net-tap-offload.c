// SPDX-License-Identifier: MIT
/*
 * What tap devices leave undone, and what they do for the guest: sums and segments.
 */
#include "tests/unit/tap-rig.h"

#include <netinet/udp.h>
#include <sys/utsname.h>

/* One connection; what arrives after the host sent much. Returns the largest frame. */
static size_t largest_frame(struct net_rig *r, uint8_t *gso_type)
{
    static const char block[65536];
    static uint16_t own = 1000;
    struct rig_tcp t = {.to = HOST, .own = ++own};
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(HOST)};
    socklen_t alen = sizeof(a);
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    size_t largest = 0;
    uint8_t *data;
    int fd, n;

    assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof(a)) | listen(listener, 1), 0);
    getsockname(listener, (struct sockaddr *)&a, &alen);
    t.port = ntohs(a.sin_port);
    tcp_send(r, &t, TCP_SYN, NULL, 0);
    assert_int_equal(tcp_wait(r, &t, TCP_SYN, &data), 0);
    tcp_send(r, &t, TCP_ACK, NULL, 0);
    fd = accept(listener, NULL, NULL);
    assert_true(send(fd, block, sizeof(block), MSG_DONTWAIT) > 0);
    *gso_type = 0;
    for (unsigned i = 0; i < 10 && (n = tcp_wait(r, &t, 0, &data)) > 0; i++) {
        if (r->len > largest) {
            largest = r->len;
            *gso_type = r->frame[1];
        }
        tcp_send(r, &t, TCP_ACK, NULL, 0);
    }
    tcp_send(r, &t, TCP_RST, NULL, 0);
    while (rig_take(r))
        continue;
    close(fd);
    close(listener);
    return largest;
}

static void test_offloads(void **state)
{
    static const struct net_tap_conf conf = {.ifname = "vt0", .pairs = 1};
    struct net_rig r;
    uint8_t gso;

    (void)state;
    if (why_not)
        skip();
    rig_open(&r, &conf);
    assert_int_equal(net_can_send(r.net) & (NET_CSUM | NET_TSO4 | NET_TSO6),
                     NET_CSUM | NET_TSO4 | NET_TSO6);
    assert_int_equal(net_can_leave(r.net), net_can_send(r.net));
    rig_address(&r);
    rig_learn(&r);
    assert_true(largest_frame(&r, &gso) <= 1514 && gso == NET_GSO_NONE);
    assert_int_equal(net_take(r.net, NET_CSUM | NET_TSO4 | NET_TSO6), 0);
    assert_true(largest_frame(&r, &gso) > 1514 && gso == NET_GSO_TCPV4);
    assert_int_equal(net_take(r.net, 0), 0);
    assert_true(largest_frame(&r, &gso) <= 1514 && gso == NET_GSO_NONE);
    rig_done(&r);
}

/* ---- UDP ---- */

enum { PIECE = 1000, PIECES = 4, UDP_AT = ETH + 20, DATA_AT = UDP_AT + 8 };

/* TUN_F_USO4 and TUN_F_USO6 are of Linux 6.2. */
static bool kernel_has_uso(void)
{
    unsigned major = 0, minor = 0;
    struct utsname u;

    uname(&u);
    return sscanf(u.release, "%u.%u", &major, &minor) == 2 &&
           (major > 6 || (major == 6 && minor >= 2));
}

/* A socket of the host whose datagrams are pieces of what is written. */
static int pieces_socket(uint16_t port)
{
    const struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(port)},
                             to = {.sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(GUEST),
                                   .sin_port = htons(1000)};
    const int fd = socket(AF_INET, SOCK_DGRAM, 0), size = PIECE;

    assert_int_equal(bind(fd, (const struct sockaddr *)&own, sizeof(own)), 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
    assert_int_equal(setsockopt(fd, SOL_UDP, UDP_SEGMENT, &size, sizeof(size)), 0);
    return fd;
}

/* The host writes PIECES of them at once: as how many frames do they come? r->frame is the last. */
static unsigned pieces_come(struct net_rig *r, int fd)
{
    static char data[PIECES * PIECE];
    unsigned n = 0;
    size_t len, sum = 0;

    for (unsigned i = 0; i < sizeof(data); i++)
        data[i] = (char)(i / PIECE + i);
    assert_int_equal(send(fd, data, sizeof(data), 0), sizeof(data));
    for (const uint8_t *udp; sum < sizeof(data); n++) {
        udp = rig_wait(r, IPPROTO_UDP, 3000, &len);
        assert_non_null(udp);
        assert_true(len > 8 && sum + len - 8 <= sizeof(data));
        assert_memory_equal(udp + 8, data + sum, len - 8);
        sum += len - 8;
    }
    return n;
}

static void test_uso_to_guest(void **state)
{
    static const struct net_tap_conf conf = {.ifname = "vt0", .pairs = 1};
    struct net_rig r;
    int fd;

    (void)state;
    if (why_not || !kernel_has_uso())
        skip();
    rig_open(&r, &conf);
    assert_true(net_can_leave(r.net) & NET_USO);
    rig_address(&r);
    fd = pieces_socket(4001);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(net_take(r.net, NET_CSUM | (i == 1 ? NET_USO : 0)), 0);
        assert_int_equal(pieces_come(&r, fd), i == 1 ? 1 : PIECES);
        assert_int_equal(r.len, DATA_AT + PIECE * (i == 1 ? PIECES : 1));
        assert_int_equal(r.frame[1], i == 1 ? NET_GSO_UDP_L4 : NET_GSO_NONE);
        if (i == 1)
            assert_int_equal(r.frame[4] | r.frame[5] << 8, PIECE);
    }
    close(fd);
    rig_done(&r);
}

/* The guest sends one frame, the host's socket has datagrams. */
static void test_uso_to_host(void **state)
{
    static const struct net_tap_conf conf = {.ifname = "vt0", .pairs = 1};
    static uint8_t frame[DATA_AT + PIECES * PIECE];
    uint8_t header[NET_HEADER] = {NET_HDR_NEEDS_CSUM, NET_GSO_UDP_L4, DATA_AT, 0, PIECE & 255,
                                  PIECE >> 8,         UDP_AT,         0,       6, 0};
    struct iovec iov[] = {{header, sizeof(header)}, {frame, sizeof(frame)}};
    uint8_t got[PIECES * PIECE];
    struct net_rig r;
    int fd;

    (void)state;
    if (why_not || !kernel_has_uso())
        skip();
    rig_open(&r, &conf);
    assert_true(net_can_send(r.net) & NET_USO);
    rig_address(&r);
    rig_learn(&r);
    fd = pieces_socket(4001);
    for (unsigned i = 0; i < PIECES * PIECE; i++)
        frame[DATA_AT + i] = (uint8_t)(i / PIECE + i);
    assert_int_equal(udp_frame(&r, frame, 1000, 4001, PIECES * PIECE), sizeof(frame));
    put16(frame + UDP_AT + 6,
          (uint16_t)~sum_end(sum16(frame + ETH + 12, 8, IPPROTO_UDP + 8 + PIECES * PIECE)));
    assert_int_equal(net_send(r.net, 0, iov, 2), 0);
    for (unsigned i = 0; i < PIECES; i++) {
        assert_int_equal(recv(fd, got, sizeof(got), 0), PIECE);
        assert_memory_equal(got, frame + DATA_AT + i * PIECE, PIECE);
    }
    assert_int_equal(recv(fd, got, sizeof(got), MSG_DONTWAIT), -1);
    close(fd);
    rig_done(&r);
}

/* ---- sums ---- */

/* The kernel fills in what the guest left out, and refuses nonsense (N05). */
static void test_left_checksum(void **state)
{
    static const struct net_tap_conf conf = {.ifname = "vt0", .pairs = 1};
    uint8_t header[NET_HEADER] = {NET_HDR_NEEDS_CSUM, 0, 0, 0, 0, 0, 34, 0, 6, 0};
    uint8_t frame[64] = {0};
    struct iovec iov[] = {{header, sizeof(header)}, {frame, 0}};
    const struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(4001)};
    struct net_rig r;
    char byte;
    int fd;

    (void)state;
    if (why_not)
        skip();
    rig_open(&r, &conf);
    rig_address(&r);
    rig_learn(&r);
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&any, sizeof(any)), 0);
    frame[42] = 'x';
    iov[1].iov_len = udp_frame(&r, frame, 4000, 4001, 1);
    /* of the pseudo header only, not complemented */
    put16(frame + 40, (uint16_t)~sum_end(sum16(frame + 26, 8, IPPROTO_UDP + 9)));
    assert_int_equal(net_send(r.net, 0, iov, 2), 0);
    assert_int_equal(recv(fd, &byte, 1, 0), 1);
    assert_int_equal(byte, 'x');
    header[6] = 200; /* checksum beyond the frame */
    assert_int_equal(net_send(r.net, 0, iov, 2), -EINVAL);
    header[0] = 0;
    header[1] = 77;
    header[4] = 100;
    assert_int_equal(net_send(r.net, 0, iov, 2), -EINVAL);
    iov[1].iov_len = 5;
    header[1] = 0;
    assert_int_equal(net_send(r.net, 0, iov, 2), -EINVAL);
    assert_int_equal(r.net->lost, 3);
    close(fd);
    rig_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offloads),
        cmocka_unit_test(test_uso_to_guest),
        cmocka_unit_test(test_uso_to_host),
        cmocka_unit_test(test_left_checksum),
    };

    network_own();
    return cmocka_run_group_tests_name("net-tap-offload", tests, NULL, NULL);
}
