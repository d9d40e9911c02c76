// SPDX-License-Identifier: MIT
/*
 * Owns reading files whole, and what loaders on all machines need. Refuses to know formats.
 */
#include "firmware/load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int load_refuse(const struct load_file *file, struct err *err, const char *fmt, ...)
{
    char why[400];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why, sizeof(why), fmt, ap);
    va_end(ap);
    return err_set(err, EINVAL, "%s: %s", file->name, why);
}

int load_refuse_mistaken(const struct load_file *file, const struct load_mistake *mistakes,
                         size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++)
        if (range_ok(mistakes[i].at, mistakes[i].n, file->size) &&
            memcmp(file->data + mistakes[i].at, mistakes[i].magic, mistakes[i].n) == 0)
            return load_refuse(file, err, "it is %s", mistakes[i].what);
    return 0;
}

/* --- files --- */

static const char *kind_name(mode_t mode)
{
    static const struct {
        mode_t mode;
        const char *name;
    } kind[] = {
        {S_IFDIR, "a directory"},        {S_IFIFO, "a pipe"},         {S_IFSOCK, "a socket"},
        {S_IFCHR, "a character device"}, {S_IFBLK, "a block device"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(kind); i++)
        if ((mode & S_IFMT) == kind[i].mode)
            return kind[i].name;
    return "no file";
}

static int size_check(const char *path, const struct stat *st, uint64_t limit, struct err *err)
{
    const uint64_t size = (uint64_t)st->st_size;

    if (!S_ISREG(st->st_mode))
        return err_set(err, EINVAL, "%s is %s; a regular file is needed", path,
                       kind_name(st->st_mode));
    if (!size)
        return err_set(err, EINVAL, "%s is empty", path);
    if (size > limit)
        return err_set(err, EFBIG, "%s has %llu bytes; at most %llu are accepted", path,
                       (unsigned long long)size, (unsigned long long)limit);
    return 0;
}

/* Reads size bytes and makes sure that they are the whole file. */
static int bytes_read(const char *path, int fd, uint8_t *to, uint64_t size, struct err *err)
{
    uint64_t have = 0;

    while (have <= size) {
        uint8_t more;
        const bool at_end = have == size;
        const ssize_t n =
            pread(fd, at_end ? &more : to + have, at_end ? 1 : size - have, (off_t)have);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(err, errno, "cannot read %s", path);
        if (!n && at_end)
            return 0;
        if (!n || at_end)
            break;
        have += (uint64_t)n;
    }
    return err_set(err, EINVAL, "%s changed its size while it was read; try again", path);
}

static int open_file_read(const char *path, int fd, uint64_t limit, struct load_file *out,
                          struct err *err)
{
    struct stat st;
    uint8_t *data;
    int ret;

    if (fstat(fd, &st) < 0)
        return err_errno(err, errno, "cannot examine %s", path);
    ret = size_check(path, &st, limit, err);
    if (ret < 0)
        return ret;
    data = (uint8_t *)malloc((size_t)st.st_size);
    if (!data)
        return err_set(err, ENOMEM, "no memory for the %lld bytes of %s", (long long)st.st_size,
                       path);
    ret = bytes_read(path, fd, data, (uint64_t)st.st_size, err);
    if (ret < 0) {
        free(data);
        return ret;
    }
    *out = (struct load_file){.name = path, .data = data, .size = (uint64_t)st.st_size};
    return 0;
}

/* #syscalls:main fstat newfstatat pread64 */
int load_file_read(const char *path, int fd, uint64_t limit, struct load_file *out, struct err *err)
{
    int own, ret;

    if (fd >= 0)
        return open_file_read(path, fd, limit, out, err);
    own = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK); /* a pipe must not block */
    if (own < 0)
        return err_errno(err, errno, "cannot open %s", path);
    ret = open_file_read(path, own, limit, out, err);
    close(own);
    return ret;
}

void load_file_free(struct load_file *file)
{
    free((void *)file->data);
    *file = (struct load_file){0};
}

/* --- for the formats --- */

int load_write(const struct load_job *job, uint64_t at, const void *data, uint64_t size,
               const char *what, struct err *err)
{
    if (gmem_write(job->mem, gpa(at), data, size) < 0)
        return load_refuse(job->kernel, err, "%s (%llu bytes at 0x%llx) does not lie in guest RAM",
                           what, (unsigned long long)size, (unsigned long long)at);
    return 0;
}
