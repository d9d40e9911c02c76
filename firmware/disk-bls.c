// SPDX-License-Identifier: MIT
/*
 * Owns reading, ordering and choosing loader entries. Knows nothing of grub but that variables in
 * an entry have values somewhere.
 */
#include "firmware/disk-bls.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "firmware/disk-version.h"

#define SUFFIX ".conf"

#if defined(__aarch64__)
#define ARCHITECTURE "aa64"
#else
#define ARCHITECTURE "x64"
#endif

/* One line "key value": 0, key and value NUL-terminated in place; comments and blanks give no key
 */
static void line_split(char *line, char **key, char **value)
{
    *key = line + strspn(line, " \t");
    size_t len = strcspn(*key, " \t");
    *value = *key + len;
    if (**value)
        *(*value)++ = '\0';
    *value += strspn(*value, " \t");
    size_t end = strlen(*value);
    while (end && strchr(" \t\r", (*value)[end - 1]))
        (*value)[--end] = '\0';
    if (**key == '#')
        **key = '\0';
}

static int options_add(const char **options, const char *more, struct disk_mem *mem)
{
    *options = **options ? disk_mem_printf(mem, "%s %s", *options, more) : more;
    return *options ? 0 : -ENOMEM;
}

static int entry_key(struct bls_entry *e, const char *key, const char *value, struct disk_mem *mem)
{
    const struct {
        const char *key, **to;
    } map[] = {
        {"title", &e->title},       {"version", &e->version}, {"machine-id", &e->machine_id},
        {"sort-key", &e->sort_key}, {"linux", &e->kernel},    {"architecture", &e->architecture},
    };
    for (size_t i = 0; i < ARRAY_SIZE(map); i++)
        if (!strcmp(key, map[i].key))
            *map[i].to = value;
    if (!strcmp(key, "options"))
        return options_add(&e->options, value, mem);
    if (strcmp(key, "initrd") != 0)
        return 0;
    if (e->initrds == DISK_MAX_INITRDS)
        return -E2BIG;
    e->initrd[e->initrds++] = value;
    return 0;
}

static int entry_parse(struct bls_entry *e, char *text, struct disk_mem *mem)
{
    e->title = e->version = e->machine_id = e->sort_key = "";
    e->kernel = e->options = e->architecture = "";
    int r = 0;
    char *save, *key, *value;
    for (char *line = strtok_r(text, "\n", &save); line && !r; line = strtok_r(NULL, "\n", &save)) {
        line_split(line, &key, &value);
        r = entry_key(e, key, value, mem);
    }
    return r;
}

/* Cuts .conf and "+LEFT[-DONE]" off the copy in e->id */
static void entry_id(struct bls_entry *e, char *id)
{
    e->id = id;
    id[strlen(id) - strlen(SUFFIX)] = '\0';
    char *plus = strrchr(id, '+');
    if (!plus)
        return;
    size_t left = strspn(plus + 1, "0123456789");
    const char *rest = plus + 1 + left;
    size_t done = *rest == '-' ? strspn(rest + 1, "0123456789") : 0;
    if (!left || (*rest && (!done || rest[1 + done])))
        return;
    e->bad = strtoul(plus + 1, NULL, 10) == 0;
    *plus = '\0';
}

static int list_grow(struct bls_list *list, struct disk_mem *mem)
{
    if (list->count < list->room)
        return 0;
    if (list->count >= BLS_MAX_ENTRIES)
        return -E2BIG;
    unsigned room = list->room ? list->room * 2 : 16;
    struct bls_entry *more = disk_mem_alloc(mem, room * sizeof(*more));
    if (!more)
        return -ENOMEM;
    if (list->count)
        memcpy(more, list->entry, list->count * sizeof(*more));
    list->entry = more;
    list->room = room;
    return 0;
}

/* The names first: an entry is read only when the listing of its directory has ended. */
struct entry_names {
    struct disk_names names;
    struct disk_mem *mem;
    char *name[BLS_MAX_ENTRIES];
    unsigned count;
};

