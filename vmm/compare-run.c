// SPDX-License-Identifier: MIT
/*
 * Owns one boot as a child process: start, console, progress, end. Refuses to know what is
 * compared.
 */
#include "vmm/compare-run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "vmm/base/bits.h"
#include "vmm/base/ends.h"

enum { CHUNK = 4096, LINE = 60, TURN_MS = 200 };

#define END_DEADLINE_NS (UINT64_C(20) * 1000000000)

const char *const boot_end_text[BOOT_ENDS] = {
    [BOOT_TEXT] = "reached the text",
    [BOOT_OTHER] = "said the other text",
    [BOOT_SELF] = "ended by itself",
    [BOOT_SILENT] = "ended without the text",
    [BOOT_LIMIT] = "did not end within --limit",
    [BOOT_CRASHED] = "crashed",
    [BOOT_REFUSED] = "could not start",
    [BOOT_STOPPED] = "was stopped",
};

struct child {
    const struct boot_order *order;
    struct collect_boot *boot;
    uint64_t started; /* clock_ns() */
    pid_t pid;
    int console, signals;
    bool tty;
    size_t matched[2];   /* bytes of the texts that the console's last ones are */
    char line[LINE + 1]; /* the console's last one, printable */
    unsigned n_line;
    bool line_over;
};

static uint64_t wall_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* ---- start ---- */

/* Between fork and exec: nothing but system calls. */
static void child_become(const struct boot_order *order, int console)
{
    const int null = open("/dev/null", O_RDONLY), errors = open(order->errors, O_WRONLY | O_APPEND);
    sigset_t none;

    prctl(PR_SET_PDEATHSIG, SIGTERM);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (null < 0 || errors < 0 || dup2(null, 0) < 0 || dup2(console, 1) < 0 || dup2(errors, 2) < 0)
        _exit(1);
    execv("/proc/self/exe", order->argv);
    _exit(1);
}

static int child_start(struct child *c, struct err *err)
{
    int pipes[2];

    if (pipe2(pipes, O_CLOEXEC) < 0)
        return err_errno(err, errno, "pipe");
    c->started = clock_ns();
    c->boot->wall = wall_ns();
    c->pid = fork();
    if (c->pid == 0)
        child_become(c->order, pipes[1]);
    close(pipes[1]);
    c->console = pipes[0];
    if (c->pid < 0) {
        close(pipes[0]);
        return err_errno(err, errno, "fork");
    }
    return 0;
}

/* ---- console ---- */

static void line_take(struct child *c, char ch)
{
    if (ch == '\n' || ch == '\r') {
        c->line_over = true;
        return;
    }
    if (c->line_over)
        c->n_line = 0;
    c->line_over = false;
    if (ch >= 0x20 && ch < 0x7f && c->n_line < LINE)
        c->line[c->n_line++] = ch;
    c->line[c->n_line] = '\0';
}

/* How much of text ends in text[0..matched) followed by ch. */
static size_t text_match(const char *text, size_t matched, char ch)
{
    for (size_t n = matched + 1; n > 0; n--)
        if (text[n - 1] == ch && memcmp(text, text + matched - (n - 1), n - 1) == 0)
            return n;
    return 0;
}

/* Which of the texts has come: BOOT_ENDS for none. */
static enum boot_end console_take(struct child *c, const char *data, size_t n)
{
    const char *const text[] = {c->order->until, c->order->other};
    static const enum boot_end end[] = {BOOT_TEXT, BOOT_OTHER};

    for (size_t i = 0; i < n; i++) {
        line_take(c, data[i]);
        for (unsigned k = 0; k < ARRAY_SIZE(text); k++) {
            if (!text[k])
                continue;
            c->matched[k] = text_match(text[k], c->matched[k], data[i]);
            if (!text[k][c->matched[k]])
                return end[k];
        }
    }
    return BOOT_ENDS;
}

static void progress(const struct child *c)
{
    if (c->tty)
        fprintf(stderr, "\r\033[K%s %6.1f s  %s", c->order->label,
                (double)(clock_ns() - c->started) / 1e9, c->line);
}

