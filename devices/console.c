// SPDX-License-Identifier: MIT
/*
 * Owns the console device: bytes between the queues of a port and its character back end, and the
 * size of the window. Refuses to know what is behind the back end. A port has its own structure,
 * for there may be more of them one day.
 */
#include "devices/console.h"

#include "virtio/vq.h"
#include "vmm/base/bits.h"
#include "vmm/base/giov.h"

/* 5.3.3 Feature bits */
enum { CONSOLE_F_SIZE = 0 };

/* 5.3.4 Device configuration layout; what is absent reads 0 */
enum { CONFIG_COLS = 0, CONFIG_ROWS = 2, CONFIG_BYTES = 12 };

enum { QUEUE_RX = 0, QUEUE_TX = 1 };

enum {
    CONSOLE_QUEUE_SIZE = 64,
    TURN_CHAINS = 16,    /* then others on the loop come first */
    TX_BYTES = CHR_RING, /* of one chain: more would push itself out of the back end's ring */
    BOUNCE_BYTES = 4096,
};

struct console_port {
    struct vdev *dev;
    struct chr *chr;
    unsigned rx, tx;       /* queue numbers */
    struct vq_chain *held; /* the buffer that input goes to next, or NULL */
};

struct console {
    struct console_port port;
    struct chr_size size;
    bool has_size;
};

static struct console *console_of(const struct vdev *dev)
{
    return (struct console *)dev->state;
}

static struct vq *rx_queue(const struct console_port *port)
{
    return &port->dev->vq[port->rx];
}

static struct vq *tx_queue(const struct console_port *port)
{
    return &port->dev->vq[port->tx];
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

    for (unsigned i = 0; i < TURN_CHAINS && more && !port->held; i++) {
        struct vq_chain *chain = vq_pop(vq);

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

static size_t port_room(void *arg)
{
    struct console_port *port = (struct console_port *)arg;
    const struct vq_chain *chain = vdev_runs(port->dev) ? rx_chain(port) : NULL;

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
    if (chain->fault || gcur_left(&chain->in) || !gcur_left(&chain->out)) { /* K07 */
        vq_drop(chain);
        return;
    }
    tx_send(port, &chain->out);
    vq_push(chain, 0);
}

/* Buffers stay with the driver while the back end has much to do, but not for long (chr.h). */
static void tx_turn(struct console_port *port)
{
    struct vq *vq = tx_queue(port);
    bool more = true;
    unsigned i;

    for (i = 0; i < TURN_CHAINS && more && !chr_busy(port->chr); i++) {
        struct vq_chain *chain = vq_pop(vq);

        if (chain)
            tx_one(port, chain);
        else
            more = vq_kicks(vq, true);
    }
    vq_publish(vq);
    if (i == TURN_CHAINS && more)
        loop_post(port->dev->loop, &vq->again);
}

static void port_writable(void *arg)
{
    struct console_port *port = (struct console_port *)arg;

    if (vdev_runs(port->dev))
        tx_turn(port);
}

/* ---- size ---- */

static void port_resized(void *arg)
{
    struct console_port *port = (struct console_port *)arg;
    struct console *con = console_of(port->dev);

    if (!con->has_size || !chr_get_size(port->chr, &con->size))
        return;
    vdev_config_changed(port->dev);
}

static const struct chr_front port_front = {
    .room = port_room,
    .input = port_input,
    .resized = port_resized,
    .writable = port_writable,
};

static uint64_t cols_read(void *ctx, const struct reg *reg)
{
    (void)reg;
    return console_of((const struct vdev *)ctx)->size.cols;
}

static uint64_t rows_read(void *ctx, const struct reg *reg)
{
    (void)reg;
    return console_of((const struct vdev *)ctx)->size.rows;
}

static bool config_present(void *ctx, const struct reg *reg)
{
    (void)reg;
    return vdev_offers((const struct vdev *)ctx, CONSOLE_F_SIZE);
}

static const struct reg config_rows[] = {
    {CONFIG_COLS, 2, 0, "cols", "5.3.4", cols_read, NULL},
    {CONFIG_ROWS, 2, 0, "rows", "5.3.4", rows_read, NULL},
};

static const struct regs console_config = {
    .name = "virtio_console_config",
    .row = config_rows,
    .n = ARRAY_SIZE(config_rows),
    .size = CONFIG_BYTES,
    .present = config_present,
};

/* ---- the type ---- */

static const struct vfeat_row console_features[] = {
    {CONSOLE_F_SIZE, "size", "5.3.3", -1},
    {0, NULL, NULL, -1},
};

static int console_open(struct vdev *dev, const void *conf, struct err *err)
{
    struct console *con = console_of(dev);

    con->port = (struct console_port){.dev = dev,
                                      .chr = ((const struct console_conf *)conf)->chr,
                                      .rx = QUEUE_RX,
                                      .tx = QUEUE_TX};
    con->has_size = chr_get_size(con->port.chr, &con->size);
    for (unsigned i = 0; i <= QUEUE_TX; i++) {
        const int ret = vdev_queue_add(dev, CONSOLE_QUEUE_SIZE, 0);

        if (ret < 0)
            return err_errno(err, -ret, "cannot make the queues of %s", dev->name);
    }
    chr_set_front(con->port.chr, &port_front, &con->port);
    return 0;
}

static void console_offer(struct vdev *dev, struct vfeat *f)
{
    if (console_of(dev)->has_size)
        vfeat_add(f, CONSOLE_F_SIZE);
}

static void console_kick(struct vdev *dev, struct vq *vq)
{
    struct console_port *port = &console_of(dev)->port;

    if (vq->index == port->tx) {
        tx_turn(port);
        return;
    }
    rx_chain(port); /* useless buffers go back even if there is no input */
    chr_more(port->chr);
}

static void console_stop(struct vdev *dev, struct vq *only)
{
    struct console_port *port = &console_of(dev)->port;
    struct vq_chain *chain = port->held;

    if (!chain || (only && only->index != port->rx))
        return;
    port->held = NULL;
    vq_forget(chain);
}

static void console_close(struct vdev *dev)
{
    chr_set_front(console_of(dev)->port.chr, NULL, NULL);
}

const struct virtio_type console_type = {
    .name = "console",
    .id = VIRTIO_ID_CONSOLE,
    .class_code = 0x078000,
    .state_size = sizeof(struct console),
    .features = console_features,
    .config = &console_config,
    .open = console_open,
    .offer = console_offer,
    .kick = console_kick,
    .stop = console_stop,
    .close = console_close,
};
