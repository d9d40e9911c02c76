// SPDX-License-Identifier: MIT
/*
 * Owns faults on purpose: when a rule says that one happens, and what it is. Refuses to know which
 * driver is to be tested, and never does what could hurt anybody but that driver.
 */
#include "virtio/fault.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/bits.h"
#include "vmm/base/trace.h"

const struct fault_info fault_info[FAULT_KINDS] = {
    [FAULT_REFUSE_FEATURES] = {"refuse_features", false, false, 0},
    [FAULT_NEEDS_RESET] = {"needs_reset", true, false, 1},
    [FAULT_CONFIG_CHANGE] = {"config_change", false, false, 1},
    [FAULT_LATE_INTERRUPT] = {"late_interrupt", true, true, 0},
    [FAULT_LOST_INTERRUPT] = {"lost_interrupt", true, false, 0},
    [FAULT_SHORT_USED] = {"short_used", true, false, 0},
    [FAULT_SLOW_QUEUE] = {"slow_queue", true, true, 0},
};

/* A rule, as one device follows it. */
struct fault_state {
    const struct fault_rule *rule;
    struct fault_dice dice;
    struct vfeat with;
};

struct fault_queue {
    struct vq *vq;
    struct loop_timer *slow, *late; /* NULL: no rule needs it */
    bool waits;                     /* until slow comes */
    bool passes;                    /* its next request has been through all this */
    bool owes;                      /* an interrupt, until late comes */
};

struct fault {
    struct log_limit log;
    struct fault_queue *queue; /* one for each of the device's */
    uint64_t spared; /* 1 + place of the field that changed last: reading it again succeeds */
    unsigned n;
    struct fault_state state[];
};

/* ---- when ---- */

/* SplitMix64: every seed is a good one. */
uint64_t fault_random(struct fault_dice *dice)
{
    uint64_t z = dice->random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

struct fault_dice fault_dice(const struct fault_rule *rule, const char *device)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ rule->kind;

    for (const char *p = device; *p; p++) /* FNV-1a */
        hash = (hash ^ (uint8_t)*p) * UINT64_C(0x100000001b3);
    return (struct fault_dice){.random = hash ^ rule->seed};
}

bool fault_due(const struct fault_rule *rule, struct fault_dice *dice)
{
    dice->chances++;
    if (dice->chances <= rule->after || (dice->chances - rule->after) % rule->every)
        return false;
    if (rule->times && dice->faults >= rule->times)
        return false;
    if (rule->chance < 100 && fault_random(dice) % 100 >= rule->chance)
        return false;
    dice->faults++;
    return true;
}

static bool features_hold(const struct vfeat *with, const struct vfeat *f)
{
    for (unsigned i = 0; i < VDEV_FEATURE_WORDS; i++)
        if (with->word[i] & ~f->word[i])
            return false;
    return true;
}

/* The state of the first rule of this kind that strikes; all of them count the chance. */
static struct fault_state *strikes(struct vdev *dev, enum fault_kind kind, const struct vq *vq,
                                   const struct vfeat *features)
{
    struct fault_state *found = NULL;

    for (unsigned i = 0; i < dev->fault->n; i++) {
        struct fault_state *s = &dev->fault->state[i];
        const struct fault_rule *rule = s->rule;

        if (rule->kind != kind || !features_hold(&s->with, features) ||
            (vq && rule->queue != FAULT_EVERY_QUEUE && rule->queue != vq->index))
            continue;
        if (fault_due(rule, &s->dice) && !found)
            found = s;
    }
    return found;
}

static struct fault_state *queue_strikes(struct vq *vq, enum fault_kind kind)
{
    return strikes(vq->dev, kind, vq, &vq->dev->accepted);
}

/* value: what the kind has to say: bytes, milliseconds, offset. */
static void tell(struct vdev *dev, const struct fault_state *s, uint16_t queue, uint64_t value,
                 const char *what)
{
    const char *name = fault_info[s->rule->kind].name;
    char where[24] = "";

    if (queue != TRACE_NO_QUEUE)
        snprintf(where, sizeof(where), " queue %u", queue);
    log_limited(&dev->fault->log, LOG_WARN, "%s%s: fault %llu of --fault %s: %s", dev->name, where,
                (unsigned long long)s->dice.faults, s->rule->text, what);
    if (trace_on(TRACE_BASE))
        trace_emit_bytes(TRACE_FAULT, dev->trace, queue, (uint64_t[]){s->dice.faults, value}, 2,
                         name, strlen(name));
}

/* ---- what ---- */

