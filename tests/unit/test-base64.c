// SPDX-License-Identifier: MIT
/* vmm/base/base64: the examples of RFC 4648, everything there and back, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/base/base64.h"
#include "vmm/base/bits.h"

static void rfc_examples(void **state)
{
    static const char *const pair[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(pair); i++) {
        char *text = base64_encode(pair[i][0], strlen(pair[i][0]));
        size_t n;
        char *back = base64_decode(pair[i][1], &n);

        assert_string_equal(text, pair[i][1]);
        assert_int_equal(n, strlen(pair[i][0]));
        assert_memory_equal(back, pair[i][0], n);
        free(text);
        free(back);
    }
}

static void there_and_back(void **state)
{
    uint8_t data[257];
    size_t n;

    (void)state;
    for (unsigned i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 167 + 13);
    for (size_t len = 0; len <= sizeof(data); len++) {
        char *text = base64_encode(data, len);
        uint8_t *back = base64_decode(text, &n);

        assert_non_null(back);
        assert_int_equal(n, len);
        assert_memory_equal(back, data, len);
        free(text);
        free(back);
    }
}

static void what_is_none(void **state)
{
    static const char *const bad[] = {
        "Z", "Zg=", "Zg", "====", "=Zg=", "Z===", "Zm9v=", "Zg==Zg==", "Zm 9", "Zm9\n"};
    size_t n;

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
        assert_null(base64_decode(bad[i], &n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc_examples),
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(what_is_none),
    };

    return cmocka_run_group_tests_name("base64", tests, NULL, NULL);
}
