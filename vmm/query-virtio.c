// SPDX-License-Identifier: MIT
/*
 * Owns the picture of a device at one moment, and how that is written as JSON. Refuses to change
 * anything, and to hold a device up while it writes.
 */
#include "vmm/query-virtio.h"

#include <stdlib.h>
#include <string.h>

#include "virtio/fault.h"
#include "virtio/lint.h"
#include "vmm/base/bits.h"

enum { FAULTS = 32 };

struct queue_shot {
    uint16_t size, max, vector;
    bool enabled, ring;
    struct vq_indices at;
    unsigned in_flight;
    struct vq_stats stats;
};

struct fault_shot {
    const struct fault_rule *rule;
    struct fault_dice dice;
};

struct shot {
    uint64_t time_ns;
    uint8_t status, generation;
    bool broken;
    const struct vinterface *active;
    struct vfeat offered, accepted;
    unsigned n_faults;
    struct fault_shot fault[FAULTS];
    bool watched; /* by lint */
    unsigned n_found;
    struct lint_finding found[LINT_RULES];
    struct queue_shot *queue;
};

/* ---- the picture: locked ---- */

static struct queue_shot queue_take(const struct vpci *vp, const struct vq *vq)
{
    struct queue_shot q = {
        .size = vq->set.size,
        .max = vq->max,
        .vector = vp->queue_vector[vq->index],
        .enabled = vq->enabled,
        .in_flight = vq->in_flight,
        .stats = vq->stats,
    };

    q.ring = vq_indices(vq, &q.at);
    return q;
}

static void finding_take(const struct vdev *dev, const struct lint_finding *f, void *ctx)
{
    struct shot *shot = (struct shot *)ctx;

    (void)dev;
    shot->found[shot->n_found++] = *f;
}

static void shot_take(const struct vpci *vp, struct shot *shot)
{
    const struct vdev *dev = vp->dev;
    struct fault_shot *fault = shot->fault;

    loop_lock(dev->loop);
    shot->time_ns = clock_ns();
    shot->status = dev->status;
    shot->generation = dev->generation;
    shot->broken = dev->broken;
    shot->active = vp->active;
    shot->offered = dev->offered;
    shot->accepted = dev->accepted;
    for (unsigned i = 0; i < dev->n_queues; i++)
        shot->queue[i] = queue_take(vp, &dev->vq[i]);
    for (; shot->n_faults < FAULTS; shot->n_faults++, fault++) {
        fault->rule = fault_told(dev, shot->n_faults, &fault->dice);
        if (!fault->rule)
            break;
    }
    shot->watched = dev->lint;
    lint_each(dev, finding_take, shot);
    loop_unlock(dev->loop);
}

/* ---- as JSON ---- */

static json_t *number(uint64_t v)
{
    return json_integer((json_int_t)min_u64(v, INT64_MAX));
}

static json_t *features_write(const struct vdev *dev, const struct vfeat *f)
{
    json_t *list = json_array();
    char buf[16];

    for (unsigned bit = 0; bit < VDEV_FEATURE_BITS; bit++)
        if (vfeat_has(f, bit))
            json_array_append_new(list, json_string(vdev_feature_name(dev, bit, buf)));
    return list;
}

static json_t *status_write(uint8_t status)
{
    json_t *list = json_array();

    for (const struct vdev_status *s = vdev_status; s->bit; s++)
        if (status & s->bit)
            json_array_append_new(list, json_string(s->name));
    return list;
}

static void ring_write(json_t *to, const struct vq_indices *at)
{
    json_object_set_new(to, "ring", json_string(at->packed ? "packed" : "split"));
    json_object_set_new(to, "avail", json_integer(at->avail));
    json_object_set_new(to, "used", json_integer(at->used));
    json_object_set_new(to, "more", json_boolean(at->more));
    if (at->packed) {
        json_object_set_new(to, "avail-wrap", json_boolean(at->avail_wrap));
        json_object_set_new(to, "used-wrap", json_boolean(at->used_wrap));
    } else {
        json_object_set_new(to, "driver-avail", json_integer(at->driver));
    }
}

