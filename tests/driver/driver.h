/* SPDX-License-Identifier: MIT */
/*
 * A virtio driver that lives in the test: it drives a device with nothing but bus accesses and
 * guest memory. How it reaches the device (struct driver_ops) and how rings look (struct ring_ops)
 * are tables, so that a device test is written once. Set-up functions end the test on failure.
 */
#ifndef TESTS_DRIVER_DRIVER_H
#define TESTS_DRIVER_DRIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/driver/machine.h"
#include "virtio/spec.h"
#include "vmm/base/le.h"

/* ---- a PCI function as a guest sees it ---- */

struct gfunc {
    struct machine *m;
    uint8_t devfn;
    bool ecam; /* which way to configuration space */
    uint64_t bar[PCI_BARS], bar_size[PCI_BARS];
    enum bus_space bar_space[PCI_BARS];
    unsigned msix; /* offset of the capability, 0: none */
    unsigned msix_n;
    uint64_t msix_table, msix_pba; /* guest addresses */
};

uint32_t gfunc_read(struct gfunc *f, unsigned off, unsigned len);
void gfunc_write(struct gfunc *f, unsigned off, unsigned len, uint32_t v);

/* The nth function (0 first) with this vendor and device id. false: there is none. */
bool gfunc_find(struct gfunc *f, struct machine *m, bool ecam, uint16_t vendor, uint16_t device,
                unsigned nth);

/* Offset of the next capability with this id after `after` (0: the first); 0: no more. */
unsigned gfunc_cap(struct gfunc *f, uint8_t id, unsigned after);

/* Set and clear bits of COMMAND. */
void gfunc_command(struct gfunc *f, uint16_t set, uint16_t clear);

/* Is Interrupt Status set? Is the function's INTx line up? */
bool gfunc_intx_status(struct gfunc *f);
bool gfunc_intx_line(struct gfunc *f);

/* MSI-X: on or off; program an entry (message data is what gfunc_msix_data() says); mask it. */
void gfunc_msix_control(struct gfunc *f, bool enable, bool mask_all);
bool gfunc_msix_enabled(struct gfunc *f);
void gfunc_msix_entry(struct gfunc *f, unsigned vector, bool masked);
bool gfunc_msix_pending(struct gfunc *f, unsigned vector);
uint16_t gfunc_msix_data(const struct gfunc *f, unsigned vector);
/* Messages of this vector so far. */
uint32_t gfunc_msix_count(struct gfunc *f, unsigned vector);

/* ---- buffers ---- */

struct dbuf {
    uint64_t addr;
    uint32_t len;
    bool write; /* the device writes it */
};

enum { CHAIN_MAX = 1280 };

/* One request: pieces, those that the device reads first. Zero n to begin. */
struct chain {
    unsigned n;
    struct dbuf buf[CHAIN_MAX];
};

void chain_out(struct chain *c, uint64_t addr, uint32_t len);
void chain_in(struct chain *c, uint64_t addr, uint32_t len);

/* How requests are cut into buffers (2.7.4.1-d1: it never matters). */
enum frame {
    FRAME_WHOLE, /* as built */
    FRAME_BYTES, /* the first bytes and the last ones one by one */
    FRAME_ODD,   /* pieces of 1, 3, 5, 7 ... bytes, growing */
};
void chain_cut(struct chain *c, enum frame frame);

/* ---- queues ---- */

struct drv;
struct dq;

struct used {
    uint32_t id;
    uint32_t len;
    void *cookie;
};

/* A ring layout. q->size and q->event_idx are settled when open() is called. */
struct ring_ops {
    const char *name;
    uint64_t feature; /* that selects it, or 0 */
    /* Allocate and clear the three areas, start with nothing available. */
    void (*open)(struct dq *q);
    /* Write descriptors for c. Returns its id, or -1 if there is no room. Not visible yet. */
    int (*add)(struct dq *q, const struct chain *c, bool indirect, void *cookie);
    /* Make all that was added visible. Does the device want a doorbell? */
    bool (*publish)(struct dq *q);
    /* Take the next used entry. false: none. */
    bool (*take)(struct dq *q, struct used *u);
    bool (*used_any)(struct dq *q);
    /* Ask for interrupts, or not (a hint). On: as of the next used entry. */
    void (*interrupts)(struct dq *q, bool on);
    /* next_off and next_wrap of a notification with data (2.9-d2). */
    uint16_t (*notify_data)(struct dq *q);
};

extern const struct ring_ops ring_split, ring_packed;

