// SPDX-License-Identifier: MIT
/*
 * Owns which console devices a machine has: hvc0, and one with the named ports. They are two,
 * because drivers do not agree on how a console with MULTIPORT tells its size
 * (devices/console-ctrl.c), and without MULTIPORT they do. The ports come first on the bus: they
 * are /dev/vport0p1 and so on.
 */
#include <errno.h>
#include <stdio.h>

#include "devices/console.h"
#include "vmm/base/bits.h"
#include "vmm/parts-internal.h"
#include "vmm/streams.h"

enum { DRAIN_MS = 200 };

static int stream_add(struct parts *parts, const struct config_port *port, struct err *err)
{
    char what[CONFIG_NAME_MAX + 8];
    struct chr *chr;

    snprintf(what, sizeof(what), "port %s", port->name);
    chr = stream_open(&port->to, what, parts->env.io, NULL, err);
    if (!chr)
        return -EIO;
    parts->stream[parts->n_streams++] = chr;
    return 0;
}

int parts_make_ports(struct parts *parts, struct err *err)
{
    const struct config *config = parts->env.config;
    struct console_port_conf port[CONFIG_PORTS_MAX];
    const struct console_conf conf = {.port = port, .n_ports = config->n_ports};
    const struct vinterfaces *ifs;
    struct part *part;
    int ret = 0;

    if (!config->n_ports)
        return 0;
    for (unsigned i = 0; ret == 0 && i < config->n_ports; i++) {
        ret = stream_add(parts, &config->port[i], err);
        port[i] = (struct console_port_conf){config->port[i].name, parts->stream[i]};
    }
    if (ret < 0)
        return ret;
    ifs = part_interfaces(parts, &config->port_virtio, &console_type, err);
    part = ifs ? part_add(parts, "ports", 0, parts->env.io, err) : NULL;
    return part ? part_plug(parts, part, &console_type, &conf, ifs, &config->port_virtio, err)
                : -EIO;
}

int parts_make_console(struct parts *parts, struct err *err)
{
    const struct config *config = parts->env.config;
    const struct console_conf conf = {.chr = parts->env.terminal};
    const struct vinterfaces *ifs;
    struct part *part;

    if (config->console != CONSOLE_VIRTIO)
        return 0;
    ifs = part_interfaces(parts, &config->console_virtio, &console_type, err);
    part = ifs ? part_add(parts, "console", 0, parts->env.io, err) : NULL;
    return part ? part_plug(parts, part, &console_type, &conf, ifs, &config->console_virtio, err)
                : -EIO;
}

void parts_free_streams(struct parts *parts)
{
    const uint64_t end = clock_ns() + DRAIN_MS * UINT64_C(1000000);

    for (unsigned i = 0; i < parts->n_streams; i++) {
        const uint64_t now = clock_ns();

        chr_drain(parts->stream[i], now < end ? (unsigned)((end - now) / 1000000) : 0);
        chr_free(parts->stream[i]);
    }
    parts->n_streams = 0;
}
