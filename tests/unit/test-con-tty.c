// SPDX-License-Identifier: MIT
/* The console on standard input and output, of whatever kind: X02, H20, H22, H23, H26, K10. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "devices/backend/con-tty.h"
#include "vmm/base/bits.h"

enum { GOT_MAX = 1 << 16, TURNS = 200 };

/* A front end that takes `room` bytes. */
struct rig {
    struct loop *loop;
    struct chr *chr;
    struct con_tty_config config;
    size_t room, got_len;
    uint8_t got[GOT_MAX];
    unsigned breaks, resizes, writables, quits;
};

static size_t front_room(void *arg)
{
    return ((struct rig *)arg)->room;
}

static void front_input(void *arg, const uint8_t *data, size_t len)
{
    struct rig *r = arg;

    assert_true(len && len <= r->room);
    assert_true(len <= GOT_MAX - r->got_len);
    memcpy(r->got + r->got_len, data, len);
    r->got_len += len;
    r->room -= len;
}

static void front_break(void *arg)
{
    ((struct rig *)arg)->breaks++;
}

static void front_resized(void *arg)
{
    ((struct rig *)arg)->resizes++;
}

static void front_writable(void *arg)
{
    ((struct rig *)arg)->writables++;
}

static const struct chr_front front = {front_room, front_input, front_break, front_resized,
                                       front_writable};

static void on_quit(void *arg)
{
    ((struct rig *)arg)->quits++;
}

static const struct con_tty_key keys[] = {{'x', "end the machine", on_quit}, {0, NULL, NULL}};

static void rig_open(struct rig *r, int in_fd, int out_fd)
{
    struct err err = {0};

    memset(r, 0, sizeof(*r));
    r->loop = loop_new("test", NULL);
    r->config = (struct con_tty_config){in_fd, out_fd, keys, r};
    r->chr = con_tty_new(r->loop, &r->config, &err);
    assert_string_equal(err.text, "");
    assert_non_null(r->chr);
    chr_set_front(r->chr, &front, r);
}

static void rig_close(struct rig *r)
{
    chr_free(r->chr);
    loop_free(r->loop);
}

/* Turn the loop until nothing happens for 30 ms. Returns false if it never comes to rest. */
static bool rest(struct rig *r)
{
    for (int i = 0; i < 100000; i++)
        if (!loop_turn(r->loop, 30))
            return true;
    return false;
}

static void give_room(struct rig *r, size_t room)
{
    r->room += room;
    chr_more(r->chr);
}

static void put_all(int fd, const void *data, size_t len)
{
    assert_int_equal(write(fd, data, len), len);
}

/* What can be read now, without waiting. */
static size_t take(int fd, void *to, size_t max)
{
    size_t n = 0;
    struct pollfd pfd = {.fd = fd, .events = POLLIN};

    while (n < max && poll(&pfd, 1, 0) == 1) {
        const ssize_t more = read(fd, (char *)to + n, max - n);

        if (more <= 0)
            break;
        n += (size_t)more;
    }
    return n;
}

static void test_pipes(void **state)
{
    struct rig r;
    char text[32];
    int in[2], out[2];

    (void)state;
    assert_int_equal(pipe(in) | pipe(out), 0);
    rig_open(&r, in[0], out[1]);
    for (const char *p = "hello, world"; *p; p++)
        chr_write(r.chr, p, 1);
    assert_int_equal(take(out[0], text, sizeof(text)), 0); /* in one batch, soon */
    assert_true(rest(&r));
    assert_int_equal(take(out[0], text, sizeof(text)), 12);
    assert_memory_equal(text, "hello, world", 12);
    assert_int_equal(fcntl(out[1], F_GETFL) & O_NONBLOCK, 0);
    assert_int_equal(fcntl(in[0], F_GETFL) & O_NONBLOCK, 0);
    put_all(in[1], "\1xabc", 5); /* no terminal: every byte is meant as it is */
    assert_true(rest(&r));
    assert_int_equal(r.got_len, 0);
    give_room(&r, 3);
    assert_true(rest(&r));
    give_room(&r, 10);
    assert_true(rest(&r));
    assert_int_equal(r.got_len, 5);
    assert_memory_equal(r.got, "\1xabc", 5);
    assert_int_equal(r.quits, 0);
    close(in[1]); /* H22: the end of input is not the end of anything else */
    assert_true(rest(&r));
    chr_write(r.chr, "on", 2);
    assert_true(rest(&r));
    assert_int_equal(take(out[0], text, sizeof(text)), 2);
    rig_close(&r);
    close(in[0]);
    close(out[0]);
    close(out[1]);
}

