// SPDX-License-Identifier: MIT
/*
 * Owns the words of a grub script: where they end, and what quotes, escapes and variables in them
 * stand for. Knows no command and no keyword.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "firmware/grub.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static bool ends_word(const struct grub_text *s)
{
    return s->at >= s->end || is_blank(*s->at) || *s->at == '\n' || *s->at == ';';
}

/* Past what quote (at s->at) opens, its end included; an unclosed one ends with the text */
static void skip_quoted(struct grub_text *s)
{
    char quote = *s->at++;
    while (s->at < s->end && *s->at != quote) {
        if (quote == '"' && *s->at == '\\' && s->at + 1 < s->end)
            s->at++;
        s->at++;
    }
    if (s->at < s->end)
        s->at++;
}

static void skip_word(struct grub_text *s)
{
    while (!ends_word(s)) {
        struct grub_text next = {s->at + 1, s->end};
        if (*s->at == '{' && ends_word(&next))
            return; /* menuentry "title"{ */
        if (*s->at == '\'' || *s->at == '"') {
            skip_quoted(s);
        } else if (*s->at == '$' && next.at < next.end && *next.at == '{') {
            while (s->at < s->end && *s->at != '}' && *s->at != '\n')
                s->at++;
            s->at += s->at < s->end && *s->at == '}';
        } else {
            s->at += *s->at == '\\' && next.at < next.end ? 2 : 1;
        }
    }
}

static void skip_blanks(struct grub_text *s)
{
    for (; s->at < s->end; s->at++) {
        bool joined = *s->at == '\\' && s->end - s->at > 1 && s->at[1] == '\n';
        if (!joined && !is_blank(*s->at))
            break;
        s->at += joined;
    }
    if (s->at < s->end && *s->at == '#')
        while (s->at < s->end && *s->at != '\n')
            s->at++;
}

static enum grub_token lex_token(struct grub_text *s)
{
    if (s->at >= s->end)
        return GRUB_END;
    if (*s->at == '\n' || *s->at == ';') {
        s->at++;
        return GRUB_SEPARATOR;
    }
    if (*s->at == '{' || *s->at == '}')
        return *s->at++ == '{' ? GRUB_OPEN : GRUB_CLOSE;
    skip_word(s);
    return GRUB_WORD;
}

enum grub_token grub_lex(struct grub *g, struct grub_text *script, struct grub_text *token)
{
    const char *from = script->at;
    skip_blanks(script);
    token->at = script->at;
    enum grub_token kind = lex_token(script);
    token->end = script->at;
    grub_burn(g, (uint64_t)(script->at - from) + 1);
    return g->flow == GRUB_LIMIT ? GRUB_END : kind;
}

bool grub_text_is(const struct grub_text *t, const char *word)
{
    size_t len = strlen(word);
    return (size_t)(t->end - t->at) == len && !memcmp(t->at, word, len);
}

void grub_lex_block(struct grub *g, struct grub_text *script, struct grub_text *body)
{
    struct grub_text token = {script->at, script->at};
    enum grub_token kind = GRUB_OPEN;
    body->at = script->at;
    for (unsigned open = 1; open && kind != GRUB_END;) {
        kind = grub_lex(g, script, &token);
        open += kind == GRUB_OPEN;
        open -= kind == GRUB_CLOSE;
    }
    body->end = token.at;
}

/* A word in the making. */
struct expansion {
    struct grub *g;
    struct grub_words *words;
    struct disk_buf buf;
    bool begun; /* "" is a word, nothing is none */
};

static void put(struct expansion *x, const char *s, size_t len)
{
    x->begun = true;
    grub_burn(x->g, len);
    if (disk_buf_put(&x->buf, s, len))
        grub_limit(x->g, "a word of more than 64 KiB");
}

static void word_end(struct expansion *x)
{
    if (x->begun && x->g->flow != GRUB_LIMIT)
        grub_words_add(x->g, x->words, x->buf.data, x->buf.len);
    x->begun = false;
    x->buf.len = 0;
}

