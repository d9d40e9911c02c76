// SPDX-License-Identifier: MIT
/*
 * vmm/base/ringmem and le: windows onto guest RAM, and byte order.
 */
#include "vmm/base/ringmem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/base/le.h"

enum { PAGE = 4096 };

static _Alignas(16) uint8_t ram_a[PAGE], ram_b[PAGE];

static struct gmem two(void)
{
    struct gmem mem = {0};

    assert_int_equal(gmem_add(&mem, 0x1000, PAGE, ram_a), 0);
    assert_int_equal(gmem_add(&mem, 0x2000, PAGE, ram_b), 0);
    return mem;
}

static void map_checks(void **state)
{
    const struct gmem mem = two();
    struct ringmem m;

    (void)state;
    assert_true(ringmem_map(&m, &mem, gpa(0x1010), 0xff0, 16));
    assert_ptr_equal(m.base, ram_a + 0x10);
    assert_false(ringmem_map(&m, &mem, gpa(0x1010), 0xff1, 16)); /* across regions */
    assert_false(ringmem_map(&m, &mem, gpa(0x1008), 16, 16));
    assert_false(ringmem_map(&m, &mem, gpa(0x1001), 2, 2));
    assert_true(ringmem_map(&m, &mem, gpa(0x1002), 2, 2));
    assert_false(ringmem_map(&m, &mem, gpa(0x3000), 2, 2));
    assert_false(ringmem_map(&m, &mem, gpa(UINT64_MAX - 1), 4, 2));
    assert_int_equal(m.len, 0);
}

static void access_stays_inside(void **state)
{
    const struct gmem mem = two();
    struct ringmem m;
    uint64_t pair[2];

    (void)state;
    memset(ram_a, 0x5a, sizeof(ram_a));
    assert_true(ringmem_map(&m, &mem, gpa(0x1010), 32, 16));
    assert_int_equal(ring_load16(&m, 30, memory_order_acquire), 0x5a5a);
    assert_int_equal(ring_load16(&m, 31, memory_order_acquire), 0);
    assert_int_equal(ring_load16(&m, 32, memory_order_acquire), 0);
    assert_int_equal(ring_load16(&m, UINT64_MAX, memory_order_acquire), 0);
    ring_load_pair(&m, 16, pair);
    assert_true(pair[1] == UINT64_C(0x5a5a5a5a5a5a5a5a));
    ring_load_pair(&m, 24, pair);
    assert_true(pair[0] == 0 && pair[1] == 0);
    ring_store16(&m, 32, 1, memory_order_release);
    ring_store32(&m, 30, 1);
    ring_store32(&m, UINT64_MAX - 1, 1);
    for (unsigned i = 0; i < PAGE; i++)
        assert_int_equal(ram_a[i], 0x5a);
    ring_store16(&m, 0, 0x1234, memory_order_release);
    ring_store32(&m, 28, 0x12345678);
    assert_int_equal(ring_load16(&m, 0, memory_order_relaxed), 0x1234);
    assert_int_equal(ring_load16(&m, 28, memory_order_relaxed), 0x5678);
}

/* A window that was never mapped, or failed to be, is harmless. */
static void no_window(void **state)
{
    struct ringmem m = {0};
    uint64_t pair[2];

    (void)state;
    assert_int_equal(ring_load16(&m, 0, memory_order_acquire), 0);
    ring_store16(&m, 0, 1, memory_order_release);
    ring_store32(&m, 0, 1);
    ring_load_pair(&m, 0, pair);
    assert_true(pair[0] == 0);
}

static void byte_order(void **state)
{
    uint8_t raw[8] = {1, 2, 3, 4, 5, 6, 7, 8};

    (void)state;
    assert_true(order_load(ORDER_LITTLE, raw, 8) == UINT64_C(0x0807060504030201));
    assert_true(order_load(ORDER_BIG, raw, 8) == UINT64_C(0x0102030405060708));
    assert_int_equal(order_load(ORDER_BIG, raw, 3), 0x010203);
    assert_int_equal(order_load(ORDER_LITTLE, raw, 3), 0x030201);
    order_store(ORDER_BIG, raw, 4, 0xa1b2c3d4);
    assert_int_equal(raw[0], 0xa1);
    assert_int_equal(raw[4], 5);
    assert_int_equal(le32_load(raw), 0xd4c3b2a1);
    le16_store(raw + 1, 0x1122);
    assert_int_equal(le16_load(raw + 1), 0x1122);
    assert_int_equal(raw[1], 0x22);
    le64_store(raw, UINT64_C(0x1122334455667788));
    assert_int_equal(raw[0], 0x88);
    assert_true(le64_load(raw) == UINT64_C(0x1122334455667788));
    assert_int_equal(le16_get(le16_make(0x1234)), 0x1234);
    assert_int_equal(le32_get(le32_make(0x12345678)), 0x12345678);
    assert_true(le64_get(le64_make(UINT64_MAX - 5)) == UINT64_MAX - 5);
    assert_int_equal(order16(ORDER_BIG, order16(ORDER_BIG, 0x1234)), 0x1234);
    assert_int_not_equal(order32(ORDER_BIG, 1), order32(ORDER_LITTLE, 1));
    assert_true(order64(ORDER_LITTLE, order64(ORDER_LITTLE, 77)) == 77);
}

static void bits(void **state)
{
    (void)state;
    assert_true(range_ok(0, 0, 0) && range_ok(4, 4, 8) && range_ok(8, 0, 8));
    assert_false(range_ok(5, 4, 8) || range_ok(UINT64_MAX, 2, 8) || range_ok(2, UINT64_MAX, 8));
    assert_true(is_pow2(1) && is_pow2(UINT64_C(1) << 63));
    assert_false(is_pow2(0) || is_pow2(3));
    assert_true(align_up(1, 16) == 16 && align_up(16, 16) == 16 && align_up(UINT64_MAX, 16) == 0);
    assert_true(ones_for(1) == 0xff && ones_for(8) == UINT64_MAX && ones_for(3) == 0xffffff);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(map_checks), cmocka_unit_test(access_stays_inside),
        cmocka_unit_test(no_window),  cmocka_unit_test(byte_order),
        cmocka_unit_test(bits),
    };

    return cmocka_run_group_tests_name("ringmem", tests, NULL, NULL);
}
