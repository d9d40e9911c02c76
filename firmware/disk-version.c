// SPDX-License-Identifier: MIT
/*
 * Owns the order of versions. Knows nothing of kernels and entries.
 */
#include "firmware/disk-version.h"

#include <stdbool.h>
#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static const char *skip_others(const char *s)
{
    while (*s && !is_digit(*s) && !is_letter(*s) && !strchr("-.~^", *s))
        s++;
    return s;
}

/* Numbers of any length: compared as text once leading zeros are gone. Moves behind them. */
static int number_cmp(const char **a, const char **b)
{
    const char *x = *a + strspn(*a, "0"), *y = *b + strspn(*b, "0");
    size_t xlen = strspn(x, "0123456789"), ylen = strspn(y, "0123456789");
    *a = x + xlen;
    *b = y + ylen;
    if (xlen != ylen)
        return xlen < ylen ? -1 : 1;
    return memcmp(x, y, xlen);
}

static int letters_cmp(const char **a, const char **b)
{
    while (is_letter(**a) && **a == **b)
        ++*a, ++*b;
    int x = is_letter(**a) ? **a : 0, y = is_letter(**b) ? **b : 0;
    return x - y;
}

/* Where either side stands on mark: 0 both do (and are moved past it), else that side's order */
static int mark_cmp(const char **a, const char **b, char mark, int with)
{
    if (**a != mark && **b != mark)
        return 0;
    if (**a == mark && **b == mark) {
        ++*a, ++*b;
        return 0;
    }
    return **a == mark ? with : -with;
}

/* ~ is older than even the end; then the longer is newer; ^ is newer than the end only */
static int marks_cmp(const char **a, const char **b)
{
    int r = mark_cmp(a, b, '~', -1);
    if (r)
        return r;
    if (!**a || !**b)
        return !!**a - !!**b;
    static const char order[] = {'-', '^', '.'};
    for (unsigned i = 0; i < sizeof(order); i++) {
        r = mark_cmp(a, b, order[i], -1);
        if (r)
            return r;
    }
    return 0;
}

int disk_version_cmp(const char *a, const char *b)
{
    for (;;) {
        a = skip_others(a);
        b = skip_others(b);
        if (!*a && !*b)
            return 0;
        const char *was_a = a, *was_b = b;
        int r = marks_cmp(&a, &b);
        if (!r && (is_digit(*a) || is_digit(*b)))
            r = number_cmp(&a, &b);
        else if (!r)
            r = letters_cmp(&a, &b);
        if (r)
            return r;
        /* neither side moved: nothing left that could differ */
        if (a == was_a && b == was_b)
            return 0;
    }
}
