// SPDX-License-Identifier: MIT
/*
 * Owns what tests of descriptor chains share. Refuses to know which chain is good.
 */
#include "tests/driver/plot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct plot plot_make(struct bench *b)
{
    struct drv *d = &b->d;
    struct plot p = {.b = b,
                     .q = &d->q[0],
                     .out = drv_alloc(d, BYTES, 64),
                     .in = drv_alloc(d, BYTES, 64),
                     .table = drv_alloc(d, 65536, 4096)};

    memset(drv_mem(d, p.out, BYTES), 0x5c, BYTES);
    memset(drv_mem(d, p.in, BYTES), 0xee, BYTES);
    return p;
}

void plot_entry(const struct plot *p, unsigned i, uint64_t addr, uint32_t len, uint16_t flags,
                uint16_t next)
{
    split_desc_at(p->q, p->table + VIRTQ_DESC_BYTES * i, addr, len, flags, next);
}

void plot_offer(const struct plot *p, uint16_t head)
{
    split_avail(p->q, head);
    split_avail_show(p->q);
    p->b->d.ops->kick(&p->b->d, p->q->index);
}

void plot_fails(const struct plot *p, uint16_t head)
{
    const uint16_t before = split_used_idx(p->q);

    plot_offer(p, head);
    machine_settle(p->b->m);
    assert_int_equal(split_used_idx(p->q), before); /* no partial I/O, nothing given back */
    assert_int_equal(*(uint8_t *)drv_mem(&p->b->d, p->in, 1), 0xee);
    echo_failed_and_recovers(p->b);
}

struct comes {
    struct dq *q;
    uint16_t idx;
};

static bool used_reached(void *arg)
{
    const struct comes *c = (const struct comes *)arg;

    return split_used_idx(c->q) == c->idx;
}

void plot_gives(const struct plot *p, uint16_t head, uint32_t len)
{
    struct comes c = {p->q, (uint16_t)(split_used_idx(p->q) + 1)};
    struct used u;

    plot_offer(p, head);
    if (!machine_until(p->b->m, used_reached, &c, WAIT_MS))
        fail_msg("head %u did not come back, status 0x%x", head, drv_status(&p->b->d));
    u = split_used_entry(p->q, (uint16_t)(c.idx - 1));
    assert_int_equal(u.id, head);
    assert_int_equal(u.len, len);
}

void plot_echoed(const struct plot *p, uint32_t len)
{
    assert_memory_equal(drv_mem(&p->b->d, p->out, len), drv_mem(&p->b->d, p->in, len), len);
}

void plot_recovers(struct bench *b)
{
    bench_init(b);
    echo_works(b, 0, 1000);
}
