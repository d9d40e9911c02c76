// SPDX-License-Identifier: MIT
/*
 * Owns the network of a replay: frames go nowhere and none come. What could be agreed on with the
 * recorded one is read off what its device offered (5.1.3).
 */
#include <errno.h>
#include <stdlib.h>

#include "devices/backend/net.h"
#include "vmm/base/bits.h"
#include "vmm/trace-replay-machine.h"

/* Feature bits, and what they say that the network can. */
static const struct {
    uint8_t bit;
    uint8_t send, leave;
} offloads[] = {
    {0, NET_CSUM, 0}, {11, NET_TSO4, 0}, {12, NET_TSO6, 0}, {13, NET_ECN, 0},
    {14, NET_UFO, 0}, {56, NET_USO, 0},  {1, 0, NET_CSUM},  {7, 0, NET_TSO4},
    {8, 0, NET_TSO6}, {9, 0, NET_ECN},   {10, 0, NET_UFO},  {54, 0, NET_USO},
};

enum { CONFIG_SPEED = 12, CONFIG_PAIRS = 8 };

struct replay_net {
    struct net net;
    uint32_t send, leave;
};

static const struct replay_net *of(const struct net *net)
{
    return container_of(net, const struct replay_net, net);
}

static int net_swallow(struct net *net, unsigned pair, const struct iovec *iov, unsigned n)
{
    (void)net, (void)pair, (void)iov, (void)n;
    return 0;
}

static int64_t net_nothing(struct net *net, unsigned pair, const struct iovec *iov, unsigned n)
{
    (void)net, (void)pair, (void)iov, (void)n;
    return -EAGAIN;
}

static void net_deaf(struct net *net, unsigned pair, bool on)
{
    (void)net, (void)pair, (void)on;
}

static uint32_t net_sends(const struct net *net)
{
    return of(net)->send;
}

static uint32_t net_leaves(const struct net *net)
{
    return of(net)->leave;
}

static int net_agree(struct net *net, uint32_t offload)
{
    (void)net, (void)offload;
    return 0;
}

static int net_pairs(struct net *net, unsigned n)
{
    (void)net, (void)n;
    return 0;
}

static void net_free(struct net *net)
{
    free(container_of(net, struct replay_net, net));
}

static const struct net_ops ops = {
    .name = "replay",
    .send = net_swallow,
    .receive = net_nothing,
    .listen = net_deaf,
    .can_send = net_sends,
    .can_leave = net_leaves,
    .take = net_agree,
    .use_pairs = net_pairs,
    .close = net_free,
};

struct net *replay_net_open(void *ctx, unsigned index, const char *name, struct loop *loop,
                            struct err *err)
{
    const struct replay_machine *m = (const struct replay_machine *)ctx;
    const struct config_net *c = &m->config.net[index];
    struct replay_net *r = calloc(1, sizeof(*r));
    struct trace_rec rec;

    if (!r) {
        err_errno(err, ENOMEM, "%s", name);
        return NULL;
    }
    r->net = (struct net){
        .ops = &ops, .name = name, .loop = loop, .pairs = c->queues ? c->queues : 1, .up = true};
    if (!replay_device(m->f, name, &rec))
        return &r->net;
    for (unsigned i = 0; i < ARRAY_SIZE(offloads); i++)
        if (rec.value[3] >> offloads[i].bit & 1) {
            r->send |= offloads[i].send;
            r->leave |= offloads[i].leave;
        }
    if (rec.n_bytes >= CONFIG_SPEED + 4)
        r->net.speed = le32_load(rec.bytes + CONFIG_SPEED);
    return &r->net;
}
