// SPDX-License-Identifier: MIT
/*
 * Tap devices with the kernel as the other side: H16, H17, queues. Offloads are in
 * test-net-tap-offload.c.
 */
#include "tests/unit/tap-rig.h"

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "vmm/base/bits.h"

/* n frames to the guest, each of another flow. */
static void host_send(unsigned n)
{
    const int fd = socket(AF_INET, SOCK_DGRAM, 0);

    for (unsigned i = 0; i < n; i++) {
        const struct sockaddr_in to = {.sin_family = AF_INET,
                                       .sin_addr.s_addr = htonl(GUEST),
                                       .sin_port = htons((uint16_t)(1000 + i))};

        assert_int_equal(sendto(fd, "x", 1, 0, (const struct sockaddr *)&to, sizeof(to)), 1);
    }
    close(fd);
}

static struct tap_queue *tap_queue(struct net_rig *r, unsigned pair)
{
    return &container_of(r->net, struct tap, net)->queue[pair];
}

static int tap_fd(struct net_rig *r, unsigned pair)
{
    return tap_queue(r, pair)->fd;
}

static bool turn_until(struct net_rig *r, bool up)
{
    for (unsigned i = 0; i < 200 && r->up != up; i++)
        loop_turn(r->loop, 10);
    return r->up == up;
}

/* Does nothing when there is nothing to do. */
static void assert_idle(struct net_rig *r)
{
    while (loop_turn(r->loop, 20))
        rig_take(r);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(loop_turn(r->loop, 0), 0);
}

static void test_frames(void **state)
{
    static const struct net_tap_conf conf = {.ifname = "vt0", .pairs = 1};
    struct net_rig r;

    if (why_not)
        skip();
    (void)state;
    rig_open(&r, &conf);
    assert_true(r.net->up);
    assert_int_equal(r.net->mtu, 0);
    rig_address(&r);
    assert_true(rig_ping(&r, HOST, "both ways"));
    loop_turn(r.loop, 0);
    assert_true(r.net->received > 0 && r.net->sent > 0);
    rig_done(&r);
    assert_int_equal(if_nametoindex("vt0"), 0); /* ours: gone with us */
}

static void test_listen(void **state)
{
    static const struct net_tap_conf conf = {.ifname = "vt0", .pairs = 1};
    struct net_rig r;

    (void)state;
    if (why_not)
        skip();
    rig_open(&r, &conf);
    rig_address(&r);
    assert_idle(&r);
    net_listen(r.net, 0, false);
    host_send(1);
    r.arrivals = 0;
    for (unsigned i = 0; i < 5; i++)
        loop_turn(r.loop, 1);
    assert_int_equal(r.arrivals, 0);
    net_listen(r.net, 0, true);
    loop_turn(r.loop, 100);
    assert_true(r.arrivals > 0);
    rig_done(&r);
}

/* H16: set down, frames are dropped and the link is down; set up, all is well again. */
static void test_down_up(void **state)
{
    static const struct net_tap_conf conf = {.ifname = "vt0", .pairs = 1};
    uint8_t frame[64] = {0};
    struct net_rig r;

    (void)state;
    if (why_not)
        skip();
    rig_open(&r, &conf);
    rig_address(&r);
    assert_idle(&r);
    run("ip link set vt0 down");
    assert_true(turn_until(&r, false));
    assert_int_equal(rig_send(&r, frame, sizeof(frame)), -EIO);
    assert_idle(&r);
    run("ip link set vt0 up");
    assert_true(turn_until(&r, true));
    run("ip neigh replace 10.9.0.2 lladdr 52:54:00:12:34:56 dev vt0 nud permanent");
    assert_true(rig_ping(&r, HOST, "again"));
    assert_int_equal(r.links, 2);
    /* leaving a bridge is no end */
    run("ip link add br0 type bridge && ip link set vt0 master br0 && ip link set vt0 nomaster && "
        "ip link del br0");
    for (unsigned i = 0; i < 20; i++)
        loop_turn(r.loop, 10);
    assert_true(r.up);
    rig_done(&r);
}

/* H17: deleted. */
static void test_deleted(void **state)
{
    static const struct net_tap_conf conf = {.ifname = "vt0", .pairs = 4};
    uint8_t frame[64] = {0};
    struct net_rig r;

    (void)state;
    if (why_not)
        skip();
    rig_open(&r, &conf);
    run("ip link del vt0");
    assert_true(turn_until(&r, false));
    assert_true(rig_send(&r, frame, sizeof(frame)) < 0);
    assert_false(rig_take(&r));
    net_listen(r.net, 0, false);
    net_listen(r.net, 0, true);
    assert_int_equal(net_take(r.net, 0), 0);
    assert_int_equal(net_use_pairs(r.net, 4), 0);
    assert_int_equal(net_lend(r.net, 0, true), -1);
    assert_idle(&r);
    rig_done(&r);
}

