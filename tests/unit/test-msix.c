// SPDX-License-Identifier: MIT
/* The MSI-X table: what a driver may write, and when messages go out. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/unit/fake-bus.h"
#include "vmm/base/bits.h"
#include "vmm/base/le.h"
#include "vmm/bus/msix.h"

enum { ADDR = 0xfee00000, VECTORS = 5 };

struct fix {
    struct fake_irq irq;
    struct irqs *irqs;
    struct msix *msix;
};

static void fix_open(struct fix *x, unsigned n)
{
    x->irqs = fake_irqs_new(&x->irq);
    x->msix = msix_new(x->irqs, n, NULL);
    assert_non_null(x->msix);
}

static void fix_close(struct fix *x)
{
    msix_free(x->msix);
    assert_int_equal(fake_routes(&x->irq), 0);
    irqs_free(x->irqs);
}

static uint32_t get32(struct fix *x, uint64_t off)
{
    uint8_t b[4];

    msix_bar_read(x->msix, off, b, 4);
    return le32_load(b);
}

static void put(struct fix *x, uint64_t off, uint64_t value, unsigned len)
{
    uint8_t b[8];

    le64_store(b, value);
    msix_bar_write(x->msix, off, b, len);
}

static uint32_t pending(struct fix *x)
{
    return get32(x, msix_pba_offset(x->msix));
}

static void vector_set(struct fix *x, unsigned i, uint32_t data, bool masked)
{
    put(x, i * MSIX_ENTRY, ADDR, 4);
    put(x, i * MSIX_ENTRY + 4, 0, 4);
    put(x, i * MSIX_ENTRY + 8, data, 4);
    put(x, i * MSIX_ENTRY + 12, masked, 4);
}

static void test_shape(void **state)
{
    static const struct {
        unsigned n;
        uint64_t size;
    } row[] = {{1, 4096}, {128, 4096}, {129, 8192}, {256, 8192}, {2048, 65536}};
    struct fix x;
    struct err err = {{0}};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(row); i++) {
        fix_open(&x, row[i].n);
        assert_int_equal(msix_vectors(x.msix), row[i].n);
        assert_int_equal(msix_bar_size(x.msix), row[i].size);
        assert_true(msix_pba_offset(x.msix) >= row[i].n * MSIX_ENTRY);
        assert_true(msix_pba_offset(x.msix) + align_up(row[i].n, 64) / 8 <= row[i].size);
        put(&x, (row[i].n - 1) * MSIX_ENTRY + 8, row[i].n, 4);
        assert_int_equal(get32(&x, (row[i].n - 1) * MSIX_ENTRY + 8), row[i].n);
        msix_control(x.msix, true, true, true);
        msix_notify(x.msix, row[i].n - 1);
        assert_int_equal(get32(&x, msix_pba_offset(x.msix) + (row[i].n - 1) / 32 * 4),
                         BIT32((row[i].n - 1) % 32));
        fix_close(&x);
    }
    x.irqs = fake_irqs_new(&x.irq);
    assert_null(msix_new(x.irqs, 0, &err));
    assert_null(msix_new(x.irqs, MSIX_MAX_VECTORS + 1, &err));
    assert_true(strlen(err.text) > 0);
    irqs_free(x.irqs);
}

static void test_power_on_state_and_masks(void **state)
{
    struct fix x;

    (void)state;
    fix_open(&x, VECTORS);
    for (unsigned off = 0; off < VECTORS * MSIX_ENTRY; off += 4)
        assert_int_equal(get32(&x, off), off % 16 == 12);
    for (unsigned off = 0; off < VECTORS * MSIX_ENTRY; off += 4)
        put(&x, off, UINT32_MAX, 4);
    assert_int_equal(get32(&x, 16), 0xfffffffc);
    assert_int_equal(get32(&x, 20), 0xffffffff);
    assert_int_equal(get32(&x, 24), 0xffffffff);
    assert_int_equal(get32(&x, 28), 1);
    msix_reset(x.msix);
    assert_int_equal(get32(&x, 16), 0);
    assert_int_equal(get32(&x, 28), 1);
    fix_close(&x);
}

static void test_P22_odd_accesses(void **state)
{
    static const uint8_t len[] = {1, 2, 3, 5, 6, 7};
    struct fix x;
    uint8_t b[8];

    (void)state;
    fix_open(&x, VECTORS);
    vector_set(&x, 0, 0x41, false);
    for (unsigned i = 0; i < ARRAY_SIZE(len); i++) {
        memset(b, 0xee, sizeof(b));
        msix_bar_read(x.msix, 0, b, len[i]);
        assert_int_equal(b[0], 0);
        put(&x, 0, UINT64_MAX, len[i]);
    }
    put(&x, 2, UINT64_MAX, 4); /* unaligned */
    put(&x, 4, UINT64_MAX, 8);
    assert_int_equal(get32(&x, 0), ADDR);
    assert_int_equal(get32(&x, 4), 0);
    assert_int_equal(get32(&x, 8), 0x41);
    assert_int_equal(get32(&x, 12), 0);
    /* the gap, and past the last vector */
    for (uint64_t off = VECTORS * MSIX_ENTRY; off < msix_bar_size(x.msix); off += 4) {
        put(&x, off, UINT32_MAX, 4);
        assert_int_equal(get32(&x, off), 0);
    }
    fix_close(&x);
}

