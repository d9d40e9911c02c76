// SPDX-License-Identifier: MIT
/*
 * Owns the text of errors and the log. Refuses to know who asks, and never ends the process.
 */
#include "vmm/base/err.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "vmm/base/bits.h"

enum { LIMIT_BURST = 5, LIMIT_WINDOW_MS = 10000, BUG_LINES = 64, TURN_MS = 50 };

const char *const log_level_name[LOG_LEVELS] = {"error", "warn", "info", "debug"};

static _Atomic int log_level = LOG_WARN;
static _Atomic bool log_raw;
static const char *log_name;

static struct {
    _Atomic int patience_ms;
    _Atomic bool busy;     /* a thread writes a line */
    _Atomic uint32_t lost; /* lines, since the last one that was written */
} out = {.patience_ms = LOG_FOR_EVER};
static _Thread_local volatile sig_atomic_t inside; /* a handler finds its own thread amid a line */

static void text_add(char *buf, size_t size, const char *more)
{
    const size_t have = strlen(buf);

    if (have + 1 < size)
        snprintf(buf + have, size - have, "%s", more);
}

int err_set(struct err *e, int code, const char *fmt, ...)
{
    va_list ap;

    if (e) {
        va_start(ap, fmt);
        vsnprintf(e->text, sizeof(e->text), fmt, ap);
        va_end(ap);
    }
    return -code;
}

int err_errno(struct err *e, int code, const char *fmt, ...)
{
    va_list ap;
    char why[96];

    if (e) {
        va_start(ap, fmt);
        vsnprintf(e->text, sizeof(e->text), fmt, ap);
        va_end(ap);
        text_add(e->text, sizeof(e->text), ": ");
        text_add(e->text, sizeof(e->text), strerror_r(code, why, sizeof(why)));
    }
    return -code;
}

void log_set_level(enum log_level level)
{
    atomic_store(&log_level, (int)level);
}

void log_set_name(const char *name)
{
    log_name = name;
}

void log_set_raw(bool raw)
{
    atomic_store(&log_raw, raw);
}

void log_set_patience(int ms)
{
    atomic_store(&out.patience_ms, ms);
}

/* #syscalls:* ppoll */
static bool room_wait(int ms)
{
    const struct timespec wait = {ms / 1000, ms % 1000 * 1000000L};
    struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};

    return ppoll(&fd, 1, &wait, NULL) > 0;
}

/* A reader that has let the log wait in vain once is not waited for again. */
static bool room_have(void)
{
    const int ms = atomic_load(&out.patience_ms);

    if (ms < 0 || room_wait(ms))
        return true;
    atomic_store(&out.patience_ms, 0);
    return false;
}

/* Whoever has its turn does not wait there, so it is over soon, unless its thread does not run. */
static bool turn_take(void)
{
    const struct timespec tick = {0, 1000000};

    for (unsigned i = 0; atomic_exchange(&out.busy, true); i++) {
        if (i == TURN_MS)
            return false;
        ppoll(NULL, 0, &tick, NULL);
    }
    return true;
}

/*
 * One write() per line, so that lines of several threads do not mix; and one thread at a time, so
 * that the room that one has seen is not another's. A device's thread would wait for the reader
 * with its device locked, then vCPUs for the device: rather lose the line, and say so.
 */
static bool text_out(const char *text, size_t len)
{
    bool ok = false;

    if (atomic_load(&out.patience_ms) < 0)
        return write(STDERR_FILENO, text, len) >= 0;
    if (inside)
        return false;
    inside = true; /* before the turn is taken: no handler waits for its own thread */
    if (turn_take()) {
        ok = room_have() && write(STDERR_FILENO, text, len) >= 0;
        atomic_store(&out.busy, false);
    }
    inside = false;
    return ok;
}

static void line_write(const char *text)
{
    const uint32_t lost = atomic_exchange(&out.lost, 0);
    char line[1400], more[48] = "";
    int n;
    size_t len;

    if (lost)
        snprintf(more, sizeof(more), " (%u lost before it)", lost);
    n = snprintf(line, sizeof(line) - 2, "vmm%s%s: %s%s", log_name ? " " : "",
                 log_name ? log_name : "", text, more);
    len = n < 0 ? 0 : min_u64((uint64_t)n, sizeof(line) - 3);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = '?';
    if (atomic_load(&log_raw))
        line[len++] = '\r';
    line[len++] = '\n';
    if (!text_out(line, len))
        atomic_fetch_add(&out.lost, lost + 1);
}

void log_msg(enum log_level level, const char *fmt, ...)
{
    va_list ap;
    char text[sizeof(((struct err *)NULL)->text)];

    if ((int)level > atomic_load(&log_level))
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    line_write(text);
}

void log_limited(struct log_limit *limit, enum log_level level, const char *fmt, ...)
{
    const uint64_t now = clock_ns();
    va_list ap;
    char text[600];

    if ((int)level > atomic_load(&log_level))
        return;
    if (now - limit->window_start_ns > LIMIT_WINDOW_MS * UINT64_C(1000000)) {
        limit->window_start_ns = now;
        limit->in_window = 0;
    }
    if (limit->in_window >= LIMIT_BURST) {
        limit->dropped++;
        return;
    }
    limit->in_window++;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (limit->dropped) {
        char more[64];

        snprintf(more, sizeof(more), " (and %u more before)", limit->dropped);
        text_add(text, sizeof(text), more);
        limit->dropped = 0;
    }
    line_write(text);
}

bool bug_at(const char *file, int line, const char *what)
{
    static _Atomic uint32_t told[BUG_LINES]; /* by a hash of the place: once each is enough */
    uint32_t place = (uint32_t)line;

    for (const char *p = file; *p; p++)
        place = place * 31 + (unsigned char)*p;
    place |= 1;
    if (atomic_exchange(&told[place % BUG_LINES], place) != place)
        log_msg(LOG_ERROR, "bug in vmm at %s:%d: %s; please report it", file, line, what);
    return true;
}

/* #syscalls:* clock_gettime */
uint64_t clock_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}
