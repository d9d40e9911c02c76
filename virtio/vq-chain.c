// SPDX-License-Identifier: MIT
/*
 * Owns chains and their memory: as many chains as a queue has entries, whatever ids its driver
 * gives them, made when first needed; and what their pieces are. Refuses to know when one is used.
 */
#include <stdlib.h>
#include <string.h>

#include "virtio/lint.h"
#include "virtio/vq.h"
#include "vmm/base/bits.h"
#include "vmm/base/trace.h"

enum { CHAIN_IOV_FIRST = 4, TRACE_DATA_BYTES = 256 }; /* pieces that most chains need */

/* The chain, then the device type's own bytes. */
static size_t chain_bytes(void)
{
    return align_up(sizeof(struct vq_chain), _Alignof(max_align_t));
}

void *vq_chain_extra(struct vq_chain *chain)
{
    return (uint8_t *)chain + chain_bytes();
}

/* ---- all chains of a queue ---- */

bool vq_chains_make(struct vq *vq)
{
    vq->slot = (struct vq_chain **)calloc(vq->set.size, sizeof(vq->slot[0]));
    vq->idle = (struct vq_chain **)calloc(vq->set.size, sizeof(vq->idle[0]));
    vq->n_slots = vq->set.size;
    vq->n_idle = 0;
    vq->any_id = false;
    if (vq->slot && vq->idle)
        return true;
    vq_chains_free(vq);
    return false;
}

static void chain_free(struct vq_chain *chain)
{
    if (chain)
        free(chain->iov);
    free(chain);
}

void vq_chains_free(struct vq *vq)
{
    for (unsigned i = 0; vq->slot && i < vq->n_slots; i++)
        chain_free(vq->slot[i]);
    for (unsigned i = 0; i < vq->n_idle; i++)
        chain_free(vq->idle[i]);
    free(vq->slot);
    free(vq->idle);
    vq->slot = vq->idle = NULL;
    vq->n_slots = vq->n_idle = 0;
}

/* Is there a slot for id, or can there be one? */
static bool slot_reach(struct vq *vq, uint16_t id)
{
    struct vq_chain **more;
    uint32_t n = vq->n_slots;

    if (id < n)
        return true;
    if (!vq->any_id)
        return false;
    while (n <= id)
        n *= 2;
    more = (struct vq_chain **)realloc(vq->slot, n * sizeof(*more));
    if (!more)
        return false;
    memset(more + vq->n_slots, 0, (n - vq->n_slots) * sizeof(*more));
    vq->slot = more;
    vq->n_slots = n;
    return true;
}

/* The one that was given back last: its memory is warm. */
static struct vq_chain *chain_get(struct vq *vq)
{
    struct vq_chain *chain;

    if (vq->n_idle)
        return vq->idle[--vq->n_idle];
    if (vq->in_flight >= vq->set.size)
        return NULL; /* there are no more than entries, busy or idle */
    chain = (struct vq_chain *)calloc(1, chain_bytes() + vq->extra);
    if (chain)
        chain->vq = vq;
    return chain;
}

struct vq_chain *vq_chain_take(struct vq *vq, uint16_t id)
{
    struct vq_chain *chain;

    if (!slot_reach(vq, id) || vq->slot[id])
        return NULL;
    chain = chain_get(vq);
    if (!chain)
        return NULL;
    vq->slot[id] = chain;
    chain->id = id;
    chain->busy = true;
    chain->done = chain->fault = false;
    chain->n_iov = chain->n_out = 0;
    chain->out.left = chain->in.left = 0;
    vq->in_flight++;
    vq->dev->in_flight++;
    return chain;
}

void vq_chain_untake(struct vq_chain *chain)
{
    struct vq *vq = chain->vq;

    chain->busy = false;
    vq->slot[chain->id] = NULL;
    vq->idle[vq->n_idle++] = chain;
    vq->in_flight--;
    vq->dev->in_flight--;
}

/* ---- pieces ---- */

static bool chain_room(struct vq_chain *chain, unsigned more)
{
    uint32_t cap = chain->cap_iov ? chain->cap_iov : CHAIN_IOV_FIRST;
    struct iovec *iov;

    while (cap < chain->n_iov + more)
        cap *= 2;
    if (cap == chain->cap_iov)
        return true;
    iov = realloc(chain->iov, cap * sizeof(*iov));
    if (!iov)
        return false;
    chain->iov = iov;
    chain->cap_iov = cap;
    return true;
}

