// SPDX-License-Identifier: MIT
/*
 * Owns composition: what a machine is made of, in which order that is made, reset and freed. Its
 * virtio devices are listed in parts.c. Refuses to do any part's work.
 *
 * Threads: main (signals, power, restart), one per vCPU, "io" (platform devices, console, rng,
 * host bridge) and one per disk. Each device lives on one loop.
 */
#include "vmm/machine.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "devices/backend/con-tty.h"
#include "devices/platform/pm.h"
#include "devices/platform/rtc.h"
#include "devices/platform/serial.h"
#include "vmm/arch.h"
#include "vmm/base/bits.h"
#include "vmm/base/gmem.h"
#include "vmm/base/loop.h"
#include "vmm/base/trace.h"
#include "vmm/bootfiles.h"
#include "vmm/bus/bus.h"
#include "vmm/bus/irq.h"
#include "vmm/bus/pci.h"
#include "vmm/bus/pcihost.h"
#include "vmm/commands.h"
#include "vmm/control-path.h"
#include "vmm/control.h"
#include "vmm/irqchip.h"
#include "vmm/kvm.h"
#include "vmm/panic.h"
#include "vmm/streams.h"
#include "vmm/parts.h"
#include "vmm/vcpu.h"

enum { KEYBOARD_PORT = 0x64, DRAIN_MS = 200, NAME_BYTES = 16 };

/* What somebody wants of the machine; later ones matter more. */
enum wish { WISH_NONE, WISH_RESTART, WISH_RESET, WISH_OFF, WISH_QUIT, WISH_SOCKET, WISH_CRASHED };

/* How wishes are told on the control socket: QMP's names. */
static const struct {
    const char *event, *reason;
    bool guest;
} wish_event[] = {
    [WISH_RESTART] = {"RESET", "host-qmp-system-reset", false},
    [WISH_RESET] = {"RESET", "guest-reset", true},
    [WISH_OFF] = {"SHUTDOWN", "guest-shutdown", true},
    [WISH_QUIT] = {"SHUTDOWN", "host-signal", false},
    [WISH_SOCKET] = {"SHUTDOWN", "host-qmp-quit", false},
    [WISH_CRASHED] = {"SHUTDOWN", "guest-panic", true},
};

#define RESET_DEADLINE_NS (30 * UINT64_C(1000000000))
#define STUCK_DEADLINE_NS UINT64_C(100000000) /* once it did not help already */

struct machine {
    const struct config *config;
    struct board board;
    uint32_t *apic_id;
    struct gmem mem;

    struct loop *main, *io;
    struct loop_work wished;
    struct loop_work powered; /* the button was pressed: to be told */
    _Atomic int wish;
    int signals;

    struct kvm *kvm;
    struct irqchip *irqchip;
    struct bus *bus;
    struct irqs *irqs;
    struct pci_root *root;
    struct pcihost *host;
    struct chr *chr;
    struct panic_watch panic;
    struct serial *serial;
    struct rtc *rtc;
    struct pm *pm;
    struct parts parts;
    struct vcpus *vcpus;
    struct control *control; /* NULL: none */
    bool halted;             /* the user stopped it */
    bool stuck;              /* host I/O did not end: guest memory must stay mapped */
};

/* ---- wishes: from any thread to the main loop ---- */

static void wish(struct machine *m, enum wish what)
{
    int now = atomic_load(&m->wish);

    while (now < (int)what && !atomic_compare_exchange_weak(&m->wish, &now, (int)what))
        continue;
    if (m->vcpus)
        vcpus_pause_ask(m->vcpus);
    loop_post(m->main, &m->wished);
}

static void wish_seen(void *arg)
{
    (void)arg; /* the main loop's turn ends; machine_run() looks */
}

static void pm_off(void *arg)
{
    wish((struct machine *)arg, WISH_OFF);
}

static void pm_restart(void *arg)
{
    wish((struct machine *)arg, WISH_RESET);
}

