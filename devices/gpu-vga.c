// SPDX-License-Identifier: MIT
/*
 * Owns the GPU's linear frame buffer (5.7.7): memory in its first BAR that a guest draws in before
 * its driver has come, on the first screen. A scanout of the driver's ends that, a reset returns to
 * it. Refuses to know who tells the guest where it is, and has no registers of a VGA.
 *
 * Nobody tells when the guest draws: the memory is compared with what was seen last, row by row,
 * seldom while nothing changes, and never for more than a twentieth of a processor's time. The
 * screen stays off until something is drawn.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "devices/gpu-internal.h"
#include "vmm/base/bits.h"

#define LOOK_SOON_NS UINT64_C(40000000) /* after something has changed */
#define LOOK_LATE_NS UINT64_C(320000000)

enum { CLASS_VGA = 0x030000, COST_SHARE = 20 };
enum { MEMORY_MAX = 64 << 20, STRIDE_MAX = 65535 /* boot parameters have 16 bits */ };

struct band {
    uint32_t from, n; /* rows */
    bool lit;         /* some are not black */
};

/* ---- looking ---- */

static bool row_lit(const uint8_t *row, uint32_t bytes)
{
    static const uint8_t black[1024];

    for (uint32_t at = 0; at < bytes; at += sizeof(black))
        if (memcmp(row + at, black, min_u64(bytes - at, sizeof(black))) != 0)
            return true;
    return false;
}

/* What changed; it counts as seen then. A guest that draws meanwhile is seen the next time. */
static struct band band_take(const struct gpu_vga *v)
{
    const uint32_t stride = v->frame.stride;
    struct band band = {.n = 0};

    for (uint32_t y = 0; y < v->frame.height; y++) {
        const uint8_t *now = v->memory + (size_t)y * stride;
        uint8_t *seen = v->seen + (size_t)y * stride;

        if (memcmp(now, seen, stride) == 0)
            continue;
        memcpy(seen, now, stride);
        if (!band.n)
            band.from = y;
        band.n = y + 1 - band.from;
        band.lit |= row_lit(seen, stride);
    }
    return band;
}

static void frame_row(void *ctx, uint32_t x, uint32_t y, uint32_t n, uint32_t *to)
{
    const struct gpu_vga *v = (const struct gpu_vga *)ctx;
    const uint8_t *from = v->seen + (size_t)y * v->frame.stride + (size_t)x * GPU_PIXEL;

    for (uint32_t i = 0; i < n; i++, from += GPU_PIXEL)
        to[i] = (uint32_t)from[2] << 16 | (uint32_t)from[1] << 8 | from[0];
}

static void band_show(struct gpu *gpu, struct band band)
{
    struct gpu_vga *v = &gpu->vga;

    if (!v->on && band.lit && display_set(gpu->display, 0, v->frame.width, v->frame.height) == 0) {
        v->on = true;
        band = (struct band){.from = 0, .n = v->frame.height};
    }
    if (v->on)
        display_draw(gpu->display, 0, (struct display_rect){0, band.from, v->frame.width, band.n},
                     frame_row, v);
}

static void frame_look(void *arg)
{
    struct gpu *gpu = (struct gpu *)arg;
    struct gpu_vga *v = &gpu->vga;
    const uint64_t begin = clock_ns();
    const struct band band = band_take(v);

    if (band.n)
        band_show(gpu, band);
    v->wait_ns = band.n ? LOOK_SOON_NS : min_u64(v->wait_ns * 2, LOOK_LATE_NS);
    loop_timer_set(v->timer, max_u64(v->wait_ns, (clock_ns() - begin) * COST_SHARE));
}

/* ---- modes ---- */

void gpu_vga_leave(struct gpu *gpu, unsigned screen)
{
    struct gpu_vga *v = &gpu->vga;

    if (!v->memory || v->left)
        return;
    v->left = true;
    loop_timer_set(v->timer, 0);
    if (v->on && screen != 0)
        display_set(gpu->display, 0, 0, 0);
    v->on = false;
}

void gpu_vga_return(struct gpu *gpu)
{
    struct gpu_vga *v = &gpu->vga;

    if (!v->memory || !v->left)
        return;
    v->left = false;
    v->wait_ns = LOOK_SOON_NS;
    loop_timer_set(v->timer, v->wait_ns);
}

/* ---- the memory ---- */

bool gpu_frame(const struct vdev *dev, struct gpu_frame *frame)
{
    const struct gpu_vga *v = &gpu_of(dev)->vga;

    *frame = v->frame;
    return v->memory != NULL;
}

/* BARs have sizes of powers of two. */
static uint64_t memory_size(uint64_t bytes)
{
    uint64_t size = 4096;

    while (size < bytes)
        size *= 2;
    return size;
}

static int memory_make(struct gpu_vga *v, uint64_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (memory == MAP_FAILED)
        return -errno;
    madvise(memory, size, MADV_DONTDUMP);
    v->memory = (uint8_t *)memory;
    v->size = size;
    v->seen = calloc(v->frame.height, v->frame.stride);
    return v->seen ? 0 : -ENOMEM;
}

int gpu_vga_open(struct gpu *gpu, struct err *err)
{
    struct gpu_vga *v = &gpu->vga;
    uint32_t width, height;
    int ret;

    display_wanted(gpu->display, 0, &width, &height);
    if (width > STRIDE_MAX / GPU_PIXEL || (uint64_t)width * height > MEMORY_MAX / GPU_PIXEL) {
        log_msg(LOG_INFO, "%s: a screen of %ux%u has no frame buffer for before its driver comes",
                gpu->dev->name, width, height);
        return 0;
    }
    v->frame = (struct gpu_frame){width, height, width * GPU_PIXEL};
    ret = memory_make(v, memory_size((uint64_t)v->frame.stride * height));
    v->timer = ret < 0 ? NULL : loop_timer_new(gpu->dev->loop, frame_look, gpu);
    if (!v->timer)
        return err_errno(err, ENOMEM, "the frame buffer of %s", gpu->dev->name);
    gpu->dev->class_code = CLASS_VGA;
    gpu->dev->memory = v->memory;
    gpu->dev->memory_size = v->size;
    v->left = true;
    gpu_vga_return(gpu);
    return 0;
}

void gpu_vga_close(struct gpu *gpu)
{
    struct gpu_vga *v = &gpu->vga;

    if (v->timer)
        loop_timer_del(v->timer);
    if (v->memory)
        munmap(v->memory, v->size);
    free(v->seen);
    *v = (struct gpu_vga){.memory = NULL};
}
