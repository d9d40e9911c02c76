// SPDX-License-Identifier: MIT
/* Consoles on pseudo terminals, sockets and files: H40, K10. */
#include "tests/unit/con-rig.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>

#include "devices/backend/con-files.h"
#include "vmm/base/bits.h"
#include "vmm/base/usock.h"

static char dir[64], path[96];

static void path_make(const char *name)
{
    snprintf(path, sizeof(path), "%s/%s", dir, name);
}

static unsigned opens;

static void front_opened(void *arg)
{
    (void)arg;
    opens++;
}

static const struct chr_front watchful = {
    .room = front_room, .input = front_input, .writable = front_writable, .opened = front_opened};
static const struct chr_front waiting = {.room = front_room,
                                         .input = front_input,
                                         .writable = front_writable,
                                         .opened = front_opened,
                                         .patient = true};

static void rig_begin(struct rig *r)
{
    memset(r, 0, sizeof(*r));
    opens = 0;
    r->loop = loop_new("test", NULL);
    assert_non_null(r->loop);
}

static void rig_front(struct rig *r, struct chr *chr, const struct chr_front *how)
{
    assert_non_null(chr);
    r->chr = chr;
    chr_set_front(chr, how, r);
}

static void rig_socket(struct rig *r, const struct chr_front *how)
{
    rig_begin(r);
    path_make("s");
    rig_front(r, con_socket_new(r->loop, "test", path, NULL), how);
}

static int client(void)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

/* ---- files ---- */

static void test_file(void **state)
{
    struct rig r;
    struct stat st;
    char text[32];
    int fd;

    (void)state;
    path_make("log");
    for (int i = 0; i < 2; i++) { /* what was there stays */
        rig_begin(&r);
        rig_front(&r, con_file_new(r.loop, "test", path, NULL), &watchful);
        give_room(&r, 100);
        chr_write(r.chr, i ? "two\n" : "one\n", 4);
        assert_true(rest(&r));
        assert_true(chr_is_open(r.chr));
        rig_close(&r);
    }
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    fd = open(path, O_RDONLY);
    assert_int_equal(read(fd, text, sizeof(text)), 8);
    assert_memory_equal(text, "one\ntwo\n", 8);
    assert_int_equal(r.got_len, 0);
    close(fd);
}

static void test_file_refused(void **state)
{
    struct rig r;
    struct err err;

    (void)state;
    rig_begin(&r);
    assert_null(con_file_new(r.loop, "--console", dir, &err));
    assert_non_null(strstr(err.text, dir));
    path_make("fifo");
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_null(con_file_new(r.loop, "--console", path, &err));
    assert_non_null(strstr(err.text, "nobody reads"));
    loop_free(r.loop);
}

/* A pipe whose reader is slow, and then goes. */
static void test_file_pipe(void **state)
{
    enum { LEN = 300000 };
    static char text[LEN];
    struct rig r;
    size_t n = 0;
    int fd;

    (void)state;
    rig_begin(&r);
    path_make("fifo");
    fd = open(path, O_RDONLY | O_NONBLOCK);
    assert_true(fd >= 0);
    rig_front(&r, con_file_new(r.loop, "test", path, NULL), &watchful);
    chr_write(r.chr, text, LEN);
    assert_true(rest(&r));
    for (size_t more = 1; more; n += more) {
        more = take(fd, text, sizeof(text));
        assert_true(rest(&r));
    }
    assert_int_equal(n, LEN);
    close(fd);
    for (int i = 0; i < 3; i++) {
        chr_write(r.chr, "x", 1);
        assert_true(rest(&r));
    }
    assert_int_equal(chr_lost(r.chr), 3);
    rig_close(&r);
}

/* ---- pseudo terminals ---- */

static void test_pty(void **state)
{
    struct rig r;
    char text[32];
    int fd;

    (void)state;
    rig_begin(&r);
    rig_front(&r, con_pty_new(r.loop, "test", NULL), &watchful);
    chr_write(r.chr, "before\n", 7);
    assert_true(rest(&r));
    for (int i = 0; i < 3; i++) { /* users come and go */
        fd = open(con_pty_path(r.chr), O_RDWR | O_NOCTTY | O_CLOEXEC);
        assert_true(fd >= 0);
        if (i == 0) {
            assert_int_equal(take(fd, text, sizeof(text)), 7);
            assert_memory_equal(text, "before\n", 7); /* no CR was added */
        }
        put_all(fd, "\3ab\r", 4);
        assert_true(rest(&r));
        assert_int_equal(r.got_len, 0); /* no room */
        give_room(&r, 100);
        assert_true(rest(&r));
        assert_int_equal(r.got_len, 4);
        assert_memory_equal(r.got, "\3ab\r", 4);
        r.got_len = r.room = 0;
        chr_write(r.chr, "out", 3);
        assert_true(rest(&r));
        assert_int_equal(take(fd, text, sizeof(text)), 3);
        close(fd);
        assert_true(rest(&r)); /* nothing spins */
    }
    assert_int_equal(chr_lost(r.chr), 0);
    rig_close(&r);
}

