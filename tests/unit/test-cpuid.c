// SPDX-License-Identifier: MIT
/*
 * What CPUID tells a guest: the rows and the topology, applied to synthetic offers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "vmm/base/bits.h"
#include "vmm/x86/cpuid.h"

#define INTEL_EBX 0x756e6547u
#define INTEL_EDX 0x49656e69u
#define INTEL_ECX 0x6c65746eu
#define AMD_EBX   0x68747541u
#define AMD_EDX   0x69746e65u
#define AMD_ECX   0x444d4163u

static void add(struct cpuid_table *t, uint32_t leaf, uint32_t index, uint32_t flags, uint32_t a,
                uint32_t b, uint32_t c, uint32_t d)
{
    t->leaf[t->n++] =
        (struct cpuid_leaf){.leaf = leaf, .index = index, .flags = flags, .reg = {a, b, c, d}};
}

/* Everything that has a row set to ones where a host could set it. */
static struct cpuid_table offer(bool amd, uint32_t max_leaf)
{
    struct cpuid_table t = {0};

    if (amd)
        add(&t, 0, 0, 0, max_leaf, AMD_EBX, AMD_ECX, AMD_EDX);
    else
        add(&t, 0, 0, 0, max_leaf, INTEL_EBX, INTEL_ECX, INTEL_EDX);
    add(&t, 1, 0, 0, 0x806f8, 0x12345678, ~(BIT32(31) | BIT32(24) | BIT32(21)), UINT32_MAX);
    add(&t, 4, 0, CPUID_INDEXED, 0xfc01c121, 0x2c0003f, 63, 0); /* L1 data */
    add(&t, 4, 3, CPUID_INDEXED, 0xfc1fc163, 0x2c0003f, 63, 0); /* L3 */
    add(&t, 4, 4, CPUID_INDEXED, 0, 0, 0, 0);
    add(&t, 7, 0, CPUID_INDEXED, 1, 0xf1bf07ab, 0, UINT32_MAX);
    add(&t, 7, 1, CPUID_INDEXED, 0x1c30, 0, 0, UINT32_MAX);
    add(&t, 0xa, 0, 0, 0x07300404, 1, 2, 0x603);
    add(&t, 0xb, 0, CPUID_INDEXED, 1, 2, 0x100, 77);
    add(&t, 0xb, 1, CPUID_INDEXED, 7, 96, 0x201, 77);
    add(&t, 0xb, 5, CPUID_INDEXED, 7, 96, 0x205, 77);
    add(&t, 0x40000001, 0, 0, 0x01007efb | BIT32(15) | BIT32(16) | BIT32(17), 0, 0, 0);
    add(&t, 0x80000001, 0, 0, 0, 0, UINT32_MAX & ~BIT32(1), 0);
    add(&t, 0x80000008, 0, 0, 0x302e, 0, amd ? 0x703f : 0, 0);
    add(&t, 0x8000000a, 0, 0, 1, 8, 0, 0xff);
    add(&t, 0x8000001d, 3, CPUID_INDEXED, 0x3fc163, 0, 0, 0);
    add(&t, 0x8000001e, 0, 0, 9, 0x105, 0x302, 0);
    add(&t, 0x8000001f, 0, 0, 3, 0x33, 100, 1);
    add(&t, 0x80000022, 0, 0, 7, 0x106, 0, 0);
    return t;
}

static uint32_t reg(struct cpuid_table *t, uint32_t leaf, uint32_t index, enum cpuid_reg r)
{
    const struct cpuid_leaf *l = cpuid_find(t, leaf, index);

    assert_non_null(l);
    return l->reg[r];
}

static struct cpuid_table made(bool amd, unsigned cpus, unsigned id)
{
    struct cpuid_table t = offer(amd, 0x20);
    const struct cpuid_machine m = {
        .cpus = cpus, .apic_id = id, .tsc_deadline = true, .ext_dest = cpus > 255};
    struct err err;

    assert_int_equal(cpuid_apply(&t, &m, &err), 0);
    return t;
}