static void vcpu_ended(void *ctx, enum vcpu_event event, unsigned cpu)
{
    static const enum wish row[VCPU_EVENTS] = {
        [VCPU_TRIPLE_FAULT] = WISH_CRASHED,
        [VCPU_RESET] = WISH_RESET,
        [VCPU_POWEROFF] = WISH_OFF,
        [VCPU_CRASHED] = WISH_CRASHED,
    };
    struct machine *m = (struct machine *)ctx;

    if (row[event] == WISH_CRASHED)
        log_msg(LOG_ERROR, "cpu %u: %s", cpu, vcpu_event_name[event]);
    wish(m, row[event]);
}

/* ---- what the user does: keys and signals ---- */

static void key_quit(void *arg)
{
    wish((struct machine *)arg, WISH_QUIT);
}

/* On the io loop, whose lock the power management device lives under. */
static void key_power(void *arg)
{
    struct machine *m = (struct machine *)arg;

    pm_power_button(m->pm);
    loop_post(m->main, &m->powered);
}

static void power_tell(void *arg)
{
    control_event(((struct machine *)arg)->control, "POWERDOWN", NULL);
}

static const struct con_tty_key console_keys[] = {
    {'x', "end the virtual machine", key_quit},
    {'p', "press its power button", key_power},
    {0, NULL, NULL},
};

static void signal_ready(void *arg, uint32_t events)
{
    struct machine *m = (struct machine *)arg;
    struct signalfd_siginfo info;

    (void)events;
    while (read(m->signals, &info, sizeof(info)) == sizeof(info)) {
        if (info.ssi_signo == SIGUSR1)
            machine_power_button(m);
        else
            wish(m, WISH_QUIT);
    }
}

static int signals_open(struct machine *m, struct err *err)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN); /* a reader that goes away is an error of one write */
    signal(SIGXFSZ, SIG_IGN); /* so is a file that may not grow (H07) */
    m->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (m->signals < 0 || !loop_fd_add(m->main, m->signals, EPOLLIN, signal_ready, m))
        return err_errno(err, errno, "signals");
    return 0;
}

/* ---- making the parts ---- */

static int memory_make(struct machine *m, struct err *err)
{
    const struct board *b = &m->board;
    int ret = 0;

    for (unsigned i = 0; ret == 0 && i < b->n_ram; i++)
        ret = gmem_alloc(&m->mem, b->ram[i].base, b->ram[i].size, err);
    for (unsigned i = 0; ret == 0 && i < m->mem.n; i++)
        ret = kvm_memory(m->kvm, i, &m->mem.region[i], err);
    return ret;
}

static int kvm_make(struct machine *m, struct err *err)
{
    const unsigned cpus = m->config->cpus;
    int ret;

    m->kvm = kvm_open(err);
    if (!m->kvm)
        return -EIO;
    m->apic_id = calloc(cpus, sizeof(*m->apic_id));
    if (!m->apic_id)
        return err_errno(err, ENOMEM, "%u cpus", cpus);
    ret = arch_board(m->kvm, m->config->mem, cpus, m->apic_id, &m->board, err);
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
    struct pci_layout layout = {
        p->mem32_base, p->mem32_size, p->mem64_base, p->mem64_size, p->io_base, p->io_size, {0}};
    struct bus_bell_ops bells;
    struct irq_ops irqs;

    memcpy(layout.intx_gsi, p->intx_gsi, sizeof(layout.intx_gsi));
    kvm_bell_ops(m->kvm, &bells);
    irqchip_ops(m->irqchip, &irqs);
    m->bus = bus_new(&bells);
    m->irqs = irqs_new(&irqs);
    if (!m->bus || !m->irqs || !(m->root = pci_root_new(m->bus, m->irqs, &layout)))
        return err_errno(err, ENOMEM, "bus");
    m->host = pcihost_new(m->root, m->bus, m->io, p->ecam_base, p->config_port != 0, err);
    return m->host ? 0 : -EIO;
}