static int entry_name_add(struct disk_names *names, const char *name)
{
    struct entry_names *n = container_of(names, struct entry_names, names);
    size_t len = strlen(name), suffix = strlen(SUFFIX);
    if (len <= suffix || strcasecmp(name + len - suffix, SUFFIX) != 0)
        return 0;
    if (n->count == BLS_MAX_ENTRIES)
        return -E2BIG;
    n->name[n->count] = disk_mem_dup(n->mem, name, len);
    return n->name[n->count++] ? 0 : -ENOMEM;
}

static int entry_load(struct disk_volume *v, const char *dir, char *name, struct disk_mem *mem,
                      struct bls_list *list)
{
    char *text, path[DISK_MAX_PATH];
    size_t len;
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    int r = disk_read(v, path, BLS_MAX_ENTRY, mem, &text, &len);
    if (r)
        return r == -ENOMEM ? r : 0; /* a broken entry is no entry */
    r = list_grow(list, mem);
    if (r)
        return r;
    struct bls_entry *e = &list->entry[list->count];
    *e = (struct bls_entry){.volume = v, .below_boot = !strncmp(dir, "/boot/", 6)};
    r = entry_parse(e, text, mem);
    if (r)
        return r == -ENOMEM ? r : 0;
    entry_id(e, name);
    bool other = *e->architecture && strcasecmp(e->architecture, ARCHITECTURE) != 0;
    list->count += *e->kernel && !other;
    return 0;
}

static int entries_load(struct disk_volume *v, const char *dir, struct disk_mem *mem,
                        struct bls_list *list)
{
    struct entry_names *n = disk_mem_alloc(mem, sizeof(*n));
    if (!n)
        return -ENOMEM;
    *n = (struct entry_names){.names.add = entry_name_add, .mem = mem};
    int r = disk_list(v, dir, &n->names);
    if (r)
        return r == -E2BIG || r == -ENOMEM ? r : 0;
    for (unsigned i = 0; !r && i < n->count; i++)
        r = entry_load(v, dir, n->name[i], mem, list);
    return r;
}

int bls_load(struct disk_volume *v, struct disk_mem *mem, struct bls_list *list)
{
    if (disk_volume_ready(v))
        return 0;
    int r = entries_load(v, "/loader/entries", mem, list);
    return r ? r : entries_load(v, "/boot/loader/entries", mem, list);
}

static int entry_cmp(const void *a, const void *b)
{
    const struct bls_entry *x = a, *y = b;
    if (x->bad != y->bad)
        return x->bad ? 1 : -1;
    if (!*x->sort_key != !*y->sort_key)
        return *x->sort_key ? -1 : 1;
    int r = 0;
    if (*x->sort_key) {
        r = strcmp(x->sort_key, y->sort_key);
        r = r ? r : strcmp(x->machine_id, y->machine_id);
        r = r ? r : -disk_version_cmp(x->version, y->version);
    }
    r = r ? r : -disk_version_cmp(x->id, y->id);
    return r ? r : strcmp(x->id, y->id);
}

void bls_sort(struct bls_list *list)
{
    if (list->count)
        qsort(list->entry, list->count, sizeof(*list->entry), entry_cmp);
}

const struct bls_entry *bls_default(const struct bls_list *list, const char *pattern)
{
    for (unsigned i = 0; pattern && i < list->count; i++) {
        char name[DISK_MAX_PATH];
        snprintf(name, sizeof(name), "%s" SUFFIX, list->entry[i].id);
        if (!fnmatch(pattern, name, FNM_CASEFOLD) ||
            !fnmatch(pattern, list->entry[i].id, FNM_CASEFOLD))
            return &list->entry[i];
    }
    return list->count ? &list->entry[0] : NULL;
}

