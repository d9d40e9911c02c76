// SPDX-License-Identifier: MIT
/*
 * Owns a pseudo terminal: its making and its mode. We keep the user's end open ourselves, so that
 * it never looks closed and keeps its mode. Refuses to know who opens it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "devices/backend/con-fd.h"
#include "devices/backend/con-files.h"
#include "vmm/base/bits.h"

struct con_pty {
    struct chr chr;
    struct con_fd io;
    int user; /* the other end */
    char name[CON_NAME_BYTES];
    char path[64];
};

static struct con_pty *pty_of(const struct chr *chr)
{
    return container_of(chr, struct con_pty, chr);
}

static int64_t pty_put(struct chr *chr, const void *data, size_t len)
{
    return con_fd_put(&pty_of(chr)->io, data, len);
}

static void pty_more(struct chr *chr)
{
    con_fd_more(&pty_of(chr)->io);
}

static void pty_close(struct chr *chr)
{
    struct con_pty *p = pty_of(chr);

    chr_done(chr);
    con_fd_close(&p->io);
    if (p->user >= 0)
        close(p->user);
    free(p);
}

static const struct chr_ops pty_ops = {.put = pty_put, .more = pty_more, .close = pty_close};

/* Raw, or the guest's output would be echoed back to it. */
static int user_open(struct con_pty *p, int master)
{
    struct termios mode;

    if (grantpt(master) < 0 || unlockpt(master) < 0 ||
        ptsname_r(master, p->path, sizeof(p->path)) != 0)
        return -1;
    p->user = open(p->path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (p->user < 0 || tcgetattr(p->user, &mode) < 0)
        return -1;
    cfmakeraw(&mode);
    return tcsetattr(p->user, TCSANOW, &mode);
}

static int pty_open(struct con_pty *p, struct err *err)
{
    const int master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

    if (master < 0)
        return err_errno(err, errno, "%s: cannot make a pseudo terminal", p->name);
    if (user_open(p, master) == 0 && con_fd_open(&p->io, &p->chr, master, true, NULL, NULL) == 0)
        return 0;
    close(master);
    return err_errno(err, errno, "%s: cannot set up its pseudo terminal", p->name);
}

struct chr *con_pty_new(struct loop *loop, const char *name, struct err *err)
{
    struct con_pty *p = calloc(1, sizeof(*p));

    if (!p) {
        err_errno(err, ENOMEM, "%s", name);
        return NULL;
    }
    p->user = -1;
    p->io.fd = -1;
    snprintf(p->name, sizeof(p->name), "%s", name);
    if (chr_init(&p->chr, p->name, &pty_ops, loop, 0, err) < 0 || pty_open(p, err) < 0) {
        pty_close(&p->chr);
        return NULL;
    }
    return &p->chr;
}

const char *con_pty_path(const struct chr *chr)
{
    return pty_of(chr)->path;
}
