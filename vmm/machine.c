// SPDX-License-Identifier: MIT
/*
 * Owns composition: what a machine is made of, in which order that is made and freed. Its
 * virtio devices are listed in parts.c. Refuses to do any part's work.
 *
 * Threads: main (signals, power, restart), one per vCPU, "io" (platform devices, console, rng,
 * host bridge) and one per disk. Each device lives on one loop.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "devices/backend/tty-mode.h"
#include "devices/backend/con-files.h"
#include "vmm/base/bits.h"
#include "vmm/commands.h"
#include "vmm/control-path.h"
#include "vmm/machine-internal.h"
#include "vmm/sandbox.h"
#include "vmm/streams.h"

enum { DRAIN_MS = 200, NAME_BYTES = 16 };

/* ---- making the parts ---- */

static int memory_make(struct machine *m, struct err *err)
{
    const struct board *b = &m->board;
    int ret = 0;

    for (unsigned i = 0; ret == 0 && i < b->n_ram; i++)
        ret = gmem_alloc(&m->mem, b->ram[i].base, b->ram[i].size, err);
    for (unsigned i = 0; ret == 0 && m->kvm && i < m->mem.n; i++)
        ret = kvm_memory(m->kvm, i, &m->mem.region[i], err);
    return ret;
}

static void machine_rehearse(struct machine *m, struct err *err);

static int kvm_make(struct machine *m, struct err *err)
{
    const unsigned cpus = m->config->cpus;
    int ret;

    m->cpu_id = calloc(cpus, sizeof(*m->cpu_id));
    if (!m->cpu_id)
        return err_errno(err, ENOMEM, "%u cpus", cpus);
    m->kvm = kvm_open(err);
    if (!m->kvm) {
        machine_rehearse(m, err);
        return -EIO;
    }
    ret = arch_board(m->kvm, m->config->mem, cpus, m->cpu_id, &m->board, err);
    if (ret < 0)
        return ret;
    ret = memory_make(m, err);
    if (ret < 0)
        return ret;
    m->irqchip = irqchip_new(m->kvm, cpus, err);
    return m->irqchip ? 0 : -EIO;
}

static int bus_make(struct machine *m, struct err *err)
{
    const struct board_pci *p = &m->board.pci;
    struct pci_layout layout = {p->mem32_base, p->mem32_size, p->mem64_base, p->mem64_size,
                                p->io_base,    p->io_size,    {0},           false};
    struct pci_memory_ops memory = {0};
    struct bus_bell_ops bells = {0};
    struct irq_ops irqs = {0};

    memcpy(layout.intx_gsi, p->intx_gsi, sizeof(layout.intx_gsi));
    layout.port_bells = p->config_port != 0; /* else ports are memory to KVM, too */
    if (m->kvm) {
        kvm_bell_ops(m->kvm, &bells);
        kvm_memory_ops(m->kvm, &memory);
        irqchip_ops(m->irqchip, &irqs);
    }
    m->bus = bus_new(&bells);
    m->irqs = irqs_new(&irqs);
    if (!m->bus || !m->irqs || !(m->root = pci_root_new(m->bus, m->irqs, &layout)))
        return err_errno(err, ENOMEM, "bus");
    pci_root_set_memory_ops(m->root, &memory);
    m->host = pcihost_new(m->root, m->bus, m->io, p->ecam_base, p->config_port != 0, err);
    return m->host ? 0 : -EIO;
}

static int platform_make(struct machine *m, struct err *err)
{
    const struct con_tty_config tty = {
        .in_fd = STDIN_FILENO, .out_fd = STDOUT_FILENO, .keys = machine_keys, .arg = m};
    struct platform_env env = {
        .bus = m->bus,
        .irqs = m->irqs,
        .loop = m->io,
        .power_off = machine_pm_off,
        .reset = machine_pm_restart,
        .arg = m,
    };

    m->chr = stream_open(&m->config->console_to, "console", m->io, &tty, err);
    if (!m->chr)
        return -EIO;
    m->attached = con_socket_new_hidden(m->io, "vmm ctl console", err);
    if (!m->attached)
        return -EIO;
    chr_set_second(m->chr, m->attached);
    chr_set_tap(m->chr, panic_watch_feed, &m->panic);
    env.chr = m->config->console == CONSOLE_SERIAL ? m->chr : NULL;
    m->platform = platform_new(&m->board, &env, err);
    return m->platform ? 0 : -EIO;
}

/* Of the vCPU that asks: its own thread. Any other is not a driver. */
static enum byte_order guest_order(void *ctx)
{
    struct vcpu *vcpu = vcpus_self();

    (void)ctx;
    return vcpu ? arch_vcpu_order(vcpu) : ORDER_LITTLE;
}

static int devices_make(struct machine *m, struct err *err)
{
    m->parts.env = (struct parts_env){
        .config = m->config,
        .mem = &m->mem,
        .root = m->root,
        .irqs = m->irqs,
        .io = m->io,
        .terminal = m->chr,
        .guest_order = guest_order,
        .guest_order_ctx = m,
        .balloon_changed = machine_balloon_changed,
        .balloon_ctx = m,
        .disk_held = machine_disk_held,
        .disk_ctx = m,
        .picture_create = m->helper ? helper_picture : NULL,
        .display_closing = machine_window_closing,
        .display_ctx = m,
        .boot_screen = arch_boot_screen(),
    };
    int ret = parts_make(&m->parts, err);

    if (ret == 0)
        parts_boot_screen(&m->parts, &m->board.screen);
    return ret;
}

