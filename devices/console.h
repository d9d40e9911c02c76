/* SPDX-License-Identifier: MIT */
/* The console device (5.3): a console and named ports, each on a character back end. */
#ifndef DEVICES_CONSOLE_H
#define DEVICES_CONSOLE_H

#include "devices/backend/chr.h"
#include "virtio/vdev.h"

enum { CONSOLE_PORTS_MAX = 31 /* port 0 included */, CONSOLE_NAME_MAX = 64 };

/* A port of its own, not a console. */
struct console_port_conf {
    const char *name; /* UTF-8, at most CONSOLE_NAME_MAX bytes; outlives the device */
    struct chr *chr;  /* as below */
};

/* vdev_new()'s conf for console_type. */
struct console_conf {
    struct chr *chr; /* of port 0, on the device's loop; NULL: output goes nowhere. Stays the
                        caller's */
    const struct console_port_conf *port; /* ports 1, 2, ...: MULTIPORT is offered if there are any,
                                             and port 0 then announced only if it has a chr */
    unsigned n_ports;                     /* less than CONSOLE_PORTS_MAX */
};

extern const struct virtio_type console_type;

#endif
