// SPDX-License-Identifier: MIT
/*
 * Owns resources, their backing in guest memory, the scanouts that show them, and the budget of
 * host memory for all of it. Refuses to know how the driver asks.
 *
 * A resource is the host's copy in the guest's format; only what is flushed is converted, into the
 * display's picture. Guest memory is read by transfers, once for each pixel.
 */
#include <stdlib.h>
#include <string.h>

#include "devices/gpu-internal.h"
#include "vmm/base/bits.h"
#include "vmm/base/gmem.h"

static const struct gpu_format formats[] = {
    {1, 2, 1, 0, 3},    /* B8G8R8A8 */
    {2, 2, 1, 0, -1},   /* B8G8R8X8 */
    {3, 1, 2, 3, 0},    /* A8R8G8B8 */
    {4, 1, 2, 3, -1},   /* X8R8G8B8 */
    {67, 0, 1, 2, 3},   /* R8G8B8A8 */
    {68, 3, 2, 1, -1},  /* X8B8G8R8 */
    {121, 3, 2, 1, 0},  /* A8B8G8R8 */
    {134, 0, 1, 2, -1}, /* R8G8B8X8 */
};

/* ---- the budget ---- */

static bool budget_take(struct gpu *gpu, uint64_t bytes)
{
    if (bytes > gpu->budget - gpu->used)
        return false;
    gpu->used += bytes;
    return true;
}

static void budget_give(struct gpu *gpu, uint64_t bytes)
{
    gpu->used -= bytes;
}

/* ---- the table ---- */

static struct gpu_res **bucket_of(struct gpu *gpu, uint32_t id)
{
    return &gpu->bucket[id % GPU_BUCKETS];
}

struct gpu_res *gpu_res_find(struct gpu *gpu, uint32_t id)
{
    struct gpu_res *res = *bucket_of(gpu, id);

    while (res && res->id != id)
        res = res->next;
    return res;
}

static const struct gpu_format *format_find(uint32_t id)
{
    for (unsigned i = 0; i < ARRAY_SIZE(formats); i++)
        if (formats[i].id == id)
            return &formats[i];
    return NULL;
}

/* Its pixels are touched by nobody yet: the host gives them memory as they are. */
static struct gpu_res *res_new(uint32_t id, const struct gpu_format *format, uint32_t width,
                               uint32_t height)
{
    struct gpu_res *res = calloc(1, sizeof(*res));

    if (!res)
        return NULL;
    res->id = id;
    res->format = format;
    res->width = width;
    res->height = height;
    res->pixels = calloc((size_t)width * height, GPU_PIXEL);
    if (res->pixels)
        return res;
    free(res);
    return NULL;
}

/* U01, U02 */
uint32_t gpu_res_create(struct gpu *gpu, uint32_t id, uint32_t format, uint32_t width,
                        uint32_t height)
{
    const uint64_t pixels = (uint64_t)width * height; /* 64 bits hold any two of 32 */
    const struct gpu_format *f = format_find(format);
    struct gpu_res *res;
    uint64_t cost;

    if (!id || gpu_res_find(gpu, id))
        return GPU_ERR_RESOURCE_ID;
    if (!f || !pixels)
        return GPU_ERR_PARAMETER;
    if (gpu->n_res == GPU_RESOURCES_MAX || pixels > gpu->budget / GPU_PIXEL)
        return GPU_ERR_OUT_OF_MEMORY;
    cost = pixels * GPU_PIXEL + sizeof(*res);
    if (!budget_take(gpu, cost))
        return GPU_ERR_OUT_OF_MEMORY;
    res = res_new(id, f, width, height);
    if (!res) {
        budget_give(gpu, cost);
        return GPU_ERR_OUT_OF_MEMORY;
    }
    res->cost = cost;
    res->next = *bucket_of(gpu, id);
    *bucket_of(gpu, id) = res;
    gpu->n_res++;
    return GPU_OK;
}

void gpu_res_unref(struct gpu *gpu, struct gpu_res *res)
{
    struct gpu_res **at = bucket_of(gpu, res->id);

    for (unsigned i = 0; i < DISPLAY_SCREENS; i++)
        if (gpu->scanout[i].res == res)
            gpu_scanout_set(gpu, i, NULL, (struct display_rect){0});
    while (*at != res)
        at = &(*at)->next;
    *at = res->next;
    gpu->n_res--;
    budget_give(gpu, res->cost);
    free(res->iov);
    free(res->pixels);
    free(res);
}

