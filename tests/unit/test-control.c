// SPDX-License-Identifier: MIT
/* vmm/control: what is said through the control socket, and hostile clients of it (H40). */
#include <sys/resource.h>

#include "tests/unit/control-rig.h"
#include "vmm/base/bits.h"

/* ---- the protocol ---- */

static void shapes(void **state)
{
    struct rig *rig = *state;
    const int fd = client(rig);

    assert_string_equal(ask(rig, fd, PING), PONG);
    assert_string_equal(ask(rig, fd, "{\"execute\":\"ping\",\"id\":{\"a\":[1]}}\n"),
                        "{\"return\":{},\"id\":{\"a\":[1]}}\n");
    assert_string_equal(
        ask(rig, fd, "{\"execute\":\"echo\",\"arguments\":{\"word\":\"a\",\"times\":3}}\n"),
        "{\"return\":{\"word\":\"a\",\"times\":3}}\n");
    assert_string_equal(ask(rig, fd, "{\"execute\":\"echo\",\"arguments\":{\"word\":\"a\"}}\r\n"),
                        "{\"return\":{\"word\":\"a\",\"times\":1}}\n");
    assert_string_equal(ask(rig, fd, "{\"execute\":\"fail\",\"id\":7}\n"),
                        "{\"error\":{\"class\":\"DeviceNotFound\",\"desc\":\"there is no disk9\"},"
                        "\"id\":7}\n");
    assert_non_null(strstr(ask(rig, fd, "{\"execute\":\"garble\"}\n"), "GenericError"));
    assert_non_null(strstr(ask(rig, fd, "{\"execute\":\"nix\"}\n"), "CommandNotFound"));
    assert_non_null(strstr(ask(rig, fd, "{\"execute\":\"qmp_capabilities\"}\n"), PONG));
    assert_int_equal(count(ask(rig, fd, "{\"execute\":\"query-commands\"}\n"), "{\"name\":"), 8);
    close(fd);
}

/* Each is answered with one error, and the connection stays. */
static void nonsense(void **state)
{
    static const char *const lines[] = {
        "nonsense\n",
        "{\n",
        "[]\n",
        "\"stop\"\n",
        "{}\n",
        "{\"execute\":1}\n",
        "{\"execute\":null}\n",
        "{\"execute\":\"ping\",\"execute\":\"ping\"}\n",
        "{\"execute\":\"ping\",\"more\":1}\n",
        "{\"execute\":\"ping\",\"arguments\":[]}\n",
        "{\"execute\":\"ping\",\"arguments\":{\"x\":1}}\n",
        "{\"execute\":\"echo\"}\n",
        "{\"execute\":\"echo\",\"arguments\":{\"word\":1}}\n",
        "{\"execute\":\"echo\",\"arguments\":{\"word\":\"a\",\"times\":1.5}}\n",
        "{\"execute\":\"echo\",\"arguments\":{\"word\":\"a\",\"times\":99999999999999999999}}\n",
        "{\"execute\":\"\xff\xfe\"}\n",
        "{\"execute\":\"\\u0000\"}\n",
        "\xff\xff\xff\n",
        "{\"execute\":\"ping\"} {\"execute\":\"ping\"}\n",
    };
    struct rig *rig = *state;
    const int fd = client(rig);

    for (unsigned i = 0; i < ARRAY_SIZE(lines); i++) {
        const char *got = ask(rig, fd, lines[i]);

        if (count(got, "\n") != 1 || !strstr(got, "{\"error\":{\"class\":"))
            fail_msg("line %u: %s", i, got);
    }
    assert_string_equal(ask(rig, fd, "\n\r\n  \n" PING), PONG);
    assert_int_equal(rig->calls, 1);
    close(fd);
}

static void zero_bytes(void **state)
{
    struct rig *rig = *state;
    const int fd = client(rig);

    assert_int_equal(send(fd, "\0\0\0\n" PING, 4 + strlen(PING), 0), 4 + strlen(PING));
    assert_int_equal(count(hear(rig, fd), "\n"), 2);
    assert_non_null(strstr(text, PONG));
    close(fd);
}

static void nesting(void **state)
{
    static char deep[60000];
    struct rig *rig = *state;
    const int fd = client(rig);

    memset(deep, '[', sizeof(deep) - 2);
    deep[sizeof(deep) - 2] = '\n';
    assert_non_null(strstr(ask(rig, fd, deep), "error"));
    assert_string_equal(ask(rig, fd, PING), PONG);
    close(fd);
}

