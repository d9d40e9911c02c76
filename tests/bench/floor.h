/* SPDX-License-Identifier: MIT */
/* What the machine that measures costs by itself: nothing that moves data can be faster. */
#ifndef TESTS_BENCH_FLOOR_H
#define TESTS_BENCH_FLOOR_H

#include <stdint.h>

struct floor_row {
    const char *name;
    uint64_t (*run)(unsigned n); /* do it n times; the result is there to be used */
};

/* Ends with a NULL name. The first call makes what the rows work on. */
const struct floor_row *floor_rows(void);

#endif
