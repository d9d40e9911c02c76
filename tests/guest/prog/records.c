// SPDX-License-Identifier: MIT
/*
 * records write FILE COUNT: writes records of 4 KiB, numbered from 1, one after the other, with
 *   O_DIRECT, and prints "vmm-guest: acked N" once fdatasync has returned for N. COUNT 0: for ever.
 *   A number that a reader has seen must be on the disk whatever happens to the machine next.
 * records check FILE LAST: status 0 when records 1 to LAST are whole in FILE. Runs on the host.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RECORD = 4096, WORDS = RECORD / 8 };

static uint64_t *record;

/* Every word of record n differs from every other word of every other record. */
static void record_fill(uint64_t n)
{
    for (uint64_t i = 0; i < WORDS; i++)
        record[i] = n << 16 | i;
}

static int record_holds(uint64_t n)
{
    for (uint64_t i = 0; i < WORDS; i++)
        if (record[i] != (n << 16 | i))
            return 0;
    return 1;
}

static void records_write(const char *file, uint64_t count)
{
    int fd = open(file, O_WRONLY | O_DIRECT | O_CLOEXEC);

    if (fd < 0)
        err(1, "%s", file);
    for (uint64_t n = 1; !count || n <= count; n++) {
        record_fill(n);
        if (pwrite(fd, record, RECORD, (off_t)((n - 1) * RECORD)) != RECORD)
            err(1, "write of record %llu", (unsigned long long)n);
        if (fdatasync(fd) != 0)
            err(1, "fdatasync of record %llu", (unsigned long long)n);
        printf("vmm-guest: acked %llu\n", (unsigned long long)n);
        fflush(stdout);
    }
}

static void records_check(const char *file, uint64_t last)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        err(1, "%s", file);
    for (uint64_t n = 1; n <= last; n++) {
        if (pread(fd, record, RECORD, (off_t)((n - 1) * RECORD)) != RECORD)
            err(1, "read of record %llu", (unsigned long long)n);
        if (!record_holds(n))
            errx(1, "record %llu of %llu is not what was acknowledged", (unsigned long long)n,
                 (unsigned long long)last);
    }
}

int main(int argc, char **argv)
{
    if (argc != 4)
        errx(1, "usage: records write|check FILE NUMBER");
    record = aligned_alloc(RECORD, RECORD);
    if (!record)
        err(1, "no memory");
    if (!strcmp(argv[1], "write"))
        records_write(argv[2], strtoull(argv[3], NULL, 10));
    else
        records_check(argv[2], strtoull(argv[3], NULL, 10));
    return 0;
}
