/* SPDX-License-Identifier: MIT */
/* From what the user wrote behind to= to a character stream. */
#ifndef VMM_STREAMS_H
#define VMM_STREAMS_H

#include "devices/backend/chr.h"
#include "devices/backend/con-tty.h"
#include "vmm/config.h"

/*
 * Open what `to` says. what: for messages and names, "console". tty: for to=tty. The path of a new
 * pseudo terminal is printed on standard error. Before the loop starts. NULL with err filled.
 */
struct chr *stream_open(const struct config_stream *to, const char *what, struct loop *loop,
                        const struct con_tty_config *tty, struct err *err);

#endif