/* ---- lines in pieces ---- */

static void pieces(void **state)
{
    struct rig *rig = *state;
    const int fd = client(rig);

    for (const char *p = PING; *p; p++) {
        assert_int_equal(rig->calls, 0);
        assert_int_equal(send(fd, p, 1, 0), 1);
        settle(rig);
    }
    assert_string_equal(hear(rig, fd), PONG);
    assert_int_equal(count(ask(rig, fd, PING PING PING "{\"execute\""), PONG), 3);
    assert_string_equal(ask(rig, fd, ":\"ping\"}\n"), PONG);
    close(fd);
}

/* The client says that it has no more: what it said is answered, and then the connection ends. */
static void half_closed(void **state)
{
    struct rig *rig = *state;
    const int fd = client(rig);

    for (unsigned i = 0; i < 50; i++)
        say(fd, PING);
    say(fd, "{\"execute\":\"ping\"}"); /* without a newline */
    shutdown(fd, SHUT_WR);
    assert_int_equal(count(hear(rig, fd), PONG), 51);
    assert_true(ended(rig, fd));
    close(fd);
}

static void long_lines(void **state)
{
    static char line[10000];
    struct rig *rig = *state;
    const int fd = client(rig);
    size_t sent;
    char *got;

    memset(line, ' ', sizeof(line));
    for (sent = 0; sent < 10 * MIB; sent += sizeof(line)) {
        assert_int_equal(send(fd, line, sizeof(line), 0), sizeof(line));
        settle(rig);
    }
    got = strdup(hear(rig, fd));
    assert_int_equal(count(got, "too long"), 1);
    assert_int_equal(count(got, "\n"), 1);
    free(got);
    say(fd, "{\"execute\":\"ping\"}\n"); /* the end of that line: not a command */
    assert_string_equal(ask(rig, fd, PING), PONG);
    assert_int_equal(rig->calls, 1);
    close(fd);
}

/* ---- many, slow, greedy ---- */

static void too_many(void **state)
{
    struct rig *rig = *state;
    int fd[CONTROL_CLIENTS], more;

    for (unsigned i = 0; i < CONTROL_CLIENTS; i++)
        fd[i] = client(rig);
    for (unsigned i = 0; i < 100; i++) {
        more = client_raw(rig->path);
        assert_non_null(strstr(hear(rig, more), "too many clients"));
        assert_true(ended(rig, more));
        close(more);
    }
    for (unsigned i = 0; i < CONTROL_CLIENTS; i++)
        assert_string_equal(ask(rig, fd[i], PING), PONG);
    close(fd[3]);
    settle(rig);
    fd[3] = client(rig);
    assert_string_equal(ask(rig, fd[3], PING), PONG);
    for (unsigned i = 0; i < CONTROL_CLIENTS; i++)
        close(fd[i]);
}

/* It asks and asks and reads nothing: at some point it is not listened to any more, and others
 * are; when it reads it gets all of its answers. */
static void reads_nothing(void **state)
{
    struct rig *rig = *state;
    const int fd = client(rig), other = client(rig);
    unsigned asked = 0, got = 0, idle = 0;

    while (idle < 3) {
        const ssize_t n = send(fd, "{\"execute\":\"big\"}\n", 18, MSG_NOSIGNAL);

        assert_true(n == 18 || n < 0);
        asked += n == 18;
        idle = n == 18 ? 0 : idle + 1;
        settle(rig);
    }
    assert_true(rig->calls < 1000); /* some 20 KB each: what the sockets hold, and no more */
    assert_true(asked > rig->calls);
    assert_string_equal(ask(rig, other, PING), PONG);
    do {
        idle = count(hear(rig, fd), "\"big\"");
        got += idle;
    } while (idle);
    assert_int_equal(got, asked);
    close(fd);
    close(other);
}

