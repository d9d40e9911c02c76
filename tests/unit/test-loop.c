// SPDX-License-Identifier: MIT
/*
 * vmm/base/loop: sources, timers, posted work and the lock, by hand and with a thread.
 */
#include "vmm/base/loop.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

enum { MS = 1000000 };

struct count {
    struct loop *loop;
    struct loop_fd *src, *victim;
    struct loop_timer *timer;
    struct loop_work *again;
    unsigned n;
    int fd;
};

static struct loop *loop_make(void)
{
    struct err err;
    struct loop *loop = loop_new("test", &err);

    assert_non_null(loop);
    return loop;
}

static int event_make(void)
{
    const int fd = eventfd(0, EFD_NONBLOCK);

    assert_true(fd >= 0);
    return fd;
}

static void ring(int fd)
{
    const uint64_t one = 1;

    assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
}

static void on_fd(void *arg, uint32_t events)
{
    struct count *c = (struct count *)arg;

    c->n += events & EPOLLIN ? 1 : 0;
}

static void edge_needs_no_read(void **state)
{
    struct loop *loop = loop_make();
    struct count c = {.fd = event_make()};

    (void)state;
    c.src = loop_fd_add(loop, c.fd, EPOLLIN | EPOLLET, on_fd, &c);
    assert_non_null(c.src);
    assert_int_equal(loop_turn(loop, 0), 0);
    for (unsigned i = 1; i <= 3; i++) {
        ring(c.fd);
        assert_int_equal(loop_turn(loop, 0), 1);
        assert_int_equal(loop_turn(loop, 0), 0);
        assert_int_equal(c.n, i);
    }
    loop_fd_del(c.src);
    ring(c.fd);
    assert_int_equal(loop_turn(loop, 0), 0);
    loop_free(loop);
    close(c.fd);
}

static void level_and_mod(void **state)
{
    struct loop *loop = loop_make();
    struct count c = {.fd = event_make()};

    (void)state;
    c.src = loop_fd_add(loop, c.fd, EPOLLIN, on_fd, &c);
    ring(c.fd);
    assert_int_equal(loop_turn(loop, 0), 1);
    assert_int_equal(loop_turn(loop, 0), 1);
    assert_int_equal(loop_fd_mod(c.src, 0), 0);
    assert_int_equal(loop_turn(loop, 0), 0);
    assert_int_equal(loop_fd_mod(c.src, EPOLLIN), 0);
    assert_int_equal(loop_turn(loop, 0), 1);
    loop_free(loop); /* drops the source, too */
    close(c.fd);
}

static void bad_descriptor(void **state)
{
    struct loop *loop = loop_make();

    (void)state;
    assert_null(loop_fd_add(loop, -1, EPOLLIN, on_fd, NULL));
    assert_int_equal(errno, EBADF);
    loop_fd_del(NULL);
    loop_timer_del(NULL);
    loop_free(loop);
    loop_free(NULL);
}

static void on_fd_kill(void *arg, uint32_t events)
{
    struct count *c = (struct count *)arg;

    (void)events;
    c->n++;
    loop_fd_del(c->victim);
    c->victim = NULL;
    loop_fd_del(c->src); /* itself */
    c->src = NULL;
}

/* Two sources are ready at once, each would delete the other and itself: one runs. */
static void deleted_while_ready(void **state)
{
    struct loop *loop = loop_make();
    struct count a = {.fd = event_make()}, b = {.fd = event_make()};

    (void)state;
    a.src = b.victim = loop_fd_add(loop, a.fd, EPOLLIN, on_fd_kill, &a);
    b.src = a.victim = loop_fd_add(loop, b.fd, EPOLLIN, on_fd_kill, &b);
    ring(a.fd);
    ring(b.fd);
    assert_int_equal(loop_turn(loop, 0), 1);
    assert_int_equal(a.n + b.n, 1);
    assert_int_equal(loop_turn(loop, 0), 0);
    loop_free(loop);
    close(a.fd);
    close(b.fd);
}

static void on_timer(void *arg)
{
    ((struct count *)arg)->n++;
}

