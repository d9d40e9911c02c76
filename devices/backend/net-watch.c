// SPDX-License-Identifier: MIT
/*
 * Owns a netlink socket that hears of interfaces. Refuses to change any.
 */
#include "devices/backend/net-watch.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TURN_MESSAGES = 16 };

struct net_watch {
    struct loop *loop;
    unsigned index;
    void (*fn)(void *arg, enum net_watch_state state);
    void *arg;
    int fd;
    struct loop_fd *src;
};

/* The answer comes as any other news does. */
static int link_ask(const struct net_watch *w)
{
    const struct {
        struct nlmsghdr head;
        struct ifinfomsg info;
    } ask = {
        .head = {.nlmsg_len = sizeof(ask), .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST},
        .info = {.ifi_family = AF_UNSPEC, .ifi_index = (int)w->index}};

    return send(w->fd, &ask, sizeof(ask), MSG_DONTWAIT) == sizeof(ask) ? 0 : -errno;
}

/* To an answer only: the interface was gone before we asked. */
static void error_seen(struct net_watch *w, const struct nlmsghdr *head)
{
    const struct nlmsgerr *e = (const struct nlmsgerr *)NLMSG_DATA(head);

    if (head->nlmsg_len >= NLMSG_LENGTH(sizeof(*e)) && e->error == -ENODEV)
        w->fn(w->arg, NET_WATCH_GONE);
}

static void link_seen(struct net_watch *w, const struct nlmsghdr *head)
{
    const struct ifinfomsg *info = (const struct ifinfomsg *)NLMSG_DATA(head);

    /* leaving a bridge is told as a deletion, in the bridge's own family */
    if (head->nlmsg_len < NLMSG_LENGTH(sizeof(*info)) || info->ifi_family != AF_UNSPEC ||
        info->ifi_index != (int)w->index)
        return;
    if (head->nlmsg_type == RTM_DELLINK)
        w->fn(w->arg, NET_WATCH_GONE);
    else
        w->fn(w->arg, info->ifi_flags & IFF_UP ? NET_WATCH_UP : NET_WATCH_DOWN);
}

static void datagram_seen(struct net_watch *w, void *data, size_t len)
{
    struct nlmsghdr *head = (struct nlmsghdr *)data;

    for (; NLMSG_OK(head, len); head = NLMSG_NEXT(head, len)) {
        if (head->nlmsg_type == RTM_NEWLINK || head->nlmsg_type == RTM_DELLINK)
            link_seen(w, head);
        else if (head->nlmsg_type == NLMSG_ERROR)
            error_seen(w, head);
    }
}

/* #syscalls:io sendto recvfrom */
static void netlink_ready(void *arg, uint32_t events)
{
    struct net_watch *w = (struct net_watch *)arg;
    _Alignas(struct nlmsghdr) char data[16384];

    (void)events;
    for (unsigned i = 0; i < TURN_MESSAGES; i++) {
        const ssize_t n = recv(w->fd, data, sizeof(data), MSG_DONTWAIT);

        if (n < 0 && errno == ENOBUFS)
            link_ask(w); /* there was more news than room for it */
        else if (n <= 0)
            return;
        else
            datagram_seen(w, data, (size_t)n);
    }
}

struct net_watch *net_watch_new(struct loop *loop, unsigned index,
                                void (*fn)(void *arg, enum net_watch_state state), void *arg)
{
    const struct sockaddr_nl self = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
    struct net_watch *w = calloc(1, sizeof(*w));

    if (!w)
        return NULL;
    *w = (struct net_watch){.loop = loop, .index = index, .fn = fn, .arg = arg};
    w->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (w->fd >= 0 && bind(w->fd, (const struct sockaddr *)&self, sizeof(self)) == 0 &&
        link_ask(w) == 0)
        w->src = loop_fd_add(loop, w->fd, EPOLLIN, netlink_ready, w);
    if (!w->src) {
        if (w->fd >= 0)
            close(w->fd);
        free(w);
        return NULL;
    }
    return w;
}

void net_watch_free(struct net_watch *w)
{
    if (!w)
        return;
    loop_fd_del(w->src);
    close(w->fd);
    free(w);
}
