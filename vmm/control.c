// SPDX-License-Identifier: MIT
/*
 * Owns the control socket's clients: who may come, their bytes in and out, and their ends. What a
 * line means is control-line.c's. Refuses to wait for anybody.
 */
#include "vmm/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vmm/base/bits.h"
#include "vmm/base/usock.h"
#include "vmm/control-internal.h"

enum {
    TURN_LINES = 8,           /* of one client, then others on the loop come first */
    OUT_BUSY = 64 * 1024,     /* so much unread: no more commands are taken from this client */
    OUT_MAX = 4 * 1024 * 1024 /* so much unread, events that is: the connection ends */
};

#define ACCEPT_PAUSE_NS UINT64_C(1000000000) /* after the host had no descriptor for a client */

struct control_client {
    struct control *control;
    struct control_client *next;
    int fd;
    struct loop_fd *src;
    struct loop_work again; /* lines left that one turn may not take */
    struct control_wants wants;
    bool eof;  /* it will not send more */
    bool skip; /* inside a line that is too long */
    bool dead; /* to be freed by the next turn */
    size_t in_have, out_have, out_sent, out_cap;
    char *out;
    char in[CONTROL_LINE_MAX];
};

struct control {
    struct control_table table;
    struct loop *loop;
    struct usock door;
    struct loop_fd *src;
    struct loop_timer *pause;
    struct loop_work reap;
    struct control_client *clients;
    unsigned n_clients;
    struct log_limit log;
};

/* ---- the end of a client ---- */

/* Now nothing more happens with it; it is freed later, for its own functions may be running. */
static void client_end(struct control_client *c)
{
    if (c->dead)
        return;
    c->dead = true;
    loop_fd_del(c->src);
    loop_cancel(c->control->loop, &c->again);
    if (c->fd >= 0)
        close(c->fd);
    loop_post(c->control->loop, &c->control->reap);
}

static void clients_reap(void *arg)
{
    struct control *control = (struct control *)arg;
    struct control_client **at = &control->clients;

    while (*at) {
        struct control_client *c = *at;

        if (!c->dead) {
            at = &c->next;
            continue;
        }
        *at = c->next;
        control->n_clients--;
        free(c->out);
        free(c);
    }
}

/* ---- out ---- */

static size_t out_left(const struct control_client *c)
{
    return c->out_have - c->out_sent;
}

static void out_send(struct control_client *c)
{
    while (!c->dead && out_left(c)) {
        const ssize_t n =
            send(c->fd, c->out + c->out_sent, out_left(c), MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0)
            client_end(c);
        else
            c->out_sent += (size_t)n;
    }
    if (c->dead || out_left(c))
        return;
    free(c->out);
    c->out = NULL;
    c->out_have = c->out_sent = c->out_cap = 0;
}

static bool out_room(struct control_client *c, size_t more)
{
    size_t cap = max_u64(c->out_cap, 4096);
    char *out;

    if (c->out_sent) {
        memmove(c->out, c->out + c->out_sent, out_left(c));
        c->out_have -= c->out_sent;
        c->out_sent = 0;
    }
    if (c->out_have + more <= c->out_cap)
        return true;
    while (cap < c->out_have + more)
        cap *= 2;
    out = realloc(c->out, cap);
    if (!out)
        return false;
    c->out = out;
    c->out_cap = cap;
    return true;
}

/* What to wait for: bytes only while there is room for them and their answers. */
static void client_arm(struct control_client *c)
{
    const bool want = !c->eof && c->in_have < sizeof(c->in) && out_left(c) <= OUT_BUSY;

    if (!c->dead && loop_fd_mod(c->src, (want ? EPOLLIN : 0U) | (out_left(c) ? EPOLLOUT : 0U)) < 0)
        client_end(c);
}

/* message is taken over. A client that leaves megabytes unread has gone. */
static void client_tell(struct control_client *c, json_t *message)
{
    char *text = message ? json_dumps(message, JSON_COMPACT) : NULL;
    const size_t len = text ? strlen(text) : 0;

    if (!text || len >= OUT_MAX - out_left(c) || !out_room(c, len + 1)) {
        log_limited(&c->control->log, LOG_WARN,
                    "control socket: a client that does not read was disconnected");
        client_end(c);
    } else {
        memcpy(c->out + c->out_have, text, len);
        c->out[c->out_have + len] = '\n';
        c->out_have += len + 1;
        out_send(c);
        client_arm(c);
    }
    free(text);
    json_decref(message);
}

void control_event(struct control *control, const char *name, json_t *data)
{
    json_t *event = control ? control_event_make(name, data) : NULL;

    if (!control) {
        json_decref(data);
        return;
    }
    for (struct control_client *c = control->clients; event && c; c = c->next)
        if (c->wants.events && !c->dead)
            client_tell(c, json_incref(event));
    json_decref(event);
}

/* ---- in ---- */

/* The connection goes to somebody else. What came behind the line that asked for it is lost. */
static void client_leave(struct control_client *c)
{
    const int fd = c->fd;

    if (c->dead || out_left(c)) {
        client_end(c);
        return;
    }
    c->fd = -1;
    client_end(c);
    c->wants.take(c->control->table.ctx, fd);
}

static void line_run(struct control_client *c, const char *line, size_t len)
{
    const bool blank = len == strspn(line, " \t\r\n");

    if (blank)
        return;
    client_tell(c, control_line_run(&c->control->table, line, len, &c->wants));
    if (c->wants.take)
        client_leave(c);
}

