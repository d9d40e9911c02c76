// SPDX-License-Identifier: MIT
/*
 * Owns the parts of the fake machine and what its interrupt controller saw. Refuses to know virtio.
 */
#include "tests/driver/machine.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "vmm/base/bits.h"
#include "vmm/base/le.h"

enum { GUARD = 4096, SETTLE_TURNS = 100000, SETTLE_ROUNDS = 3, LEAK_TRIES = 500 };

static unsigned count_entries(const char *dir)
{
    DIR *d = opendir(dir);
    unsigned n = 0;

    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

unsigned count_fds(void)
{
    return count_entries("/proc/self/fd");
}

unsigned count_threads(void)
{
    return count_entries("/proc/self/task");
}

static void irq_line(void *ctx, uint32_t gsi, bool level)
{
    struct machine *m = (struct machine *)ctx;

    pthread_mutex_lock(&m->lock);
    if (level && !m->level[gsi])
        m->rises[gsi]++;
    m->level[gsi] = level;
    pthread_mutex_unlock(&m->lock);
}

static void message_count(struct machine *m, uint64_t addr, uint32_t data, uint64_t times)
{
    if (addr >> 20 == MSI_ADDR >> 20)
        m->messages[data & 0xffff] += (uint32_t)times;
    else
        m->lost += (unsigned)times;
}

static void route_drain(struct machine *m, struct machine_route *r)
{
    uint64_t times;

    if (r->fd >= 0 && read(r->fd, &times, sizeof(times)) == (ssize_t)sizeof(times))
        message_count(m, r->addr, r->data, times);
}

static int irq_route(void *ctx, int *route, uint64_t addr, uint32_t data, uint32_t devid)
{
    (void)devid;
    struct machine *m = (struct machine *)ctx;
    int i = *route;

    pthread_mutex_lock(&m->lock);
    m->routings++;
    if (i < 0) {
        for (i = 0; i < MACHINE_ROUTES && m->route[i].used; i++)
            ;
        if (i == MACHINE_ROUTES) {
            pthread_mutex_unlock(&m->lock);
            return -ENOSPC;
        }
        m->route[i] = (struct machine_route){.used = true, .fd = -1};
        m->routes++;
        m->most_routes = m->routes > m->most_routes ? m->routes : m->most_routes;
    }
    route_drain(m, &m->route[i]);
    m->route[i].addr = addr;
    m->route[i].data = data;
    *route = i;
    pthread_mutex_unlock(&m->lock);
    return 0;
}

static void irq_unroute(void *ctx, int route)
{
    struct machine *m = (struct machine *)ctx;

    pthread_mutex_lock(&m->lock);
    m->route[route].used = false;
    m->routes--;
    pthread_mutex_unlock(&m->lock);
}

static int irq_connect(void *ctx, int route, int fd, bool on)
{
    struct machine *m = (struct machine *)ctx;

    pthread_mutex_lock(&m->lock);
    route_drain(m, &m->route[route]);
    m->route[route].fd = on ? fd : -1;
    pthread_mutex_unlock(&m->lock);
    return 0;
}

static void irq_send(void *ctx, uint64_t addr, uint32_t data, uint32_t devid)
{
    (void)devid;
    struct machine *m = (struct machine *)ctx;

    pthread_mutex_lock(&m->lock);
    message_count(m, addr, data, 1);
    pthread_mutex_unlock(&m->lock);
}

uint32_t machine_messages(struct machine *m, uint16_t data)
{
    uint32_t n;

    pthread_mutex_lock(&m->lock);
    for (unsigned i = 0; i < MACHINE_ROUTES; i++)
        if (m->route[i].used)
            route_drain(m, &m->route[i]);
    n = m->messages[data];
    pthread_mutex_unlock(&m->lock);
    return n;
}

bool machine_level(struct machine *m, unsigned gsi)
{
    bool level;

    pthread_mutex_lock(&m->lock);
    level = m->level[gsi];
    pthread_mutex_unlock(&m->lock);
    return level;
}

unsigned machine_rises(struct machine *m, unsigned gsi)
{
    unsigned n;

    pthread_mutex_lock(&m->lock);
    n = m->rises[gsi];
    pthread_mutex_unlock(&m->lock);
    return n;
}

static void ram_add(struct machine *m, unsigned i, uint64_t base)
{
    uint8_t *p = (uint8_t *)mmap(NULL, RAM_SIZE + 2 * GUARD, PROT_NONE,
                                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    assert_ptr_not_equal(p, MAP_FAILED);
    assert_int_equal(mprotect(p + GUARD, RAM_SIZE, PROT_READ | PROT_WRITE), 0);
    m->ram[i] = p;
    assert_int_equal(gmem_add(&m->mem, base, RAM_SIZE, p + GUARD), 0);
}

static void irqs_make(struct machine *m)
{
    const struct irq_ops ops = {.line = irq_line,
                                .route = irq_route,
                                .unroute = irq_unroute,
                                .connect = irq_connect,
                                .send = irq_send,
                                .ctx = m};

    m->messages = (uint32_t *)calloc(MACHINE_MESSAGES, sizeof(*m->messages));
    assert_non_null(m->messages);
    pthread_mutex_init(&m->lock, NULL);
    m->irqs = irqs_new(&ops);
    assert_non_null(m->irqs);
}

static int bell_assign(void *ctx, enum bus_space space, uint64_t addr, const struct bus_bell *bell)
{
    struct machine *m = (struct machine *)ctx;
    unsigned i = 0;

    pthread_mutex_lock(&m->lock);
    while (i < MACHINE_BELLS && m->bell[i].bell.fd >= 0)
        i++;
    if (i < MACHINE_BELLS) {
        m->bell[i] = (struct machine_bell){space, addr, *bell};
        m->bells++;
    }
    pthread_mutex_unlock(&m->lock);
    return i < MACHINE_BELLS ? 0 : -ENOSPC;
}

static bool bell_is(const struct machine_bell *b, enum bus_space space, uint64_t addr, unsigned len,
                    uint64_t v)
{
    return b->bell.fd >= 0 && b->space == space && b->addr == addr &&
           (!b->bell.len || b->bell.len == len) && (!b->bell.match || b->bell.value == v);
}

static void bell_deassign(void *ctx, enum bus_space space, uint64_t addr,
                          const struct bus_bell *bell)
{
    struct machine *m = (struct machine *)ctx;

    pthread_mutex_lock(&m->lock);
    for (unsigned i = 0; i < MACHINE_BELLS; i++) {
        struct machine_bell *b = &m->bell[i];

        if (b->bell.fd != bell->fd || !bell_is(b, space, addr, bell->len, bell->value))
            continue;
        b->bell.fd = -1;
        m->bells--;
    }
    pthread_mutex_unlock(&m->lock);
}

/* Does a doorbell take this write? */
static bool bell_rings(struct machine *m, enum bus_space space, uint64_t at, unsigned len,
                       uint64_t v)
{
    const uint64_t one = 1;
    bool taken = false;

    pthread_mutex_lock(&m->lock);
    for (unsigned i = 0; !taken && i < MACHINE_BELLS; i++)
        if (bell_is(&m->bell[i], space, at, len, v))
            taken = write(m->bell[i].bell.fd, &one, sizeof(one)) == (ssize_t)sizeof(one);
    m->n_exits += !taken;
    pthread_mutex_unlock(&m->lock);
    return taken;
}

unsigned machine_bells(struct machine *m)
{
    unsigned n;

    pthread_mutex_lock(&m->lock);
    n = m->bells;
    pthread_mutex_unlock(&m->lock);
    return n;
}

unsigned machine_exits(struct machine *m)
{
    unsigned n;

    pthread_mutex_lock(&m->lock);
    n = m->n_exits;
    pthread_mutex_unlock(&m->lock);
    return n;
}

static const struct pci_layout layout = {
    .mem32_base = 0xc0000000,
    .mem32_size = 0x20000000,
    .mem64_base = UINT64_C(1) << 38,
    .mem64_size = UINT64_C(1) << 32,
    .io_base = 0,
    .io_size = 0x10000,
    .intx_gsi = {MACHINE_INTX_GSI, MACHINE_INTX_GSI + 1, MACHINE_INTX_GSI + 2,
                 MACHINE_INTX_GSI + 3},
};

struct machine *machine_new(bool threads)
{
    return machine_new_with(threads, false);
}

struct machine *machine_new_with(bool threads, bool port_bells)
{
    struct pci_layout windows = layout;
    const unsigned fds = count_fds(), tasks = count_threads();
    struct machine *m = (struct machine *)calloc(1, sizeof(*m));
    struct err err;

    windows.port_bells = port_bells;
    assert_non_null(m);
    m->fds = fds;
    m->tasks = tasks;
    m->threads = threads;
    ram_add(m, 0, RAM_LOW0);
    ram_add(m, 1, RAM_LOW1);
    ram_add(m, 2, RAM_HIGH);
    irqs_make(m);
    for (unsigned i = 0; i < MACHINE_BELLS; i++)
        m->bell[i].bell.fd = -1;
    m->bus = bus_new(&(struct bus_bell_ops){bell_assign, bell_deassign, m});
    assert_non_null(m->bus);
    m->root = pci_root_new(m->bus, m->irqs, &windows);
    assert_non_null(m->root);
    m->host = pcihost_new(m->root, m->bus, machine_loop(m, "host"), ECAM_BASE, true, &err);
    assert_non_null(m->host);
    return m;
}

struct loop *machine_loop(struct machine *m, const char *name)
{
    struct err err;
    struct loop *loop;

    assert_true(m->n_loops < MACHINE_LOOPS);
    loop = loop_new(name, &err);
    assert_non_null(loop);
    m->loop[m->n_loops++] = loop;
    return loop;
}

void machine_start(struct machine *m)
{
    struct err err;

    assert_int_equal(pci_assign(m->root, &err), 0);
    for (unsigned i = 0; m->threads && i < m->n_loops; i++)
        assert_int_equal(loop_start(m->loop[i], &err), 0);
}

void machine_stop(struct machine *m)
{
    for (unsigned i = 0; i < m->n_loops; i++)
        loop_stop(m->loop[i]);
}

/* Threads of the kernel's asynchronous I/O take a moment to go. */
static void leaks_check(unsigned fds, unsigned tasks)
{
    const struct timespec ms = {.tv_nsec = 1000000};

    for (unsigned i = 0; i < LEAK_TRIES && (count_fds() > fds || count_threads() > tasks); i++)
        nanosleep(&ms, NULL);
    assert_in_range(count_fds(), 0, fds);
    assert_in_range(count_threads(), 0, tasks);
}

void machine_free(struct machine *m)
{
    const unsigned fds = m->fds, tasks = m->tasks, routes = m->routes;

    machine_stop(m);
    pcihost_free(m->host);
    pci_root_free(m->root);
    bus_free(m->bus);
    irqs_free(m->irqs);
    for (unsigned i = 0; i < m->n_loops; i++)
        loop_free(m->loop[i]);
    for (unsigned i = 0; i < ARRAY_SIZE(m->ram); i++)
        munmap(m->ram[i], RAM_SIZE + 2 * GUARD);
    pthread_mutex_destroy(&m->lock);
    free(m->messages);
    free(m);
    assert_int_equal(routes, 0);
    leaks_check(fds, tasks);
}

void *machine_mem(struct machine *m, uint64_t at, uint64_t len)
{
    void *p = gmem_span(&m->mem, gpa(at), len);

    assert_non_null(p);
    return p;
}

bool machine_until(struct machine *m, bool (*cond)(void *arg), void *arg, unsigned ms)
{
    const struct timespec nap = {.tv_nsec = 20000};
    const uint64_t end = clock_ns() + ms * UINT64_C(1000000);
    bool busy;

    while (!cond(arg)) {
        if (clock_ns() > end)
            return cond(arg);
        busy = false;
        for (unsigned i = 0; !m->threads && i < m->n_loops; i++)
            busy |= loop_turn(m->loop[i], 0) > 0;
        if (!busy)
            nanosleep(&nap, NULL);
    }
    return true;
}

static void mark_set(void *arg)
{
    __atomic_store_n((bool *)arg, true, __ATOMIC_RELEASE);
}

static bool mark_is_set(void *arg)
{
    return __atomic_load_n((bool *)arg, __ATOMIC_ACQUIRE);
}

/* What the loop had to do when we asked is done when our own work was. */
static void loop_sync(struct machine *m, struct loop *loop)
{
    bool mark = false;
    struct loop_work work = {.fn = mark_set, .arg = &mark};

    loop_post(loop, &work);
    assert_true(machine_until(m, mark_is_set, &mark, WAIT_MS));
    loop_lock(loop); /* it is through with our work when we get this */
    loop_unlock(loop);
}

unsigned machine_settle(struct machine *m)
{
    unsigned ran = 0, now;

    for (unsigned r = 0; m->threads && r < SETTLE_ROUNDS; r++)
        for (unsigned i = 0; i < m->n_loops; i++)
            loop_sync(m, m->loop[i]);
    if (m->threads)
        return 0;
    do {
        now = 0;
        for (unsigned i = 0; i < m->n_loops; i++)
            now += (unsigned)loop_turn(m->loop[i], 0);
        ran += now;
        assert_true(ran < SETTLE_TURNS); /* a loop that never comes to rest */
    } while (now);
    return ran;
}

uint64_t machine_read(struct machine *m, enum bus_space space, uint64_t at, unsigned len)
{
    uint8_t bytes[8];

    bus_read(m->bus, space, at, bytes, len);
    return order_load(ORDER_LITTLE, bytes, len);
}

void machine_write(struct machine *m, enum bus_space space, uint64_t at, unsigned len, uint64_t v)
{
    uint8_t bytes[8];

    if (bell_rings(m, space, at, len, v))
        return;
    order_store(ORDER_LITTLE, bytes, len, v);
    bus_write(m->bus, space, at, bytes, len);
}
