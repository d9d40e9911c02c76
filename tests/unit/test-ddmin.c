// SPDX-License-Identifier: MIT
/* Delta debugging, on predicates whose answers are known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/base/bits.h"
#include "vmm/ddmin.h"

enum { N = 24, STOP = -7 };

/* Sets are bits here: what holds is one of these. */
struct rule {
    bool (*holds)(const struct rule *r, uint64_t bits);
    uint64_t a, b;
    unsigned asked, different, stop_after; /* the latter: 0: never */
    uint64_t seen[4096];
};

static uint64_t bits_of(const struct ddmin_set *set)
{
    uint64_t bits = 0;

    for (unsigned i = 0; i < 64; i++)
        bits |= (uint64_t)set->has[i] << i;
    return bits;
}

static struct ddmin_set set_of(uint64_t bits)
{
    struct ddmin_set set = {{false}};

    for (unsigned i = 0; i < 64; i++)
        set.has[i] = bits >> i & 1;
    return set;
}

/* Counts what is asked for the first time only: that is a boot. */
static int ask(void *ctx, const struct ddmin_set *set)
{
    struct rule *r = (struct rule *)ctx;
    const uint64_t bits = bits_of(set);
    bool seen = false;

    assert_int_not_equal(bits, 0);
    for (unsigned i = 0; i < r->different; i++)
        seen = seen || r->seen[i] == bits;
    r->asked++;
    if (!seen && r->stop_after && r->different == r->stop_after)
        return STOP;
    assert_true(r->different < ARRAY_SIZE(r->seen));
    if (!seen)
        r->seen[r->different++] = bits;
    return r->holds(r, bits);
}

static bool all_of(const struct rule *r, uint64_t bits)
{
    return (bits & r->a) == r->a;
}

static bool any_of(const struct rule *r, uint64_t bits)
{
    return bits & r->a;
}

static bool either(const struct rule *r, uint64_t bits)
{
    return (bits & r->a) == r->a || (bits & r->b) == r->b;
}

/* More can be less: not while there is one of b and all of the rest is not there, too. */
static bool spoiled(const struct rule *r, uint64_t bits)
{
    return (bits & r->a) == r->a && (!(bits & r->b) || bits == BIT64(N) - 1);
}

/* Only as an odd number of elements. */
static bool odd(const struct rule *r, uint64_t bits)
{
    return (bits & r->a) == r->a && __builtin_popcountll(bits) % 2 == 1;
}

static uint64_t reduce(struct rule *r, uint64_t from)
{
    struct ddmin_set set = set_of(from);

    assert_int_equal(ddmin(&set, NULL, N, ask, r), 0);
    return bits_of(&set);
}

/* It holds, and for nothing that lacks one more element. */
static void is_minimal(const struct rule *r, uint64_t bits)
{
    assert_true(r->holds(r, bits));
    for (unsigned i = 0; i < N; i++)
        if (bits >> i & 1)
            assert_false((bits & ~BIT64(i)) && r->holds(r, bits & ~BIT64(i)));
}

static void singles(void **state)
{
    (void)state;
    for (unsigned i = 0; i < N; i++) {
        struct rule r = {.holds = all_of, .a = BIT64(i)};

        assert_int_equal(reduce(&r, BIT64(N) - 1), BIT64(i));
        assert_in_range(r.different, 1, 7);
    }
}

static void pairs(void **state)
{
    (void)state;
    for (unsigned i = 0; i < N; i++)
        for (unsigned k = 0; k < i; k++) {
            struct rule r = {.holds = all_of, .a = BIT64(i) | BIT64(k)};

            assert_int_equal(reduce(&r, BIT64(N) - 1), r.a);
            assert_in_range(r.different, 2, 14);
        }
}

static void triples_and_more(void **state)
{
    static const uint64_t want[] = {0x800401, 0x7, 0xe00000, 0x111111, 0xffffff};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(want); i++) {
        struct rule r = {.holds = all_of, .a = want[i]};

        assert_int_equal(reduce(&r, BIT64(N) - 1), want[i]);
    }
}

