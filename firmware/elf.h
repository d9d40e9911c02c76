/* SPDX-License-Identifier: MIT */
/* ELF kernels (ELF32 and ELF64) that have a PVH entry point: vmlinux, and small test guests. */
#ifndef FIRMWARE_ELF_H
#define FIRMWARE_ELF_H

#include <stdbool.h>

#include "firmware/load.h"

bool elf_is(const struct load_file *file);

/*
 * Check headers, segments and the PVH note, load segments, initrd and command line, write
 * hvm_start_info; out->acpi_gpa is set already. 0 or -EINVAL with err filled.
 */
int elf_load(const struct load_job *job, struct load_result *out, struct err *err);

#endif