/* X02: what there is no room for stays in the pipe, but for one block. */
static void test_flood(void **state)
{
    struct rig r;
    char block[4096];
    int in[2];
    int left = 0;

    (void)state;
    memset(block, 'f', sizeof(block));
    assert_int_equal(pipe(in), 0);
    for (int i = 0; i < 10; i++)
        put_all(in[1], block, sizeof(block));
    rig_open(&r, in[0], -1);
    give_room(&r, 16);
    assert_true(rest(&r));
    assert_int_equal(r.got_len, 16);
    assert_int_equal(ioctl(in[0], FIONREAD, &left), 0);
    assert_int_equal(left, 9 * sizeof(block));
    give_room(&r, GOT_MAX - 16);
    assert_true(rest(&r));
    assert_int_equal(r.got_len, 10 * sizeof(block));
    rig_close(&r);
    close(in[0]);
    close(in[1]);
}

/* H20: nobody reads. Nothing blocks, the newest MiB is kept for a late reader, the rest counted. */
static void test_no_reader(void **state)
{
    enum { LINES = 300000, LINE = 8 };
    static char text[3 * MIB];
    struct rig r;
    char line[LINE + 1];
    size_t n = 0;
    int out[2];

    (void)state;
    assert_int_equal(pipe(out), 0);
    rig_open(&r, -1, out[1]);
    for (unsigned i = 0; i < LINES; i++) {
        snprintf(line, sizeof(line), "%07u\n", i);
        chr_write(r.chr, line, LINE);
        if (i % 1000 == 0)
            loop_turn(r.loop, 0);
    }
    assert_true(rest(&r));
    for (size_t more = 1; more;) {
        more = take(out[0], text + n, sizeof(text) - n);
        n += more;
        assert_true(rest(&r));
    }
    assert_int_equal(n + chr_lost(r.chr), (uint64_t)LINES * LINE);
    assert_true(n >= CHR_RING);
    for (unsigned i = LINES - CHR_RING / LINE; i < LINES; i++) {
        snprintf(line, sizeof(line), "%07u\n", i);
        assert_memory_equal(text + n - (size_t)(LINES - i) * LINE, line, LINE);
    }
    rig_close(&r);
    close(out[0]);
    close(out[1]);
}

/* A front end that can hold back is told to, but not for ever. */
static void test_busy(void **state)
{
    static char half[CHR_RING / 2];
    static char text[CHR_RING];
    struct rig r;
    int out[2];

    (void)state;
    assert_int_equal(pipe(out), 0);
    rig_open(&r, -1, out[1]);
    assert_false(chr_busy(r.chr));
    chr_write(r.chr, half, sizeof(half));
    chr_write(r.chr, half, 65536); /* about what the pipe takes */
    assert_true(chr_busy(r.chr));
    for (uint64_t end = clock_ns() + GIB; !r.writables && clock_ns() < end;)
        loop_turn(r.loop, 50);
    assert_int_equal(r.writables, 1);
    assert_false(chr_busy(r.chr)); /* it is dropped from here on */
    for (int i = 0; i < 100; i++) {
        take(out[0], text, sizeof(text));
        loop_turn(r.loop, 5);
    }
    chr_write(r.chr, half, sizeof(half));
    chr_write(r.chr, half, 65536);
    assert_true(chr_busy(r.chr));
    for (int i = 0; i < 100 && r.writables < 2; i++) {
        take(out[0], text, sizeof(text));
        loop_turn(r.loop, 5);
    }
    assert_int_equal(r.writables, 2); /* by the reader this time */
    assert_int_equal(chr_lost(r.chr), 0);
    rig_close(&r);
    close(out[0]);
    close(out[1]);
}

