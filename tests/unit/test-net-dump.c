// SPDX-License-Identifier: MIT
/* What the file of frames holds, and that it never holds up the network. */
#include "tests/unit/net-rig.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include "devices/backend/net-dump.h"

static char dir[] = "/tmp/test-net-dump-XXXXXX";
static char path[64];

/* ---- a network whose frames come from the test: what is sent comes back ---- */

struct echo {
    struct net net;
    struct net_queue queue;
    int refuse; /* -errno */
};

static int echo_send(struct net *net, unsigned pair, const struct iovec *iov, unsigned n)
{
    struct echo *e = (struct echo *)net;
    uint8_t frame[70000];
    const size_t len = net_iov_get(iov, n, NET_HEADER, frame, sizeof(frame));

    (void)pair;
    if (!e->refuse)
        assert_true(net_queue_put(&e->queue, frame, len));
    return e->refuse;
}

static int64_t echo_receive(struct net *net, unsigned pair, const struct iovec *iov, unsigned n)
{
    (void)pair;
    return net_queue_get(&((struct echo *)net)->queue, iov, n);
}

static int echo_lend(struct net *net, unsigned pair, bool lent)
{
    (void)net;
    (void)pair;
    (void)lent;
    return 5;
}

static void echo_close(struct net *net)
{
    net_queue_clear(&((struct echo *)net)->queue);
}

static const struct net_ops echo_ops = {.name = "echo",
                                        .send = echo_send,
                                        .receive = echo_receive,
                                        .lend = echo_lend,
                                        .close = echo_close};

static void echo_open(struct echo *e, const char *to)
{
    struct err err;

    *e = (struct echo){.net = {.ops = &echo_ops, .pairs = 1}, .queue = {.max = 1 << 20}};
    e->net.dump = net_dump_open(to, "net0", &err);
    if (!e->net.dump)
        fail_msg("%s", err.text);
}

static int frame_send(struct echo *e, const void *frame, size_t len)
{
    uint8_t header[NET_HEADER] = {NET_HDR_NEEDS_CSUM};
    const struct iovec iov[] = {{header, 5},
                                {header + 5, 7},
                                {(void *)(uintptr_t)frame, 1},
                                {(uint8_t *)(uintptr_t)frame + 1, len - 1}};

    return net_send(&e->net, 0, iov, 4);
}

/* ---- reading the file: format as tcpdump's manual says ---- */

static uint8_t *file_read(size_t *len)
{
    static uint8_t data[8 * 1024 * 1024];
    const int fd = open(path, O_RDONLY);
    ssize_t n;

    *len = 0;
    assert_true(fd >= 0);
    while ((n = read(fd, data + *len, sizeof(data) - *len)) > 0)
        *len += (size_t)n;
    close(fd);
    return data;
}

static uint32_t word(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, 4);
    return v;
}

/* All frames whole; how many. */
static unsigned file_check(void)
{
    size_t len, at = 24;
    const uint8_t *d = file_read(&len);
    unsigned n = 0;

    assert_true(len >= at);
    assert_true(word(d) == 0xa1b23c4d && word(d + 20) == 1);
    assert_memory_equal(d + 4, "\2\0\4\0\0\0\0\0\0\0\0\0", 12);
    assert_true(word(d + 16) >= 65535);
    for (; at < len; n++) {
        assert_true(at + 16 <= len);
        assert_true(word(d + at + 4) < 1000000000);
        assert_int_equal(word(d + at + 8), word(d + at + 12));
        at += 16 + word(d + at + 8);
    }
    assert_int_equal(at, len);
    return n;
}