static void test_P22_qwords_work(void **state)
{
    struct fix x;
    uint8_t b[8];

    (void)state;
    fix_open(&x, VECTORS);
    put(&x, 16, UINT64_C(0x1fee01000), 8);
    put(&x, 24, 0x77, 8); /* data, and unmask */
    assert_int_equal(get32(&x, 16), 0xfee01000);
    assert_int_equal(get32(&x, 20), 1);
    msix_bar_read(x.msix, 24, b, 8);
    assert_int_equal(le64_load(b), 0x77);
    msix_control(x.msix, true, false, true);
    msix_notify(x.msix, 1);
    assert_int_equal(fake_taken(&x.irq, UINT64_C(0x1fee01000), 0x77), 1);
    fix_close(&x);
}

static void test_P23_pending_bits_are_read_only(void **state)
{
    struct fix x;

    (void)state;
    fix_open(&x, VECTORS);
    msix_control(x.msix, true, false, true);
    put(&x, msix_pba_offset(x.msix), UINT64_MAX, 8);
    assert_int_equal(pending(&x), 0);
    msix_notify(x.msix, 2);
    put(&x, msix_pba_offset(x.msix), 0, 4);
    assert_int_equal(pending(&x), 4);
    fix_close(&x);
}

static void test_P25_any_address_is_passed_on(void **state)
{
    struct fix x;

    (void)state;
    fix_open(&x, VECTORS);
    msix_control(x.msix, true, false, true);
    put(&x, 0, UINT64_C(0xdeadbeef12345678), 8);
    put(&x, 8, 0xffffffff, 8);
    msix_notify(x.msix, 0);
    assert_int_equal(fake_taken(&x.irq, UINT64_C(0xdeadbeef12345678), 0xffffffff), 1);
    x.irq.no_routes = true; /* and a host that refuses it loses it, no more */
    put(&x, 8, 0x1234, 4);
    msix_notify(x.msix, 0);
    assert_int_equal(x.irq.sends, 1);
    fix_close(&x);
}

static void test_P26_rewriting_vectors_costs_nothing(void **state)
{
    struct fix x;

    (void)state;
    fix_open(&x, VECTORS);
    msix_control(x.msix, true, false, true);
    for (uint32_t i = 0; i < 100000; i++)
        vector_set(&x, i % VECTORS, i, i & 1);
    assert_int_equal(x.irq.route_calls, 0);
    for (uint32_t i = 0; i < 1000; i++) {
        vector_set(&x, 0, i, false);
        msix_notify(x.msix, 0);
    }
    assert_int_equal(fake_routes(&x.irq), 1);
    assert_int_equal(x.irq.connect_calls, 1);
    fix_close(&x);
}

static void test_P28_vector_mask(void **state)
{
    struct fix x;

    (void)state;
    fix_open(&x, VECTORS);
    msix_control(x.msix, true, false, true);
    vector_set(&x, 1, 0x41, true);
    msix_notify(x.msix, 1);
    msix_notify(x.msix, 1);
    assert_int_equal(pending(&x), 2);
    assert_int_equal(x.irq.route_calls + x.irq.sends, 0);
    put(&x, 16 + 12, 0, 4);
    assert_int_equal(pending(&x), 0);
    assert_int_equal(fake_taken(&x.irq, ADDR, 0x41), 1);
    put(&x, 16 + 12, 1, 4);
    put(&x, 16 + 12, 0, 4);
    assert_int_equal(fake_taken(&x.irq, ADDR, 0x41), 0);
    /* changed while masked: goes where the table says at unmask */
    put(&x, 16 + 12, 1, 4);
    msix_notify(x.msix, 1);
    put(&x, 16 + 8, 0x99, 4);
    put(&x, 16 + 12, 0, 4);
    assert_int_equal(fake_taken(&x.irq, ADDR, 0x99), 1);
    assert_int_equal(fake_routes(&x.irq), 1);
    fix_close(&x);
}

