// SPDX-License-Identifier: MIT
/*
 * Owns the asking side of a control socket. Refuses to trust the other side with more than a
 * bounded answer within a bounded time.
 */
#include "vmm/control-client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vmm/base/bits.h"
#include "vmm/control-path.h"

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)

enum { ANSWER_MAX = 16 * 1024 * 1024, MESSAGES_MAX = 100000 };

int control_client_open(struct control_client *client, const char *path, unsigned seconds,
                        struct err *err)
{
    *client = (struct control_client){.seconds = seconds};
    client->fd = control_connect(path, seconds, err);
    return client->fd < 0 ? client->fd : 0;
}

void control_client_close(struct control_client *client)
{
    close(client->fd);
    free(client->in);
}

pid_t control_client_pid(const struct control_client *client)
{
    struct ucred cred = {0};
    socklen_t len = sizeof(cred);

    return getsockopt(client->fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 ? cred.pid : 0;
}

static int send_all(const struct control_client *client, const char *text, size_t len)
{
    while (len) {
        const ssize_t n = send(client->fd, text, len, MSG_NOSIGNAL);

        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0) {
            text += n;
            len -= (size_t)n;
        }
    }
    return 0;
}

/* Until the answer has to be there. */
static int ms_left(const struct control_client *client)
{
    const uint64_t now = clock_ns();

    return now < client->deadline ? (int)((client->deadline - now) / NS_PER_MS) + 1 : 0;
}

static int more_read(struct control_client *client)
{
    struct pollfd from = {.fd = client->fd, .events = POLLIN};
    ssize_t n;

    if (client->have == client->cap) {
        const size_t cap = max_u64(client->cap * 2, 4096);
        char *in = cap <= ANSWER_MAX ? realloc(client->in, cap) : NULL;

        if (!in)
            return -ENOMEM;
        client->in = in;
        client->cap = cap;
    }
    if (poll(&from, 1, ms_left(client)) == 0)
        return -EAGAIN;
    n = recv(client->fd, client->in + client->have, client->cap - client->have, 0);
    if (n < 0)
        return errno == EINTR ? 0 : -errno;
    client->have += (size_t)n;
    return n ? 0 : -ECONNRESET;
}

/* The next message, or NULL with *ret. */
static json_t *message_read(struct control_client *client, int *ret)
{
    char *end;
    json_t *message;

    while (!client->have || !(end = memchr(client->in, '\n', client->have))) {
        *ret = more_read(client);
        if (*ret < 0)
            return NULL;
    }
    message = json_loadb(client->in, (size_t)(end - client->in), 0, NULL);
    client->have -= (size_t)(end + 1 - client->in);
    memmove(client->in, end + 1, client->have);
    *ret = message ? 0 : -EPROTO;
    return message;
}

static int request_send(struct control_client *client, const char *execute, json_t *args)
{
    json_t *request = json_pack("{s:s,s:i}", "execute", execute, "id", 1);
    char *text = NULL;
    int ret = -ENOMEM;

    if (request && args && json_object_size(args))
        json_object_set(request, "arguments", args);
    if (request)
        text = json_dumps(request, JSON_COMPACT);
    if (text)
        ret = send_all(client, text, strlen(text));
    if (ret == 0)
        ret = send_all(client, "\n", 1);
    free(text);
    json_decref(request);
    return ret;
}

/* What an answer holds; NULL: an error, err filled. */
static json_t *answer_open(json_t *answer, struct err *err)
{
    json_t *value = json_object_get(answer, "return");
    const char *desc = json_string_value(json_object_get(json_object_get(answer, "error"), "desc"));

    if (!value)
        err_set(err, EIO, "%s", desc ? desc : "the machine's answer makes no sense");
    return json_incref(value);
}

static const char *trouble(const struct control_client *client, int ret, char *text, size_t size)
{
    if (ret == -EAGAIN)
        snprintf(text, size, "no answer within %u s; is the process stopped?", client->seconds);
    else if (ret == -ECONNRESET || ret == -EPIPE)
        snprintf(text, size, "the machine ended before it answered");
    else if (ret == -EPROTO)
        snprintf(text, size, "what listens there does not speak like a machine");
    else
        snprintf(text, size, "no answer: %s", strerror(-ret));
    return text;
}

json_t *control_client_ask(struct control_client *client, const char *execute, json_t *args,
                           struct err *err)
{
    json_t *got, *value = NULL;
    char why[160];
    int ret;

    client->deadline = clock_ns() + client->seconds * NS_PER_S;
    ret = request_send(client, execute, args);

    /* an error without an id comes from a server that does not even take the connection */
    for (unsigned i = 0; ret == 0 && !value && i < MESSAGES_MAX; i++) {
        got = message_read(client, &ret);
        if (got && (json_object_get(got, "return") || json_object_get(got, "error"))) {
            value = answer_open(got, err);
            json_decref(got);
            return value;
        }
        json_decref(got);
    }
    err_set(err, EIO, "%s: %s", execute, trouble(client, ret ? ret : -EPROTO, why, sizeof(why)));
    return NULL;
}
