// SPDX-License-Identifier: MIT
/* The AML builder: encodings by the byte, and mistakes that must not pass unseen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "firmware/aml.h"
#include "vmm/base/bits.h"

static void test_aml_package_lengths(void **state)
{
    static const struct {
        size_t content, length_bytes;
    } row[] = {{0, 1}, {62, 1}, {63, 2}, {4093, 2}, {4094, 3}, {1048572, 3}, {1048573, 4}};
    static uint8_t buf[2 * 1048576];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
        struct aml a;
        size_t mark, n;

        aml_init(&a, buf, sizeof(buf));
        mark = aml_if(&a);
        for (size_t k = 0; k < row[i].content; k++)
            aml_u8(&a, (uint8_t)k);
        aml_end(&a, mark);
        assert_false(a.overflow);
        assert_int_equal(a.len, 1 + row[i].length_bytes + row[i].content);
        n = buf[1] >> 6;
        assert_int_equal(n + 1, row[i].length_bytes);
        if (n) {
            size_t length = buf[1] & 0xf;

            for (size_t k = 0; k < n; k++)
                length |= (size_t)buf[2 + k] << (4 + 8 * k);
            assert_int_equal(length, row[i].length_bytes + row[i].content);
        }
        for (size_t k = 0; k < row[i].content; k++)
            assert_int_equal(buf[1 + row[i].length_bytes + k], (uint8_t)k);
    }
}

static void aml_gives(const struct aml *a, const char *bytes, size_t n)
{
    assert_false(a->overflow);
    assert_int_equal(a->len, n);
    assert_memory_equal(a->buf, bytes, n);
}

static void test_aml_terms(void **state)
{
    uint8_t buf[64];
    struct aml a;

    (void)state;
    aml_init(&a, buf, sizeof(buf));
    aml_path(&a, "\\_SB.PCI0.S5");
    aml_gives(&a, "\\\x2f\x03_SB_PCI0S5__", 15);
    aml_init(&a, buf, sizeof(buf));
    aml_path(&a, "A.B");
    aml_gives(&a, ".A___B___", 9);
    aml_init(&a, buf, sizeof(buf));
    aml_eisaid(&a, "PNP0A08");
    aml_gives(&a, "\x0c\x41\xd0\x0a\x08", 5);
    aml_init(&a, buf, sizeof(buf));
    aml_int(&a, 0);
    aml_int(&a, 1);
    aml_int(&a, 255);
    aml_int(&a, 256);
    aml_int(&a, 0x10000);
    aml_gives(&a, "\x00\x01\x0a\xff\x0b\x00\x01\x0c\x00\x00\x01\x00", 12);
    aml_init(&a, buf, sizeof(buf));
    aml_int(&a, BIT64(32));
    aml_gives(&a, "\x0e\0\0\0\0\x01\0\0\0", 9);
}

static void test_aml_mistakes_stick(void **state)
{
    uint8_t buf[32];
    struct aml a;

    (void)state;
    aml_init(&a, buf, sizeof(buf));
    aml_path(&a, "TOOLONG");
    assert_true(a.overflow);
    aml_init(&a, buf, sizeof(buf));
    aml_eisaid(&a, "PNP");
    assert_true(a.overflow);
    aml_init(&a, buf, 2);
    aml_u32(&a, 1);
    aml_u8(&a, 1);
    assert_true(a.overflow);
    assert_int_equal(a.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_aml_package_lengths),
        cmocka_unit_test(test_aml_terms),
        cmocka_unit_test(test_aml_mistakes_stick),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
