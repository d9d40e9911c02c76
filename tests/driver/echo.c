// SPDX-License-Identifier: MIT
/*
 * Owns the scratch device type and what tests of the core say about it.
 */
#include "tests/driver/echo.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/base/bits.h"

enum { PIECE = 512, HALF_VALUE = 0xd00d, BYTE_VALUE = 0x5a, GATED_VALUE = 0x600d };

static struct echo *echo_of(struct vdev *dev)
{
    return (struct echo *)dev->state;
}

static struct vq_chain **held_next(struct vq_chain *chain)
{
    return (struct vq_chain **)vq_chain_extra(chain);
}

static void echo_answer(struct vq_chain *chain)
{
    uint64_t left = min_u64(gcur_left(&chain->out), gcur_left(&chain->in));
    uint32_t written = 0;
    uint8_t piece[PIECE];

    if (chain->fault || !gcur_is_ram(&chain->out) || !gcur_is_ram(&chain->in)) {
        vq_drop(chain);
        return;
    }
    while (left) {
        const size_t n = min_u64(left, sizeof(piece));

        gcur_get(&chain->out, piece, n);
        gcur_put(&chain->in, piece, n);
        written += (uint32_t)n;
        left -= n;
    }
    vq_push(chain, written);
}

static void echo_request(struct vdev *dev, struct vq_chain *chain)
{
    struct echo *e = echo_of(dev);

    e->served++;
    if (e->hold == ECHO_AT_ONCE) {
        echo_answer(chain);
        return;
    }
    *held_next(chain) = NULL;
    if (e->first)
        *held_next(e->last) = chain;
    else
        e->first = chain;
    e->last = chain;
    e->n_held++;
}

static void held_remove(struct echo *e, struct vq_chain *prev, struct vq_chain *chain)
{
    struct vq_chain *next = *held_next(chain);

    if (prev)
        *held_next(prev) = next;
    else
        e->first = next;
    if (e->last == chain)
        e->last = prev;
    e->n_held--;
}

static int echo_open(struct vdev *dev, const void *conf, struct err *err)
{
    static const struct echo_conf plain;
    struct echo *e = echo_of(dev);
    const struct echo_conf *c = conf ? (const struct echo_conf *)conf : &plain;
    const unsigned n = c->n_queues ? c->n_queues : ECHO_QUEUES;

    if (c->fail_open)
        return err_set(err, c->fail_open, "%s: told not to open", dev->name);
    e->conf = c;
    e->hold = c->hold;
    e->fail_start = c->fail_start;
    e->capacity = ECHO_CAPACITY;
    for (unsigned i = 0; i < n; i++)
        if (vdev_queue_add(dev, c->max ? c->max : ECHO_MAX, sizeof(struct vq_chain *)) < 0)
            return err_set(err, ENOMEM, "%s: no memory", dev->name);
    return 0;
}

static void echo_offer(struct vdev *dev, struct vfeat *f)
{
    static const uint8_t bits[] = {ECHO_F_PICKY, ECHO_F_FRIEND, ECHO_F_HIGH, ECHO_F_HIGHEST};

    for (unsigned i = 0; i < ARRAY_SIZE(bits); i++)
        vfeat_add(f, bits[i]);
    if (echo_of(dev)->conf->not_in_order)
        vfeat_del(f, VIRTIO_F_IN_ORDER);
    if (echo_of(dev)->conf->not_gated)
        return;
    vfeat_add(f, ECHO_F_GATED);
    vfeat_add(f, ECHO_F_CHILD);
}

static bool echo_accept(struct vdev *dev, const struct vfeat *f)
{
    (void)dev;
    return !vfeat_has(f, ECHO_F_PICKY) || vfeat_has(f, ECHO_F_FRIEND);
}

static int echo_start(struct vdev *dev)
{
    echo_of(dev)->starts++;
    return echo_of(dev)->fail_start ? -EAGAIN : 0;
}

static void echo_kick(struct vdev *dev, struct vq *vq)
{
    echo_of(dev)->kicks++;
    vq_serve(vq, echo_request);
}

static void echo_stop(struct vdev *dev, struct vq *only)
{
    struct echo *e = echo_of(dev);
    struct vq_chain *prev = NULL, *next;

    e->stops++;
    if (e->hold == ECHO_HOLD_IO)
        return;
    for (struct vq_chain *c = e->first; c; c = next) {
        next = *held_next(c);
        if (only && c->vq != only) {
            prev = c;
            continue;
        }
        held_remove(e, prev, c);
        vq_forget(c);
    }
}

static void echo_close(struct vdev *dev)
{
    (void)dev;
}

/* ---- configuration ---- */

