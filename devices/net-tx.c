// SPDX-License-Identifier: MIT
/*
 * Owns frames on their way from the driver to the network. A frame goes out of guest memory as it
 * lies; only its header is copied, once, and what is in too many pieces. While the network takes
 * nothing one frame is held and the queue stands still.
 */
#include <errno.h>

#include "devices/net-internal.h"
#include "virtio/lint.h"
#include "vmm/base/bits.h"

enum { TX_PIECES = 64, TX_BYTES_MAX = NET_FRAME_MAX };

/* Take the header off. false: it goes back (N01, N02, N05, N08). */
static bool tx_open(struct net_pair *p, struct vq_chain *chain)
{
    const uint64_t bytes = gcur_left(&chain->out), header = NET_HEADER + p->nd->extra;
    uint8_t raw[NET_HEADER];
    struct net_hdr hdr;

    if (bytes < header)
        lint_see_queue(chain->vq, LINT_NET_TX_HEADER, bytes);
    if (chain->fault || gcur_left(&chain->in) || bytes < header + NET_ETHERNET ||
        bytes > header + TX_BYTES_MAX || !gcur_get(&chain->out, raw, sizeof(raw)) ||
        !gcur_skip(&chain->out, p->nd->extra))
        return false;
    hdr = net_hdr_load(chain->out.order, raw);
    if (chain->vq->dev->lint)
        net_lint_tx(p->nd, chain->vq, &hdr, gcur_left(&chain->out));
    if (!net_hdr_sendable(p->nd, &hdr, gcur_left(&chain->out)))
        return false;
    net_hdr_store(ORDER_LITTLE, &hdr, p->tx_header);
    return true;
}

/* 0, or -EAGAIN: not now. What cannot be sent is lost, as on any network. */
static int tx_send(struct net_pair *p, const struct vq_chain *chain)
{
    struct iovec iov[1 + TX_PIECES] = {{p->tx_header, NET_HEADER}};
    const uint64_t left = gcur_left(&chain->out);
    uint64_t bytes;
    int n = gcur_iov(&chain->out, left, iov + 1, TX_PIECES, &bytes);

    if (n < 0)
        return 0;
    if (bytes < left) {
        struct gcur out = chain->out;

        gcur_get(&out, p->nd->bounce, (size_t)left);
        iov[1] = (struct iovec){p->nd->bounce, (size_t)left};
        n = 1;
    }
    return net_send(p->nd->net, p->index, iov, (unsigned)n + 1) == -EAGAIN ? -EAGAIN : 0;
}

/* The next frame that can be sent, or NULL. *done counts what was looked at. */
static struct vq_chain *tx_next(struct net_pair *p, unsigned *done)
{
    struct vq *vq = net_tx_queue(p);
    struct vq_chain *chain;

    while (*done < VQ_TURN && (chain = vq_pop(vq))) {
        ++*done;
        if (tx_open(p, chain))
            return chain;
        vq_drop(chain);
    }
    return NULL;
}

/* Send until there is nothing more, or the network takes no more: false. */
static bool tx_run(struct net_pair *p, unsigned *done)
{
    while (p->sending || (p->sending = tx_next(p, done))) {
        struct vq_chain *chain = p->sending;

        if (tx_send(p, chain) == -EAGAIN)
            return false;
        p->sending = NULL;
        vq_push(chain, 0); /* 5.1.9.2-d1 */
    }
    return true;
}

/*
 * A driver that has just sent is often about to send more. Doorbells, each of which stops a vCPU,
 * are asked for again only when a later turn, after those who wait for the processor have had it,
 * finds nothing new.
 */
void net_tx_turn(struct net_pair *p)
{
    struct vq *vq = net_tx_queue(p);
    unsigned done = 0;
    bool open;

    if (!vdev_runs(p->nd->dev) || p->index >= p->nd->active || p->nd->vhost_on) /* Q22 */
        return;
    vq_kicks(vq, false);
    open = tx_run(p, &done);
    net_coal_publish(&p->tx_coal, done);
    if (!open || (!done && !vq_kicks(vq, true)))
        return;
    if (done < VQ_TURN)
        loop_post_later(vq->dev->loop, &vq->again);
    else
        loop_post(vq->dev->loop, &vq->again);
}

void net_tx_rest(struct net_pair *p)
{
    struct vq_chain *chain = p->sending;

    p->sending = NULL;
    if (!chain)
        return;
    p->nd->net->lost++;
    vq_push(chain, 0);
    net_coal_publish(&p->tx_coal, 1);
}

void net_tx_stop(struct net_pair *p)
{
    struct vq_chain *chain = p->sending;

    p->sending = NULL;
    if (chain)
        vq_forget(chain);
}