static void test_both_ways(void **state)
{
    uint8_t in[2000];
    const struct iovec iov = {in, sizeof(in)};
    const time_t now = time(NULL);
    const uint8_t *d;
    struct stat st;
    struct echo e;
    size_t len;

    (void)state;
    echo_open(&e, path);
    assert_int_equal(frame_send(&e, "out and back", 12), 0);
    assert_int_equal(net_receive(&e.net, 0, &iov, 1), NET_HEADER + 12);
    e.refuse = -EAGAIN; /* not yet on the network */
    assert_int_equal(frame_send(&e, "later", 5), -EAGAIN);
    e.refuse = 0;
    assert_int_equal(net_receive(&e.net, 0, &iov, 1), -EAGAIN);
    assert_int_equal(net_lend(&e.net, 0, true), -1); /* it would not see those */
    net_close(&e.net);
    assert_int_equal(file_check(), 2);
    d = file_read(&len);
    assert_int_equal(len, 24 + 2 * (16 + 12));
    assert_in_range(word(d + 24), now - 1, now + 60);
    assert_memory_equal(d + 24 + 16, "out and back", 12);
    assert_memory_equal(d + 24 + 28 + 16, "out and back", 12);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

/* A frame that was cut off is there as far as it was got. */
static void test_cut(void **state)
{
    uint8_t in[NET_HEADER + 10];
    const struct iovec iov = {in, sizeof(in)};
    struct echo e;
    size_t len;
    const uint8_t *d;

    (void)state;
    echo_open(&e, path);
    frame_send(&e, "0123456789abcdef", 16);
    assert_int_equal(net_receive(&e.net, 0, &iov, 1), NET_HEADER + 16);
    net_close(&e.net);
    d = file_read(&len);
    assert_int_equal(len, 24 + 32 + 26);
    assert_int_equal(word(d + 24 + 32 + 8), 10);
    assert_int_equal(word(d + 24 + 32 + 12), 16);
}

static uint64_t flood(struct echo *e, unsigned n)
{
    static uint8_t frame[1500];
    const uint64_t start = clock_ns();

    for (unsigned i = 0; i < n; i++)
        assert_int_equal(frame_send(e, frame, sizeof(frame)), 0);
    return clock_ns() - start;
}

/* A pipe that nobody reads: the network does not wait, nor does the end. */
static void test_unread_pipe(void **state)
{
    uint64_t start;
    struct echo e;

    (void)state;
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    echo_open(&e, path);
    e.queue.max = 1 << 20;
    assert_true(flood(&e, 5000) < UINT64_C(3000000000));
    start = clock_ns();
    net_close(&e.net);
    assert_true(clock_ns() - start < UINT64_C(2000000000));
    unlink(path);
}

static void test_pipe(void **state)
{
    uint8_t data[4096];
    size_t len = 0;
    struct echo e;
    int fd;

    (void)state;
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    fd = open(path, O_RDONLY | O_NONBLOCK);
    echo_open(&e, path);
    frame_send(&e, "piped", 5);
    for (unsigned i = 0; i < 500 && len < 24 + 21; i++) {
        const ssize_t n = read(fd, data + len, sizeof(data) - len);

        len += n > 0 ? (size_t)n : 0;
        poll(NULL, 0, 5);
    }
    assert_int_equal(len, 24 + 21);
    assert_memory_equal(data + 40, "piped", 5);
    net_close(&e.net);
    close(fd);
    unlink(path);
}

/* A full disk: the file ends with a whole frame, the network goes on. */
static void test_full(void **state)
{
    struct rlimit old, small;
    struct echo e;

    (void)state;
    getrlimit(RLIMIT_FSIZE, &old);
    small = (struct rlimit){.rlim_cur = 100000, .rlim_max = old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    echo_open(&e, path);
    flood(&e, 100);
    poll(NULL, 0, 100);
    flood(&e, 2000);
    assert_int_equal(e.net.sent, 2100);
    net_close(&e.net);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(file_check(), (100000 - 24) / 1516); /* as many as fit */
}

static void test_errors(void **state)
{
    struct err err;

    (void)state;
    assert_null(net_dump_open("/nowhere/x.pcap", "net0", &err));
    assert_non_null(strstr(err.text, "/nowhere/x.pcap"));
    assert_null(net_dump_open("/tmp", "net0", &err));
    net_dump_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways),   cmocka_unit_test(test_cut),
        cmocka_unit_test(test_unread_pipe), cmocka_unit_test(test_pipe),
        cmocka_unit_test(test_full),        cmocka_unit_test(test_errors),
    };
    int ret;

    signal(SIGXFSZ, SIG_IGN);
    if (!mkdtemp(dir))
        return 1;
    snprintf(path, sizeof(path), "%s/x.pcap", dir);
    ret = cmocka_run_group_tests_name("net-dump", tests, NULL, NULL);
    unlink(path);
    rmdir(dir);
    return ret;
}
