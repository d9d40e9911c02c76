// SPDX-License-Identifier: MIT
/*
 * Owns how a machine's network cards are made: each a back end and a device on a loop of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "devices/backend/net-dump.h"
#include "devices/backend/net-passt.h"
#include "devices/backend/net-slirp.h"
#include "devices/backend/net-tap.h"
#include "devices/net.h"
#include "vmm/parts-internal.h"

static uint64_t hash_add(uint64_t hash, const void *data, size_t len)
{
    const uint8_t *p = (const uint8_t *)data;

    for (size_t i = 0; i < len; i++) /* FNV-1a */
        hash = (hash ^ p[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* What tells this host from others. */
static uint64_t hash_host(uint64_t hash)
{
    char id[64];
    const int fd = open("/etc/machine-id", O_RDONLY | O_CLOEXEC);
    const ssize_t n = fd < 0 ? -1 : read(fd, id, sizeof(id));

    if (fd >= 0)
        close(fd);
    return n > 0 ? hash_add(hash, id, (size_t)n) : hash;
}

/* What tells this machine from others: its name, or what it boots from. */
static const char *identity(const struct config *config)
{
    if (config->name)
        return config->name;
    return config->n_disks ? config->disk[0].path : config->kernel;
}

/* The same whenever this machine is started on this host. */
static void mac_make(const struct config *config, unsigned index, uint8_t mac[NET_MAC])
{
    const char *who = identity(config);
    uint64_t hash = hash_host(UINT64_C(0xcbf29ce484222325));

    hash = hash_add(hash, who, strlen(who));
    hash = hash_add(hash, &index, sizeof(index));
    mac[0] = 0x52;
    mac[1] = 0x54;
    mac[2] = 0x00;
    for (unsigned i = 3; i < NET_MAC; i++)
        mac[i] = (uint8_t)(hash >> (8 * i));
}

static struct net *user_open(const struct config *config, const struct config_net *c,
                             struct part *part, struct err *err)
{
    const struct net_slirp_conf conf = {
        .forward = c->forward, .n_forwards = c->n_forwards, .mtu = c->mtu, .host = config->name};

    loop_set_kind(part->loop, THREAD_USER);
    return net_slirp_open(&conf, part->name, part->loop, err);
}

static struct net *tap_open(const struct config *config, const struct config_net *c,
                            struct part *part, struct err *err)
{
    const struct net_tap_conf conf = {.ifname = c->ifname[0] ? c->ifname : NULL,
                                      .pairs = c->queues ? c->queues : 1,
                                      .mtu = c->mtu};

    (void)config;
    return net_tap_open(&conf, part->name, part->loop, err);
}

static struct net *passt_open(const struct config *config, const struct config_net *c,
                              struct part *part, struct err *err)
{
    const struct net_passt_conf conf = {.path = c->socket, .mtu = c->mtu};

    (void)config;
    return net_passt_open(&conf, part->name, part->loop, err);
}

static struct net *(*const openers[])(const struct config *config, const struct config_net *c,
                                      struct part *part, struct err *err) = {
    [CONFIG_NET_USER] = user_open,
    [CONFIG_NET_TAP] = tap_open,
    [CONFIG_NET_PASST] = passt_open,
};

static int net_make(struct parts *parts, unsigned index, struct err *err)
{
    const struct config *config = parts->env.config;
    const struct config_net *c = &config->net[index];
    struct net_conf conf = {.mtu = c->mtu,
                            .pairs = c->queues ? c->queues : 1,
                            .vhost = c->vhost ? &vhost_kernel : NULL};
    const struct vinterfaces *ifs = part_interfaces(parts, &c->virtio, &net_type, err);
    struct part *part = ifs ? part_add(parts, "net", index, NULL, err) : NULL;

    if (!part)
        return -EIO;
    if (c->mac_given)
        memcpy(conf.mac, c->mac, NET_MAC);
    else
        mac_make(config, index, conf.mac);
    if (parts->env.net_open)
        conf.net = parts->env.net_open(parts->env.net_ctx, index, part->name, part->loop, err);
    else
        conf.net = openers[c->kind](config, c, part, err);
    if (!conf.net)
        return -EIO;
    if (c->dump && !(conf.net->dump = net_dump_open(c->dump, part->name, err))) {
        net_close(conf.net);
        return -EIO;
    }
    return part_plug(parts, part, &net_type, &conf, ifs, &c->virtio, err);
}

int parts_make_nets(struct parts *parts, struct err *err)
{
    const struct config *config = parts->env.config;
    int ret = 0;

    if (!config->n_nets && !config->no_net)
        log_msg(LOG_INFO, "no network: this vmm was built without libslirp; give --net");
    for (unsigned i = 0; ret == 0 && i < config->n_nets; i++)
        ret = net_make(parts, i, err);
    return ret;
}
