/* SPDX-License-Identifier: MIT */
/*
 * Back ends of character streams that have a path of their own: a pseudo terminal, a socket that
 * clients come to, a file. name: for messages, copied. All of them before the loop starts; NULL
 * with err filled.
 */
#ifndef DEVICES_BACKEND_CON_FILES_H
#define DEVICES_BACKEND_CON_FILES_H

#include "devices/backend/chr.h"

enum { CON_NAME_BYTES = 96 };

/* A new pseudo terminal, raw; con_pty_path() tells where. Who opens it late finds what was written
 * last, about 1 MiB of it. */
struct chr *con_pty_new(struct loop *loop, const char *name, struct err *err);
const char *con_pty_path(const struct chr *chr);

/*
 * Listens at path (usock.h) for one client at a time; the next may come when it has gone. Further
 * ones are turned away. Without a client output is dropped, unless the front end keeps a backlog.
 */
struct chr *con_socket_new(struct loop *loop, const char *name, const char *path, struct err *err);

/* The same for clients that come another way: without a path. They are taken with the loop's lock
 * held, whoever calls. */
struct chr *con_socket_new_hidden(struct loop *loop, const char *name, struct err *err);
bool con_socket_taken(const struct chr *chr);
/* fd does not block and is taken over in any case. */
void con_socket_take(struct chr *chr, int fd);

/* Output is added to what the file has; made with mode 0600. No input. Devices and pipes are fine,
 * "/dev/null" too; a pipe must have a reader. */
struct chr *con_file_new(struct loop *loop, const char *name, const char *path, struct err *err);

#endif
