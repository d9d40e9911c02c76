// SPDX-License-Identifier: MIT
/*
 * Owns waiting: epoll, timers, posted work and the lock of those who live on a loop. Refuses to
 * know what is waited for. A source that is deleted while the loop sits between epoll_wait() and
 * the lock is kept on a list until no event can name it any more.
 */
#include "vmm/base/loop.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "vmm/base/bits.h"
#include "vmm/base/thread.h"

enum { LOOP_EVENTS = 32, LOOP_STACK = 512 * 1024 };

/* The loop that this thread is in a turn of: what it posts there needs no waking up. */
static _Thread_local struct loop *turning;

struct loop_fd {
    struct loop *loop;
    int fd;
    bool dead;
    void (*fn)(void *arg, uint32_t events);
    void *arg;
    struct loop_fd *prev, *next; /* in loop->live, or next in loop->dead */
};

struct loop_timer {
    struct loop_fd *src;
    int fd;
    void (*fn)(void *arg);
    void *arg;
};

struct loop {
    char name[16];
    int epoll;
    int wakeup; /* eventfd: work was posted, or stop */
    pthread_mutex_t lock;
    pthread_cond_t cond;
    pthread_mutex_t post_lock; /* leaf: only the list of work */
    struct loop_work *work_head, *work_tail;
    struct loop_fd *live, *dead;
    struct loop_hook *hook;
    struct loop_work *later; /* for the next turn, which lets others go first; under both locks */
    bool again;              /* work was posted within the turn: the next one does not wait */
    bool give_way;           /* ... but for those who wait for the processor */
    uint64_t waits;
    struct thread thread;
    bool running;
    bool stopping; /* under post_lock */
};

struct loop *loop_new(const char *name, struct err *err)
{
    struct loop *loop = calloc(1, sizeof(*loop));
    struct epoll_event ev = {.events = EPOLLIN | EPOLLET};
    pthread_condattr_t attr;

    if (!loop) {
        err_errno(err, ENOMEM, "event loop %s", name);
        return NULL;
    }
    strncpy(loop->name, name, sizeof(loop->name) - 1);
    loop->thread.kind = THREAD_IO;
    pthread_mutex_init(&loop->lock, NULL);
    pthread_mutex_init(&loop->post_lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&loop->cond, &attr);
    pthread_condattr_destroy(&attr);
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    loop->wakeup = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->epoll < 0 || loop->wakeup < 0 ||
        epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->wakeup, &ev) < 0) {
        err_errno(err, errno, "event loop %s", name);
        loop_free(loop);
        return NULL;
    }
    return loop;
}

void loop_lock(struct loop *loop)
{
    pthread_mutex_lock(&loop->lock);
}

void loop_unlock(struct loop *loop)
{
    pthread_mutex_unlock(&loop->lock);
}

bool loop_wait(struct loop *loop, uint64_t deadline_ns)
{
    const struct timespec ts = {.tv_sec = (time_t)(deadline_ns / 1000000000),
                                .tv_nsec = (long)(deadline_ns % 1000000000)};

    if (!deadline_ns)
        return pthread_cond_wait(&loop->cond, &loop->lock) == 0;
    return pthread_cond_timedwait(&loop->cond, &loop->lock, &ts) != ETIMEDOUT;
}

void loop_wake(struct loop *loop)
{
    pthread_cond_broadcast(&loop->cond);
}

/* #syscalls:vcpu,io,user epoll_ctl */
struct loop_fd *loop_fd_add(struct loop *loop, int fd, uint32_t events,
                            void (*fn)(void *arg, uint32_t events), void *arg)
{
    struct loop_fd *src = calloc(1, sizeof(*src));
    struct epoll_event ev = {.events = events, .data.ptr = src};

    if (!src)
        return NULL;
    *src = (struct loop_fd){.loop = loop, .fd = fd, .fn = fn, .arg = arg, .next = loop->live};
    if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &ev) < 0) {
        free(src);
        return NULL;
    }
    if (loop->live)
        loop->live->prev = src;
    loop->live = src;
    return src;
}

int loop_fd_mod(struct loop_fd *src, uint32_t events)
{
    struct epoll_event ev = {.events = events, .data.ptr = src};

    return epoll_ctl(src->loop->epoll, EPOLL_CTL_MOD, src->fd, &ev) < 0 ? -errno : 0;
}