static void test_features(void **state)
{
    struct cpuid_table t = made(false, 4, 3);
    const uint32_t ecx = reg(&t, 1, 0, CPUID_ECX);

    (void)state;
    assert_true(ecx & BIT32(31));  /* hypervisor */
    assert_true(ecx & BIT32(21));  /* x2APIC */
    assert_true(ecx & BIT32(24));  /* TSC deadline */
    assert_false(ecx & BIT32(5));  /* VMX */
    assert_false(ecx & BIT32(3));  /* MONITOR */
    assert_false(ecx & BIT32(15)); /* PDCM */
    assert_true(ecx & BIT32(0));   /* untouched: SSE3 */
    assert_true(reg(&t, 1, 0, CPUID_EDX) & BIT32(28));
    assert_int_equal(reg(&t, 1, 0, CPUID_EBX), 0x03045678);
    assert_int_equal(reg(&t, 7, 0, CPUID_EDX), ~(BIT32(22) | BIT32(24) | BIT32(25)));
    assert_int_equal(reg(&t, 7, 1, CPUID_EDX), UINT32_MAX); /* another index, not the row's */
    for (enum cpuid_reg r = CPUID_EAX; r < CPUID_REGS; r++)
        assert_int_equal(reg(&t, 0xa, 0, r), 0);
    assert_int_equal(reg(&t, 0x8000000a, 0, CPUID_EAX), 0);
    assert_int_equal(reg(&t, 0x8000001f, 0, CPUID_EAX), 0);
    assert_int_equal(reg(&t, 0x80000022, 0, CPUID_EAX), 0);
    assert_int_equal(reg(&t, 0x40000001, 0, CPUID_EAX), 0x01007efb & ~(BIT32(15)));
    assert_true(reg(&t, 0x40000001, 0, CPUID_EAX) & BIT32(24)); /* kvmclock is stable */
}

static void test_no_deadline(void **state)
{
    struct cpuid_table t = offer(false, 0x20);
    const struct cpuid_machine m = {.cpus = 1};
    struct err err;

    (void)state;
    cpuid_find(&t, 1, 0)->reg[CPUID_ECX] |= BIT32(24);
    assert_int_equal(cpuid_apply(&t, &m, &err), 0);
    assert_false(reg(&t, 1, 0, CPUID_ECX) & BIT32(24));
    assert_false(reg(&t, 1, 0, CPUID_EDX) & BIT32(28));
    assert_int_equal(reg(&t, 1, 0, CPUID_EBX), 0x00015678);
}

static void topology_check(struct cpuid_table *t, uint32_t leaf, unsigned cpus, unsigned id,
                           unsigned bits)
{
    assert_int_equal(reg(t, leaf, 0, CPUID_EAX), 0);
    assert_int_equal(reg(t, leaf, 0, CPUID_EBX), 1);
    assert_int_equal(reg(t, leaf, 0, CPUID_ECX), 0x100);
    assert_int_equal(reg(t, leaf, 1, CPUID_EAX), bits);
    assert_int_equal(reg(t, leaf, 1, CPUID_EBX), cpus);
    assert_int_equal(reg(t, leaf, 1, CPUID_ECX), 0x201);
    assert_int_equal(reg(t, leaf, 2, CPUID_EBX), 0);
    assert_int_equal(reg(t, leaf, 2, CPUID_ECX), 2);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(reg(t, leaf, i, CPUID_EDX), id);
    assert_null(cpuid_find(t, leaf, 5));
}

static void test_topology(void **state)
{
    static const struct {
        unsigned cpus, bits;
    } cases[] = {{1, 0}, {2, 1}, {3, 2}, {4, 2}, {5, 3}, {64, 6}, {255, 8}, {256, 8}, {1024, 10}};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        const unsigned n = cases[i].cpus;
        struct cpuid_table t = made(false, n, n - 1);

        topology_check(&t, 0xb, n, n - 1, cases[i].bits);
        topology_check(&t, 0x1f, n, n - 1, cases[i].bits);
        assert_int_equal(reg(&t, 1, 0, CPUID_EBX) >> 16 & 0xff, n > 255 ? 255 : n);
        assert_int_equal(reg(&t, 1, 0, CPUID_EBX) >> 24, (n - 1) & 0xff);
        assert_int_equal(!(reg(&t, 0x40000001, 0, CPUID_EAX) & BIT32(15)), n <= 255);
    }
}

static void test_caches(void **state)
{
    struct cpuid_table t = made(false, 6, 0);

    (void)state;
    assert_int_equal(reg(&t, 4, 0, CPUID_EAX), 0x1c000121);             /* a core's own */
    assert_int_equal(reg(&t, 4, 3, CPUID_EAX), 0x1c000163 | (7 << 14)); /* shared by 8 ids */
    assert_int_equal(reg(&t, 4, 4, CPUID_EAX), 0);
    t = made(false, 200, 0);
    assert_int_equal(reg(&t, 4, 3, CPUID_EAX) >> 26, 63);
    assert_int_equal(reg(&t, 4, 3, CPUID_EAX) >> 14 & 0xfff, 255);
}

