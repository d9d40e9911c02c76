// SPDX-License-Identifier: MIT
/*
 * Owns the choice among the back ends of character streams. Refuses to know who plugs into them.
 */
#include "vmm/streams.h"

#include <errno.h>
#include <stdio.h>

#include "devices/backend/con-files.h"

static struct chr *pty_open(const char *what, struct loop *loop, struct err *err)
{
    struct chr *chr = con_pty_new(loop, what, err);

    if (chr) /* what the user asked for is told at every log level */
        fprintf(stderr, "vmm: %s is on %s\n", what, con_pty_path(chr));
    return chr;
}

struct chr *stream_open(const struct config_stream *to, const char *what, struct loop *loop,
                        const struct con_tty_config *tty, struct err *err)
{
    switch (to->kind) {
    case CONFIG_TTY:
        return con_tty_new(loop, tty, err);
    case CONFIG_PTY:
        return pty_open(what, loop, err);
    case CONFIG_SOCKET:
        return con_socket_new(loop, what, to->path, err);
    case CONFIG_FILE:
        return con_file_new(loop, what, to->path, err);
    case CONFIG_NULL:
        return con_file_new(loop, what, "/dev/null", err);
    }
    err_set(err, EINVAL, "%s: no such stream", what);
    return NULL;
}