/* Take the next line out of what came; false: there is none yet. */
static bool line_take(struct control_client *c)
{
    char *end = memchr(c->in, '\n', c->in_have);
    char line[CONTROL_LINE_MAX + 1];
    size_t len;

    if (!end && c->in_have == sizeof(c->in)) { /* too long: told once, then its rest is skipped */
        if (!c->skip)
            client_tell(c, control_error(NULL, "GenericError", "the line is too long"));
        c->skip = true;
        c->in_have = 0;
        return true;
    }
    if (!end && !(c->eof && c->in_have))
        return false;
    len = end ? (size_t)(end - c->in) : c->in_have;
    memcpy(line, c->in, len);
    line[len] = '\0';
    c->in_have -= end ? len + 1 : len;
    memmove(c->in, c->in + len + (end ? 1 : 0), c->in_have);
    if (!c->skip)
        line_run(c, line, len);
    c->skip = false;
    return true;
}

static void client_run(void *arg)
{
    struct control_client *c = (struct control_client *)arg;
    unsigned lines = 0;
    bool more = true;

    while (more && !c->dead && out_left(c) <= OUT_BUSY && lines++ < TURN_LINES)
        more = line_take(c);
    if (c->dead)
        return;
    if (more && out_left(c) <= OUT_BUSY)
        loop_post(c->control->loop, &c->again);
    else if (!more && c->eof && !out_left(c))
        client_end(c);
    client_arm(c);
}

static void client_receive(struct control_client *c)
{
    const ssize_t n = recv(c->fd, c->in + c->in_have, sizeof(c->in) - c->in_have, MSG_DONTWAIT);

    if (n > 0)
        c->in_have += (size_t)n;
    else if (n == 0)
        c->eof = true;
    else if (errno != EAGAIN && errno != EINTR)
        client_end(c);
}

static void client_ready(void *arg, uint32_t events)
{
    struct control_client *c = (struct control_client *)arg;

    if (events & EPOLLOUT)
        out_send(c);
    if (!c->dead && (events & (EPOLLERR | EPOLLHUP)) && !(events & EPOLLIN))
        client_end(c); /* it is gone altogether: nobody is there to be answered */
    if (!c->dead && (events & EPOLLIN) && c->in_have < sizeof(c->in))
        client_receive(c);
    if (!c->dead)
        client_run(c);
}

/* ---- new clients ---- */

/* #syscalls:main accept4 recvfrom sendto getsockopt geteuid */

static bool peer_is_me(int fd)
{
    struct ucred cred = {.uid = (uid_t)-1};
    socklen_t len = sizeof(cred);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 && cred.uid == geteuid();
}

/* One line that the socket's own buffer takes, and no more. */
static void refuse(int fd, const char *why)
{
    json_t *error = control_error(NULL, "GenericError", why);
    char *text = error ? json_dumps(error, JSON_COMPACT) : NULL;

    if (text && send(fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
        send(fd, "\n", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    free(text);
    json_decref(error);
    close(fd);
}

static void client_add(struct control *control, int fd)
{
    struct control_client *c;

    if (!peer_is_me(fd) || control->n_clients >= CONTROL_CLIENTS) {
        refuse(fd, peer_is_me(fd) ? "too many clients are connected; close one"
                                  : "this machine belongs to another user");
        return;
    }
    c = calloc(1, sizeof(*c));
    if (c) {
        c->control = control;
        c->fd = fd;
        c->again = (struct loop_work){.fn = client_run, .arg = c};
        c->src = loop_fd_add(control->loop, fd, EPOLLIN, client_ready, c);
    }
    if (!c || !c->src) {
        free(c);
        refuse(fd, "the host has no memory for another client");
        return;
    }
    c->next = control->clients;
    control->clients = c;
    control->n_clients++;
    client_tell(c, control_greeting());
}

static void accept_again(void *arg)
{
    loop_fd_mod(((struct control *)arg)->src, EPOLLIN);
}

static void accept_ready(void *arg, uint32_t events)
{
    struct control *control = (struct control *)arg;
    const int fd = accept4(control->door.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)events;
    if (fd >= 0) {
        client_add(control, fd);
        return;
    }
    if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
        return;
    log_limited(&control->log, LOG_WARN, "control socket: cannot take a client: %s",
                strerror(errno));
    loop_fd_mod(control->src, 0);
    loop_timer_set(control->pause, ACCEPT_PAUSE_NS);
}

/* ---- making and freeing ---- */

struct control *control_new(struct loop *loop, const char *path,
                            const struct control_command *table, void *ctx, int *ret,
                            struct err *err)
{
    struct control *control = calloc(1, sizeof(*control));

    *ret = -ENOMEM;
    if (!control) {
        err_errno(err, ENOMEM, "control socket");
        return NULL;
    }
    control->table = (struct control_table){table, ctx};
    control->loop = loop;
    control->reap = (struct loop_work){.fn = clients_reap, .arg = control};
    *ret = usock_listen(&control->door, "control socket", path, err);
    if (*ret < 0) {
        usock_close(&control->door);
        free(control);
        return NULL;
    }
    control->pause = loop_timer_new(loop, accept_again, control);
    if (control->pause)
        control->src = loop_fd_add(loop, control->door.fd, EPOLLIN, accept_ready, control);
    if (!control->src) {
        *ret = err_errno(err, errno, "control socket %s", path);
        control_free(control);
        return NULL;
    }
    *ret = 0;
    return control;
}

void control_free(struct control *control)
{
    if (!control)
        return;
    for (struct control_client *c = control->clients; c; c = c->next)
        client_end(c);
    clients_reap(control);
    loop_cancel(control->loop, &control->reap);
    loop_fd_del(control->src);
    loop_timer_del(control->pause);
    usock_close(&control->door);
    free(control);
}

const char *control_where(const struct control *control)
{
    return control->door.path;
}