static void timers(void **state)
{
    struct loop *loop = loop_make();
    struct count c = {0};
    uint64_t start;

    (void)state;
    c.timer = loop_timer_new(loop, on_timer, &c);
    assert_non_null(c.timer);
    assert_int_equal(loop_turn(loop, 5), 0);
    start = clock_ns();
    loop_timer_set(c.timer, 5 * MS);
    assert_int_equal(loop_turn(loop, 1000), 1);
    assert_true(clock_ns() - start >= 5 * MS);
    assert_int_equal(c.n, 1);
    assert_int_equal(loop_turn(loop, 10), 0); /* one shot */
    loop_timer_set(c.timer, MS);
    loop_timer_set(c.timer, 0);
    assert_int_equal(loop_turn(loop, 10), 0);
    loop_timer_set(c.timer, MS);
    loop_timer_del(c.timer);
    assert_int_equal(loop_turn(loop, 5), 0);
    assert_int_equal(c.n, 1);
    loop_free(loop);
}

static void on_work(void *arg)
{
    struct count *c = (struct count *)arg;

    c->n++;
    if (c->again)
        loop_post(c->loop, c->again);
}

static void work(void **state)
{
    struct loop *loop = loop_make();
    struct count c = {.loop = loop}, d = {.loop = loop};
    struct loop_work w = {.fn = on_work, .arg = &c}, v = {.fn = on_work, .arg = &d};

    (void)state;
    loop_post(loop, &w);
    loop_post(loop, &w);
    loop_post(loop, &v);
    assert_int_equal(loop_turn(loop, 1000), 2);
    assert_true(c.n == 1 && d.n == 1);
    assert_int_equal(loop_turn(loop, 0), 0);
    for (unsigned first = 0; first < 2; first++) { /* cancel the head, then the tail */
        loop_post(loop, &w);
        loop_post(loop, &v);
        loop_cancel(loop, first ? &w : &v);
        assert_int_equal(loop_turn(loop, 1000), 1);
        loop_cancel(loop, &w); /* that is not queued */
    }
    assert_true(c.n == 2 && d.n == 2);
    loop_post(loop, &w);
    loop_cancel(loop, &w);
    loop_post(loop, &w);
    assert_int_equal(loop_turn(loop, 1000), 1);
    assert_int_equal(c.n, 3);
    loop_free(loop);
}

/* Work that posts itself runs once per turn, and the loop does not sleep meanwhile. */
static void work_posts_itself(void **state)
{
    struct loop *loop = loop_make();
    struct count c = {.loop = loop}, d = {.loop = loop};
    struct loop_work w = {.fn = on_work, .arg = &c}, v = {.fn = on_work, .arg = &d};

    (void)state;
    c.again = &w;
    d.again = &v;
    loop_post(loop, &w);
    loop_post(loop, &v);
    for (unsigned i = 1; i <= 20; i++) {
        assert_int_equal(loop_turn(loop, 5000), 2);
        assert_true(c.n == i && d.n == i);
    }
    c.again = d.again = NULL;
    assert_int_equal(loop_turn(loop, 5000), 2);
    assert_int_equal(loop_turn(loop, 0), 0);
    loop_free(loop);
}

/* ---- with a thread ---- */

static unsigned count_now(struct count *c)
{
    unsigned n;

    loop_lock(c->loop);
    n = c->n;
    loop_unlock(c->loop);
    return n;
}

struct canceller {
    struct loop *loop;
    struct loop_work work, *victim;
    unsigned n;
};

static void on_cancel(void *arg)
{
    struct canceller *c = (struct canceller *)arg;

    c->n++;
    loop_cancel(c->loop, c->victim);
    if (c->n < 100)
        loop_post(c->loop, &c->work);
}

/* A turn ends even if the last work of it is cancelled by what posts itself again and again. */
static void work_without_its_last(void **state)
{
    struct loop *loop = loop_make();
    struct count d = {.loop = loop};
    struct loop_work last = {.fn = on_work, .arg = &d};
    struct canceller c = {.loop = loop, .victim = &last};

    (void)state;
    c.work = (struct loop_work){.fn = on_cancel, .arg = &c};
    loop_post(loop, &c.work);
    loop_post(loop, &last);
    assert_true(loop_turn(loop, 5000) <= 2);
    assert_true(c.n <= 2 && d.n == 0);
    loop_cancel(loop, &c.work);
    loop_free(loop);
}