/* ... while the front end waits until it takes more. */
static void test_deleted_while_full(void **state)
{
    static const struct net_tap_conf conf = {.ifname = "vt0", .pairs = 1};
    uint8_t frame[64] = {0};
    struct net_rig r;

    (void)state;
    if (why_not)
        skip();
    rig_open(&r, &conf);
    tap_queue(&r, 0)->full = true; /* as after -EAGAIN, which the kernel says when it is busy */
    run("ip link del vt0");
    assert_true(turn_until(&r, false));
    assert_int_equal(r.sendables, 1);
    assert_int_equal(rig_send(&r, frame, sizeof(frame)), -ENODEV);
    assert_idle(&r);
    rig_done(&r);
}

/* ... and nobody has told yet. */
static void test_deleted_unheard(void **state)
{
    static const struct net_tap_conf conf = {.ifname = "vt0", .pairs = 2};
    struct net_rig r;

    (void)state;
    if (why_not)
        skip();
    for (unsigned i = 0; i < 3; i++) {
        rig_open(&r, &conf);
        run("ip link del vt0");
        if (i == 0)
            assert_int_equal(net_take(r.net, NET_CSUM), 0);
        if (i == 1)
            assert_int_equal(net_use_pairs(r.net, 2), 0);
        if (i == 2)
            assert_int_equal(net_lend(r.net, 0, true), -1);
        assert_true(r.net->ended && !r.up);
        rig_done(&r);
    }
}

static unsigned pair_count(struct net_rig *r, unsigned pair)
{
    const struct iovec iov = {r->frame, sizeof(r->frame)};
    unsigned n = 0;

    while (net_receive(r->net, pair, &iov, 1) > 0)
        n++;
    return n;
}

/* A queue that cannot be had: those before it are not used either. */
static void test_queues_partly(void **state)
{
    static const struct net_tap_conf conf = {.ifname = "vt0", .pairs = 4};
    struct net_rig r;
    int null, kept;

    (void)state;
    if (why_not)
        skip();
    rig_open(&r, &conf);
    rig_address(&r);
    null = open("/dev/null", O_RDWR);
    kept = dup(tap_fd(&r, 3));
    dup2(null, tap_fd(&r, 3));
    assert_true(net_use_pairs(r.net, 4) < 0);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(tap_queue(&r, i)->attached, i < 1);
    host_send(64);
    assert_true(pair_count(&r, 0) >= 64);
    dup2(kept, tap_fd(&r, 3));
    assert_int_equal(net_use_pairs(r.net, 4), 0);
    close(kept);
    close(null);
    rig_done(&r);
}

/* Only queues in use get frames, and with several several do. */
static void test_queues(void **state)
{
    static const struct net_tap_conf conf = {.ifname = "vt0", .pairs = 4};
    unsigned n[4] = {0}, busy = 0;
    struct net_rig r;

    (void)state;
    if (why_not)
        skip();
    rig_open(&r, &conf);
    rig_address(&r);
    for (unsigned pairs = 1; pairs <= 4; pairs += 3) {
        assert_int_equal(net_use_pairs(r.net, pairs), 0);
        host_send(64);
        busy = 0;
        for (unsigned i = 0; i < pairs; i++) {
            n[i] = pair_count(&r, i);
            busy += n[i] > 0;
        }
        assert_true(pairs > 1 ? busy >= 2 : n[0] >= 64);
    }
    assert_int_equal(net_use_pairs(r.net, 5), -EINVAL);
    assert_int_equal(net_use_pairs(r.net, 1), 0);
    assert_true(net_lend(r.net, 0, true) >= 0);
    assert_idle(&r);
    assert_true(net_lend(r.net, 0, false) >= 0);
    rig_done(&r);
}

