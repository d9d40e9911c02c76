// SPDX-License-Identifier: MIT
/*
 * Owns the list of a machine's virtio devices, from making to freeing; the disks and the
 * entropy source are made here. Refuses to do a device's or a back end's work.
 */
#include "vmm/parts-internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/backend/blk.h"
#include "devices/balloon.h"
#include "devices/blk.h"
#include "devices/rng.h"
#include "virtio/lint.h"
#include "vmm/base/bits.h"
#include "vmm/withhold.h"

/* ---- for all parts ---- */

struct part *part_add(struct parts *parts, const char *kind, unsigned index, struct loop *loop,
                      struct err *err)
{
    struct part *part;

    if (parts->n == PARTS_MAX) {
        err_set(err, EINVAL, "%s%u: a machine has at most %d devices", kind, index, PARTS_MAX);
        return NULL;
    }
    part = calloc(1, sizeof(*part));
    if (!part) {
        err_errno(err, ENOMEM, "%s%u", kind, index);
        return NULL;
    }
    snprintf(part->name, sizeof(part->name), "%s%u", kind, index);
    part->loop = loop ? loop : loop_new(part->name, err);
    if (!part->loop) {
        free(part);
        return NULL;
    }
    parts->part[parts->n++] = part;
    return part;
}

int part_plug(struct parts *parts, struct part *part, const struct virtio_type *type,
              const void *conf, const struct vinterfaces *ifs, const struct config_virtio *virtio,
              struct err *err)
{
    const struct parts_env *env = &parts->env;
    struct vdev *dev = vdev_new(type, part->name, part->loop, env->mem, conf, err);

    if (!dev)
        return -EIO;
    vdev_ask(dev, &virtio->ask);
    vdev_withhold(dev, &virtio->withhold);
    if (withhold_apply(dev, env->config->virtio_off, virtio->off, err) < 0) {
        vdev_free(dev);
        return -EINVAL;
    }
    if (env->config->lint && lint_attach(dev, env->config->lint_advice) < 0) {
        vdev_free(dev);
        return err_errno(err, ENOMEM, "device %s", part->name);
    }
    part->vpci = vpci_new(env->root, env->irqs, dev, ifs, -1, err);
    if (!part->vpci)
        return -EIO;
    vpci_set_guest_order(part->vpci, env->guest_order, env->guest_order_ctx);
    return 0;
}

const struct vinterfaces *part_interfaces(const struct parts *parts,
                                          const struct config_virtio *virtio,
                                          const struct virtio_type *type, struct err *err)
{
    const struct config *config = parts->env.config;
    const char *word = virtio->interface;

    if (!word[0] && config->interface[0]) {
        const struct vinterfaces *ifs = NULL;

        if (interfaces_known(config->interface, err) < 0)
            return NULL;
        ifs = interfaces_find(config->interface, type, NULL);
        if (ifs)
            return ifs;
    }
    return interfaces_choose(word[0] ? word : NULL, config->modern_only, type, err);
}

/* ---- one kind each ---- */

/* More queues than this gain nothing: one thread serves them all. */
enum { DISK_QUEUES = 4 };

/* One for each processor, so that these do not meet at the driver's locks. */
static unsigned disk_queues(const struct config *config, const struct config_disk *d)
{
    return d->queues ? d->queues : (unsigned)min_u64(config->cpus, DISK_QUEUES);
}

static int disk_make(struct parts *parts, unsigned index, struct err *err)
{
    const struct config *config = parts->env.config;
    const struct config_disk *d = &config->disk[index];
    static const enum blk_cache cache[] = {[CACHE_WRITEBACK] = BLK_CACHE_WRITEBACK,
                                           [CACHE_DIRECT] = BLK_CACHE_DIRECT,
                                           [CACHE_UNSAFE] = BLK_CACHE_UNSAFE};
    static const enum blk_werror werror[] = {[WERROR_REPORT] = BLK_WERROR_REPORT,
                                             [WERROR_ENOSPC] = BLK_WERROR_ENOSPC,
                                             [WERROR_STOP] = BLK_WERROR_STOP};
    const struct blk_open open = {.path = d->path,
                                  .read_only = d->read_only,
                                  .snapshot = d->snapshot || (config->snapshot && !d->read_only),
                                  .no_discard = d->no_discard,
                                  .prealloc = d->prealloc,
                                  .cache = cache[d->cache],
                                  .werror = werror[d->werror],
                                  .rerror_stop = d->rerror_stop};
    struct blk_conf conf = {.serial = d->serial[0] ? d->serial : NULL,
                            .block_size = d->block_size,
                            .queues = disk_queues(config, d)};
    const struct vinterfaces *ifs = part_interfaces(parts, &d->virtio, &blk_type, err);
    struct part *part = ifs ? part_add(parts, "disk", index, NULL, err) : NULL;
    int ret;

    if (!part)
        return -EIO;
    ret = blk_backend_open(&open, part->loop, &conf.backend, err);
    if (ret == 0)
        blk_on_held(conf.backend, parts->env.disk_held, parts->env.disk_ctx);
    return ret < 0 ? ret : part_plug(parts, part, &blk_type, &conf, ifs, &d->virtio, err);
}

static int disks_make(struct parts *parts, struct err *err)
{
    int ret = 0;

    for (unsigned i = 0; ret == 0 && i < parts->env.config->n_disks; i++)
        ret = disk_make(parts, i, err);
    return ret;
}

