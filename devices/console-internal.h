/* SPDX-License-Identifier: MIT */
/*
 * Between the files of the console device: console.c is the device, console-port.c the way of bytes
 * through a port, console-ctrl.c the messages about ports. All under the device's lock.
 */
#ifndef DEVICES_CONSOLE_INTERNAL_H
#define DEVICES_CONSOLE_INTERNAL_H

#include "devices/console.h"
#include "virtio/vq.h"

/* 5.3.3 Feature bits */
enum { CONSOLE_F_SIZE = 0, CONSOLE_F_MULTIPORT = 1, CONSOLE_F_EMERG_WRITE = 2 };

/* 5.3.2 Virtqueues; port n > 0 has 2n+2 and 2n+3 */
enum { QUEUE_RX0 = 0, QUEUE_TX0 = 1, QUEUE_CTRL_RX = 2, QUEUE_CTRL_TX = 3, QUEUE_RX1 = 4 };

enum { CONSOLE_TURN = 16 }; /* chains at a time, then others on the loop come first */

struct console_port {
    struct vdev *dev;
    struct chr *chr;
    const char *name; /* NULL: none */
    unsigned id;
    bool exists;           /* to be announced */
    struct vq_chain *held; /* the buffer that input goes to next, or NULL */
    /* With MULTIPORT, until reset: */
    bool added;      /* announced */
    bool asked;      /* to open as a console, and has not answered; for lint */
    bool ready;      /* its driver said so */
    bool guest_open; /* somebody in the guest has it open */
    uint8_t pending; /* messages to be sent, a bit each */
};

struct console {
    struct console_port port[CONSOLE_PORTS_MAX];
    unsigned n_ports; /* port 0 included */
    struct chr_size size;
    bool has_size;
};

static inline struct console *console_of(const struct vdev *dev)
{
    return (struct console *)dev->state;
}

/* ---- console-port.c ---- */

/* Plug the port into its back end; console: as port 0 is. */
void port_plug(struct console_port *port, bool console);
void port_unplug(struct console_port *port);

/* Its queues may have new buffers. */
void port_kick_rx(struct console_port *port);
void port_kick_tx(struct console_port *port);

/* Give up a held buffer; only: unless another queue than this one is meant, or NULL. */
void port_stop(struct console_port *port, const struct vq *only);

/* ---- console-ctrl.c ---- */

/* Messages from the driver. */
void ctrl_kick_tx(struct vdev *dev);
/* Send what is pending, as far as there are buffers for it. */
void ctrl_send(struct vdev *dev);

/* Its back end has another size, or was opened or closed: tell the driver if it can be told. */
void ctrl_port_resized(struct console_port *port);
void ctrl_port_opened(struct console_port *port);

/* As after reset. */
void ctrl_reset(struct console *con);

#endif
