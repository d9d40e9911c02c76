// SPDX-License-Identifier: MIT
/*
 * Owns the start of threads: signals, stack, name, and those that wait to be started. Refuses to
 * know what they do and what they are allowed to.
 */
#include "vmm/base/thread.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "vmm/base/bits.h"
#include "vmm/base/trace.h"

const char *const thread_kind_name[THREAD_KINDS] = {
    [THREAD_MAIN] = "main",     [THREAD_VCPU] = "vcpu", [THREAD_IO] = "io",
    [THREAD_USER] = "user",     [THREAD_FILE] = "file", [THREAD_WINDOW] = "window",
    [THREAD_HELPER] = "helper",
};

static struct {
    void (*enter)(enum thread_kind kind, const char *name);
    bool holding;
    struct thread *first, **last;
} threads;

/*
 * What the C library does for us in every thread: locks, memory, signals, a thread's end.
 * #syscalls:* futex rt_sigprocmask rt_sigreturn rt_sigaction tgkill gettid getpid exit
 * #syscalls:* writev mmap munmap mprotect mremap madvise brk restart_syscall sched_getaffinity
 */
static void *thread_main(void *arg)
{
    struct thread *t = (struct thread *)arg;

    pthread_setname_np(pthread_self(), t->name);
    trace_thread(t->name, TRACE_NO_CPU);
    if (threads.enter)
        threads.enter(t->kind, t->name);
    return t->fn(t->arg);
}

/* Blocked, the latter would end the process without a word. */
static void mask_fill(sigset_t *mask, int signal)
{
    static const int open[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS};

    sigfillset(mask);
    for (size_t i = 0; i < ARRAY_SIZE(open); i++)
        sigdelset(mask, open[i]);
    if (signal)
        sigdelset(mask, signal);
}

static int thread_create(struct thread *t)
{
    pthread_attr_t attr;
    sigset_t mask, old;
    int ret;

    mask_fill(&mask, t->signal);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, t->stack);
    pthread_sigmask(SIG_SETMASK, &mask, &old);
    ret = pthread_create(&t->id, &attr, thread_main, t);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    t->running = ret == 0;
    return ret;
}

int thread_start(struct thread *t)
{
    if (!threads.holding)
        return thread_create(t);
    t->held = true;
    t->next = NULL;
    *threads.last = t;
    threads.last = &t->next;
    return 0;
}

static void held_remove(struct thread *t)
{
    for (struct thread **at = &threads.first; *at; at = &(*at)->next) {
        if (*at != t)
            continue;
        *at = t->next;
        if (threads.last == &t->next)
            threads.last = at;
        break;
    }
    t->held = false;
}

void thread_join(struct thread *t)
{
    if (t->held) {
        held_remove(t);
        t->fn(t->arg);
    } else if (t->running) {
        pthread_join(t->id, NULL);
    }
    t->running = false;
}

void threads_hold(void)
{
    if (threads.holding)
        return;
    threads.holding = true;
    threads.last = &threads.first;
}

int threads_release(void)
{
    int ret = 0;

    threads.holding = false;
    while (ret == 0 && threads.first) {
        struct thread *t = threads.first;

        threads.first = t->next;
        t->held = false;
        ret = thread_create(t);
    }
    return ret;
}

void threads_on_enter(void (*fn)(enum thread_kind kind, const char *name))
{
    threads.enter = fn;
}