/* K10 */
static void test_reader_gone(void **state)
{
    struct rig r;
    int out[2];

    (void)state;
    assert_int_equal(pipe(out), 0);
    rig_open(&r, -1, out[1]);
    close(out[0]);
    for (int i = 0; i < 3; i++) {
        chr_write(r.chr, "lost", 4);
        assert_true(rest(&r));
    }
    assert_int_equal(chr_lost(r.chr), 12);
    assert_int_equal(chr_drain(r.chr, 100), 0);
    rig_close(&r);
    close(out[1]);
}

static void test_drain(void **state)
{
    static char text[100000];
    struct rig r;
    int out[2];

    (void)state;
    assert_int_equal(pipe(out), 0);
    rig_open(&r, -1, out[1]);
    chr_write(r.chr, text, sizeof(text));
    assert_int_equal(chr_drain(r.chr, 50), sizeof(text) - 65536);
    assert_int_equal(take(out[0], text, sizeof(text)), 65536);
    assert_int_equal(chr_drain(r.chr, 5000), 0);
    rig_close(&r);
    close(out[0]);
    close(out[1]);
}

static void test_sockets(void **state)
{
    struct rig r;
    char text[8];
    int s[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    rig_open(&r, s[0], s[0]);
    put_all(s[1], "in", 2);
    give_room(&r, 100);
    chr_write(r.chr, "out", 3);
    assert_true(rest(&r));
    assert_int_equal(r.got_len, 2);
    assert_int_equal(take(s[1], text, sizeof(text)), 3);
    close(s[1]);
    assert_true(rest(&r));
    chr_write(r.chr, "gone", 4);
    assert_true(rest(&r));
    assert_int_equal(chr_lost(r.chr), 4);
    rig_close(&r);
    close(s[0]);
}

/* epoll refuses regular files; both ends must work all the same. */
static void test_files(void **state)
{
    struct rig r;
    char text[32];
    const int in = memfd_create("in", 0), out = memfd_create("out", 0);

    (void)state;
    put_all(in, "0123456789", 10);
    assert_int_equal(lseek(in, 0, SEEK_SET), 0);
    rig_open(&r, in, out);
    give_room(&r, 4);
    assert_true(rest(&r));
    assert_int_equal(r.got_len, 4);
    give_room(&r, 100);
    assert_true(rest(&r));
    assert_int_equal(r.got_len, 10);
    chr_write(r.chr, "to a file", 9);
    assert_true(rest(&r));
    assert_int_equal(pread(out, text, sizeof(text), 0), 9);
    rig_close(&r);
    close(in);
    close(out);
}

/* A disk that is full loses output, not the machine; later output is tried again. */
static void test_full_disk(void **state)
{
    const int full = open("/dev/full", O_WRONLY), null = open("/dev/null", O_RDONLY);
    struct rig r;

    (void)state;
    rig_open(&r, null, full);
    give_room(&r, 100);
    for (int i = 0; i < 3; i++) {
        chr_write(r.chr, "lost", 4);
        assert_true(rest(&r));
    }
    assert_int_equal(chr_lost(r.chr), 12);
    assert_int_equal(r.got_len, 0);
    rig_close(&r);
    close(full);
    close(null);
}

static void test_closed(void **state)
{
    struct rig r;
    struct chr_size size;

    (void)state;
    rig_open(&r, -1, -1);
    give_room(&r, 100);
    chr_write(r.chr, "x", 1);
    assert_true(rest(&r));
    assert_int_equal(chr_lost(r.chr), 1);
    assert_false(chr_get_size(r.chr, &size));
    rig_close(&r);
}

/* ---- terminals ---- */

struct pty {
    int master, slave;
};

static struct pty pty_open(void)
{
    struct pty p = {.master = posix_openpt(O_RDWR | O_NOCTTY)};

    assert_int_equal(grantpt(p.master) | unlockpt(p.master), 0);
    p.slave = open(ptsname(p.master), O_RDWR | O_NOCTTY);
    assert_true(p.slave >= 0);
    return p;
}

static void pty_close(struct pty *p)
{
    close(p->master);
    close(p->slave);
}

static bool is_raw(const struct pty *p)
{
    struct termios t;

    assert_int_equal(tcgetattr(p->slave, &t), 0);
    return !(t.c_lflag & ICANON);
}

static void type(struct rig *r, const struct pty *p, const char *text)
{
    put_all(p->master, text, strlen(text));
    assert_true(rest(r));
}

static void test_keys(void **state)
{
    struct pty p = pty_open();
    struct rig r;
    char text[1024] = "";

    (void)state;
    rig_open(&r, p.slave, p.slave);
    assert_true(is_raw(&p));
    assert_int_equal(fcntl(p.slave, F_GETFL) & O_NONBLOCK, 0);
    give_room(&r, 1000);
    type(&r, &p, "a\3\1\1b\1ac\1qd\1");
    assert_int_equal(r.got_len, 6);
    assert_memory_equal(r.got, "a\3\1b\1c", 6); /* H26: Ctrl-C is a byte */
    type(&r, &p, "z");
    assert_int_equal(r.got_len, 7);
    assert_int_equal(r.got[6], 'd');
    assert_int_equal(r.quits + r.breaks, 0);
    type(&r, &p, "\1x\1b\1h");
    assert_int_equal(r.quits, 1);
    assert_int_equal(r.breaks, 1);
    take(p.master, text, sizeof(text) - 1);
    assert_non_null(strstr(text, "Ctrl-A x"));
    assert_non_null(strstr(text, "end the machine"));
    rig_close(&r);
    assert_false(is_raw(&p));
    pty_close(&p);
}

/* A guest that does not read must not keep the user from leaving. */
static void test_keys_without_room(void **state)
{
    struct pty p = pty_open();
    struct rig r;

    (void)state;
    rig_open(&r, p.slave, p.slave);
    type(&r, &p, "nobody reads this");
    type(&r, &p, "\1x");
    assert_int_equal(r.quits, 1);
    assert_int_equal(r.got_len, 0);
    give_room(&r, 100);
    assert_true(rest(&r));
    assert_int_equal(r.got_len, 17);
    rig_close(&r);
    pty_close(&p);
}

/* H20: output stopped by the terminal. */
static void test_stopped_terminal(void **state)
{
    static char block[65536];
    struct pty p = pty_open();
    struct rig r;

    (void)state;
    rig_open(&r, p.slave, p.slave);
    for (int i = 0; i < 64; i++) {
        chr_write(r.chr, block, sizeof(block));
        loop_turn(r.loop, 0);
    }
    assert_true(rest(&r));
    assert_true(chr_lost(r.chr) > 0);
    type(&r, &p, "\1x");
    assert_int_equal(r.quits, 1);
    rig_close(&r);
    pty_close(&p);
}

/* H23 */
static void test_window_size(void **state)
{
    struct pty p = pty_open();
    struct winsize ws = {.ws_col = 80, .ws_row = 25};
    struct chr_size size;
    struct rig r;

    (void)state;
    ioctl(p.master, TIOCSWINSZ, &ws);
    rig_open(&r, p.slave, p.slave);
    assert_true(chr_get_size(r.chr, &size));
    assert_int_equal(size.cols, 80);
    assert_int_equal(size.rows, 25);
    for (int i = 0; i < 1000; i++) {
        ws.ws_col = (unsigned short)(100 + i % 7);
        ioctl(p.master, TIOCSWINSZ, &ws);
        raise(SIGWINCH);
        if (i % 100 == 0)
            loop_turn(r.loop, 0);
    }
    assert_true(rest(&r));
    assert_true(r.resizes >= 1 && r.resizes < 5);
    assert_true(chr_get_size(r.chr, &size));
    assert_int_equal(size.cols, ws.ws_col);
    ws.ws_col = 0;
    ioctl(p.master, TIOCSWINSZ, &ws);
    assert_false(chr_get_size(r.chr, &size));
    rig_close(&r);
    pty_close(&p);
}

static void test_one_owner(void **state)
{
    struct pty p = pty_open();
    struct err err = {0};
    struct rig r;

    (void)state;
    rig_open(&r, p.slave, p.slave);
    assert_null(con_tty_new(r.loop, &r.config, &err));
    assert_non_null(strstr(err.text, "already"));
    assert_true(is_raw(&p));
    rig_close(&r);
    assert_false(is_raw(&p));
    pty_close(&p);
}

static void test_hangup(void **state)
{
    struct pty p = pty_open();
    struct rig r;

    (void)state;
    rig_open(&r, p.slave, p.slave);
    close(p.master);
    chr_write(r.chr, "lost", 4);
    assert_true(rest(&r));
    assert_int_equal(chr_lost(r.chr), 4);
    rig_close(&r);
    close(p.slave);
}

/* ---- ways out, each in a process of its own that has the terminal as its controlling one ---- */

static _Noreturn void child_main(const struct pty *p, int ready, int action)
{
    struct rig *r = calloc(1, sizeof(*r));

    setsid();
    ioctl(p->slave, TIOCSCTTY, 0);
    rig_open(r, p->slave, p->slave);
    if (write(ready, "r", 1) != 1)
        _exit(2);
    if (action == 0)
        exit(0);
    if (action > 0)
        raise(action);
    while (!r->quits)
        loop_turn(r->loop, 50);
    exit(r->got_len == 0 ? 0 : 3);
}

static pid_t child_start(const struct pty *p, int action)
{
    int ready[2];
    char byte;
    pid_t pid;

    assert_int_equal(pipe(ready), 0);
    pid = fork();
    if (!pid)
        child_main(p, ready[1], action);
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return pid;
}

static bool sanitized(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    return true;
#endif
#endif
    return false;
}

static void test_ways_out(void **state)
{
    static const int way[] = {0, SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGABRT, SIGSEGV, SIGBUS};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(way); i++) {
        struct pty p = pty_open();
        const pid_t pid = child_start(&p, way[i]);
        int status = 0;

        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_false(is_raw(&p));
        if (way[i] == SIGSEGV || way[i] == SIGBUS || way[i] == SIGABRT)
            assert_true(sanitized() || (WIFSIGNALED(status) && WTERMSIG(status) == way[i]));
        else if (way[i])
            assert_true(WIFSIGNALED(status) && WTERMSIG(status) == way[i]);
        else
            assert_int_equal(status, 0);
        pty_close(&p);
    }
}

