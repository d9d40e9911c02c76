// SPDX-License-Identifier: MIT
/*
 * vmm/base/giov: cursors over pieces of every size, empty ones and unreachable ones included.
 */
#include "vmm/base/giov.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "vmm/base/bits.h"

enum { PIECES = 6 };

static uint8_t a[5], b[1], c[10];

/* 5, 0, 1, 0, 10, 0 bytes. */
static const struct iovec mixed[PIECES] = {{a, 5}, {NULL, 0}, {b, 1}, {a, 0}, {c, 10}, {NULL, 0}};
/* RAM, a hole of 4 bytes, RAM. */
static const struct iovec holed[3] = {{a, 5}, {NULL, 4}, {c, 10}};

static struct gcur fresh(void)
{
    memset(a, 'a', sizeof(a));
    memset(b, 'b', sizeof(b));
    memset(c, 'c', sizeof(c));
    return gcur_make(mixed, PIECES, ORDER_LITTLE);
}

static void get_and_put(void **state)
{
    struct gcur cur = fresh();
    char text[17] = "";

    (void)state;
    assert_int_equal(gcur_left(&cur), 16);
    assert_true(gcur_is_ram(&cur));
    assert_true(gcur_get(&cur, text, 0));
    assert_true(gcur_get(&cur, text, 7));
    assert_memory_equal(text, "aaaaabc", 7);
    assert_int_equal(gcur_left(&cur), 9);
    assert_false(gcur_get(&cur, text, 10)); /* nothing moved */
    assert_int_equal(gcur_left(&cur), 9);
    assert_true(gcur_get(&cur, text, 9));
    assert_int_equal(gcur_left(&cur), 0);
    assert_false(gcur_get(&cur, text, 1));
    assert_true(gcur_get(&cur, text, 0));
    cur = fresh();
    assert_true(gcur_skip(&cur, 4));
    assert_true(gcur_put(&cur, "123456", 6));
    assert_memory_equal(a, "aaaa1", 5);
    assert_memory_equal(b, "2", 1);
    assert_memory_equal(c, "3456cccccc", 10);
    assert_false(gcur_put(&cur, "1234567", 7));
    assert_memory_equal(c, "3456cccccc", 10);
}

static void every_cut(void **state)
{
    char out[16], in[16];

    (void)state;
    memcpy(out, "0123456789abcdef", 16);
    for (unsigned first = 0; first <= 16; first++)
        for (unsigned second = 0; first + second <= 16; second++) {
            struct gcur w = fresh(), r;

            assert_true(gcur_put(&w, out, first) && gcur_put(&w, out + first, second));
            assert_true(gcur_put(&w, out + first + second, 16 - first - second));
            r = gcur_make(mixed, PIECES, ORDER_LITTLE);
            assert_true(gcur_get(&r, in, second) && gcur_get(&r, in + second, 16 - second));
            assert_memory_equal(in, out, 16);
        }
}

static void fill_and_skip(void **state)
{
    struct gcur cur = fresh();

    (void)state;
    assert_false(gcur_skip(&cur, 17));
    assert_false(gcur_skip(&cur, UINT64_MAX));
    assert_true(gcur_skip(&cur, 3));
    assert_true(gcur_fill(&cur, 0, 5));
    assert_memory_equal(a, "aaa\0\0", 5);
    assert_memory_equal(c, "\0\0cccccccc", 10);
    assert_false(gcur_fill(&cur, 0, 9));
    assert_false(gcur_fill(&cur, 0, UINT64_MAX));
    assert_true(gcur_fill(&cur, 0x31, 8));
    assert_memory_equal(c, "\0\00011111111", 10);
}

static void split(void **state)
{
    struct gcur cur = fresh(), head;
    char text[16];

    (void)state;
    assert_false(gcur_split(&cur, 17, &head));
    assert_true(gcur_split(&cur, 6, &head));
    assert_int_equal(gcur_left(&head), 6);
    assert_int_equal(gcur_left(&cur), 10);
    assert_false(gcur_get(&head, text, 7)); /* it ends there */
    assert_true(gcur_get(&head, text, 6));
    assert_memory_equal(text, "aaaaab", 6);
    assert_true(gcur_get(&cur, text, 10));
    assert_true(gcur_split(&cur, 0, &head));
    assert_int_equal(gcur_left(&head), 0);
}

