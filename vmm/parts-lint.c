// SPDX-License-Identifier: MIT
/*
 * Owns how findings of lint are summed up in the end. Refuses to find any (virtio/lint.h).
 */
#include "virtio/lint.h"
#include "vmm/parts-internal.h"

static void finding_tell(const struct vdev *dev, const struct lint_finding *f, void *ctx)
{
    const struct lint_rule *rule = &lint_rules[f->rule];

    (void)ctx;
    log_msg(LOG_WARN, "lint: %-10s %-20s %-6s %8llu  %s", dev->name, rule->id,
            lint_level_name[rule->level], (unsigned long long)f->count, rule->seen);
}

unsigned parts_lint_tell(const struct parts *parts)
{
    unsigned found = 0, devices = 0;

    if (!parts->env.config->lint)
        return 0;
    for (unsigned i = 0; i < parts->n; i++)
        devices += parts->part[i]->vpci != NULL;
    for (unsigned i = 0; i < parts->n; i++)
        if (parts->part[i]->vpci)
            found += lint_each(parts->part[i]->vpci->dev, NULL, NULL);
    log_msg(LOG_WARN, "lint: %u finding%s in %u devices", found, found == 1 ? "" : "s", devices);
    if (found)
        log_msg(LOG_WARN, "lint: device     clause               level     count  what was seen");
    for (unsigned i = 0; found && i < parts->n; i++)
        if (parts->part[i]->vpci)
            lint_each(parts->part[i]->vpci->dev, finding_tell, NULL);
    return found;
}