struct dq {
    struct drv *d;
    const struct ring_ops *ops;
    unsigned index;
    uint16_t size, max;
    uint16_t vector;
    enum byte_order order;
    bool event_idx, in_order;
    bool on;                       /* enabled since the last reset */
    bool quiet;                    /* interrupts were switched off */
    uint64_t desc, driver, device; /* the areas */
    uint16_t area_size;            /* entries that they have room for, 0: none yet */
    /* The ring's own: */
    uint16_t avail_idx, published, used_idx, free_head, n_free; /* packed: avail_idx is a slot */
    uint16_t free_tail;
    bool avail_wrap, used_wrap;         /* packed */
    uint16_t added, first, first_flags; /* packed: slots not shown yet, and what shows them */
    uint16_t *line, line_first, n_line; /* in_order: ids as made available */
    uint32_t *in_len;                   /* ... bytes that may be written, by id */
    bool in_batch;                      /* ... entry is being taken apart */
    struct used entry;
    uint16_t notify;     /* what to write to its doorbell */
    uint16_t *next;      /* free list and chains, by descriptor */
    uint64_t *table;     /* indirect table of a head, 0: none yet */
    uint16_t *table_len; /* entries of it */
    uint16_t *span;      /* packed: slots of a list, by id */
    void **cookie;       /* by head */
};

/* ---- the driver ---- */

enum { DRV_QUEUES = 40, DRV_CONFIG = -1 };

/* How a driver reaches a device. */
struct driver_ops {
    const char *name;
    bool features_ok;   /* has FEATURES_OK and more than 32 features */
    bool shows_failure; /* has a bit for NEEDS_RESET */
    bool fixed_size;    /* queues are as large as the device has them */
    bool (*probe)(struct drv *d);
    uint8_t (*status)(struct drv *d);
    void (*status_set)(struct drv *d, uint8_t v);
    uint64_t (*offered)(struct drv *d);
    void (*accept)(struct drv *d, uint64_t features);
    uint16_t (*queue_max)(struct drv *d, unsigned q); /* 0: there is none */
    bool (*queue_open)(struct drv *d, struct dq *q);  /* tell the areas; does it say "enabled"? */
    /* Map queue q, or DRV_CONFIG, to a vector; returns what reads back. */
    uint16_t (*vector)(struct drv *d, int q, uint16_t vector);
    void (*kick)(struct drv *d, unsigned q);
    uint8_t (*isr)(struct drv *d);
    uint64_t (*config_read)(struct drv *d, unsigned off, unsigned len);
    void (*config_write)(struct drv *d, unsigned off, unsigned len, uint64_t v);
    uint8_t (*generation)(struct drv *d); /* NULL: has none */
};

extern const struct driver_ops driver_modern, driver_legacy;

/* One of the structures that modern capabilities describe. */
struct dregion {
    unsigned cap; /* its offset in configuration space */
    uint8_t bar;
    uint32_t off, len;
};

enum { DREGIONS = 6 }; /* by cfg_type, VIRTIO_PCI_CAP_*; 0 is unused */

struct drv {
    struct machine *m;
    struct gfunc func;
    const struct driver_ops *ops;
    const struct ring_ops *ring;
    enum byte_order order; /* of rings and requests */
    bool use_msix;
    bool use_indirect;   /* where negotiated and no more than one buffer */
    enum frame frame;    /* for dq_xfer() */
    uint16_t queue_size; /* 0: as large as the device has them */
    unsigned n_queues;
    uint64_t features; /* accepted */
    struct dq q[DRV_QUEUES];
    struct dregion region[DREGIONS];
    uint32_t notify_step;
    uint64_t ring_next, ring_end, data_next, data_end; /* guest memory to hand out */
    bool (*peek)(void *ctx); /* for interfaces that do not show it: has the device failed? */
    void *peek_ctx;
};

/* Find the device's capabilities and queues. The function was found already. */
void drv_probe(struct drv *d);
/* Frees what the driver has on the host side. */
void drv_done(struct drv *d);

/* Write 0 to status and wait until it reads 0; forgets all that was in flight. */
void drv_reset(struct drv *d);

/* Reset, ACKNOWLEDGE, DRIVER, accept want of what is offered (VERSION_1 and the ring's feature
 * always), FEATURES_OK. false if the device refuses. */
bool drv_negotiate(struct drv *d, uint64_t want);

/* Set up queue i with the given size (0: the driver's default), vectors included. */
void drv_queue(struct drv *d, unsigned i, uint16_t size);

/* Set DRIVER_OK. */
void drv_go(struct drv *d);

/* All of it, with every queue. */
void drv_init(struct drv *d, uint64_t want);

static inline uint8_t drv_status(struct drv *d)
{
    return d->ops->status(d);
}

/* Has the device asked for a reset, or stopped without a way to say so? The recovery invariant: it
 * has not, or after drv_init() it works again. */
bool drv_broken(struct drv *d);

