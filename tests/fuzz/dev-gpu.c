// SPDX-License-Identifier: MIT
/* Owns the target of the GPU: its commands, before a display that nobody sees. */
#include <stdlib.h>
#include <string.h>

#include "devices/gpu-internal.h"
#include "tests/fuzz/dev-use.h"
#include "tests/fuzz/targets.h"

enum { SCREENS = 3, WIDTH = 64, HEIGHT = 48, BUDGET = 1 << 20, HEAD = 24, SIDE = 16 };

static struct gpu_conf conf;

static void *make_conf(struct bench *b)
{
    (void)b;
    conf = (struct gpu_conf){
        .display = display_none_open(SCREENS, WIDTH, HEIGHT, NULL), .budget = BUDGET, .vga = true};
    if (!conf.display)
        fuzz_fail("no memory");
    return &conf;
}

static void free_conf(struct bench *b)
{
    (void)b;
    display_free(conf.display);
}

static const struct bench_kind kind = {&gpu_type, "gpu0", make_conf, free_conf};

/* Somebody looks, or wants another size; or the guest draws before its driver has come. */
static void on_host(struct bench *b, struct fuzz_in *in)
{
    const uint8_t what = fuzz_u8(in);
    const unsigned screen = what / 4 % SCREENS;
    uint32_t width, height;

    if (what % 4 == 0)
        display_mode(conf.display, screen, (uint32_t)fuzz_u8(in) * 8, (uint32_t)fuzz_u8(in) * 8);
    else if (what % 4 == 1)
        gpu_of(b->dev)->vga.memory[fuzz_u8(in) * 48u] = what; /* 64 x 48 pixels of 4 bytes */
    else
        free(display_copy(conf.display, screen, &width, &height));
    loop_lock(b->loop);
    if (gpu_of(b->dev)->used > BUDGET)
        fuzz_fail("gpu: more memory than there may be");
    loop_unlock(b->loop);
}

static void calm(struct bench *b)
{
    (void)b;
    for (unsigned i = 0; i < SCREENS; i++)
        display_mode(conf.display, i, WIDTH, HEIGHT);
}

static void command(struct bench *b, uint32_t type, const uint32_t *word, unsigned n)
{
    uint8_t out[HEAD + 8 * 4] = {0}, in[HEAD];

    order_store(b->d.order, out, 4, type);
    for (unsigned i = 0; i < n; i++)
        order_store(b->d.order, out + HEAD + 4 * i, 4, word[i]);
    if (dq_xfer(&b->d.q[0], out, HEAD + 4 * n, in, HEAD) != HEAD ||
        order_load(b->d.order, in, 4) != GPU_OK)
        fuzz_fail("gpu: command 0x%x fails", type);
}

#define COMMAND(b, type, ...) \
    command((b), (type), (const uint32_t[]){__VA_ARGS__}, sizeof((uint32_t[]){__VA_ARGS__}) / 4)

enum { CREATE_2D = 0x101, UNREF, SET_SCANOUT, FLUSH, TRANSFER, ATTACH };

/* A square goes all the way to the screen. */
static void works(struct bench *b)
{
    const uint64_t at = RAM_LOW1;
    uint32_t *copy, width, height;

    COMMAND(b, CREATE_2D, 7, 2, SIDE, SIDE);
    COMMAND(b, ATTACH, 7, 1, (uint32_t)at, (uint32_t)(at >> 32), SIDE * SIDE * 4, 0);
    COMMAND(b, SET_SCANOUT, 0, 0, SIDE, SIDE, 0, 7);
    COMMAND(b, TRANSFER, 0, 0, SIDE, SIDE, 0, 0, 7, 0);
    COMMAND(b, FLUSH, 0, 0, SIDE, SIDE, 7, 0);
    copy = display_copy(conf.display, 0, &width, &height);
    if (!copy || width != SIDE || height != SIDE)
        fuzz_fail("gpu: nothing on the screen");
    free(copy);
    COMMAND(b, UNREF, 7, 0);
}

