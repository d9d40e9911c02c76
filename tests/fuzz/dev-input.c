// SPDX-License-Identifier: MIT
/* Owns the target of input devices: a keyboard, events for it, and its lights. */
#include <linux/input-event-codes.h>
#include <string.h>

#include "devices/input.h"
#include "tests/fuzz/dev-use.h"
#include "tests/fuzz/targets.h"

enum { EVENTS, STATUS, EVENT = 8, GROUPS = 64 };

static struct input_conf conf;

static void *make_conf(struct bench *b)
{
    (void)b;
    conf = (struct input_conf){.kind = INPUT_KEYBOARD, .events = evq_new(NULL)};
    if (!conf.events)
        fuzz_fail("no memory");
    return &conf;
}

static void free_conf(struct bench *b)
{
    (void)b;
    evq_free(conf.events);
}

static const struct bench_kind kind = {&input_type, "keyboard0", make_conf, free_conf};

/* Keys, as many as were said: more than there is room for, if it is often enough. */
static void on_host(struct bench *b, struct fuzz_in *in)
{
    const uint8_t groups = fuzz_u8(in) % GROUPS;
    const uint8_t code = fuzz_u8(in);

    (void)b;
    for (unsigned i = 0; i < groups; i++) {
        const struct ev ev[] = {{EV_KEY, (uint16_t)(code + i / 2), !(i & 1)},
                                {EV_REL, REL_X, (uint32_t)(int32_t)(int8_t)code}};

        evq_put(conf.events, ev, 1 + (code & 1));
    }
}

static void light(struct bench *b, uint16_t led, bool on)
{
    uint8_t e[EVENT];

    order_store(b->d.order, e, 2, EV_LED);
    order_store(b->d.order, e + 2, 2, led);
    order_store(b->d.order, e + 4, 4, on);
    dq_xfer(&b->d.q[STATUS], e, sizeof(e), NULL, 0);
    if (!(input_leds(b->dev) >> led & 1) != !on)
        fuzz_fail("input: a light is not as it was set");
}

static void works(struct bench *b)
{
    light(b, LED_CAPSL, true);
    light(b, LED_CAPSL, false);
}

static const struct fuzz_request requests[] = {
    {EVENTS, 0, EVENT, 0, ""},
    {EVENTS, 0, EVENT, 0, ""},
    {EVENTS, 0, 4, 0, ""},
    {EVENTS, 0x10, EVENT, 0, ""},
    {EVENTS, 0x30, EVENT, 0, ""},
    FUZZ_REQUEST(STATUS, 0, "\x11\0\0\0\1\0\0\0"),
    FUZZ_REQUEST(STATUS, 0, "\x11\0\1\0\1\0\0\0"),
    FUZZ_REQUEST(STATUS, 0, "\x11\0\xff\xff\1\0\0\0"),
    FUZZ_REQUEST(STATUS, 0, "\x14\0\0\0\1\0\0\0"),
    FUZZ_REQUEST(STATUS, 0, "\x11\0"),
    FUZZ_REQUEST(STATUS, 8, "\x11\0\2\0\0\0\0\0"),
};

static const struct fuzz_dev dev = {
    .kind = &kind,
    .op = use_ops,
    .n_ops = ARRAY_SIZE(use_ops),
    .request = requests,
    .n_requests = ARRAY_SIZE(requests),
    .host = on_host,
    .works = works,
};

static void run(const uint8_t *data, size_t len)
{
    device_run(&dev, data, len);
}

static void seeds(struct fuzz_seeds *to)
{
    fuzz_dev_seeds(&dev, "", to);
}

const struct fuzz_target fuzz_input = {"input", 2048, run, seeds};
