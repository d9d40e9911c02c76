// SPDX-License-Identifier: MIT
/*
 * Owns the outside of the grub.cfg interpreter: the environment grub itself would give a
 * configuration, and what comes out at the end. Knows no commands and no menus.
 */
#include "firmware/disk-grub.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "firmware/grub.h"

static const char *platform(const struct disk_volumes *d)
{
    for (unsigned i = 0; i < d->count; i++)
        if (d->v[i].esp)
            return "efi";
    return "pc";
}

static void environment_set(struct grub *g, const struct disk_volume *v, const char *path)
{
    static const char *const features[] = {
        "feature_menuentry_id",         "feature_all_video_module", "feature_default_font_path",
        "feature_platform_search_hint", "feature_timeout_style",    "feature_200_final",
        "feature_menuentry_options",    "feature_chainloader_bpb",  "feature_nativedisk_cmd",
    };
    for (size_t i = 0; i < ARRAY_SIZE(features); i++)
        grub_set(g, features[i], "y");
    const char *device = grub_device_name(g, v), *slash = strrchr(path, '/');
    const char *prefix =
        disk_mem_printf(g->mem, "(%s)%.*s", device, (int)(slash ? slash - path : 0), path);
    const char *file = disk_mem_printf(g->mem, "(%s)%s", device, path);
    prefix = prefix ? prefix : "";
    grub_set(g, "root", device);
    grub_set(g, "prefix", prefix);
    grub_set(g, "cmdpath", prefix);
    grub_set(g, "config_directory", prefix);
    grub_set(g, "config_file", file ? file : "");
    grub_set(g, "grub_platform", platform(g->disks));
#if defined(__aarch64__)
    grub_set(g, "grub_cpu", "arm64");
#else
    grub_set(g, "grub_cpu", "x86_64");
#endif
}

static int outcome(struct grub *g, const char *path, struct disk_choice *c, struct err *err)
{
    if (g->flow == GRUB_LIMIT)
        return err_set(err, E2BIG, "%s asks for %s", path, g->limit);
    if (*g->problem.text)
        return err_set(err, ENOEXEC, "%s: %s", path, g->problem.text);
    if (!g->loaded.kernel.volume)
        return -ENOENT;
    *c = g->loaded;
    c->title = c->title ? c->title : "";
    return 0;
}

int grub_choose(struct disk_volumes *d, struct disk_volume *v, const char *path,
                struct disk_mem *mem, struct disk_choice *c, struct grub_origin *origin,
                struct err *err)
{
    struct grub_menu menu = {0};
    struct grub g = {.mem = mem, .disks = d, .menu = &menu, .fuel = GRUB_MAX_FUEL};
    char *text;
    size_t len;
    *origin = (struct grub_origin){.volume = v};
    int r = disk_read(v, path, DISK_MAX_CONFIG, mem, &text, &len);
    if (r == -EFBIG)
        return err_set(err, EFBIG, "%s is larger than %zu bytes", path, DISK_MAX_CONFIG);
    if (r)
        return r == -ENOTDIR ? -ENOENT : err_errno(err, -r, "%s cannot be read", path);
    environment_set(&g, v, path);
    grub_run(&g, (struct grub_text){text, text + len}, NULL);
    if (g.flow != GRUB_LIMIT) {
        g.flow = GRUB_ON;
        if (menu.count)
            grub_menu_boot(&g);
    }
    origin->used_bls = g.used_bls;
    struct disk_volume *last = grub_locate(&g, grub_get(&g, "config_file")).volume;
    origin->volume = last ? last : v;
    return outcome(&g, path, c, err);
}

const char *grub_env_value(struct disk_volume *v, struct disk_mem *mem, const char *name)
{
    static const char *const paths[] = {"/grub2/grubenv", "/boot/grub2/grubenv", "/grub/grubenv",
                                        "/boot/grub/grubenv"};
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        struct grub_vars vars = {0};
        char *text;
        size_t len;
        if (!disk_read(v, paths[i], GRUB_MAX_ENV, mem, &text, &len) &&
            !grub_vars_load(&vars, mem, text, len, NULL) && grub_vars_get(&vars, name))
            return grub_vars_get(&vars, name);
    }
    return NULL;
}
