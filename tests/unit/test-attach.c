// SPDX-License-Identifier: MIT
/* vmm ctl NAME console: a terminal that is attached to a console elsewhere, and how it is left. */
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <termios.h>

#include "tests/unit/control-rig.h"
#include "vmm/ctl.h"

#define ATTACH "{\"execute\":\"console-attach\"}\n"

struct seat {
    struct rig *rig;
    int fd; /* the other end of the terminal */
    struct termios before;
    pid_t child;
    char got[4096];
    size_t have;
};

/* Serve the machine and read what is shown, until that holds word; false: not in 10 s. */
static bool sees(struct seat *seat, const char *word)
{
    const uint64_t end = clock_ns() + UINT64_C(10000000000);

    while (clock_ns() < end && seat->have < sizeof(seat->got) - 1) {
        struct pollfd p = {.fd = seat->fd, .events = POLLIN};
        ssize_t n;

        loop_turn(seat->rig->loop, 5);
        if (poll(&p, 1, 5) <= 0)
            continue;
        n = read(seat->fd, seat->got + seat->have, sizeof(seat->got) - 1 - seat->have);
        if (n <= 0)
            break;
        seat->have += (size_t)n;
        seat->got[seat->have] = '\0';
        if (strstr(seat->got, word))
            return true;
    }
    return false;
}

static void sit(struct seat *seat, struct rig *rig)
{
    char *argv[] = {"ctl", rig->path, "console", NULL};
    int slave;

    *seat = (struct seat){.rig = rig};
    assert_int_equal(openpty(&seat->fd, &slave, NULL, NULL, NULL), 0);
    assert_int_equal(tcgetattr(slave, &seat->before), 0);
    seat->child = fork();
    if (!seat->child) {
        dup2(slave, 0);
        dup2(slave, 1);
        dup2(slave, 2);
        setsid();
        exit(ctl_main(3, argv));
    }
    close(slave);
    assert_true(sees(seat, "attached to the console"));
    assert_true(rig->taken > 0);
}

static void type(struct seat *seat, const char *keys)
{
    assert_int_equal(write(seat->fd, keys, strlen(keys)), strlen(keys));
}

/* What the machine gets, within 10 s. */
static void gets(const struct seat *seat, const char *want)
{
    char got[256] = "";
    size_t have = 0;

    while (have < strlen(want)) {
        struct pollfd p = {.fd = seat->rig->taken - 1, .events = POLLIN};
        ssize_t n;

        assert_int_equal(poll(&p, 1, 10000), 1);
        n = recv(seat->rig->taken - 1, got + have, sizeof(got) - 1 - have, 0);
        assert_true(n > 0);
        have += (size_t)n;
    }
    assert_string_equal(got, want);
}

/* The terminal is as it was. Returns what waitpid() says of the process. */
static int left(struct seat *seat)
{
    struct termios now;
    int status;

    assert_int_equal(waitpid(seat->child, &status, 0), seat->child);
    assert_int_equal(tcgetattr(seat->fd, &now), 0);
    assert_int_equal(now.c_lflag, seat->before.c_lflag);
    assert_int_equal(now.c_iflag, seat->before.c_iflag);
    assert_int_equal(now.c_oflag, seat->before.c_oflag);
    close(seat->fd);
    return status;
}

static void keys(void **state)
{
    struct seat seat;
    struct termios now;

    sit(&seat, *state);
    type(&seat, "ls\r\003");
    gets(&seat, "ls\r\003");
    assert_int_equal(tcgetattr(seat.fd, &now), 0);
    assert_false(now.c_lflag & (ICANON | ECHO | ISIG));
    type(&seat, "\001\001b\001a");
    gets(&seat, "\001b\001");
    type(&seat, "\001qz");
    gets(&seat, "z");
    type(&seat, "\001h");
    assert_true(sees(&seat, "leave this console"));
    assert_int_equal(send(seat.rig->taken - 1, "# prompt\r\n", 10, 0), 10);
    assert_true(sees(&seat, "# prompt\r\n"));
    type(&seat, "\001x");
    assert_true(sees(&seat, "left the console"));
    assert_int_equal(left(&seat), 0);
}

