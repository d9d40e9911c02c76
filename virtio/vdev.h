/* SPDX-License-Identifier: MIT */
/*
 * The virtio device: what a device type is, and the status and feature state machine that all
 * types share. A device type is one const table; it never sees how the driver reaches it.
 *
 * Everything here runs under the lock of the device's loop: register accesses take it on a vCPU
 * thread, doorbells and host events on the loop's thread. Device code holds no lock of its own.
 */
#ifndef VIRTIO_VDEV_H
#define VIRTIO_VDEV_H

#include <stdbool.h>
#include <stdint.h>

#include "virtio/spec.h"
#include "vmm/base/err.h"
#include "vmm/base/gmem.h"
#include "vmm/base/loop.h"
#include "vmm/base/regs.h"

struct lint;
struct vdev;
struct fault;
struct vq;
struct vq_ops;

enum {
    VDEV_FEATURE_BITS = 128,
    VDEV_FEATURE_WORDS = VDEV_FEATURE_BITS / 32, /* words beyond read 0 and ignore writes (F04) */
};

/* A set of feature bits. */
struct vfeat {
    uint32_t word[VDEV_FEATURE_WORDS];
};

static inline bool vfeat_has(const struct vfeat *f, unsigned bit)
{
    return f->word[bit / 32] >> (bit % 32) & 1;
}

static inline void vfeat_add(struct vfeat *f, unsigned bit)
{
    f->word[bit / 32] |= UINT32_C(1) << (bit % 32);
}

static inline void vfeat_del(struct vfeat *f, unsigned bit)
{
    f->word[bit / 32] &= ~(UINT32_C(1) << (bit % 32));
}

/* A feature's name and what it needs; tables of these end with a NULL name. */
struct vfeat_row {
    uint8_t bit;
    const char *name;   /* the specification's, lower case without prefix: "event_idx" */
    const char *clause; /* of the dependency, or of the bit */
    int8_t needs;       /* another bit without which this one is refused (2.2.2-d3), or -1 */
};

/* What is offered only together with one of others (2.2.2-d1), beyond what rows say that they need;
 * tables of these end with a NULL clause. */
struct vfeat_tie {
    uint8_t bit, either[2]; /* the same twice where there is one */
    const char *clause;
};

/*
 * A device type. All callbacks run locked; open and close before and after the machine runs.
 * conf: what the machine built from the user's options, of a type that the device's header names.
 */
struct virtio_type {
    const char *name;                 /* "blk" */
    uint16_t id;                      /* virtio device id */
    uint32_t class_code;              /* PCI class, 24 bits */
    size_t state_size;                /* bytes of dev->state, zeroed */
    const struct vfeat_row *features; /* every bit that the type knows: names and dependencies */
    const struct vfeat_tie *ties;     /* NULL: none */
    const struct regs *config;        /* device configuration, ctx is the vdev; NULL: none */
    const struct regs *config_old;    /* what else drivers before 1.0 may write of it; NULL: none */

    /* Take over host resources, add queues with vdev_queue_add(). 0 or -errno with err filled. */
    int (*open)(struct vdev *dev, const void *conf, struct err *err);
    /* Add the bits that this instance offers to *f; the reserved ones are already in it. */
    void (*offer)(struct vdev *dev, struct vfeat *f);
    /* May be NULL. Dependencies in the features table hold already; false refuses FEATURES_OK. */
    bool (*accept)(struct vdev *dev, const struct vfeat *f);
    /* The driver is ready; queues are live. May be NULL. 0, or -errno to fail the device. */
    int (*start)(struct vdev *dev);
    /* Queue vq may have new buffers; spurious calls happen (2.7.10.2-d5). */
    void (*kick)(struct vdev *dev, struct vq *vq);
    /*
     * Take no more buffers (pop gives none from here on); cancel host I/O where that is possible.
     * Chains held without host I/O behind them are given back with vq_forget() before it returns;
     * the others as their I/O ends. only: one queue is reset, NULL: all. May be NULL. Resets find
     * devices that were never started, too: what their driver wrote to the configuration goes.
     */
    void (*stop)(struct vdev *dev, struct vq *only);
    /*
     * For types that let others work on rings in their stead: whether that may go on (vdev_runs())
     * or how they interrupt (up.queue_eventfd()) may be different now. NULL for all others.
     */
    void (*rewire)(struct vdev *dev);
    /* Free what open took. No I/O is in flight. */
    void (*close)(struct vdev *dev);
};

