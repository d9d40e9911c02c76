/* SPDX-License-Identifier: MIT */
/*
 * For tests: volumes whose files are a table in memory, and the fixtures beside this file.
 */
#ifndef TESTS_UNIT_IMAGES_FAKE_H
#define TESTS_UNIT_IMAGES_FAKE_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "firmware/disk-fs.h"

struct fake_file {
    const char *path, *text; /* path NULL ends the table */
};

static int fake_open(struct disk_volume *v)
{
    (void)v;
    return 0;
}

static void fake_close(struct disk_volume *v)
{
    (void)v;
}

static const struct fake_file *fake_find(struct disk_volume *v, const char *path)
{
    for (const struct fake_file *f = v->state; f->path; f++)
        if (!strcmp(f->path, path))
            return f;
    return NULL;
}

static int fake_stat(struct disk_volume *v, const char *path, struct disk_stat *st)
{
    const struct fake_file *f = fake_find(v, path);
    size_t len = strlen(path);
    *st = (struct disk_stat){.kind = DISK_FILE, .size = f ? strlen(f->text) : 0};
    if (f)
        return 0;
    st->kind = DISK_DIR;
    for (f = v->state; f->path; f++)
        if (!strncmp(f->path, path, len) && (len == 1 || f->path[len] == '/'))
            return 0;
    return -ENOENT;
}

static int fake_pour(struct disk_volume *v, const char *path, struct disk_sink *sink)
{
    const struct fake_file *f = fake_find(v, path);
    return f ? sink->put(sink, f->text, strlen(f->text)) : -ENOENT;
}

static int fake_list(struct disk_volume *v, const char *path, struct disk_names *names)
{
    size_t len = strcmp(path, "/") ? strlen(path) : 0;
    for (const struct fake_file *f = v->state; f->path; f++) {
        if (strncmp(f->path, path, len) != 0 || f->path[len] != '/' ||
            strchr(f->path + len + 1, '/'))
            continue;
        int r = names->add(names, f->path + len + 1);
        if (r)
            return r;
    }
    return 0;
}

static const struct disk_fs_ops fake_ops = {fake_open, fake_close, fake_stat, fake_pour, fake_list};

static inline struct disk_volume *fake_volume(struct disk_volumes *d, unsigned number,
                                              const char *uuid, const struct fake_file *files)
{
    struct disk_volume *v = &d->v[d->count++];
    *v =
        (struct disk_volume){.number = number, .ops = &fake_ops, .state = (void *)(uintptr_t)files};
    snprintf(v->type, sizeof(v->type), "ext4");
    snprintf(v->uuid, sizeof(v->uuid), "%s", uuid);
    snprintf(d->table, sizeof(d->table), "gpt");
    return v;
}

/* The fixture's text, to be freed. Tests run in the tree's root, or are told where this is. */
static inline char *fixture(const char *name)
{
    char path[512];
    const char *dir = getenv("TEST_IMAGES");
    snprintf(path, sizeof(path), "%s/%s", dir ? dir : "tests/unit/images", name);
    FILE *f = fopen(path, "r");
    if (!f) {
        fprintf(stderr, "%s: run in the tree's root or set TEST_IMAGES\n", path);
        exit(1);
    }
    char *text = calloc(1, 65536);
    size_t len = text ? fread(text, 1, 65535, f) : 0;
    fclose(f);
    if (!len)
        exit(1);
    return text;
}

#endif
