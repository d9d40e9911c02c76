// SPDX-License-Identifier: MIT
/*
 * Owns the grub commands that matter for what is booted. Whatever draws, loads modules or talks to
 * hardware is unknown here, and so succeeds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "firmware/grub.h"

/* Not options of ours but of the command */
static unsigned skip_options(const struct grub_words *w)
{
    unsigned i = 1;
    while (i < w->count && w->word[i][0] == '-')
        i++;
    return i;
}

static int cmd_set(struct grub *g, const struct grub_words *w, const struct grub_text *body)
{
    (void)body;
    char *equals = w->count > 1 ? strchr(w->word[1], '=') : NULL;
    if (!equals)
        return 0;
    *equals = '\0';
    grub_set(g, w->word[1], equals + 1);
    return 0;
}

static int cmd_unset(struct grub *g, const struct grub_words *w, const struct grub_text *body)
{
    (void)body;
    for (unsigned i = 1; i < w->count; i++)
        grub_vars_unset(&g->vars, w->word[i]);
    return 0;
}

static int cmd_test(struct grub *g, const struct grub_words *w, const struct grub_text *body)
{
    (void)body;
    unsigned count = w->count - 1;
    if (!strcmp(w->word[0], "[") && count && !strcmp(w->word[count], "]"))
        count--;
    return grub_test(g, w->word + 1, count);
}

static int cmd_false(struct grub *g, const struct grub_words *w, const struct grub_text *body)
{
    (void)g, (void)w, (void)body;
    return 1;
}

static int cmd_flow(struct grub *g, const struct grub_words *w, const struct grub_text *body)
{
    (void)body;
    static const struct {
        const char *word;
        enum grub_flow flow;
    } map[] = {{"break", GRUB_BREAK}, {"continue", GRUB_CONTINUE}, {"return", GRUB_RETURN}};
    for (size_t i = 0; i < ARRAY_SIZE(map); i++)
        if (!strcmp(w->word[0], map[i].word))
            g->flow = map[i].flow;
    return g->flow == GRUB_RETURN && w->count > 1 ? strtol(w->word[1], NULL, 10) != 0 : g->status;
}

static int cmd_load_env(struct grub *g, const struct grub_words *w, const struct grub_text *body)
{
    (void)body;
    struct grub_words only = {0};
    const char *file = NULL;
    for (unsigned i = 1; i < w->count; i++) {
        const char *word = w->word[i];
        if ((!strcmp(word, "-f") || !strcmp(word, "--file")) && i + 1 < w->count)
            file = w->word[++i];
        else if (!strncmp(word, "--file=", 7))
            file = word + 7;
        else if (*word != '-')
            grub_words_add(g, &only, word, strlen(word));
    }
    char *text;
    size_t len;
    if (!file)
        file = disk_mem_printf(g->mem, "%s/grubenv", grub_get(g, "prefix"));
    if (!file || !grub_read(g, file, GRUB_MAX_ENV, &text, &len))
        return 1;
    if (grub_vars_load(&g->vars, g->mem, text, len, &only))
        grub_limit(g, "too many variables");
    return 0;
}

static int cmd_search(struct grub *g, const struct grub_words *w, const struct grub_text *body)
{
    (void)body;
    return grub_search(g, w);
}

static int cmd_source(struct grub *g, const struct grub_words *w, const struct grub_text *body)
{
    (void)body;
    char *text;
    size_t len;
    if (w->count < 2 || !grub_read(g, w->word[1], DISK_MAX_CONFIG, &text, &len))
        return 1;
    grub_run(g, (struct grub_text){text, text + len}, NULL);
    if (g->flow == GRUB_RETURN)
        g->flow = GRUB_ON;
    return g->status;
}

/* Another configuration takes over: its menu, and no way back. */
static int cmd_configfile(struct grub *g, const struct grub_words *w, const struct grub_text *body)
{
    (void)body;
    char *text;
    size_t len;
    const char *file =
        w->count > 1 ? w->word[1] : disk_mem_printf(g->mem, "%s/grub.cfg", grub_get(g, "prefix"));
    if (!file || !grub_read(g, file, DISK_MAX_CONFIG, &text, &len))
        return 1;
    const char *slash = strrchr(file, '/');
    const char *dir = disk_mem_dup(g->mem, file, slash ? (size_t)(slash - file) : 0);
    grub_set(g, "config_file", file);
    grub_set(g, "config_directory", dir ? dir : "");
    g->menu->count = 0;
    grub_run(g, (struct grub_text){text, text + len}, NULL);
    if (g->flow != GRUB_LIMIT)
        g->flow = GRUB_DONE;
    return 0;
}

