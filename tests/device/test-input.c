// SPDX-License-Identifier: MIT
/* The input device: what it says about itself, events, lights; I01, I02, C13. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <linux/input-event-codes.h>
#include <string.h>

#include <cmocka.h>

#include "devices/input.h"
#include "tests/driver/bench.h"
#include "vmm/base/bits.h"
#include "vmm/base/le.h"

enum {
    EVENTS,
    STATUS, /* queues */
    EVENT_BYTES = 8,
    SELECT_NAME = 1,
    SELECT_SERIAL = 2,
    SELECT_DEVIDS = 3,
    SELECT_PROP = 0x10,
    SELECT_EV = 0x11,
    SELECT_ABS = 0x12,
    FEW = 8, /* buffers that fit in the queue however they are cut */
    UNION = 8,
    UNION_BYTES = 128,
};

static struct input_conf conf;
static unsigned lights, lights_told;

static void on_leds(void *ctx, unsigned leds)
{
    (void)ctx;
    lights = leds;
    lights_told++;
}

/* arg: the kind's name; NULL: a keyboard */
static void *make_conf(struct bench *b)
{
    conf = (struct input_conf){.events = evq_new(NULL), .leds = on_leds};
    for (unsigned i = 0; b->arg && i < INPUT_KINDS; i++)
        if (strcmp(b->arg, input_kind_name[i]) == 0)
            conf.kind = (enum input_kind)i;
    lights = lights_told = 0;
    return &conf;
}

static void free_conf(struct bench *b)
{
    (void)b;
    evq_free(conf.events);
}

/* ---- configuration ---- */

static unsigned ask(struct bench *b, uint8_t select, uint8_t subsel, uint8_t answer[UNION_BYTES])
{
    const struct driver_ops *ops = b->d.ops;

    ops->config_write(&b->d, 0, 1, select);
    ops->config_write(&b->d, 1, 1, subsel);
    for (unsigned i = 0; i < UNION_BYTES; i++)
        answer[i] = (uint8_t)ops->config_read(&b->d, UNION + i, 1);
    return (unsigned)ops->config_read(&b->d, 2, 1);
}

static void expect_text(struct bench *b, uint8_t select, const char *text)
{
    uint8_t a[UNION_BYTES];

    assert_int_equal(ask(b, select, 0, a), strlen(text)); /* without a NUL */
    assert_memory_equal(a, text, strlen(text));
    for (size_t i = strlen(text); i < sizeof(a); i++)
        assert_int_equal(a[i], 0);
}

static bool has_bit(const uint8_t *a, unsigned bit)
{
    return a[bit / 8] >> (bit % 8) & 1;
}

/* Exactly these bits, and no byte more than they need. */
static void expect_bits(struct bench *b, uint8_t select, uint8_t subsel, const uint16_t *bit,
                        unsigned n)
{
    uint8_t a[UNION_BYTES], want[UNION_BYTES] = {0};
    unsigned size = 0;

    for (unsigned i = 0; i < n; i++) {
        want[bit[i] / 8] |= (uint8_t)(1u << (bit[i] % 8));
        size = (unsigned)max_u64(size, bit[i] / 8u + 1);
    }
    assert_int_equal(ask(b, select, subsel, a), size);
    assert_memory_equal(a, want, sizeof(a));
}

#define BITS(b, select, subsel, ...)                                \
    expect_bits(b, select, subsel, (const uint16_t[]){__VA_ARGS__}, \
                sizeof((const uint16_t[]){__VA_ARGS__}) / sizeof(uint16_t))

static void expect_identity(struct bench *b, const char *name, const char *serial, uint16_t product)
{
    uint8_t a[UNION_BYTES];

    expect_text(b, SELECT_NAME, name);
    expect_text(b, SELECT_SERIAL, serial);
    assert_int_equal(ask(b, SELECT_DEVIDS, 0, a), 8);
    assert_int_equal(le16_load(a), 6); /* BUS_VIRTUAL */
    assert_int_equal(le16_load(a + 2), VIRTIO_PCI_VENDOR);
    assert_int_equal(le16_load(a + 4), product);
    assert_int_equal(le16_load(a + 6), 1);
    assert_int_equal(gfunc_read(&b->d.func, PCI_VENDOR_ID, 4), 0x10521af4);
}

