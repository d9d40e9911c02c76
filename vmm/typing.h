/* SPDX-License-Identifier: MIT */
/* Typing on a keyboard of the machine's, as a user would: by names of keys, or text. Any thread. */
#ifndef VMM_TYPING_H
#define VMM_TYPING_H

#include "devices/backend/evq.h"
#include "vmm/base/err.h"

enum { TYPING_TEXT_MAX = 512 }; /* characters at a time */

/* Press keys ("ctrl-alt-f2") one after the other, and let them go in reverse. 0 or -errno with err
 * filled: then nothing was pressed. keyboard NULL: there is none. */
int typing_keys(struct evq *keyboard, const char *keys, struct err *err);

/* Type a text on a US keyboard; newlines and tabs are keys, too. As typing_keys(). */
int typing_text(struct evq *keyboard, const char *text, struct err *err);

#endif
