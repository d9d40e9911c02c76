// SPDX-License-Identifier: MIT
/*
 * Owns the words that every option of a virtio device takes: its interfaces and what it offers of
 * that which all devices share. Refuses to know device types.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vmm/base/bits.h"
#include "vmm/config-internal.h"
#include "vmm/withhold.h"

/* What it may be is virtio's to say; here it only must fit. */
int config_interface(char out[CONFIG_WORD_MAX + 1], const char *value, struct err *err)
{
    if (strlen(value) > CONFIG_WORD_MAX)
        return err_set(err, EINVAL, "'%s' is not an interface", value);
    memcpy(out, value, strlen(value) + 1);
    return 0;
}

static int virtio_interface(void *conf, const char *value, struct err *err)
{
    return config_interface(((struct config_virtio *)conf)->interface, value, err);
}

static int feature_set(void *conf, unsigned bit, const char *value, struct err *err)
{
    struct config_virtio *virtio = (struct config_virtio *)conf;
    bool on;

    if (config_on_off(value, &on, err) < 0)
        return -EINVAL;
    if (vfeat_has(on ? &virtio->withhold : &virtio->ask, bit))
        return err_set(err, EINVAL, "both on and off were said of this device; say one of them");
    vfeat_add(on ? &virtio->ask : &virtio->withhold, bit);
    return 0;
}

static int virtio_packed(void *conf, const char *value, struct err *err)
{
    return feature_set(conf, VIRTIO_F_RING_PACKED, value, err);
}

static int virtio_in_order(void *conf, const char *value, struct err *err)
{
    return feature_set(conf, VIRTIO_F_IN_ORDER, value, err);
}

static int virtio_notify_data(void *conf, const char *value, struct err *err)
{
    return feature_set(conf, VIRTIO_F_NOTIFICATION_DATA, value, err);
}

static int virtio_notify_config(void *conf, const char *value, struct err *err)
{
    return feature_set(conf, VIRTIO_F_NOTIF_CONFIG_DATA, value, err);
}

/* Ports share a device: what several of them say adds up. */
static int virtio_off(void *conf, const char *value, struct err *err)
{
    struct config_virtio *virtio = (struct config_virtio *)conf;
    const size_t have = strlen(virtio->off);

    if (have + strlen(value) + 1 > CONFIG_OFF_MAX)
        return err_set(err, EINVAL, "that are more features than there can be");
    snprintf(virtio->off + have, sizeof(virtio->off) - have, "%s%s", have ? "+" : "", value);
    return withhold_check(value, err);
}

const struct opt config_virtio_opts[] = {
    {"interface", "modern|transitional|legacy",
     "which virtio interfaces the device has: 1.x only, both (the default), or 0.9 only",
     virtio_interface, false},
    {"packed", "on|off", "offer packed rings, as drivers of 1.x prefer them; on is the default",
     virtio_packed, false},
    {"in_order", "on|off",
     "offer to give requests back in the order in which they came, however long the first one "
     "takes; off is the default",
     virtio_in_order, false},
    {"notify_data", "on|off",
     "offer doorbells that say how far the driver has come; off is the default", virtio_notify_data,
     false},
    {"notify_config", "on|off",
     "offer doorbells that carry a number of the device's choice; off is the default",
     virtio_notify_config, false},
    {"off", "FEATURE[+FEATURE]...",
     "withhold these features from the driver, by their names in the specification (event_idx, "
     "indirect_desc, mrg_rxbuf), and what cannot be had without them; all but version_1",
     virtio_off, false},
    {NULL, NULL, NULL, NULL, false},
};

int config_words(const struct opt *table, void *conf, struct config_virtio *virtio,
                 const char *option, const char *text, struct err *err)
{
    return opts_parse_lists(table, conf, config_virtio_opts, virtio, option, text, err);
}

bool config_virtio_given(const struct config_virtio *virtio)
{
    static const struct config_virtio none;

    return memcmp(virtio, &none, sizeof(none)) != 0;
}
