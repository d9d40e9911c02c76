// SPDX-License-Identifier: MIT
/*
 * Owns the way between this process's standard input and output and a machine's console. Refuses to
 * wait for the machine while the user may want to leave.
 */
#include "vmm/attach.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/backend/con-stream.h"
#include "devices/backend/tty-mode.h"
#include "vmm/base/bits.h"

enum { KEY_ESCAPE = 0x01, IN_BYTES = 4096, OUT_BYTES = 16384, BACKGROUND_MS = 1000 };

struct attach {
    int fd;
    bool tty;      /* standard input is a terminal: keys work */
    bool escaped;  /* the last key was Ctrl-A */
    bool in_ended; /* nothing more is read */
    bool left;     /* the user has gone */
    bool ended;    /* the machine has, or whoever read its output */
    size_t len;    /* in buf, not taken by the machine yet */
    uint8_t buf[IN_BYTES];
};

/* ---- out ---- */

static void out_write(struct attach *a, const void *data, size_t len)
{
    const uint8_t *from = (const uint8_t *)data;

    while (len && !a->ended) {
        const ssize_t n = write(STDOUT_FILENO, from, len);

        if (n < 0 && errno == EAGAIN)
            poll(&(struct pollfd){.fd = STDOUT_FILENO, .events = POLLOUT}, 1, -1);
        else if (n < 0 && errno != EINTR)
            a->ended = true;
        if (n > 0) {
            from += n;
            len -= (size_t)n;
        }
    }
}

static void out_copy(struct attach *a)
{
    uint8_t buf[OUT_BYTES];
    const ssize_t n = recv(a->fd, buf, sizeof(buf), MSG_DONTWAIT);

    if (n > 0)
        out_write(a, buf, (size_t)n);
    else
        a->ended = n == 0 || (errno != EAGAIN && errno != EINTR);
}

/* ---- in ---- */

static void help_show(struct attach *a)
{
    static const char help[] = "\r\nKeys of vmm:\r\n"
                               "  Ctrl-A x       leave this console; the machine runs on\r\n"
                               "  Ctrl-A h       this help\r\n"
                               "  Ctrl-A Ctrl-A  send Ctrl-A itself\r\n";

    out_write(a, help, sizeof(help) - 1);
}

/* The key after Ctrl-A. Returns whether Ctrl-A itself is to be sent. */
static bool key_command(struct attach *a, uint8_t key)
{
    const int lower = tolower(key);

    a->left |= lower == 'x';
    if (lower == 'h' || lower == '?')
        help_show(a);
    return key == KEY_ESCAPE || lower == 'a';
}

static void key_take(struct attach *a, uint8_t key)
{
    const bool second = a->escaped;

    a->escaped = a->tty && !second && key == KEY_ESCAPE;
    if (a->escaped || (second && !key_command(a, key)) || a->len == sizeof(a->buf))
        return; /* a guest that reads nothing loses what is typed: Ctrl-A x must be seen */
    a->buf[a->len++] = second ? KEY_ESCAPE : key;
}

static void in_read(struct attach *a)
{
    uint8_t keys[IN_BYTES];
    const size_t room = a->tty ? sizeof(keys) : sizeof(a->buf) - a->len;
    const ssize_t n = read(STDIN_FILENO, keys, room);

    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        a->in_ended = true;
        a->left |= a->tty; /* the terminal is gone */
    }
    for (ssize_t i = 0; i < n && !a->left; i++)
        key_take(a, keys[i]);
}

static void in_send(struct attach *a)
{
    const ssize_t n = send(a->fd, a->buf, a->len, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (n <= 0)
        return; /* what is wrong is seen by out_copy(), after the machine's last words */
    a->len -= (size_t)n;
    memmove(a->buf, a->buf + n, a->len);
}

/* ---- both ---- */

static void turn(struct attach *a)
{
    const bool front = !a->tty || tty_mode_raw();
    const bool in = !a->in_ended && front && (a->tty || a->len < sizeof(a->buf));
    struct pollfd p[] = {
        {.fd = in ? STDIN_FILENO : -1, .events = POLLIN},
        {.fd = a->fd, .events = (short)(POLLIN | (a->len ? POLLOUT : 0))},
    };

    if (poll(p, ARRAY_SIZE(p), front ? -1 : BACKGROUND_MS) <= 0)
        return;
    if (p[0].revents)
        in_read(a);
    if (p[1].revents & POLLOUT)
        in_send(a);
    if (p[1].revents & (POLLIN | POLLHUP | POLLERR))
        out_copy(a);
}

json_t *attach_console(struct control_client *client, json_t *args, struct err *err)
{
    struct attach a = {.fd = client->fd, .tty = isatty(STDIN_FILENO)};
    json_t *ret;

    con_stream_no_sigpipe();
    if (a.tty && tty_mode_hold(STDIN_FILENO, -1, err) < 0)
        return NULL;
    ret = control_client_ask(client, "console-attach", args, err);
    if (ret && a.tty) {
        tty_mode_raw(); /* first: who reads that we are attached may type at once */
        fputs("vmm: attached to the console; Ctrl-A x leaves it, Ctrl-A h helps\r\n", stderr);
    }
    if (ret)
        out_write(&a, client->in, client->have); /* came right behind the answer */
    while (ret && !a.left && !a.ended)
        turn(&a);
    if (a.tty)
        tty_mode_release();
    if (ret && a.tty)
        fprintf(stderr, "\nvmm: %s\n", a.left ? "left the console" : "the console ended");
    return ret;
}
