// SPDX-License-Identifier: MIT
/*
 * Owns grub's test command, also called [. Knows nothing else.
 */
#include <stdlib.h>
#include <string.h>

#include "firmware/grub.h"

#define TEST_MAX_DEPTH 32 /* of ! and ( in one another */

/* The words that are left; truth is what the caller wants to know */
struct test {
    struct grub *g;
    char *const *word;
    unsigned at, count, depth;
};

static bool test_or(struct test *t);

static const char *peek(const struct test *t, unsigned ahead)
{
    return t->count - t->at > ahead ? t->word[t->at + ahead] : "";
}

static bool compare(const char *op, const char *a, const char *b, bool *truth)
{
    int text = strcmp(a, b);
    long long x = strtoll(a, NULL, 0), y = strtoll(b, NULL, 0);
    const struct {
        const char *op;
        bool truth;
    } map[] = {
        {"=", text == 0}, {"==", text == 0}, {"!=", text != 0}, {"<", text < 0}, {"<=", text <= 0},
        {">", text > 0},  {">=", text >= 0}, {"-eq", x == y},   {"-ne", x != y}, {"-lt", x < y},
        {"-le", x <= y},  {"-gt", x > y},    {"-ge", x >= y},
    };
    for (size_t i = 0; i < ARRAY_SIZE(map); i++) {
        if (!strcmp(op, map[i].op)) {
            *truth = map[i].truth;
            return true;
        }
    }
    return false;
}

static bool unary(struct grub *g, const char *op, const char *arg, bool *truth)
{
    struct disk_stat st = {0};
    if (strlen(op) != 2 || op[0] != '-' || !strchr("zndefs", op[1]))
        return false;
    if (op[1] == 'z' || op[1] == 'n') {
        *truth = (op[1] == 'z') == !*arg;
        return true;
    }
    *truth = grub_stat(g, arg, &st);
    if (op[1] == 'd')
        *truth = *truth && st.kind == DISK_DIR;
    else if (op[1] != 'e')
        *truth = *truth && st.kind == DISK_FILE && (op[1] == 'f' || st.size);
    return true;
}

static bool test_group(struct test *t)
{
    t->at++;
    bool truth = test_or(t);
    t->at += !strcmp(peek(t, 0), ")");
    return truth;
}

static bool test_prime(struct test *t)
{
    bool truth = false;
    unsigned left = t->count - t->at;
    if (!left || t->depth >= TEST_MAX_DEPTH)
        return false;
    if (left >= 3 && compare(peek(t, 1), peek(t, 0), peek(t, 2), &truth)) {
        t->at += 3;
        return truth;
    }
    t->depth++;
    if (left >= 2 && !strcmp(peek(t, 0), "!")) {
        t->at++;
        truth = !test_prime(t);
    } else if (left >= 2 && !strcmp(peek(t, 0), "(")) {
        truth = test_group(t);
    } else if (left >= 2 && unary(t->g, peek(t, 0), peek(t, 1), &truth)) {
        t->at += 2;
    } else {
        truth = *peek(t, 0);
        t->at++;
    }
    t->depth--;
    return truth;
}

static bool test_and(struct test *t)
{
    bool truth = test_prime(t);
    while (!strcmp(peek(t, 0), "-a")) {
        t->at++;
        truth = test_prime(t) && truth;
    }
    return truth;
}

static bool test_or(struct test *t)
{
    bool truth = test_and(t);
    while (!strcmp(peek(t, 0), "-o")) {
        t->at++;
        truth = test_and(t) || truth;
    }
    return truth;
}

int grub_test(struct grub *g, char *const *word, unsigned count)
{
    struct test t = {.g = g, .word = word, .count = count};
    return test_or(&t) ? 0 : 1;
}