static uint64_t capacity_read(void *ctx, const struct reg *reg)
{
    (void)reg;
    return echo_of((struct vdev *)ctx)->capacity;
}

static uint64_t value_read(void *ctx, const struct reg *reg)
{
    static const uint32_t values[] = {ECHO_NUMBER, HALF_VALUE, BYTE_VALUE, GATED_VALUE};

    (void)ctx;
    return values[reg->arg];
}

static uint64_t byte_rw_read(void *ctx, const struct reg *reg)
{
    (void)reg;
    return echo_of((struct vdev *)ctx)->byte_rw;
}

static void byte_rw_write(void *ctx, const struct reg *reg, uint64_t v)
{
    (void)reg;
    echo_of((struct vdev *)ctx)->byte_rw = (uint8_t)v;
}

static uint64_t word_rw_read(void *ctx, const struct reg *reg)
{
    (void)reg;
    return echo_of((struct vdev *)ctx)->word_rw;
}

static void word_rw_write(void *ctx, const struct reg *reg, uint64_t v)
{
    (void)reg;
    echo_of((struct vdev *)ctx)->word_rw = (uint32_t)v;
}

static uint64_t long_rw_read(void *ctx, const struct reg *reg)
{
    (void)reg;
    return echo_of((struct vdev *)ctx)->long_rw;
}

static void long_rw_write(void *ctx, const struct reg *reg, uint64_t v)
{
    (void)reg;
    echo_of((struct vdev *)ctx)->long_rw = v;
}

static bool row_present(void *ctx, const struct reg *reg)
{
    return reg->off != ECHO_C_GATED || vdev_offers((struct vdev *)ctx, ECHO_F_GATED);
}

static const struct reg config_rows[] = {
    {ECHO_C_CAPACITY, 8, 0, "capacity", "2.5.2-d1", capacity_read, NULL},
    {ECHO_C_NUMBER, 4, 0, "number", "2.5.2-d1", value_read, NULL},
    {ECHO_C_HALF, 2, 1, "half", "2.5.2-d1", value_read, NULL},
    {ECHO_C_BYTE, 1, 2, "byte", "2.5.2-d1", value_read, NULL},
    {ECHO_C_BYTE_RW, 1, 0, "byte_rw", "2.5.2-d1", byte_rw_read, byte_rw_write},
    {ECHO_C_WORD_RW, 4, 0, "word_rw", "2.5.2-d1", word_rw_read, word_rw_write},
    {ECHO_C_GATED, 4, 3, "gated", "2.5.2-d2", value_read, NULL},
    {ECHO_C_LONG_RW, 8, 0, "long_rw", "2.5.2-d1", long_rw_read, long_rw_write},
};

static const struct regs echo_config = {.name = "echo",
                                        .row = config_rows,
                                        .n = ARRAY_SIZE(config_rows),
                                        .size = ECHO_C_SIZE,
                                        .present = row_present};

static const struct vfeat_row echo_features[] = {
    {ECHO_F_GATED, "gated", "2.5.2-d2", -1},
    {ECHO_F_CHILD, "child", "2.2.1-t2", ECHO_F_GATED},
    {ECHO_F_PICKY, "picky", "2.2.2-d3", -1},
    {ECHO_F_FRIEND, "friend", "2.2.2-d3", -1},
    {ECHO_F_HIGH, "high", "2.2-d1", -1},
    {ECHO_F_HIGHEST, "highest", "2.2-d1", -1},
    {0, NULL, NULL, -1},
};

static const struct vfeat_tie echo_ties[] = {
    {ECHO_F_PICKY, {ECHO_F_FRIEND, ECHO_F_FRIEND}, "2.2.2-d3"},
    {0, {0, 0}, NULL},
};

const struct virtio_type echo_type = {
    .name = "echo",
    .id = ECHO_ID,
    .class_code = 0xff0000,
    .state_size = sizeof(struct echo),
    .features = echo_features,
    .ties = echo_ties,
    .config = &echo_config,
    .open = echo_open,
    .offer = echo_offer,
    .accept = echo_accept,
    .start = echo_start,
    .kick = echo_kick,
    .stop = echo_stop,
    .close = echo_close,
};

static void *conf_make(struct bench *b)
{
    return (void *)(uintptr_t)b->arg;
}

const struct bench_kind echo_kind = {.type = &echo_type, .name = "echo0", .make_conf = conf_make};

/* ---- for tests ---- */

void echo_set_hold(struct bench *b, enum echo_hold hold)
{
    loop_lock(b->loop);
    echo_of(b->dev)->hold = hold;
    loop_unlock(b->loop);
}

unsigned echo_held(struct bench *b)
{
    unsigned n;

    loop_lock(b->loop);
    n = echo_of(b->dev)->n_held;
    loop_unlock(b->loop);
    return n;
}

