// SPDX-License-Identifier: MIT
/*
 * blkrange DISK: fills the first 32 MiB with a pattern, zeroes and discards parts of it with the
 * kernel's ioctls, which become WRITE_ZEROES and DISCARD requests, and looks at every byte past the
 * page cache. The last 16 MiB are left discarded. Runs inside the guest.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { MIB = 1 << 20, SIZE = 32 * MIB };

static uint8_t *buffer;

static uint8_t pattern(uint64_t at)
{
    return (uint8_t)(1 + (at * 7 + at / 512 * 13) % 255);
}

static void fill(int fd)
{
    for (uint64_t at = 0; at < SIZE; at += MIB) {
        for (unsigned i = 0; i < MIB; i++)
            buffer[i] = pattern(at + i);
        if (pwrite(fd, buffer, MIB, (off_t)at) != MIB)
            err(1, "write at %llu", (unsigned long long)at);
    }
    if (fsync(fd))
        err(1, "fsync");
}

/* Zeros in [from, to), else what was written. */
static void check(int fd, uint64_t start, uint64_t end, uint64_t from, uint64_t to)
{
    for (uint64_t at = start; at < end; at += 4096) {
        if (pread(fd, buffer, 4096, (off_t)at) != 4096)
            err(1, "read at %llu", (unsigned long long)at);
        for (unsigned i = 0; i < 4096; i++)
            if (buffer[i] != (at + i >= from && at + i < to ? 0 : pattern(at + i)))
                errx(1, "byte %llu is %u", (unsigned long long)at + i, buffer[i]);
    }
}

int main(int argc, char **argv)
{
    uint64_t zero[2] = {MIB + 4096, 100 * 512}, discard[2] = {SIZE / 2, SIZE / 2};
    int fd;

    if (argc != 2)
        errx(1, "blkrange DISK");
    fd = open(argv[1], O_RDWR | O_DIRECT);
    if (fd < 0 || posix_memalign((void **)&buffer, 4096, MIB))
        err(1, "%s", argv[1]);
    fill(fd);
    if (ioctl(fd, BLKZEROOUT, zero))
        err(1, "BLKZEROOUT");
    check(fd, MIB, 2 * MIB, zero[0], zero[0] + zero[1]);
    if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4 * MIB, 2 * MIB))
        err(1, "zeroing with unmap");
    check(fd, 3 * MIB, 7 * MIB, 4 * MIB, 6 * MIB);
    if (ioctl(fd, BLKDISCARD, discard))
        err(1, "BLKDISCARD");
    check(fd, SIZE / 2 - MIB, SIZE / 2, 0, 0);
    return 0;
}
