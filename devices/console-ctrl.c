// SPDX-License-Identifier: MIT
/*
 * Owns the messages about ports (5.3.6.2): what a driver is told, in which order, and what it says.
 * A message to be sent is a bit of its port: however often things change while the driver gives no
 * buffers, the newest state is told once (K05). Refuses to know how a port's bytes go.
 */
#include "devices/console-internal.h"

#include <string.h>

#include "virtio/lint.h"
#include "vmm/base/bits.h"
#include "vmm/base/giov.h"

/* 5.3.6.2 */
enum event {
    EVENT_DEVICE_READY = 0,
    EVENT_DEVICE_ADD = 1,
    EVENT_PORT_READY = 3,
    EVENT_CONSOLE_PORT = 4,
    EVENT_RESIZE = 5,
    EVENT_PORT_OPEN = 6,
    EVENT_PORT_NAME = 7,
};

enum { MESSAGE_BYTES = 8, SIZE_BYTES = 4 };

/* Bits of pending, in the order of sending. */
enum message { MSG_ADD, MSG_CONSOLE, MSG_RESIZE, MSG_NAME, MSG_OPEN, MESSAGES };

static const uint16_t message_event[MESSAGES] = {
    [MSG_ADD] = EVENT_DEVICE_ADD, [MSG_CONSOLE] = EVENT_CONSOLE_PORT, [MSG_RESIZE] = EVENT_RESIZE,
    [MSG_NAME] = EVENT_PORT_NAME, [MSG_OPEN] = EVENT_PORT_OPEN,
};

static void pend(struct console_port *port, enum message message)
{
    port->pending |= (uint8_t)(1U << message);
}

/* ---- to the driver ---- */

static size_t extra_bytes(const struct console_port *port, enum message message)
{
    if (message == MSG_RESIZE)
        return SIZE_BYTES;
    return message == MSG_NAME ? strlen(port->name) : 0;
}

/*
 * Columns, then rows, as the specification has it (5.3.6.2-d2). Linux swapped them until 6.15; 6.16
 * and the stable kernels of 2026 read them as here; 6.17 swaps them again. No order suits all, so
 * a machine's console is better a device without MULTIPORT, where the configuration tells.
 */
static bool put_size(const struct console *con, struct gcur *in)
{
    return gcur_put16(in, con->size.cols) && gcur_put16(in, con->size.rows);
}

static bool put_message(const struct console_port *port, enum message message, struct gcur *in)
{
    const uint16_t value = message == MSG_OPEN ? chr_is_open(port->chr) : message != MSG_RESIZE;

    if (!gcur_put32(in, port->id) || !gcur_put16(in, message_event[message]) ||
        !gcur_put16(in, value))
        return false;
    if (message == MSG_RESIZE)
        return put_size(console_of(port->dev), in);
    return message != MSG_NAME || gcur_put(in, port->name, strlen(port->name));
}

/* The chain goes back, with the message or, if it is useless or too short, without. */
static bool message_send(struct console_port *port, enum message message, struct vq_chain *chain)
{
    const uint32_t len = (uint32_t)(MESSAGE_BYTES + extra_bytes(port, message));

    if (gcur_left(&chain->out))
        lint_see_queue(chain->vq, LINT_CONSOLE_RX, gcur_left(&chain->out));
    if (chain->fault || gcur_left(&chain->out) || gcur_left(&chain->in) < len ||
        !put_message(port, message, &chain->in)) {
        vq_drop(chain);
        return false;
    }
    vq_push(chain, len);
    return true;
}

/* The first port that has something to say, or NULL. */
static struct console_port *pending_port(struct console *con)
{
    for (unsigned i = 0; i < con->n_ports; i++)
        if (con->port[i].pending)
            return &con->port[i];
    return NULL;
}

void ctrl_send(struct vdev *dev)
{
    struct console *con = console_of(dev);
    struct vq *vq = &dev->vq[QUEUE_CTRL_RX];
    struct console_port *port;
    bool more = true;
    unsigned i;

    for (i = 0; i < CONSOLE_TURN && more && (port = pending_port(con)); i++) {
        const enum message message = (enum message)__builtin_ctz(port->pending);
        struct vq_chain *chain = vq_pop(vq);

        if (!chain)
            more = vq_kicks(vq, true);
        else if (message_send(port, message, chain)) {
            port->pending &= (uint8_t) ~(1U << message);
            port->added = port->added || message == MSG_ADD;
            port->asked = port->asked || message == MSG_CONSOLE;
        }
    }
    vq_publish(vq);
    if (i == CONSOLE_TURN && more)
        loop_post(dev->loop, &vq->again);
}

