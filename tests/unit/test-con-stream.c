// SPDX-License-Identifier: MIT
/* The console on pipes, sockets and files, and the ring behind it: X02, H20, H22, K10. */
#include "tests/unit/con-rig.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "vmm/base/bits.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pipes),       cmocka_unit_test(test_flood),
        cmocka_unit_test(test_no_reader),   cmocka_unit_test(test_busy),
        cmocka_unit_test(test_reader_gone), cmocka_unit_test(test_drain),
        cmocka_unit_test(test_sockets),     cmocka_unit_test(test_files),
        cmocka_unit_test(test_full_disk),   cmocka_unit_test(test_closed),
    };

    alarm(120);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
