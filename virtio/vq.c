// SPDX-License-Identifier: MIT
/*
 * Owns what every ring layout shares: counting what is in flight, enable and disable, fair turns.
 * The one place where a layout is chosen. Refuses to read a ring itself.
 */
#include "virtio/vq.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "virtio/fault.h"
#include "virtio/lint.h"
#include "vmm/base/bits.h"
#include "vmm/base/trace.h"

static void chain_retire(struct vq_chain *chain);

/* ---- enable and disable ---- */

void vq_defaults(struct vq *vq)
{
    vq->set = (struct vq_settings){.size = vq->max};
    vq->enabled = false;
    vq->unpublished = 0;
    vq->held = vq->owed = false;
}

static void ring_close(struct vq *vq)
{
    if (vq->ops)
        vq->ops->close(vq);
    vq->ops = NULL;
    vq->ring = NULL;
    vq->wait_first = vq->wait_last = NULL;
    vq_chains_free(vq);
}

/* 2.7-d2, 2.8-d2 */
static bool size_fits(const struct vq *vq)
{
    return vq->set.size && vq->set.size <= vq->max &&
           (is_pow2(vq->set.size) || vdev_has(vq->dev, VIRTIO_F_RING_PACKED));
}

static int ring_make(struct vq *vq)
{
    int ret;

    if (vq->enabled || vq->ops || !size_fits(vq))
        return -EINVAL;
    if (!vq_chains_make(vq))
        return -ENOMEM;
    vq->in_order = vdev_has(vq->dev, VIRTIO_F_IN_ORDER);
    vq->ring_ops = vdev_has(vq->dev, VIRTIO_F_RING_PACKED) ? &vq_packed_ops : &vq_split_ops;
    vq->ops = vq->dev->layer ? vq->dev->layer : vq->ring_ops;
    ret = vq->ops->open(vq);
    if (ret < 0) {
        vq->ops = NULL;
        vq_chains_free(vq);
        return ret;
    }
    vq->enabled = true;
    return 0;
}

int vq_enable(struct vq *vq)
{
    const int ret = ring_make(vq);

    TRACE(QUEUE, vq->dev->trace, vq->index, vq->set.size, vq->set.desc, vq->set.driver,
          vq->set.device, (uint64_t)-ret);
    return ret;
}

/* The last chain came back, or there was none: the ring is gone. */
static void disable_end(struct vq *vq)
{
    const bool alone = vq->draining;

    ring_close(vq);
    vq->draining = false;
    if (!alone || vq->dev->resetting)
        return;
    vq_defaults(vq);
    loop_wake(vq->dev->loop); /* for those who wait for it */
    if (vq->dev->up.queue_reset_done)
        vq->dev->up.queue_reset_done(vq->dev, vq->index);
}

static struct vq_chain *wait_take(struct vq *vq)
{
    struct vq_chain *chain = vq->wait_first;

    if (chain)
        vq->wait_first = chain->wait;
    if (!vq->wait_first)
        vq->wait_last = NULL;
    return chain;
}

void vq_disable(struct vq *vq)
{
    struct vq_chain *chain;

    loop_cancel(vq->dev->loop, &vq->again);
    if (vq->enabled)
        TRACE(QUEUE_OFF, vq->dev->trace, vq->index, vq->in_flight);
    if (FAULTY(vq->dev))
        fault_queue_off(vq);
    if (!vq->draining)
        vq->enabled = false;
    if (!vq->in_flight) {
        disable_end(vq);
        return;
    }
    while ((chain = wait_take(vq)))
        if (chain->busy && chain->done)
            chain_retire(chain);
}

bool vq_indices(const struct vq *vq, struct vq_indices *at)
{
    *at = (struct vq_indices){.more = false};
    if (vq->ops)
        vq->ops->indices(vq, at);
    return vq->ops;
}

void vq_done(struct vq *vq)
{
    ring_close(vq);
}

/* ---- chains ---- */

static void chain_retire(struct vq_chain *chain)
{
    struct vq *vq = chain->vq;

    if (!chain->busy) {
        bug("a chain was given back twice");
        return;
    }
    vq_chain_untake(chain);
    if (!vq->in_flight && vq->ops && (vq->draining || !vq->enabled))
        disable_end(vq);
    vdev_retired(vq->dev);
}

/* ---- the four verbs ---- */

static void wait_add(struct vq_chain *chain)
{
    struct vq *vq = chain->vq;

    chain->wait = NULL;
    if (vq->wait_last)
        vq->wait_last->wait = chain;
    else
        vq->wait_first = chain;
    vq->wait_last = chain;
}

struct vq_chain *vq_pop(struct vq *vq)
{
    struct vq_chain *chain;