/* How a device reaches its driver: filled by vpci. */
struct vdev_up {
    void (*queue_interrupt)(struct vdev *dev, unsigned index);
    void (*config_interrupt)(struct vdev *dev);
    /* vdev_fail() set DEVICE_NEEDS_RESET after DRIVER_OK. */
    void (*failed)(struct vdev *dev);
    /* The reset of one queue is complete (2.6.1.1.1-d3). */
    void (*queue_reset_done)(struct vdev *dev, unsigned index);
    /* The reset that vdev_reset() began is complete. */
    void (*reset_done)(struct vdev *dev);
    /* An eventfd to signal instead of queue_interrupt() until the next rewire; -1: none now. */
    int (*queue_eventfd)(struct vdev *dev, unsigned index);
    /* The eventfd of a doorbell, which somebody else is to watch from now on (lent), or not any
     * more: then it counts as rung. -1: there is none. */
    int (*doorbell_lend)(struct vdev *dev, unsigned index, bool lent);
    void *ctx;
};

struct vdev {
    const struct virtio_type *type;
    const char *name; /* for messages: "disk0" */
    uint16_t trace;   /* the source that it is in traces */
    void *state;      /* the type's */
    struct loop *loop;
    const struct gmem *mem;
    struct vdev_up up;

    struct vq *vq;
    unsigned n_queues;

    uint32_t class_code; /* the type's, unless open says otherwise */
    void *memory;        /* that open has behind VPCI_BAR_MEMORY; NULL: none */
    uint64_t memory_size;

    struct vfeat offered, on_request; /* the latter: could be, if vdev_ask() says so */
    struct vfeat withheld;            /* vdev_withhold(): for interfaces that offer more */
    struct vfeat driver;              /* as the driver wrote them; what counts is `accepted` */
    struct vfeat accepted;            /* valid from FEATURES_OK to reset, else empty */
    const struct vq_ops *layer;       /* on top of the rings of this driver; NULL: none. To reset */
    enum byte_order order;            /* of rings and requests on the path that drives the device */
    uint8_t status;
    bool started;       /* between start and stop */
    bool broken;        /* vdev_fail(): nothing is fetched until reset */
    bool resetting;     /* reset began, I/O still in flight */
    bool on_empty;      /* an interrupt whenever a ring is empty, whatever suppresses it */
    bool dma_off;       /* the bus forbids it to reach memory (P19) */
    uint8_t generation; /* of the configuration; see config_seen */
    bool config_owed;   /* it changed between what the driver has read and its DRIVER_OK */
    bool config_seen;   /* interfaces set it when a driver reads configuration or generation */
    unsigned in_flight; /* chains popped and not yet pushed, all queues */
    struct log_limit log;
    struct fault *fault; /* virtio/fault.h; NULL: nothing goes wrong on purpose */
    struct lint *lint;   /* who watches the driver (lint.h); NULL: nobody */
};

/*
 * Make a device: calls type->open, then computes what it offers. name must outlive it. NULL with
 * err filled. The caller sets dev->up before the machine runs.
 */
struct vdev *vdev_new(const struct virtio_type *type, const char *name, struct loop *loop,
                      const struct gmem *mem, const void *conf, struct err *err);
/* The loop has stopped, or the lock is held; no I/O is in flight. NULL is fine. */
void vdev_free(struct vdev *dev);

/*
 * What the user changed of the offer, between vdev_new() and vpci_new(). Ask for reserved bits that
 * are offered on request only (others in f, and those that the type cannot have, are ignored);
 * withhold any bits, and what cannot be had without them, but never VERSION_1.
 */
