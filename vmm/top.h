/* SPDX-License-Identifier: MIT */
/* `vmm top`: what a running machine's devices do, every second. */
#ifndef VMM_TOP_H
#define VMM_TOP_H

#include "vmm/base/opts.h"

extern const struct opt top_opts[];

/* argv[0] is the verb: "top NAME [OPTIONS]". An exit status. */
int top_main(int argc, char **argv);

#endif