static void test_keyboard(struct bench *b)
{
    uint8_t a[UNION_BYTES];

    expect_identity(b, "vmm keyboard", "input0", 1);
    BITS(b, SELECT_EV, EV_REP, REP_DELAY, REP_PERIOD);
    BITS(b, SELECT_EV, EV_LED, LED_NUML, LED_CAPSL, LED_SCROLLL);
    assert_true(ask(b, SELECT_EV, EV_KEY, a) > KEY_F24 / 8);
    for (unsigned i = KEY_ESC; i <= KEY_F10; i++)
        assert_true(has_bit(a, i));
    assert_false(has_bit(a, 0));
    assert_int_equal(ask(b, SELECT_EV, EV_REL, a), 0);
    assert_int_equal(ask(b, SELECT_PROP, 0, a), 0);
    assert_int_equal(ask(b, SELECT_ABS, ABS_X, a), 0);
}

static void test_mouse(struct bench *b)
{
    uint8_t a[UNION_BYTES];

    expect_identity(b, "vmm mouse", "input0", 2);
    BITS(b, SELECT_EV, EV_KEY, BTN_LEFT, BTN_RIGHT, BTN_MIDDLE, BTN_SIDE, BTN_EXTRA);
    BITS(b, SELECT_EV, EV_REL, REL_X, REL_Y, REL_HWHEEL, REL_WHEEL);
    BITS(b, SELECT_PROP, 0, INPUT_PROP_POINTER);
    assert_int_equal(ask(b, SELECT_EV, EV_ABS, a), 0);
    assert_int_equal(ask(b, SELECT_EV, EV_REP, a), 0);
    assert_int_equal(ask(b, SELECT_ABS, ABS_X, a), 0);
}

static void test_tablet(struct bench *b)
{
    static const uint32_t axis[] = {0, INPUT_ABS_MAX, 0, 0, 0};
    uint8_t a[UNION_BYTES];

    expect_identity(b, "vmm tablet", "input0", 3);
    BITS(b, SELECT_EV, EV_KEY, BTN_LEFT, BTN_RIGHT, BTN_MIDDLE, BTN_SIDE, BTN_EXTRA);
    BITS(b, SELECT_EV, EV_REL, REL_HWHEEL, REL_WHEEL);
    BITS(b, SELECT_EV, EV_ABS, ABS_X, ABS_Y);
    for (uint8_t abs = ABS_X; abs <= ABS_Y; abs++) {
        assert_int_equal(ask(b, SELECT_ABS, abs, a), sizeof(axis));
        for (unsigned i = 0; i < ARRAY_SIZE(axis); i++)
            assert_int_equal(le32_load(a + 4 * i), axis[i]);
    }
    assert_int_equal(ask(b, SELECT_ABS, ABS_Z, a), 0);
    assert_int_equal(ask(b, SELECT_PROP, 0, a), 0);
}

/* Whatever is selected, in either order: an answer of honest size, or none (5.8.5.2-d1). */
static void test_any_select(struct bench *b)
{
    const struct driver_ops *ops = b->d.ops;
    uint8_t a[UNION_BYTES];
    unsigned answers = 0;

    for (unsigned select = 0; select < 256; select++) {
        for (unsigned subsel = 0; subsel < 256; subsel += select < 0x20 ? 1 : 51) {
            ops->config_write(&b->d, 1, 1, subsel);
            ops->config_write(&b->d, 0, 1, select);
            answers += ops->config_read(&b->d, 2, 1) != 0;
            assert_int_equal(ops->config_read(&b->d, 0, 1), select);
            assert_int_equal(ops->config_read(&b->d, 1, 1), subsel);
        }
    }
    assert_int_equal(answers, 6); /* name, serial, devids, three types of events */
    assert_int_equal(ask(b, 0x77, 0, a), 0);
    assert_int_equal(ask(b, SELECT_EV, 0x1f, a), 0);
    assert_int_equal(ask(b, SELECT_NAME, 1, a), 0);
}

/* Only the two may be written; both at once will do; a reset takes them back. */
static void test_config_write(struct bench *b)
{
    const struct driver_ops *ops = b->d.ops;
    uint8_t a[UNION_BYTES];

    assert_int_equal(ask(b, SELECT_SERIAL, 0, a), strlen("input0"));
    for (unsigned off = 2; off < UNION + UNION_BYTES; off++)
        ops->config_write(&b->d, off, 1, 0xa5);
    assert_int_equal(ops->config_read(&b->d, 2, 1), strlen("input0"));
    assert_int_equal(ops->config_read(&b->d, 3, 1), 0);
    assert_int_equal(ops->config_read(&b->d, UNION, 1), 'i');
    modern_write(&b->d, VIRTIO_PCI_CAP_DEVICE, 0, 2, SELECT_EV | EV_LED << 8);
    assert_int_equal(ops->config_read(&b->d, 2, 1), 1);
    assert_int_equal(modern_read(&b->d, VIRTIO_PCI_CAP_DEVICE, 2, 2), 1);
    assert_int_equal(modern_read(&b->d, VIRTIO_PCI_CAP_DEVICE, UNION + UNION_BYTES, 4), 0);
    drv_reset(&b->d);
    assert_int_equal(ops->config_read(&b->d, 0, 2), 0);
    assert_int_equal(ops->config_read(&b->d, 2, 1), 0);
}

