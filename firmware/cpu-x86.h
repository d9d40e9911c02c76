/* SPDX-License-Identifier: MIT */
/* Tables in guest memory that the boot CPU needs before its first instruction. */
#ifndef FIRMWARE_CPU_X86_H
#define FIRMWARE_CPU_X86_H

#include "firmware/load.h"
#include "vmm/base/gmem.h"

/*
 * Write the GDT for kind at LOW_GDT and, for ENTRY_LINUX64, page tables at LOW_PAGE_TABLES that map
 * the low 4 GiB to themselves; fill entry's kind, table and selector fields and rsp, zero the rest.
 * 0 or -EFAULT.
 */
int cpu_x86_tables(const struct gmem *mem, enum load_entry_kind kind, struct load_entry *entry);

#endif
