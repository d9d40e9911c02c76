// SPDX-License-Identifier: MIT
/*
 * Owns a folder of pictures: one for each change of a screen, PERIOD_NS apart at least. Its thread
 * copies what is shown, and encodes and writes it with nobody waiting.
 */
#include "devices/backend/display-png.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "devices/backend/picture.h"
#include "vmm/base/thread.h"

#define PERIOD_NS 250000000L

enum { PICTURES_MAX = 1000000 }; /* six digits */

struct png {
    struct display *display;
    const char *dir;
    display_png_create_fn *create;
    struct thread thread;
    pthread_mutex_t lock;
    pthread_cond_t more;
    bool woken, ending;
    unsigned next; /* picture's number */
    struct log_limit log;
};

/* "screen0-000017.png" */
static void name_make(char name[DISPLAY_PNG_NAME], unsigned screen, unsigned number)
{
    snprintf(name, DISPLAY_PNG_NAME, "screen%u-%06u.png", screen, number % PICTURES_MAX);
}

bool display_png_is_name(const char *name)
{
    char again[DISPLAY_PNG_NAME];
    unsigned screen, number;

    if (sscanf(name, "screen%2u-%6u.png", &screen, &number) != 2)
        return false;
    name_make(again, screen, number);
    return strcmp(name, again) == 0;
}

int display_png_create(const char *dir, const char *name)
{
    char path[PATH_MAX];
    int fd;

    if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
        return -ENAMETOOLONG;
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    return fd < 0 ? -errno : fd;
}

/* ---- one picture ---- */

static int file_write(int fd, const uint8_t *data, size_t size)
{
    while (size) {
        const ssize_t n = write(fd, data, size);

        if (n < 0 && errno != EINTR)
            return -errno;
        data += n > 0 ? n : 0;
        size -= n > 0 ? (size_t)n : 0;
    }
    return 0;
}

static int picture_write(struct png *p, const char *name, const uint32_t *pixels, uint32_t width,
                         uint32_t height, struct err *err)
{
    size_t size;
    void *file = picture_encode(pixels, width, height, &size, err);
    int fd, ret;

    if (!file)
        return -EIO;
    fd = p->create(p->dir, name);
    ret = fd < 0 ? fd : file_write(fd, file, size);
    if (fd >= 0)
        close(fd);
    free(file);
    return ret < 0 ? err_errno(err, -ret, "--display png: %s in %s", name, p->dir) : 0;
}

static void screen_write(struct png *p, unsigned screen)
{
    char name[DISPLAY_PNG_NAME];
    struct display_look look;
    struct err err;
    uint32_t width, height, *pixels;

    display_look(p->display, screen, &look);
    display_done(p->display, screen);
    if (!look.damage.w || !look.width)
        return;
    pixels = display_copy(p->display, screen, &width, &height);
    if (!pixels)
        return;
    name_make(name, screen, p->next++);
    if (picture_write(p, name, pixels, width, height, &err) < 0)
        log_limited(&p->log, LOG_WARN, "%s", err.text);
    free(pixels);
}

/* ---- its thread ---- */

/* Until woken or told to end; with the lock. */
static bool wait_more(struct png *p)
{
    while (!p->woken && !p->ending)
        pthread_cond_wait(&p->more, &p->lock);
    p->woken = false;
    return !p->ending;
}

static void wait_period(struct png *p)
{
    struct timespec end;

    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_nsec += PERIOD_NS;
    end.tv_sec += end.tv_nsec / 1000000000L;
    end.tv_nsec %= 1000000000L;
    while (!p->ending && pthread_cond_timedwait(&p->more, &p->lock, &end) != ETIMEDOUT)
        continue;
}

/* #syscalls:file write close */
static void *png_run(void *arg)
{
    struct png *p = (struct png *)arg;
    bool last = false;

    pthread_mutex_lock(&p->lock);
    while (!last) {
        last = !wait_more(p); /* what came before the end is written, too */
        pthread_mutex_unlock(&p->lock);
        for (unsigned i = 0; i < display_screens(p->display); i++)
            screen_write(p, i);
        pthread_mutex_lock(&p->lock);
        wait_period(p);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

static void png_tell(struct png *p, bool *what)
{
    pthread_mutex_lock(&p->lock);
    *what = true;
    pthread_cond_signal(&p->more);
    pthread_mutex_unlock(&p->lock);
}

static void png_wake(struct display *d)
{
    struct png *p = (struct png *)display_ctx(d);

    png_tell(p, &p->woken);
}

static void png_close(struct display *d)
{
    struct png *p = (struct png *)display_ctx(d);

    if (p->thread.running || p->thread.held) {
        png_tell(p, &p->ending);
        thread_join(&p->thread);
    }
    pthread_cond_destroy(&p->more);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

static const struct display_ops png_ops = {.wake = png_wake, .close = png_close};

static int dir_check(const char *dir, struct err *err)
{
    struct stat st;

    if (stat(dir, &st) < 0)
        return err_errno(err, errno, "--display png: folder %s", dir);
    if (!S_ISDIR(st.st_mode) || access(dir, W_OK | X_OK) < 0)
        return err_set(err, ENOTDIR, "--display png: %s is not a folder that can be written to",
                       dir);
    return 0;
}

static void cond_make(struct png *p)
{
    pthread_condattr_t attr;

    pthread_mutex_init(&p->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&p->more, &attr);
    pthread_condattr_destroy(&attr);
}

struct display *display_png_open(const char *dir, display_png_create_fn *create, unsigned screens,
                                 uint32_t width, uint32_t height, struct err *err)
{
    struct png *p;
    int ret;

    if (picture_can(err) < 0 || dir_check(dir, err) < 0)
        return NULL;
    p = calloc(1, sizeof(*p));
    if (!p) {
        err_errno(err, ENOMEM, "display");
        return NULL;
    }
    cond_make(p);
    p->dir = dir;
    p->create = create ? create : display_png_create;
    p->display = display_new(&png_ops, p, screens, width, height, err);
    if (!p->display) {
        free(p);
        return NULL;
    }
    p->thread = (struct thread){.name = "pictures", .kind = THREAD_FILE, .fn = png_run, .arg = p};
    ret = thread_start(&p->thread);
    if (ret) {
        err_errno(err, ret, "cannot start the thread of the display");
        display_free(p->display);
        return NULL;
    }
    return p->display;
}
