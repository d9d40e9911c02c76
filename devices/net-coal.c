// SPDX-License-Identifier: MIT
/*
 * Owns the delay of interrupts that a driver may ask for (5.1.9.5.10): after so many frames or so
 * much time, whatever comes first. Frames are seen in the ring at once all the same.
 */
#include "devices/net-internal.h"

#define NS_PER_US UINT64_C(1000)

static bool coal_delays(const struct net_coal *c)
{
    return c->set.packets && c->set.usecs;
}

/* The interrupt that is owed, if any, goes out; the count begins again. */
static void coal_flush(struct net_coal *c)
{
    if (c->running)
        loop_timer_set(c->timer, 0);
    c->running = false;
    c->count = 0;
    vq_hold(c->vq, false);
    vq_hold(c->vq, coal_delays(c));
}

static void coal_expired(void *arg)
{
    coal_flush((struct net_coal *)arg);
}

void net_coal_publish(struct net_coal *c, unsigned frames)
{
    if (coal_delays(c))
        vq_hold(c->vq, true); /* a queue that was reset forgot it */
    vq_publish(c->vq);
    if (!coal_delays(c) || (!frames && !c->vq->owed))
        return;
    c->count += frames;
    if (c->count >= c->set.packets) {
        coal_flush(c);
    } else if (!c->running) {
        loop_timer_set(c->timer, c->set.usecs * NS_PER_US);
        c->running = true;
    }
}

bool net_coal_ready(struct net_coal *c)
{
    if (!c->timer)
        c->timer = loop_timer_new(c->vq->dev->loop, coal_expired, c);
    return c->timer;
}

bool net_coal_set(struct net_coal *c, const struct net_coal_set *set)
{
    const unsigned count = c->count;

    if (!net_coal_ready(c))
        return false;
    c->set = *set;
    if (!coal_delays(c) || count >= set->packets) {
        coal_flush(c);
    } else if (count) {
        loop_timer_set(c->timer, set->usecs * NS_PER_US);
        c->running = true;
    } else {
        vq_hold(c->vq, true);
    }
    return true;
}

void net_coal_reset(struct net_coal *c, const struct net_coal_set *set)
{
    c->set = *set;
    coal_flush(c);
}
