/* SPDX-License-Identifier: MIT */
/* `vmm trace WORD ...`, main.c's verb: what is done with recorded files. */
#ifndef VMM_TRACE_MAIN_H
#define VMM_TRACE_MAIN_H

/* argv[0] is "trace". Returns the exit status. */
int trace_main(int argc, char **argv);

#endif