/* ---- sockets ---- */

static void test_socket(void **state)
{
    struct rig r;
    struct stat st;
    char text[32];

    (void)state;
    rig_socket(&r, &watchful);
    assert_int_equal(lstat(path, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_false(chr_is_open(r.chr));
    chr_write(r.chr, "nobody", 6);
    assert_true(rest(&r));
    assert_int_equal(chr_lost(r.chr), 6);
    for (unsigned i = 1; i <= 5; i++) {
        const int fd = client();

        assert_true(rest(&r));
        assert_true(chr_is_open(r.chr));
        assert_int_equal(opens, 2 * i - 1);
        chr_write(r.chr, "hello", 5);
        put_all(fd, "you", 3);
        give_room(&r, 100);
        assert_true(rest(&r));
        assert_int_equal(take(fd, text, sizeof(text)), 5);
        assert_memory_equal(text, "hello", 5);
        assert_int_equal(r.got_len, 3 * i);
        close(fd);
        assert_true(rest(&r));
        assert_false(chr_is_open(r.chr));
        assert_int_equal(opens, 2 * i);
    }
    rig_close(&r);
    assert_int_equal(lstat(path, &st), -1);
}

/* One at a time; the next one may come as soon as the first has gone, even if we do not know. */
static void test_socket_second(void **state)
{
    struct rig r;
    char text[32];
    int a, b;

    (void)state;
    rig_socket(&r, &watchful);
    give_room(&r, 100);
    a = client();
    assert_true(rest(&r));
    b = client();
    assert_true(rest(&r));
    assert_int_equal(read(b, text, sizeof(text)), 0);
    close(b);
    put_all(a, "still", 5);
    assert_true(rest(&r));
    assert_int_equal(r.got_len, 5);
    r.room = 0;
    put_all(a, "unread", 6);
    close(a);
    b = client();
    assert_true(rest(&r));
    chr_write(r.chr, "new", 3);
    assert_true(rest(&r));
    assert_int_equal(take(b, text, sizeof(text)), 3);
    close(b);
    rig_close(&r);
}

/* What a client sent before it went is read to the end, and nothing spins meanwhile. */
static void test_socket_last_words(void **state)
{
    struct rig r;
    int fd;

    (void)state;
    rig_socket(&r, &watchful);
    fd = client();
    assert_true(rest(&r));
    put_all(fd, "last words", 10);
    close(fd);
    assert_true(rest(&r));
    assert_true(chr_is_open(r.chr));
    give_room(&r, 4);
    assert_true(rest(&r));
    assert_true(chr_is_open(r.chr));
    give_room(&r, 100);
    assert_true(rest(&r));
    assert_int_equal(r.got_len, 10);
    assert_memory_equal(r.got, "last words", 10);
    assert_false(chr_is_open(r.chr));
    rig_close(&r);
}

/* A client that has said all that it wants to say may listen on. */
static void test_socket_half(void **state)
{
    struct rig r;
    char text[32];
    int fd;

    (void)state;
    rig_socket(&r, &watchful);
    give_room(&r, 100);
    fd = client();
    put_all(fd, "question", 8);
    shutdown(fd, SHUT_WR);
    assert_true(rest(&r));
    assert_int_equal(r.got_len, 8);
    assert_true(chr_is_open(r.chr));
    chr_write(r.chr, "answer", 6);
    assert_true(rest(&r));
    assert_int_equal(take(fd, text, sizeof(text)), 6);
    close(fd);
    assert_true(rest(&r));
    assert_false(chr_is_open(r.chr));
    rig_close(&r);
}

/* Fill until it is busy. Returns the bytes that went in. */
static size_t fill(struct rig *r)
{
    static char block[65536];
    size_t n = 0;

    for (; n < 16 * MIB && !chr_busy(r->chr); n += sizeof(block)) {
        chr_write(r->chr, block, sizeof(block));
        loop_turn(r->loop, 1);
    }
    return n;
}

/* Who may wait does so for as long as the client is there, and then no longer. */
static void test_socket_patient(void **state)
{
    static char text[4 * MIB];
    struct rig r;
    uint64_t end;
    size_t in, n = 0;
    int fd;

    (void)state;
    rig_socket(&r, &waiting);
    fd = client();
    assert_true(rest(&r));
    in = fill(&r);
    for (end = clock_ns() + 2 * CHR_HOLD_MS * UINT64_C(1000000); clock_ns() < end;)
        loop_turn(r.loop, 20);
    assert_int_equal(r.writables, 0);
    for (unsigned quiet = 0; quiet < 20;) {
        const size_t more = take(fd, text, sizeof(text));

        n += more;
        quiet = more ? 0 : quiet + 1;
        loop_turn(r.loop, 5);
    }
    assert_int_equal(n, in);
    assert_int_equal(r.writables, 1);
    assert_int_equal(chr_lost(r.chr), 0);
    fill(&r);
    close(fd);
    assert_true(rest(&r));
    assert_int_equal(r.writables, 2);
    assert_false(chr_busy(r.chr));
    rig_close(&r);
}

/* The others are let go after a moment: the oldest is lost, memory is bounded. */
static void test_socket_impatient(void **state)
{
    struct rig r;
    uint64_t end;
    int fd;

    (void)state;
    rig_socket(&r, &watchful);
    fd = client();
    assert_true(rest(&r));
    fill(&r);
    for (end = clock_ns() + 8 * CHR_HOLD_MS * UINT64_C(1000000); !r.writables && clock_ns() < end;)
        loop_turn(r.loop, 20);
    assert_int_equal(r.writables, 1);
    assert_int_equal(fill(&r), 16 * MIB);
    assert_true(chr_lost(r.chr) > 0);
    close(fd);
    rig_close(&r);
}

/* A console is shared with one who comes through the control socket: the same output, input of
 * both; whoever does not read holds up nobody, and loses the oldest. */
static void test_shared(void **state)
{
    static char much[3 * CHR_RING], taken[64 << 10];
    struct rig r;
    struct chr *second;
    char text[32];
    int a, pair[2], other[2];

    (void)state;
    rig_socket(&r, &watchful);
    second = con_socket_new_hidden(r.loop, "second", NULL);
    assert_non_null(second);
    chr_set_second(r.chr, second);
    a = client();
    assert_true(rest(&r));
    chr_write(r.chr, "alone", 5);
    assert_true(rest(&r));
    assert_int_equal(take(a, text, sizeof(text)), 5);
    assert_false(con_socket_taken(second));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    con_socket_take(second, pair[0]);
    assert_true(con_socket_taken(second));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, other), 0);
    con_socket_take(second, other[0]); /* one at a time */
    assert_int_equal(read(other[1], text, 1), 0);
    close(other[1]);
    chr_write(r.chr, "both", 4);
    put_all(pair[1], "abc", 3);
    put_all(a, "def", 3);
    assert_true(rest(&r));
    assert_int_equal(r.got_len, 0); /* nobody takes it yet */
    give_room(&r, 100);
    assert_true(rest(&r));
    assert_int_equal(r.got_len, 6);
    assert_int_equal(take(a, text, sizeof(text)), 4);
    assert_int_equal(take(pair[1], text, sizeof(text)), 4);
    for (size_t i = 0; i < sizeof(much); i += sizeof(taken)) {
        chr_write(r.chr, much + i, sizeof(taken));
        assert_false(chr_busy(r.chr));
        assert_true(rest(&r));
        while (take(a, taken, sizeof(taken)))
            continue;
    }
    assert_true(chr_lost(second) > CHR_RING);
    close(pair[1]);
    assert_true(rest(&r));
    assert_false(con_socket_taken(second));
    close(a);
    rig_close(&r);
}

