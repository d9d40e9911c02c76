// SPDX-License-Identifier: MIT
/*
 * Owns the names by which features are withheld, and which of them a user may name. Refuses to know
 * what any feature does.
 */
#include "vmm/withhold.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "devices/table.h"
#include "virtio/interfaces.h"

enum { TABLES = 3, KNOWN = 1100 };

/* The tables that a device's features stand in. */
static const struct vfeat_row *table_of(const struct virtio_type *type, unsigned i)
{
    const struct vfeat_row *const tables[TABLES] = {vdev_reserved, interfaces_features,
                                                    type->features};

    return tables[i];
}

const struct vfeat_row *withhold_find(const struct virtio_type *type, const char *name, size_t len)
{
    for (unsigned i = 0; i < TABLES; i++)
        for (const struct vfeat_row *row = table_of(type, i); row && row->name; row++)
            if (strlen(row->name) == len && strncasecmp(row->name, name, len) == 0)
                return row;
    return NULL;
}

/* ---- names ---- */

static bool name_known(const char *name, size_t len)
{
    for (const struct virtio_type *const *t = device_table; *t; t++)
        if (withhold_find(*t, name, len))
            return true;
    return false;
}

/* Adds a table's names to text, in room bytes. */
static void names_add(char *text, size_t room, const struct vfeat_row *row)
{
    for (; row && row->name; row++) {
        const size_t n = strlen(text);

        if (row->bit != VIRTIO_F_VERSION_1)
            snprintf(text + n, room - n, "%s%s", n ? " " : "", row->name);
    }
}

/* A long list: one type's names, or those that all types share. */
static void names_of(const struct virtio_type *type, char *text, size_t room)
{
    text[0] = '\0';
    names_add(text, room, vdev_reserved);
    names_add(text, room, interfaces_features);
    if (type)
        names_add(text, room, type->features);
}

static int unknown(const char *name, size_t len, struct err *err)
{
    char known[KNOWN];

    names_of(NULL, known, sizeof(known));
    for (const struct virtio_type *const *t = device_table; *t; t++) {
        const size_t n = strlen(known);

        if (!(*t)->features)
            continue;
        snprintf(known + n, sizeof(known) - n, "; %s:", (*t)->name);
        names_add(known, sizeof(known), (*t)->features);
    }
    return err_set(err, EINVAL, "no device has a feature '%.*s'; there are %s", (int)len, name,
                   known);
}

static int name_check(const char *name, size_t len, struct err *err)
{
    const struct vfeat_row *row = withhold_find(device_table[0], name, len);

    if (!len)
        return err_set(err, EINVAL, "a name is missing: FEATURE+FEATURE");
    if (!name_known(name, len))
        return unknown(name, len, err);
    if (row && row->bit == VIRTIO_F_VERSION_1)
        return err_set(err, EINVAL,
                       "version_1 cannot be withheld, a device of virtio 1.x has to offer it "
                       "(6.2-d1); %s",
                       interfaces_before_1);
    return 0;
}

int withhold_check(const char *list, struct err *err)
{
    int ret = 0;

    for (const char *name = list; ret == 0; name++) {
        const size_t len = strcspn(name, "+,");

        ret = name_check(name, len, err);
        name += len;
        if (!*name)
            break;
    }
    return ret;
}

/* ---- devices ---- */

static int name_apply(const struct vdev *dev, const char *name, size_t len, bool own,
                      struct vfeat *f, struct err *err)
{
    const struct vfeat_row *row = withhold_find(dev->type, name, len);
    char known[KNOWN];

    if (row)
        vfeat_add(f, row->bit);
    if (!own || (row && vdev_offers(dev, row->bit)))
        return 0;
    if (!row) {
        names_of(dev->type, known, sizeof(known));
        return err_set(err, EINVAL, "%s: off=%.*s: virtio-%s has no such feature; it has %s",
                       dev->name, (int)len, name, dev->type->name, known);
    }
    for (const struct vfeat_row *r = interfaces_features; r->name; r++)
        if (r == row)
            return 0; /* the interface's business */
    log_msg(LOG_WARN, "%s: off=%.*s: this device does not offer it anyway", dev->name, (int)len,
            name);
    return 0;
}

static int list_apply(const struct vdev *dev, const char *list, bool own, struct vfeat *f,
                      struct err *err)
{
    int ret = 0;

    for (const char *name = list; ret == 0 && name && *name; name += *name ? 1 : 0) {
        const size_t len = strcspn(name, "+,");

        ret = name_apply(dev, name, len, own, f, err);
        name += len;
    }
    return ret;
}

int withhold_apply(struct vdev *dev, const char *all, const char *own, struct err *err)
{
    struct vfeat f = {{0}};
    int ret = list_apply(dev, all, false, &f, err);

    if (ret == 0)
        ret = list_apply(dev, own, true, &f, err);
    if (ret == 0)
        vdev_withhold(dev, &f);
    return ret;
}
