// SPDX-License-Identifier: MIT
/*
 * Owns the switch: which interfaces a word stands for. The only place that knows all of them.
 */
#include "virtio/interfaces.h"

#include <errno.h>
#include <string.h>

#include "virtio/modern.h"
#include "vmm/base/bits.h"

static const struct vinterfaces sets[] = {
    {.name = "modern", .n = 1, .list = {&modern_interface}},
};

const struct vinterfaces *interfaces_find(const char *word, const struct virtio_type *type,
                                          struct err *err)
{
    for (unsigned i = 0; i < ARRAY_SIZE(sets); i++) {
        if (strcmp(sets[i].name, word) != 0)
            continue;
        for (unsigned j = 0; j < sets[i].n; j++) {
            if (!sets[i].list[j]->serves || sets[i].list[j]->serves(type))
                continue;
            err_set(err, EINVAL, "interface=%s: %s has no such interface", word, type->name);
            return NULL;
        }
        return &sets[i];
    }
    err_set(err, EINVAL, "interface=%s: this build knows only interface=modern", word);
    return NULL;
}
