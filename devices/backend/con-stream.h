/* SPDX-License-Identifier: MIT */
/*
 * Descriptors that others gave us and share with us (standard input, standard output), used without
 * blocking and without changing the open file description that a shell goes on to use.
 */
#ifndef DEVICES_BACKEND_CON_STREAM_H
#define DEVICES_BACKEND_CON_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum con_stream_kind {
    CON_STREAM_NONE,   /* closed: reads end of file, writes -EPIPE */
    CON_STREAM_DIRECT, /* a file or a device that answers at once: never -EAGAIN */
    CON_STREAM_OWN,    /* a terminal or pipe, opened anew without blocking */
    CON_STREAM_SHARED, /* one that could not be: asked by poll() before every transfer */
    CON_STREAM_SOCKET,
};

struct con_stream {
    int fd; /* our own, -1: none */
    enum con_stream_kind kind;
    bool tty;
};

/* write: for output, else for input. fd stays the caller's. Never fails: worst case is NONE. */
struct con_stream con_stream_open(int fd, bool write);
void con_stream_close(struct con_stream *s);

/* Bytes, 0 at end of file, -EAGAIN, or another -errno. Never blocks on what can keep one waiting.
 */
int64_t con_stream_read(const struct con_stream *s, void *to, size_t len);

/* Bytes, -EAGAIN, -EPIPE when nobody can read any more, or another -errno. */
int64_t con_stream_write(const struct con_stream *s, const void *from, size_t len);

/* Let writes to pipes without a reader fail instead of ending the process, unless somebody has seen
 * to that already. Before threads start. */
void con_stream_no_sigpipe(void);

#endif
