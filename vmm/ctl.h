/* SPDX-License-Identifier: MIT */
/* `vmm ctl` and `vmm list`: the other end of control sockets. Both return an exit status. */
#ifndef VMM_CTL_H
#define VMM_CTL_H

#include <stdio.h>

#include "vmm/control-client.h"

/* argv[0] is the verb: "ctl [--json] NAME COMMAND [ARGS]", "list [--json]". */
int ctl_main(int argc, char **argv);
int list_main(int argc, char **argv);

/* Connect to the machine of that name, number or path. 0 or -errno with err filled. */
int ctl_connect(const char *name, struct control_client *client, struct err *err);

/* The commands of ctl, a line each; the same as rows of a manual page. */
void ctl_help(FILE *to);
void ctl_man(FILE *to);
/* Their names, a blank before each. */
void ctl_words(FILE *to);

#endif
