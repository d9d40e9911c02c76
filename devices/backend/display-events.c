// SPDX-License-Identifier: MIT
/*
 * Owns what becomes of a user's doings in evdev's terms. All of it runs under the display's lock of
 * input, one event at a time; refuses to wait.
 */
#include "devices/backend/display-events.h"

#include <errno.h>
#include <linux/input-event-codes.h>
#include <stdlib.h>

struct display_events {
    struct evq *q;
    bool idle; /* another pointer is the one in use */
    unsigned n;
    struct ev ev[EVQ_GROUP - 1];
};

/* The same axis once more in a group: moves add up, places replace. */
static void add(struct display_events *e, uint16_t type, uint16_t code, int64_t value)
{
    unsigned i = 0;

    while (i < e->n && (type == EV_KEY || e->ev[i].type != type || e->ev[i].code != code))
        i++;
    if (i == sizeof(e->ev) / sizeof(e->ev[0]))
        return;
    if (i == e->n)
        e->ev[e->n++] = (struct ev){type, code, 0};
    e->ev[i].value = type == EV_REL ? e->ev[i].value + (uint32_t)value : (uint32_t)value;
}

static void on_sync(void *ctx)
{
    struct display_events *e = (struct display_events *)ctx;

    if (e->n)
        evq_put(e->q, e->ev, e->n);
    e->n = 0;
}

static void on_key(void *ctx, uint16_t code, bool down)
{
    add((struct display_events *)ctx, EV_KEY, code, down);
}

/* A release goes where the press went. */
static void on_button(void *ctx, uint16_t code, bool down)
{
    struct display_events *e = (struct display_events *)ctx;

    if (down ? !e->idle : evq_down(e->q, code))
        add(e, EV_KEY, code, down);
}

static void rel_add(struct display_events *e, uint16_t code, int32_t value)
{
    if (value)
        add(e, EV_REL, code, value);
}

static void on_wheel(void *ctx, int32_t dx, int32_t dy)
{
    struct display_events *e = (struct display_events *)ctx;

    if (e->idle)
        return;
    rel_add(e, REL_HWHEEL, dx);
    rel_add(e, REL_WHEEL, dy);
}

static void mouse_move(void *ctx, int32_t dx, int32_t dy)
{
    struct display_events *e = (struct display_events *)ctx;

    e->idle = false;
    rel_add(e, REL_X, dx);
    rel_add(e, REL_Y, dy);
}

static void tablet_point(void *ctx, unsigned screen, uint32_t x, uint32_t y)
{
    struct display_events *e = (struct display_events *)ctx;

    (void)screen;
    e->idle = false;
    add(e, EV_ABS, ABS_X, x);
    add(e, EV_ABS, ABS_Y, y);
}

static void tablet_other(void *ctx, int32_t dx, int32_t dy)
{
    (void)dx;
    (void)dy;
    ((struct display_events *)ctx)->idle = true;
}

static const struct display_input_ops sinks[] = {
    [EVENTS_OF_KEYBOARD] = {.key = on_key, .sync = on_sync},
    [EVENTS_OF_MOUSE] = {.button = on_button,
                         .move = mouse_move,
                         .wheel = on_wheel,
                         .sync = on_sync},
    [EVENTS_OF_TABLET] = {.button = on_button,
                          .move = tablet_other,
                          .wheel = on_wheel,
                          .point = tablet_point,
                          .sync = on_sync},
};

struct display_events *display_events_new(struct display *d, enum events_of of, struct evq *q,
                                          struct err *err)
{
    struct display_events *e = calloc(1, sizeof(*e));
    int ret = e ? 0 : -ENOMEM;

    if (e) {
        e->q = q;
        /* with a tablet there the pointer is not grabbed, and a mouse stays where it is */
        e->idle = of == EVENTS_OF_MOUSE && display_has_point(d);
        ret = display_add_input(d, &sinks[of], e);
    }
    if (ret == 0)
        return e;
    err_errno(err, -ret, "a display's input");
    free(e);
    return NULL;
}

void display_events_free(struct display_events *e)
{
    free(e);
}