static int platform_make(struct machine *m, struct err *err)
{
    const struct board *b = &m->board;
    const struct con_tty_config tty = {
        .in_fd = STDIN_FILENO, .out_fd = STDOUT_FILENO, .keys = console_keys, .arg = m};
    const struct rtc_config rtc = {.port = b->rtc.port};
    const struct pm_config pm = {
        .sleep_control_port = b->sleep_control_port,
        .sleep_status_port = b->sleep_status_port,
        .s5_type = b->s5_type,
        .reset_port = b->reset_port,
        .keyboard_port = KEYBOARD_PORT,
        .power_gsi = b->power_gsi,
        .power_off = pm_off,
        .reset = pm_restart,
        .arg = m,
    };
    struct serial_config serial = {.port = b->serial.port, .gsi = b->serial.gsi};

    m->chr = stream_open(&m->config->console_to, "console", m->io, &tty, err);
    if (!m->chr)
        return -EIO;
    chr_set_tap(m->chr, panic_watch_feed, &m->panic);
    serial.chr = m->config->console == CONSOLE_SERIAL ? m->chr : NULL;
    m->serial = serial_new(m->bus, m->irqs, m->io, &serial, err);
    if (m->serial)
        m->rtc = rtc_new(m->bus, m->io, &rtc, err);
    if (m->rtc)
        m->pm = pm_new(m->bus, m->irqs, m->io, &pm, err);
    return m->pm ? 0 : -EIO;
}

/* Devices ask for it when a driver of the guest's own byte order begins. */
static enum byte_order guest_order(void *ctx)
{
    return arch_vcpu_order(vcpus_get(((struct machine *)ctx)->vcpus, 0));
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
    };
    return parts_make(&m->parts, err);
}

static int loops_make(struct machine *m, struct err *err)
{
    m->main = loop_new("main", err);
    if (m->main)
        m->io = loop_new("io", err);
    if (!m->io)
        return -EIO;
    m->wished = (struct loop_work){.fn = wish_seen, .arg = m};
    m->powered = (struct loop_work){.fn = power_tell, .arg = m};
    return signals_open(m, err);
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
        return 0;
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
    return 0;
}

static int vcpus_make(struct machine *m, struct err *err)
{
    const struct vcpu_events events = {vcpu_ended, m};

    m->vcpus = vcpus_new(m->kvm, m->config->cpus, m->bus, &events, err);
    return m->vcpus ? 0 : -EIO;
}

struct machine *machine_new(const struct config *config, struct err *err)
{
    static int (*const step[])(struct machine *, struct err *) = {
        loops_make, control_make, kvm_make, bus_make, platform_make, devices_make, vcpus_make,
    };
    struct machine *m = calloc(1, sizeof(*m));

    if (!m) {
        err_errno(err, ENOMEM, "machine");
        return NULL;
    }
    m->config = config;
    m->signals = -1;
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

/* ---- running ---- */

static int machine_load(struct machine *m, struct err *err)
{
    struct load_entry entry;
    int ret = bootfiles_load(m->config, &m->board, &m->mem, &entry, err);

    return ret < 0 ? ret : vcpus_boot_set(m->vcpus, &entry, err);
}

/* No device touches guest memory afterwards. false: the host does not answer. */
static bool devices_reset(struct machine *m)
{
    m->stuck =
        !parts_reset(&m->parts, clock_ns() + (m->stuck ? STUCK_DEADLINE_NS : RESET_DEADLINE_NS));
    return !m->stuck;
}

/* The machine as after power-on. vCPUs are paused. */
static int machine_reset(struct machine *m, struct err *err)
{
    int ret;

    TRACE(RESTART, TRACE_NONE, TRACE_NO_QUEUE);
    if (!devices_reset(m))
        return err_set(err, EIO, "cannot restart while host I/O hangs");
    pci_reset(m->root);
    loop_lock(m->io);
    pcihost_reset(m->host);
    serial_reset(m->serial);
    rtc_reset(m->rtc);
    pm_reset(m->pm);
    loop_unlock(m->io);
    ret = irqchip_reset(m->irqchip, err);
    if (ret == 0)
        ret = vcpus_reset(m->vcpus, err);
    if (ret < 0)
        return ret;
    gmem_zero(&m->mem);
    panic_watch_reset(&m->panic);
    return machine_load(m, err);
}

static enum wish wish_wait(struct machine *m)
{
    int now;

