// SPDX-License-Identifier: MIT
/*
 * Owns the terminal's mode and the signals that could leave it behind raw. Refuses to know what is
 * read or written there. Signal handlers need a place to look, so the state is the one global here.
 */
#include "devices/backend/tty-mode.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "vmm/base/bits.h"

static _Atomic int continued = -1; /* somebody else's eventfd */

static struct {
    struct termios cooked, raw; /* constant while held */
    int fd;
    int wake;
    _Atomic bool held;
    _Atomic bool is_raw;
} tty = {.fd = -1, .wake = -1};

/* What ends the process unless caught: asked for from outside, or a crash. */
static const struct {
    int sig;
    bool crash; /* whoever caught it before still gets it, after us */
} fatal[] = {
    {SIGHUP, false},  {SIGINT, false}, {SIGQUIT, false}, {SIGTERM, false},
    {SIGXCPU, false}, {SIGSEGV, true}, {SIGBUS, true},   {SIGILL, true},
    {SIGFPE, true},   {SIGABRT, true}, {SIGSYS, true},   {SIGTRAP, true},
};

static struct sigaction before[ARRAY_SIZE(fatal)];

/* A terminal that is not our controlling one knows no foreground: everybody may use it. */
static bool in_foreground(void)
{
    const pid_t front = tcgetpgrp(tty.fd);

    return front == getpgid(0) || (front < 0 && errno == ENOTTY);
}

/*
 * In the background this would stop us, or pull the terminal from under the shell. Whatever thread
 * ends the process does it.
 * #syscalls:* getpgid
 * #ioctls:* TIOCGPGRP TCGETS TCSETS
 */
static bool mode_set(const struct termios *mode)
{
    sigset_t ttou, old;
    bool ok;

    if (!in_foreground())
        return false;
    sigemptyset(&ttou);
    sigaddset(&ttou, SIGTTOU);
    pthread_sigmask(SIG_BLOCK, &ttou, &old);
    ok = tcsetattr(tty.fd, TCSANOW, mode) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return ok;
}

static void mode_put_back(void)
{
    mode_set(&tty.cooked);
    log_set_raw(false);
}

static void mode_cook(void)
{
    if (atomic_exchange(&tty.is_raw, false))
        mode_put_back();
}

bool tty_mode_raw(void)
{
    if (!atomic_load(&tty.held) || !in_foreground())
        return false;
    if (atomic_exchange(&tty.is_raw, true))
        return true;
    mode_set(&tty.raw);
    log_set_raw(true);
    if (!atomic_load(&tty.held)) { /* restored for good since the first line, maybe before us */
        atomic_store(&tty.is_raw, false);
        mode_put_back();
    }
    return true;
}

void tty_mode_restore(void)
{
    atomic_store(&tty.held, false);
    mode_cook();
}

static void wake_one(int fd)
{
    const uint64_t one = 1;

    if (fd >= 0 && write(fd, &one, sizeof(one)) < 0)
        return; /* full: it wakes anyway */
}

static void wake_owner(void)
{
    wake_one(tty.wake);
}

static bool by_fault(int sig, const siginfo_t *info)
{
    return info->si_code > 0 &&
           (sig == SIGSEGV || sig == SIGBUS || sig == SIGILL || sig == SIGFPE || sig == SIGTRAP);
}

/* Back to what the signal did before. A fault comes again by itself when we return. */
static void on_fatal(int sig, siginfo_t *info, void *context)
{
    const int saved = errno;

    (void)context;
    tty_mode_restore();
    for (size_t i = 0; i < ARRAY_SIZE(fatal); i++)
        if (fatal[i].sig == sig)
            sigaction(sig, &before[i], NULL);
    if (!by_fault(sig, info))
        raise(sig);
    errno = saved;
}

static void on_stop(int sig)
{
    const int saved = errno;

    (void)sig;
    mode_cook();
    raise(SIGSTOP);
    errno = saved;
}

/* Whoever had the terminal meanwhile may have changed it: set it even if we think it is raw. */
static void on_continue(int sig)
{
    const int saved = errno;

    (void)sig;
    atomic_store(&tty.is_raw, false);
    tty_mode_raw();
    wake_owner();
    wake_one(atomic_load(&continued));
    errno = saved;
}

static void on_size(int sig)
{
    const int saved = errno;

    (void)sig;
    wake_owner();
    errno = saved;
}

static bool caught(const struct sigaction *act)
{
    return (act->sa_flags & SA_SIGINFO) || act->sa_handler != SIG_DFL;
}

static void catch_fatal(void)
{
    struct sigaction act = {.sa_sigaction = on_fatal,
                            .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};

    sigfillset(&act.sa_mask);
    for (size_t i = 0; i < ARRAY_SIZE(fatal); i++) {
        sigaction(fatal[i].sig, NULL, &before[i]);
        if (fatal[i].crash || !caught(&before[i]))
            sigaction(fatal[i].sig, &act, NULL);
    }
}

static void catch_one(int sig, void (*fn)(int sig))
{
    struct sigaction act = {.sa_handler = fn, .sa_flags = SA_RESTART}, old;

    sigfillset(&act.sa_mask);
    sigaction(sig, NULL, &old);
    if (!caught(&old))
        sigaction(sig, &act, NULL);
}

/* Once per process: the handlers stay, and do nothing while no terminal is held. */
static void catch_all(void)
{
    static bool done;

    if (done)
        return;
    done = true;
    catch_fatal();
    catch_one(SIGTSTP, on_stop);
    catch_one(SIGCONT, on_continue);
    catch_one(SIGWINCH, on_size);
    atexit(tty_mode_restore);
}

void tty_mode_tell_continue(int fd)
{
    atomic_store(&continued, fd);
    if (fd >= 0)
        catch_one(SIGCONT, on_continue);
}

int tty_mode_hold(int fd, int wake, struct err *err)
{
    if (tty.fd >= 0)
        return err_set(err, EBUSY, "the terminal is already in use by another console");
    if (tcgetattr(fd, &tty.cooked) < 0)
        return err_errno(err, errno, "cannot read the mode of the terminal");
    tty.raw = tty.cooked;
    cfmakeraw(&tty.raw);
    tty.fd = fd;
    tty.wake = wake;
    atomic_store(&tty.held, true);
    catch_all();
    return 0;
}

void tty_mode_release(void)
{
    tty_mode_restore();
    tty.fd = -1;
    tty.wake = -1;
}
