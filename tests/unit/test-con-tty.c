// SPDX-License-Identifier: MIT
/* The console on a terminal: keys, modes and their return, size; H20, H23, H26. */
#include "tests/unit/con-rig.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>

#include "vmm/base/bits.h"

enum { CHILD_S = 20 };

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
    assert_int_equal(r.got_len, 7);
    assert_memory_equal(r.got, "a\3\1b\1cd", 7); /* H26: Ctrl-C is a byte */
    type(&r, &p, "z");
    assert_int_equal(r.got_len, 7); /* Ctrl-A in one read, its key in the next */
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

/* More than is kept, of which the guest reads nothing, or a little and then nothing. */
static void typed_ahead(size_t room)
{
    static char block[5000];
    struct pty p = pty_open();
    struct rig r;

    memset(block, 'a', sizeof(block));
    rig_open(&r, p.slave, p.slave);
    give_room(&r, room);
    put_all(p.master, block, sizeof(block));
    assert_true(rest(&r));
    put_all(p.master, "\1x", 2);
    for (int i = 0; i < 200 && !r.quits; i++)
        loop_turn(r.loop, 50);
    assert_int_equal(r.quits, 1);
    assert_int_equal(r.got_len, room);
    type(&r, &p, "\1x"); /* at once now */
    assert_int_equal(r.quits, 2);
    give_room(&r, GOT_MAX - room);
    assert_true(rest(&r));
    assert_int_equal(r.got_len, room + 4096);
    type(&r, &p, "more");
    assert_memory_equal(r.got + room + 4096, "more", 4);
    rig_close(&r);
    pty_close(&p);
}

static void test_keys_behind_much(void **state)
{
    (void)state;
    typed_ahead(0);
    typed_ahead(100);
}

/* A guest that reads slowly gets all that was pasted. */
static void test_paste(void **state)
{
    static uint8_t block[7000];
    struct pty p = pty_open();
    struct rig r;

    (void)state;
    for (size_t i = 0; i < sizeof(block); i++)
        block[i] = (uint8_t)('a' + i % 23);
    rig_open(&r, p.slave, p.slave);
    put_all(p.master, block, sizeof(block));
    for (int i = 0; i < 100 && r.got_len < sizeof(block); i++) {
        assert_true(rest(&r));
        give_room(&r, 100);
    }
    assert_int_equal(r.got_len, sizeof(block));
    assert_memory_equal(r.got, block, sizeof(block));
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

static const int ways[] = {0, SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGABRT, SIGSEGV, SIGBUS};

/* No assertions in here: they would go on with the other tests, in the child. */
static _Noreturn void child_main(const struct pty *p, int ready, int action)
{
    struct rig *r = calloc(1, sizeof(*r));

    alarm(CHILD_S);
    for (unsigned i = 1; i < ARRAY_SIZE(ways); i++)
        signal(ways[i], SIG_DFL); /* the test's own library catches crashes */
    setsid();
    ioctl(p->slave, TIOCSCTTY, 0);
    if (!rig_try(r, p->slave, p->slave) || write(ready, "r", 1) != 1)
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

static void test_ways_out(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(ways); i++) {
        struct pty p = pty_open();
        const pid_t pid = child_start(&p, ways[i]);
        int status = 0;

        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_false(is_raw(&p));
        if (ways[i])
            assert_true(WIFSIGNALED(status) && WTERMSIG(status) == ways[i]);
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

    alarm(CHILD_S);
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
    /* The first three fork: they want a process that has not caught signals yet. */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ways_out),
        cmocka_unit_test(test_stop_and_continue),
        cmocka_unit_test(test_background),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_keys_without_room),
        cmocka_unit_test(test_keys_behind_much),
        cmocka_unit_test(test_paste),
        cmocka_unit_test(test_stopped_terminal),
        cmocka_unit_test(test_window_size),
        cmocka_unit_test(test_one_owner),
        cmocka_unit_test(test_hangup),
    };

    alarm(120);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
