// SPDX-License-Identifier: MIT
/*
 * Owns what all drivers do whatever the interface and the ring: initialisation in the order of
 * 3.1.1, requests there and back, waiting for interrupts. Asks the tables for the rest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/driver/driver.h"
#include "vmm/base/bits.h"

enum {
    RING_START = 1 << 20, /* LOW0: rings from 1 MiB, data from 6 MiB to its end */
    DATA_START = 6 << 20,
    LOOSE_BYTES = 20, /* that FRAME_BYTES cuts at either end */
};

void drv_probe(struct drv *d)
{
    d->ring_next = RING_START;
    d->ring_end = DATA_START;
    d->data_next = DATA_START;
    d->data_end = RAM_LOW0 + RAM_SIZE;
    if (!d->ops->probe(d))
        fail_msg("the function does not have what a %s driver needs", d->ops->name);
    for (unsigned i = 0; i < DRV_QUEUES; i++) {
        d->q[i] = (struct dq){
            .d = d, .ops = d->ring, .index = i, .max = d->ops->queue_max(d, i), .order = d->order};
        if (d->q[i].max)
            d->n_queues = i + 1;
    }
}

void drv_done(struct drv *d)
{
    for (unsigned i = 0; i < DRV_QUEUES; i++)
        book_free(&d->q[i]);
}

static bool is_reset(void *arg)
{
    return drv_status((struct drv *)arg) == 0;
}

void drv_reset(struct drv *d)
{
    d->ops->status_set(d, 0);
    if (!machine_until(d->m, is_reset, d, WAIT_MS))
        fail_msg("status is 0x%x long after a reset", drv_status(d));
    for (unsigned i = 0; i < d->n_queues; i++)
        d->q[i].on = false;
}

/* Rings other than split ones are of virtio 1.x. */
static const struct ring_ops *ring_choose(struct drv *d)
{
    const struct ring_ops *ring = d->ops->features_ok ? d->ring : &ring_split;

    for (unsigned i = 0; i < DRV_QUEUES; i++) {
        if (d->q[i].ops != ring)
            d->q[i].area_size = 0;
        d->q[i].ops = ring;
    }
    return ring;
}

bool drv_negotiate(struct drv *d, uint64_t want)
{
    const struct ring_ops *ring = ring_choose(d);
    const uint64_t others = BIT64(VIRTIO_F_RING_PACKED) & ~ring->feature;
    const uint64_t always = ring->feature | (d->ops->features_ok ? BIT64(VIRTIO_F_VERSION_1) : 0);
    uint64_t offered;
    uint8_t status = VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER;

    drv_reset(d);
    d->ops->status_set(d, VIRTIO_S_ACKNOWLEDGE);
    d->ops->status_set(d, status);
    offered = d->ops->offered(d);
    assert_int_equal(offered & always, always);
    d->features = (offered & want & ~others) | always;
    d->ops->accept(d, d->features);
    if (!d->ops->features_ok)
        return true;
    status |= VIRTIO_S_FEATURES_OK;
    d->ops->status_set(d, status);
    return drv_status(d) == status;
}

static void vectors_set(struct drv *d, int q, uint16_t vector)
{
    gfunc_msix_entry(&d->func, vector, false);
    assert_int_equal(d->ops->vector(d, q, vector), vector);
}

void drv_queue(struct drv *d, unsigned i, uint16_t size)
{
    struct dq *q = &d->q[i];

    if (!size)
        size = d->queue_size;
    q->size = size && size < q->max && !d->ops->fixed_size ? size : q->max;
    q->event_idx = d->features >> VIRTIO_F_EVENT_IDX & 1;
    q->in_order = d->features >> VIRTIO_F_IN_ORDER & 1;
    q->notify = (uint16_t)i;
    q->ops->open(q);
    if (d->use_msix) {
        q->vector = (uint16_t)min_u64(i + 1, d->func.msix_n - 1);
        vectors_set(d, (int)i, q->vector);
    }
    q->on = d->ops->queue_open(d, q);
    assert_true(q->on);
}

void drv_go(struct drv *d)
{
    gfunc_msix_control(&d->func, d->use_msix, false);
    if (d->use_msix)
        vectors_set(d, DRV_CONFIG, 0);
    d->ops->status_set(d, drv_status(d) | VIRTIO_S_DRIVER_OK);
}

void drv_init(struct drv *d, uint64_t want)
{
    if (!drv_negotiate(d, want))
        fail_msg("features 0x%llx were refused", (unsigned long long)d->features);
    gfunc_msix_control(&d->func, d->use_msix, false);
    for (unsigned i = 0; i < d->n_queues; i++)
        if (d->q[i].max)
            drv_queue(d, i, 0);
    drv_go(d);
    assert_int_equal(drv_status(d) & (VIRTIO_S_DRIVER_OK | VIRTIO_S_NEEDS_RESET),
                     VIRTIO_S_DRIVER_OK);
}

bool drv_broken(struct drv *d)
{
    if (!d->ops->shows_failure)
        return d->peek(d->peek_ctx);
    return drv_status(d) & VIRTIO_S_NEEDS_RESET;
}

uint64_t drv_alloc(struct drv *d, uint64_t size, uint64_t align)
{
    const uint64_t at = align_up(d->data_next, align);

    assert_true(range_ok(at, size, d->data_end));
    d->data_next = at + size;
    return at;
}

uint64_t drv_mark(struct drv *d)
{
    return d->data_next;
}

