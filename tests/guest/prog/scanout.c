// SPDX-License-Identifier: MIT
/*
 * scanout SECONDS [frames]: draws on the first screen of /dev/dri/card0, in the size that it likes
 * best, a pattern of which every pixel is known (tests/guest/picture.c has it, too); again, when it
 * likes another size. frames: instead of that all of the screen in other colours, as often as it
 * can, counted. Runs inside the guest.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <drm.h>

enum { MODES = 64, THINGS = 16 };

static int card;
static uint32_t crtc, connector;

/* What is shown now. */
static struct {
    uint32_t fb, *pixels;
    size_t size;
} shown;

static void ask(unsigned long what, void *with, const char *name)
{
    while (ioctl(card, what, with) < 0)
        if (errno != EINTR && errno != EAGAIN)
            err(1, "%s", name);
}

static void things_find(void)
{
    uint32_t crtcs[THINGS], connectors[THINGS], encoders[THINGS], fbs[THINGS];
    struct drm_mode_card_res r = {.crtc_id_ptr = (uintptr_t)crtcs,
                                  .connector_id_ptr = (uintptr_t)connectors,
                                  .encoder_id_ptr = (uintptr_t)encoders,
                                  .fb_id_ptr = (uintptr_t)fbs,
                                  .count_crtcs = THINGS,
                                  .count_connectors = THINGS,
                                  .count_encoders = THINGS,
                                  .count_fbs = THINGS};

    ask(DRM_IOCTL_MODE_GETRESOURCES, &r, "resources");
    if (!r.count_crtcs || !r.count_connectors)
        errx(1, "the card has no screen");
    crtc = crtcs[0];
    connector = connectors[0];
}

/* The one that the monitor likes best: asked for afresh. */
static void mode_find(struct drm_mode_modeinfo *mode)
{
    static struct drm_mode_modeinfo modes[MODES];
    uint32_t encoders[THINGS];
    struct drm_mode_get_connector c = {.connector_id = connector};

    ask(DRM_IOCTL_MODE_GETCONNECTOR, &c, "connector"); /* counts of 0: look again */
    c = (struct drm_mode_get_connector){.connector_id = connector,
                                        .modes_ptr = (uintptr_t)modes,
                                        .encoders_ptr = (uintptr_t)encoders,
                                        .count_modes = MODES,
                                        .count_encoders = THINGS};
    ask(DRM_IOCTL_MODE_GETCONNECTOR, &c, "modes");
    if (!c.count_modes || c.count_modes > MODES)
        errx(1, "the screen has no mode");
    *mode = modes[0];
    for (unsigned i = 0; i < c.count_modes; i++)
        if (modes[i].type & DRM_MODE_TYPE_PREFERRED) {
            *mode = modes[i];
            return;
        }
}

static void draw(uint32_t *to, size_t pitch, const struct drm_mode_modeinfo *mode)
{
    for (uint32_t y = 0; y < mode->vdisplay; y++)
        for (uint32_t x = 0; x < mode->hdisplay; x++)
            to[y * (pitch / 4) + x] = (x * 0x010305 + y * 0x030107) & 0xffffff;
}

static void show(const struct drm_mode_modeinfo *mode)
{
    struct drm_mode_create_dumb dumb = {
        .width = mode->hdisplay, .height = mode->vdisplay, .bpp = 32};
    struct drm_mode_map_dumb map = {0};
    struct drm_mode_fb_cmd fb = {
        .width = mode->hdisplay, .height = mode->vdisplay, .bpp = 32, .depth = 24};
    struct drm_mode_crtc set = {.crtc_id = crtc,
                                .set_connectors_ptr = (uintptr_t)&connector,
                                .count_connectors = 1,
                                .mode = *mode,
                                .mode_valid = 1};

    ask(DRM_IOCTL_MODE_CREATE_DUMB, &dumb, "buffer");
    map.handle = fb.handle = dumb.handle;
    fb.pitch = dumb.pitch;
    ask(DRM_IOCTL_MODE_ADDFB, &fb, "frame buffer");
    ask(DRM_IOCTL_MODE_MAP_DUMB, &map, "map");
    if (shown.pixels)
        munmap(shown.pixels, shown.size);
    shown.size = dumb.size;
    shown.pixels =
        mmap(NULL, dumb.size, PROT_READ | PROT_WRITE, MAP_SHARED, card, (off_t)map.offset);
    if (shown.pixels == MAP_FAILED)
        err(1, "map");
    draw(shown.pixels, dumb.pitch, mode);
    shown.fb = fb.fb_id;
    set.fb_id = fb.fb_id;
    ask(DRM_IOCTL_MODE_SETCRTC, &set, "mode");
    printf("vmm-guest: scanout shows %ux%u\n", mode->hdisplay, mode->vdisplay);
    fflush(stdout);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void frames_draw(double seconds)
{
    struct drm_mode_fb_dirty_cmd dirty = {.fb_id = shown.fb}; /* no rectangles: all of it */
    const double begin = now();
    unsigned n;

    for (n = 0; now() - begin < seconds; n++) {
        memset(shown.pixels, (int)n, shown.size);
        ask(DRM_IOCTL_MODE_DIRTYFB, &dirty, "dirty");
    }
    printf("vmm-guest: scanout drew %u frames in %.3f s\n", n, now() - begin);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    const long seconds = argc > 1 ? strtol(argv[1], NULL, 10) : 0;
    const time_t end = time(NULL) + seconds;
    struct drm_mode_modeinfo mode, now = {0};

    card = open("/dev/dri/card0", O_RDWR | O_CLOEXEC);
    if (card < 0)
        err(1, "/dev/dri/card0");
    things_find();
    if (argc == 3) {
        mode_find(&mode);
        show(&mode);
        frames_draw((double)seconds);
        return 0;
    }
    for (; time(NULL) < end; sleep(1)) {
        mode_find(&mode);
        if (mode.hdisplay != now.hdisplay || mode.vdisplay != now.vdisplay)
            show(&mode);
        now = mode;
    }
    return 0;
}
