// SPDX-License-Identifier: MIT
/*
 * Owns reading files whole, telling formats apart, and what all formats need: command line, initrd,
 * ACPI tables. Refuses to know a format's fields.
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

#include "firmware/acpi.h"
#include "firmware/elf.h"
#include "firmware/linux-x86.h"

enum { PAGE = 4096 };

int load_refuse(const struct load_file *file, struct err *err, const char *fmt, ...)
{
    char why[400];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why, sizeof(why), fmt, ap);
    va_end(ap);
    return err_set(err, EINVAL, "%s: %s", file->name, why);
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

int load_cmdline(const struct load_job *job, uint64_t limit, struct err *err)
{
    const uint64_t size = strlen(job->cmdline), max = min_u64(limit, CMDLINE_MAX);

    if (size > max)
        return load_refuse(job->kernel, err,
                           "the command line has %llu bytes, and this kernel takes %llu "
                           "(cmdline_size); shorten --append",
                           (unsigned long long)size, (unsigned long long)max);
    return load_write(job, LOW_CMDLINE, job->cmdline, size + 1, "the command line", err);
}

int load_initrd(const struct load_job *job, uint64_t above, uint64_t limit, struct load_result *out,
                struct err *err)
{
    const struct load_file *initrd = job->initrd;
    uint64_t at;

    out->initrd_gpa = out->initrd_size = 0;
    if (!initrd)
        return 0;
    if (!initrd->size)
        return load_refuse(initrd, err, "the initrd is empty");
    at = memmap_highest(job->map, initrd->size, above, limit);
    if (!at)
        return load_refuse(initrd, err,
                           "no room for the initrd (%llu KiB) between the end of the kernel "
                           "(0x%llx) and 0x%llx; raise --mem",
                           (unsigned long long)(initrd->size / KIB), (unsigned long long)above,
                           (unsigned long long)min_u64(limit, job->map->kernel_end));
    out->initrd_gpa = at;
    out->initrd_size = initrd->size;
    return load_write(job, at, initrd->data, initrd->size, "the initrd", err);
}

/* --- kernels --- */

static int acpi_load(const struct load_job *job, const struct board *board, struct load_result *out,
                     struct err *err)
{
    const size_t size = (size_t)job->map->acpi_size;
    struct acpi_layout layout;
    uint8_t *buf = (uint8_t *)malloc(size);
    int ret;

    if (!buf)
        return err_set(err, ENOMEM, "no memory for the ACPI tables");
    ret = acpi_build(board, job->map->acpi_base, buf, size, &layout, err);
    if (!ret)
        ret = load_write(job, job->map->acpi_base, buf, layout.size, "the ACPI tables", err);
    if (!ret)
        ret = load_write(job, LOW_RSDP, buf, ACPI_RSDP_SIZE, "the RSDP", err);
    free(buf);
    if (!ret) {
        out->acpi_gpa = layout.rsdp_gpa;
        out->acpi_size = layout.size;
    }
    return ret;
}

/*
 * What a PC's firmware has at its reset vector, in the real mode of the processors' youth. Linux
 * goes there to restart a hardware-reduced machine that did not boot by EFI.
 */
static int reset_vector_put(const struct load_job *job, const struct board *board, struct err *err)
{
    const uint8_t code[] = {
        0xba,
        (uint8_t)board->reset_port,
        (uint8_t)(board->reset_port >> 8), /* mov dx, port */
        0xb0,
        board->reset_value, /* mov al, value */
        0xee,               /* out dx, al */
        0xf4,               /* hlt */
        0xeb,
        0xfd, /* jmp to the hlt */
    };

    return load_write(job, LOW_RESET_VECTOR, code, sizeof(code), "the reset vector", err);
}

/* Files that people hand us by mistake; the first row that fits tells them. */
static const struct {
    uint8_t at, n;
    const char *magic, *what;
} mistaken[] = {
    {0x38, 4, "ARM\x64", "an arm64 kernel; this machine is x86-64"},
    {0, 2, "\x1f\x8b", "gzip-compressed; unpack it first"},
    {0, 4, "\x28\xb5\x2f\xfd", "zstd-compressed; unpack it first"},
    {0, 6, "\3757zXZ", "xz-compressed; unpack it first"},
    {0, 6, "070701", "an initramfs archive, not a kernel"},
};

static const char *mistake_name(const struct load_file *file)
{
    for (size_t i = 0; i < ARRAY_SIZE(mistaken); i++)
        if (range_ok(mistaken[i].at, mistaken[i].n, file->size) &&
            memcmp(file->data + mistaken[i].at, mistaken[i].magic, mistaken[i].n) == 0)
            return mistaken[i].what;
    return NULL;
}

static int format_load(const struct load_job *job, struct load_result *out, struct err *err)
{
    const char *mistake = mistake_name(job->kernel);

    if (mistake)
        return load_refuse(job->kernel, err, "it is %s", mistake);
    if (elf_is(job->kernel))
        return elf_load(job, out, err);
    return linux_x86_load(job, out, err);
}

int load_kernel(const struct load_file *kernel, const struct load_file *initrd, const char *cmdline,
                const struct board *board, const struct gmem *mem, struct load_result *out,
                struct err *err)
{
    struct load_result result = {.acpi_gpa = 0};
    struct memmap map;
    const struct load_job job = {kernel, initrd, cmdline, mem, &map};
    int ret = memmap_make(board, align_up(acpi_size_bound(board), PAGE), &map, err);

    if (ret < 0)
        return ret;
    ret = acpi_load(&job, board, &result, err);
    if (!ret)
        ret = reset_vector_put(&job, board, err);
    if (!ret)
        ret = format_load(&job, &result, err);
    if (!ret)
        *out = result;
    return ret;
}