void gpu_res_clear(struct gpu *gpu)
{
    for (unsigned i = 0; i < GPU_BUCKETS; i++)
        while (gpu->bucket[i])
            gpu_res_unref(gpu, gpu->bucket[i]);
}

/* ---- backing ---- */

/* U04: all of it is RAM, or nothing is attached. */
static uint32_t entries_read(const struct gmem *mem, struct gpu_res *res, uint32_t n, uint32_t cap,
                             struct gcur *entries)
{
    for (uint32_t i = 0; i < n; i++) {
        uint64_t addr;
        uint32_t len, padding;
        int pieces;

        if (!gcur_get64(entries, &addr) || !gcur_get32(entries, &len) ||
            !gcur_get32(entries, &padding))
            return GPU_ERR_UNSPEC;
        pieces = gmem_iov(mem, gpa(addr), len, res->iov + res->n_iov, cap - res->n_iov);
        if (pieces < 0)
            return GPU_ERR_UNSPEC;
        res->n_iov += (uint32_t)pieces;
        res->backing += len;
    }
    return GPU_OK;
}

static void backing_drop(struct gpu *gpu, struct gpu_res *res, uint64_t cost)
{
    free(res->iov);
    res->iov = NULL;
    res->n_iov = 0;
    res->backing = 0;
    res->attached = false;
    res->cost -= cost;
    budget_give(gpu, cost);
}

/* U05: once. Few entries cross from one region of memory to the next. */
uint32_t gpu_res_attach(struct gpu *gpu, struct gpu_res *res, uint32_t n, struct gcur *entries)
{
    const uint32_t cap = n + GMEM_REGIONS;
    const uint64_t cost = cap * sizeof(*res->iov);
    uint32_t ret;

    if (res->attached || n > GPU_ENTRIES_MAX || gcur_left(entries) / 16 < n)
        return GPU_ERR_UNSPEC;
    if (!budget_take(gpu, cost))
        return GPU_ERR_OUT_OF_MEMORY;
    res->cost += cost;
    res->iov = calloc(cap, sizeof(*res->iov));
    ret = res->iov ? entries_read(gpu->dev->mem, res, n, cap, entries) : GPU_ERR_OUT_OF_MEMORY;
    if (ret == GPU_OK)
        res->attached = true;
    else
        backing_drop(gpu, res, cost);
    return ret;
}

uint32_t gpu_res_detach(struct gpu *gpu, struct gpu_res *res)
{
    const uint64_t pixels = (uint64_t)res->width * res->height * GPU_PIXEL + sizeof(*res);

    if (!res->attached)
        return GPU_ERR_UNSPEC;
    backing_drop(gpu, res, res->cost - pixels);
    return GPU_OK;
}

bool gpu_res_holds(const struct gpu_res *res, struct display_rect rect)
{
    return rect.w && rect.h && rect.w <= res->width && rect.x <= res->width - rect.w &&
           rect.h <= res->height && rect.y <= res->height - rect.h;
}

/* U07: rows in the backing are as far apart as those of the resource. */
uint32_t gpu_res_transfer(struct gpu_res *res, struct display_rect rect, uint64_t offset)
{
    const uint64_t stride = (uint64_t)res->width * GPU_PIXEL, row = (uint64_t)rect.w * GPU_PIXEL;
    struct gcur from = gcur_make(res->iov, res->n_iov, ORDER_LITTLE);
    uint64_t need;

    if (!res->attached)
        return GPU_ERR_UNSPEC;
    if (!gpu_res_holds(res, rect))
        return GPU_ERR_PARAMETER;
    need = stride * (rect.h - 1) + row; /* no more than the resource has */
    if (offset > res->backing || need > res->backing - offset || !gcur_skip(&from, offset))
        return GPU_ERR_PARAMETER;
    for (uint32_t y = 0; y < rect.h; y++) {
        uint8_t *to = res->pixels + stride * (rect.y + y) + (uint64_t)rect.x * GPU_PIXEL;

        if (!gcur_get(&from, to, row))
            return GPU_ERR_UNSPEC;
        if (y + 1 < rect.h && !gcur_skip(&from, stride - row))
            return GPU_ERR_UNSPEC;
    }
    return GPU_OK;
}

/* ---- scanouts ---- */

