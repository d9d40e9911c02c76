/* SPDX-License-Identifier: MIT */
/* What a machine can be told through its control socket; a call's ctx is a struct machine. */
#ifndef VMM_COMMANDS_H
#define VMM_COMMANDS_H

#include "vmm/control.h"

extern const struct control_command machine_commands[];

#endif
