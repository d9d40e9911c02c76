// SPDX-License-Identifier: MIT
/*
 * Owns the switch: which interfaces a word stands for. The only place that knows all of them, and
 * the one that a build without the old one (LEGACY=0) changes.
 */
#include "virtio/interfaces.h"

#include <errno.h>
#include <string.h>

#include "virtio/modern.h"
#include "vmm/base/bits.h"

#if VMM_LEGACY
#include "virtio/legacy.h"
#endif

/* The last interface in a list says who the function is. Ascending by what they offer. */
static const struct vinterfaces sets[] = {
    {.name = "modern", .n = 1, .list = {&modern_interface}},
#if VMM_LEGACY
    {.name = "legacy", .n = 1, .list = {&legacy_interface}},
    {.name = "transitional", .n = 2, .list = {&modern_interface, &legacy_interface}},
#else
    {.name = "legacy", .n = 0},
    {.name = "transitional", .n = 0},
#endif
};

#if VMM_LEGACY
const char interfaces_all[] = "legacy,transitional,modern";
const char interfaces_before_1[] = "give interface=legacy for a device of virtio 0.9";
const struct vfeat_row *const interfaces_features = legacy_features;
#else
const char interfaces_all[] = "modern";
const char interfaces_before_1[] = "this vmm is built without legacy, and has none of virtio 0.9";
static const struct vfeat_row no_rows[] = {{0, NULL, NULL, -1}};
const struct vfeat_row *const interfaces_features = no_rows;
#endif

static bool set_serves(const struct vinterfaces *set, const struct virtio_type *type)
{
    for (unsigned i = 0; i < set->n; i++)
        if (set->list[i]->serves && !set->list[i]->serves(type))
            return false;
    return set->n > 0;
}

static bool word_is(const struct vinterfaces *set, const char *word)
{
    return strcmp(set->name, word) == 0;
}

int interfaces_known(const char *word, struct err *err)
{
    for (unsigned i = 0; i < ARRAY_SIZE(sets); i++)
        if (word_is(&sets[i], word))
            return sets[i].n ? 0
                             : err_set(err, EINVAL,
                                       "interface %s: this vmm is built without legacy", word);
    return err_set(err, EINVAL, "interface %s: it is modern, transitional or legacy", word);
}

const struct vinterfaces *interfaces_find(const char *word, const struct virtio_type *type,
                                          struct err *err)
{
    for (unsigned i = 0; i < ARRAY_SIZE(sets); i++) {
        if (!word_is(&sets[i], word))
            continue;
        if (set_serves(&sets[i], type))
            return &sets[i];
        if (!sets[i].n)
            err_set(err, EINVAL, "interface=%s: this vmm is built without legacy", word);
        else
            err_set(err, EINVAL, "interface=%s: virtio-%s has no legacy interface", word,
                    type->name);
        return NULL;
    }
    err_set(err, EINVAL, "interface=%s: it is modern, transitional or legacy", word);
    return NULL;
}

const struct vinterfaces *interfaces_choose(const char *word, bool modern_only,
                                            const struct virtio_type *type, struct err *err)
{
    if (word && modern_only && !word_is(&sets[0], word)) {
        err_set(err, EINVAL, "interface=%s contradicts --modern-only; drop one of them", word);
        return NULL;
    }
    if (word)
        return interfaces_find(word, type, err);
    for (unsigned i = ARRAY_SIZE(sets) - 1; !modern_only && i > 0; i--)
        if (set_serves(&sets[i], type))
            return &sets[i];
    return &sets[0];
}
