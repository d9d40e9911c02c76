/* SPDX-License-Identifier: MIT */
/* Commands that boot machines themselves: their own options from among those of `vmm run`. */
#ifndef VMM_CONFIG_SPLIT_H
#define VMM_CONFIG_SPLIT_H

#include "vmm/base/opts.h"

/* An option of run that such a command does not take; tables end with a NULL name. */
struct config_refused {
    const char *name, *why;
};

/*
 * argv[1...]: options of own are taken out into conf, all others are put into run (room for argc
 * words), their number into n_run. 0 or -EINVAL with err filled.
 */
int config_split(const struct opt *own, const struct config_refused *refused, void *conf, int argc,
                 char **argv, char **run, int *n_run, struct err *err);

#endif
