/* SPDX-License-Identifier: MIT */
/*
 * Errors and messages. Four kinds of trouble, four answers:
 *   set-up       the function fills a struct err and returns a negative errno; main prints it
 *   host, later  -errno to the caller; a log line where it is understood
 *   guest        vdev_fail() or the bus answers; never here
 *   ours         bug(): one line, and the caller takes its safe way out
 * Nothing in here ends the process.
 */
#ifndef VMM_BASE_ERR_H
#define VMM_BASE_ERR_H

#include <stdbool.h>
#include <stdint.h>

/* A sentence for the user: names the thing, the reason and what to do. No newline. */
struct err {
    char text[1280];
};

/*
 * Fill e (may be NULL) and return -code, so that "return err_set(e, EINVAL, ...)" reads well.
 * code: a positive errno value. Any thread.
 */
int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* As err_set, with ": " and the text of errno code appended. */
int err_errno(struct err *e, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4), nonnull(3)));

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_LEVELS };

/* Names in the order of enum log_level, for the option table: "error", "warn", "info", "debug". */
extern const char *const log_level_name[LOG_LEVELS];

/* Messages above level are not printed. Set before threads start; default LOG_WARN. */
void log_set_level(enum log_level level);

/* Lines begin with "vmm NAME: " from here on; name must stay. Before threads start. */
void log_set_name(const char *name);

/* Lines end in CR LF while the terminal is raw. Any thread. */
void log_set_raw(bool raw);

/*
 * How long a line may wait until standard error, a pipe or a terminal, takes it. LOG_FOR_EVER, the
 * default, is for set-up: nothing is lost. A line that may wait no longer is dropped, and the next
 * one says how many were; after a time-out no other line waits. Any thread.
 */
enum { LOG_FOR_EVER = -1 };
void log_set_patience(int ms);

/* One line on standard error, "vmm: " in front, control characters replaced. Any thread. */
void log_msg(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * For messages that a guest or a failing host can cause again and again: at most burst lines in
 * window_ms, the rest counted and told with the next line. Zero-initialise. One thread at a time
 * per limit (callers hold their device's lock).
 */
struct log_limit {
    uint64_t window_start_ns;
    uint32_t in_window;
    uint32_t dropped;
};

void log_limited(struct log_limit *limit, enum log_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Our own mistake: tell it once per place and return true; the caller leaves by its safe way. */
#define bug(what) bug_at(__FILE__, __LINE__, (what))
bool bug_at(const char *file, int line, const char *what);

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t clock_ns(void);

#endif
