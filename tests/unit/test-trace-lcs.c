// SPDX-License-Identifier: MIT
/* Differences of sequences: what is marked explains them, and no shorter way exists (by a table).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/base/bits.h"
#include "vmm/trace-lcs.h"

enum { MOST = 120, BIG = 60000 };

/* Length of the longest common subsequence, by a table of all prefixes. */
static size_t common(const uint32_t *a, size_t n, const uint32_t *b, size_t m)
{
    static size_t t[MOST + 1][MOST + 1];

    memset(t, 0, sizeof(t));
    for (size_t i = 1; i <= n; i++)
        for (size_t j = 1; j <= m; j++) {
            t[i][j] = t[i - 1][j] > t[i][j - 1] ? t[i - 1][j] : t[i][j - 1];
            if (a[i - 1] == b[j - 1] && t[i - 1][j - 1] + 1 > t[i][j])
                t[i][j] = t[i - 1][j - 1] + 1;
        }
    return t[n][m];
}

/* What is not marked must be the same on both sides. Returns how much that is. */
static size_t kept_check(const uint32_t *a, size_t n, const bool *in_a, const uint32_t *b, size_t m,
                         const bool *in_b)
{
    size_t i = 0, j = 0, kept = 0;

    for (;;) {
        while (i < n && in_a[i])
            i++;
        while (j < m && in_b[j])
            j++;
        if (i == n || j == m)
            break;
        assert_int_equal(a[i], b[j]);
        i++;
        j++;
        kept++;
    }
    assert_true(i == n && j == m);
    return kept;
}

static size_t run(const uint32_t *a, size_t n, const uint32_t *b, size_t m, size_t most)
{
    bool *in_a = calloc(n + 1, 1), *in_b = calloc(m + 1, 1);
    size_t kept;

    assert_true(trace_lcs(a, n, b, m, in_a, in_b, most));
    kept = kept_check(a, n, in_a, b, m, in_b);
    free(in_a);
    free(in_b);
    return kept;
}

static void test_random(void **state)
{
    uint32_t a[MOST], b[MOST];

    (void)state;
    srandom(5);
    for (unsigned round = 0; round < 4000; round++) {
        const size_t n = (size_t)random() % MOST, m = (size_t)random() % MOST;
        const unsigned letters = 1 + (unsigned)random() % 12;

        for (size_t i = 0; i < n; i++)
            a[i] = (uint32_t)random() % letters;
        for (size_t i = 0; i < m; i++)
            b[i] = (uint32_t)random() % letters;
        assert_int_equal(run(a, n, b, m, BIG), common(a, n, b, m));
        run(a, n, b, m, 2); /* cut short: not the shortest, but right */
    }
}

static void test_edges(void **state)
{
    const uint32_t a[] = {1, 2, 3, 4, 5}, b[] = {9, 8};

    (void)state;
    assert_int_equal(run(a, 0, b, 0, BIG), 0);
    assert_int_equal(run(a, 5, b, 0, BIG), 0);
    assert_int_equal(run(a, 0, b, 2, BIG), 0);
    assert_int_equal(run(a, 5, b, 2, BIG), 0);
    assert_int_equal(run(a, 5, a, 5, BIG), 5);
    assert_int_equal(run(a, 5, a + 1, 4, BIG), 4);
    assert_int_equal(run(a, 4, a, 5, BIG), 4);
}

/* Long ones that have nothing, or nearly everything, in common end soon. */
static void test_long(void **state)
{
    static uint32_t a[BIG], b[BIG];

    (void)state;
    for (unsigned i = 0; i < BIG; i++) {
        a[i] = i;
        b[i] = i + BIG;
    }
    assert_int_equal(run(a, BIG, b, BIG, 200), 0);
    for (unsigned i = 0; i < BIG; i++)
        b[i] = i % 1000 == 500 ? BIG : i;
    assert_int_equal(run(a, BIG, b, BIG, 200), BIG - BIG / 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_edges),
        cmocka_unit_test(test_long),
    };

    return cmocka_run_group_tests_name("trace-lcs", tests, NULL, NULL);
}
