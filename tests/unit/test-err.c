// SPDX-License-Identifier: MIT
/*
 * vmm/base/err: error texts and the log, read back from a pipe in place of standard error.
 */
#include "vmm/base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

enum { TEXT = 8192 };

static int saved, pipe_out;

static void stderr_catch(void)
{
    int fd[2];

    assert_int_equal(pipe2(fd, O_NONBLOCK), 0);
    saved = dup(STDERR_FILENO);
    dup2(fd[1], STDERR_FILENO);
    close(fd[1]);
    pipe_out = fd[0];
}

/* What was written since stderr_catch(). */
static const char *stderr_text(void)
{
    static char text[TEXT];
    const ssize_t n = read(pipe_out, text, sizeof(text) - 1);

    dup2(saved, STDERR_FILENO);
    close(saved);
    close(pipe_out);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static unsigned lines(const char *text)
{
    unsigned n = 0;

    for (; *text; text++)
        n += *text == '\n';
    return n;
}

static void set_fills(void **state)
{
    struct err e;

    (void)state;
    assert_int_equal(err_set(&e, EINVAL, "no %s today", "tea"), -EINVAL);
    assert_string_equal(e.text, "no tea today");
    assert_int_equal(err_set(NULL, ENOSPC, "nobody listens"), -ENOSPC);
}

static void errno_appends(void **state)
{
    struct err e;

    (void)state;
    assert_int_equal(err_errno(&e, ENOENT, "disk %d", 3), -ENOENT);
    assert_string_equal(e.text, "disk 3: No such file or directory");
    assert_int_equal(err_errno(NULL, EIO, "x"), -EIO);
}

static void long_text_is_cut(void **state)
{
    char big[2000];
    struct err e;

    (void)state;
    memset(big, 'a', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    assert_int_equal(err_errno(&e, EIO, "%s", big), -EIO);
    assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
    stderr_catch();
    log_msg(LOG_ERROR, "%s", big);
    assert_int_equal(lines(stderr_text()), 1);
}

static void level_filters(void **state)
{
    const char *text;

    (void)state;
    stderr_catch();
    log_set_level(LOG_WARN);
    log_msg(LOG_INFO, "hidden");
    log_msg(LOG_WARN, "shown");
    log_set_level(LOG_DEBUG);
    log_msg(LOG_DEBUG, "detail");
    log_set_level(LOG_WARN);
    text = stderr_text();
    assert_string_equal(text, "vmm: shown\nvmm: detail\n");
}

static void control_characters_do_not_pass(void **state)
{
    (void)state;
    stderr_catch();
    log_msg(LOG_ERROR, "a\033[2Jb\nvmm: forged\177");
    assert_string_equal(stderr_text(), "vmm: a?[2Jb?vmm: forged?\n");
}

static void raw_terminal_gets_cr(void **state)
{
    (void)state;
    stderr_catch();
    log_set_raw(true);
    log_msg(LOG_ERROR, "x");
    log_set_raw(false);
    assert_string_equal(stderr_text(), "vmm: x\r\n");
}

static void limit_counts(void **state)
{
    struct log_limit limit = {0};
    unsigned shown;
    const char *text;

    (void)state;
    stderr_catch();
    for (unsigned i = 0; i < 1000; i++)
        log_limited(&limit, LOG_ERROR, "again %u", i);
    text = stderr_text();
    shown = lines(text);
    assert_in_range(shown, 1, 20);
    assert_int_equal(limit.dropped, 1000 - shown);
    stderr_catch();
    limit.window_start_ns = clock_ns() - UINT64_C(3600000000000); /* much later */
    log_limited(&limit, LOG_ERROR, "last");
    text = stderr_text();
    assert_non_null(strstr(text, "last (and 9"));
    assert_int_equal(limit.dropped, 0);
}

static void bug_tells_once_per_place(void **state)
{
    (void)state;
    stderr_catch();
    for (unsigned i = 0; i < 100; i++)
        assert_true(bug("the sky is green"));
    assert_int_equal(lines(stderr_text()), 1);
}

static volatile sig_atomic_t interrupts;

static void on_alarm(int signal)
{
    (void)signal;
    interrupts++;
    log_msg(LOG_ERROR, "from a handler");
}

static unsigned pipe_fill(void)
{
    const char junk[4096] = {0};
    ssize_t n, sum = 0;

    while ((n = write(STDERR_FILENO, junk, sizeof(junk))) > 0)
        sum += n;
    return (unsigned)sum;
}

static void pipe_drain(unsigned bytes)
{
    char junk[4096];

    for (ssize_t n; bytes; bytes -= (unsigned)n) {
        n = read(pipe_out, junk, sizeof(junk));
        assert_true(n > 0 && (unsigned)n <= bytes);
    }
}

/* While the machine runs nobody waits for the log's reader; what is lost is counted. */
static void nobody_reads(void **state)
{
    unsigned full;
    uint64_t start;

    (void)state;
    stderr_catch();
    full = pipe_fill();
    fcntl(STDERR_FILENO, F_SETFL, 0); /* as users have them */
    log_set_patience(0);
    start = clock_ns();
    for (unsigned i = 0; i < 3; i++)
        log_msg(LOG_ERROR, "unheard");
    assert_true(clock_ns() - start < 100000000);
    pipe_drain(full);
    log_msg(LOG_ERROR, "heard");
    log_msg(LOG_ERROR, "as well");
    log_set_patience(LOG_FOR_EVER);
    assert_string_equal(stderr_text(), "vmm: heard (3 lost before it)\nvmm: as well\n");
}

/* At the end there is time, once. */
static void last_words_wait_once(void **state)
{
    unsigned full;
    uint64_t start;

    (void)state;
    stderr_catch();
    full = pipe_fill();
    fcntl(STDERR_FILENO, F_SETFL, 0);
    log_set_patience(200);
    start = clock_ns();
    log_msg(LOG_ERROR, "unheard");
    assert_true(clock_ns() - start >= 200000000);
    start = clock_ns();
    log_msg(LOG_ERROR, "unheard");
    assert_true(clock_ns() - start < 100000000);
    pipe_drain(full);
    log_msg(LOG_ERROR, "heard");
    log_set_patience(LOG_FOR_EVER);
    assert_string_equal(stderr_text(), "vmm: heard (2 lost before it)\n");
}

enum { WRITERS = 4, WRITTEN = 40 };

static void *writer(void *arg)
{
    for (unsigned i = 0; i < WRITTEN; i++)
        log_msg(LOG_ERROR, "%s", (const char *)arg);
    return NULL;
}

/* Threads at the same time: a reader that reads loses nothing. */
static void threads_lose_nothing(void **state)
{
    pthread_t id[WRITERS];
    const char *text;

    (void)state;
    stderr_catch();
    log_set_patience(0);
    for (unsigned i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&id[i], NULL, writer, "one of many"), 0);
    for (unsigned i = 0; i < WRITERS; i++)
        pthread_join(id[i], NULL);
    log_set_patience(LOG_FOR_EVER);
    text = stderr_text();
    assert_int_equal(lines(text), WRITERS * WRITTEN);
    assert_null(strstr(text, "lost"));
}

/* R05: vmm's handlers do not log; if one did, it would wait for nobody, for it finds that its own
 * thread is amid a line, and lines stay whole. */
static void handler_amid_a_line(int patience_ms)
{
    const struct sigaction act = {.sa_handler = on_alarm};
    const struct itimerval often = {{0, 200}, {0, 200}}, never = {{0, 0}, {0, 0}};
    struct sigaction was;
    char text[TEXT];
    ssize_t n;

    interrupts = 0;
    log_set_patience(patience_ms);
    assert_int_equal(sigaction(SIGALRM, &act, &was), 0);
    stderr_catch();
    setitimer(ITIMER_REAL, &often, NULL);
    for (unsigned i = 0; i < 100000 && interrupts < 200; i++) {
        log_msg(LOG_ERROR, "from beneath");
        n = read(pipe_out, text, sizeof(text) - 1);
        text[n > 0 ? n : 0] = '\0';
        for (char *line = text; *line; line = strchr(line, '\n') + 1) {
            assert_true(strncmp(line, "vmm: from ", 10) == 0);
            assert_non_null(strchr(line, '\n'));
        }
    }
    setitimer(ITIMER_REAL, &never, NULL);
    log_set_patience(LOG_FOR_EVER);
    stderr_text();
    sigaction(SIGALRM, &was, NULL);
    assert_true(interrupts > 0);
}

static void R05_handler_amid_a_line(void **state)
{
    (void)state;
    handler_amid_a_line(LOG_FOR_EVER);
    handler_amid_a_line(0);
}

static void clock_runs(void **state)
{
    const uint64_t a = clock_ns();

    (void)state;
    usleep(2000);
    assert_true(clock_ns() - a >= 2000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_fills),
        cmocka_unit_test(errno_appends),
        cmocka_unit_test(long_text_is_cut),
        cmocka_unit_test(level_filters),
        cmocka_unit_test(control_characters_do_not_pass),
        cmocka_unit_test(raw_terminal_gets_cr),
        cmocka_unit_test(limit_counts),
        cmocka_unit_test(bug_tells_once_per_place),
        cmocka_unit_test(nobody_reads),
        cmocka_unit_test(last_words_wait_once),
        cmocka_unit_test(threads_lose_nothing),
        cmocka_unit_test(R05_handler_amid_a_line),
        cmocka_unit_test(clock_runs),
    };

    return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
