/* SPDX-License-Identifier: MIT */
/* What a machine's virtio devices are doing, as the control socket tells it: docs/query-virtio.md.
 */
#ifndef VMM_QUERY_VIRTIO_H
#define VMM_QUERY_VIRTIO_H

#include <jansson.h>

#include "vmm/parts.h"

/* A new reference, or NULL: no memory. Each device's lock is held while its numbers are copied, and
 * not longer. Main thread. */
json_t *query_virtio(const struct parts *parts);

#endif
