// SPDX-License-Identifier: MIT
/*
 * Owns the terminal while something is drawn on it: its modes, its second screen, the signals that
 * would leave both behind. Refuses to know what is drawn.
 */
#include "vmm/top-screen.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "vmm/base/bits.h"

#define SCREEN_ENTER "\033[?1049h\033[?25l" /* the second screen, no cursor */
#define SCREEN_LEAVE "\033[?25h\033[?1049l"

enum { ROWS_DEFAULT = 24, COLUMNS_DEFAULT = 80 };

static const int ending[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

static struct {
    struct termios before;
    sigset_t mask; /* as it was, which is that of waiting, too */
    struct sigaction old[ARRAY_SIZE(ending)], old_resize;
} screen;

static volatile sig_atomic_t ended, resized;

static void on_end(int sig)
{
    (void)sig;
    ended = 1;
}

static void on_resize(int sig)
{
    (void)sig;
    resized = 1;
}

/* A terminal that takes nothing any more is noticed by screen_wait(). */
static void put(const char *text, size_t len)
{
    while (len) {
        const ssize_t n = write(STDOUT_FILENO, text, len);

        if (n < 0 && errno != EINTR)
            return;
        text += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
}

static void signals_take(void)
{
    const struct sigaction end = {.sa_handler = on_end}, resize = {.sa_handler = on_resize};
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGWINCH);
    for (unsigned i = 0; i < ARRAY_SIZE(ending); i++)
        sigaddset(&set, ending[i]);
    sigprocmask(SIG_BLOCK, &set, &screen.mask); /* they come while screen_wait() waits */
    for (unsigned i = 0; i < ARRAY_SIZE(ending); i++) {
        sigdelset(&screen.mask, ending[i]);
        sigaction(ending[i], &end, &screen.old[i]);
    }
    sigdelset(&screen.mask, SIGWINCH);
    sigaction(SIGWINCH, &resize, &screen.old_resize);
}

int screen_open(struct err *err)
{
    struct termios raw;

    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) ||
        tcgetattr(STDIN_FILENO, &screen.before) < 0)
        return err_set(err, ENOTTY, "this is no terminal: give --once, or --json");
    ended = resized = 0;
    signals_take();
    raw = screen.before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw);
    put(SCREEN_ENTER, strlen(SCREEN_ENTER));
    return 0;
}

void screen_close(void)
{
    put(SCREEN_LEAVE, strlen(SCREEN_LEAVE));
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &screen.before);
    for (unsigned i = 0; i < ARRAY_SIZE(ending); i++)
        sigaction(ending[i], &screen.old[i], NULL);
    sigaction(SIGWINCH, &screen.old_resize, NULL);
    sigprocmask(SIG_SETMASK, &screen.mask, NULL);
}

static void size_ask(unsigned *rows, unsigned *columns)
{
    struct winsize size = {0};

    ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    *rows = size.ws_row ? size.ws_row : ROWS_DEFAULT;
    *columns = size.ws_col ? size.ws_col : COLUMNS_DEFAULT;
}

/* All in one write: no half picture is ever seen. The last line must not end, or it scrolls. */
void screen_draw(const char *text)
{
    unsigned rows, columns, row = 0;
    char *out = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&out, &len);

    if (!to)
        return;
    size_ask(&rows, &columns);
    fputs("\033[H", to);
    for (; *text && row < rows; row++) {
        const size_t n = strcspn(text, "\n");

        fprintf(to, "%s%.*s\033[K", row ? "\r\n" : "", (int)min_u64(n, columns), text);
        text += n + (text[n] == '\n');
    }
    fputs("\033[J", to);
    if (fclose(to) == 0)
        put(out, len);
    free(out);
}

enum screen_event screen_wait(unsigned ms, char *key)
{
    const struct timespec wait = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    struct pollfd fd = {.fd = STDIN_FILENO, .events = POLLIN};
    const int n = ppoll(&fd, 1, &wait, &screen.mask);

    if (ended || (n > 0 && read(STDIN_FILENO, key, 1) != 1))
        return SCREEN_END;
    if (n > 0)
        return SCREEN_KEY;
    if (resized) {
        resized = 0;
        return SCREEN_RESIZED;
    }
    return n < 0 && errno != EINTR ? SCREEN_END : SCREEN_TIME;
}
