/* SPDX-License-Identifier: MIT */
/*
 * Faults on purpose, for those who write drivers: a device that refuses, fails, is late or wrong by
 * rule. Each place where one can happen asks here; while a device has no rules that is one branch
 * on dev->fault. The same actions of a driver meet the same faults, whatever other devices do: each
 * device counts for itself and has random numbers of its own, made from the rule's seed.
 *
 * All functions under the device's lock, or before the machine runs.
 */
#ifndef VIRTIO_FAULT_H
#define VIRTIO_FAULT_H

#include <stdbool.h>
#include <stdint.h>

#include "virtio/vq.h"

enum fault_kind {
    FAULT_REFUSE_FEATURES, /* FEATURES_OK is not granted */
    FAULT_NEEDS_RESET,     /* the device fails instead of taking a request */
    FAULT_CONFIG_CHANGE,   /* a field of the configuration changes between reads of its parts */
    FAULT_LATE_INTERRUPT,
    FAULT_LOST_INTERRUPT,
    FAULT_SHORT_USED, /* the used length is smaller than what was written */
    FAULT_SLOW_QUEUE, /* a request waits before it is taken */
    FAULT_KINDS
};

/* What a kind can be told, and what it does where it is not told. */
struct fault_info {
    const char *name;
    bool queues;    /* happens to a queue: a rule may name one */
    bool waits;     /* takes a delay */
    uint64_t times; /* of rules that say nothing about how often */
};
extern const struct fault_info fault_info[FAULT_KINDS];

enum { FAULT_EVERY_QUEUE = -1, FAULT_DELAY_MS = 10, FAULT_SEED = 1 };

/*
 * When a fault of a kind happens: of all chances (FEATURES_OK written, request, interrupt, field
 * read in parts ...) the first `after` pass, of the others every `every`th is taken, of these
 * `chance` percent by random numbers, `times` at most (0: no limit).
 */
struct fault_rule {
    const char *text; /* as the user has it, for messages; stays */
    enum fault_kind kind;
    const char *device; /* NULL: every one */
    int queue;          /* FAULT_EVERY_QUEUE */
    uint64_t after, every, times;
    unsigned chance;
    unsigned delay_ms;
    uint64_t seed;
    const char *with; /* "event_idx+indirect_desc": only while these are accepted; NULL: always */
};

/* Where a rule has come to. */
struct fault_dice {
    uint64_t chances, faults;
    uint64_t random;
};

struct fault_dice fault_dice(const struct fault_rule *rule, const char *device);
/* One more chance: does it happen? */
bool fault_due(const struct fault_rule *rule, struct fault_dice *dice);
/* The next of its random numbers. */
uint64_t fault_random(struct fault_dice *dice);

/*
 * Let dev follow those of n rules that are about it; rule stays. *applies: bit i is set for those.
 * n is at most 32. 0, -EINVAL for a rule that names the device and asks for what it has not got, or
 * -ENOMEM, err filled.
 */
int fault_attach(struct vdev *dev, const struct fault_rule *rule, unsigned n, uint32_t *applies,
                 struct err *err);
void fault_free(struct vdev *dev);

/* How often rule i of those that the device follows has happened so far; NULL: it has no more. */
const struct fault_rule *fault_told(const struct vdev *dev, unsigned i, struct fault_dice *dice);

/* ---- for the places where they happen ---- */

#define FAULTY(dev) __builtin_expect((dev)->fault != NULL, 0)

/* FEATURES_OK was written: is it refused? */
bool fault_refuses(struct vdev *dev);
/* A request is to be taken: not now, for the device has failed or the queue is slow. */
bool fault_keeps(struct vq *vq);
/* Is the queue slow just now? It is looked at again when that is over. */
bool fault_slow(const struct vq *vq);
/* What is told instead of written bytes. */
uint32_t fault_length(struct vq *vq, uint32_t written);
/* An interrupt is due: has it been lost, or put off? */
bool fault_silences(struct vq *vq);
/* [off, off+len) of the configuration was read; data is what the driver gets. */
void fault_config(struct vdev *dev, uint64_t off, void *data, unsigned len);
/* The queue is being disabled: nothing of it comes late. */
void fault_queue_off(struct vq *vq);

#endif
