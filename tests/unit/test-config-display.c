// SPDX-License-Identifier: MIT
/* What --display and --input say together. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "devices/backend/display-sdl.h"
#include "vmm/base/bits.h"
#include "vmm/config.h"

static const struct {
    const char *display, *input; /* "": not given */
    const char *there;           /* the first letters of the inputs that there are */
    enum config_display_kind kind;
} rows[] = {
    {"sdl", "", "kt", CONFIG_DISPLAY_SDL},
    {"sdl", "mouse", "mk", CONFIG_DISPLAY_SDL},
    {"sdl", "tablet", "tk", CONFIG_DISPLAY_SDL},
    {"sdl", "keyboard", "kt", CONFIG_DISPLAY_SDL},
    {"sdl,size=640x480,scanouts=2", "", "kt", CONFIG_DISPLAY_SDL},
    {"memory", "", "", CONFIG_DISPLAY_MEMORY},
    {"memory", "mouse", "m", CONFIG_DISPLAY_MEMORY},
    {"png:/tmp", "", "", CONFIG_DISPLAY_PNG},
    {"none", "tablet", "t", CONFIG_DISPLAY_NONE},
};

static void test_windows_have_inputs(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        const char *words[] = {"run",           "--kernel", "k",          "--display",
                               rows[i].display, "--input",  rows[i].input};
        char *argv[ARRAY_SIZE(words)];
        char there[CONFIG_INPUTS_MAX + 1] = "";
        struct config config;
        struct err err;
        int got;

        for (unsigned k = 0; k < ARRAY_SIZE(words); k++)
            argv[k] = (char *)(uintptr_t)words[k];
        got = config_parse(&config, rows[i].input[0] ? 7 : 5, argv, &err);
        if (rows[i].kind == CONFIG_DISPLAY_SDL && display_sdl_built(NULL) < 0) {
            assert_int_equal(got, -ENOTSUP);
            assert_non_null(strstr(err.text, "install libsdl2-dev"));
            continue;
        }
        assert_int_equal(got, 0);
        assert_int_equal(config.display.kind, rows[i].kind);
        for (unsigned k = 0; k < config.n_inputs; k++)
            there[k] = input_kind_name[config.input[k].kind][0];
        assert_string_equal(there, rows[i].there);
        config_free(&config);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(test_windows_have_inputs)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
