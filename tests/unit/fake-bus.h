/* SPDX-License-Identifier: MIT */
/*
 * What is behind interrupts and doorbells in unit tests: a record instead of KVM. One thread.
 */
#ifndef TESTS_UNIT_FAKE_BUS_H
#define TESTS_UNIT_FAKE_BUS_H

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "vmm/bus/bus.h"
#include "vmm/bus/irq.h"

enum { FAKE_ROUTES = 64, FAKE_BELLS = 64 };

struct fake_route {
    bool used;
    uint64_t addr;
    uint32_t data;
    int fd; /* -1: not connected */
};

struct fake_irq {
    struct irq_ops ops;
    bool level[IRQ_LINES];
    unsigned line_calls, route_calls, connect_calls, sends;
    struct fake_route route[FAKE_ROUTES];
    uint64_t sent_addr;
    uint32_t sent_data;
    bool no_routes; /* fail */
};

static inline void fake_line(void *ctx, uint32_t gsi, bool level)
{
    struct fake_irq *f = (struct fake_irq *)ctx;

    f->level[gsi] = level;
    f->line_calls++;
}

static inline int fake_route(void *ctx, int *route, uint64_t addr, uint32_t data, uint32_t devid)
{
    (void)devid;
    struct fake_irq *f = (struct fake_irq *)ctx;

    f->route_calls++;
    if (f->no_routes)
        return -ENOSPC;
    for (int i = 0; *route < 0 && i < FAKE_ROUTES; i++)
        if (!f->route[i].used) {
            f->route[i] = (struct fake_route){.used = true, .fd = -1};
            *route = i;
        }
    if (*route < 0)
        return -ENOSPC;
    f->route[*route].addr = addr;
    f->route[*route].data = data;
    return 0;
}

static inline void fake_unroute(void *ctx, int route)
{
    ((struct fake_irq *)ctx)->route[route].used = false;
}

static inline int fake_connect(void *ctx, int route, int fd, bool on)
{
    struct fake_irq *f = (struct fake_irq *)ctx;

    f->connect_calls++;
    f->route[route].fd = on ? fd : -1;
    return 0;
}

static inline void fake_send(void *ctx, uint64_t addr, uint32_t data, uint32_t devid)
{
    (void)devid;
    struct fake_irq *f = (struct fake_irq *)ctx;

    f->sends++;
    f->sent_addr = addr;
    f->sent_data = data;
}

static inline struct irqs *fake_irqs_new(struct fake_irq *f)
{
    *f =
        (struct fake_irq){.ops = {fake_line, fake_route, fake_unroute, fake_connect, fake_send, f}};
    return irqs_new(&f->ops);
}

static inline unsigned fake_routes(const struct fake_irq *f)
{
    unsigned n = 0;

    for (unsigned i = 0; i < FAKE_ROUTES; i++)
        n += f->route[i].used;
    return n;
}

/* How often the message went out by routes since the last call. */
static inline uint64_t fake_taken(struct fake_irq *f, uint64_t addr, uint32_t data)
{
    uint64_t sum = 0, n;

    for (unsigned i = 0; i < FAKE_ROUTES; i++) {
        const struct fake_route *r = &f->route[i];

        if (r->used && r->fd >= 0 && r->addr == addr && r->data == data &&
            read(r->fd, &n, sizeof(n)) == (ssize_t)sizeof(n))
            sum += n;
    }
    return sum;
}

struct fake_bell {
    bool used;
    enum bus_space space;
    uint64_t addr;
    unsigned len;
    bool match;
    uint64_t value;
    int fd;
};

struct fake_bells {
    struct bus_bell_ops ops;
    struct fake_bell bell[FAKE_BELLS];
    unsigned assigns, deassigns, wrong;
    bool refuse;
};

/* The one that a write of value to addr would ring. */
static inline struct fake_bell *fake_bell_rung(struct fake_bells *f, enum bus_space space,
                                               uint64_t addr, uint64_t value)
{
    for (unsigned i = 0; i < FAKE_BELLS; i++) {
        struct fake_bell *bell = &f->bell[i];

        if (bell->used && bell->space == space && bell->addr == addr &&
            (!bell->match || bell->value == value))
            return bell;
    }
    return NULL;
}

static inline struct fake_bell *fake_bell_at(struct fake_bells *f, enum bus_space space,
                                             uint64_t addr)
{
    return fake_bell_rung(f, space, addr, 0);
}

/* As KVM: two are in each other's way where one write could ring both. */
static inline bool fake_bell_clash(const struct fake_bells *f, enum bus_space space, uint64_t addr,
                                   const struct bus_bell *bell)
{
    for (unsigned i = 0; i < FAKE_BELLS; i++) {
        const struct fake_bell *other = &f->bell[i];

        if (other->used && other->space == space && other->addr == addr &&
            (!other->match || !bell->match || other->value == bell->value))
            return true;
    }
    return false;
}

static inline int fake_bell_assign(void *ctx, enum bus_space space, uint64_t addr,
                                   const struct bus_bell *bell)
{
    struct fake_bells *f = (struct fake_bells *)ctx;

    f->assigns++;
    if (f->refuse)
        return -ENOSPC;
    if (fake_bell_clash(f, space, addr, bell)) {
        f->wrong++;
        return -EEXIST;
    }
    for (unsigned i = 0; i < FAKE_BELLS; i++)
        if (!f->bell[i].used) {
            f->bell[i] = (struct fake_bell){true,        space,       addr,    bell->len,
                                            bell->match, bell->value, bell->fd};
            return 0;
        }
    return -ENOSPC;
}

static inline void fake_bell_deassign(void *ctx, enum bus_space space, uint64_t addr,
                                      const struct bus_bell *bell)
{
    struct fake_bells *f = (struct fake_bells *)ctx;
    struct fake_bell *mine = fake_bell_rung(f, space, addr, bell->value);

    f->deassigns++;
    if (mine && mine->fd == bell->fd && mine->len == bell->len && mine->match == bell->match)
        mine->used = false;
    else
        f->wrong++;
}

static inline struct bus *fake_bells_bus(struct fake_bells *f)
{
    *f = (struct fake_bells){.ops = {fake_bell_assign, fake_bell_deassign, f}};
    return bus_new(&f->ops);
}

/* Which descriptor a write to addr would signal without an exit; -1: none. */
static inline int fake_bell_fd(struct fake_bells *f, enum bus_space space, uint64_t addr)
{
    const struct fake_bell *bell = fake_bell_at(f, space, addr);

    return bell ? bell->fd : -1;
}

static inline unsigned fake_bells_live(const struct fake_bells *f)
{
    unsigned n = 0;

    for (unsigned i = 0; i < FAKE_BELLS; i++)
        n += f->bell[i].used;
    return n;
}

#endif