static void numbers(void **state)
{
    uint8_t raw[14];
    const struct iovec v[2] = {{raw, 3}, {raw + 3, 11}};

    (void)state;
    for (unsigned order = ORDER_LITTLE; order <= ORDER_BIG; order++) {
        struct gcur w = gcur_make(v, 2, (enum byte_order)order), r = w;
        uint16_t n16;
        uint32_t n32;
        uint64_t n64;

        assert_true(gcur_put16(&w, 0x1122) && gcur_put32(&w, 0x33445566) &&
                    gcur_put64(&w, UINT64_C(0x778899aabbccddee)));
        assert_false(gcur_put16(&w, 0));
        assert_int_equal(raw[0], order == ORDER_LITTLE ? 0x22 : 0x11);
        assert_int_equal(raw[2], order == ORDER_LITTLE ? 0x66 : 0x33);
        assert_int_equal(raw[13], order == ORDER_LITTLE ? 0x77 : 0xee);
        assert_true(gcur_get16(&r, &n16) && gcur_get32(&r, &n32) && gcur_get64(&r, &n64));
        assert_true(n16 == 0x1122 && n32 == 0x33445566 && n64 == UINT64_C(0x778899aabbccddee));
        assert_false(gcur_get32(&r, &n32));
    }
}

static void holes_are_not_crossed(void **state)
{
    struct gcur cur = gcur_make(holed, 3, ORDER_LITTLE);
    struct iovec v[4];
    uint64_t bytes;
    char text[19];

    (void)state;
    fresh();
    assert_int_equal(gcur_left(&cur), 19);
    assert_false(gcur_is_ram(&cur));
    assert_false(gcur_get(&cur, text, 6));
    assert_false(gcur_put(&cur, "xxxxxx", 6));
    assert_false(gcur_fill(&cur, 'x', 19));
    assert_memory_equal(a, "aaaaa", 5); /* all or nothing */
    assert_int_equal(gcur_iov(&cur, 19, v, 4, &bytes), -EFAULT);
    assert_true(gcur_get(&cur, text, 5));
    assert_false(gcur_get(&cur, text, 1));
    assert_true(gcur_skip(&cur, 4));
    assert_true(gcur_is_ram(&cur));
    assert_true(gcur_put(&cur, "yy", 2));
    assert_memory_equal(c, "yycccccccc", 10);
}

static void iov(void **state)
{
    struct gcur cur = fresh();
    struct iovec v[PIECES];
    uint64_t bytes;

    (void)state;
    assert_int_equal(gcur_iov(&cur, UINT64_MAX, v, PIECES, &bytes), 3); /* no empty pieces */
    assert_int_equal(bytes, 16);
    assert_int_equal(gcur_iov(&cur, 16, v, 2, &bytes), 2);
    assert_int_equal(bytes, 6);
    assert_int_equal(gcur_iov(&cur, 0, v, 2, &bytes), 0);
    assert_true(gcur_skip(&cur, 2));
    assert_int_equal(gcur_iov(&cur, 5, v, PIECES, &bytes), 3);
    assert_ptr_equal(v[0].iov_base, a + 2);
    assert_int_equal(v[2].iov_len, 1);
    assert_int_equal(gcur_left(&cur), 14); /* it did not move */
}

static void files(void **state)
{
    struct gcur cur = fresh();
    char text[16];
    int fd[2];

    (void)state;
    assert_int_equal(pipe2(fd, O_NONBLOCK), 0);
    assert_int_equal(gcur_to_fd(&cur, fd[1], 12), 12);
    assert_int_equal(gcur_left(&cur), 4);
    assert_int_equal(read(fd[0], text, 16), 12);
    assert_memory_equal(text, "aaaaabcccccc", 12);
    cur = fresh();
    assert_int_equal(gcur_from_fd(&cur, fd[0], 16), -EAGAIN);
    assert_int_equal(gcur_left(&cur), 16);
    assert_int_equal(write(fd[1], "1234567", 7), 7);
    assert_int_equal(gcur_from_fd(&cur, fd[0], 16), 7);
    assert_int_equal(gcur_left(&cur), 9);
    assert_memory_equal(c, "7ccccccccc", 10);
    close(fd[1]);
    assert_int_equal(gcur_from_fd(&cur, fd[0], 16), 0);
    close(fd[0]);
    assert_int_equal(gcur_from_fd(&cur, fd[0], 16), -EBADF);
}