/* Guest memory for test data, in LOW0; zeroed by nobody. mark and rewind give it back. */
uint64_t drv_alloc(struct drv *d, uint64_t size, uint64_t align);
uint64_t drv_mark(struct drv *d);
void drv_rewind(struct drv *d, uint64_t mark);
void *drv_mem(struct drv *d, uint64_t at, uint64_t len);

/* Registers of a modern structure, any width and place: for hostile tests. */
uint64_t modern_read(struct drv *d, unsigned type, uint32_t off, unsigned len);
void modern_write(struct drv *d, unsigned type, uint32_t off, unsigned len, uint64_t v);

/* The same for the I/O BAR; and where the device's own configuration starts there now. */
uint64_t legacy_read(struct drv *d, uint32_t off, unsigned len);
void legacy_write(struct drv *d, uint32_t off, unsigned len, uint64_t v);
unsigned legacy_config(struct drv *d);

/* ---- requests ---- */

/* Has the device interrupted for this queue since dq_arm()? Acknowledges INTx. */
struct dirq {
    uint32_t seen;
};
struct dirq dq_arm(struct dq *q);
bool dq_interrupted(struct dq *q, struct dirq *irq);

/* Add one request. Returns its id, or -1: no room. */
int dq_add(struct dq *q, const struct chain *c, void *cookie);
/* Publish what was added and ring the doorbell if the device wants it. */
void dq_kick(struct dq *q);
void dq_add_kick(struct dq *q, const struct chain *c, void *cookie);

/*
 * The next used entry, as an interrupt-driven driver gets it: where the ring was found empty, an
 * interrupt must come with the entry, unless the driver does not want any. false: none in ms.
 */
bool dq_wait(struct dq *q, struct used *u, unsigned ms);
/* Take one if it is there. */
bool dq_poll(struct dq *q, struct used *u);

/*
 * One request with out and in bytes there and back, cut by d->frame; fails the test if it does not
 * come back. Bytes of in from the used length on keep what they were. Returns the used length.
 */
uint32_t dq_xfer(struct dq *q, const void *out, uint32_t out_len, void *in, uint32_t in_len);

/* ---- for ring layouts ---- */

/* Memory for rings. */
uint64_t ring_alloc(struct drv *d, uint64_t size, uint64_t align);
/* Room for notes about as many requests as the queue has entries; no request is in flight. */
void book_alloc(struct dq *q);
void book_open(struct dq *q);
void book_free(struct dq *q);
/* Where n indirect descriptors of id go. */
uint64_t book_table(struct dq *q, uint16_t id, unsigned n);
/* c was made available as id. */
void book_add(struct dq *q, uint16_t id, const struct chain *c, void *cookie);
/* Whose turn it is to come back, where the device wrote entry; while q->in_batch, entry counts for
 * the next one, too (2.7.9-d1, 2.8.8-d1). */
struct used book_take(struct dq *q, struct used entry);

/* ---- the split ring, raw: for hostile tests. Indices are those of the ring. ---- */

void split_desc(struct dq *q, unsigned i, uint64_t addr, uint32_t len, uint16_t flags,
                uint16_t next);
/* A descriptor at any place, say in an indirect table. */
void split_desc_at(struct dq *q, uint64_t at, uint64_t addr, uint32_t len, uint16_t flags,
                   uint16_t next);
/* Put head in the next slot of the available ring; visible after split_avail_show(). */
void split_avail(struct dq *q, uint16_t head);
/* Store the index of all that was put there. */
void split_avail_show(struct dq *q);
void split_avail_idx(struct dq *q, uint16_t idx);
void split_avail_flags(struct dq *q, uint16_t flags);
void split_used_event(struct dq *q, uint16_t event);
uint16_t split_used_idx(struct dq *q);
/* The entry that was written when the index was idx. */
struct used split_used_entry(struct dq *q, uint16_t idx);
uint16_t split_used_flags(struct dq *q);
uint16_t split_avail_event(struct dq *q);

/* ---- the packed ring, raw ---- */

/* Flags with which a descriptor is available, or used, where the wrap counter is wrap. */
uint16_t packed_available(bool wrap);
uint16_t packed_used(bool wrap);
void packed_desc(struct dq *q, unsigned slot, uint64_t addr, uint32_t len, uint16_t id,
                 uint16_t flags);
/* A descriptor at any place, say in an indirect table. */
void packed_desc_at(struct dq *q, uint64_t at, uint64_t addr, uint32_t len, uint16_t id,
                    uint16_t flags);
void packed_flags(struct dq *q, unsigned slot, uint16_t flags);
/* What is in a slot, and its flags. */
struct used packed_entry(struct dq *q, unsigned slot, uint16_t *flags);
/* The driver's event suppression area; that of the device. */
void packed_event(struct dq *q, uint16_t off_wrap, uint16_t flags);
void packed_event_device(struct dq *q, uint16_t *off_wrap, uint16_t *flags);

#endif