static bool told(const struct console_port *port)
{
    return port->ready && vdev_runs(port->dev) && vdev_has(port->dev, CONSOLE_F_MULTIPORT);
}

void ctrl_port_resized(struct console_port *port)
{
    struct console *con = console_of(port->dev);

    if (!con->has_size || !chr_get_size(port->chr, &con->size))
        return;
    vdev_config_changed(port->dev);
    if (!told(port))
        return;
    pend(port, MSG_RESIZE);
    ctrl_send(port->dev);
}

void ctrl_port_opened(struct console_port *port)
{
    if (!told(port))
        return;
    pend(port, MSG_OPEN);
    ctrl_send(port->dev);
}

/* ---- from the driver ---- */

/* Each port is added once (5.3.6.2.1-d1), however often the driver says that it is ready. */
static void device_ready(struct console *con, bool yes)
{
    for (unsigned i = 0; i < con->n_ports; i++) {
        struct console_port *port = &con->port[i];

        if (!yes)
            port->pending = 0;
        else if (port->exists && !port->added)
            pend(port, MSG_ADD);
    }
}

static void port_ready(struct console_port *port, bool yes)
{
    port->ready = yes;
    if (!yes) { /* 5.3.6.2-d3: it stays unused */
        port->guest_open = false;
        port->pending = 0;
        return;
    }
    if (!port->id) {
        pend(port, MSG_CONSOLE);
        if (console_of(port->dev)->has_size)
            pend(port, MSG_RESIZE);
    }
    if (port->name)
        pend(port, MSG_NAME);
    if (chr_is_open(port->chr))
        pend(port, MSG_OPEN);
}

static void port_open(struct console_port *port, bool yes)
{
    if (port->asked && !yes)
        lint_see(port->dev, LINT_CONSOLE_OPEN, port->id);
    port->asked = false;
    port->guest_open = yes && port->ready;
    if (port->guest_open)
        chr_more(port->chr);
}

/* K02: ports that are not there, or not yet, are not spoken of. */
static void message_take(struct console *con, uint32_t id, uint16_t event, uint16_t value)
{
    struct console_port *port = id < con->n_ports ? &con->port[id] : NULL;

    if (event == EVENT_DEVICE_READY)
        device_ready(con, value == 1);
    if (!port || !port->added)
        return;
    if (event == EVENT_PORT_READY)
        port_ready(port, value == 1);
    if (event == EVENT_PORT_OPEN)
        port_open(port, value != 0);
}

/* K01, K04: eight bytes are looked at, whatever the length. */
static void message_one(struct console *con, struct vq_chain *chain)
{
    uint32_t id;
    uint16_t event, value;

    if (gcur_left(&chain->in))
        lint_see_queue(chain->vq, LINT_CONSOLE_TX, gcur_left(&chain->in));
    if (chain->fault || gcur_left(&chain->in) || !gcur_get32(&chain->out, &id) ||
        !gcur_get16(&chain->out, &event) || !gcur_get16(&chain->out, &value)) {
        vq_drop(chain);
        return;
    }
    vq_push(chain, 0);
    message_take(con, id, event, value);
}

void ctrl_kick_tx(struct vdev *dev)
{
    struct vq *vq = &dev->vq[QUEUE_CTRL_TX];
    bool more = true;
    unsigned i;

    for (i = 0; i < CONSOLE_TURN && more; i++) {
        struct vq_chain *chain = vq_pop(vq);

        if (chain)
            message_one(console_of(dev), chain);
        else
            more = vq_kicks(vq, true);
    }
    vq_publish(vq);
    if (more)
        loop_post(dev->loop, &vq->again);
    ctrl_send(dev);
}

void ctrl_reset(struct console *con)
{
    for (unsigned i = 0; i < con->n_ports; i++) {
        struct console_port *port = &con->port[i];

        port->added = port->asked = port->ready = port->guest_open = false;
        port->pending = 0;
    }
}
