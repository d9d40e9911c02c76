// SPDX-License-Identifier: MIT
/*
 * The table of lint's rules is whole: every rule is in docs/lint.md as it is in the table, and has
 * a test that breaks it. Run from the top of the tree, as all tests are.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "virtio/lint.h"
#include "vmm/base/bits.h"

enum { TEXT_MAX = 1 << 20 };

/* Append a file to text. */
static void file_add(char *text, const char *name)
{
    FILE *f = fopen(name, "r");
    const size_t n = strlen(text);

    if (!f)
        fail_msg("cannot read %s: run this from the top of the tree", name);
    text[n + fread(text + n, 1, TEXT_MAX - 1 - n, f)] = '\0';
    fclose(f);
}

/* As it stands in the list: "LINT_" and a name, in the order of the rules. */
static const char *const names[] = {
#define X(rule, ...) "LINT_" #rule,
#include "virtio/lint.list"
#undef X
};

static void test_ids(void **state)
{
    (void)state;
    for (unsigned i = 0; i < LINT_RULES; i++) {
        assert_true(lint_rules[i].id[0] >= '2' && lint_rules[i].id[0] <= '6');
        assert_non_null(strchr(lint_rules[i].id, '-'));
        assert_true(strlen(lint_rules[i].seen) && strlen(lint_rules[i].consequence));
        for (unsigned k = 0; k < i; k++)
            assert_string_not_equal(lint_rules[i].id, lint_rules[k].id);
    }
}

/* lint_only(b, LINT_RULE) stands where a rule was broken on purpose, in a function or in the
 * arguments of one that ends with it. */
static void test_every_rule_has_a_test(void **state)
{
    static const char *const files[] = {
        "tests/device/test-lint.c",      "tests/device/test-lint-queue.c",
        "tests/device/test-lint-ring.c", "tests/device/test-lint-blk.c",
        "tests/device/test-lint-net.c",  "tests/device/test-lint-net-ctrl.c",
        "tests/device/test-lint-misc.c", "tests/device/test-lint-display.c",
    };
    char *text = (char *)calloc(1, TEXT_MAX), id[64], end[64];
    unsigned missing = 0;

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(files); i++)
        file_add(text, files[i]);
    for (unsigned i = 0; i < LINT_RULES; i++) {
        snprintf(id, sizeof(id), "{\"%s\",", lint_rules[i].id);
        snprintf(end, sizeof(end), "%s)", names[i]);
        if (strstr(text, id) && strstr(text, end))
            continue;
        print_error("no test of %s (%s)\n", lint_rules[i].id, names[i]);
        missing++;
    }
    free(text);
    assert_int_equal(missing, 0);
}

static void test_every_rule_is_documented(void **state)
{
    char *text = (char *)calloc(1, TEXT_MAX), row[1024];
    unsigned rows = 0, missing = 0;

    (void)state;
    file_add(text, "docs/lint.md");
    for (unsigned i = 0; i < LINT_RULES; i++) {
        const struct lint_rule *r = &lint_rules[i];

        snprintf(row, sizeof(row), "\n| %s | %s | %s | %s |\n", r->id, lint_level_name[r->level],
                 r->seen, r->consequence);
        if (!strstr(text, row)) {
            print_error("docs/lint.md has no row%s", row);
            missing++;
        }
    }
    for (const char *p = text; (p = strstr(p, "\n| ")); p++)
        rows += p[3] >= '2' && p[3] <= '6';
    free(text);
    assert_int_equal(missing, 0);
    assert_int_equal(rows, LINT_RULES); /* and none that are gone */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_every_rule_has_a_test),
        cmocka_unit_test(test_every_rule_is_documented),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
