/* SPDX-License-Identifier: MIT */
/*
 * Virtqueues. Four verbs for devices, the same for every ring layout:
 *   pop      the next chain that the driver made available
 *   push     give it back as used, with the number of bytes written
 *   publish  let the driver see what was pushed, and interrupt if it wants to know
 *   kicks    say whether doorbells are wanted
 * What the driver sets (struct vq_settings) and a live ring (vq->ring) are different things:
 * a ring is made of the settings once, at enable, and later changes of them do not matter.
 */
#ifndef VIRTIO_VQ_H
#define VIRTIO_VQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "virtio/vdev.h"
#include "vmm/base/giov.h"
#include "vmm/base/loop.h"

/* What the driver writes before it enables the queue. */
struct vq_settings {
    uint16_t size;
    uint64_t desc;   /* descriptor area */
    uint64_t driver; /* available ring */
    uint64_t device; /* used ring */
};

enum { VQ_GRAFT = 16 };

/*
 * One chain of buffers, from pop to push. out: what the device reads; in: what it writes. Devices
 * may move both cursors as they like. A chain whose addresses are not all RAM arrives all the
 * same, with `fault` set: cursors refuse to cross the bad pieces.
 */
struct vq_chain {
    struct vq *vq;
    struct gcur out, in;
    bool fault;
    bool busy;     /* between pop and push */
    bool done;     /* pushed, and waits for its turn (IN_ORDER) */
    uint16_t id;   /* the ring's name for it */
    uint16_t span; /* the ring's: places that it takes there */
    uint32_t n_iov, cap_iov;
    uint32_t n_out;          /* pieces of out; those of in follow */
    uint8_t graft[VQ_GRAFT]; /* bytes that a layer put in: vq_chain_graft() */
    uint64_t in_bytes;       /* of all pieces of in */
    uint32_t sum;            /* the ring's, for lint: of its descriptors as they were */
    uint32_t written;        /* while it waits to be used: */
    struct vq_chain *wait;   /* the next one that waits */
    struct iovec *iov;
};

struct vq_indices;

/* One ring layout, or a layer on top of one. All under the device's lock. */
struct vq_ops {
    /* Make vq->ring, the layout's own, of vq->set. 0, -EINVAL (address or size), -ENOMEM. */
    int (*open)(struct vq *vq);
    void (*close)(struct vq *vq);
    struct vq_chain *(*pop)(struct vq *vq);
    void (*push)(struct vq *vq, struct vq_chain *chain, uint32_t written);
    /* chain is used, all of it written, with what the next push says (IN_ORDER only). */
    void (*skip)(struct vq *vq, struct vq_chain *chain);
    bool (*publish)(struct vq *vq); /* is an interrupt wanted? */
    bool (*kicks)(struct vq *vq, bool on);
    bool (*more)(struct vq *vq); /* is anything available that was not popped? */
    void (*indices)(const struct vq *vq, struct vq_indices *at);
    void (*resume)(struct vq *vq, uint16_t base); /* vq_resume(); NULL: nobody else works on it */
};

/* How far a live ring has come. Split: free running indices; packed: slots, and wrap counters. */
struct vq_indices {
    bool packed, avail_wrap, used_wrap;
    uint16_t avail, used; /* the next ones that the device takes, and uses */
    uint16_t driver;      /* split: the driver's index, as it is in memory now */
    bool more;            /* something is available that the device has not taken */
};

struct vq_stats {
    uint64_t chains, bytes_read, bytes_written, interrupts, suppressed, kicks, drops;
};

struct vq {
    struct vdev *dev;
    uint16_t index;
    uint16_t max; /* what the device offers */
    size_t extra; /* bytes of the type's own behind every chain */
    struct vq_settings set;
    bool enabled;                  /* as the driver sees it */
    bool draining;                 /* being reset alone (RING_RESET), chains in flight */
    const struct vq_ops *ops;      /* while enabled: the layout's, or a layer on top of it */
    const struct vq_ops *ring_ops; /* the layout's, for the layer */
    void *ring;                    /* the layout's live state */
    struct vq_chain **slot;        /* those in flight, by id */
    struct vq_chain **idle;        /* the others, n_idle; no more than entries in all */
    uint32_t n_slots, n_idle;
    bool any_id;   /* ids need not be below the size; the layout's to say */
    bool in_order; /* buffers are used in the order in which they were made available */
    unsigned in_flight;
    unsigned unpublished; /* in the ring since the last publish */
    /* Pushed while memory is out of reach; if in_order, all that were popped. */
    struct vq_chain *wait_first, *wait_last;
    bool held, owed;        /* interrupts, by vq_hold() */
    struct loop_work again; /* more to do than one turn may take */
    struct vq_stats stats;
};

