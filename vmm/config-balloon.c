// SPDX-License-Identifier: MIT
/*
 * Owns the words of --balloon: whether the guest can give memory back, and how.
 */
#include <errno.h>

#include "vmm/base/bits.h"
#include "vmm/config-internal.h"

static struct config_balloon *balloon_of(void *conf)
{
    return &((struct config *)conf)->balloon;
}

static int balloon_oom(void *conf, const char *value, struct err *err)
{
    return config_on_off(value, &balloon_of(conf)->deflate_on_oom, err);
}

static int balloon_reporting(void *conf, const char *value, struct err *err)
{
    return config_on_off(value, &balloon_of(conf)->reporting, err);
}

const struct opt config_balloon_opts[] = {
    {"reporting", "on|off",
     "the guest tells which memory is free, and the host has it until the guest wants it again; on "
     "is the default",
     balloon_reporting, false},
    {"deflate_on_oom", "on|off",
     "the guest may take memory back from the balloon before it kills processes for want of it; "
     "off is the default",
     balloon_oom, false},
    {NULL, NULL, NULL, NULL, false},
};

int config_balloon(void *conf, const char *value, struct err *err)
{
    struct config_balloon *balloon = balloon_of(conf);
    char word[CONFIG_WORD_MAX + 1];
    const char *rest;
    int ret;

    if (opts_first(value, word, sizeof(word), &rest) < 0)
        return err_set(err, EINVAL, "'%s' does not begin with on or off", value);
    balloon->reporting = true;
    ret = config_on_off(word, &balloon->on, err);
    if (ret < 0 || !rest)
        return ret;
    if (!balloon->on)
        return err_set(err, EINVAL, "only on takes further words");
    return config_words(config_balloon_opts, conf, &balloon->virtio, "--balloon", rest, err);
}
