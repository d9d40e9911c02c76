/* SPDX-License-Identifier: MIT */
/* bzImage by Linux's 64-bit boot protocol (Documentation/arch/x86/boot.rst). */
#ifndef FIRMWARE_LINUX_X86_H
#define FIRMWARE_LINUX_X86_H

#include "firmware/load.h"

/*
 * Check the setup header, load kernel, initrd and command line, write boot_params; out->acpi_gpa is
 * set already. 0 or -EINVAL with err filled. A file that is no bzImage is refused here.
 */
int linux_x86_load(const struct load_job *job, struct load_result *out, struct err *err);

#endif
