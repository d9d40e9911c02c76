// SPDX-License-Identifier: MIT
/*
 * Owns the commands of the GPU: what of a request is read, and what is answered (5.7.6.7, 5.7.6.8,
 * 5.7.6.10). Refuses to know what resources are made of.
 *
 * Every command is done when it is answered, so that a fence is nothing but a number that goes back
 * (5.7.6.5-d2).
 */
#include <string.h>

#include "devices/gpu-internal.h"
#include "virtio/lint.h"
#include "vmm/base/bits.h"
#include "vmm/base/giov.h"

enum { HEAD_BYTES = 24, WORDS_MAX = 8 };

/* A request on its way. */
struct gpu_req {
    uint32_t flags, ctx_id, ring_idx;
    uint64_t fence_id;
    uint32_t word[WORDS_MAX]; /* behind the header */
    struct gcur *more;        /* behind those */
    uint64_t moved;           /* bytes, for fairness */
    unsigned n;               /* 32-bit numbers of the answer, behind its header */
    bool edid;                /* ... bytes of an EDID behind those */
    uint32_t answer[GPU_SCREENS_TOLD * 6];
    uint8_t block[GPU_EDID_ROOM];
};

static struct display_rect rect_of(const struct gpu_req *req)
{
    return (struct display_rect){req->word[0], req->word[1], req->word[2], req->word[3]};
}

/* ---- displays ---- */

static uint32_t get_display_info(struct gpu *gpu, struct gpu_req *req)
{
    uint32_t x = 0;

    for (unsigned i = 0; i < GPU_SCREENS_TOLD; i++) {
        uint32_t *one = req->answer + i * 6; /* side by side */

        display_wanted(gpu->display, i, &one[2], &one[3]);
        one[0] = x;
        one[4] = one[2] && one[3];
        x += one[2];
    }
    req->n = GPU_SCREENS_TOLD * 6;
    return GPU_OK_DISPLAY_INFO;
}

static uint32_t get_edid(struct gpu *gpu, struct gpu_req *req)
{
    const unsigned screen = req->word[0];
    uint32_t width, height;

    if (!vdev_has(gpu->dev, GPU_F_EDID))
        return GPU_ERR_UNSPEC;
    if (screen >= display_screens(gpu->display))
        return GPU_ERR_SCANOUT_ID;
    display_wanted(gpu->display, screen, &width, &height);
    gpu_edid(req->block, screen, width, height);
    req->answer[0] = GPU_EDID_BYTES;
    req->n = 2;
    req->edid = true;
    return GPU_OK_EDID;
}

/* U08 */
static uint32_t set_scanout(struct gpu *gpu, struct gpu_req *req)
{
    const struct display_rect rect = rect_of(req);
    const uint32_t screen = req->word[4], id = req->word[5];
    struct gpu_res *res = gpu_res_find(gpu, id);

    if (screen >= display_screens(gpu->display))
        return GPU_ERR_SCANOUT_ID;
    if (!id)
        return gpu_scanout_set(gpu, screen, NULL, (struct display_rect){0});
    if (!res)
        return GPU_ERR_RESOURCE_ID;
    if (rect.w < DISPLAY_SIDE_MIN || rect.h < DISPLAY_SIDE_MIN || !gpu_res_holds(res, rect))
        return GPU_ERR_PARAMETER;
    req->moved = (uint64_t)rect.w * rect.h * GPU_PIXEL;
    return gpu_scanout_set(gpu, screen, res, rect);
}

/* ---- resources ---- */

static uint32_t create_2d(struct gpu *gpu, struct gpu_req *req)
{
    return gpu_res_create(gpu, req->word[0], req->word[1], req->word[2], req->word[3]);
}

static uint32_t unref(struct gpu *gpu, struct gpu_req *req)
{
    struct gpu_res *res = gpu_res_find(gpu, req->word[0]);

    if (!res)
        return GPU_ERR_RESOURCE_ID;
    gpu_res_unref(gpu, res);
    return GPU_OK;
}

static uint32_t flush(struct gpu *gpu, struct gpu_req *req)
{
    const struct display_rect rect = rect_of(req);
    const struct gpu_res *res = gpu_res_find(gpu, req->word[4]);

    if (!res)
        return GPU_ERR_RESOURCE_ID;
    if (!gpu_res_holds(res, rect))
        return GPU_ERR_PARAMETER;
    req->moved = gpu_scanout_flush(gpu, res, rect);
    return GPU_OK;
}

static uint32_t transfer(struct gpu *gpu, struct gpu_req *req)
{
    const struct display_rect rect = rect_of(req);
    struct gpu_res *res = gpu_res_find(gpu, req->word[6]);

    if (!res)
        return GPU_ERR_RESOURCE_ID;
    req->moved = gpu_res_holds(res, rect) ? (uint64_t)rect.w * rect.h * GPU_PIXEL : 0;
    return gpu_res_transfer(res, rect, (uint64_t)req->word[5] << 32 | req->word[4]);
}

static uint32_t attach(struct gpu *gpu, struct gpu_req *req)
{
    struct gpu_res *res = gpu_res_find(gpu, req->word[0]);

    if (!res)
        return GPU_ERR_RESOURCE_ID;
    return gpu_res_attach(gpu, res, req->word[1], req->more);
}

static uint32_t detach(struct gpu *gpu, struct gpu_req *req)
{
    struct gpu_res *res = gpu_res_find(gpu, req->word[0]);

    return res ? gpu_res_detach(gpu, res) : GPU_ERR_RESOURCE_ID;
}