/* H40: what a dead process left is replaced; what lives or is no socket is not. */
static void test_socket_path(void **state)
{
    struct rig r, other;
    struct err err;
    struct usock s;
    struct stat st;
    char longer[200];
    int fd;

    (void)state;
    path_make("s");
    assert_int_equal(usock_listen(&s, "test", path, &err), 0);
    close(s.fd); /* as if killed: the file stays */
    rig_socket(&r, &watchful);
    rig_begin(&other);
    assert_null(con_socket_new(other.loop, "--console", path, &err));
    assert_non_null(strstr(err.text, "another program listens"));
    assert_non_null(strstr(err.text, "--console"));
    assert_int_equal(lstat(path, &st), 0); /* and is not taken away */
    unlink(path);
    fd = open(path, O_CREAT | O_WRONLY, 0600);
    rig_close(&r);
    assert_int_equal(lstat(path, &st), 0); /* not ours any more */
    assert_null(con_socket_new(other.loop, "--console", path, &err));
    assert_non_null(strstr(err.text, "not a socket"));
    close(fd);
    unlink(path);
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    assert_null(con_socket_new(other.loop, "--console", longer, &err));
    assert_non_null(strstr(err.text, "longer than"));
    assert_null(con_socket_new(other.loop, "--console", "/nowhere/at/all", &err));
    assert_non_null(strstr(err.text, "/nowhere/at/all"));
    loop_free(other.loop);
}

static int dir_make(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/test-con-files.XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int dir_remove(void **state)
{
    static const char *const names[] = {"log", "fifo", "s"};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        path_make(names[i]);
        unlink(path);
    }
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_file_refused),
        cmocka_unit_test(test_file_pipe),
        cmocka_unit_test(test_pty),
        cmocka_unit_test(test_socket),
        cmocka_unit_test(test_socket_second),
        cmocka_unit_test(test_shared),
        cmocka_unit_test(test_socket_last_words),
        cmocka_unit_test(test_socket_half),
        cmocka_unit_test(test_socket_patient),
        cmocka_unit_test(test_socket_impatient),
        cmocka_unit_test(test_socket_path),
    };

    alarm(120);
    return cmocka_run_group_tests(tests, dir_make, dir_remove);
}
