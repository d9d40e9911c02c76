/* SPDX-License-Identifier: MIT */
/* Between the files of the GPU: gpu.c has the device, gpu-cmd.c its commands, gpu-res.c what they
 * work on, gpu-edid.c what monitors say of themselves, gpu-vga.c the frame buffer for before. */
#ifndef DEVICES_GPU_INTERNAL_H
#define DEVICES_GPU_INTERNAL_H

#include "devices/gpu.h"
#include "virtio/vq.h"

/* 5.7.3 Feature bits, those that there are here */
enum { GPU_F_EDID = 1 };

/* 5.7.6.7 Request header and answers */
enum {
    GPU_FLAG_FENCE = 1,
    GPU_OK = 0x1100,
    GPU_OK_DISPLAY_INFO = 0x1101,
    GPU_OK_EDID = 0x1104,
    GPU_ERR_UNSPEC = 0x1200,
    GPU_ERR_OUT_OF_MEMORY = 0x1201,
    GPU_ERR_SCANOUT_ID = 0x1202,
    GPU_ERR_RESOURCE_ID = 0x1203,
    GPU_ERR_PARAMETER = 0x1205,
};

enum {
    GPU_PIXEL = 4,            /* bytes, of all formats */
    GPU_RESOURCES_MAX = 4096, /* at a time */
    GPU_ENTRIES_MAX = 16384,  /* of one resource's backing, as QEMU has it */
    GPU_BUCKETS = 256,        /* of the table of resources */
    GPU_SCREENS_TOLD = 16,    /* in an answer, whatever there are */
    GPU_EDID_BYTES = 128,
    GPU_EDID_ROOM = 1024,
    GPU_ANSWER_MAX = 8 + GPU_EDID_ROOM, /* bytes behind the header */
};

/* Where in a pixel its colours are: bytes. alpha -1: none. */
struct gpu_format {
    uint32_t id; /* 5.7.6.8-d2 */
    uint8_t red, green, blue;
    int8_t alpha;
};

struct gpu_res {
    struct gpu_res *next; /* in its bucket */
    uint32_t id, width, height;
    const struct gpu_format *format;
    uint8_t *pixels;   /* the host's copy, rows without gaps */
    bool attached;     /* has backing */
    struct iovec *iov; /* the backing; guest memory stays where it is */
    uint32_t n_iov;
    uint64_t backing; /* bytes */
    uint64_t cost;    /* bytes of the budget, iov included */
};

struct gpu_scanout {
    struct gpu_res *res; /* NULL: off */
    struct display_rect rect;
};

/* The linear frame buffer. */
struct gpu_vga {
    struct gpu_frame frame;
    uint8_t *memory;  /* the guest's; NULL: there is none */
    uint8_t *seen;    /* as it was looked at last, without gaps */
    uint64_t size;    /* of the former, bytes */
    uint64_t wait_ns; /* until it is looked at again */
    bool left;        /* native mode: nobody looks */
    bool on;          /* the first screen shows it */
    struct loop_timer *timer;
};

struct gpu {
    struct vdev *dev;
    struct display *display;
    uint64_t budget, used; /* bytes */
    uint32_t events;       /* the configuration's */
    struct loop_work changed;
    unsigned n_res;
    struct gpu_res *bucket[GPU_BUCKETS];
    struct gpu_scanout scanout[DISPLAY_SCREENS];
    struct gpu_vga vga;
};

static inline struct gpu *gpu_of(const struct vdev *dev)
{
    return (struct gpu *)dev->state;
}

/* ---- gpu-cmd.c ---- */

/* Do one command of either queue and answer it. Returns how many bytes that moved. */
uint64_t gpu_command(struct gpu *gpu, struct vq_chain *chain);

/* ---- gpu-res.c: those that return uint32_t say what the answer is ---- */

struct gpu_res *gpu_res_find(struct gpu *gpu, uint32_t id);
uint32_t gpu_res_create(struct gpu *gpu, uint32_t id, uint32_t format, uint32_t width,
                        uint32_t height);
/* Screens that show it go off. */
void gpu_res_unref(struct gpu *gpu, struct gpu_res *res);
/* n entries of 16 bytes follow in *entries. */
uint32_t gpu_res_attach(struct gpu *gpu, struct gpu_res *res, uint32_t n, struct gcur *entries);
uint32_t gpu_res_detach(struct gpu *gpu, struct gpu_res *res);
/* Copy a rectangle from the backing, whose byte `offset` is its first. */
uint32_t gpu_res_transfer(struct gpu_res *res, struct display_rect rect, uint64_t offset);
/* No resources, no scanouts, as after reset. */
void gpu_res_clear(struct gpu *gpu);

/* Is rect inside of it, and not empty? */
bool gpu_res_holds(const struct gpu_res *res, struct display_rect rect);

/* n pixels from (x, y) on as ARGB8888 in the host's order. */
void gpu_res_row(const struct gpu_res *res, uint32_t x, uint32_t y, uint32_t n, uint32_t *to);

/* Show rect of res on a screen; res NULL: off. */
uint32_t gpu_scanout_set(struct gpu *gpu, unsigned screen, struct gpu_res *res,
                         struct display_rect rect);
/* Draw rect of res wherever it is shown. Returns the bytes drawn. */
uint64_t gpu_scanout_flush(struct gpu *gpu, const struct gpu_res *res, struct display_rect rect);

/* ---- gpu-vga.c ---- */

/* A frame buffer of the size that the first screen is wanted in, if that is not too large. 0 or
 * -errno with err filled; gpu_vga_close() is due either way. */
int gpu_vga_open(struct gpu *gpu, struct err *err);
void gpu_vga_close(struct gpu *gpu);

/* A screen shows a resource: native mode, until gpu_vga_return(). Without a frame buffer: nothing.
 */
void gpu_vga_leave(struct gpu *gpu, unsigned screen);
void gpu_vga_return(struct gpu *gpu);

/* ---- gpu-edid.c ---- */

/* The base block of a monitor that likes width x height best, at 60 Hz. */
void gpu_edid(uint8_t edid[GPU_EDID_BYTES], unsigned screen, uint32_t width, uint32_t height);

#endif