static bool becomes_raw(const struct pty *p, bool raw)
{
    for (int i = 0; i < 300; i++, usleep(10000))
        if (is_raw(p) == raw)
            return true;
    return false;
}

static void test_stop_and_continue(void **state)
{
    struct pty p = pty_open();
    const pid_t pid = child_start(&p, -1);
    int status = 0;

    (void)state;
    assert_true(is_raw(&p));
    kill(pid, SIGTSTP);
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
    assert_false(is_raw(&p));
    kill(pid, SIGCONT);
    assert_true(becomes_raw(&p, true));
    put_all(p.master, "\1x", 2);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_false(is_raw(&p));
    pty_close(&p);
}

/* In the background the terminal belongs to others; it is ours when we come to the front. */
static void background_main(const struct pty *p, int go)
{
    pid_t pid;
    char byte;
    int status = 0;

    setsid();
    ioctl(p->slave, TIOCSCTTY, 0);
    signal(SIGTTOU, SIG_IGN);
    pid = fork();
    if (!pid) {
        setpgid(0, 0);
        child_main(p, go, -1); /* setsid() fails: it leads a group */
    }
    if (read(go, &byte, 1) != 1) /* the test says when */
        _exit(4);
    tcsetpgrp(p->slave, pid);
    waitpid(pid, &status, WUNTRACED);
    _exit(WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 5);
}

static void test_background(void **state)
{
    struct pty p = pty_open();
    int s[2], status = 0;
    char byte;
    pid_t pid;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
    pid = fork();
    if (!pid)
        background_main(&p, s[1]);
    assert_int_equal(read(s[0], &byte, 1), 1);
    usleep(100000);
    assert_false(is_raw(&p));
    put_all(s[0], "g", 1);
    assert_true(becomes_raw(&p, true));
    put_all(p.master, "\1x", 2);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_false(is_raw(&p));
    close(s[0]);
    close(s[1]);
    pty_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pipes),
        cmocka_unit_test(test_flood),
        cmocka_unit_test(test_no_reader),
        cmocka_unit_test(test_busy),
        cmocka_unit_test(test_reader_gone),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_sockets),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_closed),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_keys_without_room),
        cmocka_unit_test(test_stopped_terminal),
        cmocka_unit_test(test_window_size),
        cmocka_unit_test(test_one_owner),
        cmocka_unit_test(test_hangup),
        cmocka_unit_test(test_ways_out),
        cmocka_unit_test(test_stop_and_continue),
        cmocka_unit_test(test_background),
    };

    alarm(120);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
