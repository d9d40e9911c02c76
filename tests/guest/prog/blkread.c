// SPDX-License-Identifier: MIT
/*
 * blkread FILE MIB DEPTH KIB: reads the first MIB of FILE with O_DIRECT, in blocks of KIB, always
 * DEPTH of them in flight (Linux native AIO), into memory; then writes the bytes to standard
 * output, to be summed. Says on standard error how long the reading took. Runs inside the guest.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { DEPTH_MAX = 256 };

static char *buffer;
static size_t total, block, submitted, completed;

static void read_submit(aio_context_t ctx, int fd, struct iocb *cb)
{
    struct iocb *list[1] = {cb};

    memset(cb, 0, sizeof(*cb));
    cb->aio_lio_opcode = IOCB_CMD_PREAD;
    cb->aio_fildes = (uint32_t)fd;
    cb->aio_buf = (uintptr_t)(buffer + submitted);
    cb->aio_nbytes = block;
    cb->aio_offset = (int64_t)submitted;
    cb->aio_data = (uintptr_t)cb;
    if (syscall(SYS_io_submit, ctx, 1L, list) != 1)
        err(1, "io_submit at %zu", submitted);
    submitted += block;
}

static void read_all(int fd, unsigned depth)
{
    static struct iocb cbs[DEPTH_MAX];
    struct io_event events[DEPTH_MAX];
    aio_context_t ctx = 0;

    if (syscall(SYS_io_setup, depth, &ctx) != 0)
        err(1, "io_setup");
    for (unsigned i = 0; i < depth && submitted < total; i++)
        read_submit(ctx, fd, &cbs[i]);
    while (completed < total) {
        long n = syscall(SYS_io_getevents, ctx, 1L, (long)depth, events, NULL);

        if (n < 0 && errno != EINTR)
            err(1, "io_getevents");
        for (long i = 0; i < n; i++) {
            struct iocb *cb = (struct iocb *)(uintptr_t)events[i].data;

            if (events[i].res != (int64_t)block)
                errx(1, "read at %lld returned %lld", (long long)cb->aio_offset,
                     (long long)events[i].res);
            completed += block;
            if (submitted < total)
                read_submit(ctx, fd, cb);
        }
    }
}

int main(int argc, char **argv)
{
    struct timespec a, b;

    if (argc != 5)
        errx(1, "usage: blkread FILE MIB DEPTH KIB");
    total = strtoul(argv[2], NULL, 10) << 20;
    block = strtoul(argv[4], NULL, 10) << 10;
    unsigned depth = (unsigned)strtoul(argv[3], NULL, 10);
    if (!total || !block || total % block || !depth || depth > DEPTH_MAX)
        errx(1, "MIB must be a multiple of KIB, DEPTH at most %d", DEPTH_MAX);
    int fd = open(argv[1], O_RDONLY | O_DIRECT | O_CLOEXEC);
    if (fd < 0)
        err(1, "%s", argv[1]);
    buffer = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (buffer == MAP_FAILED)
        err(1, "no memory for %zu bytes", total);

    clock_gettime(CLOCK_MONOTONIC, &a);
    read_all(fd, depth);
    clock_gettime(CLOCK_MONOTONIC, &b);
    fprintf(stderr, "blkread: %zu bytes in %.3f s\n", total,
            (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9);
    for (size_t done = 0; done < total;) {
        ssize_t n = write(1, buffer + done, total - done);

        if (n < 0)
            err(1, "write");
        done += (size_t)n;
    }
    return 0;
}