    if (!vdev_runs(vq->dev) || !vq_live(vq))
        return NULL;
    if (FAULTY(vq->dev) && fault_keeps(vq))
        return NULL;
    chain = vq->ops->pop(vq);
    if (!chain)
        return NULL;
    vq->stats.chains++;
    vq->stats.bytes_read += gcur_left(&chain->out);
    if (vq->dev->lint)
        lint_chain(chain);
    if (vq->in_order)
        wait_add(chain);
    return chain;
}

/* Into the ring; `with`: the next one says so for it, too (2.7.9-d1, 2.8.8-d1). */
static void chain_use(struct vq_chain *chain, bool with)
{
    struct vq *vq = chain->vq;

    if (with)
        vq->ops->skip(vq, chain);
    else
        vq->ops->push(vq, chain, chain->written);
    vq->unpublished++;
    vq->stats.bytes_written += chain->written;
    chain_retire(chain);
}

/* Those whose turn has come. One entry serves for all in a row that are written completely, as the
 * driver takes the skipped ones to be (2.7.9-d2). */
static void wait_use_in_order(struct vq *vq)
{
    while (vq->wait_first && vq->wait_first->done) {
        struct vq_chain *chain = wait_take(vq);
        const bool another = vq->wait_first && vq->wait_first->done;

        chain_use(chain, another && chain->written == chain->in_bytes);
    }
}

void vq_push(struct vq_chain *chain, uint32_t written)
{
    struct vq *vq = chain->vq;

    if (!chain->busy || !vq_live(vq) || vq->dev->resetting) {
        chain_retire(chain);
        return;
    }
    if (chain->done) {
        bug("a chain was given back twice");
        return;
    }
    chain->written = FAULTY(vq->dev) ? fault_length(vq, written) : written;
    if (!vq->in_order && !vq->dev->dma_off) {
        chain_use(chain, false);
        return;
    }
    chain->done = true;
    if (!vq->in_order)
        wait_add(chain);
}

void vq_catch_up(struct vq *vq)
{
    while (!vq->in_order && vq->wait_first)
        chain_use(wait_take(vq), false);
    vq_publish(vq);
}

void vq_drop(struct vq_chain *chain)
{
    chain->vq->stats.drops++;
    vq_push(chain, 0);
}

void vq_forget(struct vq_chain *chain)
{
    chain_retire(chain);
}

void vq_interrupt(struct vq *vq)
{
    if (FAULTY(vq->dev) && fault_silences(vq))
        return;
    vq->stats.interrupts++;
    vq->dev->up.queue_interrupt(vq->dev, vq->index);
}

void vq_resume(struct vq *vq, uint16_t base)
{
    if (vq_live(vq) && !vq->in_flight && vq->ring_ops->resume)
        vq->ring_ops->resume(vq, base);
}

void vq_publish(struct vq *vq)
{
    struct vdev *dev = vq->dev;

    if (!vq_live(vq) || dev->resetting || dev->dma_off)
        return;
    if (vq->in_order)
        wait_use_in_order(vq);
    if (!vq->unpublished)
        return;
    vq->unpublished = 0;
    if (!vq->ops->publish(vq)) {
        vq->stats.suppressed++;
        TRACE(SUPPRESSED, dev->trace, vq->index);
        return;
    }
    if (!dev->started)
        return; /* 2.1.2-d2 */
    if (vq->held)
        vq->owed = true;
    else
        vq_interrupt(vq);
}

void vq_hold(struct vq *vq, bool on)
{
    vq->held = on;
    if (on || !vq->owed)
        return;
    vq->owed = false;
    if (vq->dev->started && vq_live(vq) && !vq->dev->resetting)
        vq_interrupt(vq);
}

bool vq_kicks(struct vq *vq, bool on)
{
    if (!vdev_runs(vq->dev) || !vq_live(vq))
        return false;
    if (FAULTY(vq->dev) && fault_slow(vq))
        return false; /* it is looked at without a doorbell */
    return vq->ops->kicks(vq, on);
}

void vq_serve(struct vq *vq, void (*fn)(struct vdev *dev, struct vq_chain *chain))
{
    unsigned done = 0;
    bool more = true;

    while (more && done < VQ_TURN) {
        struct vq_chain *chain;
        const unsigned before = done;

        vq_kicks(vq, false);
        while (done < VQ_TURN && (chain = vq_pop(vq))) {
            done++;
            fn(vq->dev, chain);
        }
        vq_publish(vq);
        if (done < VQ_TURN)
            more = vq_kicks(vq, true);
        if (done == before)
            break; /* it came while doorbells were off: no other one will, so a later turn looks */
    }
    if (more)
        loop_post(vq->dev->loop, &vq->again);
}
