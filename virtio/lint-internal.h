/* SPDX-License-Identifier: MIT */
/* What lint remembers of a driver; between its files. */
#ifndef VIRTIO_LINT_INTERNAL_H
#define VIRTIO_LINT_INTERNAL_H

#include "virtio/lint.h"

enum { LINT_BELLS = 32 }; /* doorbells of a device that are looked at after a reset */

/* A queue since the last reset of the device or of its own. */
struct lint_queue {
    uint8_t areas;      /* enum lint_area that were written */
    bool was_reset;     /* alone */
    bool reset_asked;   /* ... and queue_reset has not been read as 0 */
    bool reset_looked;  /* ... but was read */
    bool vector_unread; /* written, and not read back */
    uint16_t vector;
};

struct lint {
    bool advice;
    bool was_reset;    /* by its driver, ever */
    bool reset_unread; /* ... and status was not read as 0 since */
    bool offer_read;
    bool ok_unread;        /* FEATURES_OK was set, and status not read since */
    bool refused;          /* FEATURES_OK was refused */
    bool poison;           /* poison_val was written */
    bool generation, torn; /* config_generation was read before; and is to be read once more */
    uint64_t torn_at;
    unsigned bells;           /* looked at since the last reset */
    struct lint_queue config; /* its vector */
    struct lint_queue *queue;
    struct lint_finding found[LINT_RULES];
};

/* As after a reset. */
void lint_reset(struct vdev *dev);

#endif
