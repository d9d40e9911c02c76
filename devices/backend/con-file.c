// SPDX-License-Identifier: MIT
/*
 * Owns a file that output is added to. Refuses to know what it is beyond that: regular files never
 * make one wait, devices and pipes may.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "devices/backend/con-fd.h"
#include "devices/backend/con-files.h"
#include "devices/backend/con-stream.h"
#include "vmm/base/bits.h"

struct con_file {
    struct chr chr;
    struct con_fd io;
    char name[CON_NAME_BYTES];
};

static struct con_file *file_of(struct chr *chr)
{
    return container_of(chr, struct con_file, chr);
}

static int64_t file_put(struct chr *chr, const void *data, size_t len)
{
    return con_fd_put(&file_of(chr)->io, data, len);
}

static void file_close(struct chr *chr)
{
    struct con_file *f = file_of(chr);

    chr_done(chr);
    con_fd_close(&f->io);
    free(f);
}

static const struct chr_ops file_ops = {.put = file_put, .close = file_close};

static int file_open(struct con_file *f, const char *path, struct err *err)
{
    const int flags = O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    const int fd = open(path, flags, 0600);
    int ret;

    if (fd < 0 && errno == ENXIO)
        return err_set(err, ENXIO, "%s: nobody reads from %s, or it is a socket", f->name, path);
    if (fd < 0)
        return err_errno(err, errno, "%s: cannot write to %s", f->name, path);
    ret = con_fd_open(&f->io, &f->chr, fd, false, NULL, NULL);
    if (ret == 0)
        return 0;
    close(fd);
    return err_errno(err, -ret, "%s: cannot watch %s", f->name, path);
}

struct chr *con_file_new(struct loop *loop, const char *name, const char *path, struct err *err)
{
    struct con_file *f = calloc(1, sizeof(*f));

    if (!f) {
        err_errno(err, ENOMEM, "%s", name);
        return NULL;
    }
    f->io.fd = -1;
    con_stream_no_sigpipe();
    snprintf(f->name, sizeof(f->name), "%s", name);
    if (chr_init(&f->chr, f->name, &file_ops, loop, 0, err) < 0 || file_open(f, path, err) < 0) {
        file_close(&f->chr);
        return NULL;
    }
    return &f->chr;
}