void loop_fd_del(struct loop_fd *src)
{
    struct loop *loop;

    if (!src)
        return;
    loop = src->loop;
    epoll_ctl(loop->epoll, EPOLL_CTL_DEL, src->fd, NULL);
    if (src->prev)
        src->prev->next = src->next;
    else
        loop->live = src->next;
    if (src->next)
        src->next->prev = src->prev;
    src->dead = true;
    src->next = loop->dead;
    loop->dead = src;
}

static void timer_ready(void *arg, uint32_t events)
{
    struct loop_timer *timer = (struct loop_timer *)arg;
    uint64_t times;

    (void)events;
    if (read(timer->fd, &times, sizeof(times)) == sizeof(times))
        timer->fn(timer->arg);
}

/* #syscalls:vcpu,io,user timerfd_create timerfd_settime read close */
struct loop_timer *loop_timer_new(struct loop *loop, void (*fn)(void *arg), void *arg)
{
    struct loop_timer *timer = calloc(1, sizeof(*timer));

    if (!timer)
        return NULL;
    timer->fn = fn;
    timer->arg = arg;
    timer->fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (timer->fd >= 0)
        timer->src = loop_fd_add(loop, timer->fd, EPOLLIN, timer_ready, timer);
    if (!timer->src) {
        if (timer->fd >= 0)
            close(timer->fd);
        free(timer);
        return NULL;
    }
    return timer;
}

void loop_timer_set(struct loop_timer *timer, uint64_t after_ns)
{
    const struct itimerspec at = {.it_value = {.tv_sec = (time_t)(after_ns / 1000000000),
                                               .tv_nsec = (long)(after_ns % 1000000000)}};

    timerfd_settime(timer->fd, 0, &at, NULL);
}

void loop_timer_del(struct loop_timer *timer)
{
    if (!timer)
        return;
    loop_fd_del(timer->src);
    close(timer->fd);
    free(timer);
}

/* #syscalls:* write */
static void loop_kick(struct loop *loop)
{
    const uint64_t one = 1;

    if (write(loop->wakeup, &one, sizeof(one)) < 0)
        return; /* the counter is full: the loop is awake anyway */
}

void loop_post(struct loop *loop, struct loop_work *work)
{
    bool first;

    pthread_mutex_lock(&loop->post_lock);
    if (work->queued) {
        pthread_mutex_unlock(&loop->post_lock);
        return;
    }
    work->queued = true;
    work->next = NULL;
    first = !loop->work_head;
    if (first)
        loop->work_head = work;
    else
        loop->work_tail->next = work;
    loop->work_tail = work;
    pthread_mutex_unlock(&loop->post_lock);
    if (first && turning != loop)
        loop_kick(loop);
}

void loop_post_later(struct loop *loop, struct loop_work *work)
{
    pthread_mutex_lock(&loop->post_lock);
    if (!work->queued) {
        work->queued = true;
        work->next = loop->later;
        loop->later = work;
    }
    pthread_mutex_unlock(&loop->post_lock);
}

/* The place in the list at *at that names work, or NULL. */
static struct loop_work **work_find(struct loop_work **at, const struct loop_work *work)
{
    while (*at && *at != work)
        at = &(*at)->next;
    return *at ? at : NULL;
}

void loop_cancel(struct loop *loop, struct loop_work *work)
{
    struct loop_work **at;

    pthread_mutex_lock(&loop->post_lock);
    at = work_find(&loop->work_head, work);
    if (!at)
        at = work_find(&loop->later, work);
    if (at) {
        *at = work->next;
        work->queued = false;
    }
    if (loop->work_tail == work) {
        loop->work_tail = loop->work_head;
        while (loop->work_tail && loop->work_tail->next)
            loop->work_tail = loop->work_tail->next;
    }
    pthread_mutex_unlock(&loop->post_lock);
}

bool loop_in_turn(const struct loop *loop)
{
    return turning == loop;
}

void loop_hook_add(struct loop *loop, struct loop_hook *hook)
{
    hook->next = loop->hook;
    loop->hook = hook;
}

void loop_hook_del(struct loop *loop, struct loop_hook *hook)
{
    for (struct loop_hook **at = &loop->hook; *at; at = &(*at)->next) {
        if (*at != hook)
            continue;
        *at = hook->next;
        return;
    }
}

uint64_t loop_waits(const struct loop *loop)
{
    return loop->waits;
}

/* Take one piece of work; what is posted while the batch runs waits for the next turn. */
static struct loop_work *work_take(struct loop *loop)
{
    struct loop_work *work;