/* ---- events ---- */

static uint64_t give(struct bench *b, unsigned n)
{
    static struct chain c;
    const uint64_t at = drv_alloc(&b->d, n * EVENT_BYTES, 16);

    memset(drv_mem(&b->d, at, n * EVENT_BYTES), 0xa5, n * EVENT_BYTES);
    for (unsigned i = 0; i < n; i++) {
        c.n = 0;
        chain_in(&c, at + i * EVENT_BYTES, EVENT_BYTES);
        if (n <= FEW)
            chain_cut(&c, b->d.frame);
        assert_true(dq_add(&b->d.q[EVENTS], &c, drv_mem(&b->d, at + i * EVENT_BYTES, 8)) >= 0);
    }
    dq_kick(&b->d.q[EVENTS]);
    machine_settle(b->m);
    return at;
}

static void expect(struct bench *b, uint16_t type, uint16_t code, uint32_t value)
{
    struct used u;

    assert_true(dq_wait(&b->d.q[EVENTS], &u, WAIT_MS));
    assert_int_equal(u.len, EVENT_BYTES);
    assert_int_equal(le16_load(u.cookie), type);
    assert_int_equal(le16_load((uint8_t *)u.cookie + 2), code);
    assert_int_equal(le32_load((uint8_t *)u.cookie + 4), value);
}

static void expect_none(struct bench *b)
{
    struct used u;

    machine_settle(b->m);
    assert_false(dq_poll(&b->d.q[EVENTS], &u));
}

static int key(uint16_t code, bool down)
{
    const struct ev ev = {EV_KEY, code, down};

    return evq_put(conf.events, &ev, 1);
}

/* A key, then a move of two axes: as they were put, each with its SYN_REPORT. */
static void test_events(struct bench *b)
{
    const struct ev move[] = {{EV_REL, REL_X, (uint32_t)-3}, {EV_REL, REL_Y, 70000}};

    give(b, FEW);
    assert_int_equal(key(KEY_A, true), 0);
    expect(b, EV_KEY, KEY_A, 1);
    expect(b, EV_SYN, SYN_REPORT, 0);
    assert_int_equal(evq_put(conf.events, move, 2), 0);
    expect(b, EV_REL, REL_X, (uint32_t)-3);
    expect(b, EV_REL, REL_Y, 70000);
    expect(b, EV_SYN, SYN_REPORT, 0);
    assert_int_equal(key(KEY_A, true), 0); /* a host that repeats: the guest does */
    expect_none(b);
    assert_int_equal(key(KEY_A, false), 0);
    expect(b, EV_KEY, KEY_A, 0);
    expect(b, EV_SYN, SYN_REPORT, 0);
    expect_none(b);
}

static void test_withheld(struct bench *b)
{
    bench_withhold(b, test_events);
}

/* Two buffers and a group of three: nothing, until there are three (5.8.6.2-d2, d3). */
static void test_whole_groups(struct bench *b)
{
    const struct ev move[] = {{EV_REL, REL_X, 1}, {EV_REL, REL_Y, 2}};
    struct used u;

    give(b, 2);
    assert_int_equal(evq_put(conf.events, move, 2), 0);
    expect_none(b);
    give(b, 1);
    machine_settle(b->m);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(dq_poll(&b->d.q[EVENTS], &u));
        assert_int_equal(le16_load(u.cookie), i < 2 ? EV_REL : EV_SYN);
    }
    expect_none(b);
}

/* Groups longer than the queue never fit: they are dropped whole, others are not held up, and keys
 * are told of in groups that fit (5.8.6.2-d1, d3). */
