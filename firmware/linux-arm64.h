/* SPDX-License-Identifier: MIT */
/* arm64 Images, plain or compressed by gzip (Linux Documentation/arm64/booting.rst). */
#ifndef FIRMWARE_LINUX_ARM64_H
#define FIRMWARE_LINUX_ARM64_H

#include <stdbool.h>

#include "firmware/load.h"

bool linux_arm64_is(const struct load_file *file);
bool linux_arm64_is_gzip(const struct load_file *file);

/* The file that was compressed; load_file_free() it. 0 or -errno with err filled. */
int linux_arm64_unzip(const struct load_file *file, struct load_file *out, struct err *err);

/*
 * Check the header and load the kernel between ram, a multiple of 2 MiB, and end. Fills
 * out->kernel_* and out->entry.pc. 0 or -EINVAL with err filled.
 */
int linux_arm64_load(const struct load_job *job, uint64_t ram, uint64_t end,
                     struct load_result *out, struct err *err);

#endif