/* A guest that reads nothing does not keep anybody here. */
static void leaves_a_deaf_guest(void **state)
{
    static char much[3000];
    struct seat seat;

    sit(&seat, *state);
    memset(much, 'y', sizeof(much) - 1);
    for (unsigned i = 0; i < 400; i++) { /* more than a socket and the program hold */
        struct pollfd p = {.fd = seat.fd, .events = POLLOUT};

        assert_int_equal(poll(&p, 1, 10000), 1);
        type(&seat, much);
    }
    type(&seat, "\001x");
    assert_true(sees(&seat, "left the console"));
    assert_int_equal(left(&seat), 0);
}

static void machine_ends(void **state)
{
    struct rig *rig = *state;
    struct seat seat;

    sit(&seat, rig);
    assert_int_equal(send(rig->taken - 1, "last words", 10, 0), 10);
    close(rig->taken - 1);
    rig->taken = 0;
    assert_true(sees(&seat, "the console ended"));
    assert_non_null(strstr(seat.got, "last words"));
    assert_int_equal(left(&seat), 0);
}

static void signals(void **state)
{
    static const int sig[] = {SIGTERM, SIGHUP, SIGINT, SIGQUIT};

    for (unsigned i = 0; i < sizeof(sig) / sizeof(sig[0]); i++) {
        struct seat seat;
        int status;

        sit(&seat, *state);
        type(&seat, "a");
        gets(&seat, "a"); /* it is raw now */
        kill(seat.child, sig[i]);
        status = left(&seat);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), sig[i]);
    }
}

/* Without a terminal: all of it is sent, keys mean nothing, and output goes on after its end. */
static void pipes(void **state)
{
    struct rig *rig = *state;
    char *argv[] = {"ctl", rig->path, "console", NULL};
    struct seat seat = {.rig = rig};
    int in[2], out[2], status;

    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    seat.fd = out[0];
    assert_int_equal(write(in[1], "echo\001x\n", 7), 7);
    close(in[1]);
    seat.child = fork();
    if (!seat.child) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        close(out[0]);
        exit(ctl_main(3, argv));
    }
    close(in[0]);
    close(out[1]);
    while (!rig->taken)
        loop_turn(rig->loop, 100);
    gets(&seat, "echo\001x\n");
    assert_int_equal(send(rig->taken - 1, "later", 5, 0), 5);
    assert_true(sees(&seat, "later"));
    close(rig->taken - 1);
    rig->taken = 0;
    assert_int_equal(waitpid(seat.child, &status, 0), seat.child);
    assert_int_equal(status, 0);
    close(out[0]);
}

/* The answer first, and then nothing but the console. */
static void handed_over(void **state)
{
    struct rig *rig = *state;
    const int fd = client(rig);
    char c;

    say(fd, "{\"execute\":\"qmp_capabilities\"}\n" ATTACH);
    assert_string_equal(hear(rig, fd), PONG PONG);
    assert_true(rig->taken > 0);
    control_event(rig->control, "NOISE", NULL);
    say(fd, PING);
    assert_string_equal(hear(rig, fd), "");
    assert_int_equal(rig->calls, 0);
    assert_int_equal(recv(rig->taken - 1, &c, 1, 0), 1);
    assert_int_equal(c, '{');
    close(fd);
}

/* A client that is gone, or does not read its answers, gets no console. */
static void not_handed_over(void **state)
{
    struct rig *rig = *state;
    int fd = client(rig);

    say(fd, ATTACH);
    close(fd);
    settle(rig);
    fd = client(rig);
    rig->taken = 0; /* whichever came first, the answer or the end */
    for (unsigned i = 0; i < 64; i++)
        say(fd, "{\"execute\":\"big\"}\n");
    say(fd, ATTACH);
    settle(rig);
    assert_int_equal(rig->taken, 0);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keys, setup, teardown),
        cmocka_unit_test_setup_teardown(leaves_a_deaf_guest, setup, teardown),
        cmocka_unit_test_setup_teardown(machine_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(signals, setup, teardown),
        cmocka_unit_test_setup_teardown(pipes, setup, teardown),
        cmocka_unit_test_setup_teardown(handed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(not_handed_over, setup, teardown),
    };

    return cmocka_run_group_tests_name("attach", tests, NULL, NULL);
}
