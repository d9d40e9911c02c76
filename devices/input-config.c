// SPDX-License-Identifier: MIT
/*
 * Owns what an input device says about itself: one answer, of up to 128 bytes, to what the driver
 * selected. All of it is data. Refuses to move events.
 */
#include <linux/input-event-codes.h>
#include <string.h>

#include "devices/backend/keys.h"
#include "devices/input-internal.h"
#include "vmm/base/bits.h"
#include "vmm/base/le.h"

/* 5.8.4 Device configuration layout */
enum {
    CONFIG_SELECT = 0,
    CONFIG_SUBSEL = 1,
    CONFIG_SIZE = 2,
    CONFIG_UNION = 8,
    UNION_BYTES = 128,
    UNION_STEP = 8,
    CONFIG_BYTES = CONFIG_UNION + UNION_BYTES,
};

enum {
    SELECT_ID_NAME = 0x01,
    SELECT_ID_SERIAL = 0x02,
    SELECT_ID_DEVIDS = 0x03,
    SELECT_PROP_BITS = 0x10,
    SELECT_EV_BITS = 0x11,
    SELECT_ABS_INFO = 0x12,
};

enum { BUS_VIRTUAL_ID = 0x06, VENDOR = 0x1af4, VERSION = 1 }; /* the first is input.h's */

struct answer {
    unsigned size;
    uint8_t byte[UNION_BYTES];
};

/* ---- what there is ---- */

#define NO_CODE UINT16_MAX

/* A code of a type; of keys, the keyboard's are those that have a name. */
struct code {
    uint16_t type, code;
};

static const struct code keyboard_codes[] = {
    {EV_REP, REP_DELAY}, {EV_REP, REP_PERIOD},  {EV_LED, LED_NUML},
    {EV_LED, LED_CAPSL}, {EV_LED, LED_SCROLLL}, {0, NO_CODE},
};

static const struct code mouse_codes[] = {
    {EV_KEY, BTN_LEFT},  {EV_KEY, BTN_RIGHT}, {EV_KEY, BTN_MIDDLE}, {EV_KEY, BTN_SIDE},
    {EV_KEY, BTN_EXTRA}, {EV_REL, REL_X},     {EV_REL, REL_Y},      {EV_REL, REL_HWHEEL},
    {EV_REL, REL_WHEEL}, {0, NO_CODE},
};

static const struct code tablet_codes[] = {
    {EV_KEY, BTN_LEFT},  {EV_KEY, BTN_RIGHT},  {EV_KEY, BTN_MIDDLE}, {EV_KEY, BTN_SIDE},
    {EV_KEY, BTN_EXTRA}, {EV_REL, REL_HWHEEL}, {EV_REL, REL_WHEEL},  {EV_ABS, ABS_X},
    {EV_ABS, ABS_Y},     {0, NO_CODE},
};

struct model {
    const char *name;
    uint16_t product;
    uint16_t property; /* INPUT_PROP_*, or NO_CODE */
    bool keys;         /* all that have names */
    const struct code *codes;
};

static const struct model models[INPUT_KINDS] = {
    [INPUT_KEYBOARD] = {"vmm keyboard", 1, NO_CODE, true, keyboard_codes},
    [INPUT_MOUSE] = {"vmm mouse", 2, INPUT_PROP_POINTER, false, mouse_codes},
    [INPUT_TABLET] = {"vmm tablet", 3, NO_CODE, false, tablet_codes},
};

const char *const input_kind_name[INPUT_KINDS] = {
    [INPUT_KEYBOARD] = "keyboard", [INPUT_MOUSE] = "mouse", [INPUT_TABLET] = "tablet"};

/* ---- answers ---- */

static void answer_text(struct answer *a, const char *text)
{
    a->size = (unsigned)min_u64(strlen(text), UNION_BYTES);
    memcpy(a->byte, text, a->size);
}

/* No more bytes than the last bit needs. */
static void answer_bit(struct answer *a, unsigned bit)
{
    if (bit / 8 >= UNION_BYTES)
        return;
    a->byte[bit / 8] |= (uint8_t)(1u << (bit % 8));
    a->size = (unsigned)max_u64(a->size, bit / 8 + 1);
}

static void answer_key(uint16_t code, void *ctx)
{
    answer_bit((struct answer *)ctx, code);
}

static void say_name(const struct input *in, struct answer *a)
{
    answer_text(a, models[in->kind].name);
}

