/* SPDX-License-Identifier: MIT */
/* What the user asked `vmm bisect` for, as plain data, and the table that it is parsed from. */
#ifndef VMM_CONFIG_BISECT_H
#define VMM_CONFIG_BISECT_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/base/opts.h"

enum { BISECT_INTERFACES = 4, BISECT_WORD = 15 };

struct bisect_opts {
    const char *good, *bad; /* bad: NULL: whatever is not good */
    uint64_t limit_ns;      /* of one boot */
    bool modern_only;
    char interface[BISECT_WORD + 1];             /* of the machine as it is; "": the default */
    char as[BISECT_INTERFACES][BISECT_WORD + 1]; /* to be tried instead */
    unsigned n_as;
    const char *off;   /* withheld in every boot; NULL: nothing */
    const char *among; /* features to look at; NULL: all */
};

/* "interface", where the interface is meant among names of features */
extern const char bisect_interface[];

/* conf is a struct bisect_opts. */
extern const struct opt config_bisect_opts[];

/* Of the machine as it is. */
const char *bisect_interface_own(const struct bisect_opts *opts);

/* As config_compare_parse(). */
int config_bisect_parse(struct bisect_opts *opts, int argc, char **argv, char **run, int *n_run,
                        struct err *err);

#endif
