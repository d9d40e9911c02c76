/* SPDX-License-Identifier: MIT */
/*
 * A control socket with commands of its own, and clients, for the tests of the control socket. The
 * loop is turned by hand, so that nothing depends on time.
 */
#ifndef TESTS_UNIT_CONTROL_RIG_H
#define TESTS_UNIT_CONTROL_RIG_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "vmm/base/bits.h"
#include "vmm/control-path.h"
#include "vmm/control.h"

enum { TEXT = 8 * 1024 * 1024 };

struct rig {
    struct loop *loop;
    struct control *control;
    unsigned calls;
    int taken; /* a descriptor, and 1 */
    char dir[64], path[CONTROL_PATH_MAX];
};

static char text[TEXT]; /* what clients read */

/* ---- a table of commands ---- */

static inline json_t *run_ping(struct control_call *call)
{
    ((struct rig *)call->ctx)->calls++;
    return json_object();
}

static inline json_t *run_echo(struct control_call *call)
{
    json_int_t times = 1;
    const char *word = control_string(call, "word");

    control_integer(call, "times", &times);
    return json_pack("{s:s,s:I}", "word", word, "times", times);
}

static inline json_t *run_fail(struct control_call *call)
{
    call->class = "DeviceNotFound";
    err_set(&call->err, ENOENT, "there is no disk9");
    return NULL;
}

/* A message that is not UTF-8, as a file's name may be. */
static inline json_t *run_garble(struct control_call *call)
{
    err_set(&call->err, ENOENT, "\xff\xfe is missing");
    return NULL;
}

static inline json_t *run_big(struct control_call *call)
{
    static char big[20000];

    ((struct rig *)call->ctx)->calls++;
    memset(big, 'x', sizeof(big) - 1);
    return json_pack("{s:s}", "big", big);
}

static inline void rig_take(void *ctx, int fd)
{
    struct rig *rig = (struct rig *)ctx;

    if (rig->taken)
        close(rig->taken - 1);
    rig->taken = fd + 1;
}

/* The connection is the rig's from then on. */
static inline json_t *run_attach(struct control_call *call)
{
    call->take = rig_take;
    return json_object();
}

static const struct control_command table[] = {
    {"ping", CONTROL_NO_ARGS, run_ping},
    {"echo", {{"word", JSON_STRING, true}, {"times", JSON_INTEGER, false}}, run_echo},
    {"fail", CONTROL_NO_ARGS, run_fail},
    {"garble", CONTROL_NO_ARGS, run_garble},
    {"big", CONTROL_NO_ARGS, run_big},
    {"console-attach", CONTROL_NO_ARGS, run_attach},
    {NULL, CONTROL_NO_ARGS, NULL},
};

/* ---- rig ---- */

static inline int setup(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    struct err err;
    int ret;

    strcpy(rig->dir, "/tmp/test-control-XXXXXX");
    assert_non_null(mkdtemp(rig->dir));
    snprintf(rig->path, sizeof(rig->path), "%s/sock", rig->dir);
    rig->loop = loop_new("test", &err);
    assert_non_null(rig->loop);
    rig->control = control_new(rig->loop, rig->path, table, rig, &ret, &err);
    assert_non_null(rig->control);
    *state = rig;
    return 0;
}

static inline int teardown(void **state)
{
    struct rig *rig = *state;
    char command[100];

    control_free(rig->control);
    loop_free(rig->loop);
    if (rig->taken)
        close(rig->taken - 1);
    snprintf(command, sizeof(command), "rm -rf %s", rig->dir);
    assert_int_equal(system(command), 0);
    free(rig);
    return 0;
}

static inline void settle(struct rig *rig)
{
    while (loop_turn(rig->loop, 0) > 0)
        continue;
}

static inline int client_raw(const char *path)
{
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_un to = {.sun_family = AF_UNIX};

    assert_true(fd >= 0);
    snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
        return fd;
    close(fd);
    return -1;
}

/* Turn the loop and read all there is, as a string. */
static inline const char *hear(struct rig *rig, int fd)
{
    size_t have = 0;
    ssize_t n;

    do {
        settle(rig);
        n = recv(fd, text + have, TEXT - 1 - have, 0);
        have += n > 0 ? (size_t)n : 0;
    } while (n > 0);
    text[have] = '\0';
    return text;
}

static inline bool ended(struct rig *rig, int fd)
{
    char c;

    hear(rig, fd);
    return recv(fd, &c, 1, 0) == 0;
}

static inline int client(struct rig *rig)
{
    const int fd = client_raw(rig->path);

    assert_true(fd >= 0);
    assert_non_null(strstr(hear(rig, fd), "{\"QMP\":{\"version\":"));
    return fd;
}

static inline void say(int fd, const char *what)
{
    assert_int_equal(send(fd, what, strlen(what), MSG_NOSIGNAL), strlen(what));
}

static inline const char *ask(struct rig *rig, int fd, const char *what)
{
    say(fd, what);
    return hear(rig, fd);
}

static inline unsigned count(const char *in, const char *what)
{
    unsigned n = 0;

    for (; (in = strstr(in, what)); in += strlen(what))
        n++;
    return n;
}

#define PING "{\"execute\":\"ping\"}\n"
#define PONG "{\"return\":{}}\n"

#endif