/* The host answers datagrams where they came from, to pair X the flows of pair X (5.1.9.5.6-d2). */
static void test_flows(void **state)
{
    enum { PAIRS = 4, FLOWS = 16, FIRST = 4000, ANSWER = 8 + 2 };
    static const struct net_tap_conf conf = {.ifname = "vt0", .pairs = PAIRS};
    const struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(4001)};
    struct net_rig r;
    int fd;

    (void)state;
    if (why_not)
        skip();
    rig_open(&r, &conf);
    rig_address(&r);
    rig_learn(&r);
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&any, sizeof(any)), 0);
    assert_int_equal(net_use_pairs(r.net, PAIRS), 0);
    for (unsigned i = 0; i < FLOWS; i++) {
        struct sockaddr_in from;
        socklen_t size = sizeof(from);
        char byte;

        assert_int_equal(udp_send(&r, i % PAIRS, (uint16_t)(FIRST + i), 4001, 1), 0);
        assert_int_equal(recvfrom(fd, &byte, 1, 0, (struct sockaddr *)&from, &size), 1);
        assert_int_equal(ntohs(from.sin_port), FIRST + i);
        assert_int_equal(sendto(fd, "ok", 2, 0, (const struct sockaddr *)&from, size), 2);
    }
    for (unsigned pair = 0, came; pair < PAIRS; pair++) {
        const struct iovec iov = {r.frame, sizeof(r.frame)};

        for (came = 0; net_receive(r.net, pair, &iov, 1) > 0;) {
            const uint8_t *udp = rig_eth(&r) + ETH + 20;

            if (get16(rig_eth(&r) + 12) != 0x0800 || get16(udp) != 4001)
                continue; /* what the host says to all */
            assert_int_equal(get16(udp + 4), ANSWER);
            assert_int_equal((get16(udp + 2) - FIRST) % PAIRS, pair);
            came++;
        }
        assert_int_equal(came, FLOWS / PAIRS);
    }
    close(fd);
    rig_done(&r);
}

static void test_mtu(void **state)
{
    struct net_tap_conf conf = {.ifname = "vt0", .pairs = 1, .mtu = 9000};
    struct ifreq req = {.ifr_name = "vt0"};
    struct net_rig r;
    int fd;

    (void)state;
    if (why_not)
        skip();
    rig_open(&r, &conf);
    assert_int_equal(r.net->mtu, 9000);
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(ioctl(fd, SIOCGIFMTU, &req), 0);
    assert_int_equal(req.ifr_mtu, 9000);
    close(fd);
    rig_done(&r);
    run("ip tuntap add dev vt0 mode tap && ip link set vt0 mtu 4000");
    conf.mtu = 0;
    rig_open(&r, &conf);
    assert_int_equal(r.net->mtu, 4000);
    assert_false(r.net->up); /* not ours to set up */
    rig_done(&r);
    assert_true(if_nametoindex("vt0") > 0); /* nor to delete */
    run("ip link del vt0");
}

/* The kernel names it, and several queues may be opened for one. */
static void test_names(void **state)
{
    struct net_rig r;

    (void)state;
    if (why_not)
        skip();
    rig_open(&r, &(struct net_tap_conf){.pairs = 1});
    assert_true(if_nametoindex("vmm0") > 0);
    rig_done(&r);
    run("ip tuntap add dev vt0 mode tap multi_queue");
    rig_open(&r, &(struct net_tap_conf){.ifname = "vt0", .pairs = 1});
    rig_done(&r);
    run("ip link del vt0");
}

static void refused(const struct net_tap_conf *conf, struct loop *loop, const char *what)
{
    struct err err;

    assert_null(net_tap_open(conf, "net0", loop, &err));
    if (!strstr(err.text, what))
        fail_msg("'%s' is not in '%s'", what, err.text);
}

static void test_errors(void **state)
{
    struct net_tap_conf conf = {.ifname = "vt0", .pairs = 1};
    struct net_rig r;
    int status = 1;
    pid_t pid;

    (void)state;
    if (why_not)
        skip();
    rig_open(&r, &conf);
    refused(&conf, r.loop, "another program uses it");
    refused(&(struct net_tap_conf){.ifname = "lo", .pairs = 1}, r.loop, "not a tap device");
    rig_done(&r);
    run("ip tuntap add dev vt0 mode tap");
    conf.pairs = 2;
    refused(&conf, r.loop = loop_new("x", NULL), "multi_queue");
    run("ip link del vt0");
    pid = fork();
    if (pid == 0) { /* without the right to this network */
        if (unshare(CLONE_NEWUSER) < 0)
            _exit(errno == EINVAL ? 0 : 2); /* a sanitizer has a thread here: not possible */
        refused(&conf, r.loop, "CAP_NET_ADMIN");
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    loop_free(r.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_listen),
        cmocka_unit_test(test_down_up),
        cmocka_unit_test(test_deleted),
        cmocka_unit_test(test_deleted_while_full),
        cmocka_unit_test(test_deleted_unheard),
        cmocka_unit_test(test_queues),
        cmocka_unit_test(test_queues_partly),
        cmocka_unit_test(test_flows),
        cmocka_unit_test(test_mtu),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_errors),
    };

    network_own();
    return cmocka_run_group_tests_name("net-tap", tests, NULL, NULL);
}
