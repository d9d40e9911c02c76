/* SPDX-License-Identifier: MIT */
/*
 * The process that has the window in tests of windows: a display with a keyboard and a pointer in
 * the sandbox. It tells what reaches it, and does what it is ordered, a letter each.
 */
#ifndef TESTS_UNIT_WINDOW_SHOW_H
#define TESTS_UNIT_WINDOW_SHOW_H

#include <linux/input-event-codes.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "devices/backend/display-events.h"
#include "devices/backend/display-sdl.h"
#include "vmm/base/bits.h"
#include "vmm/sandbox.h"

enum { WIDTH = 320, HEIGHT = 240, GOOD = 42 };

static int told; /* where it tells what it sees, a line each */
static _Atomic uint64_t wanted;
static uint32_t size_w, size_h, salt; /* of the picture */
static unsigned screens = 1;          /* the last one is drawn on */

static void fill(void *ctx, uint32_t x, uint32_t y, uint32_t n, uint32_t *to)
{
    (void)ctx;
    for (uint32_t i = 0; i < n; i++)
        to[i] = ((x + i) * 0x010305 + y * 0x030107 + salt) & 0xffffff;
}

static void on_mode(void *ctx, unsigned screen, uint32_t width, uint32_t height)
{
    (void)ctx;
    (void)screen;
    atomic_store(&wanted, (uint64_t)width << 32 | height);
}

static void on_close(void *ctx)
{
    static const char word[] = "close\n";

    (void)ctx;
    if (write(told, word, sizeof(word) - 1) < 0) /* on the window's thread: what it may call */
        return;
}

static void draw(struct display *d, struct display_rect rect)
{
    display_draw(d, screens - 1, rect, fill, NULL);
}

static void show(struct display *d, uint32_t width, uint32_t height)
{
    size_w = width;
    size_h = height;
    display_set(d, screens - 1, width, height);
    draw(d, (struct display_rect){0, 0, width, height});
}

static void mode_follow(struct display *d)
{
    const uint64_t size = atomic_exchange(&wanted, 0);

    if (!size)
        return;
    show(d, (uint32_t)(size >> 32), (uint32_t)size);
    dprintf(told, "mode %ux%u\n", size_w, size_h);
}

static void events_tell(const char *who, struct evq *q)
{
    struct ev ev[EVQ_GROUP];
    unsigned n;

    while ((n = evq_next(q, EVQ_GROUP))) {
        evq_take(q, ev);
        for (unsigned i = 0; i < n; i++)
            if (ev[i].type != EV_SYN)
                dprintf(told, "%s %u.%u=%d\n", who, ev[i].type, ev[i].code, (int)ev[i].value);
    }
}

static void order_rect(struct display *d)
{
    salt = 0x5a5a5a;
    draw(d, (struct display_rect){17, 9, 31, 23});
}

/* As fast as it can, until the next order. */
static void order_flood(struct display *d)
{
    struct pollfd fd = {.fd = STDIN_FILENO, .events = POLLIN};
    uint32_t n = 0;

    while (poll(&fd, 1, 0) == 0) {
        salt = n++;
        draw(d, (struct display_rect){0, 0, size_w, size_h});
    }
    dprintf(told, "drawn\n");
}

static void order_title(struct display *d)
{
    display_set_title(d, NULL, DISPLAY_PAUSED);
    display_leds(d, DISPLAY_LED_CAPS);
}

static void order_cursor(struct display *d)
{
    static uint32_t pixels[DISPLAY_CURSOR * DISPLAY_CURSOR] = {0xff00ff00};

    for (unsigned i = 0; i < 3; i++) {
        display_cursor(d, 0, i == 1 ? NULL : pixels, i, 2);
        usleep(50000);
    }
    dprintf(told, "cursor\n");
}

static const struct {
    char letter;
    void (*fn)(struct display *d);
} orders[] = {{'r', order_rect}, {'f', order_flood}, {'t', order_title}, {'c', order_cursor}};

/* false: the other side has gone. */
static bool order_take(struct display *d)
{
    struct pollfd fd = {.fd = STDIN_FILENO, .events = POLLIN};
    char letter;

    if (poll(&fd, 1, 5) <= 0)
        return true;
    if (read(STDIN_FILENO, &letter, 1) != 1)
        return false;
    for (unsigned i = 0; i < ARRAY_SIZE(orders); i++)
        if (orders[i].letter == letter)
            orders[i].fn(d);
    return true;
}

static int machine(enum events_of pointer)
{
    static const struct display_screen_ops ops = {.mode = on_mode};
    const struct config config = {.display = {.kind = CONFIG_DISPLAY_SDL}};
    struct err err = {.text = ""};
    struct evq *keys = evq_new(&err), *points = evq_new(&err);
    struct display_events *events[2];
    struct display *d;

    salt = 0;
    sandbox_begin(&config);
    d = display_sdl_open(screens, WIDTH, HEIGHT, &err);
    if (!d || !keys || !points) {
        fprintf(stderr, "# %s\n", err.text);
        return 1;
    }
    events[0] = display_events_new(d, EVENTS_OF_KEYBOARD, keys, &err);
    events[1] = display_events_new(d, pointer, points, &err);
    evq_listen(keys, true);
    evq_listen(points, true);
    display_on_close(d, on_close, NULL);
    display_set_screen_ops(d, &ops, NULL);
    display_set_title(d, "web", DISPLAY_RUNNING);
    if (sandbox_enter(&config, &err) < 0) {
        fprintf(stderr, "# %s\n", err.text);
        return 1;
    }
    show(d, WIDTH, HEIGHT);
    while (order_take(d)) {
        mode_follow(d);
        events_tell("key", keys);
        events_tell("pointer", points);
    }
    display_drop_inputs(d);
    display_free(d);
    display_events_free(events[0]);
    display_events_free(events[1]);
    evq_free(keys);
    evq_free(points);
    return GOOD;
}

#endif