static void events_go_to_those_who_asked(void **state)
{
    struct rig *rig = *state;
    const int quiet = client(rig), wants = client(rig);

    ask(rig, wants, "{\"execute\":\"qmp_capabilities\"}\n");
    control_event(rig->control, "STOP", NULL);
    control_event(rig->control, "BLOCK_RESIZE", json_pack("{s:s}", "device", "disk0"));
    assert_int_equal(count(hear(rig, wants), "\n"), 2);
    assert_non_null(strstr(text, "{\"event\":\"STOP\",\"timestamp\":{\"seconds\":"));
    assert_non_null(strstr(text, "\"microseconds\":"));
    assert_non_null(strstr(text, "\"data\":{\"device\":\"disk0\"}"));
    assert_string_equal(hear(rig, quiet), "");
    control_event(NULL, "STOP", json_object()); /* no socket: nobody hears, nothing is lost */
    close(quiet);
    close(wants);
}

/* It wants events and reads none: bounded memory, then it is let go; others go on. */
static void events_unread(void **state)
{
    struct rig *rig = *state;
    const int slow = client(rig), other = client(rig);
    char word[10000];
    unsigned n = 0;

    memset(word, 'e', sizeof(word) - 1);
    word[sizeof(word) - 1] = '\0';
    say(slow, "{\"execute\":\"qmp_capabilities\"}\n");
    ask(rig, other, "{\"execute\":\"qmp_capabilities\"}\n");
    for (n = 0; n < 1000; n++) { /* 10 MB */
        control_event(rig->control, "TEST", json_pack("{s:s}", "word", word));
        assert_int_equal(count(hear(rig, other), "\"TEST\""), 1);
    }
    n = count(hear(rig, slow), "\"TEST\"");
    assert_in_range(n, 5, 600); /* what its socket held, and no more */
    assert_true(ended(rig, slow));
    assert_string_equal(ask(rig, other, PING), PONG);
    close(slow);
    close(other);
}

/* A client with thousands of commands on its way does not keep another one waiting. */
static void turns(void **state)
{
    struct rig *rig = *state;
    const int greedy = client(rig), other = client(rig);
    static char many[2000 * sizeof(PING)];
    unsigned n = 0;
    char got[sizeof(PONG)];

    for (unsigned i = 0; i < 2000; i++)
        strcat(many, PING);
    say(greedy, many);
    say(other, PING);
    while (recv(other, got, sizeof(got), 0) < 0 && n++ < 100)
        loop_turn(rig->loop, 0);
    assert_in_range(n, 1, 3);
    assert_in_range(rig->calls, 1, 40);
    assert_int_equal(count(hear(rig, greedy), PONG), 2000);
    close(greedy);
    close(other);
}

/* Clients that vanish at every stage. */
static void vanish(void **state)
{
    struct rig *rig = *state;

    for (unsigned i = 0; i < 200; i++) {
        const int fd = client_raw(rig->path);

        assert_true(fd >= 0);
        if (i % 4 == 1)
            say(fd, "{\"execute\":");
        if (i % 4 >= 2)
            settle(rig);
        if (i % 4 == 3)
            say(fd, PING PING);
        close(fd);
        settle(rig);
    }
    close(client(rig));
}

/* No descriptor left for a client: it waits, and the loop does not spin meanwhile. */
static void no_descriptors(void **state)
{
    struct rig *rig = *state;
    const int fd = client_raw(rig->path);
    struct rlimit before, now;
    unsigned ran = 0;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    now = (struct rlimit){(rlim_t)fd, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
    for (unsigned i = 0; i < 20; i++)
        ran += (unsigned)loop_turn(rig->loop, 10);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_in_range(ran, 1, 2);
    text[0] = '\0';
    for (unsigned i = 0; i < 30 && !strstr(text, "QMP"); i++) {
        loop_turn(rig->loop, 100);
        hear(rig, fd);
    }
    assert_string_equal(ask(rig, fd, PING), PONG);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(shapes, setup, teardown),
        cmocka_unit_test_setup_teardown(nonsense, setup, teardown),
        cmocka_unit_test_setup_teardown(zero_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(nesting, setup, teardown),
        cmocka_unit_test_setup_teardown(pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(half_closed, setup, teardown),
        cmocka_unit_test_setup_teardown(long_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(too_many, setup, teardown),
        cmocka_unit_test_setup_teardown(reads_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(events_go_to_those_who_asked, setup, teardown),
        cmocka_unit_test_setup_teardown(events_unread, setup, teardown),
        cmocka_unit_test_setup_teardown(turns, setup, teardown),
        cmocka_unit_test_setup_teardown(vanish, setup, teardown),
        cmocka_unit_test_setup_teardown(no_descriptors, setup, teardown),
    };

    return cmocka_run_group_tests_name("control", tests, NULL, NULL);
}
