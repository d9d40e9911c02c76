// SPDX-License-Identifier: MIT
/*
 * Owns the requests of a replay: collected from their pops on, fed to the device when the recorded
 * one published them, so that here as there interrupts come where the driver expected them.
 */
#include <stdlib.h>
#include <string.h>

#include "virtio/vq.h"
#include "vmm/base/bits.h"
#include "vmm/trace-replay-internal.h"

/* Turns of the loops with nothing under way: nothing more will come. */
enum { IDLE_TURNS = 50 };

#define ANSWER_NS (5 * UINT64_C(1000000000))

/* ---- letting devices work ---- */

static void loops_turn(struct replay *r, int timeout_ms)
{
    const struct parts *parts = &r->m->parts;

    for (unsigned i = 0; i < parts->n; i++)
        if (parts->part[i]->loop != r->m->io)
            loop_turn(parts->part[i]->loop, 0);
    loop_turn(r->m->io, timeout_ms);
}

/* Until this loop has nothing more to do without new events. Bounded: devices may not spin. */
static void loop_settle(struct loop *loop)
{
    for (unsigned i = 0; i < 1000 && loop_turn(loop, 0); i++)
        continue;
}

/* ---- chains ---- */

static void chain_free(struct replay_chain *c)
{
    if (!c)
        return;
    free(c->piece);
    free(c);
}

/* c is popped with that id now; NULL: nothing is. */
static void pending_set(struct line *l, uint16_t id, struct replay_chain *c)
{
    if (l->pending[id])
        l->n_pending--;
    chain_free(l->pending[id]);
    l->pending[id] = c;
    if (c)
        l->n_pending++;
}

static void batch_free(struct line *l)
{
    for (unsigned i = 0; i < l->n_batch; i++)
        chain_free(l->batch[i]);
    l->n_batch = 0;
}

void replay_line_clear(struct line *l)
{
    for (unsigned i = 0; l->n_pending && i < REPLAY_IDS; i++)
        pending_set(l, (uint16_t)i, NULL);
    batch_free(l);
    l->building.n = 0;
    l->judged = false;
    replay_ring_close(&l->ring);
}

static void do_queue(struct replay *r, struct place *p, struct line *l)
{
    const struct trace_rec *rec = r->rec;
    struct vq *vq = &p->vpci->dev->vq[rec->queue];
    const bool was = rec->value[4] == 0;

    replay_line_clear(l);
    if (was != vq->enabled) {
        replay_differs(r, "it was %s, here it is %s", was ? "enabled" : "refused",
                       vq->enabled ? "enabled" : "not");
        return;
    }
    if (!was)
        return;
    if (vq->set.size != rec->value[0] || vq->set.desc != rec->value[1] ||
        vq->set.driver != rec->value[2] || vq->set.device != rec->value[3])
        replay_differs(r, "size and addresses are others here");
    loop_lock(p->part->loop);
    replay_ring_open(&l->ring, vq, &r->m->mem, l->tables);
    loop_unlock(p->part->loop);
}

/* ---- requests ---- */

static bool piece_add(struct replay_chain *c, const struct trace_rec *rec)
{
    struct replay_piece *more;

    if (c->n == REPLAY_PIECES)
        return false;
    more = realloc(c->piece, (c->n + 1) * sizeof(*more));
    if (!more)
        return false;
    c->piece = more;
    more[c->n++] = (struct replay_piece){
        .addr = rec->value[1], .len = (uint32_t)rec->value[2], .write = rec->value[0] != 0};
    return true;
}

static void do_data(struct line *l, const struct trace_rec *rec)
{
    struct replay_chain *c = &l->building;
    struct replay_piece *p = c->n ? &c->piece[c->n - 1] : NULL;

    if (!p || p->write)
        return;
    p->n_bytes = (uint16_t)min_u64(min_u64(rec->n_bytes, sizeof(p->bytes)), p->len);
    memcpy(p->bytes, rec->bytes, p->n_bytes);
}

static void do_pop(struct line *l, const struct trace_rec *rec)
{
    const uint16_t id = (uint16_t)rec->value[0];
    struct replay_chain *c = malloc(sizeof(*c));

    if (c)
        *c = l->building;
    pending_set(l, id, c);
    if (!c)
        return;
    l->building = (struct replay_chain){.n = 0};
}

static bool batch_add(struct line *l, struct replay_chain *c, uint32_t written)
{
    if (l->n_batch == l->cap_batch) {
        const unsigned cap = l->cap_batch ? 2 * l->cap_batch : 16;
        struct replay_chain **batch = realloc(l->batch, cap * sizeof(l->batch[0]));
        uint32_t *more;

        if (!batch)
            return false;
        l->batch = batch;
        more = realloc(l->written, cap * sizeof(l->written[0]));
        if (!more)
            return false;
        l->written = more;
        l->cap_batch = cap;
    }
    l->batch[l->n_batch] = c;
    l->written[l->n_batch++] = written;
    return true;
}

