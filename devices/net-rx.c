// SPDX-License-Identifier: MIT
/*
 * Owns frames on their way from the network to the driver. The first bytes of a frame come into
 * the device, which decides by them; the rest goes straight into the driver's buffers, as many as
 * are likely to be needed, and what is more than that into a bounce. A frame that needs more
 * buffers than there are waits for them, for a while, and everything behind it.
 */
#include <errno.h>
#include <string.h>

#include "devices/net-internal.h"
#include "vmm/base/bits.h"

enum {
    RX_BATCH = 32,   /* frames between interrupts, at most */
    RX_PIECES = 128, /* of guest memory for one frame; the bounce is behind them */
    RX_HEAD = NET_HEADER + NET_RX_HEAD,
    RX_EXPECT_MIN = 1536,
    RX_EXPECT_DECAY = 16,
};

#define RX_PATIENCE_NS (200 * UINT64_C(1000000))

enum rx_state {
    RX_TAKEN,   /* a frame has gone its way */
    RX_EMPTY,   /* none has arrived */
    RX_STARVED, /* no buffers for it */
    RX_OFF,     /* the queue is not in use */
};

static bool merges(const struct net_pair *p)
{
    return vdev_has(p->nd->dev, NET_F_MRG_RXBUF);
}

/* Do frames that arrive at this pair concern the device? */
static bool rx_runs(const struct net_pair *p)
{
    return vdev_runs(p->nd->dev) && p->index < p->nd->active && !p->nd->vhost_on;
}

static bool rx_in_use(const struct net_pair *p)
{
    return rx_runs(p) && vq_live(net_rx_queue(p));
}

/* ---- buffers ---- */

static struct vq_chain *held_at(const struct net_pair *p, unsigned i)
{
    return p->held[(p->held_first + i) % NET_RX_QUEUE];
}

/* Buffers that frames can be put in: writable, all of them, RAM, and room for one. */
static bool rx_usable(const struct net_pair *p, const struct vq_chain *chain)
{
    const uint64_t least = merges(p) ? 1 : NET_HEADER + p->nd->extra + NET_ETHERNET;

    return !chain->fault && !gcur_left(&chain->out) && gcur_left(&chain->in) >= least;
}

/* Hold buffers for `want` bytes, or one, where buffers are not merged. false: there are less. */
static bool rx_gather(struct net_pair *p, uint64_t want)
{
    struct vq *vq = net_rx_queue(p);
    struct vq_chain *chain;

    if (!merges(p))
        want = 1;
    for (unsigned i = 0; i < VQ_TURN && p->held_bytes < want && p->n_held < NET_RX_QUEUE; i++) {
        chain = vq_pop(vq);
        if (!chain)
            break;
        if (vq->dev->lint)
            net_lint_rx(p->nd, chain);
        if (!rx_usable(p, chain)) {
            vq_drop(chain);
            continue;
        }
        p->held[(p->held_first + p->n_held++) % NET_RX_QUEUE] = chain;
        p->held_bytes += gcur_left(&chain->in);
    }
    return p->held_bytes >= want;
}

static struct vq_chain *held_take(struct net_pair *p)
{
    struct vq_chain *chain = held_at(p, 0);

    p->held_first = (p->held_first + 1) % NET_RX_QUEUE;
    p->n_held--;
    return chain;
}

/* Store at an offset of the frame, wherever in the buffers that is. */
static void held_put(struct net_pair *p, uint64_t at, const uint8_t *from, size_t len)
{
    for (unsigned i = 0; i < p->n_held && len; i++) {
        struct gcur c = held_at(p, i)->in;
        const size_t skip = (size_t)min_u64(at, gcur_left(&c));
        const size_t n = (size_t)min_u64(len, gcur_left(&c) - skip);

        at -= skip;
        gcur_skip(&c, skip);
        gcur_put(&c, from, n);
        from += n;
        len -= n;
    }
}

/* ---- a frame ---- */

/* It arrives behind some spare bytes; the driver's header begins in them if it is longer. */
static uint8_t *rx_frame(struct net_pair *p)
{
    return p->head + NET_HASH_HEADER + NET_HEADER;
}

static uint8_t *rx_front(struct net_pair *p)
{
    return p->head + NET_HASH_HEADER - p->nd->extra;
}

/* Where the next frame is to go. Returns pieces; *direct = bytes of the driver's buffers. */
static unsigned rx_pieces(struct net_pair *p, struct iovec iov[RX_PIECES + 2], uint32_t *direct)
{
    const unsigned n_held = p->nd->rss.steers ? 0 : p->n_held; /* it may not be for these */
    uint64_t skip = RX_HEAD + p->nd->extra, total = 0, bytes;
    unsigned n = 1;

    iov[0] = (struct iovec){p->head + NET_HASH_HEADER, RX_HEAD};
    for (unsigned i = 0; i < n_held && n <= RX_PIECES && total < NET_FRAME_MAX; i++) {
        struct gcur c = held_at(p, i)->in;
        const uint64_t pass = min_u64(skip, gcur_left(&c));
        int k;

        gcur_skip(&c, pass);
        skip -= pass;
        k = gcur_iov(&c, NET_FRAME_MAX - total, iov + n, RX_PIECES + 1 - n, &bytes);
        if (k < 0)
            break;
        n += (unsigned)k;
        total += bytes;
        if (bytes < gcur_left(&c))
            break;
    }
    iov[n++] = (struct iovec){p->bounce, NET_FRAME_MAX};
    *direct = (uint32_t)total;
    return n;
}

