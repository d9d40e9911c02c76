// SPDX-License-Identifier: MIT
/*
 * Owns the windows, the thread that they live in, and how pictures get there: what is new is copied
 * out of the screen, then shown, at most once in a frame's time. Refuses to let the guest wait.
 */
#include <errno.h>
#include <iconv.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "devices/backend/display-sdl-internal.h"
#include "vmm/base/bits.h"

#define FRAME_NS  UINT64_C(16000000)  /* no more pictures than a monitor shows */
#define SETTLE_NS UINT64_C(200000000) /* a window's size that stays so long is one to tell */

enum { POLL_MS = 10, STACK_BYTES = 1024 * 1024 };

/* ---- titles ---- */

/* A keyboard's lights stay the host's: what the guest's would show stands in the title. Num is the
 * usual state of most guests, and no news. */
static const char *leds_words(unsigned leds)
{
    static const char *const words[] = {"", " - Caps", " - Scroll", " - Caps, Scroll"};

    return words[((leds & DISPLAY_LED_CAPS) ? 1 : 0) + ((leds & DISPLAY_LED_SCROLL) ? 2 : 0)];
}

static void title_set(struct window *win, const char *title)
{
    if (strcmp(win->title, title) == 0)
        return;
    snprintf(win->title, sizeof(win->title), "%s", title);
    sdl.SetWindowTitle(win->win, title);
}

void windows_title(struct windows *w)
{
    static const char *const words[] = {
        [DISPLAY_RUNNING] = "running", [DISPLAY_PAUSED] = "paused", [DISPLAY_ENDED] = "ended"};
    char name[DISPLAY_TITLE_BYTES], title[TITLE_BYTES], screen[24] = "";
    enum display_state state;

    display_title(w->d, name, &state);
    for (unsigned i = 0; i < w->n; i++) {
        if (w->n > 1)
            snprintf(screen, sizeof(screen), " screen %u", i);
        snprintf(title, sizeof(title), "%s%s - %s%s%s", name[0] ? name : "vmm", screen,
                 words[state], leds_words(atomic_load(&w->leds)),
                 w->grabbed ? " - Ctrl-Alt-G lets go" : "");
        title_set(&w->window[i], title);
    }
}

/* ---- pictures ---- */

static void picture_free(struct window *win)
{
    if (win->surface)
        sdl.FreeSurface(win->surface);
    free(win->picture);
    win->surface = NULL;
    win->picture = NULL;
    win->width = win->height = 0;
}

static void picture_make(struct window *win, uint32_t width, uint32_t height)
{
    picture_free(win);
    win->all = true;
    if (!width)
        return;
    win->picture = malloc((size_t)width * height * sizeof(*win->picture));
    if (win->picture)
        win->surface = sdl.CreateRGBSurfaceWithFormatFrom(win->picture, (int)width, (int)height, 32,
                                                          (int)(width * sizeof(*win->picture)),
                                                          SDL_PIXELFORMAT_RGB888);
    if (!win->surface) {
        picture_free(win);
        return;
    }
    win->width = width;
    win->height = height;
}

static void damage_copy(struct window *win, const struct display_look *look)
{
    const struct display_rect *r = &look->damage;

    for (uint32_t y = r->y; y - r->y < r->h; y++)
        memcpy(win->picture + (size_t)y * win->width + r->x,
               look->pixels + (size_t)y * look->width + r->x, r->w * sizeof(*look->pixels));
}

/* Nothing in here waits. */
static struct display_look window_look(struct windows *w, struct window *win)
{
    const unsigned screen = (unsigned)(win - w->window);
    struct display_look look;

    display_look(w->d, screen, &look);
    if (look.width != win->width || look.height != win->height) {
        picture_make(win, look.width, look.height);
        look.damage = (struct display_rect){0, 0, look.width, look.height};
    }
    if (win->picture)
        damage_copy(win, &look);
    if (look.cursor_new && look.cursor_shown)
        memcpy(win->cursor_pixels, look.cursor, sizeof(win->cursor_pixels));
    display_done(w->d, screen);
    return look;
}

/* As large as fits, in its own proportions. */
static SDL_Rect place_of(const struct window *win, const SDL_Surface *to)
{
    SDL_Rect place = {0, 0, to->w, to->h};

    if ((uint64_t)to->w * win->height > (uint64_t)to->h * win->width)
        place.w = (int)((uint64_t)to->h * win->width / win->height);
    else
        place.h = (int)((uint64_t)to->w * win->height / win->width);
    place.x = (to->w - place.w) / 2;
    place.y = (to->h - place.h) / 2;
    return place;
}

static void window_draw_all(struct window *win, SDL_Surface *to)
{
    SDL_Rect whole = {0, 0, to->w, to->h};

    win->all = false;
    sdl.FillRect(to, NULL, 0);
    if (win->surface) {
        win->place = place_of(win, to);
        whole = win->place;
        sdl.UpperBlitScaled(win->surface, NULL, to, &whole);
        whole = (SDL_Rect){0, 0, to->w, to->h};
    }
    sdl.UpdateWindowSurfaceRects(win->win, &whole, 1);
}

