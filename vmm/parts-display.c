// SPDX-License-Identifier: MIT
/*
 * Owns the display of a machine and its GPU: which back end shows the screens. Refuses to know what
 * is on them.
 */
#include <errno.h>

#include "devices/backend/display-png.h"
#include "devices/gpu.h"
#include "vmm/parts-internal.h"

static struct display *memory_open(const struct parts_env *env, struct err *err)
{
    const struct config_display *c = &env->config->display;

    return display_none_open(c->screens, c->width, c->height, err);
}

static struct display *png_open(const struct parts_env *env, struct err *err)
{
    const struct config_display *c = &env->config->display;

    return display_png_open(c->dir, env->picture_create, c->screens, c->width, c->height, err);
}

static struct display *(*const openers[])(const struct parts_env *env, struct err *err) = {
    [CONFIG_DISPLAY_MEMORY] = memory_open,
    [CONFIG_DISPLAY_PNG] = png_open,
};

/* A loop of its own: pictures take a while. */
int parts_make_display(struct parts *parts, struct err *err)
{
    const struct config *config = parts->env.config;
    const struct config_display *c = &config->display;
    struct gpu_conf conf = {.budget = 0};
    const struct vinterfaces *ifs;
    struct part *part;

    if (c->kind == CONFIG_DISPLAY_NONE)
        return 0;
    parts->display = openers[c->kind](&parts->env, err);
    if (!parts->display)
        return -EIO;
    conf.display = parts->display;
    ifs = part_interfaces(parts, &c->virtio, &gpu_type, err);
    part = ifs ? part_add(parts, "gpu", 0, NULL, err) : NULL;
    if (config->name)
        display_set_title(parts->display, config->name, DISPLAY_RUNNING);
    return part ? part_plug(parts, part, &gpu_type, &conf, ifs, &c->virtio, err) : -EIO;
}

void parts_free_display(struct parts *parts)
{
    display_free(parts->display);
    parts->display = NULL;
}