/* How much the next one is likely to have: grows at once, shrinks slowly. */
static void rx_learn(struct net_pair *p, uint32_t len)
{
    if (len > p->expect)
        p->expect = len;
    else
        p->expect -= (p->expect - len) / RX_EXPECT_DECAY;
    if (p->expect < RX_EXPECT_MIN)
        p->expect = RX_EXPECT_MIN;
}

/* Does the driver want it, bytes long? Puts right what its header says. */
static bool rx_wanted(struct net_pair *p, uint64_t bytes)
{
    struct net_hdr hdr = net_hdr_load(ORDER_LITTLE, p->head + NET_HASH_HEADER);

    if (bytes < NET_ETHERNET || bytes > NET_FRAME_MAX ||
        !net_hdr_receivable(p->nd, &hdr, rx_frame(p), bytes)) {
        p->nd->net->lost++;
        return false;
    }
    net_hdr_store(ORDER_LITTLE, &hdr, p->head + NET_HASH_HEADER);
    return net_filter_passes(p->nd, rx_frame(p), bytes);
}

/* Its own queue, or the first that is not being reset (5.1.9.5.6.2-d3); p if there is none. */
static struct net_pair *rx_own_or_other(struct net_pair *p)
{
    for (unsigned i = 0; i < p->nd->active && !rx_in_use(p); i++)
        if (rx_in_use(&p->nd->pair[i]))
            return &p->nd->pair[i];
    return p;
}

/* Where it goes. */
static void rx_steer(struct net_pair *p, uint32_t bytes)
{
    const struct net_rss *rss = &p->nd->rss;

    p->frame.hash = net_rss_hash(rss, rx_frame(p), (uint32_t)min_u64(bytes, NET_RX_HEAD));
    p->frame.to =
        rss->steers ? &p->nd->pair[net_rss_pair(rss, &p->frame.hash)] : rx_own_or_other(p);
}

/* Fetch the next frame. false: none. frame.len stays 0 for one that nobody wants. */
static bool rx_fetch(struct net_pair *p)
{
    struct iovec iov[RX_PIECES + 2];
    uint32_t direct;
    const unsigned n = rx_pieces(p, iov, &direct);
    const int64_t len = net_receive(p->nd->net, p->index, iov, n);

    if (len < 0)
        return false;
    if (!rx_wanted(p, (uint64_t)(len > NET_HEADER ? len - NET_HEADER : 0)))
        return true;
    rx_learn(p, (uint32_t)len);
    p->frame.len = (uint32_t)len + p->nd->extra;
    p->frame.direct = direct;
    rx_steer(p, (uint32_t)len - NET_HEADER);
    return true;
}

/* How many of the held buffers a frame fills. */
static unsigned rx_spread(const struct net_pair *p, uint64_t left)
{
    unsigned n = 0;

    while (left)
        left -= min_u64(left, gcur_left(&held_at(p, n++)->in));
    return n;
}

/* 5.1.9.4.1-d1, d2; 5.1.9.4.5-d1 */
static void rx_header(struct net_pair *p, enum byte_order order, unsigned buffers)
{
    struct net_hdr hdr = net_hdr_load(ORDER_LITTLE, p->head + NET_HASH_HEADER);
    uint8_t *front = rx_front(p), *hash = front + NET_HEADER;

    hdr.buffers = (uint16_t)buffers;
    net_hdr_store(order, &hdr, front);
    if (!p->nd->extra)
        return;
    order_store(order, hash, 4, p->frame.hash.value);
    order_store(order, hash + 4, 2, p->frame.hash.report);
    order_store(order, hash + 6, 2, 0);
}

/* The buffers hold the frame but for its first and last bytes: add them, and give it away. */
static void rx_give(struct net_pair *p)
{
    struct net_pair *to = p->frame.to;
    const uint32_t len = p->frame.len, head = RX_HEAD + p->nd->extra;
    const uint64_t in_place = (uint64_t)head + p->frame.direct;
    const unsigned n = rx_spread(to, len);
    uint64_t left = len;

    rx_header(p, held_at(to, 0)->in.order, n);
    held_put(to, 0, rx_front(p), (size_t)min_u64(len, head));
    if (len > in_place)
        held_put(to, in_place, p->bounce, (size_t)(len - in_place));
    for (unsigned i = 0; i < n; i++) { /* 5.1.9.4.1-d3 */
        struct vq_chain *chain = held_take(to);
        const uint64_t room = gcur_left(&chain->in), used = min_u64(left, room);

        to->held_bytes -= room;
        left -= used;
        vq_push(chain, (uint32_t)used);
    }
    to->given++;
}

