/* SPDX-License-Identifier: MIT */
/* From what query-virtio answers to lines for people. Refuses to ask anybody. */
#ifndef VMM_TOP_TABLE_H
#define VMM_TOP_TABLE_H

#include <jansson.h>
#include <stdio.h>

/*
 * Print every device: what it is, its features, and a line for each queue that is set up. before is
 * an earlier answer of the same machine: counts are then what came since, per second. NULL: all
 * that came so far.
 */
void top_table(const json_t *now, const json_t *before, FILE *to);

/* "0", "999", "12.3k", "4.56M" and so on; buf of at least 16 bytes. */
const char *top_number(double v, char buf[16]);

#endif
