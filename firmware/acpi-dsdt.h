/* SPDX-License-Identifier: MIT */
/* The name space of the DSDT: what acpi.c puts behind that table's header. */
#ifndef FIRMWARE_ACPI_DSDT_H
#define FIRMWARE_ACPI_DSDT_H

#include "firmware/aml.h"
#include "firmware/board.h"

/* board has been checked by acpi_build. */
void acpi_dsdt_body(const struct board *board, struct aml *a);

#endif
