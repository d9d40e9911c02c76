// SPDX-License-Identifier: MIT
/*
 * Owns the words of --fault: which rule they are. Refuses to know devices and what happens to them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/bits.h"
#include "vmm/config-internal.h"

enum { DELAY_MAX_MS = 60 * 1000, WORD_BYTES = 64, QUEUES_MAX = 1024 };

static struct fault_rule *rule_of(void *conf)
{
    const struct config *config = (const struct config *)conf;

    return &config->fault[config->n_faults - 1];
}

/* Rules stay as long as the configuration does; the text is the user's. */
static int text_copy(const char **to, const char *value, struct err *err)
{
    free((void *)(uintptr_t)*to);
    *to = strdup(value);
    return *to ? 0 : err_errno(err, ENOMEM, "%s", value);
}

static int fault_device(void *conf, const char *value, struct err *err)
{
    return text_copy(&rule_of(conf)->device, value, err);
}

static int fault_with(void *conf, const char *value, struct err *err)
{
    return text_copy(&rule_of(conf)->with, value, err);
}

static int fault_queue(void *conf, const char *value, struct err *err)
{
    uint64_t n;
    const int ret = opts_number(value, 0, QUEUES_MAX - 1, &n, err);

    if (ret == 0 && !fault_info[rule_of(conf)->kind].queues)
        return err_set(err, EINVAL, "%s does not happen to queues",
                       fault_info[rule_of(conf)->kind].name);
    if (ret == 0)
        rule_of(conf)->queue = (int)n;
    return ret;
}

static int fault_after(void *conf, const char *value, struct err *err)
{
    return opts_number(value, 0, UINT32_MAX, &rule_of(conf)->after, err);
}

static int fault_every(void *conf, const char *value, struct err *err)
{
    return opts_number(value, 1, UINT32_MAX, &rule_of(conf)->every, err);
}

static int fault_chance(void *conf, const char *value, struct err *err)
{
    uint64_t n;
    const int ret = opts_number(value, 1, 100, &n, err);

    if (ret == 0)
        rule_of(conf)->chance = (unsigned)n;
    return ret;
}

static int fault_times(void *conf, const char *value, struct err *err)
{
    return opts_number(value, 1, UINT32_MAX, &rule_of(conf)->times, err);
}

static int fault_delay(void *conf, const char *value, struct err *err)
{
    uint64_t n;
    const int ret = opts_number(value, 1, DELAY_MAX_MS, &n, err);

    if (ret == 0 && !fault_info[rule_of(conf)->kind].waits)
        return err_set(err, EINVAL, "%s takes no time", fault_info[rule_of(conf)->kind].name);
    if (ret == 0)
        rule_of(conf)->delay_ms = (unsigned)n;
    return ret;
}

static int fault_seed(void *conf, const char *value, struct err *err)
{
    return opts_number(value, 0, UINT64_MAX, &rule_of(conf)->seed, err);
}

const struct opt config_fault_opts[] = {
    {"device", "NAME", "only this device: disk0, net0, rng0 ..., as messages have them",
     fault_device, false},
    {"queue", "N", "only this queue of it, from 0; not of refuse_features and config_change",
     fault_queue, false},
    {"with", "FEATURE[+FEATURE]...",
     "only while the driver has accepted these features: event_idx+indirect_desc, say", fault_with,
     false},
    {"after", "N", "let the first N requests (interrupts, ...) of the device pass", fault_after,
     false},
    {"every", "N", "of those after, take every Nth; 1 is the default", fault_every, false},
    {"chance", "PERCENT", "of these, as many by random numbers; 100 is the default", fault_chance,
     false},
    {"times", "N",
     "this often at most; there is no limit by default, but needs_reset and config_change happen "
     "once if neither every nor chance says more",
     fault_times, false},
    {"delay", "MS",
     "how long late_interrupt and slow_queue keep the driver waiting; 10 is the "
     "default",
     fault_delay, false},
    {"seed", "N", "other random numbers; the same ones make the same faults; 1 is the default",
     fault_seed, false},
    {NULL, NULL, NULL, NULL, false},
};

static int kind_parse(const char *word, enum fault_kind *kind, struct err *err)
{
    const char *names[FAULT_KINDS];
    int i;

    for (unsigned k = 0; k < FAULT_KINDS; k++)
        names[k] = fault_info[k].name;
    i = config_word(names, FAULT_KINDS, word,
                    "refuse_features, needs_reset, config_change, late_interrupt, lost_interrupt, "
                    "short_used, slow_queue",
                    err);
    if (i >= 0)
        *kind = (enum fault_kind)i;
    return i < 0 ? i : 0;
}

static struct fault_rule *rule_add(struct config *config, struct err *err)
{
    struct fault_rule *more = NULL;

    if (config->n_faults == CONFIG_FAULTS_MAX) {
        err_set(err, EINVAL, "at most %d rules", CONFIG_FAULTS_MAX);
        return NULL;
    }
    more = realloc(config->fault, (config->n_faults + 1) * sizeof(*more));
    if (!more) {
        err_errno(err, ENOMEM, "a rule");
        return NULL;
    }
    config->fault = more;
    return &more[config->n_faults++];
}

/* What was not said. Who says how often has no use for a limit that he did not name. */
static void rule_settle(struct fault_rule *rule)
{
    const struct fault_info *info = &fault_info[rule->kind];

    if (!rule->every && !rule->times && rule->chance == 100)
        rule->times = info->times;
    if (!rule->every)
        rule->every = 1;
}

int config_fault(void *conf, const char *value, struct err *err)
{
    char word[WORD_BYTES];
    enum fault_kind kind = FAULT_KINDS;
    struct fault_rule *rule;
    const char *rest;

    if (opts_first(value, word, sizeof(word), &rest) < 0)
        return err_set(err, EINVAL, "'%.40s...' does not begin with a kind of fault", value);
    if (kind_parse(word, &kind, err) < 0)
        return -EINVAL;
    rule = rule_add((struct config *)conf, err);
    if (!rule)
        return -EINVAL;
    *rule = (struct fault_rule){.text = value,
                                .kind = kind,
                                .queue = FAULT_EVERY_QUEUE,
                                .chance = 100,
                                .delay_ms = FAULT_DELAY_MS,
                                .seed = FAULT_SEED};
    if (rest && opts_parse_list(config_fault_opts, "--fault", rest, conf, err) < 0)
        return -EINVAL;
    rule_settle(rule);
    return 0;
}

void config_fault_free(struct config *config)
{
    for (unsigned i = 0; i < config->n_faults; i++) {
        free((void *)(uintptr_t)config->fault[i].device);
        free((void *)(uintptr_t)config->fault[i].with);
    }
    free(config->fault);
    config->fault = NULL;
    config->n_faults = 0;
}
