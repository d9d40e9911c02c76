/* SPDX-License-Identifier: MIT */
/*
 * The driver's side of a queue in a replay: puts requests that were recorded into a ring in guest
 * memory, and takes back what the device made of them. Locked.
 */
#ifndef VMM_TRACE_REPLAY_RING_H
#define VMM_TRACE_REPLAY_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "virtio/vq.h"

enum { REPLAY_PIECES = 1024, REPLAY_BYTES = 256 };

/* A buffer as it was recorded; bytes: what is known of the beginning of what the device reads. */
struct replay_piece {
    uint64_t addr;
    uint32_t len;
    bool write;
    uint16_t n_bytes;
    uint8_t bytes[REPLAY_BYTES];
};

struct replay_chain {
    unsigned n;
    struct replay_piece *piece;
    uint64_t slots; /* places in a packed ring; 0: not recorded */
};

struct replay_ring {
    struct vq *vq;
    struct gmem *mem;
    uint64_t tables;   /* guest memory for indirect tables, REPLAY_PIECES entries each */
    uint16_t size;     /* as the queue was enabled; 0: it is not */
    bool packed, lost; /* lost: it no longer stands where the recorded one stood */
    uint16_t next;     /* split: next free descriptor; packed: next slot */
    bool wrap, used_wrap;
    uint16_t avail_idx, used_idx; /* split */
    uint16_t used_slot;           /* packed */
    unsigned fed;                 /* of the batch */
    uint16_t *slots;              /* by id: places in a packed ring */
    uint32_t *expect;             /* by id: what the recorded device wrote */
};

/* Start with the areas of vq->set, cleared. false: no memory. */
bool replay_ring_open(struct replay_ring *r, struct vq *vq, struct gmem *mem, uint64_t tables);
void replay_ring_close(struct replay_ring *r);

/* What the driver wants to be told of: the value that the recorded device found. */
void replay_ring_event(struct replay_ring *r, uint32_t value);

/* Make chain available; written: what the recorded device answered. false: no room. */
bool replay_ring_feed(struct replay_ring *r, const struct replay_chain *chain, uint32_t written);

/* Take the next answer: what was written, here and in the recording. false: none yet. */
bool replay_ring_take(struct replay_ring *r, uint32_t *written, uint32_t *expect);

#endif
