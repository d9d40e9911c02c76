/* SPDX-License-Identifier: MIT */
/* Sockets with a name in the file system, for this user only. */
#ifndef VMM_BASE_USOCK_H
#define VMM_BASE_USOCK_H

#include <stdbool.h>
#include <sys/types.h>

#include "vmm/base/err.h"

enum { USOCK_PATH_MAX = 107 }; /* characters that an address holds */

/* A socket that listens, not blocking, and what to recognise its file by. */
struct usock {
    int fd; /* -1: none */
    dev_t dev;
    ino_t ino;
    char path[USOCK_PATH_MAX + 1];
};

/*
 * Listen at path, mode 0600. A socket that a dead process left there is replaced; one that somebody
 * listens at is refused (-EADDRINUSE), so is a file of another kind. Processes that do this at the
 * same time do not take each other's socket. what: for messages, "--console". 0 or -errno with err
 * filled; usock_close() either way.
 */
int usock_listen(struct usock *s, const char *what, const char *path, struct err *err);

/* Stop listening, and remove the file if it is still ours. */
void usock_close(struct usock *s);

/* A socket connected to path, not blocking, or -errno. Also while names are out of reach. */
int usock_connect(const char *path);

/* Remove a socket's file if it is still this one. Likewise. */
void usock_remove(const char *path, dev_t dev, ino_t ino);

/* Who does the two instead of this process; NULL: it does. ops stays. While no other threads run.
 */
struct usock_outside {
    int (*connect)(const char *path);
    void (*remove)(const char *path, dev_t dev, ino_t ino);
};

void usock_set_outside(const struct usock_outside *ops);

#endif
