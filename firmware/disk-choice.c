// SPDX-License-Identifier: MIT
/*
 * Owns the order in which boot configurations are looked for, and the sentence when there is none.
 * Knows no configuration's inside.
 */
#include "firmware/disk-choice.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "firmware/disk-bls.h"
#include "firmware/disk-grub.h"
#include "vmm/base/bits.h"

#define MAX_STUBS 32 /* directories below /EFI that are looked at */

struct chooser {
    struct disk_volumes *d;
    struct disk_mem *mem;
    struct disk_choice *c;
    struct grub_origin origin; /* of the configuration that was taken */
    struct err problem;        /* of the first configuration that is there but does not boot */
    int code;
};

/* 0: chosen. A configuration that fails is remembered and others get their turn. */
static int grub_try(struct chooser *x, struct disk_volume *v, const char *path)
{
    struct err err;
    int r = disk_volume_ready(v);
    if (!r)
        r = grub_choose(x->d, v, path, x->mem, x->c, &x->origin, &err);
    if (r && r != -ENOENT && v->status == 0 && !x->code) {
        x->code = r;
        x->problem = err;
    }
    return r;
}

struct stub_names {
    struct disk_names names;
    char name[MAX_STUBS][64];
    unsigned count;
};

static int stub_add(struct disk_names *names, const char *name)
{
    struct stub_names *s = container_of(names, struct stub_names, names);
    if (*name == '.' || strlen(name) >= sizeof(s->name[0]))
        return 0;
    strcpy(s->name[s->count++], name);
    return s->count == MAX_STUBS;
}

/* What firmware would start from an EFI system partition: its removable path before all others */
static int grub_stubs(struct chooser *x, struct disk_volume *v)
{
    struct stub_names s = {.names.add = stub_add};
    int r = grub_try(x, v, "/EFI/BOOT/grub.cfg");
    if (r)
        disk_list(v, "/EFI", &s.names);
    for (unsigned i = 0; r && i < s.count; i++) {
        char path[100];
        snprintf(path, sizeof(path), "/EFI/%s/grub.cfg", s.name[i]);
        r = grub_try(x, v, path);
    }
    return r;
}

static int grub_paths(struct chooser *x, struct disk_volume *v)
{
    static const char *const paths[] = {"/boot/grub/grub.cfg", "/grub/grub.cfg",
                                        "/boot/grub2/grub.cfg", "/grub2/grub.cfg"};
    int r = -ENOENT;
    for (size_t i = 0; r && i < ARRAY_SIZE(paths); i++)
        r = grub_try(x, v, paths[i]);
    return r;
}

static int grub_find(struct chooser *x)
{
    int r = -ENOENT;
    for (unsigned i = 0; r && i < x->d->count; i++)
        if (x->d->v[i].ops == &disk_fat_ops)
            r = grub_stubs(x, &x->d->v[i]);
    for (unsigned i = 0; r && i < x->d->count; i++)
        r = grub_paths(x, &x->d->v[i]);
    if (r)
        return r;
    char where[64];
    disk_volume_name(x->origin.volume, where, sizeof(where));
    x->c->source = disk_mem_printf(x->mem, "grub.cfg%s on %s",
                                   x->origin.used_bls ? " with loader entries" : "", where);
    return x->c->source ? 0 : -ENOMEM;
}

/* Variables of loader entries that no grub.cfg reads: grub's environment block next to them */
struct block_vars {
    struct bls_vars vars;
    struct disk_volume *v;
    struct disk_mem *mem;
};

static const char *block_get(const struct bls_vars *vars, const char *name)
{
    const struct block_vars *b = container_of(vars, struct block_vars, vars);
    return grub_env_value(b->v, b->mem, name);
}

/* A boot loader has its configuration on the system partition, wherever its entries are. */
static const char *bls_wanted(struct chooser *x, struct disk_volume *newest)
{
    const char *want = NULL;
    for (unsigned i = 0; !want && i < x->d->count; i++)
        if (x->d->v[i].esp)
            want = bls_conf(&x->d->v[i], x->mem, "default");
    return want ? want : bls_conf(newest, x->mem, "default");
}

