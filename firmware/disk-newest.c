// SPDX-License-Identifier: MIT
/*
 * Owns the last resort: no boot configuration, but kernels by their customary names. Knows no boot
 * loader.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "firmware/disk-choice.h"
#include "firmware/disk-version.h"

#define PREFIX        "vmlinuz"
#define MAX_NAMES     100000 /* of a directory that are looked at */
#define NEWEST_SOURCE "newest kernel"

struct newest {
    struct disk_names names;
    char name[256]; /* empty: none yet */
    unsigned seen;
};

static bool is_spare(const char *name)
{
    static const char *const ends[] = {".old", ".bak", "~", ".sig", ".hmac"};
    size_t len = strlen(name);
    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        size_t end = strlen(ends[i]);
        if (len >= end && !strcmp(name + len - end, ends[i]))
            return true;
    }
    return strstr(name, "rescue");
}

static int newest_add(struct disk_names *names, const char *name)
{
    struct newest *n = container_of(names, struct newest, names);
    if (++n->seen > MAX_NAMES)
        return -E2BIG;
    if (strncmp(name, PREFIX, strlen(PREFIX)) != 0 || is_spare(name))
        return 0;
    if (!*n->name || disk_version_cmp(name, n->name) > 0)
        snprintf(n->name, sizeof(n->name), "%s", name);
    return 0;
}

static const char *initrd_find(struct disk_volume *v, struct disk_mem *mem, const char *dir,
                               const char *version)
{
    static const char *const patterns[] = {
        "initrd.img", "initramfs.img", "initrd", "initramfs", /* without a version */
    };
    static const char *const versioned[][2] = {
        {"initrd.img-", ""}, {"initramfs-", ".img"}, {"initrd-", ""},
        {"initramfs-", ""},  {"initrd-", ".img"},
    };
    size_t count = *version ? ARRAY_SIZE(versioned) : ARRAY_SIZE(patterns);
    for (size_t i = 0; i < count; i++) {
        const char *path = *version ? disk_mem_printf(mem, "%s/%s%s%s", dir, versioned[i][0],
                                                      version, versioned[i][1])
                                    : disk_mem_printf(mem, "%s/%s", dir, patterns[i]);
        if (path && disk_is_file(v, path))
            return path;
    }
    return NULL;
}

static bool is_root(struct disk_volume *v)
{
    static const char *const marks[] = {"/etc/fstab", "/etc/os-release", "/sbin/init",
                                        "/usr/sbin/init"};
    for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
        if (disk_is_file(v, marks[i]))
            return true;
    return false;
}

/* The volume that looks like a root file system: the kernel's own before all others */
static const struct disk_volume *root_find(struct disk_volumes *d, struct disk_volume *kernel)
{
    if (is_root(kernel))
        return kernel;
    for (unsigned i = 0; i < d->count; i++)
        if (is_root(&d->v[i]))
            return &d->v[i];
    return kernel;
}

/* UUID= is for an initrd to understand, PARTUUID= the kernel finds by itself */
static const char *cmdline_make(const struct disk_volume *root, bool initrd, struct disk_mem *mem)
{
    if (initrd && *root->uuid)
        return disk_mem_printf(mem, "root=UUID=%s ro", root->uuid);
    if (*root->partuuid)
        return disk_mem_printf(mem, "root=PARTUUID=%s ro", root->partuuid);
    if (root->number)
        return disk_mem_printf(mem, "root=/dev/vda%u ro", root->number);
    return "root=/dev/vda ro";
}

static int newest_take(struct disk_volumes *d, struct disk_volume *v, const char *dir,
                       const char *name, struct disk_mem *mem, struct disk_choice *c)
{
    char where[64];
    const char *version = name + strlen(PREFIX);
    version += *version == '-';
    *c = (struct disk_choice){.title = ""};
    c->kernel = (struct disk_path){v, disk_mem_printf(mem, "%s/%s", dir, name)};
    const char *initrd = initrd_find(v, mem, dir, version);
    if (initrd)
        c->initrd[c->initrds++] = (struct disk_path){v, initrd};
    disk_volume_name(v, where, sizeof(where));
    c->cmdline = cmdline_make(root_find(d, v), initrd, mem);
    c->source = disk_mem_printf(mem, NEWEST_SOURCE " on %s", where);
    return c->kernel.path && c->cmdline && c->source ? 0 : -ENOMEM;
}

int disk_choose_newest(struct disk_volumes *d, struct disk_mem *mem, struct disk_choice *c)
{
    static const char *const dirs[] = {"/boot", ""};
    struct disk_volume *volume = NULL;
    const char *dir = NULL;
    char name[256] = "";
    for (unsigned i = 0; i < d->count; i++) {
        for (size_t k = 0; k < ARRAY_SIZE(dirs); k++) {
            struct newest n = {.names.add = newest_add};
            char path[300];
            disk_list(&d->v[i], *dirs[k] ? dirs[k] : "/", &n.names);
            snprintf(path, sizeof(path), "%s/%s", dirs[k], n.name);
            if (!*n.name || !disk_is_file(&d->v[i], path) ||
                (*name && disk_version_cmp(n.name, name) <= 0))
                continue;
            volume = &d->v[i];
            dir = dirs[k];
            memcpy(name, n.name, sizeof(name));
        }
    }
    return volume ? newest_take(d, volume, dir, name, mem, c) : -ENOENT;
}
