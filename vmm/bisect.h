/* SPDX-License-Identifier: MIT */
/* The bisect command. */
#ifndef VMM_BISECT_H
#define VMM_BISECT_H

/* BISECT_NONE: there is nothing to find, or not among features; BISECT_VARIES: what was found did
 * not come out the same when it was tried again. */
enum { BISECT_FOUND = 0, BISECT_FAILED = 1, BISECT_NONE = 3, BISECT_VARIES = 4 };

/* `vmm bisect ...`; argv[0] is "bisect". The exit status. */
int bisect_main(int argc, char **argv);

#endif