/* The first one is taken: the caller's order says which one matters most. */
static void one_of_several(void **state)
{
    struct rule r = {.holds = any_of, .a = 0xa4100};

    (void)state;
    assert_int_equal(reduce(&r, BIT64(N) - 1), 0x100);
    r = (struct rule){.holds = either, .a = BIT64(20) | BIT64(3), .b = BIT64(5) | BIT64(6)};
    is_minimal(&r, reduce(&r, BIT64(N) - 1));
}

/* Only of what it is given. */
static void part(void **state)
{
    struct rule r = {.holds = any_of, .a = 0xf0000f};

    (void)state;
    assert_int_equal(reduce(&r, 0x3ff3f0), 0x100000);
}

static void not_monotone(void **state)
{
    (void)state;
    for (unsigned i = 0; i < N; i++)
        for (unsigned k = 0; k < N; k++) {
            struct rule r = {.holds = spoiled, .a = BIT64(i), .b = i == k ? 0 : BIT64(k)};

            is_minimal(&r, reduce(&r, BIT64(N) - 1));
        }
    for (unsigned i = 0; i < N - 1; i++)
        for (unsigned k = 0; k < i; k++) {
            struct rule r = {.holds = odd, .a = BIT64(i) | BIT64(k)};

            is_minimal(&r, reduce(&r, BIT64(N - 1) - 1));
        }
}

/* Whatever it answers: an end, and something that held. */
static bool by_hash(const struct rule *r, uint64_t bits)
{
    return bits == BIT64(N) - 1 || (((bits + r->a) * UINT64_C(0x9e3779b97f4a7c15)) >> 61) == 0;
}

static void without_sense(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 200; i++) {
        struct rule r = {.holds = by_hash, .a = i};

        is_minimal(&r, reduce(&r, BIT64(N) - 1));
    }
}

/* Asked no more; what held last stays. */
static void stopped(void **state)
{
    (void)state;
    for (unsigned i = 1; i < 6; i++) {
        struct rule r = {.holds = all_of, .a = BIT64(7) | BIT64(19), .stop_after = i};
        struct ddmin_set set = set_of(BIT64(N) - 1);

        assert_int_equal(ddmin(&set, NULL, N, ask, &r), STOP);
        assert_int_equal(r.asked, i + 1);
        assert_true(all_of(&r, bits_of(&set)));
    }
}

/* A right one saves questions, a wrong one is not in the answer. */
static void guessed(void **state)
{
    static const uint64_t guess[] = {BIT64(7), BIT64(7) | BIT64(19), BIT64(19) | BIT64(2),
                                     BIT64(30)};

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(guess); i++) {
        struct rule r = {.holds = all_of, .a = BIT64(7) | BIT64(19)};
        struct ddmin_set set = set_of(BIT64(N) - 1);
        const struct ddmin_set likely = set_of(guess[i]);

        assert_int_equal(ddmin(&set, &likely, N, ask, &r), 0);
        assert_int_equal(bits_of(&set), r.a);
        if (i < 2)
            assert_in_range(r.different, 1, i ? 3 : 9);
    }
}

static void one_element(void **state)
{
    struct rule r = {.holds = all_of, .a = BIT64(4)};

    (void)state;
    assert_int_equal(reduce(&r, BIT64(4)), BIT64(4));
    assert_in_range(r.different, 0, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(singles),        cmocka_unit_test(pairs),
        cmocka_unit_test(one_of_several), cmocka_unit_test(triples_and_more),
        cmocka_unit_test(part),           cmocka_unit_test(not_monotone),
        cmocka_unit_test(without_sense),  cmocka_unit_test(stopped),
        cmocka_unit_test(one_element),    cmocka_unit_test(guessed),
    };

    return cmocka_run_group_tests_name("ddmin", tests, NULL, NULL);
}
