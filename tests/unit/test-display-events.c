// SPDX-License-Identifier: MIT
/* What a user does at a display, as the events that input devices get. */
#include <setjmp.h>
#include <stdarg.h>
#include <linux/input-event-codes.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "devices/backend/display-events.h"
#include "vmm/base/bits.h"

struct desk {
    struct display *d;
    struct evq *q[3]; /* by enum events_of */
    struct display_events *e[3];
};

static void desk_open(struct desk *desk, bool tablet)
{
    desk->d = display_none_open(1, 640, 480, NULL);
    for (int i = EVENTS_OF_TABLET; i >= EVENTS_OF_KEYBOARD; i--) {
        desk->q[i] = evq_new(NULL);
        evq_listen(desk->q[i], true);
        desk->e[i] = NULL;
        if (i != EVENTS_OF_TABLET || tablet)
            desk->e[i] = display_events_new(desk->d, (enum events_of)i, desk->q[i], NULL);
    }
}

static void desk_close(struct desk *desk)
{
    display_drop_inputs(desk->d);
    for (unsigned i = 0; i < ARRAY_SIZE(desk->e); i++) {
        display_events_free(desk->e[i]);
        evq_free(desk->q[i]);
    }
    display_free(desk->d);
}

/* "3:0=100 3:1=7 | ": groups of type:code=value. */
static void expect(struct desk *desk, enum events_of of, const char *want)
{
    char got[256] = "";
    struct ev ev[EVQ_GROUP];
    unsigned n;

    while ((n = evq_next(desk->q[of], EVQ_GROUP))) {
        evq_take(desk->q[of], ev);
        assert_int_equal(ev[n - 1].type, EV_SYN);
        for (unsigned i = 0; i + 1 < n; i++)
            snprintf(got + strlen(got), sizeof(got) - strlen(got), "%u:%u=%d ", ev[i].type,
                     ev[i].code, (int)ev[i].value);
        strcat(got, "| ");
    }
    assert_string_equal(got, want);
}

static void test_keys(void **state)
{
    struct desk desk;

    (void)state;
    desk_open(&desk, true);
    display_key(desk.d, KEY_A, true);
    display_sync(desk.d);
    display_sync(desk.d); /* nothing is no group */
    display_key(desk.d, KEY_A, false);
    display_sync(desk.d);
    expect(&desk, EVENTS_OF_KEYBOARD, "1:30=1 | 1:30=0 | ");
    expect(&desk, EVENTS_OF_MOUSE, "");
    expect(&desk, EVENTS_OF_TABLET, "");
    desk_close(&desk);
}

/* Moves of one group add up; a group that says nothing is none. */
static void test_mouse(void **state)
{
    struct desk desk;

    (void)state;
    desk_open(&desk, false);
    display_move(desk.d, 3, -4);
    display_move(desk.d, 2, 0);
    display_sync(desk.d);
    display_move(desk.d, 0, 0);
    display_sync(desk.d);
    display_button(desk.d, BTN_LEFT, true);
    display_wheel(desk.d, 1, -2);
    display_sync(desk.d);
    expect(&desk, EVENTS_OF_MOUSE, "2:0=5 2:1=-4 | 1:272=1 2:6=1 2:8=-2 | ");
    desk_close(&desk);
}

/* A click goes to the pointer that is in use, and its end to where it began. */
static void test_tablet(void **state)
{
    struct desk desk;

    (void)state;
    desk_open(&desk, true);
    display_point(desk.d, 0, 5, 6);
    display_point(desk.d, 0, 100, 99999);
    display_sync(desk.d);
    display_button(desk.d, BTN_LEFT, true);
    display_sync(desk.d);
    expect(&desk, EVENTS_OF_TABLET, "3:0=100 3:1=32767 | 1:272=1 | ");
    expect(&desk, EVENTS_OF_MOUSE, "");
    display_move(desk.d, 1, 1);
    display_button(desk.d, BTN_LEFT, false);
    display_button(desk.d, BTN_RIGHT, true);
    display_sync(desk.d);
    expect(&desk, EVENTS_OF_TABLET, "1:272=0 | ");
    expect(&desk, EVENTS_OF_MOUSE, "2:0=1 2:1=1 1:273=1 | ");
    desk_close(&desk);
}

/* More than a group can have: what is too much goes, nothing else. */
static void test_too_much(void **state)
{
    struct desk desk;
    struct ev ev[EVQ_GROUP];

    (void)state;
    desk_open(&desk, true);
    for (uint16_t code = KEY_1; code <= KEY_0; code++)
        display_key(desk.d, code, true);
    display_sync(desk.d);
    assert_int_equal(evq_next(desk.q[0], EVQ_GROUP), EVQ_GROUP);
    evq_take(desk.q[0], ev);
    assert_int_equal(evq_next(desk.q[0], EVQ_GROUP), 0);
    desk_close(&desk);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_mouse),
        cmocka_unit_test(test_tablet),
        cmocka_unit_test(test_too_much),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
