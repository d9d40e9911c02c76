/* SPDX-License-Identifier: MIT */
/* `vmm ctl NAME console`: the user's terminal on the console of a machine that runs elsewhere. */
#ifndef VMM_ATTACH_H
#define VMM_ATTACH_H

#include <jansson.h>

#include "vmm/base/err.h"
#include "vmm/control-client.h"

/*
 * Ask for the console, then carry standard input there and what comes to standard output, until
 * Ctrl-A x is typed, the machine ends or nobody reads any more. A terminal is raw meanwhile and is
 * put back on every way out; at the end of an input that is none, output goes on. args: none.
 * An empty object, or NULL with err filled.
 */
json_t *attach_console(struct control_client *client, json_t *args, struct err *err);

#endif
