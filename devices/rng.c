// SPDX-License-Identifier: MIT
/*
 * Owns the entropy device: requests, and how many bytes a guest may have in a time. Refuses to know
 * where they come from.
 */
#include "devices/rng.h"

#include <errno.h>
#include <string.h>

#include "virtio/lint.h"
#include "virtio/vq.h"
#include "vmm/base/bits.h"
#include "vmm/base/giov.h"

enum {
    RNG_QUEUE_SIZE = 64,
    TURN_CHAINS = 4, /* so at most 256 KiB at a time, then others on the loop come first (G04) */
    POOL_BYTES = 4096,
    WORTH_BYTES = 64, /* what one waits for when the guest has had its share */
};

#define SECOND_NS UINT64_C(1000000000)
#define PAUSE_NS  UINT64_C(10000000) /* no shorter wait: a low rate must not be a busy one */

struct rng {
    struct vdev *dev;
    struct entropy *source;
    struct loop_timer *timer;
    uint64_t rate;            /* bytes a second; 0: no limit */
    uint64_t credit;          /* bytes, at most a second's worth */
    uint64_t since_ns;        /* when that was true */
    size_t n;                 /* bytes in the pool */
    uint8_t pool[POOL_BYTES]; /* nobody has seen them; cleared as they go */
};

static struct rng *rng_of(const struct vdev *dev)
{
    return (struct rng *)dev->state;
}

/* ---- rate ---- */

/* Rates are below 2^35 and a second has fewer than 2^30: nothing overflows. The clock moves by what
 * was given only, so that rounding loses nothing. */
static void credit_earn(struct rng *rng)
{
    const uint64_t now = clock_ns();
    const uint64_t gone = now - rng->since_ns;
    const uint64_t more = min_u64(gone, SECOND_NS) * rng->rate / SECOND_NS;

    if (!more)
        return;
    rng->credit = min_u64(rng->credit + more, rng->rate);
    rng->since_ns = gone >= SECOND_NS ? now : rng->since_ns + more * SECOND_NS / rng->rate;
}

static uint64_t credit_have(struct rng *rng)
{
    if (!rng->rate)
        return UINT64_MAX;
    credit_earn(rng);
    return rng->credit;
}

static void credit_wait(struct rng *rng)
{
    const uint64_t ns = WORTH_BYTES * SECOND_NS / rng->rate;

    loop_timer_set(rng->timer, min_u64(max_u64(ns, PAUSE_NS), SECOND_NS));
}

/* ---- requests ---- */

static bool pool_fill(struct rng *rng, uint64_t want)
{
    if (!rng->n)
        rng->n = entropy_get(rng->source, rng->pool, (size_t)min_u64(want, POOL_BYTES));
    return rng->n > 0;
}

/* The end of the pool goes first. Returns how many bytes went. */
static uint64_t pool_put(struct rng *rng, struct gcur *in, uint64_t want)
{
    const size_t n = (size_t)min_u64(want, rng->n);
    uint8_t *from = rng->pool + rng->n - n;
    const bool put = gcur_put(in, from, n);

    explicit_bzero(from, n);
    rng->n -= n;
    return put ? n : 0;
}

/* The pool is not empty, so that each request gets a byte at least (5.4.6.2-d1). */
static void rng_one(struct rng *rng, struct vq_chain *chain)
{
    const uint64_t want =
        min_u64(gcur_left(&chain->in), min_u64(credit_have(rng), RNG_REQUEST_MAX));
    uint64_t have = 0, n = 1;

    if (gcur_left(&chain->out))
        lint_see_queue(chain->vq, LINT_RNG_READABLE, gcur_left(&chain->out));
    if (chain->fault || !want) { /* G02: nothing to write to, or not in RAM */
        vq_drop(chain);
        return;
    }
    for (; have < want && n && pool_fill(rng, want - have); have += n)
        n = pool_put(rng, &chain->in, want - have);
    if (rng->rate)
        rng->credit -= have;
    vq_push(chain, (uint32_t)have);
}

/* Buffers stay with the driver while there is nothing to give, or no more for now (G04). */
static bool rng_may_give(struct rng *rng)
{
    if (!credit_have(rng)) {
        credit_wait(rng);
        return false;
    }
    return pool_fill(rng, WORTH_BYTES); /* else the source tells */
}

static void rng_kick(struct vdev *dev, struct vq *vq)
{
    struct rng *rng = rng_of(dev);
    bool more = true, may = true;

    for (unsigned i = 0; i < TURN_CHAINS && more && (may = rng_may_give(rng)); i++) {
        struct vq_chain *chain = vq_pop(vq);

        if (chain)
            rng_one(rng, chain);
        else
            more = vq_kicks(vq, true);
    }
    vq_publish(vq);
    if (!may)
        vq_kicks(vq, false); /* rng_again() looks */
    else if (more)
        loop_post(dev->loop, &vq->again);
}

/* Time has passed, or the source has more. */
static void rng_again(void *arg)
{
    struct rng *rng = (struct rng *)arg;

    if (vdev_runs(rng->dev) && vq_live(&rng->dev->vq[0]))
        rng_kick(rng->dev, &rng->dev->vq[0]);
}

/* ---- the type ---- */

static int rng_open(struct vdev *dev, const void *conf, struct err *err)
{
    const struct rng_conf *c = (const struct rng_conf *)conf;
    struct rng *rng = rng_of(dev);
    int ret;

    rng->timer = loop_timer_new(dev->loop, rng_again, rng);
    if (!rng->timer)
        return err_errno(err, errno, "cannot make the timer of %s", dev->name);
    ret = vdev_queue_add(dev, RNG_QUEUE_SIZE, 0);
    if (ret < 0) {
        loop_timer_del(rng->timer);
        return err_errno(err, -ret, "cannot make the queue of %s", dev->name);
    }
    rng->dev = dev;
    rng->source = c->source;
    rng->rate = c->rate;
    rng->credit = c->rate;
    rng->since_ns = clock_ns();
    entropy_on_ready(rng->source, rng_again, rng);
    return 0;
}

static void rng_offer(struct vdev *dev, struct vfeat *f)
{
    (void)dev;
    (void)f;
}

static void rng_close(struct vdev *dev)
{
    struct rng *rng = rng_of(dev);

    loop_timer_del(rng->timer);
    entropy_close(rng->source);
    explicit_bzero(rng->pool, sizeof(rng->pool));
}

const struct virtio_type rng_type = {
    .name = "rng",
    .id = VIRTIO_ID_RNG,
    .class_code = 0x00ff00,
    .state_size = sizeof(struct rng),
    .open = rng_open,
    .offer = rng_offer,
    .kick = rng_kick,
    .close = rng_close,
};
