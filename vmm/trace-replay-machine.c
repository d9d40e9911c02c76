// SPDX-License-Identifier: MIT
/*
 * Owns the machine that a trace is replayed on. Refuses to open anything that the options name.
 */
#include "vmm/trace-replay-machine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/base/bits.h"
#include "vmm/streams.h"

enum { BLK_DISCARD_BIT = 13, NET_MTU_BIT = 3, NET_MTU_AT = 10 };

/* ---- what the trace says ---- */

static bool define_find(const struct trace_file *f, unsigned point, struct trace_rec *rec)
{
    for (size_t i = 0; i < trace_file_defines(f); i++) {
        trace_file_define(f, i, rec);
        if (rec->point == point)
            return true;
    }
    return false;
}

bool replay_device(const struct trace_file *f, const char *name, struct trace_rec *rec)
{
    const int source = trace_file_find(f, name);

    for (size_t i = 0; source > 0 && i < trace_file_defines(f); i++) {
        trace_file_define(f, i, rec);
        if (rec->point == TRACE_DEVICE && rec->source == source)
            return true;
    }
    return false;
}

/* ---- options, made harmless ---- */

static int options_split(struct replay_machine *m, struct err *err)
{
    struct trace_rec rec;
    size_t at = 0;

    if (!define_find(m->f, TRACE_OPTIONS, &rec) || !rec.n_bytes)
        return err_set(err, EINVAL, "the trace does not say how its machine was started");
    m->options = malloc(rec.n_bytes + 1);
    if (!m->options)
        return err_errno(err, ENOMEM, "options");
    memcpy(m->options, rec.bytes, rec.n_bytes);
    m->options[rec.n_bytes] = '\0';
    m->argv[m->argc++] = m->options + rec.n_bytes; /* the name of the program, skipped */
    while (at < rec.n_bytes && m->argc < REPLAY_OPTIONS) {
        m->argv[m->argc++] = m->options + at;
        at += strlen(m->options + at) + 1;
    }
    return config_parse(&m->config, m->argc, m->argv, err);
}

/* An empty file of the size that the recorded disk had, instead of what the options name. */
static int disk_change(struct replay_machine *m, unsigned index, struct err *err)
{
    struct config_disk *d = &m->config.disk[index];
    char name[PART_NAME_BYTES], path[] = "/tmp/vmm-replay-XXXXXX", by_fd[32];
    struct trace_rec rec;
    int fd;

    snprintf(name, sizeof(name), "disk%u", index);
    if (!replay_device(m->f, name, &rec) || rec.n_bytes < 8)
        return err_set(err, EINVAL, "the trace does not say what %s was", name);
    fd = mkstemp(path);
    if (fd < 0)
        return err_errno(err, errno, "a file to be %s", name);
    unlink(path);
    if (index >= PARTS_MAX || ftruncate(fd, (off_t)(le64_load(rec.bytes) * 512)) < 0) {
        close(fd);
        return err_set(err, EINVAL, "the trace says that %s has %llu sectors", name,
                       (unsigned long long)le64_load(rec.bytes));
    }
    m->disk[m->n_disks++] = fd;
    snprintf(by_fd, sizeof(by_fd), "/proc/self/fd/%d", fd);
    free(d->path);
    d->path = strdup(by_fd);
    d->snapshot = false;
    d->cache = CACHE_WRITEBACK;
    d->no_discard = !d->read_only && !(rec.value[3] >> BLK_DISCARD_BIT & 1);
    return d->path ? 0 : err_errno(err, ENOMEM, "%s", name);
}

static void net_change(struct replay_machine *m, unsigned index)
{
    struct config_net *c = &m->config.net[index];
    char name[PART_NAME_BYTES];
    struct trace_rec rec;

    free(c->dump);
    c->dump = NULL;
    c->vhost = false;
    snprintf(name, sizeof(name), "net%u", index);
    if (!replay_device(m->f, name, &rec) || rec.n_bytes < NET_MTU_AT + 2)
        return;
    memcpy(c->mac, rec.bytes, NET_MAC);
    c->mac_given = true;
    if (rec.value[3] >> NET_MTU_BIT & 1)
        c->mtu = le16_load(rec.bytes + NET_MTU_AT);
}

static void stream_change(struct config_stream *to)
{
    free(to->path);
    *to = (struct config_stream){.kind = CONFIG_NULL};
}

static int config_make(struct replay_machine *m, struct err *err)
{
    struct config *c = &m->config;
    int ret = options_split(m, err);

    for (unsigned i = 0; ret == 0 && i < c->n_disks; i++)
        ret = disk_change(m, i, err);
    for (unsigned i = 0; ret == 0 && i < c->n_nets; i++)
        net_change(m, i);
    stream_change(&c->console_to);
    for (unsigned i = 0; i < c->n_ports; i++)
        stream_change(&c->port[i].to);
    free(c->rng.source);
    c->rng.source = NULL;
    c->rng.rate = 0;
    c->snapshot = false;
    c->net_dump = NULL;
    config_fault_free(c); /* what came of them shows as differences */
    return ret;
}

