/* SPDX-License-Identifier: MIT */
/*
 * The control socket: one JSON object per line in QMP's shapes. On connection the server greets
 * with {"QMP": ...}; a client sends {"execute": NAME, "arguments": {...}, "id": ANY} and gets
 * {"return": ...} or {"error": {"class": ..., "desc": ...}} with its id. Commands are taken with
 * or without "qmp_capabilities" before; events go to those who sent it.
 *
 * Clients are not trusted with the machine's time or memory: lines, answers that wait, clients and
 * commands per turn are bounded, and nothing ever waits for one. Only the same user gets in.
 *
 * All functions are called with the loop's lock held, or before it runs.
 */
#ifndef VMM_CONTROL_H
#define VMM_CONTROL_H

#include <jansson.h>
#include <stdbool.h>

#include "vmm/base/err.h"
#include "vmm/base/loop.h"

enum {
    CONTROL_LINE_MAX = 64 * 1024, /* bytes; a longer line is answered with an error */
    CONTROL_CLIENTS = 16,
    CONTROL_ARGS = 4,
};

struct control;

struct control_arg {
    const char *name; /* NULL ends the list */
    json_type type;   /* JSON_STRING, JSON_INTEGER ... */
    bool required;
};

#define CONTROL_NO_ARGS            \
    {                              \
        {                          \
            NULL, JSON_NULL, false \
        }                          \
    }

/* What a command is called with. Arguments have been checked against the command's list. */
struct control_call {
    void *ctx;          /* the table's */
    const json_t *args; /* NULL: none */
    const char *class;  /* of the error: "GenericError" unless set */
    /* Set by a command that wants the connection itself: called once its answer is sent, with a
     * descriptor that does not block and is taken over. Not called if the client is gone or has
     * answers unread. */
    void (*take)(void *ctx, int fd);
    struct err err;
};

/* A command: run returns a new reference, or NULL with call->err filled. */
struct control_command {
    const char *name;
    struct control_arg arg[CONTROL_ARGS];
    json_t *(*run)(struct control_call *call);
};

/*
 * Serve at path. table ends with a NULL name and outlives the server, as ctx does.
 * NULL with *ret = -EADDRINUSE and so on (usock_listen()), err filled.
 */
struct control *control_new(struct loop *loop, const char *path,
                            const struct control_command *table, void *ctx, int *ret,
                            struct err *err);

/* Say good-bye to the clients, remove the socket if it is still this one. NULL is fine. */
void control_free(struct control *control);

/* Tell those who want to know; data may be NULL and is taken over. NULL control: nobody. */
void control_event(struct control *control, const char *name, json_t *data);

/* An argument that may be left out. */
const char *control_string(const struct control_call *call, const char *name);
bool control_integer(const struct control_call *call, const char *name, json_int_t *value);

/* The path of its socket. */
const char *control_where(const struct control *control);

#endif