static void say_serial(const struct input *in, struct answer *a)
{
    answer_text(a, in->dev->name);
}

static void say_devids(const struct input *in, struct answer *a)
{
    const uint16_t id[] = {BUS_VIRTUAL_ID, VENDOR, models[in->kind].product, VERSION};

    for (unsigned i = 0; i < ARRAY_SIZE(id); i++)
        le16_store(a->byte + 2 * i, id[i]);
    a->size = sizeof(id);
}

static void say_properties(const struct input *in, struct answer *a)
{
    if (models[in->kind].property != NO_CODE)
        answer_bit(a, models[in->kind].property);
}

static void say_events(const struct input *in, struct answer *a)
{
    const struct model *model = &models[in->kind];

    if (model->keys && in->subsel == EV_KEY)
        keys_each(answer_key, a);
    for (const struct code *c = model->codes; c->code != NO_CODE; c++)
        if (c->type == in->subsel)
            answer_bit(a, c->code);
}

/* min, max, fuzz, flat, res */
static void say_axis(const struct input *in, struct answer *a)
{
    for (const struct code *c = models[in->kind].codes; c->code != NO_CODE; c++) {
        if (c->type != EV_ABS || c->code != in->subsel)
            continue;
        le32_store(a->byte + 4, INPUT_ABS_MAX);
        a->size = 20;
    }
}

static const struct say {
    uint8_t select;
    bool subsel; /* it has some; else it must be 0 */
    void (*say)(const struct input *in, struct answer *a);
} says[] = {
    {SELECT_ID_NAME, false, say_name},     {SELECT_ID_SERIAL, false, say_serial},
    {SELECT_ID_DEVIDS, false, say_devids}, {SELECT_PROP_BITS, false, say_properties},
    {SELECT_EV_BITS, true, say_events},    {SELECT_ABS_INFO, true, say_axis},
};

/* size 0 for whatever is not there (5.8.5.2-d1; C13). */
static struct answer answer_make(const struct input *in)
{
    struct answer a = {0};

    for (unsigned i = 0; i < ARRAY_SIZE(says); i++)
        if (says[i].select == in->select && (says[i].subsel || !in->subsel))
            says[i].say(in, &a);
    return a;
}

/* ---- registers ---- */

static uint64_t select_read(void *ctx, const struct reg *reg)
{
    const struct input *in = input_of((const struct vdev *)ctx);

    return reg->off == CONFIG_SELECT ? in->select : in->subsel;
}

static void select_write(void *ctx, const struct reg *reg, uint64_t value)
{
    struct input *in = input_of((const struct vdev *)ctx);

    *(reg->off == CONFIG_SELECT ? &in->select : &in->subsel) = (uint8_t)value;
}

static uint64_t size_read(void *ctx, const struct reg *reg)
{
    (void)reg;
    return answer_make(input_of((const struct vdev *)ctx)).size;
}

static uint64_t union_read(void *ctx, const struct reg *reg)
{
    const struct answer a = answer_make(input_of((const struct vdev *)ctx));

    return le64_load(a.byte + (reg->off - CONFIG_UNION));
}

/* Drivers read it byte by byte, or as they like. */
#define UNION_ROW(i)                                                                    \
    {                                                                                   \
        CONFIG_UNION + (i)*UNION_STEP, UNION_STEP, 0, "u", "5.8.4-d1", union_read, NULL \
    }

static const struct reg config_rows[] = {
    {CONFIG_SELECT, 1, 0, "select", "5.8.4-d1", select_read, select_write},
    {CONFIG_SUBSEL, 1, 0, "subsel", "5.8.4-d1", select_read, select_write},
    {CONFIG_SIZE, 1, 0, "size", "5.8.5.2-d1", size_read, NULL},
    UNION_ROW(0),
    UNION_ROW(1),
    UNION_ROW(2),
    UNION_ROW(3),
    UNION_ROW(4),
    UNION_ROW(5),
    UNION_ROW(6),
    UNION_ROW(7),
    UNION_ROW(8),
    UNION_ROW(9),
    UNION_ROW(10),
    UNION_ROW(11),
    UNION_ROW(12),
    UNION_ROW(13),
    UNION_ROW(14),
    UNION_ROW(15),
};

const struct regs input_config = {
    .name = "virtio_input_config",
    .row = config_rows,
    .n = ARRAY_SIZE(config_rows),
    .size = CONFIG_BYTES,
};
