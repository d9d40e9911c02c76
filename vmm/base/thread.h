/* SPDX-License-Identifier: MIT */
/*
 * How threads begin: with a kind, which says what they may ask the kernel for, and a name. Until a
 * process has given its rights up no thread need exist: they can be held back meanwhile.
 */
#ifndef VMM_BASE_THREAD_H
#define VMM_BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

enum { THREAD_NAME = 16 }; /* bytes, the last one zero */

enum thread_kind {
    THREAD_MAIN,
    THREAD_VCPU,   /* runs the guest, and devices' register accesses */
    THREAD_IO,     /* event loops */
    THREAD_USER,   /* the event loop of a user-mode network */
    THREAD_FILE,   /* reads or writes files, for others to go on meanwhile */
    THREAD_WINDOW, /* shows windows, by libraries that talk to the host's desktop */
    THREAD_HELPER, /* the helper process, which has no other */
    THREAD_KINDS
};

extern const char *const thread_kind_name[THREAD_KINDS];

/* The caller's; zeroed memory is one that was never started. */
struct thread {
    pthread_t id;
    char name[THREAD_NAME];
    enum thread_kind kind;
    int signal; /* 0, or one that it does not block */
    size_t stack;
    void *(*fn)(void *arg);
    void *arg;
    bool running, held;
    struct thread *next; /* of those that are held */
};

/*
 * Start it: kind, name, stack (bytes), fn, arg and signal are filled, *t stays where it is until
 * thread_join(). All signals are blocked in it but that one and those that its own mistakes raise.
 * 0 or an errno value. Any thread.
 */
int thread_start(struct thread *t);

/* Wait until fn has returned. What is held runs here and now: its owner has told it to end. */
void thread_join(struct thread *t);

/* From here on thread_start() only takes note; threads_release() starts those (0 or an errno
 * value). Main thread. */
void threads_hold(void);
int threads_release(void);

/* Called first in every thread that starts; NULL: nothing is. While no other threads run. */
void threads_on_enter(void (*fn)(enum thread_kind kind, const char *name));

#endif
