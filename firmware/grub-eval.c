// SPDX-License-Identifier: MIT
/*
 * Owns running a grub script: statements, conditions, loops, functions. It runs straight from the
 * text, walking over what is not taken, so there is no tree to build from hostile bytes. Knows
 * what a command is, not what any command does.
 */
#include <ctype.h>
#include <string.h>

#include "firmware/grub.h"

void grub_limit(struct grub *g, const char *what)
{
    if (g->flow != GRUB_LIMIT)
        g->limit = what;
    g->flow = GRUB_LIMIT;
}

void grub_burn(struct grub *g, uint64_t fuel)
{
    if (fuel >= g->fuel)
        grub_limit(g, "more steps than a boot menu can need");
    else
        g->fuel -= fuel;
}

void grub_set(struct grub *g, const char *name, const char *value)
{
    if (grub_vars_set(&g->vars, g->mem, name, value))
        grub_limit(g, "too many variables");
}

const char *grub_get(const struct grub *g, const char *name)
{
    const char *value = grub_vars_get(&g->vars, name);
    return value ? value : "";
}

void grub_words_add(struct grub *g, struct grub_words *words, const char *s, size_t len)
{
    if (words->count == words->room) {
        unsigned room = words->room ? words->room * 4 : 8;
        char **more =
            room <= GRUB_MAX_WORDS * 4 ? disk_mem_alloc(g->mem, room * sizeof(*more)) : NULL;
        if (!more) {
            grub_limit(g, "a command of too many words");
            return;
        }
        if (words->count)
            memcpy(more, words->word, words->count * sizeof(*more));
        words->word = more;
        words->room = room;
    }
    words->word[words->count] = disk_mem_dup(g->mem, s, len);
    if (words->word[words->count])
        words->count++;
    else
        grub_limit(g, "too much memory");
}

static int block_run(struct grub *g, struct grub_text *s, const char *const *enders, bool run);

static void if_run(struct grub *g, struct grub_text *s, bool run)
{
    static const char *const then[] = {"then", NULL}, *const fi[] = {"fi", NULL};
    static const char *const ends[] = {"elif", "else", "fi", NULL};
    bool taken = false;
    int met = 0;
    while (met == 0 && g->flow == GRUB_ON) {
        block_run(g, s, then, run && !taken);
        bool yes = run && !taken && g->status == 0;
        if (g->flow == GRUB_ON)
            met = block_run(g, s, ends, yes);
        taken = taken || yes;
    }
    if (run && !taken && g->flow == GRUB_ON)
        g->status = 0;
    if (met == 1 && g->flow == GRUB_ON)
        block_run(g, s, fi, run && !taken);
}

/* After a turn: whether the loop goes on */
static bool loop_goes_on(struct grub *g)
{
    bool on = g->flow == GRUB_ON || g->flow == GRUB_CONTINUE;
    if (g->flow == GRUB_BREAK || g->flow == GRUB_CONTINUE)
        g->flow = GRUB_ON;
    return on;
}

static const char *const loop_do[] = {"do", NULL}, *const loop_done[] = {"done", NULL};

static void conditional_run(struct grub *g, struct grub_text *s, bool run, bool until)
{
    const struct grub_text start = *s;
    block_run(g, s, loop_do, false);
    block_run(g, s, loop_done, false);
    while (run && g->flow == GRUB_ON) {
        struct grub_text turn = start;
        block_run(g, &turn, loop_do, true);
        if (g->flow != GRUB_ON || (g->status == 0) == until)
            return;
        block_run(g, &turn, loop_done, true);
        if (!loop_goes_on(g))
            return;
    }
}

static void while_run(struct grub *g, struct grub_text *s, bool run)
{
    conditional_run(g, s, run, false);
}

static void until_run(struct grub *g, struct grub_text *s, bool run)
{
    conditional_run(g, s, run, true);
}

/* for NAME in WORDS; do ... done */
static void for_run(struct grub *g, struct grub_text *s, bool run)
{
    struct grub_words w = {0};
    struct grub_text token;
    while (grub_lex(g, s, &token) == GRUB_WORD)
        if (run)
            grub_expand(g, &token, &w);
    block_run(g, s, loop_do, false);
    const struct grub_text start = *s;
    block_run(g, s, loop_done, false);
    for (unsigned i = 2; run && i < w.count && g->flow == GRUB_ON; i++) {
        struct grub_text turn = start;
        grub_set(g, w.word[0], w.word[i]);
        block_run(g, &turn, loop_done, true);
        if (!loop_goes_on(g))
            return;
    }
}

