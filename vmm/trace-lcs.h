/* SPDX-License-Identifier: MIT */
/* The shortest way from one sequence to another, in memory that grows with their length only. */
#ifndef VMM_TRACE_LCS_H
#define VMM_TRACE_LCS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Mark the members of a (n of them) and b (m) that are not in common: in_a[i], in_b[j], false to
 * begin with. Sequences with more than `most` differences in a row may be marked further than
 * necessary, never wrongly. false: no memory.
 */
bool trace_lcs(const uint32_t *a, size_t n, const uint32_t *b, size_t m, bool *in_a, bool *in_b,
               size_t most);

#endif
