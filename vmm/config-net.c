// SPDX-License-Identifier: MIT
/*
 * Owns the words of --net: which networks a machine is plugged into. Refuses to open anything.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/bits.h"
#include "vmm/config-internal.h"

enum { MTU_MIN = 68, MTU_MAX = 65521 };

static const char *const kinds[] = {
    [CONFIG_NET_USER] = "user", [CONFIG_NET_TAP] = "tap", [CONFIG_NET_PASST] = "passt"};
static const char kind_list[] = "user, tap, passt, none";

/* A word that only one kind of network knows. */
static int kind_check(const struct config_net *net, enum config_net_kind kind, struct err *err)
{
    if (net->kind == kind)
        return 0;
    return err_set(err, EINVAL, "%s has no such word, only %s has", kinds[net->kind], kinds[kind]);
}

/* ---- hostfwd ---- */

/* Cut text at the first stop; what stands behind it, or NULL. */
static char *cut(char *text, char stop)
{
    char *at = strchr(text, stop);

    if (at)
        *at++ = '\0';
    return at;
}

static int forward_port(const char *text, uint16_t *port)
{
    uint64_t n;

    if (opts_number(text, 1, 65535, &n, NULL) < 0)
        return -EINVAL;
    *port = (uint16_t)n;
    return 0;
}

static int forward_address(const char *text, struct in_addr *address)
{
    return !*text || inet_pton(AF_INET, text, address) == 1 ? 0 : -EINVAL;
}

/* "PORT", ":PORT" or "ADDRESS:PORT". */
static int forward_guest(struct net_slirp_forward *f, char *text)
{
    char *port = cut(text, ':');

    if (!port)
        return forward_port(text, &f->guest_port);
    if (forward_address(text, &f->guest) < 0)
        return -EINVAL;
    return forward_port(port, &f->guest_port);
}

/* "tcp|udp:[ADDRESS]:PORT-GUEST". */
static int forward_parse(struct net_slirp_forward *f, char *text)
{
    char *address = cut(text, ':');
    char *port = address ? cut(address, ':') : NULL;
    char *guest = port ? cut(port, '-') : NULL;

    f->udp = strcmp(text, "udp") == 0;
    if (!guest || (!f->udp && strcmp(text, "tcp") != 0))
        return -EINVAL;
    if (forward_address(address, &f->host) < 0 || forward_port(port, &f->host_port) < 0)
        return -EINVAL;
    return forward_guest(f, guest);
}

static int net_hostfwd(void *conf, const char *value, struct err *err)
{
    struct config_net *net = (struct config_net *)conf;
    struct net_slirp_forward f = {0}, *more;
    char text[sizeof(f.text)];
    int ret = kind_check(net, CONFIG_NET_USER, err);

    if (ret < 0)
        return ret;
    if (strlen(value) < sizeof(text))
        memcpy(text, value, strlen(value) + 1);
    else
        text[0] = '\0'; /* too long to be one */
    if (forward_parse(&f, text) < 0)
        return err_set(err, EINVAL,
                       "'%s' is not tcp|udp:[ADDRESS]:PORT-[[ADDRESS]:]PORT with IPv4 addresses, "
                       "as in tcp:127.0.0.1:2222-22",
                       value);
    memcpy(f.text, value, strlen(value) + 1);
    more = realloc(net->forward, (net->n_forwards + 1) * sizeof(*more));
    if (!more)
        return err_errno(err, ENOMEM, "%s", value);
    net->forward = more;
    more[net->n_forwards++] = f;
    return 0;
}

/* ---- tap ---- */

static int net_ifname(void *conf, const char *value, struct err *err)
{
    struct config_net *net = (struct config_net *)conf;
    int ret = kind_check(net, CONFIG_NET_TAP, err);

    if (ret < 0)
        return ret;
    if (strlen(value) >= sizeof(net->ifname) || strpbrk(value, "/%: \t\n") ||
        strcmp(value, ".") == 0 || strcmp(value, "..") == 0)
        return err_set(err, EINVAL, "'%s' is not the name of an interface (at most 15 characters)",
                       value);
    memcpy(net->ifname, value, strlen(value) + 1);
    return 0;
}

static int net_vhost(void *conf, const char *value, struct err *err)
{
    struct config_net *net = (struct config_net *)conf;
    const int ret = kind_check(net, CONFIG_NET_TAP, err);

    return ret < 0 ? ret : config_on_off(value, &net->vhost, err);
}

/* ---- passt ---- */

static int net_socket(void *conf, const char *value, struct err *err)
{
    struct config_net *net = (struct config_net *)conf;
    int ret = kind_check(net, CONFIG_NET_PASST, err);

    if (ret < 0)
        return ret;
    net->socket = strdup(value);
    return net->socket ? 0 : err_errno(err, ENOMEM, "%s", value);
}

/* ---- words of all kinds ---- */

static int net_mac(void *conf, const char *value, struct err *err)
{
    struct config_net *net = (struct config_net *)conf;
    uint8_t *m = net->mac;
    char more;

    if (strlen(value) != 17 || sscanf(value, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%c", &m[0], &m[1],
                                      &m[2], &m[3], &m[4], &m[5], &more) != 6)
        return err_set(err, EINVAL, "'%s' is not an address like 52:54:00:12:34:56", value);
    if (m[0] & 1)
        return err_set(err, EINVAL, "'%s' is a multicast address; a card's first byte is even",
                       value);
    if (memcmp(m, (const uint8_t[NET_MAC]){0}, NET_MAC) == 0)
        return err_set(err, EINVAL, "'%s' is nobody's address", value);
    net->mac_given = true;
    return 0;
}

