/* SPDX-License-Identifier: MIT */
/* A trace as vmm writes it, in memory. */
#ifndef TESTS_UNIT_TRACE_RIG_H
#define TESTS_UNIT_TRACE_RIG_H

#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "vmm/base/trace.h"

/* What record() emits, on a thread of vCPU 3; its length, 0: it failed or does not fit. */
static inline size_t trace_recorded(void (*record)(void), uint8_t *to, size_t max)
{
    char path[] = "/tmp/vmm-trace-XXXXXX";
    const int fd = mkstemp(path);
    ssize_t n;

    if (fd < 0 || trace_open(path, TRACE_GROUPS, 0, NULL) < 0)
        return 0;
    trace_thread("vcpu3", 3);
    record();
    trace_close();
    n = read(fd, to, max);
    close(fd);
    unlink(path);
    return n > 0 && (size_t)n < max ? (size_t)n : 0;
}

#endif
