/* SPDX-License-Identifier: MIT */
/* `vmm trace`: what is done with a recorded file. main.c's verb; returns the exit status. */
#ifndef VMM_TRACE_SHOW_H
#define VMM_TRACE_SHOW_H

#include <stdio.h>

#include "vmm/base/opts.h"
#include "vmm/trace-read.h"

/* Words of `vmm trace show`, for help and manual page. */
extern const struct opt trace_show_opts[];

/* vmm trace show FILE [OPTIONS] and so on; argv[0] is the word behind "trace". */
int trace_show(int argc, char **argv);

/* Nanoseconds from "1.5", "1.5s", "20ms", "7us" or "900ns". 0 or -EINVAL with err filled. */
int trace_time(const char *text, uint64_t *ns, struct err *err);

/* Add the kinds that text names ("pop,state") to kind. 0 or -EINVAL with err filled. */
int trace_kinds(const char *text, bool kind[TRACE_POINTS], struct err *err);

#endif