/* $name and ${name} replaced; NULL: no memory, or too long */
static const char *expand(const char *text, const struct bls_vars *vars, struct disk_mem *mem)
{
    static const char name_chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                     "0123456789_";
    if (!vars || !strchr(text, '$'))
        return text;
    struct disk_buf out = {.max = (size_t)(64 * KIB)};
    int r = disk_buf_put(&out, "", 0);
    while (*text && !r) {
        size_t plain = strcspn(text, "$");
        r = disk_buf_put(&out, text, plain);
        text += plain;
        if (r || !*text)
            break;
        bool brace = *++text == '{';
        text += brace;
        char name[64];
        size_t len = strspn(text, name_chars);
        snprintf(name, sizeof(name), "%.*s", (int)min_u64(len, sizeof(name)), text);
        text += len;
        text += brace && *text == '}';
        const char *value = vars->get(vars, name);
        r = value ? disk_buf_put(&out, value, strlen(value)) : 0;
    }
    const char *copy = r ? NULL : disk_mem_dup(mem, out.data, out.len);
    disk_buf_free(&out);
    return copy;
}

/* The file as the entry means it: from the volume's root, or from /boot */
static int path_set(const struct bls_entry *e, const char *path, struct disk_mem *mem,
                    struct disk_path *to, struct err *err)
{
    const char *full = disk_mem_printf(mem, "%s%s", *path == '/' ? "" : "/", path);
    if (full && !disk_is_file(e->volume, full) && e->below_boot)
        full = disk_mem_printf(mem, "/boot%s", full);
    if (!full)
        return err_set(err, ENOMEM, "its loader entries need too much memory");
    *to = (struct disk_path){.volume = e->volume, .path = full};
    if (disk_is_file(e->volume, full))
        return 0;
    return err_set(err, ENOENT, "loader entry %s.conf wants %s, which is not there", e->id, path);
}

/* One value may name several files once variables stand for words of their own. */
static int initrds_set(const struct bls_entry *e, const char *value, struct disk_mem *mem,
                       struct disk_choice *c, struct err *err)
{
    char *save, *copy = disk_mem_dup(mem, value, strlen(value));
    if (!copy)
        return err_set(err, ENOMEM, "its loader entries need too much memory");
    for (char *p = strtok_r(copy, " \t", &save); p; p = strtok_r(NULL, " \t", &save)) {
        if (c->initrds == DISK_MAX_INITRDS)
            return err_set(err, E2BIG, "loader entry %s.conf has too many initrds", e->id);
        int r = path_set(e, p, mem, &c->initrd[c->initrds], err);
        if (r)
            return r;
        c->initrds++;
    }
    return 0;
}

int bls_choose(const struct bls_entry *e, const struct bls_vars *vars, struct disk_mem *mem,
               struct disk_choice *c, struct err *err)
{
    struct disk_choice made = {.title = *e->title ? e->title : e->id};
    made.cmdline = expand(e->options, vars, mem);
    const char *kernel_path = expand(e->kernel, vars, mem);
    if (!made.cmdline || !kernel_path)
        return err_set(err, E2BIG, "loader entry %s.conf is too long", e->id);
    int r = path_set(e, kernel_path, mem, &made.kernel, err);
    for (unsigned i = 0; !r && i < e->initrds; i++) {
        const char *value = expand(e->initrd[i], vars, mem);
        r = value ? initrds_set(e, value, mem, &made, err)
                  : err_set(err, E2BIG, "loader entry %s.conf is too long", e->id);
    }
    if (!r)
        *c = made;
    return r;
}

const char *bls_conf(struct disk_volume *v, struct disk_mem *mem, const char *key)
{
    static const char *const paths[] = {"/loader/loader.conf", "/boot/loader/loader.conf"};
    const char *found = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(paths) && !found; i++) {
        char *text, *save, *name, *value;
        size_t len;
        if (disk_read(v, paths[i], BLS_MAX_ENTRY, mem, &text, &len))
            continue;
        for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
            line_split(l, &name, &value);
            if (!strcmp(name, key))
                found = value;
        }
    }
    return found;
}
