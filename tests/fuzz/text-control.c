// SPDX-License-Identifier: MIT
/*
 * Owns the target of the control socket: what a client sends, in the pieces in which it comes (a
 * byte says how long each is), and every line of it to the protocol alone.
 */
#include "tests/fuzz/targets.h"
#include "tests/unit/control-rig.h"
#include "vmm/control-internal.h"

enum { MAX = 4096, TURNS = 8 };

static struct rig *rig;

static void rig_end(void)
{
    void *state = rig;

    teardown(&state);
}

/* One answer, and it can be sent. */
static void line_run(const char *line, size_t len)
{
    const struct control_table t = {table, rig};
    struct control_wants wants = {0};
    json_t *answer = control_line_run(&t, line, len, &wants);
    char *words = answer ? json_dumps(answer, JSON_COMPACT) : NULL;

    if (!words || (!json_object_get(answer, "return") == !json_object_get(answer, "error")))
        fuzz_fail("a line without an answer");
    free(words);
    json_decref(answer);
}

static void lines_run(const uint8_t *data, size_t len)
{
    while (len) {
        const uint8_t *end = (const uint8_t *)memchr(data, '\n', len);
        const size_t n = end ? (size_t)(end - data) : len;
        char *line = (char *)malloc(n + !n);

        memcpy(line, data, n);
        line_run(line, n);
        free(line);
        data += n + (end != NULL);
        len -= n + (end != NULL);
    }
}

static void pieces_send(int fd, struct fuzz_in *in)
{
    size_t n;

    while (in->left) {
        const uint8_t *bytes = fuzz_bytes(in, fuzz_u8(in) + 1u, &n);

        if (send(fd, bytes, n, MSG_NOSIGNAL) < 0 && errno != EAGAIN)
            return;
        settle(rig);
    }
}

static void run(const uint8_t *data, size_t len)
{
    struct fuzz_in in = {data, len};
    void *state = NULL;
    int fd;

    if (!rig) {
        setup(&state);
        rig = (struct rig *)state;
        atexit(rig_end);
    }
    fd = client(rig);
    pieces_send(fd, &in);
    hear(rig, fd);
    close(fd);
    settle(rig);
    lines_run(data, len);
}

static const char *const talks[] = {
    PING,
    "{\"execute\":\"qmp_capabilities\"}\n{\"execute\":\"query-commands\",\"id\":1}\n",
    "{\"execute\":\"echo\",\"arguments\":{\"word\":\"a\",\"times\":3},\"id\":[1,{\"b\":null}]}\n",
    "{\"execute\":\"fail\"}\n{\"execute\":\"garble\"}\n{\"execute\":\"nix\"}\r\n\n[]\n",
    "{\"execute\":\"big\"}\n{\"execute\":\"ping\",\"more\":1}\n{\"execute\":1.5e3}\nnonsense\n",
};

static void seeds(struct fuzz_seeds *to)
{
    for (unsigned i = 0; i < ARRAY_SIZE(talks); i++) {
        struct fuzz_out out = {0};
        const char name[] = {(char)('a' + i), '\0'};

        fuzz_put_num(&out, 200, 1);
        fuzz_put(&out, talks[i], strlen(talks[i]));
        fuzz_seed(to, name, out.data, out.n);
    }
}

const struct fuzz_target fuzz_control = {"control", MAX, run, seeds};
