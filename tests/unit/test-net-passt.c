// SPDX-License-Identifier: MIT
/* The socket to passt: a fake one that does what it likes, and the real one where there is one. */
#include "tests/unit/net-rig.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "devices/backend/net-passt.h"

static char dir[] = "/tmp/test-net-passt-XXXXXX";
static char path[64];

struct fake {
    struct net_rig r;
    int listener, fd;
};

static int socket_listen(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    unlink(path);
    snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)) | listen(fd, 1), 0);
    return fd;
}

static void fake_accept(struct fake *f)
{
    const struct timeval soon = {.tv_sec = 2};

    f->fd = accept(f->listener, NULL, NULL);
    assert_true(f->fd >= 0);
    setsockopt(f->fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon));
}

static void rig_open(struct net_rig *r)
{
    struct err err;

    rig_init(r);
    rig_plug(r, net_passt_open(&(struct net_passt_conf){.path = path}, "net0", r->loop, &err),
             &err);
}

static void fake_open(struct fake *f)
{
    f->listener = socket_listen();
    rig_open(&f->r);
    fake_accept(f);
    assert_true(f->r.net->up);
}

static void fake_done(struct fake *f)
{
    rig_done(&f->r);
    close(f->fd);
    close(f->listener);
    unlink(path);
}

static void fake_put(struct fake *f, const void *data, size_t len)
{
    assert_int_equal(send(f->fd, data, len, MSG_NOSIGNAL), (ssize_t)len);
}

static void fake_frame(struct fake *f, const char *text)
{
    uint8_t frame[4 + 64] = {0, 0, 0, 64};

    memcpy(frame + 4, text, strlen(text));
    fake_put(f, frame, sizeof(frame));
}

static void turns(struct fake *f, unsigned n)
{
    while (n--)
        loop_turn(f->r.loop, 2);
}

static bool turn_until(struct fake *f, bool up)
{
    for (unsigned i = 0; i < 1000 && f->r.up != up; i++)
        loop_turn(f->r.loop, 5);
    return f->r.up == up;
}

static void test_both_ways(void **state)
{
    uint8_t frame[64] = "to the other side", got[128];
    struct fake f;

    (void)state;
    fake_open(&f);
    assert_int_equal(rig_send(&f.r, frame, sizeof(frame)), 0);
    assert_int_equal(recv(f.fd, got, sizeof(got), 0), 68);
    assert_memory_equal(got, "\0\0\0\x40to the other side", 21);
    fake_frame(&f, "one");
    fake_frame(&f, "two");
    turns(&f, 1);
    assert_int_equal(f.r.arrivals, 1);
    assert_true(rig_take(&f.r));
    assert_int_equal(f.r.len, 64);
    assert_memory_equal(rig_eth(&f.r), "one", 4);
    assert_memory_equal(f.r.frame, "\0\0\0\0\0\0\0\0\0\0\0\0", 12);
    net_listen(f.r.net, 0, false); /* two waits in our buffer now, and the socket is empty */
    turns(&f, 2);
    f.r.arrivals = 0;
    net_listen(f.r.net, 0, true);
    turns(&f, 2);
    assert_int_equal(f.r.arrivals, 1);
    assert_true(rig_take(&f.r));
    assert_memory_equal(rig_eth(&f.r), "two", 4);
    assert_false(rig_take(&f.r));
    fake_done(&f);
}

/* Byte by byte, and the largest at once. */
static void test_pieces(void **state)
{
    static uint8_t big[4 + NET_FRAME_MAX] = {0, 1, 0, 64};
    uint8_t small[4 + 20] = {0, 0, 0, 20, 'x'};
    struct fake f;

    (void)state;
    fake_open(&f);
    for (size_t i = 0; i < sizeof(small); i++) {
        assert_false(rig_take(&f.r));
        fake_put(&f, small + i, 1);
    }
    assert_true(rig_take(&f.r));
    assert_int_equal(f.r.len, 20);
    assert_int_equal(NET_FRAME_MAX, 0x10040);
    big[sizeof(big) - 1] = 'z';
    for (unsigned i = 0; i < 3; i++) {
        for (size_t at = 0; at < sizeof(big);) {
            const ssize_t n = send(f.fd, big + at, sizeof(big) - at, MSG_DONTWAIT);

            at += n > 0 ? (size_t)n : 0;
            if (at < sizeof(big))
                assert_false(rig_take(&f.r));
        }
        assert_true(rig_take(&f.r));
        assert_int_equal(f.r.len, NET_FRAME_MAX);
        assert_int_equal(rig_eth(&f.r)[NET_FRAME_MAX - 1], 'z');
    }
    fake_done(&f);
}

