/* SPDX-License-Identifier: MIT */
/*
 * A child process that can do nothing but think: it reads one file, writes where it is told, and
 * is ended when it takes too long or tries anything else.
 */
#ifndef FIRMWARE_DISK_JAIL_H
#define FIRMWARE_DISK_JAIL_H

#include <stddef.h>
#include <stdint.h>

#include "vmm/base/err.h"

#define JAIL_MAX_WRITE 2

struct jail {
    /* Runs in the child, all limits in force; its answer goes to out_fd by write(); the result is
     * the exit status, 0 for a good one. Opens nothing: every open fails. */
    int (*work)(const struct jail *j, int out_fd);
    void *arg;
    int read_fd;                  /* read, pread, lseek, fstat; must be open read-only */
    int write_fd[JAIL_MAX_WRITE]; /* write; -1: none */
    unsigned cpu_s, wall_ms;      /* processor seconds, milliseconds */
    uint64_t file_max;            /* bytes of a file that it may write */
    uint64_t memory;              /* bytes above what the parent had when it forked */
    size_t answer_max;            /* bytes */
};

/*
 * Forks, waits, reaps. 0: the work ended well and answer (malloc'ed, *len bytes) is the caller's to
 * free; else -errno with a sentence about image. Any thread; see disk_boot_find.
 */
int jail_run(const struct jail *j, const char *image, void **answer, size_t *len, struct err *err);

#endif