static void test_small_queue(struct bench *b)
{
    const struct ev move[] = {{EV_REL, REL_X, 1}, {EV_REL, REL_Y, 2}};
    const struct ev keys[] = {{EV_KEY, KEY_A, 1}, {EV_KEY, KEY_B, 1}};

    b->d.queue_size = 2;
    b->d.frame = FRAME_WHOLE;
    bench_init(b);
    give(b, 2);
    assert_int_equal(evq_put(conf.events, move, 2), 0);
    expect_none(b);
    assert_int_equal(key(KEY_C, true), 0);
    expect(b, EV_KEY, KEY_C, 1);
    expect(b, EV_SYN, SYN_REPORT, 0);
    give(b, 2);
    assert_int_equal(evq_put(conf.events, keys, 2), 0);
    expect(b, EV_KEY, KEY_A, 1);
    expect(b, EV_SYN, SYN_REPORT, 0);
    give(b, 2);
    expect(b, EV_KEY, KEY_B, 1);
    expect(b, EV_SYN, SYN_REPORT, 0);
    give(b, 2);
    expect_none(b);
}

/* With room for one event not even a key fits: nothing comes, and nobody is busy with it. */
static void test_tiny_queue(struct bench *b)
{
    b->d.queue_size = 1;
    b->d.frame = FRAME_WHOLE;
    bench_init(b);
    give(b, 1);
    assert_int_equal(key(KEY_C, true), 0);
    expect_none(b);
    assert_int_equal(evq_room(conf.events), EVQ_EVENTS);
}

/* No buffers, fast fingers: bounded, whole groups, and no key stays down that is up. */
static void test_I02_no_buffers(struct bench *b)
{
    const uint16_t last = KEY_Z;
    unsigned dropped = 0, presses = 0, releases = 0, syns = 0;
    struct used u;
    bool down = false;

    for (unsigned i = 0; i < 3 * EVQ_EVENTS; i++)
        dropped += key(KEY_A, i % 2 == 0) == -ENOSPC;
    assert_int_equal(dropped, 3 * EVQ_EVENTS - EVQ_EVENTS / 2);
    assert_int_equal(evq_room(conf.events), 0);
    assert_int_equal(key(last, true), -ENOSPC); /* and it is held from now on */
    for (unsigned i = 0; i < EVQ_EVENTS + 2; i++) {
        if (i % 32 == 0)
            give(b, 32);
        assert_true(dq_wait(&b->d.q[EVENTS], &u, WAIT_MS));
        syns += le16_load(u.cookie) == EV_SYN;
        if (le16_load(u.cookie) != EV_KEY)
            continue;
        if (le16_load((uint8_t *)u.cookie + 2) == last)
            down = le32_load((uint8_t *)u.cookie + 4);
        else if (le32_load((uint8_t *)u.cookie + 4))
            presses++;
        else
            releases++;
    }
    assert_true(down);
    assert_int_equal(presses, releases);
    assert_int_equal(syns, EVQ_EVENTS / 2 + 1);
    expect_none(b);
}

/* Buffers that cannot take an event go back empty; others are used instead (5.8.6.1-t2, t3). */
static void test_bad_buffers(struct bench *b)
{
    static struct chain c;
    struct dq *q = &b->d.q[EVENTS];
    const uint64_t at = drv_alloc(&b->d, 64, 16);
    struct used u;

    for (unsigned i = 0; i < 4; i++) {
        c.n = 0;
        if (i == 0)
            chain_in(&c, at, EVENT_BYTES - 1);
        else if (i == 1)
            chain_out(&c, at, EVENT_BYTES);
        else if (i == 2)
            chain_in(&c, RAM_END, EVENT_BYTES);
        else
            chain_in(&c, RAM_END - 4, UINT32_MAX);
        assert_true(dq_add(q, &c, NULL) >= 0);
    }
    dq_kick(q);
    give(b, 2);
    assert_int_equal(key(KEY_B, true), 0);
    for (unsigned i = 0; i < 4; i++) {
        assert_true(dq_wait(q, &u, WAIT_MS));
        assert_int_equal(u.len, 0);
    }
    expect(b, EV_KEY, KEY_B, 1);
    expect(b, EV_SYN, SYN_REPORT, 0);
    assert_false(drv_broken(&b->d));
}

/* Events of before a reset do not come after it; keys that were down are not pressed anew. */
static void test_reset(struct bench *b)
{
    const struct ev move[] = {{EV_REL, REL_X, 1}, {EV_REL, REL_Y, 2}};

    give(b, 2); /* held by the device */
    assert_int_equal(evq_put(conf.events, move, 2), 0);
    machine_settle(b->m);
    drv_reset(&b->d);
    assert_int_equal(key(KEY_C, true), -ENOTCONN);
    bench_init(b);
    give(b, 8);
    expect_none(b);
    assert_int_equal(key(KEY_D, true), 0);
    expect(b, EV_KEY, KEY_D, 1);
    expect(b, EV_SYN, SYN_REPORT, 0);
    assert_int_equal(key(KEY_C, false), 0);
    expect(b, EV_KEY, KEY_C, 0);
    expect(b, EV_SYN, SYN_REPORT, 0);
}

