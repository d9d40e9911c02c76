// SPDX-License-Identifier: MIT
/*
 * Owns the display of a machine and its GPU: which back end shows the screens. Refuses to know what
 * is on them.
 */
#include <errno.h>

#include "devices/backend/display-png.h"
#include "devices/backend/display-sdl.h"
#include "devices/gpu.h"
#include "vmm/base/bits.h"
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

static struct display *sdl_open(const struct parts_env *env, struct err *err)
{
    const struct config_display *c = &env->config->display;

    return display_sdl_open(c->screens, c->width, c->height, err);
}

static struct display *(*const openers[])(const struct parts_env *env, struct err *err) = {
    [CONFIG_DISPLAY_MEMORY] = memory_open,
    [CONFIG_DISPLAY_PNG] = png_open,
    [CONFIG_DISPLAY_SDL] = sdl_open,
};

static int input_attach(struct parts *parts, unsigned i, struct err *err)
{
    static const enum events_of of[] = {[INPUT_KEYBOARD] = EVENTS_OF_KEYBOARD,
                                        [INPUT_MOUSE] = EVENTS_OF_MOUSE,
                                        [INPUT_TABLET] = EVENTS_OF_TABLET};

    parts->events[i] = display_events_new(parts->display, of[parts->env.config->input[i].kind],
                                          parts->input[i], err);
    return parts->events[i] ? 0 : -EIO;
}

/* Tablets first: a mouse beside one is told so. */
static int inputs_attach(struct parts *parts, struct err *err)
{
    static const enum input_kind order[] = {INPUT_TABLET, INPUT_MOUSE, INPUT_KEYBOARD};
    int ret = 0;

    for (unsigned k = 0; k < ARRAY_SIZE(order); k++)
        for (unsigned i = 0; ret == 0 && i < parts->env.config->n_inputs; i++)
            if (parts->env.config->input[i].kind == order[k])
                ret = input_attach(parts, i, err);
    return ret;
}

/* A loop of its own: pictures take a while. */
int parts_make_display(struct parts *parts, struct err *err)
{
    const struct config *config = parts->env.config;
    const struct config_display *c = &config->display;
    struct gpu_conf conf = {.vga = parts->env.boot_screen};
    const struct vinterfaces *ifs;
    struct part *part;

    if (c->kind == CONFIG_DISPLAY_NONE)
        return 0;
    parts->display = openers[c->kind](&parts->env, err);
    if (!parts->display)
        return -EIO;
    if (inputs_attach(parts, err) < 0)
        return -EIO;
    if (parts->env.display_closing)
        display_on_close(parts->display, parts->env.display_closing, parts->env.display_ctx);
    conf.display = parts->display;
    ifs = part_interfaces(parts, &c->virtio, &gpu_type, err);
    part = ifs ? part_add(parts, "gpu", 0, NULL, err) : NULL;
    if (config->name)
        display_set_title(parts->display, config->name, DISPLAY_RUNNING);
    return part ? part_plug(parts, part, &gpu_type, &conf, ifs, &c->virtio, err) : -EIO;
}

void parts_boot_screen(const struct parts *parts, struct board_screen *screen)
{
    const struct part *part = parts_find_type(parts, &gpu_type);
    const struct pci_bar *bar = part ? &part->vpci->func.bar[VPCI_BAR_MEMORY] : NULL;
    struct gpu_frame frame;

    if (!part || !gpu_frame(part->vpci->dev, &frame))
        return;
    *screen = (struct board_screen){.base = bar->home,
                                    .size = bar->size,
                                    .width = (uint16_t)frame.width,
                                    .height = (uint16_t)frame.height,
                                    .stride = (uint16_t)frame.stride};
}

void parts_free_display(struct parts *parts)
{
    display_free(parts->display);
    parts->display = NULL;
    for (unsigned i = 0; i < CONFIG_INPUTS_MAX; i++) {
        display_events_free(parts->events[i]);
        parts->events[i] = NULL;
    }
}
