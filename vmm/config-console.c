// SPDX-License-Identifier: MIT
/*
 * Owns the words of --console and --port: which character streams a machine has and where on the
 * host they go.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/bits.h"
#include "vmm/config-internal.h"

static const char stream_list[] = "tty, pty, socket:PATH, file:PATH, null";

static const struct {
    const char *word;
    bool path;
} streams[] = {
    [CONFIG_TTY] = {"tty", false},       [CONFIG_PTY] = {"pty", false},
    [CONFIG_SOCKET] = {"socket:", true}, [CONFIG_FILE] = {"file:", true},
    [CONFIG_NULL] = {"null", false},
};

/* The row that value names, or -1. */
static int stream_kind(const char *value)
{
    for (unsigned i = 0; i < ARRAY_SIZE(streams); i++) {
        const size_t len = strlen(streams[i].word);

        if (strncmp(value, streams[i].word, len) == 0 && (streams[i].path || !value[len]))
            return (int)i;
    }
    return -1;
}

static int stream_set(struct config_stream *to, const char *value, struct err *err)
{
    const int i = stream_kind(value);
    const char *path;

    if (i < 0)
        return err_set(err, EINVAL, "'%s' is not one of %s", value, stream_list);
    *to = (struct config_stream){.kind = (enum config_stream_kind)i};
    if (!streams[i].path)
        return 0;
    path = value + strlen(streams[i].word);
    if (!*path)
        return err_set(err, EINVAL, "'%s' needs a path behind the colon", value);
    to->path = strdup(path);
    return to->path ? 0 : err_errno(err, ENOMEM, "%s", value);
}

/* ---- --console ---- */

static int console_to(void *conf, const char *value, struct err *err)
{
    return stream_set(&((struct config *)conf)->console_to, value, err);
}

const struct opt config_console_opts[] = {
    {"to", "tty|pty|socket:PATH|file:PATH|null",
     "where it goes: the terminal (the default), a new pseudo terminal whose path is printed, a "
     "socket for one client at a time, the end of a file, nowhere",
     console_to, false},
    {NULL, NULL, NULL, NULL, false},
};

int config_console(void *conf, const char *value, struct err *err)
{
    static const char *const words[] = {[CONSOLE_SERIAL] = "serial", [CONSOLE_VIRTIO] = "virtio"};
    struct config *config = (struct config *)conf;
    char word[16];
    const char *rest;
    int i, ret;

    if (opts_first(value, word, sizeof(word), &rest) < 0)
        return err_set(err, EINVAL, "'%s' is not one of serial, virtio", value);
    i = config_word(words, ARRAY_SIZE(words), word, "serial, virtio", err);
    if (i < 0)
        return i;
    config->console = (enum config_console)i;
    ret = rest ? config_words(config_console_opts, config, &config->console_virtio, words[i], rest,
                              err)
               : 0;
    if (ret == 0 && i != CONSOLE_VIRTIO && config_virtio_given(&config->console_virtio))
        return err_set(err, EINVAL, "only virtio has interfaces and rings to choose");
    return ret;
}

/* ---- --port ---- */

static struct config_port *port_last(void *conf)
{
    const struct config *config = (const struct config *)conf;

    return &config->port[config->n_ports - 1];
}

static int port_name(void *conf, const char *value, struct err *err)
{
    const struct config *config = (const struct config *)conf;
    struct config_port *port = port_last(conf);

    if (config_name(value, err) < 0)
        return -EINVAL;
    for (unsigned i = 0; i + 1 < config->n_ports; i++)
        if (strcmp(config->port[i].name, value) == 0)
            return err_set(err, EINVAL, "there is a port '%s' already", value);
    memcpy(port->name, value, strlen(value) + 1);
    return 0;
}

static int port_to(void *conf, const char *value, struct err *err)
{
    struct config_port *port = port_last(conf);
    int ret = stream_set(&port->to, value, err);

    if (ret == 0 && port->to.kind == CONFIG_TTY)
        return err_set(err, EINVAL,
                       "the terminal is for the console; give pty, socket:PATH, "
                       "file:PATH or null");
    return ret;
}

const struct opt config_port_opts[] = {
    {"name", "TEXT", "how the guest finds it, at most 64 characters", port_name, false},
    {"to", "pty|socket:PATH|file:PATH|null",
     "where it goes, as for --console; the guest sees whether a socket has a client", port_to,
     false},
    {NULL, NULL, NULL, NULL, false},
};

static int port_add(struct config *config, struct err *err)
{
    struct config_port *more;

    if (config->n_ports == CONFIG_PORTS_MAX)
        return err_set(err, EINVAL, "there are at most %d ports", CONFIG_PORTS_MAX);
    more = realloc(config->port, (config->n_ports + 1) * sizeof(*more));
    if (!more)
        return err_errno(err, ENOMEM, "ports");
    config->port = more;
    more[config->n_ports++] = (struct config_port){.name = ""};
    return 0;
}

int config_port(void *conf, const char *value, struct err *err)
{
    struct config *config = (struct config *)conf;
    const struct config_virtio before = config->port_virtio;
    int ret = port_add(config, err);

    if (ret == 0)
        ret = config_words(config_port_opts, conf, &config->port_virtio, "--port", value, err);
    if (ret < 0)
        return ret;
    if (before.interface[0] && strcmp(before.interface, config->port_virtio.interface) != 0)
        return err_set(err, EINVAL, "all ports are on one device; another port says interface=%s",
                       before.interface);
    if (!port_last(conf)->name[0] || port_last(conf)->to.kind == CONFIG_TTY)
        return err_set(err, EINVAL, "a port needs name=TEXT and to=WHERE");
    return 0;
}
