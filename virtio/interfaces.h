/* SPDX-License-Identifier: MIT */
/*
 * The switch: from a word on the command line to the interfaces of a device.
 */
#ifndef VIRTIO_INTERFACES_H
#define VIRTIO_INTERFACES_H

#include <stdbool.h>

#include "virtio/vpci.h"

/* The interfaces that word names, for a device of the given type: NULL with err filled if the word
 * is unknown, not built in, or the type has no such interface. */
const struct vinterfaces *interfaces_find(const char *word, const struct virtio_type *type,
                                          struct err *err);

/* All words that this build serves, with commas between them. */
extern const char interfaces_all[];

/* The feature bits that only some interface has. */
extern const struct vfeat_row *const interfaces_features;

/* What to do instead of withholding VERSION_1, as the second half of a sentence. */
extern const char interfaces_before_1[];

/* Is word one that some type can be given? 0 or -EINVAL with err filled. */
int interfaces_known(const char *word, struct err *err);

/*
 * What the user chose for one device: word, or NULL for the default, which is all that the type has
 * unless modern_only (the whole machine) says otherwise. NULL with err filled: as interfaces_find,
 * or word asks for more than modern_only allows.
 */
const struct vinterfaces *interfaces_choose(const char *word, bool modern_only,
                                            const struct virtio_type *type, struct err *err);

#endif