static void do_push(struct replay *r, struct line *l)
{
    const uint16_t id = (uint16_t)r->rec->value[0];
    struct replay_chain *c = l->pending[id];

    if (l->by_host || !c || !c->n) {
        *(l->by_host ? &r->counts->host : &r->counts->unknown) += 1;
        l->ring.lost |= !l->by_host;
        return;
    }
    l->pending[id] = NULL;
    l->n_pending--;
    if (!batch_add(l, c, (uint32_t)r->rec->value[1]))
        chain_free(c);
}

/* Kick the device and wait for all that was fed. */
static void answers_take(struct replay *r, struct place *p, struct line *l)
{
    const uint64_t deadline = clock_ns() + ANSWER_NS;
    uint32_t written, expect;
    unsigned idle = 0;
    bool got;

    loop_lock(p->part->loop);
    vdev_kick(p->vpci->dev, r->rec->queue);
    loop_unlock(p->part->loop);
    while (l->ring.fed && !l->ring.lost) {
        loop_lock(p->part->loop);
        got = replay_ring_take(&l->ring, &written, &expect);
        loop_unlock(p->part->loop);
        if (got) {
            r->counts->requests++;
            if (written != expect)
                replay_differs(r, "%u bytes were written, here %u", expect, written);
            continue;
        }
        idle = p->vpci->dev->in_flight ? 0 : idle + 1;
        if (clock_ns() > deadline || idle > IDLE_TURNS) {
            replay_differs(r, "%u buffers were used, here they are not", l->ring.fed);
            l->ring.lost = true;
            return;
        }
        loops_turn(r, 1);
    }
    loop_settle(p->part->loop);
    loop_settle(r->m->io);
}

/* The recorded device looked whether the driver wants to be told: everything before it was used. */
static void do_event(struct replay *r, struct place *p, struct line *l)
{
    const struct vq *vq = &p->vpci->dev->vq[r->rec->queue];
    unsigned i = 0;

    l->judged = false;
    if (l->by_host || l->ring.lost || !l->ring.size) {
        batch_free(l);
        return;
    }
    l->notices = vq->stats.interrupts;
    l->silences = vq->stats.suppressed;
    l->judged = l->n_batch > 0;
    loop_lock(p->part->loop);
    replay_ring_event(&l->ring, (uint32_t)r->rec->value[0]);
    loop_unlock(p->part->loop);
    while (i < l->n_batch && !l->ring.lost) {
        const unsigned first = i;

        loop_lock(p->part->loop);
        while (i < l->n_batch && replay_ring_feed(&l->ring, l->batch[i], l->written[i]))
            i++;
        loop_unlock(p->part->loop);
        if (i == first) {
            l->ring.lost = true; /* it does not fit into the ring at all */
            r->counts->unknown += l->n_batch - i;
            break;
        }
        answers_take(r, p, l);
    }
    batch_free(l);
}

static void do_notice(struct replay *r, struct place *p, struct line *l)
{
    const bool was = r->rec->point == TRACE_INTERRUPT;
    struct vdev *dev = p->vpci->dev;
    bool here;

    if (l->by_host && was) { /* the driver will ask why */
        loop_lock(p->part->loop);
        dev->up.queue_interrupt(dev, r->rec->queue);
        loop_unlock(p->part->loop);
    }
    if (!l->judged || l->ring.lost)
        return;
    l->judged = false;
    here = dev->vq[r->rec->queue].stats.interrupts > l->notices;
    r->counts->notices++;
    if (here != was)
        replay_differs(r, was ? "there was an interrupt, here none"
                              : "there was no interrupt, here one");
}

void replay_queue(struct replay *r, struct place *p, struct line *l)
{
    switch (r->rec->point) {
    case TRACE_QUEUE:
        do_queue(r, p, l);
        break;
    case TRACE_EXTENT:
        piece_add(&l->building, r->rec);
        break;
    case TRACE_DATA:
        do_data(l, r->rec);
        break;
    case TRACE_SPAN:
        l->building.slots = r->rec->value[0];
        break;
    case TRACE_POP:
        do_pop(l, r->rec);
        break;
    case TRACE_PUSH:
        do_push(r, l);
        break;
    case TRACE_EVENT:
        do_event(r, p, l);
        break;
    case TRACE_INTERRUPT:
    case TRACE_SUPPRESSED:
        do_notice(r, p, l);
        break;
    default:
        break;
    }
}
