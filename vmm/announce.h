/* SPDX-License-Identifier: MIT */
/* "announce-self" of the control socket: guests tell the network where they are, as after a move.
 */
#ifndef VMM_ANNOUNCE_H
#define VMM_ANNOUNCE_H

#include "vmm/control.h"
#include "vmm/parts.h"

/* For commands, main thread. The array "interfaces" names cards; without it, or empty: all. An
 * error if no driver of theirs can be asked. */
json_t *announce_self(struct control_call *call, const struct parts *parts);

#endif
