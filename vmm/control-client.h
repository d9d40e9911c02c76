/* SPDX-License-Identifier: MIT */
/* A client of a control socket: one question, one answer, events in between thrown away. */
#ifndef VMM_CONTROL_CLIENT_H
#define VMM_CONTROL_CLIENT_H

#include <jansson.h>
#include <stdint.h>
#include <sys/types.h>

#include "vmm/base/err.h"

struct control_client {
    int fd;
    char *in;
    size_t have, cap;
    unsigned seconds;
    uint64_t deadline; /* clock_ns(): of the answer that is waited for */
};

/* Connect; nothing takes longer than seconds. 0 or -errno as control_connect(), err filled; then
 * control_client_close() is not needed. */
int control_client_open(struct control_client *client, const char *path, unsigned seconds,
                        struct err *err);
void control_client_close(struct control_client *client);

/* Execute a command; args may be NULL. What it returned (a new reference), or NULL: err is what the
 * machine says, or why it could not be asked. */
json_t *control_client_ask(struct control_client *client, const char *execute, json_t *args,
                           struct err *err);

/* The process at the other end, 0: unknown. */
pid_t control_client_pid(const struct control_client *client);

#endif
