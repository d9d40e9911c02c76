// SPDX-License-Identifier: MIT
/* vmm/base/ends: what ends the program, and what nohup and the background keep from it (H25). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "vmm/base/ends.h"

static void three_of_them(void **state)
{
    sigset_t set;

    (void)state;
    signal(SIGINT, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
    ends_choose(&set);
    assert_true(sigismember(&set, SIGTERM));
    assert_true(sigismember(&set, SIGINT));
    assert_true(sigismember(&set, SIGHUP));
    assert_false(sigismember(&set, SIGUSR1));
}

static void not_what_is_ignored(void **state)
{
    sigset_t set;

    (void)state;
    signal(SIGHUP, SIG_IGN);
    ends_choose(&set);
    assert_false(sigismember(&set, SIGHUP));
    assert_true(sigismember(&set, SIGINT));
    signal(SIGINT, SIG_IGN);
    ends_choose(&set);
    assert_false(sigismember(&set, SIGINT));
    assert_true(sigismember(&set, SIGTERM));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_of_them),
        cmocka_unit_test(not_what_is_ignored),
    };

    return cmocka_run_group_tests_name("ends", tests, NULL, NULL);
}