static void test_amd(void **state)
{
    struct cpuid_table t = made(true, 6, 5);

    (void)state;
    assert_true(reg(&t, 0x80000001, 0, CPUID_ECX) & BIT32(1));  /* CmpLegacy */
    assert_false(reg(&t, 0x80000001, 0, CPUID_ECX) & BIT32(2)); /* SVM */
    assert_false(reg(&t, 0x80000001, 0, CPUID_ECX) & BIT32(23));
    assert_true(reg(&t, 0x80000001, 0, CPUID_ECX) & BIT32(22)); /* TOPOEXT */
    assert_int_equal(reg(&t, 0x80000008, 0, CPUID_ECX), 0x3005);
    assert_int_equal(reg(&t, 0x8000001e, 0, CPUID_EAX), 5);
    assert_int_equal(reg(&t, 0x8000001e, 0, CPUID_EBX), 5);
    assert_int_equal(reg(&t, 0x8000001e, 0, CPUID_ECX), 0);
    assert_int_equal(reg(&t, 0x8000001d, 3, CPUID_EAX) >> 14 & 0xfff, 7);
    assert_int_equal(reg(&t, 4, 0, CPUID_EAX), 0xfc01c121); /* Intel's leaf is left alone */
    t = made(false, 6, 5);
    assert_int_equal(reg(&t, 0x80000008, 0, CPUID_ECX), 0);
    assert_false(reg(&t, 0x80000001, 0, CPUID_ECX) & BIT32(1));
}

/* An old processor: the topology leaf is made reachable, the newer one is not invented. */
static void test_old(void **state)
{
    struct cpuid_table t = offer(false, 0xa);
    const struct cpuid_machine m = {.cpus = 2, .apic_id = 1};
    struct err err;

    (void)state;
    assert_int_equal(cpuid_apply(&t, &m, &err), 0);
    assert_int_equal(reg(&t, 0, 0, CPUID_EAX), 0xb);
    topology_check(&t, 0xb, 2, 1, 1);
    assert_null(cpuid_find(&t, 0x1f, 0));
}

static void test_idempotent(void **state)
{
    struct cpuid_table once = made(true, 3, 2), twice = once;
    const struct cpuid_machine m = {.cpus = 3, .apic_id = 2, .tsc_deadline = true};
    struct err err;

    (void)state;
    assert_int_equal(cpuid_apply(&twice, &m, &err), 0);
    assert_int_equal(once.n, twice.n);
    for (unsigned i = 0; i < once.n; i++)
        for (enum cpuid_reg r = CPUID_EAX; r < CPUID_REGS; r++)
            assert_int_equal(reg(&twice, once.leaf[i].leaf, once.leaf[i].index, r),
                             once.leaf[i].reg[r]);
}

static void test_full(void **state)
{
    struct cpuid_table t = {0};
    const struct cpuid_machine m = {.cpus = 2};
    struct err err;

    (void)state;
    while (t.n < CPUID_LEAVES)
        add(&t, 0x90000000 + t.n, 0, 0, 0, 0, 0, 0);
    assert_true(cpuid_apply(&t, &m, &err) < 0);
}

static void test_phys_bits(void **state)
{
    struct cpuid_table t = offer(true, 0x20), none = {0};

    (void)state;
    assert_int_equal(cpuid_phys_bits(&t), 46);
    cpuid_find(&t, 0x80000008, 0)->reg[CPUID_EAX] = 0x283030;
    assert_int_equal(cpuid_phys_bits(&t), 40);
    cpuid_find(&t, 0x80000008, 0)->reg[CPUID_EAX] = 0;
    assert_int_equal(cpuid_phys_bits(&t), 32);
    assert_int_equal(cpuid_phys_bits(&none), 36);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_features),   cmocka_unit_test(test_no_deadline),
        cmocka_unit_test(test_topology),   cmocka_unit_test(test_caches),
        cmocka_unit_test(test_amd),        cmocka_unit_test(test_old),
        cmocka_unit_test(test_idempotent), cmocka_unit_test(test_full),
        cmocka_unit_test(test_phys_bits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
