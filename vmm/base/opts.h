/* SPDX-License-Identifier: MIT */
/*
 * Options as tables: one row parses, checks, explains itself in --help and in the manual page.
 */
#ifndef VMM_BASE_OPTS_H
#define VMM_BASE_OPTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "vmm/base/err.h"

/*
 * set() stores a value into conf; it may be called several times for options that repeat.
 * value is NULL for flags. 0 or -errno with err filled (a sentence without the option's name).
 */
struct opt {
    const char *name; /* "--disk", or a word in "FILE,word" lists without dashes */
    const char *arg;  /* what stands behind it in the help, "FILE[,ro]"; NULL: a flag; "[=WORD]":
                         a flag that may have a value, behind an equals sign only */
    const char *help; /* one sentence, lower case, no full stop */
    int (*set)(void *conf, const char *value, struct err *err);
    bool repeats;
};

/* A table ends with a NULL name. */

/*
 * Parse argv[1..argc-1]: "--name value", "--name=value" or flags; "--" is not known. positional is
 * called for words without dashes, NULL refuses them. 0 or -EINVAL with err filled: unknown option
 * (with the nearest known one), missing or superfluous value, repeated option.
 */
int opts_parse(const struct opt *table, int argc, char *const *argv, void *conf,
               int (*positional)(void *conf, const char *word, struct err *err), struct err *err);

/*
 * Parse "word,word=value,..." (text is not changed) against a table whose names have no dashes.
 * option: for messages, "--disk". A comma inside a value is written ",,", as QEMU has it.
 */
int opts_parse_list(const struct opt *table, const char *option, const char *text, void *conf,
                    struct err *err);

/* As opts_parse_list with a second table, which several options share, and its own conf. */
int opts_parse_lists(const struct opt *table, void *conf, const struct opt *shared,
                     void *shared_conf, const char *option, const char *text, struct err *err);

/* Copy text up to the first single comma into out (size bytes), ",," becoming ","; *rest: behind
 * that comma, or NULL. -E2BIG if it does not fit. */
int opts_first(const char *text, char *out, size_t size, const char **rest);

/* Does it need a value? */
static inline bool opt_needs_value(const struct opt *o)
{
    return o->arg && o->arg[0] != '[';
}

/* Help text, wrapped at 80 columns; the same as rows of a manual page. */
void opts_help(const struct opt *table, FILE *to);
void opts_man(const struct opt *table, FILE *to);

/* "512M", "2G", "65536K", or plain bytes; 0 and what overflows is -EINVAL. */
int opts_size(const char *text, uint64_t *bytes, struct err *err);
/* A decimal number in [min, max]. */
int opts_number(const char *text, uint64_t min, uint64_t max, uint64_t *value, struct err *err);

#endif