static void on_work_later(void *arg)
{
    struct count *c = (struct count *)arg;

    c->n++;
    if (c->again)
        loop_post_later(c->loop, c->again);
}

/* Work for later runs in the next turn, not in this one, without a sleep; and can be cancelled. */
static void work_for_later(void **state)
{
    struct loop *loop = loop_make();
    struct count c = {.loop = loop}, d = {.loop = loop};
    struct loop_work w = {.fn = on_work_later, .arg = &c}, v = {.fn = on_work, .arg = &d};

    (void)state;
    c.again = &v;
    loop_post(loop, &w);
    assert_int_equal(loop_turn(loop, 5000), 1);
    assert_true(c.n == 1 && d.n == 0);
    loop_post(loop, &v); /* it is posted already */
    assert_int_equal(loop_turn(loop, 5000), 1);
    assert_true(c.n == 1 && d.n == 1);
    assert_int_equal(loop_turn(loop, 0), 0);
    c.again = &w;
    loop_post(loop, &w);
    for (unsigned i = 2; i <= 20; i++)
        assert_int_equal(loop_turn(loop, 5000), 1);
    assert_int_equal(c.n, 20);
    loop_cancel(loop, &w);
    assert_int_equal(loop_turn(loop, 0), 0);
    loop_post(loop, &w);
    assert_int_equal(loop_turn(loop, 0), 1);
    loop_cancel(loop, &w);
    loop_free(loop);
}

static void count_wait(struct count *c, unsigned n)
{
    for (unsigned i = 0; count_now(c) < n; i++) {
        assert_true(i < 5000);
        usleep(1000);
    }
}

static void threads_post(void **state)
{
    struct count c = {.loop = loop_make()};
    struct loop_work w = {.fn = on_work, .arg = &c};
    struct err err;

    (void)state;
    assert_int_equal(loop_start(c.loop, &err), 0);
    for (unsigned i = 1; i <= 200; i++) {
        loop_post(c.loop, &w);
        count_wait(&c, i);
    }
    loop_stop(c.loop);
    loop_stop(c.loop);
    loop_post(c.loop, &w);
    usleep(2000);
    assert_int_equal(c.n, 200); /* nothing is dispatched afterwards */
    loop_free(c.loop);
}

static void restart(void **state)
{
    struct count c = {.loop = loop_make()};
    struct loop_work w = {.fn = on_work, .arg = &c};
    struct err err;

    (void)state;
    for (unsigned i = 1; i <= 20; i++) {
        assert_int_equal(loop_start(c.loop, &err), 0);
        loop_post(c.loop, &w);
        count_wait(&c, i);
        loop_stop(c.loop);
    }
    loop_free(c.loop);
}

static void *poster(void *arg)
{
    struct count *c = (struct count *)arg;
    struct loop_work w = {.fn = on_work, .arg = c};

    for (unsigned i = 0; i < 2000; i++) {
        loop_post(c->loop, &w);
        if (i % 7 == 0) {
            loop_lock(c->loop);
            loop_cancel(c->loop, &w);
            loop_unlock(c->loop);
        }
    }
    loop_lock(c->loop);
    loop_cancel(c->loop, &w);
    loop_unlock(c->loop);
    return NULL;
}

static void many_posters(void **state)
{
    struct count c = {.loop = loop_make()};
    struct loop_work last = {.fn = on_work, .arg = &c};
    pthread_t t[3];
    struct err err;
    unsigned n;

    (void)state;
    assert_int_equal(loop_start(c.loop, &err), 0);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&t[i], NULL, poster, &c), 0);
    for (unsigned i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
    n = count_now(&c);        /* stays: the posters took back what was left */
    loop_post(c.loop, &last); /* after all that, work still arrives */
    count_wait(&c, n + 1);
    loop_free(c.loop);
    assert_true(c.n > 0 && c.n <= 6001);
}

