/* SPDX-License-Identifier: MIT */
/*
 * Features that the user withholds from drivers, by the names that the specification gives them:
 * "event_idx+indirect_desc", in either case. What needs one of them goes with it.
 */
#ifndef VMM_WITHHOLD_H
#define VMM_WITHHOLD_H

#include "virtio/vdev.h"
#include "vmm/base/err.h"

/* Is every name of list known, and one that can be withheld? 0 or -EINVAL with err filled. */
int withhold_check(const char *list, struct err *err);

/*
 * Between vdev_new() and vpci_new(): withhold what both lists name; NULL and "" are empty. What
 * list `all` names counts for devices that have it, names of `own` must be the device's: -EINVAL
 * with err filled if its type has not got one, a warning if it does not offer it here.
 */
int withhold_apply(struct vdev *dev, const char *all, const char *own, struct err *err);

/* The bit of a device of that type; NULL: it has none of that name, which has len bytes. */
const struct vfeat_row *withhold_find(const struct virtio_type *type, const char *name, size_t len);

#endif
