// SPDX-License-Identifier: MIT
/*
 * Owns the smallest things that a request is made of: copies, cache misses, locks, system calls.
 */
#include "tests/bench/floor.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 16384, LINE = 64, LINES = PAGE / LINE };

static struct {
    uint8_t *big; /* 64 MiB: more than the caches have */
    uint32_t *chase;
    uint8_t page[2][PAGE];
    pthread_mutex_t lock;
    int event, epoll;
    unsigned at;
} f;

/* One permutation with a single cycle, so that every step is a line that was not seen lately. */
static void chase_make(void)
{
    const unsigned n = PAGES * LINES;
    uint32_t *order = (uint32_t *)malloc(n * sizeof(*order));
    uint64_t seed = 88172645463325252u;

    for (unsigned i = 0; i < n; i++)
        order[i] = i;
    for (unsigned i = n - 1; i > 0; i--) {
        unsigned j;
        uint32_t t;

        seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
        j = (unsigned)(seed % i);
        t = order[i], order[i] = order[j], order[j] = t;
    }
    for (unsigned i = 0; i < n; i++)
        *(uint32_t *)(void *)(f.big + (size_t)order[i] * LINE) = order[i + 1 == n ? 0 : i + 1];
    free(order);
}

static uint64_t copy_hot(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        memcpy(f.page[i & 1], f.page[~i & 1], PAGE);
        __asm__ volatile("" ::: "memory");
    }
    return f.page[0][0];
}

static uint64_t copy_cold(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        f.at = (f.at + 7919) % PAGES; /* no prefetcher guesses this */
        memcpy(f.page[0], f.big + (size_t)f.at * PAGE, PAGE);
        __asm__ volatile("" ::: "memory");
    }
    return f.page[0][0];
}

static uint64_t miss(unsigned n)
{
    uint32_t at = f.at % (PAGES * LINES);

    for (unsigned i = 0; i < n; i++)
        at = *(uint32_t *)(void *)(f.big + (size_t)at * LINE);
    f.at = at;
    return at;
}

static uint64_t fence(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        atomic_thread_fence(memory_order_seq_cst);
    return n;
}

static uint64_t lock(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        pthread_mutex_lock(&f.lock);
        pthread_mutex_unlock(&f.lock);
    }
    return n;
}

static uint64_t doorbell(unsigned n)
{
    const uint64_t one = 1;
    struct epoll_event ev;
    uint64_t seen = 0;

    for (unsigned i = 0; i < n; i++) {
        seen += write(f.event, &one, sizeof(one)) == sizeof(one);
        seen += epoll_wait(f.epoll, &ev, 1, 0) == 1;
    }
    return seen;
}

static const struct floor_row rows[] = {
    {"memcpy of 4 KiB, both pages in the first cache", copy_hot},
    {"memcpy of 4 KiB out of 64 MiB", copy_cold},
    {"one cache miss (dependent loads in 64 MiB)", miss},
    {"one full fence (two to three per batch are the specification's)", fence},
    {"one uncontended lock and unlock", lock},
    {"one eventfd write and epoll_wait: a doorbell", doorbell},
    {NULL, NULL},
};

const struct floor_row *floor_rows(void)
{
    struct epoll_event ev = {.events = EPOLLIN | EPOLLET};

    if (f.big)
        return rows;
    f.big = (uint8_t *)malloc((size_t)PAGES * PAGE);
    if (!f.big)
        abort();
    chase_make();
    pthread_mutex_init(&f.lock, NULL);
    f.event = eventfd(0, EFD_NONBLOCK);
    f.epoll = epoll_create1(0);
    epoll_ctl(f.epoll, EPOLL_CTL_ADD, f.event, &ev);
    return rows;
}
