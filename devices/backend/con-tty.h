/* SPDX-License-Identifier: MIT */
/*
 * The console on standard input and output: a terminal, or whatever else they are.
 */
#ifndef DEVICES_BACKEND_CON_TTY_H
#define DEVICES_BACKEND_CON_TTY_H

#include "devices/backend/chr.h"
#include "vmm/base/err.h"
#include "vmm/base/loop.h"

/* A command of the owner's, typed as Ctrl-A key. Tables end with key 0. Ctrl-A h (help), b (break)
 * and Ctrl-A (the character itself) exist always. */
struct con_tty_key {
    char key;
    const char *help;      /* "end the virtual machine" */
    void (*fn)(void *arg); /* on the loop, locked: must not free the console */
};

struct con_tty_config {
    int in_fd, out_fd; /* usually 0 and 1; stay the caller's and may be closed afterwards */
    const struct con_tty_key *keys; /* kept by the caller */
    void *arg;                      /* of the keys' functions */
};

/*
 * Input: read while the front end has room, in blocks of at most 4 KiB; the rest stays where it is
 * (X02). At end of file it is not looked at any more, the machine runs on (H22). If it is a
 * terminal it is made raw, keys work, and its mode comes back on every way out (tty-mode.h); of
 * what is typed to a front end that does not read, all beyond 4 KiB is lost, but for the keys.
 * Output: never blocks on terminals, pipes and sockets, whose open file descriptions are left
 * without O_NONBLOCK for those who share them; a reader that goes away is fine.
 * Ignores SIGPIPE from here on. Before threads start. NULL with err filled.
 */
struct chr *con_tty_new(struct loop *loop, const struct con_tty_config *config, struct err *err);

/* Put the terminal's mode back, for good; safe in signal handlers and from any thread. */
void con_tty_restore(void);

#endif