static void window_draw(struct window *win, const struct display_rect *damage)
{
    SDL_Surface *to = sdl.GetWindowSurface(win->win);
    SDL_Rect rect = {(int)damage->x, (int)damage->y, (int)damage->w, (int)damage->h}, at = rect;
    const bool same = to && to->w == (int)win->width && to->h == (int)win->height;

    if (!to || (!win->all && (!damage->w || !win->surface)))
        return;
    if (win->all || !same) {
        window_draw_all(win, to);
        return;
    }
    sdl.UpperBlit(win->surface, &rect, to, &at);
    sdl.UpdateWindowSurfaceRects(win->win, &rect, 1);
}

/* ---- the pointer's picture ---- */

static void cursor_make(struct window *win, const struct display_look *look)
{
    SDL_Surface *picture =
        sdl.CreateRGBSurfaceWithFormatFrom(win->cursor_pixels, DISPLAY_CURSOR, DISPLAY_CURSOR, 32,
                                           DISPLAY_CURSOR * 4, SDL_PIXELFORMAT_ARGB8888);
    SDL_Cursor *old = win->cursor;

    win->cursor =
        picture ? sdl.CreateColorCursor(picture, (int)min_u64(look->hot_x, DISPLAY_CURSOR - 1),
                                        (int)min_u64(look->hot_y, DISPLAY_CURSOR - 1))
                : NULL;
    sdl.SetCursor(win->cursor ? win->cursor : sdl.GetDefaultCursor());
    if (old)
        sdl.FreeCursor(old);
    if (picture)
        sdl.FreeSurface(picture);
}

/* The host's pointer looks as the guest's does; until that has one, as the host's does. */
static void window_cursor(struct window *win, const struct display_look *look)
{
    if (!look->cursor_new)
        return;
    if (look->cursor_shown)
        cursor_make(win, look);
    if (win->cursor)
        sdl.ShowCursor(look->cursor_shown ? SDL_ENABLE : SDL_DISABLE);
}

/* ---- the thread ---- */

static void windows_show(struct windows *w)
{
    windows_title(w);
    for (unsigned i = 0; i < w->n; i++) {
        const struct display_look look = window_look(w, &w->window[i]);

        window_cursor(&w->window[i], &look);
        window_draw(&w->window[i], &look.damage);
    }
}

static bool windows_exposed(struct windows *w)
{
    bool any = false;

    for (unsigned i = 0; i < w->n; i++)
        any |= w->window[i].all;
    return any;
}

/* Sizes that the user has settled on are those that the guest is to have. */
static void windows_modes(struct windows *w)
{
    for (unsigned i = 0; i < w->n; i++) {
        struct window *win = &w->window[i];
        const SDL_Surface *surface;

        if (!win->resized_ns || clock_ns() - win->resized_ns < SETTLE_NS)
            continue;
        win->resized_ns = 0;
        surface = sdl.GetWindowSurface(win->win);
        if (surface)
            display_mode(w->d, i, (uint32_t)surface->w, (uint32_t)surface->h);
    }
}

/* #syscalls:window poll read write writev recvmsg sendmsg recvfrom sendto futex getpid gettid */
/* #syscalls:window clock_gettime gettimeofday clock_nanosleep nanosleep mmap munmap mprotect */
/* #syscalls:window mremap madvise brk shmget shmat shmdt shmctl close fcntl exit rt_sigprocmask */
/* #syscalls:window sched_yield rseq exit_group restart_syscall getrandom */

static void *windows_run(void *arg)
{
    struct windows *w = (struct windows *)arg;
    uint64_t shown = 0, count;
    bool fresh = true;
    SDL_Event e;

    while (!atomic_load(&w->ending)) {
        struct pollfd fd = {.fd = fresh ? -1 : w->wake, .events = POLLIN};

        if (poll(&fd, 1, POLL_MS) > 0 && read(w->wake, &count, sizeof(count)) > 0)
            fresh = true;
        while (sdl.PollEvent(&e))
            windows_event(w, &e);
        windows_modes(w);
        if ((fresh || windows_exposed(w)) && clock_ns() - shown >= FRAME_NS) {
            fresh = false;
            shown = clock_ns();
            windows_show(w);
        }
    }
    return NULL;
}

/* ---- making and freeing ---- */

static void on_wake(struct display *d)
{
    const struct windows *w = (const struct windows *)display_ctx(d);
    const uint64_t one = 1;

    if (write(w->wake, &one, sizeof(one)) < 0)
        return; /* full: it is awake */
}

static void on_leds(struct display *d, unsigned leds)
{
    struct windows *w = (struct windows *)display_ctx(d);

    atomic_store(&w->leds, leds);
    on_wake(d);
}