void gpu_res_row(const struct gpu_res *res, uint32_t x, uint32_t y, uint32_t n, uint32_t *to)
{
    const struct gpu_format *f = res->format;
    const uint8_t *from = res->pixels + ((uint64_t)y * res->width + x) * GPU_PIXEL;

    if (f->blue == 0 && f->alpha == 3) { /* as it is */
        memcpy(to, from, (size_t)n * GPU_PIXEL);
        return;
    }
    for (uint32_t i = 0; i < n; i++, from += GPU_PIXEL) {
        const uint32_t alpha = f->alpha < 0 ? 0xff : from[f->alpha];

        to[i] = alpha << 24 | (uint32_t)from[f->red] << 16 | (uint32_t)from[f->green] << 8 |
                from[f->blue];
    }
}

static void scanout_row(void *ctx, uint32_t x, uint32_t y, uint32_t n, uint32_t *to)
{
    const struct gpu_scanout *s = (const struct gpu_scanout *)ctx;

    gpu_res_row(s->res, s->rect.x + x, s->rect.y + y, n, to);
}

static uint64_t scanout_cost(const struct gpu_scanout *s)
{
    return s->res ? (uint64_t)s->rect.w * s->rect.h * sizeof(uint32_t) : 0;
}

/* Another picture for a screen, of its size or not. The old one stays if there is no room. */
static uint32_t screen_size(struct gpu *gpu, unsigned screen, const struct gpu_scanout *now)
{
    struct gpu_scanout *s = &gpu->scanout[screen];

    if (s->res && s->rect.w == now->rect.w && s->rect.h == now->rect.h)
        return GPU_OK;
    if (!budget_take(gpu, scanout_cost(now)))
        return GPU_ERR_OUT_OF_MEMORY;
    if (display_set(gpu->display, screen, now->rect.w, now->rect.h) < 0) {
        budget_give(gpu, scanout_cost(now));
        return GPU_ERR_PARAMETER;
    }
    budget_give(gpu, scanout_cost(s));
    return GPU_OK;
}

static bool scanout_is(const struct gpu_scanout *s, const struct gpu_scanout *now)
{
    return s->res == now->res && s->rect.x == now->rect.x && s->rect.y == now->rect.y &&
           s->rect.w == now->rect.w && s->rect.h == now->rect.h;
}

uint32_t gpu_scanout_set(struct gpu *gpu, unsigned screen, struct gpu_res *res,
                         struct display_rect rect)
{
    struct gpu_scanout *s = &gpu->scanout[screen];
    struct gpu_scanout now = {.res = res, .rect = rect};
    uint32_t ret;

    if (!res && !s->res)
        return GPU_OK;
    if (!res) {
        budget_give(gpu, scanout_cost(s));
        *s = (struct gpu_scanout){0};
        display_set(gpu->display, screen, 0, 0);
        return GPU_OK;
    }
    if (scanout_is(s, &now))
        return GPU_OK;
    ret = screen_size(gpu, screen, &now);
    if (ret != GPU_OK)
        return ret;
    *s = now;
    gpu_vga_leave(gpu, screen);
    display_draw(gpu->display, screen, (struct display_rect){0, 0, rect.w, rect.h}, scanout_row, s);
    return GPU_OK;
}

/* What of rect is in the scanout, in its own places. */
static struct display_rect rect_seen(const struct gpu_scanout *s, struct display_rect rect)
{
    const uint32_t left = (uint32_t)max_u64(rect.x, s->rect.x);
    const uint32_t top = (uint32_t)max_u64(rect.y, s->rect.y);
    const uint32_t right = (uint32_t)min_u64(rect.x + rect.w, s->rect.x + s->rect.w);
    const uint32_t bottom = (uint32_t)min_u64(rect.y + rect.h, s->rect.y + s->rect.h);

    if (left >= right || top >= bottom)
        return (struct display_rect){0};
    return (struct display_rect){left - s->rect.x, top - s->rect.y, right - left, bottom - top};
}

uint64_t gpu_scanout_flush(struct gpu *gpu, const struct gpu_res *res, struct display_rect rect)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < DISPLAY_SCREENS; i++) {
        struct gpu_scanout *s = &gpu->scanout[i];
        struct display_rect seen;

        if (s->res != res)
            continue;
        seen = rect_seen(s, rect);
        if (!seen.w)
            continue;
        display_draw(gpu->display, i, seen, scanout_row, s);
        bytes += (uint64_t)seen.w * seen.h * sizeof(uint32_t);
    }
    return bytes;
}
