/* SPDX-License-Identifier: MIT */
/* The PVH boot protocol: hvm_start_info, version 1, and the state at the entry point. */
#ifndef FIRMWARE_PVH_H
#define FIRMWARE_PVH_H

#include "firmware/load.h"

/*
 * Write hvm_start_info, the module list (the initrd) and the memory map to LOW_START_INFO and fill
 * out->entry for entry. Initrd, command line and ACPI tables are in place. 0 or -EINVAL.
 */
int pvh_write(const struct load_job *job, uint64_t entry, struct load_result *out, struct err *err);

#endif