bool fault_refuses(struct vdev *dev)
{
    const struct fault_state *s = strikes(dev, FAULT_REFUSE_FEATURES, NULL, &dev->driver);

    if (s)
        tell(dev, s, TRACE_NO_QUEUE, 0, "FEATURES_OK is not granted");
    return s;
}

static struct fault_queue *queue_of(const struct vq *vq)
{
    return &vq->dev->fault->queue[vq->index];
}

bool fault_slow(const struct vq *vq)
{
    return queue_of(vq)->waits;
}

bool fault_keeps(struct vq *vq)
{
    struct fault_queue *q = queue_of(vq);
    const struct fault_state *s;

    if (q->waits)
        return true;
    if (q->passes || !vq->ops->more(vq)) {
        q->passes = false;
        return false;
    }
    s = queue_strikes(vq, FAULT_NEEDS_RESET);
    if (s) {
        tell(vq->dev, s, vq->index, 0, "the device fails instead of taking a request");
        vdev_fail(vq->dev, "--fault", "told to fail");
        return true;
    }
    s = queue_strikes(vq, FAULT_SLOW_QUEUE);
    if (!s)
        return false;
    q->waits = true;
    loop_timer_set(q->slow, s->rule->delay_ms * UINT64_C(1000000));
    tell(vq->dev, s, vq->index, s->rule->delay_ms, "a request is not taken yet");
    return true;
}

static void slow_over(void *arg)
{
    struct fault_queue *q = (struct fault_queue *)arg;

    q->waits = false;
    q->passes = true;
    loop_post(q->vq->dev->loop, &q->vq->again);
}

uint32_t fault_length(struct vq *vq, uint32_t written)
{
    struct fault_state *s = written ? queue_strikes(vq, FAULT_SHORT_USED) : NULL;
    char what[64];
    uint32_t less;

    if (!s)
        return written;
    less = (uint32_t)(fault_random(&s->dice) % written);
    snprintf(what, sizeof(what), "%u bytes are told as %u", written, less);
    tell(vq->dev, s, vq->index, less, what);
    return less;
}

bool fault_silences(struct vq *vq)
{
    struct fault_queue *q = queue_of(vq);
    const struct fault_state *lost = queue_strikes(vq, FAULT_LOST_INTERRUPT);
    const struct fault_state *late = lost ? NULL : queue_strikes(vq, FAULT_LATE_INTERRUPT);

    if (lost)
        tell(vq->dev, lost, vq->index, 0, "an interrupt is lost");
    if (!late)
        return lost;
    tell(vq->dev, late, vq->index, late->rule->delay_ms, "an interrupt is put off");
    if (!q->owes)
        loop_timer_set(q->late, late->rule->delay_ms * UINT64_C(1000000));
    q->owes = true;
    return true;
}

static void late_over(void *arg)
{
    struct fault_queue *q = (struct fault_queue *)arg;
    struct vdev *dev = q->vq->dev;

    if (!q->owes)
        return;
    q->owes = false;
    if (!dev->started)
        return; /* 2.1.2-d2 */
    q->vq->stats.interrupts++;
    dev->up.queue_interrupt(dev, q->vq->index);
}

void fault_queue_off(struct vq *vq)
{
    struct fault_queue *q = queue_of(vq);

    q->waits = q->passes = q->owes = false;
    if (q->slow)
        loop_timer_set(q->slow, 0);
    if (q->late)
        loop_timer_set(q->late, 0);
}

/* Is this row the first of a field? Some fields are as many rows of one name as they have bytes. */
static bool field_begins(const struct regs *config, unsigned i)
{
    return !i || strcmp(config->row[i - 1].name, config->row[i].name) != 0;
}

/* Bytes of the field that begins at off; 0: none does. */
static unsigned field_bytes(const struct regs *config, uint64_t off)
{
    unsigned n = 0, i = 0;

    while (i < config->n && config->row[i].off != off)
        i++;
    if (i == config->n || !field_begins(config, i))
        return 0;
    do
        n += config->row[i++].size;
    while (i < config->n && !field_begins(config, i));
    return n;
}

/*
 * What the driver got was the field's beginning as it had been; now the field is what it is. Who
 * asks for the generation, before and after, sees that the parts do not fit.
 */
void fault_config(struct vdev *dev, uint64_t off, void *data, unsigned len)
{
    const struct vfeat *features =
        dev->status & VIRTIO_S_FEATURES_OK ? &dev->accepted : &dev->driver;
    const struct fault_state *s;
    uint8_t *byte = (uint8_t *)data;

    if (field_bytes(dev->type->config, off) <= len)
        return; /* nothing begins here, or all of it was read at once */
    if (dev->fault->spared == off + 1) {
        dev->fault->spared = 0;
        return;
    }
    s = strikes(dev, FAULT_CONFIG_CHANGE, NULL, features);
    if (!s)
        return;
    dev->fault->spared = off + 1;
    for (unsigned i = 0; i < len; i++)
        byte[i] = (uint8_t)~byte[i];
    tell(dev, s, TRACE_NO_QUEUE, off, "a field changes after its first bytes were read");
    vdev_config_changed(dev);
}