static int net_mtu(void *conf, const char *value, struct err *err)
{
    uint64_t n;
    int ret = opts_number(value, MTU_MIN, MTU_MAX, &n, err);

    if (ret == 0)
        ((struct config_net *)conf)->mtu = (uint16_t)n;
    return ret;
}

static int net_queues(void *conf, const char *value, struct err *err)
{
    struct config_net *net = (struct config_net *)conf;
    uint64_t n;
    int ret = opts_number(value, 1, NET_PAIRS_MAX, &n, err);

    if (ret == 0 && n > 1 && net->kind != CONFIG_NET_TAP)
        return err_set(err, EINVAL, "%s has one pair of queues only", kinds[net->kind]);
    if (ret == 0)
        net->queues = (unsigned)n;
    return ret;
}

static int net_dump(void *conf, const char *value, struct err *err)
{
    struct config_net *net = (struct config_net *)conf;

    net->dump = strdup(value);
    return net->dump ? 0 : err_errno(err, ENOMEM, "%s", value);
}

const struct opt config_net_opts[] = {
    {"hostfwd", "tcp|udp:[ADDRESS]:PORT-[[ADDRESS]:]PORT",
     "user: a port of the host (of all its addresses unless one is given) that leads to one of the "
     "guest; may be repeated",
     net_hostfwd, true},
    {"ifname", "NAME",
     "tap: the interface on the host, one that exists (ip tuntap add) or a new one, which needs "
     "CAP_NET_ADMIN; a name vmmN is the default",
     net_ifname, false},
    {"vhost", "on|off",
     "tap: let the host's kernel move the frames (/dev/vhost-net), which is fastest; without "
     "dump=. off is the default",
     net_vhost, false},
    {"socket", "PATH", "passt: the socket where passt, or anything that talks as it does, listens",
     net_socket, false},
    {"mac", "ADDRESS",
     "the card's address; one that stays the same for the same machine is the default", net_mac,
     false},
    {"mtu", "BYTES", "the largest packet, told to the guest; 1500 is usual", net_mtu, false},
    {"queues", "N", "pairs of queues, from 1 (the default) to 16", net_queues, false},
    {"dump", "FILE", "write every frame to a file that Wireshark and tcpdump read", net_dump,
     false},
    {NULL, NULL, NULL, NULL, false},
};

static int config_net_add(struct config *config, enum config_net_kind kind, struct config_net **out)
{
    struct config_net *more = realloc(config->net, (config->n_nets + 1) * sizeof(*more));

    if (!more)
        return -ENOMEM;
    config->net = more;
    *out = &more[config->n_nets++];
    **out = (struct config_net){.kind = kind};
    return 0;
}

int config_net(void *conf, const char *value, struct err *err)
{
    struct config *config = (struct config *)conf;
    struct config_net *net;
    char word[16];
    const char *rest;
    int kind, ret;

    if (strcmp(value, "none") == 0) {
        config->no_net = true;
        return 0;
    }
    if (strncmp(value, "none,", 5) == 0)
        return err_set(err, EINVAL, "none takes no further words");
    if (opts_first(value, word, sizeof(word), &rest) < 0)
        return err_set(err, EINVAL, "'%s' is not one of %s", value, kind_list);
    kind = config_word(kinds, ARRAY_SIZE(kinds), word, kind_list, err);
    if (kind < 0)
        return kind;
    ret = config_net_add(config, (enum config_net_kind)kind, &net);
    if (ret < 0)
        return err_errno(err, -ret, "%s", value);
    ret = rest ? config_words(config_net_opts, net, &net->virtio, word, rest, err) : 0;
    if (ret == 0 && kind == CONFIG_NET_PASST && !net->socket)
        return err_set(err, EINVAL, "passt needs socket=PATH");
    return ret;
}

int config_net_check(struct config *config, struct err *err)
{
    struct config_net *net;

    if (config->no_net && config->n_nets)
        return err_set(err, EINVAL, "--net none and --net %s exclude each other",
                       kinds[config->net[0].kind]);
    if (!config->no_net && !config->n_nets && net_slirp_built &&
        config_net_add(config, CONFIG_NET_USER, &net) < 0)
        return err_errno(err, ENOMEM, "--net user");
    if (config->net_dump && !config->n_nets)
        return err_set(err, EINVAL, "--net-dump: there is no network to dump");
    if (config->net_dump && config->net[0].dump)
        return err_set(err, EINVAL, "--net-dump and dump= of the first --net are the same thing");
    if (config->net_dump && net_dump(&config->net[0], config->net_dump, err) < 0)
        return -ENOMEM;
    for (unsigned i = 0; i < config->n_nets; i++)
        if (config->net[i].vhost && config->net[i].dump)
            return err_set(err, EINVAL,
                           "--net tap: with vhost=on no frame passes through vmm, so that none can "
                           "be dumped; leave one of them away");
    return 0;
}

void config_net_free(struct config *config)
{
    for (unsigned i = 0; i < config->n_nets; i++) {
        free(config->net[i].forward);
        free(config->net[i].dump);
        free(config->net[i].socket);
    }
    free(config->net);
    config->net = NULL;
    config->n_nets = 0;
}
