// SPDX-License-Identifier: MIT
/* What a console has written while nobody was there: who comes late is shown it, H20. */
#include "tests/unit/con-rig.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "devices/backend/con-files.h"
#include "vmm/base/bits.h"

static char dir[64], path[96];

static const struct chr_front lasting = {
    .room = front_room, .input = front_input, .writable = front_writable, .backlog = true};

static void rig_begin(struct rig *r)
{
    memset(r, 0, sizeof(*r));
    r->loop = loop_new("test", NULL);
    assert_non_null(r->loop);
}

static void rig_front(struct rig *r, struct chr *chr)
{
    assert_non_null(chr);
    r->chr = chr;
    chr_set_front(chr, &lasting, r);
}

static int client(void)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

/* Write lines that are numbered, far more than a ring holds. */
enum { LINES = 300000, LINE = 8 };

static void write_lines(struct rig *r)
{
    char line[LINE + 1];

    for (unsigned i = 0; i < LINES; i++) {
        snprintf(line, sizeof(line), "%07u\n", i);
        chr_write(r->chr, line, LINE);
        if (i % 1000 == 0)
            loop_turn(r->loop, 0);
    }
    assert_true(rest(r));
}

/* What is left of them comes from fd, to the last; returns how much. */
static size_t read_lines(struct rig *r, int fd)
{
    static char text[3 * MIB];
    char line[LINE + 1];
    size_t n = 0;

    for (unsigned quiet = 0; quiet < 20;) {
        const size_t more = take(fd, text + n, sizeof(text) - n);

        n += more;
        quiet = more ? 0 : quiet + 1;
        loop_turn(r->loop, 5);
    }
    assert_true(n >= CHR_RING);
    for (unsigned i = 0; i < CHR_RING / LINE; i++) {
        snprintf(line, sizeof(line), "%07u\n", LINES - 1 - i);
        assert_memory_equal(text + n - (i + 1) * LINE, line, LINE);
    }
    return n;
}

/* H20: the newest of what nobody reads is there for somebody who comes late. */
static void test_pty_backlog(void **state)
{
    struct rig r;
    int fd;

    (void)state;
    rig_begin(&r);
    rig_front(&r, con_pty_new(r.loop, "test", NULL));
    write_lines(&r);
    fd = open(con_pty_path(r.chr), O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_int_equal(read_lines(&r, fd) + chr_lost(r.chr), (uint64_t)LINES * LINE);
    close(fd);
    rig_close(&r);
}

/* H20 again: the same before the first client, and between two; nobody is held up by that. */
static void test_socket_backlog(void **state)
{
    struct rig r;
    char text[32];
    int fd;

    (void)state;
    rig_begin(&r);
    rig_front(&r, con_socket_new(r.loop, "test", path, NULL));
    give_room(&r, 100);
    for (unsigned i = 0; i < 2; i++) {
        const uint64_t lost = chr_lost(r.chr);

        write_lines(&r);
        assert_false(chr_busy(r.chr));
        fd = client();
        assert_int_equal(read_lines(&r, fd), CHR_RING);
        assert_int_equal(chr_lost(r.chr) - lost, LINES * LINE - CHR_RING);
        chr_write(r.chr, "live", 4);
        assert_true(rest(&r));
        assert_int_equal(take(fd, text, sizeof(text)), 4);
        close(fd);
        assert_true(rest(&r));
        assert_false(chr_is_open(r.chr));
    }
    chr_write(r.chr, "unread", 6);
    assert_int_equal(chr_drain(r.chr, 60000), 6); /* at the end nobody is waited for */
    rig_close(&r);
}

/* A client that went, and we cannot know: what it left has not been read. */
static void test_socket_backlog_unread(void **state)
{
    struct rig r;
    char text[32];
    int fd;

    (void)state;
    rig_begin(&r);
    rig_front(&r, con_socket_new(r.loop, "test", path, NULL));
    fd = client();
    assert_true(rest(&r));
    put_all(fd, "left", 4);
    close(fd);
    assert_true(rest(&r));
    assert_true(chr_is_open(r.chr));
    chr_write(r.chr, "kept", 4);
    assert_true(rest(&r)); /* nothing spins */
    fd = client();
    assert_true(rest(&r));
    assert_int_equal(take(fd, text, sizeof(text)), 4);
    assert_memory_equal(text, "kept", 4);
    assert_int_equal(chr_lost(r.chr), 0);
    close(fd);
    rig_close(&r);
}

static int dir_make(void **state)
{
    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/test-con-backlog.XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof(path), "%s/s", dir);
    return 0;
}

static int dir_remove(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pty_backlog),
        cmocka_unit_test(test_socket_backlog),
        cmocka_unit_test(test_socket_backlog_unread),
    };

    alarm(120);
    return cmocka_run_group_tests(tests, dir_make, dir_remove);
}