static void test_P28_function_mask(void **state)
{
    struct fix x;

    (void)state;
    fix_open(&x, VECTORS);
    vector_set(&x, 0, 0x40, false);
    vector_set(&x, 1, 0x41, true);
    msix_control(x.msix, true, true, true);
    msix_notify(x.msix, 0);
    msix_notify(x.msix, 1);
    assert_int_equal(pending(&x), 3);
    msix_control(x.msix, true, false, true);
    assert_int_equal(pending(&x), 2);
    assert_int_equal(fake_taken(&x.irq, ADDR, 0x40), 1);
    msix_control(x.msix, true, true, true);
    put(&x, 16 + 12, 0, 4);
    assert_int_equal(pending(&x), 2);
    msix_control(x.msix, true, false, true);
    assert_int_equal(fake_taken(&x.irq, ADDR, 0x41), 1);
    assert_int_equal(fake_taken(&x.irq, ADDR, 0x40), 0);
    fix_close(&x);
}

static void test_P19_bus_master_holds_messages_back(void **state)
{
    struct fix x;

    (void)state;
    fix_open(&x, VECTORS);
    vector_set(&x, 3, 0x43, false);
    msix_control(x.msix, true, false, false);
    msix_notify(x.msix, 3);
    assert_int_equal(pending(&x), 8);
    msix_control(x.msix, true, false, true);
    assert_int_equal(fake_taken(&x.irq, ADDR, 0x43), 1);
    fix_close(&x);
}

static void test_ignored_notifies(void **state)
{
    struct fix x;

    (void)state;
    fix_open(&x, VECTORS);
    vector_set(&x, 0, 0x40, false);
    msix_notify(x.msix, 0); /* disabled */
    msix_control(x.msix, true, false, true);
    assert_int_equal(x.irq.route_calls, 0);
    msix_notify(x.msix, VECTORS);
    msix_notify(x.msix, 0xffff);
    msix_notify(x.msix, UINT32_MAX);
    assert_int_equal(pending(&x), 0);
    assert_int_equal(x.irq.route_calls + x.irq.sends, 0);
    fix_close(&x);
}

static void test_resets_drop_pending(void **state)
{
    struct fix x;

    (void)state;
    fix_open(&x, VECTORS);
    vector_set(&x, 0, 0x40, true);
    msix_control(x.msix, true, false, true);
    msix_notify(x.msix, 0);
    msix_clear_pending(x.msix);
    put(&x, 12, 0, 4);
    assert_int_equal(x.irq.route_calls, 0);
    msix_notify(x.msix, 0);
    assert_int_equal(fake_taken(&x.irq, ADDR, 0x40), 1);
    put(&x, 12, 1, 4);
    msix_notify(x.msix, 0);
    msix_reset(x.msix);
    vector_set(&x, 0, 0x40, false);
    msix_control(x.msix, true, false, true);
    assert_int_equal(fake_taken(&x.irq, ADDR, 0x40), 0);
    msix_notify(x.msix, 0);
    assert_int_equal(fake_taken(&x.irq, ADDR, 0x40), 1);
    assert_int_equal(fake_routes(&x.irq), 1);
    fix_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shape),
        cmocka_unit_test(test_power_on_state_and_masks),
        cmocka_unit_test(test_P22_odd_accesses),
        cmocka_unit_test(test_P22_qwords_work),
        cmocka_unit_test(test_P23_pending_bits_are_read_only),
        cmocka_unit_test(test_P25_any_address_is_passed_on),
        cmocka_unit_test(test_P26_rewriting_vectors_costs_nothing),
        cmocka_unit_test(test_P28_vector_mask),
        cmocka_unit_test(test_P28_function_mask),
        cmocka_unit_test(test_P19_bus_master_holds_messages_back),
        cmocka_unit_test(test_ignored_notifies),
        cmocka_unit_test(test_resets_drop_pending),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
