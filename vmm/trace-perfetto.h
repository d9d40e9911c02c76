/* SPDX-License-Identifier: MIT */
/*
 * `vmm trace perfetto`: a trace in the JSON form of Chrome's trace viewer, which Perfetto reads. A
 * device is a process, a queue a thread of it; a request is an asynchronous span from where the
 * device took it to where it was used; doorbells, interrupts and registers are instants; exits are
 * spans on the tracks of the processors.
 */
#ifndef VMM_TRACE_PERFETTO_H
#define VMM_TRACE_PERFETTO_H

#include <stdio.h>

#include "vmm/trace-read.h"

/* vmm trace perfetto FILE OUT; argv[0] is "perfetto". Returns the exit status. */
int trace_perfetto(int argc, char **argv);

/* The whole document. 0, or -errno. */
int trace_perfetto_write(const struct trace_file *f, FILE *to);

#endif