/* More pieces than one call may have (IOV_MAX). */
static void many_pieces(void **state)
{
    static struct iovec v[3000];
    static uint8_t byte[3000], text[3000];
    struct gcur cur;
    int fd[2];
    int64_t n;

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(v); i++) {
        byte[i] = (uint8_t)(i * 3);
        v[i] = (struct iovec){&byte[i], 1};
    }
    cur = gcur_make(v, ARRAY_SIZE(v), ORDER_LITTLE);
    assert_int_equal(pipe2(fd, O_NONBLOCK), 0);
    while (gcur_left(&cur)) {
        n = gcur_to_fd(&cur, fd[1], UINT64_MAX);
        assert_true(n > 0);
    }
    assert_int_equal(read(fd[0], text, sizeof(text)), sizeof(text));
    assert_memory_equal(text, byte, sizeof(text));
    close(fd[0]);
    close(fd[1]);
}

static void empty(void **state)
{
    struct gcur cur = gcur_make(NULL, 0, ORDER_LITTLE), head;
    struct iovec v;
    uint64_t bytes;
    char x;

    (void)state;
    assert_true(gcur_is_ram(&cur) && gcur_skip(&cur, 0) && gcur_split(&cur, 0, &head));
    assert_false(gcur_get(&cur, &x, 1) || gcur_skip(&cur, 1));
    assert_int_equal(gcur_iov(&cur, 1, &v, 1, &bytes), 0);
}

/* A cursor that was moved to any place stands in the piece that holds the next byte, and behind
 * the last byte nothing more can be had. */
static void skip_anywhere(void **state)
{
    char text[16];

    (void)state;
    for (uint64_t n = 0; n <= 16; n++) {
        struct gcur cur = fresh(), whole = fresh();

        assert_true(gcur_get(&whole, text, 16));
        assert_true(gcur_skip(&cur, n));
        assert_int_equal(gcur_left(&cur), 16 - n);
        assert_true(cur.skip < cur.v->iov_len || n == 0 || n == 16);
        assert_true(gcur_skip(&cur, 0) && gcur_get(&cur, text, 0));
        for (uint64_t i = n; i < 16; i++) {
            char x = 0;

            assert_true(gcur_get(&cur, &x, 1));
            assert_int_equal(x, text[i]);
        }
        assert_false(gcur_get(&cur, text, 1) || gcur_put(&cur, "x", 1) || gcur_skip(&cur, 1));
    }
}

/* Whole pages of every piece go back to the host; parts of pages and holes are passed over. */
static void discard(void **state)
{
    enum { PAGE = 4096, N = 8 };
    uint8_t *p = mmap(NULL, N * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const struct iovec v[] = {{p, PAGE + 10}, {NULL, PAGE}, {p + 3 * PAGE - 5, 2 * PAGE + 5}};
    struct gcur cur = gcur_make(v, 3, ORDER_LITTLE);

    (void)state;
    assert_true(p != MAP_FAILED);
    memset(p, 7, N * PAGE);
    assert_int_equal(gcur_discard(&cur, 100), 0);
    assert_int_equal(gcur_left(&cur), 4 * PAGE + 15 - 100);
    assert_int_equal(p[0], 7); /* the rest of a page is none */
    cur = gcur_make(v, 3, ORDER_LITTLE);
    assert_int_equal(gcur_discard(&cur, UINT64_MAX), 3 * PAGE);
    assert_int_equal(gcur_left(&cur), 0);
    for (unsigned i = 0; i < N; i++)
        assert_int_equal(p[i * PAGE + 9], i == 0 || i == 3 || i == 4 ? 0 : 7);
    assert_int_equal(gcur_discard(&cur, 1), 0);
    munmap(p, N * PAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(discard),
        cmocka_unit_test(get_and_put),
        cmocka_unit_test(every_cut),
        cmocka_unit_test(fill_and_skip),
        cmocka_unit_test(split),
        cmocka_unit_test(numbers),
        cmocka_unit_test(holes_are_not_crossed),
        cmocka_unit_test(iov),
        cmocka_unit_test(files),
        cmocka_unit_test(many_pieces),
        cmocka_unit_test(empty),
        cmocka_unit_test(skip_anywhere),
    };

    return cmocka_run_group_tests_name("giov", tests, NULL, NULL);
}