static int bls_take(struct chooser *x, struct bls_list *list, struct err *err)
{
    bls_sort(list);
    struct disk_volume *v = list->entry[0].volume;
    const char *want = bls_wanted(x, v);
    if (!want)
        want = grub_env_value(v, x->mem, "saved_entry");
    const struct bls_entry *e = bls_default(list, want);
    struct block_vars block = {{block_get}, e->volume, x->mem};
    int r = bls_choose(e, &block.vars, x->mem, x->c, err);
    char where[64];
    disk_volume_name(e->volume, where, sizeof(where));
    if (!r)
        x->c->source = disk_mem_printf(x->mem, "loader entry %s.conf on %s", e->id, where);
    return r;
}

static int bls_gather(struct chooser *x, struct bls_list *list)
{
    /* a boot loader merges the system partition and its extension; others stand alone */
    int r = 0;
    for (unsigned i = 0; !r && i < x->d->count; i++)
        if (x->d->v[i].esp || x->d->v[i].xbootldr)
            r = bls_load(&x->d->v[i], x->mem, list);
    for (unsigned i = 0; !r && !list->count && i < x->d->count; i++)
        r = bls_load(&x->d->v[i], x->mem, list);
    return r;
}

/* 0, 1: no entries, -errno with a sentence */
static int bls_find(struct chooser *x, struct err *err)
{
    struct bls_list list = {0};
    int r = bls_gather(x, &list);
    if (r)
        return err_set(err, -r, "its loader entries are too many or too large");
    return list.count ? bls_take(x, &list, err) : 1;
}

static void volume_tell(const struct disk_volume *v, char *to, size_t room)
{
    const char *why = "no /boot/grub/grub.cfg, no loader entries, no vmlinuz*";
    if (v->ops && v->status)
        why = v->status == -EOPNOTSUPP ? "has features that cannot be read" : "damaged";
    else if (!v->ops)
        why = *v->type ? "cannot be read here" : "no file system";
    const char *type = *v->type ? v->type : "nothing known";
    if (v->number)
        snprintf(to, room, "%s on %u: %s", type, v->number, why);
    else
        snprintf(to, room, "%s on the whole disk: %s", type, why);
}

/* Images that are not raw: how they begin. Only for the sentence: what an image holds is never
 * taken for its format. */
static const char *wrapped(const struct disk_volume *v)
{
    static const struct {
        const char *magic, *name;
    } formats[] = {{"QFI\xfb", "qcow2"}, {"KDMV", "VMDK"}, {"vhdxfile", "VHDX"}};
    char begin[8];

    if (v->number || disk_volume_read(v, 0, begin, sizeof(begin)) < 0)
        return NULL;
    for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
        if (memcmp(begin, formats[i].magic, strlen(formats[i].magic)) == 0)
            return formats[i].name;
    return NULL;
}

static int nothing_found(const struct disk_volumes *d, struct err *err)
{
    const char *format = d->count ? wrapped(&d->v[0]) : NULL;
    char list[320] = "";
    size_t len = 0;

    if (format)
        return err_set(err, ENOENT,
                       "it looks like a %s file, and a disk is a raw image: 'qemu-img convert -O "
                       "raw' makes one",
                       format);
    for (unsigned i = 0; i < d->count; i++) {
        char one[160];
        volume_tell(&d->v[i], one, sizeof(one));
        if (len + strlen(one) + 8 > sizeof(list)) {
            snprintf(list + len, sizeof(list) - len, "; ...");
            break;
        }
        len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", i ? "; " : "", one);
    }
    return err_set(err, ENOENT, "no boot configuration found on its %s (%s)",
                   d->v[0].number ? "partitions" : "file system", list);
}

int disk_choose(struct disk_volumes *d, struct disk_mem *mem, struct disk_choice *c,
                struct err *err)
{
    struct disk_choice by_grub = {0}, by_bls = {0};
    struct chooser x = {.d = d, .mem = mem, .c = &by_grub};
    int grub = grub_find(&x);
    if (!grub && x.origin.used_bls) {
        *c = by_grub;
        return 0;
    }
    x.c = &by_bls;
    int bls = bls_find(&x, err);
    if (bls == 1 && grub && !x.code) {
        int r = disk_choose_newest(d, mem, c);
        return r == -ENOENT ? nothing_found(d, err) : r ? err_set(err, -r, "no memory") : 0;
    }
    if (bls < 0 && grub)
        return bls;
    if (bls && grub) {
        *err = x.problem;
        return x.code;
    }
    *c = bls ? by_grub : by_bls;
    return 0;
}