/* What a replay needs to know of a buffer: its first bytes, as they are now. Nothing is decided by
 * what is read here. */
static void extent_trace(const struct vq_chain *chain, uint64_t addr, uint32_t len, bool write,
                         const void *host)
{
    const struct vq *vq = chain->vq;
    const uint64_t id = chain->id;

    TRACE(EXTENT, vq->dev->trace, vq->index, write, addr, len);
    if (trace_on(TRACE_REPLAY) && !write && host)
        trace_emit_bytes(TRACE_DATA, vq->dev->trace, vq->index, &id, 1, host,
                         min_u64(len, TRACE_DATA_BYTES));
}

bool vq_chain_add(struct vq_chain *chain, uint64_t addr, uint32_t len, bool write)
{
    void *host = len ? gmem_span(chain->vq->dev->mem, gpa(addr), len) : NULL;
    int n = 1;

    if (!chain_room(chain, host ? 1 : GMEM_REGIONS))
        return false;
    if (host)
        chain->iov[chain->n_iov] = (struct iovec){host, len};
    else
        n = gmem_iov(chain->vq->dev->mem, gpa(addr), len, chain->iov + chain->n_iov, GMEM_REGIONS);
    if (n < 0) { /* D10..D16: not RAM; its length counts, its bytes are out of reach */
        chain->iov[chain->n_iov] = (struct iovec){NULL, len};
        chain->fault = true;
        lint_see_queue(chain->vq, LINT_BUFFER_ADDRESS, addr);
        n = 1;
    }
    chain->n_iov += (uint32_t)n;
    if (!write)
        chain->n_out = chain->n_iov;
    *(write ? &chain->in.left : &chain->out.left) += len;
    if (trace_on(TRACE_DMA))
        extent_trace(chain, addr, len, write, host);
    return true;
}

void vq_chain_ready(struct vq_chain *chain)
{
    const enum byte_order order = chain->vq->dev->order;

    chain->out =
        (struct gcur){.v = chain->iov, .n = chain->n_out, .order = order, .left = chain->out.left};
    chain->in = (struct gcur){.v = chain->iov + chain->n_out,
                              .n = chain->n_iov - chain->n_out,
                              .order = order,
                              .left = chain->in.left};
    chain->in_bytes = chain->in.left;
}

/* Make room for the graft before byte `at` of a list of pieces. NULL without memory. */
static struct iovec *graft_place(struct vq_chain *chain, bool in, uint32_t at)
{
    struct iovec *v;
    unsigned more;

    if (!chain_room(chain, 2))
        return NULL;
    v = chain->iov + (in ? chain->n_out : 0);
    for (; at && at >= v->iov_len; v++)
        at -= (uint32_t)v->iov_len;
    more = at ? 2 : 1; /* a piece is cut in two */
    memmove(v + more, v, (size_t)(chain->iov + chain->n_iov - v) * sizeof(*v));
    chain->n_iov += more;
    chain->n_out += in ? 0 : more;
    if (!at)
        return v;
    v[2].iov_len -= at;
    if (v[2].iov_base)
        v[2].iov_base = (uint8_t *)v[2].iov_base + at;
    v[0].iov_len = at;
    return v + 1;
}

bool vq_chain_graft(struct vq_chain *chain, bool in, uint32_t at, uint32_t cut, uint32_t len)
{
    struct gcur *c = in ? &chain->in : &chain->out;
    struct iovec *graft;
    size_t skip = cut;

    if (len > VQ_GRAFT || (uint64_t)at + cut > gcur_left(c))
        return false;
    graft = graft_place(chain, in, at);
    if (!graft)
        return false;
    *graft = (struct iovec){chain->graft, len};
    c->left = c->left - cut + len;
    for (struct iovec *v = graft + 1; skip; v++) { /* pieces may become empty */
        const size_t take = min_u64(skip, v->iov_len);

        if (v->iov_base)
            v->iov_base = (uint8_t *)v->iov_base + take;
        v->iov_len -= take;
        skip -= take;
    }
    vq_chain_ready(chain);
    return true;
}