static int rng_make(struct parts *parts, struct err *err)
{
    const struct config_rng *c = &parts->env.config->rng;
    struct rng_conf conf = {.rate = c->rate};
    const struct vinterfaces *ifs;
    struct part *part;

    if (c->none)
        return 0;
    ifs = part_interfaces(parts, &c->virtio, &rng_type, err);
    part = ifs ? part_add(parts, "rng", 0, parts->env.io, err) : NULL;
    if (part)
        conf.source = entropy_open(c->source, part->loop, err);
    if (!conf.source)
        return -EIO;
    return part_plug(parts, part, &rng_type, &conf, ifs, &c->virtio, err);
}

/* A loop of its own: much memory takes a while. */
static int balloon_make(struct parts *parts, struct err *err)
{
    const struct config_balloon *c = &parts->env.config->balloon;
    const struct balloon_conf conf = {
        .deflate_on_oom = c->deflate_on_oom,
        .reporting = c->reporting,
        .changed = parts->env.balloon_changed,
        .arg = parts->env.balloon_ctx,
    };
    const struct vinterfaces *ifs;
    struct part *part;

    if (!c->on)
        return 0;
    ifs = part_interfaces(parts, &c->virtio, &balloon_type, err);
    part = ifs ? part_add(parts, "balloon", 0, NULL, err) : NULL;
    return part ? part_plug(parts, part, &balloon_type, &conf, ifs, &c->virtio, err) : -EIO;
}

/* In the order of their places on the bus. */
static int (*const makers[])(struct parts *parts, struct err *err) = {
    disks_make,   parts_make_ports,  parts_make_console, rng_make, parts_make_nets,
    balloon_make, parts_make_inputs, parts_make_display, NULL,
};

/* ---- the list ---- */

/* Told before the first of them is opened. */
static int parts_room(const struct config *c, struct err *err)
{
    const unsigned n = c->n_disks + (c->n_ports > 0) + (c->console == CONSOLE_VIRTIO) +
                       !c->rng.none + c->n_nets + c->balloon.on + c->n_inputs +
                       (c->display.kind != CONFIG_DISPLAY_NONE);

    if (n <= PARTS_MAX)
        return 0;
    return err_set(err, EINVAL, "%u devices: a machine has at most %d", n, PARTS_MAX);
}

int parts_make(struct parts *parts, struct err *err)
{
    int ret = parts_room(parts->env.config, err);

    for (unsigned i = 0; ret == 0 && makers[i]; i++)
        ret = makers[i](parts, err);
    if (ret == 0)
        ret = parts_fault(parts, err);
    return ret < 0 ? ret : pci_assign(parts->env.root, err);
}

int parts_start(struct parts *parts, struct err *err)
{
    int ret = 0;

    for (unsigned i = 0; ret == 0 && i < parts->n; i++)
        if (parts->part[i]->loop != parts->env.io)
            ret = loop_start(parts->part[i]->loop, err);
    return ret;
}

bool parts_reset(struct parts *parts, uint64_t deadline_ns)
{
    bool done = true;

    for (unsigned i = 0; i < parts->n; i++) {
        struct part *part = parts->part[i];

        if (!part->vpci || vpci_reset_wait(part->vpci, deadline_ns))
            continue;
        log_msg(LOG_ERROR, "%s: the host has not finished its I/O", part->name);
        done = false;
    }
    return done;
}

struct part *parts_find(const struct parts *parts, const char *name)
{
    for (unsigned i = 0; i < parts->n; i++)
        if (strcmp(parts->part[i]->name, name) == 0)
            return parts->part[i];
    return NULL;
}

bool part_is(const struct part *part, const struct virtio_type *type)
{
    return part->vpci && part->vpci->dev->type == type;
}

struct part *parts_find_type(const struct parts *parts, const struct virtio_type *type)
{
    for (unsigned i = 0; i < parts->n; i++)
        if (part_is(parts->part[i], type))
            return parts->part[i];
    return NULL;
}

unsigned parts_held_each(const struct parts *parts,
                         void (*fn)(void *ctx, const struct part *part, int error), void *ctx)
{
    unsigned n = 0;

    for (unsigned i = 0; i < parts->n; i++) {
        const struct part *part = parts->part[i];
        int error = 0;

        if (!part_is(part, &blk_type))
            continue;
        loop_lock(part->loop);
        blk_held(blk_backend_of(part->vpci->dev), &error);
        loop_unlock(part->loop);
        if (error)
            fn(ctx, part, error);
        n += error != 0;
    }
    return n;
}

void parts_held_retry(const struct parts *parts)
{
    for (unsigned i = 0; i < parts->n; i++) {
        const struct part *part = parts->part[i];

        if (!part_is(part, &blk_type))
            continue;
        loop_lock(part->loop);
        blk_retry(blk_backend_of(part->vpci->dev));
        loop_unlock(part->loop);
    }
}

void parts_free(struct parts *parts)
{
    for (unsigned i = 0; i < parts->n; i++) {
        struct part *part = parts->part[i];

        loop_stop(part->loop);
        vpci_free(part->vpci);
        if (part->loop != parts->env.io)
            loop_free(part->loop);
        free(part);
    }
    parts->n = 0;
    parts_free_display(parts);
    parts_free_inputs(parts);
    parts_free_streams(parts);
}
