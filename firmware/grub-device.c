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

enum search_by { BY_FILE, BY_LABEL, BY_UUID };

static bool volume_is(struct grub *g, struct disk_volume *v, enum search_by by, const char *name)
{
    if (by == BY_UUID)
        return *name && !strcasecmp(v->uuid, name);
    if (by == BY_LABEL)
        return *name && !strcmp(v->label, name);
    struct disk_stat st;
    grub_burn(g, GRUB_FILE_FUEL);
    return g->flow != GRUB_LIMIT && !disk_stat(v, name, &st);
}

static int search_run(struct grub *g, enum search_by by, const char *name, const char *var)
{
    for (unsigned i = 0; name && i < g->disks->count; i++) {
        struct disk_volume *v = &g->disks->v[i];
        if (!volume_is(g, v, by, name))
            continue;
        grub_set(g, var, grub_device_name(g, v));
        return 0;
    }
    return 1;
}

static const struct {
    const char *word;
    enum search_by by;
} search_words[] = {
    {"--fs-uuid", BY_UUID},
    {"-u", BY_UUID},
    {"--label", BY_LABEL},
    {"-l", BY_LABEL},
    {"--fs-label", BY_LABEL},
    {"--file", BY_FILE},
    {"-f", BY_FILE},
    {"search.fs_uuid", BY_UUID},
    {"search.fs_label", BY_LABEL},
    {"search.file", BY_FILE},
};

static void search_word(const char *word, enum search_by *by)
{
    for (size_t i = 0; i < ARRAY_SIZE(search_words); i++)
        if (!strcmp(word, search_words[i].word))
            *by = search_words[i].by;
}

/* search --fs-uuid --set=root [--hint=...] NAME; search --set root -u NAME;
 * search.fs_uuid NAME VAR [HINT...] */
int grub_search(struct grub *g, const struct grub_words *w)
{
    enum search_by by = BY_FILE;
    const char *var = "root", *plain[2] = {NULL, NULL};
    unsigned plains = 0;
    search_word(w->word[0], &by);
    for (unsigned i = 1; i < w->count; i++) {
        const char *word = w->word[i];
        if (!strncmp(word, "--set=", 6))
            var = word + 6;
        else if (*word == '-')
            search_word(word, &by);
        else if (plains < ARRAY_SIZE(plain))
            plain[plains++] = word;
    }
    bool dotted = strchr(w->word[0], '.');
    if (plains == 2)
        var = plain[dotted];
    return search_run(g, by, plain[plains == 2 && !dotted], var);
}
