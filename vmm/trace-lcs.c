// SPDX-License-Identifier: MIT
/*
 * Owns Myers' algorithm ("An O(ND) Difference Algorithm and Its Variations", 1986) in its form that
 * divides: the middle of a shortest way is found from both ends, then each half is done alike.
 * Refuses to know what is compared.
 */
#include "vmm/trace-lcs.h"

#include <stdlib.h>

struct lcs {
    const uint32_t *a, *b;
    bool *in_a, *in_b;
    int64_t *fore, *back; /* furthest places by diagonal, from both ends */
    int64_t off;          /* of diagonal 0 in them */
    int64_t most;
};

/* A part of both sequences: a[a0, a1) and b[b0, b1). */
struct box {
    int64_t a0, a1, b0, b1;
};

struct cut {
    int64_t a, b;
};

static int64_t fore_reach(const struct lcs *l, const struct box *x, int64_t d, int64_t k)
{
    const int64_t *v = l->fore + l->off;
    int64_t i = k == -d || (k != d && v[k - 1] < v[k + 1]) ? v[k + 1] : v[k - 1] + 1;

    while (x->a0 + i < x->a1 && x->b0 + i - k < x->b1 && l->a[x->a0 + i] == l->b[x->b0 + i - k])
        i++;
    return i;
}

/* The same from the end, counted from there. */
static int64_t back_reach(const struct lcs *l, const struct box *x, int64_t d, int64_t k)
{
    const int64_t *v = l->back + l->off;
    int64_t i = k == -d || (k != d && v[k - 1] < v[k + 1]) ? v[k + 1] : v[k - 1] + 1;

    while (x->a1 - i > x->a0 && x->b1 - (i - k) > x->b0 &&
           l->a[x->a1 - i - 1] == l->b[x->b1 - (i - k) - 1])
        i++;
    return i;
}

static bool inside(const struct box *x, struct cut c)
{
    return c.a >= x->a0 && c.a <= x->a1 && c.b >= x->b0 && c.b <= x->b1;
}

/* The place furthest from the beginning after d steps, for ways that are too long to end. */
static struct cut cut_far(const struct lcs *l, const struct box *x, int64_t d)
{
    struct cut best = {x->a0, x->b0};

    for (int64_t k = -d; k <= d; k += 2) {
        const int64_t i = l->fore[l->off + k];
        const struct cut c = {x->a0 + i, x->b0 + i - k};

        if (inside(x, c) && c.a + c.b > best.a + best.b)
            best = c;
    }
    return best;
}

/* Where a shortest way passes about half of its differences. Both parts are not empty. */
static struct cut cut_find(const struct lcs *l, const struct box *x)
{
    const int64_t n = x->a1 - x->a0, m = x->b1 - x->b0, delta = n - m;
    const int64_t max = (n + m + 1) / 2;

    l->fore[l->off + 1] = l->back[l->off + 1] = 0;
    for (int64_t d = 0; d <= max; d++) {
        for (int64_t k = -d; k <= d; k += 2) {
            const int64_t i = l->fore[l->off + k] = fore_reach(l, x, d, k);
            const int64_t o = delta - k; /* this diagonal, seen from the end */

            if (delta % 2 && o >= -(d - 1) && o <= d - 1 && i + l->back[l->off + o] >= n)
                return (struct cut){x->a0 + i, x->b0 + i - k};
        }
        for (int64_t k = -d; k <= d; k += 2) {
            const int64_t i = l->back[l->off + k] = back_reach(l, x, d, k);
            const int64_t o = delta - k;

            if (delta % 2 == 0 && o >= -d && o <= d && i + l->fore[l->off + o] >= n)
                return (struct cut){x->a1 - i, x->b1 - (i - k)};
        }
        if (d > l->most)
            return cut_far(l, x, d);
    }
    return (struct cut){x->a1, x->b1};
}

static void mark(const struct lcs *l, const struct box *x)
{
    for (int64_t i = x->a0; i < x->a1; i++)
        l->in_a[i] = true;
    for (int64_t i = x->b0; i < x->b1; i++)
        l->in_b[i] = true;
}

/* Without what is the same at both ends. */
static struct box trim(const struct lcs *l, struct box x)
{
    while (x.a0 < x.a1 && x.b0 < x.b1 && l->a[x.a0] == l->b[x.b0]) {
        x.a0++;
        x.b0++;
    }
    while (x.a0 < x.a1 && x.b0 < x.b1 && l->a[x.a1 - 1] == l->b[x.b1 - 1]) {
        x.a1--;
        x.b1--;
    }
    return x;
}

/* The second half is done in the same turn, so that the stack stays as deep as halves halve. */
static void solve(const struct lcs *l, struct box x)
{
    for (;;) {
        struct box first, second;
        struct cut c;

        x = trim(l, x);
        if (x.a0 == x.a1 || x.b0 == x.b1) {
            mark(l, &x);
            return;
        }
        c = cut_find(l, &x);
        first = (struct box){x.a0, c.a, x.b0, c.b};
        second = (struct box){c.a, x.a1, c.b, x.b1};
        if (!inside(&x, c) || (c.a == x.a0 && c.b == x.b0) || (c.a == x.a1 && c.b == x.b1)) {
            mark(l, &x);
            return;
        }
        if (c.a - x.a0 + c.b - x.b0 <= x.a1 - c.a + x.b1 - c.b) {
            solve(l, first);
            x = second;
        } else {
            solve(l, second);
            x = first;
        }
    }
}

bool trace_lcs(const uint32_t *a, size_t n, const uint32_t *b, size_t m, bool *in_a, bool *in_b,
               size_t most)
{
    const size_t width = 2 * ((n + m) / 2 + 3) + 1;
    struct lcs l = {.a = a, .b = b, .in_a = in_a, .in_b = in_b, .most = (int64_t)most};
    bool done;

    l.off = (int64_t)(width / 2);
    l.fore = calloc(width, sizeof(l.fore[0]));
    l.back = calloc(width, sizeof(l.back[0]));
    done = l.fore && l.back;
    if (done)
        solve(&l, (struct box){0, (int64_t)n, 0, (int64_t)m});
    free(l.fore);
    free(l.back);
    return done;
}
