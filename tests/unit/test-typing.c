// SPDX-License-Identifier: MIT
/* Keys by name, text by character, and the queue that they go through. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <linux/input-event-codes.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "devices/backend/keys.h"
#include "vmm/base/bits.h"
#include "vmm/typing.h"

static void count(uint16_t code, void *ctx)
{
    unsigned *n = (unsigned *)ctx;

    assert_true(code > 0 && code < KEY_CNT);
    n[code]++;
}

/* Each key once. */
static void test_list(void **state)
{
    unsigned n[KEY_CNT] = {0};

    (void)state;
    keys_each(count, n);
    for (unsigned i = 0; i < KEY_CNT; i++)
        assert_true(n[i] <= 1);
    for (unsigned i = KEY_ESC; i <= KEY_KPDOT; i++)
        assert_int_equal(n[i], 1);
}

static void test_names(void **state)
{
    static const struct {
        const char *text;
        int n;
        uint16_t code[3];
    } good[] = {
        {"ctrl-alt-f2", 3, {KEY_LEFTCTRL, KEY_LEFTALT, KEY_F2}},
        {"a", 1, {KEY_A}},
        {"ret", 1, {KEY_ENTER}},
        {"control-meta-delete", 3, {KEY_LEFTCTRL, KEY_LEFTMETA, KEY_DELETE}},
        {"ctrl--", 2, {KEY_LEFTCTRL, KEY_MINUS}},
        {"-", 1, {KEY_MINUS}},
        {"shift-/", 2, {KEY_LEFTSHIFT, KEY_SLASH}},
        {"102nd", 1, {KEY_102ND}},
        {"f24", 1, {KEY_F24}},
    };
    static const char *const bad[] = {"",
                                      "ctrl-",
                                      "-a-",
                                      "ctrl-alt-f25",
                                      "A",
                                      "!",
                                      "kp",
                                      "ctrl alt",
                                      "averyveryverylongnameofakey",
                                      "a-b-c-d-e-f-g-h-i"};
    uint16_t code[KEYS_AT_ONCE];
    struct err err;

    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(good); i++) {
        assert_int_equal(keys_parse(good[i].text, code, &err), good[i].n);
        assert_memory_equal(code, good[i].code, (size_t)good[i].n * sizeof(code[0]));
    }
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(keys_parse(bad[i], code, &err), -EINVAL);
}

/* All of ASCII that can be seen, each by its own key and shift. */
static void test_characters(void **state)
{
    bool seen[KEY_CNT][2] = {{false}};
    uint16_t code;
    bool shift;

    (void)state;
    for (char c = ' '; c <= '~'; c++) {
        assert_true(keys_char(c, &code, &shift));
        assert_false(seen[code][shift]);
        seen[code][shift] = true;
    }
    assert_true(keys_char('\n', &code, &shift) && code == KEY_ENTER && !shift);
    assert_true(keys_char('{', &code, &shift) && code == KEY_LEFTBRACE && shift);
    assert_false(keys_char('\0', &code, &shift));
    assert_false(keys_char('\x80', &code, &shift));
    assert_false(keys_char('\x1b', &code, &shift));
}

/* What the guest gets, as text: "+30-30" for a press and a release of KEY_A. */
static void expect(struct evq *q, const char *want)
{
    char got[256] = "";
    struct ev ev[EVQ_GROUP];
    unsigned n;

    while ((n = evq_next(q, EVQ_GROUP))) {
        evq_take(q, ev);
        assert_int_equal(n, 2);
        assert_int_equal(ev[0].type, EV_KEY);
        assert_int_equal(ev[1].type, EV_SYN);
        snprintf(got + strlen(got), sizeof(got) - strlen(got), "%c%u", ev[0].value ? '+' : '-',
                 ev[0].code);
    }
    assert_string_equal(got, want);
}

static void test_typing(void **state)
{
    struct evq *q = evq_new(NULL);
    char longest[TYPING_TEXT_MAX + 2];
    struct err err;

    (void)state;
    assert_int_equal(typing_text(NULL, "a", &err), -ENOENT);
    assert_int_equal(typing_text(q, "a", &err), -ENOTCONN);
    assert_int_equal(typing_keys(q, "a", &err), -ENOTCONN);
    evq_listen(q, true);
    assert_int_equal(typing_keys(q, "ctrl-alt-f2", &err), 0);
    expect(q, "+29+56+60-60-56-29");
    assert_int_equal(typing_text(q, "aA\n", &err), 0);
    expect(q, "+30-30+42+30-30-42+28-28");
    assert_int_equal(typing_text(q, "a\xc3\xa4", &err), -EINVAL);
    expect(q, "");
    memset(longest, 'A', sizeof(longest));
    longest[TYPING_TEXT_MAX + 1] = '\0';
    assert_int_equal(typing_text(q, longest, &err), -EINVAL);
    longest[TYPING_TEXT_MAX] = '\0';
    assert_int_equal(typing_text(q, longest, &err), 0);
    assert_int_equal(typing_text(q, longest, &err), 0);
    assert_int_equal(typing_text(q, longest, &err), -ENOSPC);
    assert_int_equal(evq_room(q), EVQ_EVENTS - 2 * TYPING_TEXT_MAX * 8);
    evq_free(q);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_characters),
        cmocka_unit_test(test_typing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
