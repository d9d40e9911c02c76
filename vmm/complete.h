/* SPDX-License-Identifier: MIT */
/*
 * Completion for bash and zsh, out of the tables that parse the options.
 */
#ifndef VMM_COMPLETE_H
#define VMM_COMPLETE_H

#include <stdio.h>

#include "vmm/base/err.h"
#include "vmm/base/opts.h"

/* What may stand behind a verb. */
struct complete_verb {
    const char *name;
    const char *first;         /* words for its first place, or "@file", "@machine"; "": none */
    const struct opt *opts[2]; /* tables of its options, NULL: none */
};

/*
 * Write a script for the shell ("bash" or "zsh"). verbs ends with a NULL name. 0, or -EINVAL with
 * err filled: it is neither.
 */
int complete_print(const char *shell, const struct complete_verb *verbs, FILE *to, struct err *err);

#endif
