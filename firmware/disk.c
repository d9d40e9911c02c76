// SPDX-License-Identifier: MIT
/*
 * Owns the outside of booting from an image: opening it, starting the reader in its jail, checking
 * and sealing what comes back. Parses no byte of the image.
 */
#include "firmware/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "firmware/disk-jail.h"
#include "firmware/disk-reader.h"
#include "firmware/disk-result.h"

#define READER_CPU_S   10
#define READER_WALL_MS 30000
#define READER_MEMORY  (512 * MIB)

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static int type_check(const char *path, const struct stat *st, struct err *err)
{
    if (S_ISREG(st->st_mode) || S_ISBLK(st->st_mode))
        return 0;
    return err_set(err, S_ISDIR(st->st_mode) ? EISDIR : EINVAL,
                   "%s: is neither a disk image file nor a block device", path);
}

/* Looked at before it is opened, for opening some things does something. */
static int path_open(const char *path, struct err *err)
{
    struct stat st;
    if (stat(path, &st))
        return err_errno(err, errno, "%s: cannot open it", path);
    int r = type_check(path, &st, err);
    if (r)
        return r;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    return fd < 0 ? err_errno(err, errno, "%s: cannot open it", path) : fd;
}

/* An open file of its own: read-only, and with a position that is nobody else's. */
static int fd_reopen(const char *path, int fd, struct err *err)
{
    char name[32];
    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    int own = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (own < 0)
        own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    return own < 0 ? err_errno(err, errno, "%s: cannot open it", path) : own;
}

static int size_find(const char *path, int fd, struct disk_reader *reader, struct err *err)
{
    struct stat st;
    int sector = 512;
    if (fstat(fd, &st))
        return err_errno(err, errno, "%s: cannot open it", path);
    int r = type_check(path, &st, err);
    if (r)
        return r;
    reader->size = (uint64_t)st.st_size;
    if (S_ISBLK(st.st_mode) &&
        (ioctl(fd, BLKGETSIZE64, &reader->size) || ioctl(fd, BLKSSZGET, &sector) || sector <= 0))
        return err_errno(err, errno, "%s: cannot ask for its size", path);
    reader->sector = (unsigned)sector;
    return reader->size ? 0 : err_set(err, EINVAL, "%s: is empty; use --kernel", path);
}

static int image_open(const char *path, int image_fd, struct disk_reader *reader, struct err *err)
{
    int fd = image_fd < 0 ? path_open(path, err) : fd_reopen(path, image_fd, err);
    if (fd < 0)
        return fd;
    int r = size_find(path, fd, reader, err);
    if (!r)
        return fd;
    close(fd);
    return r;
}

/* What the child says of a file's size must be the file's size. */
static int file_seal(const char *path, int fd, uint64_t size, uint64_t max, struct err *err)
{
    struct stat st;
    if (fstat(fd, &st) || (uint64_t)st.st_size != size || size > max)
        return err_set(err, EBADMSG, "%s: its reader gave no usable answer; use --kernel", path);
    if (fcntl(fd, F_ADD_SEALS, SEALS) || lseek(fd, 0, SEEK_SET))
        return err_errno(err, errno, "%s: cannot seal what was read", path);
    return 0;
}

static int answer_take(const char *path, const void *answer, size_t len, struct disk_boot *b,
                       struct err *err)
{
    int r = disk_result_take(answer, len, path, b, err);
    r = r ? r : file_seal(path, b->kernel_fd, b->kernel_size, DISK_MAX_KERNEL, err);
    r = r ? r : file_seal(path, b->initrd_fd, b->initrd_size, DISK_MAX_INITRD, err);
    if (!r && !b->initrd_size) {
        close(b->initrd_fd);
        b->initrd_fd = -1;
    }
    return r;
}

static int reader_run(const char *path, int fd, struct disk_reader *reader, struct disk_boot *b,
                      struct err *err)
{
    const struct jail j = {
        .work = disk_reader_work,
        .arg = reader,
        .read_fd = fd,
        .write_fd = {b->kernel_fd, b->initrd_fd},
        .cpu_s = READER_CPU_S,
        .wall_ms = READER_WALL_MS,
        .file_max = max_u64(DISK_MAX_KERNEL, DISK_MAX_INITRD),
        .memory = READER_MEMORY,
        .answer_max = disk_result_max(),
    };
    void *answer;
    size_t len;
    int r = jail_run(&j, path, &answer, &len, err);
    if (r)
        return r;
    r = answer_take(path, answer, len, b, err);
    free(answer);
    return r;
}

int disk_boot_find(const char *image_path, int image_fd, struct disk_boot *out, struct err *err)
{
    struct disk_reader reader;
    *out = (struct disk_boot){.kernel_fd = -1, .initrd_fd = -1};
    int fd = image_open(image_path, image_fd, &reader, err);
    if (fd < 0)
        return fd;
    out->kernel_fd = memfd_create("kernel", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    out->initrd_fd = memfd_create("initrd", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int r = out->kernel_fd < 0 || out->initrd_fd < 0
                ? err_errno(err, errno, "%s: no memory file for what is read", image_path)
                : reader_run(image_path, fd, &reader, out, err);
    close(fd);
    if (r)
        disk_boot_free(out);
    return r;
}

void disk_boot_free(struct disk_boot *b)
{
    char *const strings[] = {b->cmdline, b->title, b->source, b->kernel_path, b->initrd_path};
    for (size_t i = 0; i < ARRAY_SIZE(strings); i++)
        free(strings[i]);
    /* 0 is what zeroed memory holds: a sealed file never is standard input */
    if (b->kernel_fd > 0)
        close(b->kernel_fd);
    if (b->initrd_fd > 0)
        close(b->initrd_fd);
    *b = (struct disk_boot){.kernel_fd = -1, .initrd_fd = -1};
}