/* Windows and the connection to the desktop go with the process: this thread may not talk to it any
 * more. */
static void windows_free(struct windows *w)
{
    for (unsigned i = 0; i < w->n; i++)
        picture_free(&w->window[i]);
    if (w->wake >= 0)
        close(w->wake);
    free(w);
}

static void on_close(struct display *d)
{
    struct windows *w = (struct windows *)display_ctx(d);

    atomic_store(&w->ending, true);
    on_wake(d);
    thread_join(&w->thread);
    windows_free(w);
}

/* What the C library looks for in files, the first time: how texts of X11 become ours. What it has
 * loaded stays while one is open. */
static void texts_prime(void)
{
    static const char *const of[] = {"ISO-8859-1", "UTF-8"};
    static iconv_t held[ARRAY_SIZE(of)][2];

    for (unsigned i = 0; i < ARRAY_SIZE(of) && !held[i][0]; i++) {
        held[i][0] = iconv_open("UTF-8", of[i]);
        held[i][1] = iconv_open(of[i], "UTF-8");
    }
}

/* Signals are the machine's, and so is what happens when the last window closes. */
static int sdl_begin(struct err *err)
{
    sdl.SetHint(SDL_HINT_NO_SIGNAL_HANDLERS, "1");
    sdl.SetHint(SDL_HINT_QUIT_ON_LAST_WINDOW_CLOSE, "0");
    sdl.SetHint(SDL_HINT_VIDEO_ALLOW_SCREENSAVER, "1");
    sdl.SetHint(SDL_HINT_FRAMEBUFFER_ACCELERATION, "0"); /* no driver of a graphics card in here */
    if (sdl.Init(SDL_INIT_VIDEO) < 0)
        return err_set(err, EIO, "cannot open a window: %s; is DISPLAY or WAYLAND_DISPLAY set?",
                       sdl.GetError());
    sdl.EnableScreenSaver();
    sdl.StopTextInput();
    texts_prime();
    return 0;
}

static int window_make(struct windows *w, unsigned i, uint32_t width, uint32_t height,
                       struct err *err)
{
    struct window *win = &w->window[i];

    win->win = sdl.CreateWindow("vmm", SDL_WINDOWPOS_UNDEFINED, SDL_WINDOWPOS_UNDEFINED, (int)width,
                                (int)height, SDL_WINDOW_RESIZABLE | SDL_WINDOW_ALLOW_HIGHDPI);
    if (!win->win || !sdl.GetWindowSurface(win->win))
        return err_set(err, EIO, "cannot open a window: %s", sdl.GetError());
    win->id = sdl.GetWindowID(win->win);
    win->all = true;
    w->n = i + 1;
    return 0;
}

/* Libraries of X11 read what the user likes in pointers when the first one is made. */
static void cursors_prime(void)
{
    static uint32_t pixel = 0;
    SDL_Surface *picture = sdl.CreateRGBSurfaceWithFormatFrom(&pixel, 1, 1, 32, sizeof(pixel),
                                                              SDL_PIXELFORMAT_ARGB8888);
    SDL_Cursor *cursor = picture ? sdl.CreateColorCursor(picture, 0, 0) : NULL;

    sdl.ShowCursor(SDL_DISABLE);
    sdl.ShowCursor(SDL_ENABLE);
    if (cursor)
        sdl.FreeCursor(cursor);
    if (picture)
        sdl.FreeSurface(picture);
}

int display_sdl_built(struct err *err)
{
    (void)err;
    return 0;
}

struct display *display_sdl_open(unsigned screens, uint32_t width, uint32_t height, struct err *err)
{
    static const struct display_ops ops = {.wake = on_wake, .leds = on_leds, .close = on_close};
    struct windows *w = calloc(1, sizeof(*w));
    int ret = w ? 0 : err_errno(err, ENOMEM, "windows");

    if (ret == 0)
        ret = sdl_load(err);
    if (ret == 0)
        ret = sdl_begin(err);
    if (ret < 0) {
        free(w);
        return NULL;
    }
    w->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (w->wake < 0)
        ret = err_errno(err, errno, "windows");
    for (unsigned i = 0; ret == 0 && i < screens; i++)
        ret = window_make(w, i, width, height, err);
    cursors_prime();
    if (ret == 0)
        w->d = display_new(&ops, w, screens, width, height, err);
    if (!w->d) {
        sdl.Quit();
        windows_free(w);
        return NULL;
    }
    w->thread = (struct thread){
        .name = "window", .kind = THREAD_WINDOW, .stack = STACK_BYTES, .fn = windows_run, .arg = w};
    ret = thread_start(&w->thread);
    if (ret != 0) {
        err_errno(err, ret, "the windows' thread");
        display_free(w->d);
        return NULL;
    }
    return w->d;
}