void vdev_ask(struct vdev *dev, const struct vfeat *f);
void vdev_withhold(struct vdev *dev, const struct vfeat *f);

/* The bits that all types share. */
extern const struct vfeat_row vdev_reserved[];

/* From open: add the next queue, at most max entries (a power of two), with extra bytes of the
 * type's own per chain. */
int vdev_queue_add(struct vdev *dev, uint16_t max, size_t extra);

/* ---- for device types ---- */

static inline bool vdev_has(const struct vdev *dev, unsigned feature)
{
    return vfeat_has(&dev->accepted, feature);
}

static inline bool vdev_offers(const struct vdev *dev, unsigned feature)
{
    return vfeat_has(&dev->offered, feature);
}

/*
 * The driver broke a rule such that the device cannot go on: log once per reset, stop fetching,
 * DEVICE_NEEDS_RESET (2.1.2-d3) and, once DRIVER_OK, a configuration interrupt (2.1.2-d4).
 * clause: an id of conformance.tsv. Everything is ignored until the driver resets.
 */
void vdev_fail(struct vdev *dev, const char *clause, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The device changed its configuration: new generation, configuration interrupt once DRIVER_OK. */
void vdev_config_changed(struct vdev *dev);

/* ---- for interfaces ---- */

/* Word `select` of the offered bits; 0 beyond the last. */
uint32_t vdev_offered_word(const struct vdev *dev, uint32_t select);
/* As read back: what the driver wrote, less what was not offered (4.1.4.3.1-d4). */
uint32_t vdev_driver_word(const struct vdev *dev, uint32_t select);
/* Ignored once FEATURES_OK is set (F02). */
void vdev_driver_word_set(struct vdev *dev, uint32_t select, uint32_t bits);

/*
 * Settle the features that the driver wrote: subset of the offered ones, dependencies, the type's
 * own view. true: they are `accepted` from now on. Does not touch status.
 */
bool vdev_negotiate(struct vdev *dev);

/* A write to device_status by the rules of 1.x: 0 resets, bits are only ever added, FEATURES_OK
 * and DRIVER_OK are granted or not. */
void vdev_status_write(struct vdev *dev, uint8_t value);

/* Set bits that have been granted: FAILED stops the device, DRIVER_OK makes it go live. */
void vdev_status_add(struct vdev *dev, uint8_t bits);

/* Go live, as at DRIVER_OK. */
void vdev_start(struct vdev *dev);

/*
 * Reset. Complete when it returns unless I/O is in flight: then dev->resetting stays true, status
 * keeps its value, and the last completion ends it (2.4.1-d1..d3; T04).
 */
void vdev_reset(struct vdev *dev);

/* The ways of interrupts changed: for those who take them past the device. */
void vdev_rewire(struct vdev *dev);

/* Memory may (not) be reached from now on; buffers that waited are looked at. */
void vdev_dma_allow(struct vdev *dev, bool allow);

/* A doorbell: looks at the queue, if there is one and it is live. On the loop. */
void vdev_kick(struct vdev *dev, unsigned index);

/* May the device fetch buffers now? */
static inline bool vdev_runs(const struct vdev *dev)
{
    return dev->started && !dev->broken && !dev->resetting && !dev->dma_off;
}

/* vq.c tells that a chain has been retired, so that a pending reset can end. */
void vdev_retired(struct vdev *dev);

/* Reset queue index alone, as with RING_RESET (2.6.1); vq->draining while I/O is in flight. */
void vdev_queue_reset(struct vdev *dev, unsigned index);

/* The bits of device_status with the specification's names; ends with bit 0. */
struct vdev_status {
    uint8_t bit;
    const char *name;
};
extern const struct vdev_status vdev_status[];

/* Name of a feature bit for messages: from the type's table or the reserved ones; never NULL. */
const char *vdev_feature_name(const struct vdev *dev, unsigned bit, char buf[16]);

#endif
