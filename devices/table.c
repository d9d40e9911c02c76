// SPDX-License-Identifier: MIT
/* Owns the list of device types. An explicit table: nothing registers itself. */
#include "devices/table.h"

#include <string.h>

#include "devices/balloon.h"
#include "devices/blk.h"
#include "devices/console.h"
#include "devices/gpu.h"
#include "devices/input.h"
#include "devices/net.h"
#include "devices/rng.h"

/* One row each. */
/* clang-format off */
const struct virtio_type *const device_table[] = {
    &balloon_type,
    &blk_type,
    &console_type,
    &gpu_type,
    &input_type,
    &net_type,
    &rng_type,
    NULL,
};
/* clang-format on */

const struct virtio_type *device_find(const char *name)
{
    for (const struct virtio_type *const *t = device_table; *t; t++)
        if (strcmp((*t)->name, name) == 0)
            return *t;
    return NULL;
}
