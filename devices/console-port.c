// SPDX-License-Identifier: MIT
/*
 * Owns the bytes between the two queues of a port and its back end. Refuses to know what is behind
 * the back end, and how ports come about.
 */
#include "devices/console-internal.h"
#include "virtio/lint.h"
#include "vmm/base/bits.h"
#include "vmm/base/giov.h"

enum {
    TX_BYTES = CHR_RING, /* of one chain: more would push itself out of the back end's ring */
    BOUNCE_BYTES = 4096,
};

static struct vq *rx_queue(const struct console_port *port)
{
    return &port->dev->vq[port->id ? 2 * port->id + 2 : QUEUE_RX0];
}

static struct vq *tx_queue(const struct console_port *port)
{
    return rx_queue(port) + 1;
}

/* ---- input ---- */

/* K07: receive buffers are writable, all of them, and RAM. */
static bool rx_usable(const struct vq_chain *chain)
{
    return !chain->fault && !gcur_left(&chain->out) && gcur_left(&chain->in);
}

/* The buffer that input goes to, or NULL. Useless ones are dropped on the way, a few at a time. */
static struct vq_chain *rx_chain(struct console_port *port)
{
    struct vq *vq = rx_queue(port);
    bool more = true;

    for (unsigned i = 0; i < CONSOLE_TURN && more && !port->held; i++) {
        struct vq_chain *chain = vq_pop(vq);

        if (chain && gcur_left(&chain->out))
            lint_see_queue(vq, LINT_CONSOLE_RX, gcur_left(&chain->out));
        if (!chain)
            more = vq_kicks(vq, true);
        else if (rx_usable(chain))
            port->held = chain;
        else
            vq_drop(chain);
    }
    vq_publish(vq);
    if (more && !port->held)
        loop_post(port->dev->loop, &vq->again);
    return port->held;
}

/* Without MULTIPORT there is port 0 and it is open; else what nobody has open gets no input. */
static bool port_listens(const struct console_port *port)
{
    if (!vdev_runs(port->dev))
        return false;
    return vdev_has(port->dev, CONSOLE_F_MULTIPORT) ? port->guest_open : !port->id;
}

static size_t port_room(void *arg)
{
    struct console_port *port = (struct console_port *)arg;
    const struct vq_chain *chain = port_listens(port) ? rx_chain(port) : NULL;

    return chain ? (size_t)min_u64(gcur_left(&chain->in), SIZE_MAX) : 0;
}

static void port_input(void *arg, const uint8_t *data, size_t len)
{
    struct console_port *port = (struct console_port *)arg;
    struct vq_chain *chain = port->held;

    if (!chain)
        return;
    port->held = NULL;
    vq_push(chain, gcur_put(&chain->in, data, len) ? (uint32_t)len : 0);
    vq_publish(rx_queue(port));
}

void port_kick_rx(struct console_port *port)
{
    rx_chain(port); /* useless buffers go back even if there is no input */
    chr_more(port->chr);
}

/* ---- output ---- */

/* What is longer than the ring loses its beginning there: need not be copied first (D16, D17). */
static void tx_send(struct console_port *port, struct gcur *out)
{
    uint8_t bounce[BOUNCE_BYTES];

    if (gcur_left(out) > TX_BYTES)
        gcur_skip(out, gcur_left(out) - TX_BYTES);
    while (gcur_left(out)) {
        const size_t n = (size_t)min_u64(gcur_left(out), sizeof(bounce));

        if (!gcur_get(out, bounce, n))
            return;
        chr_write(port->chr, bounce, n);
    }
}

static void tx_one(struct console_port *port, struct vq_chain *chain)
{
    if (gcur_left(&chain->in))
        lint_see_queue(chain->vq, LINT_CONSOLE_TX, gcur_left(&chain->in));
    if (chain->fault || gcur_left(&chain->in) || !gcur_left(&chain->out)) { /* K07 */
        vq_drop(chain);
        return;
    }
    tx_send(port, &chain->out);
    vq_push(chain, 0);
}

/* Buffers stay with the driver while the back end has much to do: on a console for a moment only,
 * for its driver waits busily; on other ports until the peer has read or gone (chr.h). */
void port_kick_tx(struct console_port *port)
{
    struct vq *vq = tx_queue(port);
    bool more = true;
    unsigned i;

    for (i = 0; i < CONSOLE_TURN && more && !chr_busy(port->chr); i++) {
        struct vq_chain *chain = vq_pop(vq);

        if (chain)
            tx_one(port, chain);
        else
            more = vq_kicks(vq, true);
    }
    vq_publish(vq);
    if (i == CONSOLE_TURN && more)
        loop_post(port->dev->loop, &vq->again);
}

static void port_writable(void *arg)
{
    struct console_port *port = (struct console_port *)arg;

    if (vdev_runs(port->dev) && (!port->id || vdev_has(port->dev, CONSOLE_F_MULTIPORT)))
        port_kick_tx(port);
}

/* ---- the rest ---- */

static void port_resized(void *arg)
{
    ctrl_port_resized((struct console_port *)arg);
}

static void port_opened(void *arg)
{
    ctrl_port_opened((struct console_port *)arg);
}

static const struct chr_front console_front = {
    .room = port_room,
    .input = port_input,
    .resized = port_resized,
    .writable = port_writable,
    .opened = port_opened,
    .backlog = true,
};

static const struct chr_front port_front = {
    .room = port_room,
    .input = port_input,
    .writable = port_writable,
    .opened = port_opened,
    .patient = true,
};

void port_plug(struct console_port *port, bool console)
{
    chr_set_front(port->chr, console ? &console_front : &port_front, port);
}

void port_unplug(struct console_port *port)
{
    chr_set_front(port->chr, NULL, NULL);
}

void port_stop(struct console_port *port, const struct vq *only)
{
    struct vq_chain *chain = port->held;

    if (!chain || (only && only != rx_queue(port)))
        return;
    port->held = NULL;
    vq_forget(chain);
}
