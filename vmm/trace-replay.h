/* SPDX-License-Identifier: MIT */
/*
 * `vmm trace replay`: what a recorded driver did is done again to the same devices, without KVM and
 * without a guest, and their answers are compared with the recorded ones.
 */
#ifndef VMM_TRACE_REPLAY_H
#define VMM_TRACE_REPLAY_H

#include <stdio.h>

#include "vmm/trace-read.h"

struct replay_counts {
    uint64_t accesses, requests, notices; /* compared: registers, used buffers, interrupts or not */
    uint64_t host;                        /* buffers that the host filled: not replayed */
    uint64_t unknown;                     /* requests whose buffers were not recorded */
    uint64_t differences;
};

/* Differences go to `to`, the first `most` of them. 0, or -errno with err filled. */
int trace_replay_run(const struct trace_file *f, FILE *to, uint64_t most,
                     struct replay_counts *counts, struct err *err);

/* vmm trace replay FILE; argv[0] is "replay". Returns the exit status: TRACE_DIFFERS if so. */
int trace_replay(int argc, char **argv);

enum { TRACE_DIFFERS = 3 };

#endif
