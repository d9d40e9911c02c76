/* SPDX-License-Identifier: MIT */
/*
 * Lint: rules that drivers break, seen by the device. What a rule is about stands in lint.list;
 * the places that look call lint_see() when they see it. A device that is not watched has no
 * struct lint, which is one branch in each of these places. Nothing that lint sees changes what a
 * device does.
 *
 * Everything here runs under the lock of the device's loop, as what it watches.
 */
#ifndef VIRTIO_LINT_H
#define VIRTIO_LINT_H

#include <stdbool.h>
#include <stdint.h>

#include "virtio/vq.h"

enum lint_level { LINT_MUST, LINT_SHOULD, LINT_ADVICE };

enum lint_id {
#define X(rule, ...) LINT_##rule,
#include "virtio/lint.list"
#undef X
    LINT_RULES
};

/* A rule: id is a clause of conformance.tsv, maybe with ".word" behind it. */
struct lint_rule {
    const char *id;
    enum lint_level level;
    const char *value; /* what a finding's value is; NULL: it has none */
    const char *seen, *consequence;
};

extern const struct lint_rule lint_rules[LINT_RULES];
extern const char *const lint_level_name[]; /* "must", "should", "advice" */

enum { LINT_NO_QUEUE = -1 };

/* A rule that a device's driver broke: how often, and where and how the first time. */
struct lint_finding {
    enum lint_id rule;
    uint64_t count, value;
    int queue; /* LINT_NO_QUEUE: none in particular */
};

/*
 * Watch dev from now on; before vpci_new(). advice: tell findings of that level, too. 0 or -ENOMEM.
 * Freed with the device.
 */
int lint_attach(struct vdev *dev, bool advice);
void lint_free(struct vdev *dev);

/* Call fn for every finding of dev, in the order of the rules. Returns how many there are; fn may
 * be NULL. Locked, or after the machine has run. */
unsigned lint_each(const struct vdev *dev,
                   void (*fn)(const struct vdev *dev, const struct lint_finding *f, void *ctx),
                   void *ctx);

/* One line about a finding, without the count. */
void lint_text(const struct vdev *dev, const struct lint_finding *f, char *text, size_t size);

/* ---- for those who see something ---- */

void lint_found(struct vdev *dev, enum lint_id rule, int queue, uint64_t value);

static inline void lint_see(struct vdev *dev, enum lint_id rule, uint64_t value)
{
    if (dev->lint)
        lint_found(dev, rule, LINT_NO_QUEUE, value);
}

static inline void lint_see_queue(const struct vq *vq, enum lint_id rule, uint64_t value)
{
    if (vq->dev->lint)
        lint_found(vq->dev, rule, vq->index, value);
}

/* The device fails because of a clause: is that a rule's? */
void lint_failed(struct vdev *dev, const char *clause);

/* ---- for interfaces: only while dev->lint; see the files for what is looked at ---- */

/* The machine restarts: what the driver did so far is forgotten, what was found is not. */
void lint_restart(struct vdev *dev);

/* lint-steps.c. steps: the interface has FEATURES_OK. Before the write takes effect, and after. */
void lint_status(struct vdev *dev, uint8_t value, bool steps);
void lint_status_written(struct vdev *dev, uint8_t value, bool steps);
void lint_status_read(struct vdev *dev);
void lint_offer_read(struct vdev *dev);
void lint_features_write(struct vdev *dev, uint32_t select, uint32_t bits);
/* accepted: all that the driver wrote; may: what it could. */
void lint_features(struct vdev *dev, const struct vfeat *accepted, const struct vfeat *may);
/* A vector register of a queue or, LINT_NO_QUEUE, of configuration changes. */
void lint_vector_write(struct vdev *dev, int queue, uint16_t vector, unsigned vectors);
void lint_vector_read(struct vdev *dev, int queue);

/* lint-config.c: accesses to registers. old: the path of the interface before 1.0. */
void lint_config(struct vdev *dev, bool write, uint64_t off, unsigned len, bool old);
void lint_width(struct vdev *dev, const struct regs *regs, uint64_t off, unsigned len);
void lint_generation(struct vdev *dev);
/* Any access but those two. */
void lint_other(struct vdev *dev);

/* lint-queue.c: the queue that is selected, NULL: there is none. */
enum lint_area { LINT_DESC = 1, LINT_DRIVER = 2, LINT_DEVICE = 4, LINT_AREAS = 7 };
void lint_queue_size(struct vdev *dev, const struct vq *vq, uint16_t size);
void lint_queue_set(const struct vq *vq, unsigned off, unsigned area);
void lint_queue_enable(struct vdev *dev, const struct vq *vq, unsigned select, uint64_t value);
/* vq_enable() has answered. */
void lint_queue_enabled(const struct vq *vq, int ret);
void lint_queue_reset(const struct vq *vq);
void lint_queue_reset_read(const struct vq *vq, bool busy);
/* A doorbell of width len; how many more are to be looked at until the next reset, 0: none. */
unsigned lint_notify(const struct vq *vq, uint32_t value, unsigned len);
void lint_kick(struct vdev *dev, unsigned index);

/* ---- for rings, only while dev->lint ---- */

/* A chain is on its way to the device. */
void lint_chain(const struct vq_chain *chain);

#endif