/* ---- rules ---- */

static bool feature_add(const struct vdev *dev, const char *name, size_t len, struct vfeat *f)
{
    char buf[16];

    for (unsigned bit = 0; bit < VDEV_FEATURE_BITS; bit++) {
        const char *known = vdev_feature_name(dev, bit, buf);

        if (strlen(known) == len && memcmp(known, name, len) == 0) {
            vfeat_add(f, bit);
            return true;
        }
    }
    return false;
}

/* false: the device does not know all of them. */
static bool features_parse(const struct vdev *dev, const char *with, struct vfeat *f)
{
    *f = (struct vfeat){{0}};
    while (with) {
        const char *end = strchr(with, '+');
        const size_t len = end ? (size_t)(end - with) : strlen(with);

        if (!feature_add(dev, with, len, f))
            return false;
        with = end ? end + 1 : NULL;
    }
    return true;
}

/* 0: the rule is not about this device; 1: it is. */
static int rule_take(struct vdev *dev, const struct fault_rule *rule, struct fault_state *s,
                     struct err *err)
{
    *s = (struct fault_state){.rule = rule, .dice = fault_dice(rule, dev->name)};
    if (rule->device && strcmp(rule->device, dev->name) != 0)
        return 0;
    if (rule->queue != FAULT_EVERY_QUEUE && rule->queue >= (int)dev->n_queues)
        return rule->device ? err_set(err, EINVAL, "--fault %s: %s has %u queues, 0 is the first",
                                      rule->text, dev->name, dev->n_queues)
                            : 0;
    if (!features_parse(dev, rule->with, &s->with))
        return rule->device ? err_set(err, EINVAL, "--fault %s: %s does not have all of %s",
                                      rule->text, dev->name, rule->with)
                            : 0;
    return 1;
}

static bool timer_make(struct vdev *dev, struct fault_queue *q, enum fault_kind kind)
{
    struct loop_timer **timer = kind == FAULT_SLOW_QUEUE ? &q->slow : &q->late;

    if (!fault_info[kind].waits || *timer)
        return true;
    *timer = loop_timer_new(dev->loop, kind == FAULT_SLOW_QUEUE ? slow_over : late_over, q);
    return *timer;
}

static bool queues_make(struct vdev *dev)
{
    struct fault *fault = dev->fault;
    bool made = true;

    fault->queue = calloc(dev->n_queues ? dev->n_queues : 1, sizeof(fault->queue[0]));
    for (unsigned i = 0; fault->queue && made && i < dev->n_queues; i++) {
        fault->queue[i].vq = &dev->vq[i];
        for (unsigned k = 0; made && k < fault->n; k++)
            made = timer_make(dev, &fault->queue[i], fault->state[k].rule->kind);
    }
    return fault->queue && made;
}

int fault_attach(struct vdev *dev, const struct fault_rule *rule, unsigned n, uint32_t *applies,
                 struct err *err)
{
    struct fault *fault = calloc(1, sizeof(*fault) + n * sizeof(fault->state[0]));
    int ret = 0;

    *applies = 0;
    if (!fault)
        return err_errno(err, ENOMEM, "--fault");
    for (unsigned i = 0; ret >= 0 && i < n; i++) {
        ret = rule_take(dev, &rule[i], &fault->state[fault->n], err);
        fault->n += ret == 1;
        *applies |= ret == 1 ? BIT32(i) : 0;
    }
    if (ret < 0 || !fault->n) {
        free(fault);
        return ret < 0 ? ret : 0;
    }
    dev->fault = fault;
    return queues_make(dev) ? 0 : err_errno(err, ENOMEM, "--fault: %s", dev->name);
}

void fault_free(struct vdev *dev)
{
    struct fault *fault = dev->fault;

    if (!fault)
        return;
    for (unsigned i = 0; fault->queue && i < dev->n_queues; i++) {
        loop_timer_del(fault->queue[i].slow);
        loop_timer_del(fault->queue[i].late);
    }
    free(fault->queue);
    free(fault);
    dev->fault = NULL;
}

const struct fault_rule *fault_told(const struct vdev *dev, unsigned i, struct fault_dice *dice)
{
    if (!dev->fault || i >= dev->fault->n)
        return NULL;
    *dice = dev->fault->state[i].dice;
    return dev->fault->state[i].rule;
}
