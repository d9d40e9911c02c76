// SPDX-License-Identifier: MIT
/*
 * Owns which devices follow which rules of --fault, and what is told in the end. Refuses to know
 * what faults are (virtio/fault.h).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "virtio/fault.h"
#include "vmm/base/bits.h"
#include "vmm/parts-internal.h"

/* A rule that no device follows is a mistake of the user's. */
static int nobody_follows(const struct parts *parts, const struct fault_rule *rule, struct err *err)
{
    char names[200] = "";
    size_t n = 0;

    if (!rule->device)
        return err_set(err, EINVAL,
                       "--fault %s: no device of this machine has such a queue and such features",
                       rule->text);
    for (unsigned i = 0; i < parts->n && n < sizeof(names); i++)
        n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s", n ? ", " : "",
                              parts->part[i]->name);
    return err_set(err, EINVAL, "--fault %s: there is no device '%s', only %s", rule->text,
                   rule->device, names);
}

/* The host's kernel works on rings of its own accord: nothing could go wrong with them here. */
static int vhost_check(const struct parts *parts, const struct part *part, uint32_t applies,
                       struct err *err)
{
    const struct config *config = parts->env.config;
    char name[PART_NAME_BYTES];

    for (unsigned i = 0; i < config->n_nets; i++) {
        snprintf(name, sizeof(name), "net%u", i);
        if (!config->net[i].vhost || strcmp(part->name, name) != 0)
            continue;
        for (unsigned k = 0; k < config->n_faults; k++)
            if ((applies >> k & 1) && fault_info[config->fault[k].kind].queues)
                return err_set(err, EINVAL,
                               "--fault %s: %s has vhost, whose rings are worked on "
                               "past vmm; leave vhost away or name another device",
                               config->fault[k].text, name);
    }
    return 0;
}

static int part_fault(struct parts *parts, struct part *part, uint32_t *followed, struct err *err)
{
    const struct config *config = parts->env.config;
    uint32_t applies;
    int ret;

    loop_lock(part->loop);
    ret = fault_attach(part->vpci->dev, config->fault, config->n_faults, &applies, err);
    loop_unlock(part->loop);
    *followed |= applies;
    return ret < 0 ? ret : vhost_check(parts, part, applies, err);
}

int parts_fault(struct parts *parts, struct err *err)
{
    const struct config *config = parts->env.config;
    uint32_t followed = 0;
    int ret = 0;

    for (unsigned i = 0; config->n_faults && ret == 0 && i < parts->n; i++)
        if (parts->part[i]->vpci)
            ret = part_fault(parts, parts->part[i], &followed, err);
    for (unsigned k = 0; ret == 0 && k < config->n_faults; k++)
        if (!(followed >> k & 1))
            ret = nobody_follows(parts, &config->fault[k], err);
    return ret;
}

void parts_fault_tell(const struct parts *parts)
{
    for (unsigned i = 0; i < parts->n; i++) {
        const struct part *part = parts->part[i];
        const struct fault_rule *rule;
        struct fault_dice dice;

        loop_lock(part->loop);
        for (unsigned k = 0; part->vpci && (rule = fault_told(part->vpci->dev, k, &dice)); k++)
            log_msg(LOG_WARN, "%s: --fault %s: %llu faults, %llu chances", part->name, rule->text,
                    (unsigned long long)dice.faults, (unsigned long long)dice.chances);
        loop_unlock(part->loop);
    }
}
