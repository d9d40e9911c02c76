/* SPDX-License-Identifier: MIT */
/* The targets by name. */
#ifndef TESTS_FUZZ_TARGETS_H
#define TESTS_FUZZ_TARGETS_H

#include "tests/fuzz/fuzz.h"

/* Devices: dev.c. */
extern const struct fuzz_target fuzz_pci, fuzz_split, fuzz_packed;
extern const struct fuzz_target fuzz_blk, fuzz_net, fuzz_console, fuzz_balloon, fuzz_gpu,
    fuzz_input;

/* What comes in files and through sockets. */
extern const struct fuzz_target fuzz_boot, fuzz_kernel, fuzz_options, fuzz_control, fuzz_trace;

#endif
