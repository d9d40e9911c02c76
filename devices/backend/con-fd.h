/* SPDX-License-Identifier: MIT */
/*
 * A descriptor of our own, not blocking, as the two ways of a character stream: what pseudo
 * terminals, sockets and files have in common.
 */
#ifndef DEVICES_BACKEND_CON_FD_H
#define DEVICES_BACKEND_CON_FD_H

#include <stdbool.h>
#include <stdint.h>

#include "devices/backend/chr.h"

struct con_fd {
    struct chr *chr;
    int fd;              /* -1: none */
    struct loop_fd *src; /* NULL: one that never blocks */
    uint32_t armed;      /* events that are waited for; see `waits` */
    bool waits;          /* src is armed at all */
    bool in_ended;       /* nothing more comes */
    bool out_waits;
    bool hung; /* the peer closed both ways */
    bool socket;
    struct loop_work over; /* the peer is gone and all that it sent was read */
};

/* Take over fd. gone (may be NULL) is called on the loop when both ways have ended; it calls
 * con_fd_close(). in: input is wanted. 0 or -errno: fd stays the caller's then. */
int con_fd_open(struct con_fd *f, struct chr *chr, int fd, bool in, void (*gone)(void *arg),
                void *arg);
/* Closes the descriptor. None is fine. */
void con_fd_close(struct con_fd *f);

/* For chr_ops: put and more. */
int64_t con_fd_put(struct con_fd *f, const void *data, size_t len);
void con_fd_more(struct con_fd *f);

#endif