/* ---- memory and buses ---- */

static int memory_make(struct replay_machine *m, struct err *err)
{
    struct trace_rec rec;
    uint64_t end = 0;
    int ret = 0;

    for (size_t i = 0; ret == 0 && i < trace_file_defines(m->f); i++) {
        trace_file_define(m->f, i, &rec);
        if (rec.point != TRACE_RAM)
            continue;
        if ((rec.value[0] | rec.value[1]) % 4096 || rec.value[0] > REPLAY_SCRATCH << 8 ||
            rec.value[1] > REPLAY_SCRATCH << 8)
            return err_set(err, EINVAL, "the trace says that there is memory where none can be");
        ret = gmem_alloc(&m->mem, rec.value[0], rec.value[1], err);
        end = max_u64(end, rec.value[0] + rec.value[1]);
    }
    if (ret == 0 && !end)
        return err_set(err, EINVAL, "the trace does not say where the guest's memory was");
    m->scratch = align_up(end, REPLAY_SCRATCH);
    return ret < 0 ? ret : gmem_alloc(&m->mem, m->scratch, REPLAY_SCRATCH, err);
}

static int windows_take(struct replay_machine *m, struct err *err)
{
    struct trace_rec rec;

    if (!define_find(m->f, TRACE_WINDOWS, &rec))
        return err_set(err, EINVAL, "the trace does not say where PCI devices were");
    m->layout = (struct pci_layout){
        .mem32_base = rec.value[0],
        .mem32_size = rec.value[1],
        .mem64_base = rec.value[2],
        .mem64_size = rec.value[3],
        .io_base = rec.value[4],
        .io_size = rec.value[5],
        .port_bells = rec.n > 7 && rec.value[7],
    };
    for (unsigned i = 0; i < ARRAY_SIZE(m->layout.intx_gsi); i++)
        m->layout.intx_gsi[i] = (rec.value[6] >> (16 * i)) % IRQ_LINES;
    return 0;
}

/* The recorded machine's ECAM is somewhere else; configuration space is reached by function here,
 * so that its place does not matter. */
#define ECAM_BASE (UINT64_C(1) << 52)

static int bus_make(struct replay_machine *m, struct err *err)
{
    static const struct irq_ops nowhere;

    m->io = loop_new("io", err);
    if (!m->io)
        return -EIO;
    m->bus = bus_new(NULL);
    m->irqs = irqs_new(&nowhere);
    if (!m->bus || !m->irqs || !(m->root = pci_root_new(m->bus, m->irqs, &m->layout)))
        return err_errno(err, ENOMEM, "bus");
    m->host = pcihost_new(m->root, m->bus, m->io, ECAM_BASE, false, err);
    return m->host ? 0 : -EIO;
}

static int devices_make(struct replay_machine *m, struct err *err)
{
    const struct con_tty_config none = {.in_fd = -1, .out_fd = -1};

    m->terminal = stream_open(&m->config.console_to, "console", m->io, &none, err);
    if (!m->terminal)
        return -EIO;
    m->parts.env = (struct parts_env){
        .config = &m->config,
        .mem = &m->mem,
        .root = m->root,
        .irqs = m->irqs,
        .io = m->io,
        .terminal = m->terminal,
        .net_open = replay_net_open,
        .net_ctx = m,
    };
    return parts_make(&m->parts, err);
}

struct replay_machine *replay_machine_new(const struct trace_file *f, struct err *err)
{
    static int (*const step[])(struct replay_machine *, struct err *) = {
        config_make, memory_make, windows_take, bus_make, devices_make,
    };
    struct replay_machine *m = calloc(1, sizeof(*m));

    if (!m) {
        err_errno(err, ENOMEM, "replay");
        return NULL;
    }
    m->f = f;
    for (unsigned i = 0; i < ARRAY_SIZE(step); i++)
        if (step[i](m, err) < 0) {
            replay_machine_free(m);
            return NULL;
        }
    return m;
}

void replay_machine_free(struct replay_machine *m)
{
    if (!m)
        return;
    parts_free(&m->parts);
    chr_free(m->terminal);
    pcihost_free(m->host);
    pci_root_free(m->root);
    irqs_free(m->irqs);
    bus_free(m->bus);
    gmem_free(&m->mem);
    loop_free(m->io);
    for (unsigned i = 0; i < m->n_disks; i++)
        close(m->disk[i]);
    config_free(&m->config);
    free(m->options);
    free(m);
}