static void on_work_wake(void *arg)
{
    struct count *c = (struct count *)arg;

    c->n++;
    loop_wake(c->loop);
}

static void wait_and_wake(void **state)
{
    struct count c = {.loop = loop_make()};
    struct loop_work w = {.fn = on_work_wake, .arg = &c};
    const uint64_t start = clock_ns();
    struct err err;

    (void)state;
    assert_int_equal(loop_start(c.loop, &err), 0);
    loop_lock(c.loop);
    assert_false(loop_wait(c.loop, clock_ns() + 10 * MS));
    assert_true(clock_ns() - start >= 10 * MS);
    loop_post(c.loop, &w);
    while (!c.n)
        assert_true(loop_wait(c.loop, clock_ns() + 5000 * (uint64_t)MS));
    loop_unlock(c.loop);
    loop_free(c.loop);
}

/* Sources come and go while the thread is at it. */
static void add_and_delete_live(void **state)
{
    struct count c = {.loop = loop_make(), .fd = event_make()};
    struct err err;

    (void)state;
    assert_int_equal(loop_start(c.loop, &err), 0);
    for (unsigned i = 0; i < 500; i++) {
        unsigned n;

        loop_lock(c.loop);
        c.src = loop_fd_add(c.loop, c.fd, EPOLLIN | EPOLLET, on_fd, &c);
        loop_unlock(c.loop);
        ring(c.fd);
        if (i % 2)
            usleep(10);
        loop_lock(c.loop);
        loop_fd_del(c.src);
        n = c.n;
        loop_unlock(c.loop);
        ring(c.fd);
        assert_int_equal(count_now(&c), n);
    }
    loop_free(c.loop);
    close(c.fd);
}

/* ---- hooks ---- */

struct hooked {
    struct loop *loop;
    struct loop_hook hook;
    struct loop_work work;
    unsigned turns, worked, post;
};

static void hooked_turn(void *arg)
{
    struct hooked *h = (struct hooked *)arg;

    assert_true(loop_in_turn(h->loop));
    h->turns++;
    if (!h->post)
        return;
    h->post--;
    loop_post(h->loop, &h->work);
}

static void hooked_work(void *arg)
{
    ((struct hooked *)arg)->worked++;
}

/* At the end of every turn, whatever began it; what it posts is run in the next one, which does not
 * wait for anything and needs no event to begin. */
static void hooks(void **state)
{
    struct hooked h = {.loop = loop_make(), .post = 3};
    uint64_t waits;

    (void)state;
    h.hook = (struct loop_hook){.fn = hooked_turn, .arg = &h};
    h.work = (struct loop_work){.fn = hooked_work, .arg = &h};
    assert_false(loop_in_turn(h.loop));
    loop_hook_add(h.loop, &h.hook);
    waits = loop_waits(h.loop);
    assert_int_equal(loop_turn(h.loop, 0), 0);
    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(loop_turn(h.loop, -1), 1);
        assert_int_equal(h.worked, i);
        assert_int_equal(h.turns, i + 1);
    }
    assert_int_equal(loop_waits(h.loop) - waits, 4);
    assert_int_equal(loop_turn(h.loop, 0), 0);
    loop_post(h.loop, &h.work); /* from outside */
    assert_int_equal(loop_turn(h.loop, -1), 1);
    loop_hook_del(h.loop, &h.hook);
    loop_turn(h.loop, 0);
    assert_int_equal(h.turns, 6);
    assert_int_equal(h.worked, 4);
    loop_free(h.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edge_needs_no_read),
        cmocka_unit_test(level_and_mod),
        cmocka_unit_test(bad_descriptor),
        cmocka_unit_test(deleted_while_ready),
        cmocka_unit_test(timers),
        cmocka_unit_test(work),
        cmocka_unit_test(work_posts_itself),
        cmocka_unit_test(threads_post),
        cmocka_unit_test(restart),
        cmocka_unit_test(many_posters),
        cmocka_unit_test(wait_and_wake),
        cmocka_unit_test(add_and_delete_live),
        cmocka_unit_test(work_without_its_last),
        cmocka_unit_test(work_for_later),
        cmocka_unit_test(hooks),
    };

    return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
