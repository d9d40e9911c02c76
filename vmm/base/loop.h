/* SPDX-License-Identifier: MIT */
/*
 * Event loops. A device belongs to one loop; the loop's lock is the device's lock. It is taken at
 * two places only: around everything that the loop dispatches, and by the bus around register
 * accesses. Device code therefore always runs locked and never holds a lock of its own.
 *
 * All functions but loop_new, loop_start, loop_stop, loop_free, loop_lock and loop_post are called
 * with the loop's lock held, or before the loop starts.
 */
#ifndef VMM_BASE_LOOP_H
#define VMM_BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/base/err.h"
#include "vmm/base/thread.h"

struct loop;
struct loop_fd;
struct loop_timer;

/* A loop without a thread yet. name: at most 15 characters, the thread's. NULL with err filled. */
struct loop *loop_new(const char *name, struct err *err);

/* What kind of thread it gets; THREAD_IO unless told. Before it starts. */
void loop_set_kind(struct loop *loop, enum thread_kind kind);

/* Start its thread, all signals blocked. 0 or -errno with err filled. */
int loop_start(struct loop *loop, struct err *err);

/* End and join its thread; nothing is dispatched afterwards. Not from the loop itself. */
void loop_stop(struct loop *loop);

/* Stop if running, drop all sources. Descriptors stay the caller's. NULL is fine. */
void loop_free(struct loop *loop);

void loop_lock(struct loop *loop);
void loop_unlock(struct loop *loop);

/*
 * Sleep until loop_wake(), lock released meanwhile; returns with it held. For those few who must
 * wait for I/O to drain. deadline_ns: on clock_ns(), 0 for none. false when it passed.
 */
bool loop_wait(struct loop *loop, uint64_t deadline_ns);
void loop_wake(struct loop *loop);

/*
 * Call fn when fd is ready. events: EPOLLIN and friends; with EPOLLET an eventfd need not be read.
 * NULL on failure (errno tells). loop_fd_del: fn is not called any more once it returns.
 */
struct loop_fd *loop_fd_add(struct loop *loop, int fd, uint32_t events,
                            void (*fn)(void *arg, uint32_t events), void *arg);
int loop_fd_mod(struct loop_fd *src, uint32_t events);
void loop_fd_del(struct loop_fd *src);

/* One-shot timers on CLOCK_MONOTONIC. after_ns 0 disarms. NULL on failure. */
struct loop_timer *loop_timer_new(struct loop *loop, void (*fn)(void *arg), void *arg);
void loop_timer_set(struct loop_timer *timer, uint64_t after_ns);
void loop_timer_del(struct loop_timer *timer);

/*
 * Work to be run soon by the loop. Embedded in its owner; posting it again before it ran does
 * nothing more. Any thread, with or without the lock. Cancel with the lock held.
 */
struct loop_work {
    void (*fn)(void *arg);
    void *arg;
    struct loop_work *next;
    bool queued;
};

void loop_post(struct loop *loop, struct loop_work *work);
void loop_cancel(struct loop *loop, struct loop_work *work);

/*
 * In a turn: work is to be run in the next one, and threads that wait for this processor have it
 * first: for who hopes for more to do by then. Costs a system call. Cancel as above.
 */
void loop_post_later(struct loop *loop, struct loop_work *work);

/*
 * Something to do at the end of every turn, whatever began it: for what can be looked at without a
 * system call, or is done once for many callbacks. fn may post work, which does not wait then, but
 * not add or delete hooks. Embedded in its owner; lock held, or the loop has no thread yet.
 */
struct loop_hook {
    void (*fn)(void *arg);
    void *arg;
    struct loop_hook *next;
};

void loop_hook_add(struct loop *loop, struct loop_hook *hook);
void loop_hook_del(struct loop *loop, struct loop_hook *hook);

/* Is the caller in a turn of this loop, so that its end is near? */
bool loop_in_turn(const struct loop *loop);

/* How often it has waited for events so far. Lock held. */
uint64_t loop_waits(const struct loop *loop);

/* Dispatch once, waiting at most timeout_ms (-1: for ever). For tests and loops without a thread.
 * Returns the number of callbacks run. Takes the lock itself. */
int loop_turn(struct loop *loop, int timeout_ms);

#endif