void drv_rewind(struct drv *d, uint64_t mark)
{
    d->data_next = mark;
}

void *drv_mem(struct drv *d, uint64_t at, uint64_t len)
{
    return machine_mem(d->m, at, len);
}

static void chain_push(struct chain *c, uint64_t addr, uint32_t len, bool write)
{
    assert_true(c->n < CHAIN_MAX);
    c->buf[c->n++] = (struct dbuf){addr, len, write};
}

void chain_out(struct chain *c, uint64_t addr, uint32_t len)
{
    chain_push(c, addr, len, false);
}

void chain_in(struct chain *c, uint64_t addr, uint32_t len)
{
    chain_push(c, addr, len, true);
}

/* Length of the piece that starts at byte `at` of a buffer of len bytes. */
static uint32_t piece_len(enum frame frame, uint32_t at, uint32_t len, unsigned piece)
{
    const uint32_t left = len - at, odd = 1u << (piece < 12 ? piece : 12);

    if (frame == FRAME_ODD)
        return (uint32_t)min_u64(left, odd > 1 ? odd + 1 : 1);
    if (at < LOOSE_BYTES || left <= LOOSE_BYTES)
        return 1;
    return left - LOOSE_BYTES;
}

void chain_cut(struct chain *c, enum frame frame)
{
    static _Thread_local struct chain whole;

    if (frame == FRAME_WHOLE)
        return;
    whole = *c;
    c->n = 0;
    for (unsigned i = 0; i < whole.n; i++) {
        const struct dbuf *b = &whole.buf[i];
        unsigned piece = 0;

        for (uint32_t at = 0, n; at < b->len; at += n, piece++) {
            n = piece_len(frame, at, b->len, piece);
            chain_push(c, b->addr + at, n, b->write);
        }
    }
}

struct dirq dq_arm(struct dq *q)
{
    struct drv *d = q->d;

    if (d->use_msix)
        return (struct dirq){gfunc_msix_count(&d->func, q->vector)};
    d->ops->isr(d);
    return (struct dirq){0};
}

bool dq_interrupted(struct dq *q, struct dirq *irq)
{
    struct drv *d = q->d;

    if (d->use_msix)
        return gfunc_msix_count(&d->func, q->vector) != irq->seen;
    if (!irq->seen && gfunc_intx_line(&d->func))
        irq->seen = d->ops->isr(d) & VIRTIO_ISR_QUEUE;
    return irq->seen;
}

int dq_add(struct dq *q, const struct chain *c, void *cookie)
{
    const bool indirect =
        q->d->use_indirect && c->n > 1 && (q->d->features >> VIRTIO_F_INDIRECT_DESC & 1);

    return q->ops->add(q, c, indirect, cookie);
}

void dq_kick(struct dq *q)
{
    if (q->ops->publish(q))
        q->d->ops->kick(q->d, q->index);
}

void dq_add_kick(struct dq *q, const struct chain *c, void *cookie)
{
    assert_true(dq_add(q, c, cookie) >= 0);
    dq_kick(q);
}

struct dq_waiting {
    struct dq *q;
    struct dirq irq;
};

static bool used_there(void *arg)
{
    const struct dq_waiting *w = (const struct dq_waiting *)arg;

    return w->q->ops->used_any(w->q);
}

static bool irq_there(void *arg)
{
    struct dq_waiting *w = (struct dq_waiting *)arg;

    return dq_interrupted(w->q, &w->irq);
}

bool dq_wait(struct dq *q, struct used *u, unsigned ms)
{
    struct dq_waiting w = {.q = q, .irq = dq_arm(q)};

    if (q->ops->take(q, u))
        return true;
    if (!machine_until(q->d->m, used_there, &w, ms))
        return false;
    if (!q->quiet && !machine_until(q->d->m, irq_there, &w, WAIT_MS))
        fail_msg("queue %u: a used entry came without the interrupt that was wanted", q->index);
    return q->ops->take(q, u);
}

bool dq_poll(struct dq *q, struct used *u)
{
    return q->ops->take(q, u);
}

uint32_t dq_xfer(struct dq *q, const void *out, uint32_t out_len, void *in, uint32_t in_len)
{
    static _Thread_local struct chain c;
    struct drv *d = q->d;
    const uint64_t mark = drv_mark(d);
    const uint64_t out_at = drv_alloc(d, out_len, 64), in_at = drv_alloc(d, in_len, 64);
    struct used u;
    int id;

    c.n = 0;
    if (out_len) {
        memcpy(drv_mem(d, out_at, out_len), out, out_len);
        chain_out(&c, out_at, out_len);
    }
    if (in_len) {
        memcpy(drv_mem(d, in_at, in_len), in, in_len);
        chain_in(&c, in_at, in_len);
    }
    chain_cut(&c, d->frame);
    id = dq_add(q, &c, NULL);
    assert_true(id >= 0);
    dq_kick(q);
    if (!dq_wait(q, &u, WAIT_MS))
        fail_msg("queue %u: a request did not come back, status 0x%x", q->index, drv_status(d));
    assert_int_equal(u.id, id);
    assert_true(u.len <= in_len);
    if (out_len) /* 2.7.5.1-d1 */
        assert_memory_equal(drv_mem(d, out_at, out_len), out, out_len);
    if (in_len)
        memcpy(in, drv_mem(d, in_at, in_len), in_len);
    drv_rewind(d, mark);
    return u.len;
}
