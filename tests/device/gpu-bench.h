/* SPDX-License-Identifier: MIT */
/* A GPU in front of a display that nobody looks at, and commands for it. */
#ifndef TESTS_DEVICE_GPU_BENCH_H
#define TESTS_DEVICE_GPU_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "devices/gpu.h"
#include "tests/driver/bench.h"
#include "vmm/base/bits.h"

enum {
    GET_DISPLAY_INFO = 0x100,
    CREATE_2D,
    UNREF,
    SET_SCANOUT,
    FLUSH,
    TRANSFER,
    ATTACH,
    DETACH,
    GET_CAPSET_INFO,
    GET_CAPSET,
    GET_EDID,
    ASSIGN_UUID,
    CREATE_BLOB,
    SET_SCANOUT_BLOB,
    UPDATE_CURSOR = 0x300,
    MOVE_CURSOR,
};

enum {
    OK = 0x1100,
    OK_INFO = 0x1101,
    OK_EDID = 0x1104,
    E_UNSPEC = 0x1200,
    E_MEMORY,
    E_SCANOUT,
    E_RESOURCE,
    E_CONTEXT,
    E_PARAMETER,
};

enum { B8G8R8X8 = 2, HEAD = 24, F_EDID = 1, SCREENS = 2, BUDGET = 4 << 20, WORDS = 1024 };

static struct gpu_conf gpu_conf;

static void *gpu_make_conf(struct bench *b)
{
    struct err err;

    (void)b;
    gpu_conf =
        (struct gpu_conf){.display = display_none_open(SCREENS, 640, 480, &err), .budget = BUDGET};
    assert_non_null(gpu_conf.display);
    return &gpu_conf;
}

static void gpu_free_conf(struct bench *b)
{
    (void)b;
    display_free(gpu_conf.display);
}

static const struct bench_kind gpu_kind = {
    .type = &gpu_type, .name = "gpu0", .make_conf = gpu_make_conf, .free_conf = gpu_free_conf};

/* A request and its answer. */
struct gpu_xfer {
    unsigned queue, type, flags, n; /* n: words behind the header */
    uint64_t fence;
    uint32_t word[WORDS];
    uint32_t used;
    uint8_t answer[2048];
};

static inline void word_store(struct bench *b, uint8_t *to, uint32_t v)
{
    order_store(b->d.order, to, 4, v);
}

static inline uint32_t word_load(struct bench *b, const uint8_t *from)
{
    return (uint32_t)order_load(b->d.order, from, 4);
}

/* room: bytes for the answer. Returns the type of the answer, 0: none came. */
static inline uint32_t gpu_xfer(struct bench *b, struct gpu_xfer *x, uint32_t room)
{
    static uint8_t out[HEAD + 4 * WORDS];

    memset(out, 0, HEAD);
    word_store(b, out, x->type);
    word_store(b, out + 4, x->flags);
    order_store(b->d.order, out + 8, 8, x->fence);
    for (unsigned i = 0; i < x->n; i++)
        word_store(b, out + HEAD + 4 * i, x->word[i]);
    memset(x->answer, 0xee, sizeof(x->answer));
    x->used = dq_xfer(&b->d.q[x->queue], out, HEAD + 4 * x->n, x->answer, room);
    return x->used >= HEAD ? word_load(b, x->answer) : 0;
}

static inline uint32_t gpu_do(struct bench *b, unsigned queue, unsigned type, unsigned n,
                              const uint32_t *word)
{
    static struct gpu_xfer x;
    uint32_t got;

    x = (struct gpu_xfer){.queue = queue, .type = type, .n = n};
    if (n)
        memcpy(x.word, word, 4 * n);
    got = gpu_xfer(b, &x, HEAD);
    assert_int_equal(x.used, HEAD);
    return got;
}

#define GPU(b, type, ...)                                                               \
    gpu_do((b), (type) >= UPDATE_CURSOR, (type), sizeof((uint32_t[]){__VA_ARGS__}) / 4, \
           (const uint32_t[]){__VA_ARGS__})

static inline uint32_t create(struct bench *b, uint32_t id, uint32_t w, uint32_t h)
{
    return GPU(b, CREATE_2D, id, B8G8R8X8, w, h);
}

static inline uint32_t attach(struct bench *b, uint32_t id, uint64_t at, uint32_t len)
{
    return GPU(b, ATTACH, id, 1, (uint32_t)at, (uint32_t)(at >> 32), len, 0);
}

static inline uint32_t scanout(struct bench *b, uint32_t screen, uint32_t id, uint32_t x,
                               uint32_t y, uint32_t w, uint32_t h)
{
    return GPU(b, SET_SCANOUT, x, y, w, h, screen, id);
}

static inline uint32_t transfer(struct bench *b, uint32_t id, uint64_t offset, uint32_t x,
                                uint32_t y, uint32_t w, uint32_t h)
{
    return GPU(b, TRANSFER, x, y, w, h, (uint32_t)offset, (uint32_t)(offset >> 32), id, 0);
}

static inline uint32_t flush(struct bench *b, uint32_t id, uint32_t x, uint32_t y, uint32_t w,
                             uint32_t h)
{
    return GPU(b, FLUSH, x, y, w, h, id, 0);
}

/* A pixel of a screen, 0x00RRGGBB; all ones: there is none. */
static inline uint32_t seen(unsigned screen, uint32_t x, uint32_t y)
{
    uint32_t w, h, v = UINT32_MAX;
    uint32_t *copy = display_copy(gpu_conf.display, screen, &w, &h);

    if (copy && x < w && y < h)
        v = copy[(size_t)y * w + x] & 0xffffff;
    free(copy);
    return v;
}

static inline uint32_t seen_width(unsigned screen)
{
    uint32_t w, h;

    free(display_copy(gpu_conf.display, screen, &w, &h));
    return w;
}

/* Does it still draw? A new resource, from creation to its end. */
static inline void gpu_works(struct bench *b)
{
    enum { W = 16, H = 16, ID = 0xfffffff0 };
    const uint64_t mark = drv_mark(&b->d), at = drv_alloc(&b->d, W * H * 4, 64);
    uint8_t *mem = drv_mem(&b->d, at, W * H * 4);

    for (unsigned i = 0; i < W * H * 4; i++)
        mem[i] = (uint8_t)(i * 7);
    assert_int_equal(create(b, ID, W, H), OK);
    assert_int_equal(attach(b, ID, at, W * H * 4), OK);
    assert_int_equal(transfer(b, ID, 0, 0, 0, W, H), OK);
    assert_int_equal(scanout(b, 0, ID, 0, 0, W, H), OK);
    assert_int_equal(flush(b, ID, 0, 0, W, H), OK);
    for (unsigned i = 0; i < W * H; i += 17)
        assert_int_equal(seen(0, i % W, i / W),
                         mem[i * 4] | mem[i * 4 + 1] << 8 | mem[i * 4 + 2] << 16);
    assert_int_equal(GPU(b, DETACH, ID, 0), OK);
    assert_int_equal(GPU(b, UNREF, ID, 0), OK);
    drv_rewind(&b->d, mark);
}

#endif