static void function_run(struct grub *g, struct grub_text *s, bool run)
{
    struct grub_text name, token, body;
    enum grub_token kind = grub_lex(g, s, &name);
    while (kind != GRUB_OPEN && kind != GRUB_END)
        kind = grub_lex(g, s, &token);
    grub_lex_block(g, s, &body);
    if (!run || g->flow == GRUB_LIMIT)
        return;
    struct grub_function *f = disk_mem_alloc(g->mem, sizeof(*f));
    const char *copy = disk_mem_dup(g->mem, name.at, (size_t)(name.end - name.at));
    if (!f || !copy) {
        grub_limit(g, "too many functions");
        return;
    }
    /* in front: it replaces an earlier one of its name */
    *f = (struct grub_function){g->functions, copy, body};
    g->functions = f;
}

static const struct grub_function *function_find(struct grub *g, const char *name)
{
    const struct grub_function *f = g->functions;
    while (f && strcmp(f->name, name) != 0) {
        grub_burn(g, 1);
        f = f->next;
    }
    return f;
}

static void words_run(struct grub *g, const struct grub_words *w, const struct grub_text *body)
{
    if (!w->count || grub_command(g, w, body))
        return;
    const struct grub_function *f = function_find(g, w->word[0]);
    g->status = 0;
    if (!f)
        return;
    grub_run(g, f->body, w);
    if (g->flow == GRUB_RETURN)
        g->flow = GRUB_ON;
}

/* name=value as written, the name plain */
static bool is_assignment(const struct grub_text *t)
{
    const char *at = t->at;
    while (at < t->end && (isalnum((unsigned char)*at) || *at == '_'))
        at++;
    return at > t->at && at < t->end && *at == '=';
}

static void assign(struct grub *g, const struct grub_words *w)
{
    char *equals = w->count ? strchr(w->word[0], '=') : NULL;
    if (!equals)
        return;
    *equals = '\0';
    grub_set(g, w->word[0], equals + 1);
    g->status = 0;
}

static void command_run(struct grub *g, struct grub_text *s, struct grub_text token, bool run)
{
    struct grub_words w = {0};
    struct grub_text body = {0};
    bool invert = grub_text_is(&token, "!"), assignment = is_assignment(&token);
    enum grub_token kind = invert ? grub_lex(g, s, &token) : GRUB_WORD;
    for (; kind != GRUB_END && kind != GRUB_SEPARATOR; kind = grub_lex(g, s, &token)) {
        if (kind == GRUB_OPEN) {
            grub_lex_block(g, s, &body);
            break;
        }
        if (kind == GRUB_WORD && run)
            grub_expand(g, &token, &w);
    }
    if (!run || g->flow != GRUB_ON)
        return;
    if (assignment)
        assign(g, &w);
    else
        words_run(g, &w, &body);
    if (invert)
        g->status = !g->status;
}

static void statement_run(struct grub *g, struct grub_text *s, const struct grub_text *first,
                          bool run)
{
    static const struct {
        const char *word;
        void (*run)(struct grub *g, struct grub_text *s, bool run);
    } keywords[] = {
        {"if", if_run},   {"while", while_run},       {"until", until_run},
        {"for", for_run}, {"function", function_run},
    };
    for (size_t i = 0; i < ARRAY_SIZE(keywords); i++) {
        if (grub_text_is(first, keywords[i].word)) {
            keywords[i].run(g, s, run);
            return;
        }
    }
    command_run(g, s, *first, run);
}

static int ender_find(const struct grub_text *t, const char *const *enders)
{
    for (int i = 0; enders && enders[i]; i++)
        if (grub_text_is(t, enders[i]))
            return i;
    return -1;
}

/* Runs statements, or only walks over them, past a word of enders: which one, -1 at the end. */
static int block_run(struct grub *g, struct grub_text *s, const char *const *enders, bool run)
{
    struct grub_text token;
    int met = -1;
    if (++g->depth > GRUB_MAX_DEPTH)
        grub_limit(g, "blocks, functions or files nested too deeply");
    while (met < 0 && g->flow == GRUB_ON) {
        enum grub_token kind = grub_lex(g, s, &token);
        if (kind == GRUB_END)
            break;
        if (kind != GRUB_WORD)
            continue;
        met = ender_find(&token, enders);
        if (met < 0)
            statement_run(g, s, &token, run);
    }
    g->depth--;
    return met;
}

void grub_run(struct grub *g, struct grub_text text, const struct grub_words *params)
{
    const struct grub_words *outer = g->params;
    g->params = params ? params : outer;
    block_run(g, &text, NULL, true);
    g->params = outer;
}
