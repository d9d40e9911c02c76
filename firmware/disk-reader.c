// SPDX-License-Identifier: MIT
/*
 * Owns the reader child's course: volumes, choice, copies, message. Knows neither who started it
 * nor how it is confined.
 */
#include "firmware/disk-reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "firmware/disk-choice.h"
#include "firmware/disk-part.h"
#include "firmware/disk-result.h"

#define READER_MEMORY ((size_t)(160 * MIB)) /* for all that is parsed */

static int copy_failed(int r, const char *what, const struct disk_path *p, uint64_t max,
                       struct err *err)
{
    if (r == -EFBIG)
        return err_set(err, EFBIG, "the %s %s is larger than %llu MiB", what, p->path,
                       (unsigned long long)(max / MIB));
    return err_errno(err, -r, "the %s %s cannot be read", what, p->path);
}

static int kernel_copy(const struct disk_choice *c, int fd, struct disk_result *res,
                       struct err *err)
{
    int r = disk_copy(c->kernel.volume, c->kernel.path, fd, DISK_MAX_KERNEL, &res->kernel_size);
    if (r)
        return copy_failed(r, "kernel", &c->kernel, DISK_MAX_KERNEL, err);
    return res->kernel_size ? 0 : err_set(err, EINVAL, "the kernel %s is empty", c->kernel.path);
}

/* Archives follow one another at multiples of 4 bytes. */
static int initrds_copy(const struct disk_choice *c, int fd, struct disk_result *res,
                        struct err *err)
{
    for (unsigned i = 0; i < c->initrds; i++) {
        static const char zero[4];
        const struct disk_path *p = &c->initrd[i];
        size_t pad = (size_t)(-res->initrd_size & 3);
        if (pad && write(fd, zero, pad) != (ssize_t)pad)
            return copy_failed(-errno, "initrd", p, DISK_MAX_INITRD, err);
        res->initrd_size += pad;
        int r = disk_copy(p->volume, p->path, fd, DISK_MAX_INITRD, &res->initrd_size);
        if (r)
            return copy_failed(r, "initrd", p, DISK_MAX_INITRD, err);
    }
    return 0;
}

static const char *initrd_paths(const struct disk_choice *c, struct disk_mem *mem)
{
    const char *all = "";
    for (unsigned i = 0; i < c->initrds && all; i++)
        all = disk_mem_printf(mem, "%s%s%s", all, i ? " " : "", c->initrd[i].path);
    return all;
}

static int read_all(const struct jail *j, struct disk_volumes *d, struct disk_mem *mem,
                    struct disk_result *res, struct err *err)
{
    const struct disk_reader *reader = j->arg;
    struct disk_choice c = {0};
    d->fd = j->read_fd;
    d->size = reader->size;
    d->sector = reader->sector;
    int r = disk_volumes_find(d, err);
    r = r ? r : disk_choose(d, mem, &c, err);
    r = r ? r : kernel_copy(&c, j->write_fd[0], res, err);
    r = r ? r : initrds_copy(&c, j->write_fd[1], res, err);
    if (r)
        return r;
    res->string[DISK_CMDLINE] = c.cmdline;
    res->string[DISK_TITLE] = c.title;
    res->string[DISK_SOURCE] = c.source;
    res->string[DISK_KERNEL_PATH] = c.kernel.path;
    res->string[DISK_INITRD_PATH] = initrd_paths(&c, mem);
    return 0;
}

int disk_reader_work(const struct jail *j, int out_fd)
{
    struct disk_mem mem = {.limit = READER_MEMORY};
    struct disk_volumes *d = calloc(1, sizeof(*d));
    struct disk_result res = {0};
    struct err err = {""};
    int r = d ? read_all(j, d, &mem, &res, &err) : -ENOMEM;
    if (r)
        res = (struct disk_result){.status = r, .string[DISK_ERROR] = err.text};
    int sent = disk_result_send(out_fd, &res);
    if (d)
        disk_volumes_close(d);
    free(d);
    disk_mem_free(&mem);
    return sent ? 1 : 0;
}
