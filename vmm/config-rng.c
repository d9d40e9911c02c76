// SPDX-License-Identifier: MIT
/*
 * Owns the words of --rng: the guest's source of random numbers.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/config-internal.h"

#define RATE_MAX (16 * (UINT64_C(1) << 30))

static struct config_rng *rng_of(void *conf)
{
    return &((struct config *)conf)->rng;
}

static int rng_source(void *conf, const char *value, struct err *err)
{
    struct config_rng *rng = rng_of(conf);

    rng->source = strdup(value);
    return rng->source ? 0 : err_errno(err, ENOMEM, "%s", value);
}

static int rng_rate(void *conf, const char *value, struct err *err)
{
    uint64_t rate = 0;
    int ret = strcmp(value, "off") == 0 ? 0 : opts_size(value, &rate, err);

    if (ret < 0)
        return ret;
    if (rate > RATE_MAX)
        return err_set(err, EINVAL, "'%s' is more than 16G a second; write rate=off", value);
    rng_of(conf)->rate = rate;
    return 0;
}

const struct opt config_rng_opts[] = {
    {"source", "FILE",
     "a device or pipe of the host's to read from, /dev/hwrng say; getrandom() is the default",
     rng_source, false},
    {"rate", "SIZE|off", "bytes a second that the guest gets at most; 16M is the default", rng_rate,
     false},
    {NULL, NULL, NULL, NULL, false},
};

int config_rng(void *conf, const char *value, struct err *err)
{
    if (strcmp(value, "none") == 0) {
        rng_of(conf)->none = true;
        return 0;
    }
    return config_words(config_rng_opts, conf, &rng_of(conf)->virtio, "--rng", value, err);
}
