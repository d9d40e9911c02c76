// SPDX-License-Identifier: MIT
/*
 * Owns grub's names for devices and files on them, and looking devices up. Of disks it knows one,
 * whatever its number: the image.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "firmware/grub.h"

/* "hd0,gpt2", "hd0,2", "ahci0,msdos5"; "hd0" is the disk as a whole */
struct disk_volume *grub_device(struct grub *g, const char *name)
{
    const char *part = strrchr(name, ',');
    unsigned long number = 0;
    if (part) {
        part++;
        while (isalpha((unsigned char)*part))
            part++;
        if (!isdigit((unsigned char)*part))
            return NULL;
        number = strtoul(part, NULL, 10);
    } else if (strncmp(name, "hd", 2) != 0) {
        return NULL;
    }
    for (unsigned i = 0; i < g->disks->count; i++)
        if (g->disks->v[i].number == number)
            return &g->disks->v[i];
    return NULL;
}

const char *grub_device_name(struct grub *g, const struct disk_volume *v)
{
    const char *table = !strcmp(g->disks->table, "dos") ? "msdos" : g->disks->table;
    const char *name = v->number ? disk_mem_printf(g->mem, "hd0,%s%u", table, v->number) : "hd0";
    return name ? name : "";
}

struct disk_path grub_locate(struct grub *g, const char *name)
{
    const char *end = *name == '(' ? strchr(name, ')') : NULL;
    if (!end)
        return (struct disk_path){*name == '/' ? grub_device(g, grub_get(g, "root")) : NULL, name};
    const char *device = disk_mem_dup(g->mem, name + 1, (size_t)(end - name - 1));
    return (struct disk_path){device ? grub_device(g, device) : NULL, end + 1};
}

bool grub_stat(struct grub *g, const char *name, struct disk_stat *st)
{
    struct disk_path p = grub_locate(g, name);
    grub_burn(g, GRUB_FILE_FUEL);
    return p.volume && *p.path && g->flow != GRUB_LIMIT && !disk_stat(p.volume, p.path, st);
}

bool grub_read(struct grub *g, const char *name, size_t max, char **text, size_t *len)
{
    struct disk_path p = grub_locate(g, name);
    grub_burn(g, GRUB_FILE_FUEL);
    if (!p.volume || g->flow == GRUB_LIMIT || disk_read(p.volume, p.path, max, g->mem, text, len))
        return false;
    grub_burn(g, *len);
    return g->flow != GRUB_LIMIT;
}

/* What an option of search is for; the others have no value and change nothing. */
enum search_what { BY_FILE, BY_LABEL, BY_UUID, SET, HINT, OTHER };

struct search {
    enum search_what by;
    const char *plain[2]; /* words that are neither options nor their values */
    unsigned plains;
    bool set;
    const char *set_value; /* NULL: --set alone */
};

static bool volume_is(struct grub *g, struct disk_volume *v, enum search_what by, const char *name)
{
    if (by == BY_UUID)
        return *name && !strcasecmp(v->uuid, name);
    if (by == BY_LABEL)
        return *name && !strcmp(v->label, name);
    struct disk_stat st;
    grub_burn(g, GRUB_FILE_FUEL);
    return g->flow != GRUB_LIMIT && !disk_stat(v, name, &st);
}

/* Without var it only says whether there is such a volume. */
static int search_run(struct grub *g, enum search_what by, const char *name, const char *var)
{
    for (unsigned i = 0; name && i < g->disks->count; i++) {
        struct disk_volume *v = &g->disks->v[i];
        if (!volume_is(g, v, by, name))
            continue;
        if (var)
            grub_set(g, var, grub_device_name(g, v));
        return 0;
    }
    return 1;
}

static const struct {
    const char *name;
    char letter;
    enum search_what what;
} search_options[] = {
    {"file", 'f', BY_FILE},    {"label", 'l', BY_LABEL}, {"fs-label", '\0', BY_LABEL},
    {"fs-uuid", 'u', BY_UUID}, {"set", 's', SET},        {"hint", 'h', HINT},
};

static enum search_what long_what(const char *name, size_t len)
{
    for (size_t i = 0; i < ARRAY_SIZE(search_options); i++)
        if (strlen(search_options[i].name) == len && !strncmp(search_options[i].name, name, len))
            return search_options[i].what;
    return strncmp(name, "hint-", 5) ? OTHER : HINT; /* one for each firmware */
}

static enum search_what short_what(char letter)
{
    for (size_t i = 0; i < ARRAY_SIZE(search_options); i++)
        if (search_options[i].letter && search_options[i].letter == letter)
            return search_options[i].what;
    return OTHER;
}

static void search_apply(struct search *s, enum search_what what, const char *value)
{
    if (what <= BY_UUID)
        s->by = what;
    if (what != SET)
        return;
    s->set = true;
    s->set_value = value;
}

/* The option at word i: returns where it ends, which is the next word if that is its value. */
static unsigned search_option(struct search *s, const struct grub_words *w, unsigned i)
{
    const char *word = w->word[i], *value = NULL;
    const char *next = i + 1 < w->count ? w->word[i + 1] : "-";
    enum search_what what;

    if (word[1] == '-') {
        const size_t len = strcspn(word + 2, "=");
        what = long_what(word + 2, len);
        value = word[2 + len] ? word + 2 + len + 1 : NULL;
    } else {
        for (word++; word[1]; word++) /* only the last letter can have a value */
            search_apply(s, short_what(*word), NULL);
        what = short_what(*word);
    }
    const bool takes = !value && (what == SET || what == HINT) && *next != '-';
    search_apply(s, what, takes ? next : value);
    return i + takes;
}

static void search_parse(struct search *s, const struct grub_words *w)
{
    for (unsigned i = 1; i < w->count; i++) {
        const char *word = w->word[i];
        if (word[0] == '-' && word[1])
            i = search_option(s, w, i);
        else if (s->plains < ARRAY_SIZE(s->plain))
            s->plain[s->plains++] = word;
    }
}

/* search.fs_uuid NAME VAR [HINT...] */
static int search_dotted(struct grub *g, const struct grub_words *w)
{
    static const struct {
        const char *word;
        enum search_what by;
    } commands[] = {
        {"search.fs_uuid", BY_UUID}, {"search.fs_label", BY_LABEL}, {"search.file", BY_FILE}};
    struct search s = {.by = BY_FILE};

    search_parse(&s, w);
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        if (!strcmp(w->word[0], commands[i].word))
            s.by = commands[i].by;
    return search_run(g, s.by, s.plain[0], s.plain[1]);
}

/* search --fs-uuid --set=root [--hint=...] NAME; search --fs-uuid NAME --set root;
 * search --fs-uuid --set NAME, which sets root. The word after --set is its value wherever it
 * stands; without --set nothing is set. */
int grub_search(struct grub *g, const struct grub_words *w)
{
    struct search s = {.by = BY_FILE};

    if (strchr(w->word[0], '.'))
        return search_dotted(g, w);
    search_parse(&s, w);
    if (!s.plains)
        return search_run(g, s.by, s.set_value, "root");
    return search_run(g, s.by, s.plain[0], !s.set ? NULL : s.set_value ? s.set_value : "root");
}
