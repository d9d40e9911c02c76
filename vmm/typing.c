// SPDX-License-Identifier: MIT
/*
 * Owns how names of keys and texts become presses and releases. Refuses to wait for the guest: what
 * it has no room for is refused whole.
 */
#include "vmm/typing.h"

#include <errno.h>
#include <linux/input-event-codes.h>
#include <string.h>

#include "devices/backend/keys.h"

enum { EVENTS_A_KEY = 4, EVENTS_A_CHARACTER = 8 }; /* at most: down, up, a SYN_REPORT each; shift */

static int key_put(struct evq *keyboard, uint16_t code, bool down)
{
    const struct ev ev = {EV_KEY, code, down};

    return evq_put(keyboard, &ev, 1);
}

static int ready(struct evq *keyboard, size_t events, struct err *err)
{
    if (!keyboard)
        return err_set(err, ENOENT, "the machine has no keyboard; give it --input keyboard");
    if (evq_put(keyboard, NULL, 0) < 0)
        return err_set(err, ENOTCONN, "no driver in the guest listens to the keyboard");
    if (evq_room(keyboard) < events)
        return err_set(err, ENOSPC,
                       "the guest has not taken what was typed before; try again later");
    return 0;
}

int typing_keys(struct evq *keyboard, const char *keys, struct err *err)
{
    uint16_t code[KEYS_AT_ONCE];
    const int n = keys_parse(keys, code, err);
    const int ret = n < 0 ? n : ready(keyboard, (size_t)n * EVENTS_A_KEY, err);

    if (ret < 0)
        return ret;
    for (int i = 0; i < n; i++)
        key_put(keyboard, code[i], true);
    for (int i = n - 1; i >= 0; i--)
        key_put(keyboard, code[i], false);
    return 0;
}

static int text_check(const char *text, struct err *err)
{
    uint16_t code;
    bool shift;

    if (strlen(text) > TYPING_TEXT_MAX)
        return err_set(err, EINVAL, "a text of more than %d characters; type it in parts",
                       TYPING_TEXT_MAX);
    for (const char *p = text; *p; p++)
        if (!keys_char(*p, &code, &shift))
            return err_set(err, EINVAL,
                           "character 0x%02x is on no key of a US keyboard; nothing was typed",
                           (unsigned char)*p);
    return 0;
}

int typing_text(struct evq *keyboard, const char *text, struct err *err)
{
    uint16_t code;
    bool shift;
    int ret = text_check(text, err);

    if (ret == 0)
        ret = ready(keyboard, strlen(text) * EVENTS_A_CHARACTER, err);
    for (const char *p = text; ret == 0 && *p; p++) {
        keys_char(*p, &code, &shift);
        if (shift)
            key_put(keyboard, KEY_LEFTSHIFT, true);
        key_put(keyboard, code, true);
        key_put(keyboard, code, false);
        if (shift)
            key_put(keyboard, KEY_LEFTSHIFT, false);
    }
    return ret;
}