unsigned echo_release(struct bench *b, unsigned n)
{
    struct echo *e = echo_of(b->dev);
    unsigned done = 0;

    loop_lock(b->loop);
    for (; done < n && e->first; done++) {
        struct vq_chain *chain = e->first;
        struct vq *vq = chain->vq;

        held_remove(e, NULL, chain);
        echo_answer(chain);
        vq_publish(vq);
    }
    loop_unlock(b->loop);
    return done;
}

void echo_release_batch(struct bench *b, unsigned n)
{
    struct echo *e = echo_of(b->dev);
    struct vq *vq = NULL;

    loop_lock(b->loop);
    for (; n && e->first; n--) {
        struct vq_chain *chain = e->first;

        vq = chain->vq;
        held_remove(e, NULL, chain);
        echo_answer(chain);
    }
    if (vq)
        vq_publish(vq);
    loop_unlock(b->loop);
}

void echo_release_last(struct bench *b)
{
    struct echo *e = echo_of(b->dev);
    struct vq_chain *prev = NULL, *chain;
    struct vq *vq;

    loop_lock(b->loop);
    chain = e->first;
    assert_non_null(chain);
    for (; *held_next(chain); chain = *held_next(chain))
        prev = chain;
    vq = chain->vq;
    held_remove(e, prev, chain);
    echo_answer(chain);
    vq_publish(vq);
    loop_unlock(b->loop);
}

void echo_resize(struct bench *b, uint64_t capacity)
{
    loop_lock(b->loop);
    echo_of(b->dev)->capacity = capacity;
    vdev_config_changed(b->dev);
    loop_unlock(b->loop);
}

uint64_t echo_served(struct bench *b)
{
    uint64_t n;

    loop_lock(b->loop);
    n = echo_of(b->dev)->served;
    loop_unlock(b->loop);
    return n;
}

uint64_t echo_kicks(struct bench *b)
{
    uint64_t n;

    loop_lock(b->loop);
    n = echo_of(b->dev)->kicks;
    loop_unlock(b->loop);
    return n;
}

void echo_works(struct bench *b, unsigned queue, uint32_t len)
{
    uint8_t *out = (uint8_t *)malloc(len), *in = (uint8_t *)calloc(1, len);

    assert_true(out && in);
    for (uint32_t i = 0; i < len; i++)
        out[i] = (uint8_t)(i * 7 + len + 1);
    assert_int_equal(dq_xfer(&b->d.q[queue], out, len, in, len), len);
    assert_memory_equal(out, in, len);
    free(out);
    free(in);
}

struct held_wait {
    struct bench *b;
    unsigned n;
};

static bool held_enough(void *arg)
{
    const struct held_wait *w = (const struct held_wait *)arg;

    return echo_held(w->b) >= w->n;
}

void echo_wait_held(struct bench *b, unsigned n)
{
    struct held_wait w = {b, n};

    if (!machine_until(b->m, held_enough, &w, WAIT_MS))
        fail_msg("%u requests are held, not %u", echo_held(b), n);
}

static bool failed_now(void *arg)
{
    return drv_broken((struct drv *)arg);
}

static void config_interrupt_came(struct bench *b)
{
    struct drv *d = &b->d;

    if (!d->ops->shows_failure)
        return;
    if (d->use_msix)
        assert_true(gfunc_msix_count(&d->func, 0) > 0);
    else
        assert_true(gfunc_intx_line(&d->func));
    assert_true(d->ops->isr(d) & VIRTIO_ISR_CONFIG);
}

void echo_failed_and_recovers(struct bench *b)
{
    struct drv *d = &b->d;
    uint64_t served;

    if (!machine_until(b->m, failed_now, d, WAIT_MS))
        fail_msg("the device did not notice: status 0x%x", drv_status(d));
    machine_settle(b->m);
    config_interrupt_came(b);
    served = echo_served(b);
    for (unsigned i = 0; i < d->n_queues; i++)
        d->ops->kick(d, i);
    machine_settle(b->m);
    assert_int_equal(echo_served(b), served);
    echo_set_hold(b, ECHO_AT_ONCE);
    bench_init(b);
    for (unsigned i = 0; i < d->n_queues; i++)
        echo_works(b, i, 100);
}

void echo_ask(struct bench *b, unsigned queue, uint32_t len)
{
    static struct chain c;
    const uint64_t at = drv_alloc(&b->d, len, 64);

    c.n = 0;
    chain_out(&c, at, len / 2);
    chain_in(&c, at + len / 2, len / 2);
    dq_add_kick(&b->d.q[queue], &c, NULL);
}
