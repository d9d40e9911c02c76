/* SPDX-License-Identifier: MIT */
/*
 * What drivers of virtio 0.9 expect of single device types, as rows of a table: an appendix to the
 * appendix that serves them, and included by nobody else.
 */
#ifndef VIRTIO_QUIRKS_H
#define VIRTIO_QUIRKS_H

#include "virtio/vq.h"

/* What a quirk remembers of the driver; zero after every reset. */
struct quirk_state {
    bool seen;
    uint8_t bytes[4];
};

/*
 * One device type's differences. All functions may be NULL, all run locked.
 * popped: a chain on its way to the device. pushed: on its way back, returns the bytes that count
 * as written. settle: around the negotiation, whose result counts afterwards: called with done
 * false before it and true behind it. config_write: bytes for the device's own configuration;
 * true: they are not to be written.
 */
struct quirk {
    uint8_t type;
    uint16_t pci_id;       /* 4.1.2.1-d2 */
    bool config_is_little; /* its configuration does not follow the guest's order */
    void (*popped)(struct vq_chain *chain, struct quirk_state *state);
    uint32_t (*pushed)(const struct vq_chain *chain, uint32_t written);
    void (*settle)(struct vdev *dev, bool done, uint64_t *kept);
    bool (*config_write)(struct vdev *dev, struct quirk_state *state, uint64_t off,
                         const uint8_t *data, unsigned len);
    void (*layout)(const struct vq_chain *chain); /* for lint: as drivers had to cut requests */
};

/* The row of a device type; NULL: 0.9 did not have it. */
const struct quirk *quirk_of(const struct virtio_type *type);

#endif
