// SPDX-License-Identifier: MIT
/*
 * Owns the GPU device: its queues, its configuration, its life, and how much it does in one turn.
 * Refuses to know who looks at its display.
 */
#include "devices/gpu.h"

#include <errno.h>

#include "devices/gpu-internal.h"
#include "vmm/base/bits.h"

/* 5.7.4 Device configuration layout */
enum { CONFIG_EVENTS_READ = 0, CONFIG_EVENTS_CLEAR = 4, CONFIG_SCANOUTS = 8, CONFIG_CAPSETS = 12 };
enum { CONFIG_BYTES = 16, EVENT_DISPLAY = 1 };

/* 5.7.2 Virtqueues */
enum { QUEUE_CONTROL, QUEUE_CURSOR, QUEUES };
enum { CONTROL_SIZE = 256, CURSOR_SIZE = 128 };

/* What a turn costs at most, about: then others on the loop come first. */
enum { TURN_BYTES = 32 << 20, COMMAND_BYTES = 64 << 10 };

/* ---- configuration ---- */

static uint64_t events_read(void *ctx, const struct reg *reg)
{
    (void)reg;
    return gpu_of((struct vdev *)ctx)->events;
}

static void events_clear(void *ctx, const struct reg *reg, uint64_t v)
{
    (void)reg;
    gpu_of((struct vdev *)ctx)->events &= ~(uint32_t)v;
}

static uint64_t scanouts_read(void *ctx, const struct reg *reg)
{
    (void)reg;
    return display_screens(gpu_of((struct vdev *)ctx)->display);
}

static const struct reg config_rows[] = {
    {CONFIG_EVENTS_READ, 4, 0, "events_read", "5.7.4-d1", events_read, NULL},
    {CONFIG_EVENTS_CLEAR, 4, 0, "events_clear", "5.7.4-d1", NULL, events_clear},
    {CONFIG_SCANOUTS, 4, 0, "num_scanouts", "5.7.4-d1", scanouts_read, NULL},
    {CONFIG_CAPSETS, 4, 0, "num_capsets", "5.7.4-d1", NULL, NULL},
};

static const struct regs gpu_config = {
    .name = "virtio_gpu_config",
    .row = config_rows,
    .n = ARRAY_SIZE(config_rows),
    .size = CONFIG_BYTES,
};

/* ---- what the user does ---- */

/* On the back end's thread. */
static void screen_mode(void *ctx, unsigned screen, uint32_t width, uint32_t height)
{
    struct gpu *gpu = (struct gpu *)ctx;

    (void)screen;
    (void)width;
    (void)height;
    loop_post(gpu->dev->loop, &gpu->changed);
}

static const struct display_screen_ops screen_ops = {.mode = screen_mode};

static void screens_changed(void *arg)
{
    struct gpu *gpu = (struct gpu *)arg;

    gpu->events |= EVENT_DISPLAY;
    vdev_config_changed(gpu->dev);
}

/* ---- the device ---- */

static void gpu_kick(struct vdev *dev, struct vq *vq)
{
    int64_t left = TURN_BYTES;
    bool more = true;

    while (more && left > 0) {
        struct vq_chain *chain = vq_pop(vq);

        left -= COMMAND_BYTES;
        if (chain)
            left -= (int64_t)min_u64(gpu_command(gpu_of(dev), chain), TURN_BYTES);
        else
            more = vq_kicks(vq, true);
    }
    vq_publish(vq);
    if (more)
        loop_post(dev->loop, &vq->again);
}

static void cursors_hide(struct gpu *gpu)
{
    for (unsigned i = 0; i < display_screens(gpu->display); i++)
        display_cursor(gpu->display, i, NULL, 0, 0);
}

static void gpu_stop(struct vdev *dev, struct vq *only)
{
    struct gpu *gpu = gpu_of(dev);

    if (only)
        return;
    gpu_res_clear(gpu);
    cursors_hide(gpu);
    gpu->events = 0;
    gpu_vga_return(gpu);
}

static int gpu_open(struct vdev *dev, const void *conf, struct err *err)
{
    const struct gpu_conf *c = (const struct gpu_conf *)conf;
    struct gpu *gpu = gpu_of(dev);
    int ret = vdev_queue_add(dev, CONTROL_SIZE, 0);

    if (ret == 0)
        ret = vdev_queue_add(dev, CURSOR_SIZE, 0);
    if (ret < 0)
        return err_errno(err, -ret, "cannot make the queues of %s", dev->name);
    gpu->dev = dev;
    gpu->display = c->display;
    gpu->budget = c->budget ? c->budget : GPU_BUDGET;
    gpu->changed = (struct loop_work){.fn = screens_changed, .arg = gpu};
    display_set_screen_ops(gpu->display, &screen_ops, gpu);
    ret = c->vga ? gpu_vga_open(gpu, err) : 0;
    if (ret < 0)
        gpu_vga_close(gpu);
    return ret;
}

static void gpu_offer(struct vdev *dev, struct vfeat *f)
{
    (void)dev;
    vfeat_add(f, GPU_F_EDID);
}

static void gpu_close(struct vdev *dev)
{
    struct gpu *gpu = gpu_of(dev);

    display_set_screen_ops(gpu->display, NULL, NULL);
    loop_cancel(dev->loop, &gpu->changed);
    gpu_res_clear(gpu);
    gpu_vga_close(gpu);
}

static const struct vfeat_row gpu_features[] = {
    {GPU_F_EDID, "edid", "5.7.2-d1", -1},
    {0, NULL, NULL, -1},
};

const struct virtio_type gpu_type = {
    .name = "gpu",
    .id = VIRTIO_ID_GPU,
    .class_code = 0x038000, /* 5.7.7-d1; gpu-vga.c has another */
    .state_size = sizeof(struct gpu),
    .features = gpu_features,
    .config = &gpu_config,
    .open = gpu_open,
    .offer = gpu_offer,
    .kick = gpu_kick,
    .stop = gpu_stop,
    .close = gpu_close,
};