/* ---- watching ---- */

/* What came of the console: a text, BOOT_SELF for its end, or BOOT_ENDS for anything else. */
static enum boot_end console_read(struct child *c)
{
    char data[CHUNK];
    const ssize_t n = read(c->console, data, sizeof(data));

    if (n <= 0)
        return n < 0 && errno == EINTR ? BOOT_ENDS : BOOT_SELF;
    if (!c->boot->first_output)
        c->boot->first_output = clock_ns() - c->started;
    return console_take(c, data, (size_t)n);
}

static enum boot_end child_watch(struct child *c)
{
    struct pollfd fds[] = {{.fd = c->console, .events = POLLIN},
                           {.fd = c->signals, .events = POLLIN}};
    enum boot_end got;

    while (clock_ns() - c->started < c->order->limit_ns) {
        fds[0].revents = fds[1].revents = 0;
        if (poll(fds, ARRAY_SIZE(fds), TURN_MS) < 0 && errno != EINTR)
            return BOOT_STOPPED;
        if (fds[1].revents)
            return BOOT_STOPPED;
        progress(c);
        got = fds[0].revents ? console_read(c) : BOOT_ENDS;
        if (got == BOOT_TEXT || got == BOOT_OTHER)
            c->boot->until = clock_ns() - c->started;
        if (got == BOOT_SELF && c->order->until)
            return BOOT_SILENT;
        if (got != BOOT_ENDS)
            return got;
    }
    return BOOT_LIMIT;
}

/* Its last output is read and forgotten, lest it waits for room. */
static int child_reap(const struct child *c, bool ask)
{
    const uint64_t deadline = clock_ns() + END_DEADLINE_NS;
    char data[CHUNK];
    int status;

    if (ask)
        kill(c->pid, SIGTERM);
    fcntl(c->console, F_SETFL, O_NONBLOCK);
    while (waitpid(c->pid, &status, WNOHANG) == 0) {
        struct pollfd fd = {.fd = c->console, .events = POLLIN};

        if (clock_ns() > deadline)
            kill(c->pid, SIGKILL);
        if (poll(&fd, 1, 5) > 0 && read(c->console, data, sizeof(data)) <= 0)
            poll(NULL, 0, 5);
    }
    return status;
}

static enum boot_end end_of(enum boot_end watched, int status)
{
    const bool asked = watched != BOOT_SELF && watched != BOOT_SILENT;

    if (asked)
        return watched;
    if (!WIFEXITED(status) || WEXITSTATUS(status) == 2)
        return BOOT_CRASHED;
    return WEXITSTATUS(status) == 1 ? BOOT_REFUSED : watched; /* 3: lint's */
}

/* Signals that came while nobody looked any more: they end the work, not the process half way. */
static bool stop_asked(int signals)
{
    struct signalfd_siginfo info;
    bool any = false;

    while (read(signals, &info, sizeof(info)) == sizeof(info))
        any = true;
    return any;
}

int compare_boot(const struct boot_order *order, enum boot_end *end, struct collect_boot *boot,
                 struct err *err)
{
    struct child c = {.order = order, .boot = boot, .tty = isatty(2)};
    sigset_t ends, before;
    int ret;

    *boot = (struct collect_boot){0};
    ends_choose(&ends);
    sigprocmask(SIG_BLOCK, &ends, &before);
    c.signals = signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
    ret = c.signals < 0 ? err_errno(err, errno, "signalfd") : child_start(&c, err);
    if (ret == 0) {
        const enum boot_end watched = child_watch(&c);

        boot->end = clock_ns() - c.started;
        *end = end_of(watched, child_reap(&c, watched != BOOT_SELF && watched != BOOT_SILENT));
        if (stop_asked(c.signals))
            *end = BOOT_STOPPED;
        close(c.console);
        if (c.tty)
            fputs("\r\033[K", stderr);
        if (!order->silent)
            fprintf(stderr, "%s %6.1f s  %s\n", order->label, (double)boot->end / 1e9,
                    boot_end_text[*end]);
    }
    if (c.signals >= 0)
        close(c.signals);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return ret;
}
