// SPDX-License-Identifier: MIT
/* Owns the names of keys and how text is typed: keys.list, looked through. */
#include "devices/backend/keys.h"

#include <errno.h>
#include <linux/input-event-codes.h>
#include <string.h>

#include "vmm/base/bits.h"

enum { NAME_MAX_BYTES = 16 };

struct key {
    uint16_t code;
    const char *name;
    char plain, shifted; /* what it writes; 0: nothing */
};

static const struct key keys[] = {
#define X(code, name, sdl, plain, shifted) {KEY_##code, name, plain, shifted},
#include "devices/backend/keys.list"
#undef X
};

/* What else people and other programs call them. */
static const struct {
    const char *name, *is;
} others[] = {
    {"escape", "esc"},    {"return", "enter"}, {"ret", "enter"},       {"control", "ctrl"},
    {"leftctrl", "ctrl"}, {"leftalt", "alt"},  {"leftshift", "shift"}, {"rightalt", "altgr"},
    {"super", "meta"},    {"win", "meta"},     {"leftmeta", "meta"},   {"print", "sysrq"},
    {"del", "delete"},    {"ins", "insert"},   {"pgup", "pageup"},     {"pgdn", "pagedown"},
    {"spc", "space"},     {"compose", "menu"}, {"period", "dot"},
};

void keys_each(void (*fn)(uint16_t code, void *ctx), void *ctx)
{
    for (unsigned i = 0; i < ARRAY_SIZE(keys); i++)
        fn(keys[i].code, ctx);
}

bool keys_char(char c, uint16_t *code, bool *shift)
{
    for (unsigned i = 0; c && i < ARRAY_SIZE(keys); i++) {
        if (keys[i].plain != c && keys[i].shifted != c)
            continue;
        *code = keys[i].code;
        *shift = keys[i].plain != c;
        return true;
    }
    return false;
}

static bool key_named(const char *name, uint16_t *code)
{
    bool shift;

    for (unsigned i = 0; i < ARRAY_SIZE(others); i++)
        if (strcmp(others[i].name, name) == 0)
            name = others[i].is;
    for (unsigned i = 0; i < ARRAY_SIZE(keys); i++) {
        if (strcmp(keys[i].name, name) != 0)
            continue;
        *code = keys[i].code;
        return true;
    }
    return name[0] && !name[1] && keys_char(name[0], code, &shift) && !shift;
}

/* The next name; a hyphen that stands where a name should is one: "ctrl--". */
static size_t name_len(const char *text)
{
    return text[0] ? 1 + strcspn(text + 1, "-") : 0;
}

int keys_parse(const char *text, uint16_t code[KEYS_AT_ONCE], struct err *err)
{
    char name[NAME_MAX_BYTES];
    int n = 0;

    for (const char *at = text;; at++) {
        const size_t len = name_len(at);

        if (n == KEYS_AT_ONCE)
            return err_set(err, EINVAL, "'%.60s' is more than %d keys at once", text, KEYS_AT_ONCE);
        memcpy(name, at, min_u64(len, sizeof(name) - 1));
        name[min_u64(len, sizeof(name) - 1)] = '\0';
        if (len >= sizeof(name) || !key_named(name, &code[n]))
            return err_set(err, EINVAL,
                           "there is no key '%s'; names are those of Linux's KEY_ codes in lower "
                           "case, with - between: ctrl-alt-f2",
                           name);
        n++;
        at += len;
        if (!*at)
            return n;
    }
}
