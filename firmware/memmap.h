/* SPDX-License-Identifier: MIT */
/*
 * The one place that says what lies where in a guest's RAM when it starts.
 *
 *   0x00001000  GDT                              \
 *   0x00002000  PVH start info, modules, map      |
 *   0x00003000  a page of stack                   |  first 640 KiB: RAM for the guest once it has
 *   0x00007000  Linux boot_params ("zero page")   |  read them
 *   0x00009000  page tables, 6 pages              |
 *   0x00020000  command line                     /
 *   0x000a0000  hole: reserved up to 1 MiB
 *   0x000e0000  a copy of the RSDP, where guests that search for it look
 *   0x000ffff0  reset vector: code that resets the machine
 *   0x00100000  kernel, at the address it asks for
 *   ...         initrd, as high as the kernel allows
 *   end         ACPI tables: the top of RAM below 4 GiB
 */
#ifndef FIRMWARE_MEMMAP_H
#define FIRMWARE_MEMMAP_H

#include <stddef.h>
#include <stdint.h>

#include "firmware/board.h"
#include "firmware/cmdline.h"
#include "vmm/base/err.h"

enum {
    LOW_GDT = 0x1000,
    LOW_START_INFO = 0x2000,
    LOW_STACK_TOP = 0x4000,
    LOW_ZERO_PAGE = 0x7000,
    LOW_PAGE_TABLES = 0x9000,
    LOW_CMDLINE = 0x20000,
    LOW_CMDLINE_SIZE = CMDLINE_MAX + 1,
    LOW_RAM_END = 0xa0000,
    LOW_RSDP = 0xe0000,
    LOW_RESET_VECTOR = 0xffff0,
    KERNEL_LOWEST = 0x100000, /* everything below is ours */
};

/* Types of the PC's memory map, as boot_params and PVH both have them. */
enum memmap_type { MEMMAP_RAM = 1, MEMMAP_RESERVED = 2, MEMMAP_ACPI = 3 };

struct memmap_entry {
    uint64_t base, size;
    enum memmap_type type;
};

enum { MEMMAP_MAX = 8 };

struct memmap {
    struct memmap_entry entry[MEMMAP_MAX];
    unsigned n;
    uint64_t kernel_end; /* kernel and initrd lie between KERNEL_LOWEST and here */
    uint64_t acpi_base, acpi_size;
};

/*
 * The map for board with acpi_size bytes of tables. 0, or -EINVAL with err filled: too little RAM,
 * or RAM in the wrong place.
 */
int memmap_make(const struct board *board, uint64_t acpi_size, struct memmap *out, struct err *err);

/*
 * The highest page-aligned address so that size bytes from there end at or below both limit and
 * map's kernel_end, and start at or above above. 0 if there is none.
 */
uint64_t memmap_highest(const struct memmap *map, uint64_t size, uint64_t above, uint64_t limit);

#endif
