// SPDX-License-Identifier: MIT
/*
 * Owns the console device: its configuration, its ports and which queue is whose. Refuses to know
 * how a port's bytes go and what is said about it (console-port.c, console-ctrl.c).
 */
#include "devices/console.h"

#include <errno.h>

#include "devices/console-internal.h"
#include "vmm/base/bits.h"

/* 5.3.4 Device configuration layout; what is absent reads 0 */
enum { CONFIG_COLS = 0, CONFIG_ROWS = 2, CONFIG_PORTS = 4, CONFIG_EMERG = 8, CONFIG_BYTES = 12 };

enum { CONSOLE_QUEUE_SIZE = 64 };

/* ---- configuration ---- */

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

static uint64_t ports_read(void *ctx, const struct reg *reg)
{
    (void)reg;
    return console_of((const struct vdev *)ctx)->n_ports;
}

/* Works at any time, whatever was negotiated (5.3.5.1-d1): the last words of a guest that has no
 * queues yet, or no more. */
static void emerg_write(void *ctx, const struct reg *reg, uint64_t value)
{
    const uint8_t byte = (uint8_t)value;

    (void)reg;
    if (byte) /* a driver that writes byte by byte ends with the upper ones */
        chr_write(console_of((const struct vdev *)ctx)->port[0].chr, &byte, 1);
}

/* arg: the feature that a field belongs to */
static bool config_present(void *ctx, const struct reg *reg)
{
    return vdev_offers((const struct vdev *)ctx, reg->arg);
}

static const struct reg config_rows[] = {
    {CONFIG_COLS, 2, CONSOLE_F_SIZE, "cols", "5.3.4", cols_read, NULL},
    {CONFIG_ROWS, 2, CONSOLE_F_SIZE, "rows", "5.3.4", rows_read, NULL},
    {CONFIG_PORTS, 4, CONSOLE_F_MULTIPORT, "max_nr_ports", "5.3.4", ports_read, NULL},
    {CONFIG_EMERG, 4, CONSOLE_F_EMERG_WRITE, "emerg_wr", "5.3.5.1", NULL, emerg_write},
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
    {CONSOLE_F_MULTIPORT, "multiport", "5.3.3", -1},
    {CONSOLE_F_EMERG_WRITE, "emerg_write", "5.3.3", -1},
    {0, NULL, NULL, -1},
};

static int queues_make(struct vdev *dev, struct err *err)
{
    const unsigned ports = console_of(dev)->n_ports;
    const unsigned queues = ports == 1 ? 2 : 2 * (ports + 1); /* 5.3.2-d1 */
    int ret = 0;

    for (unsigned i = 0; ret == 0 && i < queues; i++)
        ret = vdev_queue_add(dev, CONSOLE_QUEUE_SIZE, 0);
    return ret < 0 ? err_errno(err, -ret, "cannot make the queues of %s", dev->name) : 0;
}

static int console_open(struct vdev *dev, const void *conf, struct err *err)
{
    const struct console_conf *c = (const struct console_conf *)conf;
    struct console *con = console_of(dev);
    int ret;

    if (c->n_ports >= CONSOLE_PORTS_MAX)
        return err_set(err, EINVAL, "%s: more than %d ports", dev->name, CONSOLE_PORTS_MAX - 1);
    con->n_ports = 1 + c->n_ports;
    ret = queues_make(dev, err);
    if (ret < 0)
        return ret;
    con->has_size = chr_get_size(c->chr, &con->size);
    for (unsigned i = 0; i < con->n_ports; i++) {
        const struct console_port_conf *pc = i ? &c->port[i - 1] : NULL;

        con->port[i] = (struct console_port){.dev = dev,
                                             .chr = pc ? pc->chr : c->chr,
                                             .name = pc ? pc->name : NULL,
                                             .id = i,
                                             .exists = pc || c->chr};
        port_plug(&con->port[i], !i);
    }
    return 0;
}

static void console_offer(struct vdev *dev, struct vfeat *f)
{
    const struct console *con = console_of(dev);

    if (con->has_size)
        vfeat_add(f, CONSOLE_F_SIZE);
    if (con->n_ports > 1)
        vfeat_add(f, CONSOLE_F_MULTIPORT);
    if (con->port[0].chr)
        vfeat_add(f, CONSOLE_F_EMERG_WRITE);
}

/* Linux 6.1 has no size until it is told that there is a new one. */
static int console_start(struct vdev *dev)
{
    if (vdev_has(dev, CONSOLE_F_SIZE) && !vdev_has(dev, CONSOLE_F_MULTIPORT))
        vdev_config_changed(dev);
    return 0;
}

static void console_kick(struct vdev *dev, struct vq *vq)
{
    struct console_port *port =
        &console_of(dev)->port[vq->index < QUEUE_RX1 ? 0 : (vq->index - 2) / 2];

    if (vq->index >= QUEUE_CTRL_RX && !vdev_has(dev, CONSOLE_F_MULTIPORT))
        return; /* K08 */
    if (vq->index == QUEUE_CTRL_RX)
        ctrl_send(dev);
    else if (vq->index == QUEUE_CTRL_TX)
        ctrl_kick_tx(dev);
    else if (vq->index % 2)
        port_kick_tx(port);
    else
        port_kick_rx(port);
}

static void console_stop(struct vdev *dev, struct vq *only)
{
    struct console *con = console_of(dev);

    for (unsigned i = 0; i < con->n_ports; i++)
        port_stop(&con->port[i], only);
    if (!only)
        ctrl_reset(con);
}

static void console_close(struct vdev *dev)
{
    struct console *con = console_of(dev);

    for (unsigned i = 0; i < con->n_ports; i++)
        port_unplug(&con->port[i]);
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
    .start = console_start,
    .kick = console_kick,
    .stop = console_stop,
    .close = console_close,
};
