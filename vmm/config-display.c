// SPDX-License-Identifier: MIT
/*
 * Owns the words of --display: which screens the guest has, and who looks at them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/backend/display-sdl.h"
#include "vmm/base/bits.h"
#include "vmm/config-internal.h"

enum { DISPLAY_DIR_MAX = 1023 };

static struct config_display *display_of(void *conf)
{
    return &((struct config *)conf)->display;
}

static bool side_fits(uint64_t n)
{
    return n >= DISPLAY_SIDE_MIN && n <= DISPLAY_SIDE_MAX;
}

static int display_size(void *conf, const char *value, struct err *err)
{
    struct config_display *d = display_of(conf);
    unsigned w = 0, h = 0;
    char end;

    if (sscanf(value, "%5ux%5u%c", &w, &h, &end) != 2 || !side_fits(w) || !side_fits(h))
        return err_set(err, EINVAL, "'%s' is no size like 1280x800, from %dx%d to %dx%d", value,
                       DISPLAY_SIDE_MIN, DISPLAY_SIDE_MIN, DISPLAY_SIDE_MAX, DISPLAY_SIDE_MAX);
    d->width = w;
    d->height = h;
    return 0;
}

static int display_scanouts(void *conf, const char *value, struct err *err)
{
    uint64_t n;
    const int ret = opts_number(value, 1, DISPLAY_SCREENS, &n, err);

    if (ret == 0)
        display_of(conf)->screens = (unsigned)n;
    return ret;
}

const struct opt config_display_opts[] = {
    {"size", "WxH", "pixels of each screen at first; 1280x800 is the default", display_size, false},
    {"scanouts", "N", "how many screens there are, up to 16; 1 is the default", display_scanouts,
     false},
    {NULL, NULL, NULL, NULL, false},
};

static int display_png(struct config_display *d, const char *dir, struct err *err)
{
    if (!dir[0])
        return err_set(err, EINVAL, "png: needs a folder, as in png:/tmp/screens");
    d->kind = CONFIG_DISPLAY_PNG;
    free(d->dir);
    d->dir = strdup(dir);
    return d->dir ? 0 : err_errno(err, ENOMEM, "png:");
}

static int display_kind(struct config_display *d, const char *word, struct err *err)
{
    static const char *const words[] = {"none", "memory", "sdl"};
    static const enum config_display_kind kinds[] = {CONFIG_DISPLAY_NONE, CONFIG_DISPLAY_MEMORY,
                                                     CONFIG_DISPLAY_SDL};
    int i;

    if (strncmp(word, "png:", 4) == 0)
        return display_png(d, word + 4, err);
    i = config_word(words, ARRAY_SIZE(words), word, "none, memory, sdl, png:DIR", err);
    if (i < 0)
        return i;
    d->kind = kinds[i];
    return d->kind == CONFIG_DISPLAY_SDL ? display_sdl_built(err) : 0;
}

int config_display(void *conf, const char *value, struct err *err)
{
    struct config_display *d = display_of(conf);
    char word[DISPLAY_DIR_MAX + 1];
    const char *rest;
    int ret;

    if (opts_first(value, word, sizeof(word), &rest) < 0)
        return err_set(err, EINVAL, "'%s' does not begin with none, memory, sdl or png:DIR", value);
    ret = display_kind(d, word, err);
    if (ret < 0 || !rest)
        return ret;
    if (d->kind == CONFIG_DISPLAY_NONE)
        return err_set(err, EINVAL, "none takes no further words");
    return config_words(config_display_opts, conf, &d->virtio, word, rest, err);
}

static bool input_there(const struct config *config, enum input_kind kind)
{
    for (unsigned i = 0; i < config->n_inputs; i++)
        if (config->input[i].kind == kind)
            return true;
    return false;
}

static void input_add(struct config *config, enum input_kind kind)
{
    if (config->n_inputs < CONFIG_INPUTS_MAX)
        config->input[config->n_inputs++].kind = kind;
}

void config_display_check(struct config *config)
{
    if (config->display.kind != CONFIG_DISPLAY_SDL)
        return;
    if (!input_there(config, INPUT_KEYBOARD))
        input_add(config, INPUT_KEYBOARD);
    if (!input_there(config, INPUT_MOUSE) && !input_there(config, INPUT_TABLET))
        input_add(config, INPUT_TABLET);
}
