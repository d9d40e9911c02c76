/* SPDX-License-Identifier: MIT */
/* `vmm compare`: the same guest once per column, side by side. */
#ifndef VMM_COMPARE_H
#define VMM_COMPARE_H

/* The verb. Exit status: 0 all columns came to their end, 1 usage or set-up, 2 one did not. */
int compare_main(int argc, char **argv);

#endif
