// SPDX-License-Identifier: MIT
/*
 * Owns findings: the table of rules, what was found how often, and how it is told. Refuses to know
 * how anything is seen.
 */
#include "virtio/lint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "virtio/lint-internal.h"
#include "vmm/base/bits.h"
#include "vmm/base/trace.h"

const struct lint_rule lint_rules[LINT_RULES] = {
#define X(rule, id, level, value, seen, consequence) \
    [LINT_##rule] = {id, LINT_##level, value, seen, consequence},
#include "virtio/lint.list"
#undef X
};

const char *const lint_level_name[] = {"must", "should", "advice"};

int lint_attach(struct vdev *dev, bool advice)
{
    struct lint *l = (struct lint *)calloc(1, sizeof(*l));

    if (!l)
        return -ENOMEM;
    l->queue = (struct lint_queue *)calloc(dev->n_queues + 1, sizeof(*l->queue));
    if (!l->queue) {
        free(l);
        return -ENOMEM;
    }
    l->advice = advice;
    dev->lint = l;
    return 0;
}

void lint_free(struct vdev *dev)
{
    if (!dev->lint)
        return;
    free(dev->lint->queue);
    free(dev->lint);
    dev->lint = NULL;
}

void lint_text(const struct vdev *dev, const struct lint_finding *f, char *text, size_t size)
{
    const struct lint_rule *rule = &lint_rules[f->rule];
    char where[24] = "", value[48] = "";

    if (f->queue != LINT_NO_QUEUE)
        snprintf(where, sizeof(where), " queue %d", f->queue);
    if (rule->value)
        snprintf(value, sizeof(value), " (%s 0x%llx)", rule->value, (unsigned long long)f->value);
    snprintf(text, size, "%s%s: %s %s%s: %s", dev->name, where, rule->id, rule->seen, value,
             rule->consequence);
}

void lint_found(struct vdev *dev, enum lint_id rule, int queue, uint64_t value)
{
    struct lint_finding *f = &dev->lint->found[rule];
    char text[512];

    if (lint_rules[rule].level == LINT_ADVICE && !dev->lint->advice)
        return;
    if (f->count++)
        return;
    f->rule = rule;
    f->queue = queue;
    f->value = value;
    lint_text(dev, f, text, sizeof(text));
    log_msg(LOG_WARN, "lint: %s", text);
    if (trace_on(TRACE_BASE))
        trace_emit_bytes(TRACE_LINT, dev->trace,
                         queue == LINT_NO_QUEUE ? TRACE_NO_QUEUE : (uint16_t)queue, &value, 1,
                         lint_rules[rule].id, strlen(lint_rules[rule].id));
}

unsigned lint_each(const struct vdev *dev,
                   void (*fn)(const struct vdev *dev, const struct lint_finding *f, void *ctx),
                   void *ctx)
{
    unsigned n = 0;

    for (unsigned i = 0; dev->lint && i < LINT_RULES; i++) {
        if (!dev->lint->found[i].count)
            continue;
        n++;
        if (fn)
            fn(dev, &dev->lint->found[i], ctx);
    }
    return n;
}

void lint_failed(struct vdev *dev, const char *clause)
{
    for (unsigned i = 0; i < LINT_RULES; i++)
        if (strcmp(lint_rules[i].id, clause) == 0)
            lint_found(dev, (enum lint_id)i, LINT_NO_QUEUE, 0);
}