/* The other side reads nothing: we wait, bounded; then it reads, and no byte is missing. */
static void test_slow_reader(void **state)
{
    static uint8_t frame[60000], got[1 << 20];
    unsigned sent = 0, complete = 0;
    size_t have = 0, at = 0;
    struct fake f;

    (void)state;
    fake_open(&f);
    do {
        memset(frame, (int)++sent, sizeof(frame));
    } while (rig_send(&f.r, frame, sizeof(frame)) == 0);
    assert_in_range(--sent, 1, 100);
    assert_int_equal(rig_send(&f.r, frame, sizeof(frame)), -EAGAIN);
    turns(&f, 5);
    assert_int_equal(f.r.sendables, 0);
    for (unsigned i = 0; i < 10000 && complete < sent; i++) {
        const ssize_t n = recv(f.fd, got + have, 1000, MSG_DONTWAIT);

        have += n > 0 ? (size_t)n : 0;
        for (; have - at >= 4 + sizeof(frame); at += 4 + sizeof(frame)) {
            assert_memory_equal(got + at, "\0\0\xea\x60", 4);
            assert_int_equal(got[at + 4], ++complete);
            assert_int_equal(got[at + 3 + sizeof(frame)], complete);
        }
        if (i % 8 == 0)
            loop_turn(f.r.loop, 0);
    }
    assert_int_equal(complete, sent);
    assert_int_equal(f.r.sendables, 1);
    assert_int_equal(rig_send(&f.r, frame, sizeof(frame)), 0);
    assert_int_equal(f.r.net->lost, 0);
    fake_done(&f);
}

/* H17's like: it goes, the link goes; it comes back, and all works; and again. */
static void test_reconnect(void **state)
{
    uint8_t frame[64] = "hello";
    struct fake f;

    (void)state;
    fake_open(&f);
    for (unsigned i = 0; i < 3; i++) {
        fake_put(&f, "\0\0\0\x40half", 8); /* nobody gets it */
        close(f.listener);
        close(f.fd);
        turns(&f, 1);
        rig_take(&f.r); /* as the front end does that heard of it */
        assert_true(turn_until(&f, false));
        assert_true(rig_send(&f.r, frame, sizeof(frame)) < 0);
        assert_false(rig_take(&f.r));
        turns(&f, 100);
        assert_false(f.r.up);
        f.listener = socket_listen();
        assert_true(turn_until(&f, true));
        fake_accept(&f);
        fake_frame(&f, "again");
        turns(&f, 2);
        assert_true(rig_take(&f.r));
        assert_memory_equal(rig_eth(&f.r), "again", 6);
        assert_int_equal(rig_send(&f.r, frame, sizeof(frame)), 0);
    }
    assert_int_equal(f.r.links, 6);
    fake_done(&f);
}

/* It goes while we wait for it to read: the front end hears, and does not wait for ever. */
static void test_gone_while_full(void **state)
{
    static uint8_t frame[60000];
    struct fake f;

    (void)state;
    fake_open(&f);
    net_listen(f.r.net, 0, false);
    while (rig_send(&f.r, frame, sizeof(frame)) == 0)
        continue;
    close(f.listener);
    close(f.fd);
    assert_true(turn_until(&f, false));
    assert_int_equal(f.r.sendables, 1);
    assert_int_equal(rig_send(&f.r, frame, sizeof(frame)), -ENOTCONN);
    turns(&f, 3);
    assert_int_equal(loop_turn(f.r.loop, 10), 0); /* idle but for the timer */
    fake_done(&f);
}

/* Lengths that cannot be are the end of that connection, not ours. */
static void test_bad_lengths(void **state)
{
    static const uint8_t bad[][4] = {
        {0, 0, 0, 0}, {0, 0, 0, 13}, {0, 1, 0, 65}, {255, 255, 255, 255}};
    struct fake f;

    (void)state;
    fake_open(&f);
    for (unsigned i = 0; i < 4; i++) {
        fake_frame(&f, "good");
        fake_put(&f, bad[i], 4);
        turns(&f, 1);
        assert_true(rig_take(&f.r));
        assert_false(rig_take(&f.r));
        assert_false(f.r.up);
        close(f.fd);
        assert_true(turn_until(&f, true));
        fake_accept(&f);
    }
    fake_done(&f);
}

/* Somebody who takes every connection and ends it is not asked again and again: the time between
 * grows until a frame comes. */
static void test_hangs_up(void **state)
{
    const uint64_t end = clock_ns() + 1000 * UINT64_C(1000000);
    unsigned taken = 0;
    struct fake f;

    (void)state;
    fake_open(&f);
    close(f.fd);
    fcntl(f.listener, F_SETFL, O_NONBLOCK);
    while (clock_ns() < end) {
        loop_turn(f.r.loop, 5);
        rig_take(&f.r); /* as the front end does that heard of it */
        f.fd = accept(f.listener, NULL, NULL);
        if (f.fd < 0)
            continue;
        taken++;
        close(f.fd);
    }
    assert_in_range(taken, 1, 4);
    fcntl(f.listener, F_SETFL, 0);
    assert_true(turn_until(&f, true));
    fake_accept(&f);
    fake_frame(&f, "stays");
    turns(&f, 2);
    assert_true(rig_take(&f.r));
    close(f.fd);
    assert_false(rig_take(&f.r));
    assert_true(turn_until(&f, false));
    for (unsigned i = 0; i < 60 && !f.r.up; i++)
        loop_turn(f.r.loop, 5);
    assert_true(f.r.up); /* soon, as at first */
    fake_accept(&f);
    fake_done(&f);
}

