// SPDX-License-Identifier: MIT
/* Command lines: joining, and what is refused (HOSTILE Z16). */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "firmware/cmdline.h"
#include "vmm/base/bits.h"

static struct cmdline_part part(const char *what, const char *text)
{
    return (struct cmdline_part){what, text, text ? strlen(text) : 0};
}

static void test_join(void **state)
{
    static const struct {
        const char *a, *b, *want;
    } row[] = {
        {"root=/dev/vda1 ro", "console=ttyS0", "root=/dev/vda1 ro console=ttyS0"},
        {NULL, "quiet", "quiet"},
        {"quiet", NULL, "quiet"},
        {"", "", ""},
        {NULL, NULL, ""},
        {"  a  b ", "\tc ", "a  b c"},
        {"   ", "c", "c"},
        {"name=\xc3\xa9", "x", "name=\xc3\xa9 x"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
        const struct cmdline_part p[] = {part("one", row[i].a), part("two", row[i].b)};
        char out[64];
        struct err err;

        assert_int_equal(cmdline_join(p, 2, out, sizeof(out), &err), strlen(row[i].want));
        assert_string_equal(out, row[i].want);
    }
}

static void test_Z16_control_characters(void **state)
{
    static const struct {
        const char *text;
        size_t len;
        const char *code;
    } row[] = {{"a\nb", 3, "code 10"},    {"a\0b", 3, "code 0"},   {"a\r", 2, "code 13"},
               {"\x1b[1m", 4, "code 27"}, {"\x7f", 1, "code 127"}, {"\0", 1, "code 0"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
        const struct cmdline_part p[] = {part("one", "fine"),
                                         {"--append", row[i].text, row[i].len}};
        char out[64] = "junk";
        struct err err = {""};

        assert_int_equal(cmdline_join(p, 2, out, sizeof(out), &err), -EINVAL);
        assert_non_null(strstr(err.text, "--append"));
        assert_non_null(strstr(err.text, row[i].code));
        assert_string_equal(out, "");
    }
}

/* Every length around the limit; not a byte behind the buffer is written. */
static void test_Z16_limit(void **state)
{
    char text[40], out[32];

    (void)state;
    memset(text, 'x', sizeof(text));
    for (size_t len = 1; len < sizeof(text); len++) {
        const struct cmdline_part p[] = {part("one", "abc"), {"--append", text, len}};
        struct err err = {""};
        const int ret = (memset(out, '#', sizeof(out)), cmdline_join(p, 2, out, 16, &err));

        if (len <= 16 - 1 - 4) {
            assert_int_equal(ret, 4 + len);
            assert_int_equal(strlen(out), 4 + len);
        } else {
            assert_int_equal(ret, -E2BIG);
            assert_string_equal(out, "");
            assert_non_null(strstr(err.text, "limit is 15 bytes"));
            assert_non_null(strstr(err.text, "--append"));
        }
        assert_int_equal(out[16], '#');
    }
}

static void test_Z16_tiny_buffers(void **state)
{
    const struct cmdline_part p[] = {part("one", "a"), part("two", "b")};
    char out[4];
    struct err err;

    (void)state;
    assert_int_equal(cmdline_join(p, 2, out, 0, &err), -E2BIG);
    assert_int_equal(cmdline_join(p, 2, out, 1, &err), -E2BIG);
    assert_int_equal(cmdline_join(p, 2, out, 2, &err), -E2BIG);
    assert_int_equal(cmdline_join(p, 2, out, 3, &err), -E2BIG);
    assert_int_equal(cmdline_join(p, 2, out, 4, &err), 3);
    assert_int_equal(cmdline_join(p, 0, out, 1, &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_join),
        cmocka_unit_test(test_Z16_control_characters),
        cmocka_unit_test(test_Z16_limit),
        cmocka_unit_test(test_Z16_tiny_buffers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