/* A value outside of quotes falls apart into words at its blanks. */
static void put_value(struct expansion *x, const char *value, bool quoted)
{
    if (quoted) {
        put(x, value, strlen(value));
        return;
    }
    while (*value && x->g->flow != GRUB_LIMIT) {
        size_t len = strcspn(value, " \t\n");
        if (len)
            put(x, value, len);
        else
            word_end(x);
        value += len ? len : strspn(value, " \t\n");
    }
}

static void put_params(struct expansion *x, bool quoted)
{
    const struct grub_words *p = x->g->params;
    for (unsigned i = 1; p && i < p->count; i++) {
        if (i > 1)
            put_value(x, " ", quoted);
        put_value(x, p->word[i], quoted);
    }
}

static void put_named(struct expansion *x, const char *name, bool quoted)
{
    const struct grub_words *p = x->g->params;
    char number[16] = "";
    if (!strcmp(name, "*") || !strcmp(name, "@")) {
        put_params(x, quoted);
        return;
    }
    unsigned index = 0;
    if (isdigit((unsigned char)*name) && sscanf(name, "%5u", &index) == 1) {
        put_value(x, p && index < p->count ? p->word[index] : "", quoted);
        return;
    }
    if (*name == '?')
        snprintf(number, sizeof(number), "%d", x->g->status);
    else if (*name == '#')
        snprintf(number, sizeof(number), "%u", p && p->count ? p->count - 1 : 0);
    put_value(x, *number ? number : grub_get(x->g, name), quoted);
}

static size_t name_length(const struct grub_text *s)
{
    size_t len = 0, room = (size_t)(s->end - s->at);
    if (room && (strchr("?*@#", *s->at) || isdigit((unsigned char)*s->at)))
        return *s->at ? 1 : 0;
    while (len < room && (isalnum((unsigned char)s->at[len]) || s->at[len] == '_'))
        len++;
    return len;
}

/* s is behind the $ */
static void put_variable(struct expansion *x, struct grub_text *s, bool quoted)
{
    char name[128];
    bool brace = s->at < s->end && *s->at == '{';
    s->at += brace;
    const char *end = brace ? memchr(s->at, '}', (size_t)(s->end - s->at)) : NULL;
    size_t len = end ? (size_t)(end - s->at) : name_length(s);
    if (!len || len >= sizeof(name)) {
        put(x, "$", 1);
        return;
    }
    memcpy(name, s->at, len);
    name[len] = '\0';
    s->at += len + (end ? 1 : 0);
    put_named(x, name, quoted);
}

static void put_double(struct expansion *x, struct grub_text *s)
{
    for (s->at++; s->at < s->end && *s->at != '"' && x->g->flow != GRUB_LIMIT;) {
        bool escape = *s->at == '\\' && s->end - s->at > 1 && strchr("$\"\\\n", s->at[1]);
        if (*s->at == '$') {
            s->at++;
            put_variable(x, s, true);
            continue;
        }
        s->at += escape;
        put(x, s->at, escape && *s->at == '\n' ? 0 : 1);
        s->at++;
    }
    s->at++;
}

static void put_single(struct expansion *x, struct grub_text *s)
{
    const char *from = ++s->at;
    while (s->at < s->end && *s->at != '\'')
        s->at++;
    put(x, from, (size_t)(s->at - from));
    s->at++;
}

static void put_plain(struct expansion *x, struct grub_text *s)
{
    bool escape = *s->at == '\\' && s->end - s->at > 1;
    s->at += escape;
    put(x, s->at, escape && *s->at == '\n' ? 0 : 1);
    s->at++;
}

void grub_expand(struct grub *g, const struct grub_text *token, struct grub_words *words)
{
    struct expansion x = {.g = g, .words = words, .buf.max = GRUB_MAX_WORD};
    struct grub_text s = *token;
    while (s.at < s.end && g->flow != GRUB_LIMIT) {
        if (*s.at == '\'') {
            put_single(&x, &s);
        } else if (*s.at == '"') {
            put(&x, "", 0);
            put_double(&x, &s);
        } else if (*s.at == '$') {
            s.at++;
            put_variable(&x, &s, false);
        } else {
            put_plain(&x, &s);
        }
    }
    word_end(&x);
    disk_buf_free(&x.buf);
}