static int loops_make(struct machine *m, struct err *err)
{
    m->main = loop_new("main", err);
    if (m->main)
        m->io = loop_new("io", err);
    if (!m->io)
        return -EIO;
    return machine_wishes_open(m, err);
}

/* Who pauses by itself has to be told to go on. */
static int control_missed(const struct config *config, const char *why, struct err *err)
{
    for (unsigned i = 0; i < config->n_disks; i++) {
        const struct config_disk *d = &config->disk[i];

        if (d->werror != WERROR_REPORT || d->rerror_stop)
            return err_set(err, EINVAL,
                           "--disk %s: %s= needs the control socket, for 'vmm ctl ... cont' to go "
                           "on after a pause, and there is none: %s",
                           d->path, d->rerror_stop ? "rerror" : "werror", why);
    }
    return 0;
}

/* The control socket. Nobody asked for it: a machine without one is better than none. */
static int control_make(struct machine *m, struct err *err)
{
    const struct config *config = m->config;
    char pid[16], path[CONTROL_PATH_MAX];
    const char *name = config->name ? config->name : pid;
    struct err why;
    int ret;

    if (config->control && strcmp(config->control, "off") == 0)
        return control_missed(config, "--control off", err);
    snprintf(pid, sizeof(pid), "%d", getpid());
    if (config->control)
        name = config->control;
    ret = control_path(name, true, path, &why);
    if (ret == 0)
        m->control = control_new(m->main, path, machine_commands, m, &ret, &why);
    if (ret == -EADDRINUSE && config->name && !config->control)
        return err_set(err, EADDRINUSE,
                       "a machine named %s runs already: give this one another --name",
                       config->name);
    if (ret < 0 && (config->name || config->control))
        return err_set(err, -ret, "%s", why.text);
    if (ret < 0)
        log_msg(LOG_WARN, "no control socket: %s", why.text);
    return ret < 0 ? control_missed(config, why.text, err) : 0;
}

/* Before anything is opened that it is not to have. */
static int helper_make(struct machine *m, struct err *err)
{
    if (!sandbox_wanted())
        return 0;
    m->helper = helper_start(m->config, m->control ? control_where(m->control) : NULL, err);
    return m->helper ? 0 : -EIO;
}

static int boot_try(struct machine *m, struct err *err)
{
    struct load_entry entry;

    return machine_boot_load(m, &entry, err);
}

/*
 * Without KVM nothing will run. All that does not take it is made nevertheless: if something is
 * wrong with what the user typed, then err says that instead, for he can mend it sooner.
 */
static void machine_rehearse(struct machine *m, struct err *err)
{
    static int (*const step[])(struct machine *, struct err *) = {
        memory_make, bus_make, platform_make, devices_make, boot_try,
    };
    struct err why = {""};

    arch_board_alone(m->config->mem, m->config->cpus, m->cpu_id, &m->board);
    for (unsigned i = 0; i < ARRAY_SIZE(step); i++) {
        if (step[i](m, &why) < 0) {
            *err = why;
            return;
        }
    }
}

static int vcpus_make(struct machine *m, struct err *err)
{
    const struct vcpu_events events = {machine_vcpu_ended, m};

    m->vcpus = vcpus_new(m->kvm, m->config->cpus, m->bus, &events, err);
    return m->vcpus ? 0 : -EIO;
}

struct machine *machine_new(const struct config *config, struct err *err)
{
    static int (*const step[])(struct machine *, struct err *) = {
        loops_make, control_make,  helper_make,  kvm_make,
        bus_make,   platform_make, devices_make, vcpus_make,
    };
    struct machine *m = calloc(1, sizeof(*m));

    if (!m) {
        err_errno(err, ENOMEM, "machine");
        return NULL;
    }
    m->config = config;
    m->signals = m->continued = -1;
    if (config->name) {
        char name[NAME_BYTES + CONFIG_NAME_MAX];

        snprintf(name, sizeof(name), "vmm-%s", config->name);
        prctl(PR_SET_NAME, name);
        log_set_name(config->name);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(step); i++) {
        if (step[i](m, err) < 0) {
            machine_free(m);
            return NULL;
        }
    }
    return m;
}

/* ---- the end ---- */

void machine_free(struct machine *m)
{
    if (!m)
        return;
    control_free(m->control);
    if (m->io)
        loop_stop(m->io); /* first: keys that it reads stop vCPUs */
    vcpus_free(m->vcpus);
    if (m->chr)
        chr_drain(m->chr, DRAIN_MS);
    if (m->stuck) { /* the host may still write to guest memory: leave all of it to exit() */
        con_tty_restore();
        return;
    }
    parts_free(&m->parts);
    platform_free(m->platform);
    chr_free(m->chr);
    pcihost_free(m->host);
    pci_root_free(m->root);
    irqs_free(m->irqs);
    bus_free(m->bus);
    irqchip_free(m->irqchip);
    kvm_close(m->kvm);
    gmem_free(&m->mem);
    loop_free(m->io);
    loop_timer_del(m->balloon_wait);
    loop_free(m->main);
    if (m->signals >= 0)
        close(m->signals);
    tty_mode_tell_continue(-1);
    if (m->continued >= 0)
        close(m->continued);
    helper_free(m->helper);
    free(m->cpu_id);
    free(m);
}