static void test_refused(void **state)
{
    static uint8_t frame[NET_HEADER + NET_FRAME_MAX + 1];
    struct iovec iov = {frame, 0};
    struct fake f;

    (void)state;
    fake_open(&f);
    for (; iov.iov_len < NET_HEADER + 14; iov.iov_len++)
        assert_int_equal(net_send(f.r.net, 0, &iov, 1), -EINVAL);
    assert_int_equal(net_send(f.r.net, 0, &iov, 1), 0);
    iov.iov_len = sizeof(frame);
    assert_int_equal(net_send(f.r.net, 0, &iov, 1), -EINVAL);
    iov.iov_len = NET_HEADER + 65536; /* more than passt takes: it would end the connection */
    assert_int_equal(net_send(f.r.net, 0, &iov, 1), -EINVAL);
    iov.iov_len--;
    assert_int_equal(net_send(f.r.net, 0, &iov, 1), 0);
    iov.iov_len = 100;
    frame[1] = NET_GSO_TCPV4;
    assert_int_equal(net_send(f.r.net, 0, &iov, 1), -EINVAL);
    fake_done(&f);
}

static void test_errors(void **state)
{
    char longer[200];
    struct loop *loop = loop_new("x", NULL);
    struct err err;

    (void)state;
    assert_null(net_passt_open(&(struct net_passt_conf){.path = path}, "net0", loop, &err));
    assert_non_null(strstr(err.text, "passt --socket"));
    memset(longer, 'x', sizeof(longer));
    longer[sizeof(longer) - 1] = '\0';
    assert_null(net_passt_open(&(struct net_passt_conf){.path = longer}, "net0", loop, &err));
    assert_non_null(strstr(err.text, "at most 107"));
    loop_free(loop);
}

/* ---- the real one ---- */

static pid_t passt_run(void)
{
    const pid_t pid = fork();

    if (pid)
        return pid;
    close(1);
    dup2(open("/dev/null", O_RDWR), 1);
    dup2(1, 2);
    execlp("passt", "passt", "-q", "-f", "-s", path, "-t", "none", "-u", "none", (char *)NULL);
    _exit(127);
}

static void passt_talk(void)
{
    struct rig_tcp t = {.own = 1000};
    struct net_rig r;
    const uint8_t *ack, *o;
    uint8_t *data;
    size_t len;
    int listener, fd;

    rig_open(&r);
    ack = rig_dhcp(&r, &len);
    assert_true(r.ip != 0);
    o = dhcp_option(ack, len, 3);
    assert_non_null(o);
    t.to = get32(o); /* passt leads the gateway's address to the host's loopback */
    listener = host_listen(SOCK_STREAM, &t.port);
    tcp_send(&r, &t, TCP_SYN, NULL, 0);
    assert_int_equal(tcp_wait(&r, &t, TCP_SYN, &data), 0);
    tcp_send(&r, &t, TCP_ACK, NULL, 0);
    fd = accept(listener, NULL, NULL);
    poll(NULL, 0, 50);
    tcp_send(&r, &t, TCP_ACK | TCP_PSH, "through passt", 13);
    assert_int_equal(recv(fd, r.frame, 13, MSG_WAITALL), 13);
    assert_memory_equal(r.frame, "through passt", 13);
    assert_int_equal(send(fd, "and back", 8, 0), 8);
    assert_int_equal(tcp_wait(&r, &t, 0, &data), 8);
    assert_memory_equal(data, "and back", 8);
    close(fd);
    close(listener);
    rig_done(&r);
}

static void test_real(void **state)
{
    struct stat st;
    int status = 0;
    pid_t pid;

    (void)state;
    if (access("/usr/bin/passt", X_OK) != 0)
        skip();
    unlink(path);
    pid = passt_run();
    for (unsigned i = 0; i < 200 && stat(path, &st) < 0; i++)
        poll(NULL, 0, 10);
    if (stat(path, &st) < 0)
        fail_msg("passt does not start");
    passt_talk();
    kill(pid, SIGTERM);
    waitpid(pid, &status, 0);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways),       cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_slow_reader),     cmocka_unit_test(test_reconnect),
        cmocka_unit_test(test_gone_while_full), cmocka_unit_test(test_bad_lengths),
        cmocka_unit_test(test_hangs_up),        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_errors),          cmocka_unit_test(test_real),
    };
    int ret;

    if (!mkdtemp(dir))
        return 1;
    chmod(dir, 0777); /* passt makes itself nobody */
    snprintf(path, sizeof(path), "%s/s", dir);
    ret = cmocka_run_group_tests_name("net-passt", tests, NULL, NULL);
    unlink(path);
    rmdir(dir);
    return ret;
}
