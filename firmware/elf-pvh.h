/* SPDX-License-Identifier: MIT */
/* ELF kernels that have a PVH entry point: vmlinux, and small test guests. */
#ifndef FIRMWARE_ELF_PVH_H
#define FIRMWARE_ELF_PVH_H

#include "firmware/load.h"

/*
 * Check headers, segments and the PVH note, load segments, initrd and command line, write
 * hvm_start_info; out->acpi_gpa is set already. 0 or -EINVAL with err filled.
 */
int elf_pvh_load(const struct load_job *job, struct load_result *out, struct err *err);

#endif
