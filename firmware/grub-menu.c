// SPDX-License-Identifier: MIT
/*
 * Owns grub's menus: their entries, which is the default, and running it. Knows nothing of what an
 * entry's commands do.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "firmware/grub.h"

static struct grub_entry *entry_add(struct grub *g)
{
    struct grub_menu *m = g->menu;
    if (m->count == m->room) {
        unsigned room = m->room ? m->room * 2 : 16;
        struct grub_entry *more =
            room <= GRUB_MAX_ENTRIES ? disk_mem_alloc(g->mem, room * sizeof(*more)) : NULL;
        if (!more) {
            grub_limit(g, "too many menu entries");
            return NULL;
        }
        if (m->count)
            memcpy(more, m->entry, m->count * sizeof(*more));
        m->entry = more;
        m->room = room;
    }
    struct grub_entry *e = &m->entry[m->count++];
    *e = (struct grub_entry){.title = "", .id = ""};
    return e;
}

static bool takes_value(const char *option)
{
    static const char *const with[] = {"--class", "--users", "--hotkey", "--source", "--id"};
    for (size_t i = 0; i < ARRAY_SIZE(with); i++)
        if (!strcmp(option, with[i]))
            return true;
    return false;
}

/* menuentry TITLE [--class C] [--id ID] [--unrestricted] [WORD...] { ... }, submenu the same */
int grub_menuentry(struct grub *g, const struct grub_words *w, const struct grub_text *body)
{
    struct grub_entry *e = entry_add(g);
    if (!e)
        return 1;
    e->submenu = !strcmp(w->word[0], "submenu");
    e->body = *body;
    grub_words_add(g, &e->params, w->word[0], strlen(w->word[0]));
    for (unsigned i = 1; i < w->count && g->flow == GRUB_ON; i++) {
        const char *word = w->word[i];
        if (!strncmp(word, "--id=", 5))
            e->id = word + 5;
        else if (!strcmp(word, "--id") && i + 1 < w->count)
            e->id = w->word[++i];
        else if (takes_value(word))
            i++;
        else if (strncmp(word, "--", 2) != 0)
            grub_words_add(g, &e->params, word, strlen(word));
    }
    if (e->params.count > 1)
        e->title = e->params.word[1];
    return 0;
}

/* Loader entries of $boot, or of $root, become menu entries: newest first. */
int grub_blscfg(struct grub *g)
{
    const char *device = *grub_get(g, "boot") ? grub_get(g, "boot") : grub_get(g, "root");
    struct disk_volume *v = grub_device(g, device);
    struct bls_list list = {0};
    grub_burn(g, MIB);
    if (!v || g->flow == GRUB_LIMIT)
        return 1;
    if (bls_load(v, g->mem, &list)) {
        grub_limit(g, "too many loader entries");
        return 1;
    }
    bls_sort(&list);
    g->used_bls = true;
    for (unsigned i = 0; i < list.count; i++) {
        struct grub_entry *e = entry_add(g);
        if (!e)
            return 1;
        e->bls = &list.entry[i];
        e->title = *e->bls->title ? e->bls->title : e->bls->id;
        e->id = e->bls->id;
    }
    return 0;
}

/* Length of the part in front of the first '>' that is not doubled */
static size_t head_length(const char *path)
{
    size_t i = 0;
    while (path[i] && !(path[i] == '>' && path[i + 1] != '>'))
        i += path[i] == '>' ? 2 : 1;
    return i;
}

static void unescape(char *head)
{
    char *to = head;
    for (; *head; head++) {
        *to++ = *head;
        head += head[0] == '>' && head[1] == '>';
    }
    *to = '\0';
}

static const struct grub_entry *entry_find(const struct grub_menu *m, const char *want)
{
    char *end;
    unsigned long number = strtoul(want, &end, 10);
    if (isdigit((unsigned char)*want) && !*end)
        return number < m->count ? &m->entry[number] : NULL;
    for (unsigned i = 0; *want && i < m->count; i++)
        if (!strcmp(m->entry[i].id, want) || !strcmp(m->entry[i].title, want))
            return &m->entry[i];
    return NULL;
}

struct env_vars {
    struct bls_vars vars;
    const struct grub *g;
};

static const char *env_get(const struct bls_vars *vars, const char *name)
{
    return grub_vars_get(&container_of(vars, struct env_vars, vars)->g->vars, name);
}

static void bls_run(struct grub *g, const struct bls_entry *e)
{
    struct env_vars env = {.vars.get = env_get, .g = g};
    bls_choose(e, &env.vars, g->mem, &g->loaded, &g->problem);
}

static void body_run(struct grub *g, const struct grub_entry *e, const char *rest)
{
    struct grub_menu inner = {0}, *outer = g->menu;
    g->menu = &inner;
    if (e->submenu)
        grub_set(g, "default", rest);
    grub_run(g, e->body, &e->params);
    if (g->flow != GRUB_LIMIT)
        g->flow = GRUB_ON;
    if (!g->loaded.kernel.volume && inner.count)
        grub_menu_boot(g);
    g->menu = outer;
}

/* Whether it boots; if not, g->problem tells why */
static bool entry_run(struct grub *g, const struct grub_entry *e, const char *rest)
{
    g->loaded = (struct disk_choice){0};
    g->problem.text[0] = '\0';
    grub_set(g, "chosen", *e->id ? e->id : e->title);
    if (e->bls)
        bls_run(g, e->bls);
    else
        body_run(g, e, rest);
    if (g->loaded.kernel.volume && !g->loaded.title)
        g->loaded.title = e->title;
    if (!g->loaded.kernel.volume && !*g->problem.text)
        err_set(&g->problem, 2, "it loads no kernel");
    return g->flow == GRUB_ON && !*g->problem.text;
}

/* Entries named in $fallback, when the default one does not boot */
static void fallback_run(struct grub *g)
{
    const char *value = grub_get(g, "fallback");
    char *save, *list = disk_mem_dup(g->mem, value, strlen(value));
    struct err first = g->problem;
    for (char *p = list ? strtok_r(list, " ", &save) : NULL; p; p = strtok_r(NULL, " ", &save)) {
        const struct grub_entry *e = entry_find(g->menu, p);
        if (g->flow != GRUB_ON || (e && entry_run(g, e, "")))
            return;
    }
    g->problem = first;
}

void grub_menu_boot(struct grub *g)
{
    const char *path = grub_get(g, "default");
    size_t len = head_length(path);
    char *head = disk_mem_dup(g->mem, path, len);
    if (!head || g->menus >= GRUB_MAX_MENUS) {
        grub_limit(g, "menus nested too deeply");
        return;
    }
    unescape(head);
    const struct grub_entry *e = entry_find(g->menu, head);
    const char *rest = e && path[len] ? path + len + 1 : "";
    e = e ? e : &g->menu->entry[0];
    g->menus++;
    if (!entry_run(g, e, rest) && g->flow == GRUB_ON && g->menus == 1) {
        struct err why = g->problem;
        err_set(&g->problem, 2, "its default entry \"%.100s\" does not boot: %s", e->title,
                why.text);
        fallback_run(g);
    }
    g->menus--;
}