    pthread_mutex_lock(&loop->post_lock);
    work = loop->work_head;
    if (work) {
        loop->work_head = work->next;
        work->queued = false;
    }
    pthread_mutex_unlock(&loop->post_lock);
    return work;
}

/* As many as are posted now: what they post, themselves perhaps, is for the next turn. */
static int work_run(struct loop *loop)
{
    struct loop_work *work;
    int n = 0, ran = 0;

    pthread_mutex_lock(&loop->post_lock);
    for (work = loop->work_head; work; work = work->next)
        n++;
    pthread_mutex_unlock(&loop->post_lock);
    while (ran < n && (work = work_take(loop))) {
        work->fn(work->arg);
        ran++;
    }
    return ran;
}

static void later_post(struct loop *loop)
{
    struct loop_work *work = loop->later;

    loop->later = NULL;
    while (work) {
        struct loop_work *next = work->next;

        work->queued = false;
        loop_post(loop, work);
        work = next;
    }
}

static void dead_free(struct loop *loop)
{
    while (loop->dead) {
        struct loop_fd *src = loop->dead;

        loop->dead = src->next;
        free(src);
    }
}

static bool work_left(struct loop *loop)
{
    bool left;

    pthread_mutex_lock(&loop->post_lock);
    left = loop->work_head;
    pthread_mutex_unlock(&loop->post_lock);
    return left;
}

/* Not loops of Internet sockets: their list of system calls is long enough.
 * #syscalls:io sched_yield */
static void give_way(const struct loop *loop)
{
    if (loop->give_way && loop->thread.kind == THREAD_IO)
        sched_yield();
}

/* #syscalls:io,user epoll_wait epoll_pwait */
int loop_turn(struct loop *loop, int timeout_ms)
{
    struct epoll_event ev[LOOP_EVENTS];
    int ready, ran = 0;

    give_way(loop);
    ready = epoll_wait(loop->epoll, ev, LOOP_EVENTS, loop->again ? 0 : timeout_ms);
    loop_lock(loop);
    turning = loop;
    later_post(loop);
    loop->waits++;
    for (int i = 0; i < ready; i++) {
        struct loop_fd *src = (struct loop_fd *)ev[i].data.ptr;

        if (!src || src->dead)
            continue;
        src->fn(src->arg, ev[i].events);
        ran++;
    }
    ran += work_run(loop);
    for (struct loop_hook *hook = loop->hook; hook; hook = hook->next)
        hook->fn(hook->arg);
    loop->give_way = loop->later;
    loop->again = loop->give_way || work_left(loop);
    dead_free(loop);
    turning = NULL;
    loop_unlock(loop);
    return ran;
}

static bool loop_stopping(struct loop *loop)
{
    bool stopping;

    pthread_mutex_lock(&loop->post_lock);
    stopping = loop->stopping;
    pthread_mutex_unlock(&loop->post_lock);
    return stopping;
}

static void *loop_main(void *arg)
{
    struct loop *loop = (struct loop *)arg;

    while (!loop_stopping(loop))
        loop_turn(loop, -1);
    return NULL;
}

void loop_set_kind(struct loop *loop, enum thread_kind kind)
{
    loop->thread.kind = kind;
}

int loop_start(struct loop *loop, struct err *err)
{
    int ret;

    loop->stopping = false;
    memcpy(loop->thread.name, loop->name, sizeof(loop->name));
    loop->thread.stack = LOOP_STACK;
    loop->thread.fn = loop_main;
    loop->thread.arg = loop;
    ret = thread_start(&loop->thread);
    if (ret)
        return err_errno(err, ret, "cannot start the thread of event loop %s", loop->name);
    loop->running = true;
    return 0;
}

void loop_stop(struct loop *loop)
{
    if (!loop->running)
        return;
    pthread_mutex_lock(&loop->post_lock);
    loop->stopping = true;
    pthread_mutex_unlock(&loop->post_lock);
    loop_kick(loop);
    thread_join(&loop->thread);
    loop->running = false;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    loop_stop(loop);
    while (loop->live)
        loop_fd_del(loop->live);
    dead_free(loop);
    if (loop->wakeup >= 0)
        close(loop->wakeup);
    if (loop->epoll >= 0)
        close(loop->epoll);
    pthread_cond_destroy(&loop->cond);
    pthread_mutex_destroy(&loop->post_lock);
    pthread_mutex_destroy(&loop->lock);
    free(loop);
}