/* Are the buffers that this pair holds free for a frame of another one, or is a part of the frame
 * that waits there in them? */
static bool rx_lends(const struct net_pair *p)
{
    return !p->frame.len || !p->frame.direct;
}

/* May more buffers come that it fits in? Those of others are not waited for. */
static bool rx_may_wait(const struct net_pair *p)
{
    return p->frame.to == p && rx_in_use(p) && (merges(p) ? p->n_held < NET_RX_QUEUE : !p->n_held);
}

/* true: the frame has gone, to the driver or for good. */
static bool rx_place(struct net_pair *p)
{
    struct net_pair *to = p->frame.to;

    if (rx_in_use(to) && (to == p || rx_lends(to)) && rx_gather(to, p->frame.len) &&
        to->held_bytes >= p->frame.len)
        rx_give(p);
    else if (rx_may_wait(p))
        return false; /* N11 */
    else
        p->nd->net->lost++; /* N10: the buffer stays; N19, 5.1.9.5.7.3-d2, 5.1.9.5.6.2-d4 */
    p->frame.len = 0;
    if (p->waiting)
        loop_timer_set(p->patience, 0);
    p->waiting = false;
    return true;
}

/* ---- turns ---- */

/* Steered frames are for other queues even while its own one is off (5.1.9.5.7.3-d2), and so are
 * others while it is being reset. */
static bool rx_fetches(const struct net_pair *p)
{
    return rx_in_use(p) || (rx_runs(p) && (p->nd->rss.steers || p->rx_reset));
}

static enum rx_state rx_one(struct net_pair *p)
{
    if (!rx_fetches(p))
        return RX_OFF;
    if (!p->frame.len) {
        if (!p->nd->rss.steers && rx_in_use(p) && !rx_gather(p, p->expect) && !p->n_held)
            return RX_STARVED;
        if (!rx_fetch(p))
            return RX_EMPTY;
    }
    return !p->frame.len || rx_place(p) ? RX_TAKEN : RX_STARVED;
}

static void rx_listen(struct net_pair *p, bool on)
{
    if (p->listening != on)
        net_listen(p->nd->net, p->index, on);
    p->listening = on;
}

/* Doorbells are wanted while buffers are. true: there are some already. */
static bool rx_kicks(struct net_pair *p, bool on)
{
    if ((p->rx_kicks == on && !on) || !vq_live(net_rx_queue(p)))
        return false;
    p->rx_kicks = on;
    return vq_kicks(net_rx_queue(p), on);
}

static void rx_publish(struct net_pair *p)
{
    net_coal_publish(&p->rx_coal, p->given);
    p->given = 0;
}

static void rx_publish_others(struct net_pair *p)
{
    for (unsigned i = 0; (p->nd->rss.steers || p->rx_reset) && i < p->nd->pairs; i++)
        if (p->nd->pair[i].given)
            rx_publish(&p->nd->pair[i]);
}

void net_rx_soon(struct net_pair *p)
{
    loop_post(p->nd->dev->loop, &p->rx_again);
}

void net_rx_turn(struct net_pair *p)
{
    enum rx_state state = RX_TAKEN;

    for (unsigned done = 0; done < VQ_TURN && state == RX_TAKEN; done++) {
        state = rx_one(p);
        if (p->given >= RX_BATCH)
            rx_publish(p);
    }
    rx_publish(p);
    rx_publish_others(p);
    if (state == RX_TAKEN || (state == RX_STARVED && rx_kicks(p, true))) {
        net_rx_soon(p);
        return;
    }
    rx_listen(p, state == RX_EMPTY);
    if (state == RX_EMPTY)
        rx_kicks(p, false);
    if (p->frame.len && !p->waiting)
        loop_timer_set(p->patience, RX_PATIENCE_NS);
    p->waiting = p->frame.len;
}

/* Nobody has made room: the frame is lost, and its buffers serve the next one. */
void net_rx_impatient(void *pair)
{
    struct net_pair *p = (struct net_pair *)pair;

    if (!p->frame.len)
        return;
    p->nd->net->lost++;
    p->frame.len = 0;
    p->waiting = false;
    net_rx_turn(p);
}

void net_rx_rest(struct net_pair *p)
{
    rx_listen(p, false);
    p->nd->net->lost += p->frame.len != 0;
    p->frame.len = 0;
    p->waiting = false;
}

void net_rx_stop(struct net_pair *p)
{
    net_rx_rest(p);
    p->rx_reset = false;
    p->given = 0;
    p->rx_kicks = true;
    while (p->n_held)
        vq_forget(held_take(p));
    p->held_first = 0;
    p->held_bytes = 0;
    p->expect = RX_EXPECT_MIN;
}
