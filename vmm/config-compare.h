/* SPDX-License-Identifier: MIT */
/* What the user asked `vmm compare` for, as plain data, and the table that it is parsed from. */
#ifndef VMM_CONFIG_COMPARE_H
#define VMM_CONFIG_COMPARE_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/base/opts.h"

enum { COMPARE_COLUMNS = 8, COMPARE_RUNS = 100, COMPARE_WORD = 31 };

struct compare_opts {
    char column[COMPARE_COLUMNS][COMPARE_WORD + 1]; /* interfaces, or devices of one machine */
    unsigned n_columns;
    bool by_device;
    bool as_given;
    const char *until;    /* NULL: the guest ends by itself */
    const char *workload; /* for the guest's command line; NULL: nothing */
    unsigned runs;
    uint64_t limit_ns;       /* of one boot */
    const char *json, *html; /* NULL: none; "-": standard output */
};

/* conf is a struct compare_opts. */
extern const struct opt config_compare_opts[];

struct config;

/*
 * Two disks or two networks of the machine have different interfaces, and the user did not say what
 * the columns are: these devices then, of one boot. true: so it is now.
 */
bool config_compare_devices(struct compare_opts *opts, const struct config *config);

/*
 * argv[1...]: options of compare are taken out into opts, all others are put into run (room for
 * argc words), their number into n_run. 0 or -EINVAL with err filled.
 */
int config_compare_parse(struct compare_opts *opts, int argc, char **argv, char **run, int *n_run,
                         struct err *err);

#endif
