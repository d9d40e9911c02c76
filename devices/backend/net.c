// SPDX-License-Identifier: MIT
/*
 * Owns what all networks share: the way between front end and back end, and counting. Refuses to
 * look into a frame.
 */
#include "devices/backend/net.h"

#include <errno.h>

#include "devices/backend/net-dump.h"
#include "devices/backend/net-queue.h"

void net_set_front(struct net *net, const struct net_front *front, void *arg)
{
    net->front = front;
    net->front_arg = arg;
}

int net_send(struct net *net, unsigned pair, const struct iovec *iov, unsigned n)
{
    const int ret = net->ops->send(net, pair, iov, n);

    if (ret == 0) {
        net->sent++;
        if (net->dump)
            net_dump_frame(net->dump, iov, n, net_iov_size(iov, n));
    } else if (ret != -EAGAIN)
        net->lost++;
    return ret;
}

int64_t net_receive(struct net *net, unsigned pair, const struct iovec *iov, unsigned n)
{
    const int64_t ret = net->ops->receive(net, pair, iov, n);

    if (ret >= 0) {
        net->received++;
        net_dump_frame(net->dump, iov, n, (size_t)ret);
    }
    return ret;
}

void net_listen(struct net *net, unsigned pair, bool on)
{
    net->ops->listen(net, pair, on);
}

uint32_t net_can_send(const struct net *net)
{
    return net->ops->can_send ? net->ops->can_send(net) : 0;
}

uint32_t net_can_leave(const struct net *net)
{
    return net->ops->can_leave ? net->ops->can_leave(net) : 0;
}

int net_take(struct net *net, uint32_t offloads)
{
    if (offloads & ~net_can_leave(net))
        return -EINVAL;
    return net->ops->take ? net->ops->take(net, offloads) : 0;
}

int net_use_pairs(struct net *net, unsigned n)
{
    if (n < 1 || n > net->pairs)
        return -EINVAL;
    return net->ops->use_pairs ? net->ops->use_pairs(net, n) : 0;
}

int net_lend(struct net *net, unsigned pair, bool lent)
{
    if (net->dump) /* it is to see every frame */
        return -1;
    return net->ops->lend ? net->ops->lend(net, pair, lent) : -1;
}

void net_close(struct net *net)
{
    struct net_dump *dump = net ? net->dump : NULL;

    if (net)
        net->ops->close(net);
    net_dump_close(dump);
}

void net_arrived(struct net *net, unsigned pair)
{
    if (net->front)
        net->front->arrived(net->front_arg, pair);
}

void net_sendable(struct net *net, unsigned pair)
{
    if (net->front)
        net->front->sendable(net->front_arg, pair);
}

void net_link(struct net *net, bool up)
{
    if (net->up == up)
        return;
    net->up = up;
    if (net->front)
        net->front->link(net->front_arg, up);
}

void net_end(struct net *net)
{
    if (net->ended)
        return;
    net->ended = true;
    net_link(net, false);
    if (net->front && net->front->ended)
        net->front->ended(net->front_arg);
}