static int cmd_eval(struct grub *g, const struct grub_words *w, const struct grub_text *body)
{
    (void)body;
    struct disk_buf b = {.max = GRUB_MAX_WORD};
    for (unsigned i = 1; i < w->count; i++)
        if (disk_buf_put(&b, w->word[i], strlen(w->word[i])) || disk_buf_put(&b, " ", 1))
            grub_limit(g, "a word of more than 64 KiB");
    char *text = disk_mem_dup(g->mem, b.data, b.len);
    if (text)
        grub_run(g, (struct grub_text){text, text + b.len}, NULL);
    disk_buf_free(&b);
    return g->status;
}

/* As grub hands words to the kernel: in quotes when they hold blanks, quotes escaped. */
static int cmdline_put(struct disk_buf *b, const char *word)
{
    const char *quote = strchr(word, ' ') ? "\"" : "";
    int r = disk_buf_put(b, b->len ? " " : "", b->len ? 1 : 0);
    r = r ? r : disk_buf_put(b, quote, strlen(quote));
    for (; *word && !r; word++) {
        if (strchr("\\\"'", *word))
            r = disk_buf_put(b, "\\", 1);
        r = r ? r : disk_buf_put(b, word, 1);
    }
    return r ? r : disk_buf_put(b, quote, strlen(quote));
}

static int file_find(struct grub *g, const char *name, const char *what, struct disk_path *to)
{
    struct disk_stat st;
    *to = grub_locate(g, name);
    if (grub_stat(g, name, &st) && st.kind == DISK_FILE)
        return 0;
    *to = (struct disk_path){0};
    err_set(&g->problem, 2, "it wants %s %s, which is not there", what, name);
    return 1;
}

static int cmd_linux(struct grub *g, const struct grub_words *w, const struct grub_text *body)
{
    (void)body;
    unsigned at = skip_options(w);
    struct disk_buf line = {.max = (size_t)(64 * KIB)};
    g->loaded.initrds = 0;
    if (at >= w->count || file_find(g, w->word[at], "kernel", &g->loaded.kernel))
        return 1;
    int r = disk_buf_put(&line, "", 0);
    for (unsigned i = at + 1; i < w->count && !r; i++)
        r = cmdline_put(&line, w->word[i]);
    g->loaded.cmdline = r ? NULL : disk_mem_dup(g->mem, line.data, line.len);
    disk_buf_free(&line);
    if (!g->loaded.cmdline)
        grub_limit(g, "a command line of more than 64 KiB");
    return 0;
}

static int cmd_initrd(struct grub *g, const struct grub_words *w, const struct grub_text *body)
{
    (void)body;
    g->loaded.initrds = 0;
    for (unsigned i = skip_options(w); i < w->count; i++) {
        if (g->loaded.initrds == DISK_MAX_INITRDS) {
            grub_limit(g, "too many initrds");
            return 1;
        }
        if (file_find(g, w->word[i], "initrd", &g->loaded.initrd[g->loaded.initrds]))
            return 1;
        g->loaded.initrds++;
    }
    return 0;
}

/* Boots something that is not a Linux kernel file */
static int cmd_other(struct grub *g, const struct grub_words *w, const struct grub_text *body)
{
    (void)body;
    if (w->count > 1 && !strcmp(w->word[1], "--is-supported"))
        return 1; /* a question, not an attempt */
    err_set(&g->problem, 2, "it boots by \"%s\", not a Linux kernel", w->word[0]);
    return 0;
}

static int cmd_blscfg(struct grub *g, const struct grub_words *w, const struct grub_text *body)
{
    (void)w, (void)body;
    return grub_blscfg(g);
}

bool grub_command(struct grub *g, const struct grub_words *w, const struct grub_text *body)
{
    static const struct {
        const char *name;
        int (*run)(struct grub *g, const struct grub_words *w, const struct grub_text *body);
    } commands[] = {
        {"set", cmd_set},
        {"unset", cmd_unset},
        {"[", cmd_test},
        {"test", cmd_test},
        {"false", cmd_false},
        {"break", cmd_flow},
        {"continue", cmd_flow},
        {"return", cmd_flow},
        {"load_env", cmd_load_env},
        {"search", cmd_search},
        {"search.fs_uuid", cmd_search},
        {"search.fs_label", cmd_search},
        {"search.file", cmd_search},
        {"source", cmd_source},
        {".", cmd_source},
        {"configfile", cmd_configfile},
        {"normal", cmd_configfile},
        {"eval", cmd_eval},
        {"menuentry", grub_menuentry},
        {"submenu", grub_menuentry},
        {"blscfg", cmd_blscfg},
        {"linux", cmd_linux},
        {"linux16", cmd_linux},
        {"linuxefi", cmd_linux},
        {"initrd", cmd_initrd},
        {"initrd16", cmd_initrd},
        {"initrdefi", cmd_initrd},
        {"chainloader", cmd_other},
        {"multiboot", cmd_other},
        {"multiboot2", cmd_other},
        {"xen_hypervisor", cmd_other},
        {"fwsetup", cmd_other},
    };
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        if (!strcmp(w->word[0], commands[i].name)) {
            g->status = commands[i].run(g, w, body);
            return true;
        }
    }
    return false;
}
