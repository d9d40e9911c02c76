// SPDX-License-Identifier: MIT
/*
 * Owns which keyboards and pointers a machine has, and where events for them go in.
 */
#include <errno.h>

#include "devices/input.h"
#include "vmm/parts-internal.h"

/* The nth of its kind: keyboard0, mouse0, keyboard1. */
static unsigned index_of(const struct config *config, unsigned input)
{
    unsigned n = 0;

    for (unsigned i = 0; i < input; i++)
        n += config->input[i].kind == config->input[input].kind;
    return n;
}

/* On the keyboard's loop. */
static void leds_tell(void *ctx, unsigned leds)
{
    const struct parts *parts = (const struct parts *)ctx;

    if (parts->display)
        display_leds(parts->display, leds);
}

static int input_make(struct parts *parts, unsigned i, struct err *err)
{
    const struct config_input *c = &parts->env.config->input[i];
    struct input_conf conf = {.kind = c->kind, .leds = leds_tell, .ctx = parts};
    const struct vinterfaces *ifs = part_interfaces(parts, &c->virtio, &input_type, err);
    struct part *part = ifs ? part_add(parts, input_kind_name[c->kind],
                                       index_of(parts->env.config, i), parts->env.io, err)
                            : NULL;

    if (!part)
        return -EIO;
    conf.events = parts->input[i] = evq_new(err);
    if (!conf.events)
        return -ENOMEM;
    return part_plug(parts, part, &input_type, &conf, ifs, &c->virtio, err);
}

int parts_make_inputs(struct parts *parts, struct err *err)
{
    int ret = 0;

    for (unsigned i = 0; ret == 0 && i < parts->env.config->n_inputs; i++)
        ret = input_make(parts, i, err);
    return ret;
}

struct evq *parts_keyboard(const struct parts *parts)
{
    for (unsigned i = 0; i < parts->env.config->n_inputs; i++)
        if (parts->env.config->input[i].kind == INPUT_KEYBOARD)
            return parts->input[i];
    return NULL;
}

void parts_free_inputs(struct parts *parts)
{
    for (unsigned i = 0; i < CONFIG_INPUTS_MAX; i++) {
        evq_free(parts->input[i]);
        parts->input[i] = NULL;
    }
}