static json_t *queue_write(unsigned index, const struct queue_shot *q)
{
    json_t *o = json_pack("{s:i,s:i,s:i,s:b,s:i,s:o?}", "index", (int)index, "size", q->size, "max",
                          q->max, "enabled", q->enabled, "in-flight", (int)q->in_flight, "vector",
                          q->vector == VIRTIO_NO_VECTOR ? NULL : json_integer(q->vector));

    if (o && q->ring)
        ring_write(o, &q->at);
    json_object_set_new(o, "requests", number(q->stats.chains));
    json_object_set_new(o, "dropped", number(q->stats.drops));
    json_object_set_new(o, "bytes-out", number(q->stats.bytes_read));
    json_object_set_new(o, "bytes-in", number(q->stats.bytes_written));
    json_object_set_new(o, "doorbells", number(q->stats.kicks));
    json_object_set_new(o, "interrupts", number(q->stats.interrupts));
    json_object_set_new(o, "suppressed", number(q->stats.suppressed));
    return o;
}

static json_t *queues_write(const struct shot *shot, unsigned n)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < n; i++)
        json_array_append_new(list, queue_write(i, &shot->queue[i]));
    return list;
}

static json_t *faults_write(const struct shot *shot)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < shot->n_faults; i++)
        json_array_append_new(list, json_pack("{s:s,s:o,s:o}", "rule", shot->fault[i].rule->text,
                                              "faults", number(shot->fault[i].dice.faults),
                                              "chances", number(shot->fault[i].dice.chances)));
    return list;
}

static json_t *finding_write(const struct lint_finding *f)
{
    const struct lint_rule *rule = &lint_rules[f->rule];
    json_t *o = json_pack("{s:s,s:s,s:o,s:s,s:s}", "clause", rule->id, "level",
                          lint_level_name[rule->level], "count", number(f->count), "seen",
                          rule->seen, "consequence", rule->consequence);

    if (o && f->queue != LINT_NO_QUEUE)
        json_object_set_new(o, "queue", json_integer(f->queue));
    if (o && rule->value) {
        json_object_set_new(o, "value", number(f->value));
        json_object_set_new(o, "value-is", json_string(rule->value));
    }
    return o;
}

static json_t *findings_write(const struct shot *shot)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < shot->n_found; i++)
        json_array_append_new(list, finding_write(&shot->found[i]));
    return list;
}

static json_t *device_write(const struct part *part, const struct shot *shot)
{
    const struct vpci *vp = part->vpci;
    json_t *o =
        json_pack("{s:s,s:s,s:i,s:s,s:s?,s:o}", "name", part->name, "type", vp->dev->type->name,
                  "id", vp->dev->type->id, "interfaces", vp->ifs->name, "interface",
                  shot->active ? shot->active->name : NULL, "status", status_write(shot->status));

    json_object_set_new(o, "failed", json_boolean(shot->broken));
    json_object_set_new(o, "generation", json_integer(shot->generation));
    json_object_set_new(o, "offered", features_write(vp->dev, &shot->offered));
    json_object_set_new(o, "accepted", features_write(vp->dev, &shot->accepted));
    json_object_set_new(o, "time-ns", number(shot->time_ns));
    json_object_set_new(o, "queues", queues_write(shot, vp->dev->n_queues));
    if (shot->n_faults)
        json_object_set_new(o, "faults", faults_write(shot));
    if (shot->watched)
        json_object_set_new(o, "lint", findings_write(shot));
    return o;
}

static json_t *device_query(const struct part *part)
{
    const unsigned n = part->vpci->dev->n_queues;
    struct shot shot = {.queue = calloc(n ? n : 1, sizeof(shot.queue[0]))};
    json_t *o = NULL;

    if (shot.queue) {
        shot_take(part->vpci, &shot);
        o = device_write(part, &shot);
    }
    free(shot.queue);
    return o;
}

json_t *query_virtio(const struct parts *parts)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < parts->n; i++)
        if (parts->part[i]->vpci)
            json_array_append_new(list, device_query(parts->part[i]));
    return list;
}
