/* SPDX-License-Identifier: MIT */
/*
 * ACPI tables for a board: RSDP, XSDT, FADT (hardware-reduced), MADT, MCFG, SPCR and DSDT, as
 * ACPI 6.3 has them. One contiguous blob, RSDP first.
 */
#ifndef FIRMWARE_ACPI_H
#define FIRMWARE_ACPI_H

#include <stddef.h>
#include <stdint.h>

#include "firmware/board.h"
#include "vmm/base/err.h"

enum { ACPI_RSDP_SIZE = 36 };

struct acpi_layout {
    uint64_t rsdp_gpa; /* = load_gpa */
    size_t size;       /* bytes used in buf */
};

/* A size of buf that is enough for board's tables. */
size_t acpi_size_bound(const struct board *board);

/*
 * Write the tables into buf as they shall stand in guest memory at load_gpa (a multiple of 64).
 * 0, or -EINVAL (the board contradicts itself), -ENOSPC (buf too small); err filled, out untouched.
 */
int acpi_build(const struct board *board, uint64_t load_gpa, uint8_t *buf, size_t size,
               struct acpi_layout *out, struct err *err);

#endif
