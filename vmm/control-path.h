/* SPDX-License-Identifier: MIT */
/*
 * Where control sockets are and how to get at one: for the machine that makes it and for the
 * commands that talk to it.
 *
 * A machine's socket is DIR/NAME, DIR the first of $XDG_RUNTIME_DIR/vmm, /run/user/UID/vmm and
 * /tmp/vmm-UID whose parent is this user's (the last: that is). Nobody else can enter it.
 */
#ifndef VMM_CONTROL_PATH_H
#define VMM_CONTROL_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "vmm/base/err.h"

enum { CONTROL_PATH_MAX = 108 }; /* what a socket address holds, with the NUL */

/* The directory; create: make it if there is none. 0 or -errno with err filled. */
int control_dir(char dir[CONTROL_PATH_MAX], bool create, struct err *err);

/* The socket of a machine, by its name; a word with a slash is the path itself. create as above. */
int control_path(const char *name, bool create, char path[CONTROL_PATH_MAX], struct err *err);

/* Connect; the descriptor blocks, but no read or write for longer than seconds. -ENOENT and
 * -ECONNREFUSED: nobody is there. -errno with err filled. */
int control_connect(const char *path, unsigned seconds, struct err *err);

#endif
