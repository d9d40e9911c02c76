/* SPDX-License-Identifier: MIT */
/* What the control socket's two files share: the protocol, without a socket. */
#ifndef VMM_CONTROL_INTERNAL_H
#define VMM_CONTROL_INTERNAL_H

#include "vmm/control.h"

struct control_table {
    const struct control_command *command;
    void *ctx;
};

/* All messages are new references, or NULL: no memory. */
json_t *control_greeting(void);
json_t *control_event_make(const char *name, json_t *data); /* data is taken over */
json_t *control_error(json_t *id, const char *class, const char *text);

/* What a line changes of the connection that it came from. */
struct control_wants {
    bool events;                     /* becomes true when the client wants them */
    void (*take)(void *ctx, int fd); /* control_call's */
};

/* Answer one line of len bytes. */
json_t *control_line_run(const struct control_table *table, const char *line, size_t len,
                         struct control_wants *wants);

#endif
