/* SPDX-License-Identifier: MIT */
/* Between the files of the replay: one record at a time goes to its device, or to one of its
 * queues. */
#ifndef VMM_TRACE_REPLAY_INTERNAL_H
#define VMM_TRACE_REPLAY_INTERNAL_H

#include "vmm/trace-replay-machine.h"
#include "vmm/trace-replay-ring.h"
#include "vmm/trace-replay.h"

enum {
    REPLAY_IDS = 1 << 16, /* that a chain can have in its queue */
};

#define REPLAY_RESET_NS (30 * UINT64_C(1000000000))

/* A queue as the recorded driver used it. */
struct line {
    struct replay_ring ring;
    uint64_t tables;
    bool by_host;                             /* the host fills its buffers */
    struct replay_chain building;             /* extents on their way to their pop */
    struct replay_chain *pending[REPLAY_IDS]; /* popped, by id */
    unsigned n_pending;
    struct replay_chain **batch; /* pushed, not yet published */
    uint32_t *written;
    unsigned n_batch, cap_batch;
    uint64_t notices; /* interrupts so far, before the batch */
    uint64_t silences;
    bool judged; /* the batch was fed: notices and silences count */
};

/* A PCI function of the recorded machine. */
struct place {
    struct pci_func *func;
    struct vpci *vpci; /* NULL: not virtio */
    struct part *part;
    struct line *line; /* per queue */
    bool resetting;    /* the recorded device was waiting for its I/O */
};

struct replay {
    const struct trace_file *f;
    struct replay_machine *m;
    struct place *place; /* by source */
    FILE *to;
    uint64_t most;
    uint64_t scratch; /* next free */
    struct replay_counts *counts;
    const struct trace_rec *rec; /* the one at hand */
};

/* The record at hand answered otherwise here. */
void replay_differs(struct replay *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Registers and states of a device. */
void replay_state(struct replay *r, struct place *p);

/* Rings and requests of one of its queues. */
void replay_queue(struct replay *r, struct place *p, struct line *l);
/* Forget all requests. */
void replay_line_clear(struct line *l);

#endif