#define NONE              "\0\0\0\0"
#define TYPE(low, high)   low high "\0\0" NONE NONE NONE NONE NONE
#define FENCED(low, high) low high "\0\0\1\0\0\0\x45\x23\1\0\0\0\0\0" NONE NONE
#define RECT(x, y, w, h)  x "\0\0\0" y "\0\0\0" w "\0\0\0" h "\0\0\0"
#define ID(n)             n "\0\0\0"
#define AT_LOW1           "\0\0\0\1\0\0\0\0"

static const struct fuzz_request requests[] = {
    FUZZ_REQUEST(0, 408, TYPE("\0", "\1")),                  /* GET_DISPLAY_INFO */
    FUZZ_REQUEST(0, 1056, TYPE("\x0a", "\1") ID("\0") NONE), /* GET_EDID */
    FUZZ_REQUEST(0, 24, TYPE("\1", "\1") ID("\1") ID("\2") ID("\x20") ID("\x10")), /* CREATE_2D */
    FUZZ_REQUEST(0, 24, TYPE("\1", "\1") ID("\2") ID("\x43") ID("\x40") ID("\x40")),
    FUZZ_REQUEST(0, 24,
                 TYPE("\6", "\1") ID("\1") ID("\2") AT_LOW1 "\0\4\0\0" NONE AT_LOW1
                                                            "\0\4\0\0" NONE), /* ATTACH_BACKING */
    FUZZ_REQUEST(0, 24, TYPE("\6", "\1") ID("\2") ID("\1") AT_LOW1 "\0\x40\0\0" NONE),
    FUZZ_REQUEST(0, 24, TYPE("\3", "\1") RECT("\0", "\0", "\x20", "\x10") ID("\0") ID("\1")),
    FUZZ_REQUEST(0, 24, TYPE("\3", "\1") RECT("\4", "\4", "\x10", "\x10") ID("\1") ID("\2")),
    FUZZ_REQUEST(0, 24, TYPE("\5", "\1") RECT("\0", "\0", "\x20", "\x10") NONE NONE ID("\1") NONE),
    FUZZ_REQUEST(0, 24,
                 TYPE("\5", "\1") RECT("\1", "\2", "\3", "\4") ID("\x40") NONE ID("\2") NONE),
    FUZZ_REQUEST(0, 24, FENCED("\4", "\1") RECT("\0", "\0", "\x20", "\x10") ID("\1") NONE),
    FUZZ_REQUEST(1, 24,
                 TYPE("\0", "\3") NONE ID("\5") ID("\5") NONE ID("\2") ID("\1") ID("\1")
                     NONE), /* UPDATE_CURSOR */
    FUZZ_REQUEST(1, 24, TYPE("\1", "\3") ID("\1") ID("\5") ID("\5") NONE NONE NONE NONE NONE),
    FUZZ_REQUEST(0, 24, TYPE("\7", "\1") ID("\1") NONE), /* DETACH_BACKING */
    FUZZ_REQUEST(0, 24, TYPE("\4", "\1") RECT("\0", "\0", "\x10", "\x10") ID("\1") NONE),
    FUZZ_REQUEST(0, 24, TYPE("\2", "\1") ID("\1") NONE), /* UNREF */
    FUZZ_REQUEST(0, 24, TYPE("\3", "\1") RECT("\0", "\0", "\0", "\0") ID("\1") NONE),
    FUZZ_REQUEST(0, 24, TYPE("\x0c", "\1") ID("\3") NONE NONE NONE NONE NONE NONE NONE),
};

const struct fuzz_dev fuzz_dev_gpu = {
    .kind = &kind,
    .op = use_ops,
    .n_ops = ARRAY_SIZE(use_ops),
    .request = requests,
    .n_requests = ARRAY_SIZE(requests),
    .host = on_host,
    .calm = calm,
    .works = works,
};

static void run(const uint8_t *data, size_t len)
{
    device_run(&fuzz_dev_gpu, data, len);
}

static void seeds(struct fuzz_seeds *to)
{
    fuzz_dev_seeds(&fuzz_dev_gpu, "", to);
}

const struct fuzz_target fuzz_gpu = {"gpu", 4096, run, seeds};
