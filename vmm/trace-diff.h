/* SPDX-License-Identifier: MIT */
/*
 * `vmm trace diff`: two recordings side by side, device by device, as what drivers can see: which
 * registers, which values, which states. Times, threads, the order between devices and addresses in
 * guest memory do not count.
 */
#ifndef VMM_TRACE_DIFF_H
#define VMM_TRACE_DIFF_H

#include <stdio.h>

#include "vmm/base/opts.h"
#include "vmm/trace-read.h"

/* Words of `vmm trace diff`. */
extern const struct opt trace_diff_opts[];

struct trace_diff {
    const char *device; /* NULL: all */
    bool kind[TRACE_POINTS];
    bool reads; /* ... of registers, too */
};

/* Print what differs. Returns how many events do, or -errno. */
int64_t trace_diff_print(const struct trace_file *a, const struct trace_file *b,
                         const struct trace_diff *what, FILE *to);

/* vmm trace diff A B; argv[0] is "diff". Returns the exit status. */
int trace_diff(int argc, char **argv);

#endif