/* ---- for device types ---- */

/* The next chain, or NULL: none, or the device may not fetch. The ring broken: vdev_fail(). */
struct vq_chain *vq_pop(struct vq *vq);

/*
 * Give chain back. written: bytes stored from the start of chain->in on, without a gap; less is
 * honest, more never (2.7.8.2-d2). Not seen by the driver before vq_publish(). chain is gone.
 */
void vq_push(struct vq_chain *chain, uint32_t written);

/* As vq_push(0), for a chain that makes no sense; counted. */
void vq_drop(struct vq_chain *chain);

/* Let go of a chain in stop(): the ring is not touched. */
void vq_forget(struct vq_chain *chain);

/* Make pushed chains visible, and interrupt if the driver wants it. */
void vq_publish(struct vq *vq);

/* Interrupt for what somebody else put into the ring. */
void vq_interrupt(struct vq *vq);

/* The device itself goes on where somebody else stopped: base is the next entry of the available
 * ring, the used one says for itself. Nothing is in flight. */
void vq_resume(struct vq *vq, uint16_t base);

/* Keep interrupts back: the ring is published all the same. Off: the one that is owed goes out. */
void vq_hold(struct vq *vq, bool on);

/* Turn doorbells on or off (a hint). On: true if buffers came in the meantime: look again. */
bool vq_kicks(struct vq *vq, bool on);

/*
 * Handle what is available: pops chains, hands each to fn, which pushes it now or later; then
 * publishes. A turn takes at most VQ_TURN chains, the rest comes in a later turn of the loop, so
 * that no queue keeps others waiting.
 */
enum { VQ_TURN = 256 };
void vq_serve(struct vq *vq, void (*fn)(struct vdev *dev, struct vq_chain *chain));

/* The type's bytes behind the chain (vdev_queue_add's extra), aligned for anything. */
void *vq_chain_extra(struct vq_chain *chain);

/* ---- for interfaces and vdev.c ---- */

/* Defaults as after reset (4.1.4.3-d5). Not while a ring is live. */
void vq_defaults(struct vq *vq);

/* Make the queue live with vq->set. 0, or -EINVAL if the addresses or the size cannot be. */
int vq_enable(struct vq *vq);

/* Stop it; the ring goes when the last chain in flight is retired. */
void vq_disable(struct vq *vq);

/* Memory can be reached again: what was pushed meanwhile goes to the ring now (P19). */
void vq_catch_up(struct vq *vq);

/* Where its ring is; false: it has none now. For those who watch: nothing comes of it. */
bool vq_indices(const struct vq *vq, struct vq_indices *at);

/* Free everything. Nothing in flight. */
void vq_done(struct vq *vq);

/* Is there a ring that may be used? */
static inline bool vq_live(const struct vq *vq)
{
    return vq->enabled && !vq->draining;
}

/* ---- for vq.c ---- */

/* Room for the chains of vq->set.size entries. false: no memory. */
bool vq_chains_make(struct vq *vq);
/* Chains, too. */
void vq_chains_free(struct vq *vq);

/* ---- for ring layouts ---- */

/* The chain for id, marked busy, no pieces; NULL: id is in flight already (D07), or no memory. */
struct vq_chain *vq_chain_take(struct vq *vq, uint16_t id);
/* Undo vq_chain_take(): the ring turned out to be broken, or is done with it. */
void vq_chain_untake(struct vq_chain *chain);
/* Append guest memory [addr, addr+len): to out, or to in. false: no memory. */
bool vq_chain_add(struct vq_chain *chain, uint64_t addr, uint32_t len, bool write);
/* Set the cursors when all pieces are there. */
void vq_chain_ready(struct vq_chain *chain);

/*
 * For layers, between pop and the device: let cut bytes of in (or out) from `at` on be the first
 * len bytes of chain->graft instead, len at most VQ_GRAFT. false: there are fewer, or no memory;
 * the chain is as before. Once per chain.
 */
bool vq_chain_graft(struct vq_chain *chain, bool in, uint32_t at, uint32_t cut, uint32_t len);

extern const struct vq_ops vq_split_ops, vq_packed_ops;

#endif