/* ---- status ---- */

static void status_send(struct bench *b, uint16_t type, uint16_t code, uint32_t value)
{
    uint8_t e[EVENT_BYTES];

    le16_store(e, type);
    le16_store(e + 2, code);
    le32_store(e + 4, value);
    assert_int_equal(dq_xfer(&b->d.q[STATUS], e, sizeof(e), NULL, 0), 0);
}

static void test_lights(struct bench *b)
{
    status_send(b, EV_LED, LED_CAPSL, 1);
    assert_int_equal(lights, 1 << LED_CAPSL);
    status_send(b, EV_LED, LED_NUML, 1);
    assert_int_equal(lights, 1 << LED_CAPSL | 1 << LED_NUML);
    status_send(b, EV_LED, LED_CAPSL, 0);
    assert_int_equal(lights, 1 << LED_NUML);
    assert_int_equal(lights_told, 3);
    status_send(b, EV_LED, LED_NUML, 1); /* no news */
    status_send(b, EV_REP, REP_DELAY, 250);
    status_send(b, EV_LED, LED_CNT, 1);
    status_send(b, EV_LED, 0xffff, 1);
    status_send(b, 0xffff, 0xffff, UINT32_MAX);
    assert_int_equal(lights_told, 3);
    assert_int_equal(lights, 1 << LED_NUML);
    drv_reset(&b->d);
    assert_int_equal(lights, 0);
}

static void test_I01_status_buffers(struct bench *b)
{
    enum { BIG = 64 * 1024 };
    static struct chain c;
    struct dq *q = &b->d.q[STATUS];
    const uint64_t at = drv_alloc(&b->d, BIG, 16);
    uint8_t *mem = drv_mem(&b->d, at, BIG);
    struct used u;

    memset(mem, 0xff, BIG);
    le16_store(mem, EV_LED);
    le16_store(mem + 2, LED_CAPSL);
    le32_store(mem + 4, 1);
    for (unsigned i = 0; i < 6; i++) {
        c.n = 0;
        if (i == 0)
            chain_out(&c, at, EVENT_BYTES - 1);
        else if (i == 1)
            chain_in(&c, at, EVENT_BYTES);
        else if (i == 2)
            chain_out(&c, RAM_END, EVENT_BYTES);
        else if (i == 3)
            chain_out(&c, at, UINT32_MAX);
        else if (i == 4)
            chain_out(&c, RAM_END - 4, EVENT_BYTES);
        else
            chain_out(&c, at, BIG); /* the first event counts */
        dq_add_kick(q, &c, NULL);
        assert_true(dq_wait(q, &u, WAIT_MS));
        assert_int_equal(u.len, 0);
        assert_int_equal(lights, i < 5 ? 0 : 1 << LED_CAPSL);
    }
    assert_false(drv_broken(&b->d));
}

static const struct bench_test tests[] = {
    {"keyboard", test_keyboard, 0, "keyboard"},
    {"mouse", test_mouse, 0, "mouse"},
    {"tablet", test_tablet, 0, "tablet"},
    {"C13_any_select", test_any_select, BENCH_ONCE, NULL},
    {"config-write", test_config_write, 0, NULL},
    {"events", test_events, 0, NULL},
    {"withheld", test_withheld, 0, NULL},
    {"whole-groups", test_whole_groups, 0, NULL},
    {"small-queue", test_small_queue, BENCH_RAW | BENCH_MODERN, NULL},
    {"tiny-queue", test_tiny_queue, BENCH_RAW | BENCH_MODERN, NULL},
    {"I02_no_buffers", test_I02_no_buffers, 0, NULL},
    {"bad-buffers", test_bad_buffers, 0, NULL},
    {"reset", test_reset, 0, NULL},
    {"lights", test_lights, 0, NULL},
    {"I01_status_buffers", test_I01_status_buffers, 0, NULL},
};

int main(void)
{
    const struct bench_kind kind = {
        .type = &input_type, .name = "input0", .make_conf = make_conf, .free_conf = free_conf};

    return bench_run("input", &kind, tests, ARRAY_SIZE(tests));
}
