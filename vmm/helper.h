/* SPDX-License-Identifier: MIT */
/*
 * A process beside ours that stays as we were before the sandbox, and does the few things that need
 * names of files: find what to boot at a restart, remove our sockets' files, connect to passt
 * again, look for name servers. It knows the options; it does nothing that they do not name.
 */
#ifndef VMM_HELPER_H
#define VMM_HELPER_H

#include "vmm/base/err.h"
#include "vmm/bootfiles.h"
#include "vmm/config.h"

struct helper;

/*
 * Start it, before files are opened that it has no business with. control: the path of the control
 * socket, NULL: none. From here on usock_connect() and usock_remove() go by it. config outlives it.
 * NULL with err filled. Main thread, no other runs.
 */
struct helper *helper_start(const struct config *config, const char *control, struct err *err);

/* As bootfiles_open(). Main thread. */
int helper_bootfiles(struct helper *helper, struct bootfiles *files, struct err *err);

/* As display_png_create(), for the folder of --display. On the back end's thread. */
int helper_picture(const char *dir, const char *name);

/* It ends. NULL is fine. Main thread, no other runs. */
void helper_free(struct helper *helper);

#endif