    while ((now = atomic_load(&m->wish)) == WISH_NONE)
        loop_turn(m->main, -1);
    return (enum wish)now;
}

/* true: the machine goes on, restarted. */
static bool machine_restart(struct machine *m, enum wish what, enum machine_end *end,
                            struct err *err)
{
    if (m->config->no_reboot && what == WISH_RESET) {
        *end = panic_watch_seen(&m->panic) ? MACHINE_CRASHED : MACHINE_OFF;
        log_msg(LOG_INFO, "the guest asked for a restart%s; ending (--no-reboot)",
                *end == MACHINE_CRASHED ? " after a panic" : "");
        return false;
    }
    log_msg(LOG_INFO, "%s restarts the machine", what == WISH_RESET ? "the guest" : "the user");
    if (machine_reset(m, err) < 0) {
        *end = MACHINE_FAILED;
        return false;
    }
    return true;
}

static void wish_tell(struct machine *m, enum wish what)
{
    json_t *data;

    if (!m->control || !wish_event[what].event)
        return;
    data =
        json_pack("{s:b,s:s}", "guest", wish_event[what].guest, "reason", wish_event[what].reason);
    loop_lock(m->main);
    control_event(m->control, wish_event[what].event, data);
    loop_unlock(m->main);
}

static enum machine_end machine_loop(struct machine *m, struct err *err)
{
    enum machine_end end = MACHINE_OFF;

    for (;;) {
        enum wish what;

        if (!m->halted)
            vcpus_resume(m->vcpus);
        what = wish_wait(m);
        vcpus_pause(m->vcpus);
        what = (enum wish)atomic_exchange(&m->wish, WISH_NONE); /* paused: no more will come */
        wish_tell(m, what);
        switch (what) {
        case WISH_OFF:
            log_msg(LOG_INFO, "the guest switched the machine off");
            return MACHINE_OFF;
        case WISH_QUIT:
        case WISH_SOCKET:
            return MACHINE_OFF;
        case WISH_CRASHED:
            return MACHINE_CRASHED;
        case WISH_RESET:
        case WISH_RESTART:
            if (!machine_restart(m, what, &end, err))
                return end;
            break;
        case WISH_NONE:
            break;
        }
    }
}

enum machine_end machine_run(struct machine *m, struct err *err)
{
    enum machine_end end;

    if (machine_load(m, err) < 0 || loop_start(m->io, err) < 0 || parts_start(&m->parts, err) < 0 ||
        vcpus_start(m->vcpus, err) < 0)
        return MACHINE_FAILED;
    end = machine_loop(m, err);
    devices_reset(m);
    return end;
}

/* ---- for the control socket ---- */

const struct config *machine_config(const struct machine *m)
{
    return m->config;
}

const struct parts *machine_parts(const struct machine *m)
{
    return &m->parts;
}

struct control *machine_control(const struct machine *m)
{
    return m->control;
}

bool machine_halted(const struct machine *m)
{
    return m->halted;
}

void machine_halt(struct machine *m)
{
    m->halted = true;
    vcpus_pause(m->vcpus);
}

/* A wish that waits is looked at first: its turn of machine_loop() lets them run. */
void machine_continue(struct machine *m)
{
    m->halted = false;
    if (atomic_load(&m->wish) == WISH_NONE)
        vcpus_resume(m->vcpus);
}

void machine_power_button(struct machine *m)
{
    loop_lock(m->io);
    key_power(m);
    loop_unlock(m->io);
}

void machine_restart_ask(struct machine *m)
{
    wish(m, WISH_RESTART);
}

void machine_quit_ask(struct machine *m)
{
    wish(m, WISH_SOCKET);
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
    pm_free(m->pm);
    rtc_free(m->rtc);
    serial_free(m->serial);
    chr_free(m->chr);
    pcihost_free(m->host);
    pci_root_free(m->root);
    irqs_free(m->irqs);
    bus_free(m->bus);
    irqchip_free(m->irqchip);
    kvm_close(m->kvm);
    gmem_free(&m->mem);
    loop_free(m->io);
    loop_free(m->main);
    if (m->signals >= 0)
        close(m->signals);
    free(m->apic_id);
    free(m);
}