/* ---- the cursor ---- */

static uint32_t move_cursor(struct gpu *gpu, struct gpu_req *req)
{
    if (req->word[0] >= display_screens(gpu->display))
        return GPU_ERR_SCANOUT_ID;
    display_cursor_move(gpu->display, req->word[0], (int32_t)req->word[1], (int32_t)req->word[2]);
    return GPU_OK;
}

/* U11: what is no cursor changes nothing. */
static uint32_t update_cursor(struct gpu *gpu, struct gpu_req *req)
{
    const uint32_t screen = req->word[0], id = req->word[4];
    uint32_t pixels[DISPLAY_CURSOR * DISPLAY_CURSOR];
    const struct gpu_res *res = gpu_res_find(gpu, id);

    if (screen >= display_screens(gpu->display))
        return GPU_ERR_SCANOUT_ID;
    if (id && !res)
        return GPU_ERR_RESOURCE_ID;
    if (res && (res->width != DISPLAY_CURSOR || res->height != DISPLAY_CURSOR)) {
        lint_see(gpu->dev, LINT_GPU_CURSOR, res->width);
        return GPU_ERR_PARAMETER;
    }
    for (uint32_t y = 0; res && y < DISPLAY_CURSOR; y++)
        gpu_res_row(res, 0, y, DISPLAY_CURSOR, pixels + y * DISPLAY_CURSOR);
    display_cursor(gpu->display, screen, res ? pixels : NULL,
                   (uint32_t)min_u64(req->word[5], DISPLAY_CURSOR - 1),
                   (uint32_t)min_u64(req->word[6], DISPLAY_CURSOR - 1));
    return move_cursor(gpu, req);
}

/* ---- what there is not ---- */

/* No set of capabilities: num_capsets is 0. */
static uint32_t capset_info(struct gpu *gpu, struct gpu_req *req)
{
    lint_see(gpu->dev, LINT_GPU_CAPSET, req->word[0]);
    return GPU_ERR_UNSPEC;
}

/* ---- requests ---- */

struct gpu_row {
    uint32_t type;
    unsigned words; /* 32-bit numbers behind the header */
    bool cursor;    /* the cursor queue's */
    uint32_t (*fn)(struct gpu *gpu, struct gpu_req *req);
};

static const struct gpu_row rows[] = {
    {0x100, 0, false, get_display_info},
    {0x101, 4, false, create_2d},
    {0x102, 2, false, unref},
    {0x103, 6, false, set_scanout},
    {0x104, 6, false, flush},
    {0x105, 8, false, transfer},
    {0x106, 2, false, attach},
    {0x107, 2, false, detach},
    {0x108, 2, false, capset_info},
    {0x10a, 2, false, get_edid},
    {0x300, 8, true, update_cursor},
    {0x301, 8, true, move_cursor},
};

static const struct gpu_row *row_find(uint32_t type, bool cursor)
{
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].type == type && rows[i].cursor == cursor)
            return &rows[i];
    return NULL;
}

/* U10: unknown, of the other queue, or cut short. */
static uint32_t command_run(struct gpu *gpu, struct gpu_req *req, struct vq_chain *chain)
{
    const struct gpu_row *row;
    struct gcur *out = &chain->out;
    uint32_t type, flags, ctx;
    uint64_t fence;
    uint8_t ring[4];

    if (!gcur_get32(out, &type) || !gcur_get32(out, &flags) || !gcur_get64(out, &fence) ||
        !gcur_get32(out, &ctx) || !gcur_get(out, ring, sizeof(ring)))
        return GPU_ERR_UNSPEC;
    if (flags & GPU_FLAG_FENCE) {
        req->flags = GPU_FLAG_FENCE;
        req->fence_id = fence;
        req->ctx_id = ctx;
    }
    row = row_find(type, chain->vq->index != 0);
    if (!row)
        return GPU_ERR_UNSPEC;
    for (unsigned i = 0; i < row->words; i++)
        if (!gcur_get32(out, &req->word[i]))
            return GPU_ERR_UNSPEC;
    req->more = out;
    return row->fn(gpu, req);
}

/* What does not fit is not told: then there was nothing to ask for. */
static uint32_t answer_put(const struct gpu_req *req, uint32_t type, struct gcur *in)
{
    const uint32_t body = req->n * 4 + (req->edid ? GPU_EDID_ROOM : 0);
    const bool fits = gcur_left(in) >= HEAD_BYTES + body;
    bool done;

    if (gcur_left(in) < HEAD_BYTES)
        return 0;
    done = gcur_put32(in, fits ? type : GPU_ERR_UNSPEC) && gcur_put32(in, req->flags) &&
           gcur_put64(in, req->fence_id) && gcur_put32(in, req->ctx_id) && gcur_put32(in, 0);
    if (!done || !fits)
        return done ? HEAD_BYTES : 0;
    for (unsigned i = 0; done && i < req->n; i++)
        done = gcur_put32(in, req->answer[i]);
    if (done && req->edid)
        done = gcur_put(in, req->block, sizeof(req->block));
    return done ? HEAD_BYTES + body : 0;
}

uint64_t gpu_command(struct gpu *gpu, struct vq_chain *chain)
{
    struct gpu_req req = {.n = 0};
    uint32_t type;

    if (chain->fault) { /* D10 */
        vq_drop(chain);
        return 0;
    }
    type = command_run(gpu, &req, chain);
    vq_push(chain, answer_put(&req, type, &chain->in));
    return req.moved;
}
