/* SPDX-License-Identifier: MIT */
/*
 * What commands that boot machines again and again have in common: the machine's options, and a
 * folder for what a boot leaves behind.
 */
#ifndef VMM_COMPARE_WORK_H
#define VMM_COMPARE_WORK_H

#include <limits.h>
#include <stdbool.h>

#include "vmm/config.h"

struct compare_work {
    char **run; /* words for vmm run; there is one in front of them, for config_parse() */
    int n_run;
    const char *append; /* instead of what run has for the guest's command line; NULL: that */
    bool to_end;        /* a boot is over when the guest ends, and a restart is no end */
    char dir[PATH_MAX], trace[PATH_MAX], errors[PATH_MAX];
};

/* Would the machine be made, and be watched? who: "compare". 0 or -errno with err filled;
 * config_free() either way. */
int compare_work_config(const struct compare_work *w, const char *who, struct config *config,
                        struct err *err);

/* The folder, and names in it: a trace, and what the machine says on standard error, which is an
 * empty file. 0 or -errno with err filled; compare_work_remove() either way. */
int compare_work_make(struct compare_work *w, const char *who, struct err *err);
void compare_work_remove(const struct compare_work *w);

/* As before a boot. */
void compare_work_clear(const struct compare_work *w);

/* The words of one boot: vmm run, the machine's, thrown-away writes, no control socket, and added
 * ones, which end with NULL. NULL with err filled; to be freed, but not what it points to. */
char **compare_work_words(const struct compare_work *w, const char *const *added, struct err *err);

/* What the machine said, for those whose machine did not do what it should. */
void compare_work_errors(const struct compare_work *w);

#endif
