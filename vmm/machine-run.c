// SPDX-License-Identifier: MIT
/*
 * Owns a machine's life between making and freeing: load, run, pause, restart, end, and who may
 * wish for which. Refuses to know what the machine is made of, but for the order of a reset.
 */
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "devices/backend/con-files.h"
#include "devices/backend/tty-mode.h"
#include "devices/balloon.h"
#include "vmm/base/bits.h"
#include "vmm/base/ends.h"
#include "vmm/base/trace.h"
#include "vmm/bootfiles.h"
#include "vmm/machine-internal.h"
#include "vmm/sandbox.h"
#include "vmm/trace-run.h"

/* What somebody wants of the machine; later ones matter more. */
enum wish {
    WISH_NONE,
    WISH_RESTART,
    WISH_RESET,
    WISH_OFF,
    WISH_QUIT,
    WISH_WINDOW,
    WISH_SOCKET,
    WISH_CRASHED,
    WISH_ENDS /* of the wishes; only told: a restart that --no-reboot makes the end */
};

/* How wishes are told on the control socket: QMP's names. */
static const struct {
    const char *event, *reason;
    bool guest;
} wish_event[] = {
    [WISH_RESTART] = {"RESET", "host-qmp-system-reset", false},
    [WISH_RESET] = {"RESET", "guest-reset", true},
    [WISH_OFF] = {"SHUTDOWN", "guest-shutdown", true},
    [WISH_QUIT] = {"SHUTDOWN", "host-signal", false},
    [WISH_WINDOW] = {"SHUTDOWN", "host-ui", false},
    [WISH_SOCKET] = {"SHUTDOWN", "host-qmp-quit", false},
    [WISH_CRASHED] = {"SHUTDOWN", "guest-panic", true},
    [WISH_ENDS] = {"SHUTDOWN", "guest-reset", true},
};

#define BALLOON_TELL_NS   UINT64_C(200000000)
#define RESET_DEADLINE_NS (30 * UINT64_C(1000000000))
#define STUCK_DEADLINE_NS UINT64_C(100000000) /* once it did not help already */

enum { LAST_WORDS_MS = 1000 }; /* for a reader of the log that is slow */

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

void machine_pm_off(void *arg)
{
    wish((struct machine *)arg, WISH_OFF);
}

void machine_pm_restart(void *arg)
{
    wish((struct machine *)arg, WISH_RESET);
}

void machine_vcpu_ended(void *ctx, enum vcpu_event event, unsigned cpu)
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

    platform_power_button(m->platform);
    loop_post(m->main, &m->powered);
}

static void power_tell(void *arg)
{
    control_event(((struct machine *)arg)->control, "POWERDOWN", NULL);
}

const struct con_tty_key machine_keys[] = {
    {'x', "end the virtual machine", key_quit},
    {'p', "press its power button", key_power},
    {0, NULL, NULL},
};

void machine_window_closing(void *arg)
{
    struct machine *m = (struct machine *)arg;

    loop_post(m->main, &m->closing);
}

/* First the guest is asked; who insists is heard. */
static void window_closing(void *arg)
{
    struct machine *m = (struct machine *)arg;

    if (m->closed_once)
        wish(m, WISH_WINDOW);
    else
        machine_power_button(m);
    m->closed_once = true;
}

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

/* Lets them run, unless a wish waits: it is looked at first, and that turn of machine_loop() does.
 */
static void vcpus_go(struct machine *m)
{
    if (atomic_load(&m->wish) == WISH_NONE)
        vcpus_resume(m->vcpus);
}

/* SIGCONT: vCPUs that were in KVM_RUN have told their clocks, others have not (H28). */
static void process_continued(void *arg, uint32_t events)
{
    struct machine *m = (struct machine *)arg;
    uint64_t n;

    (void)events;
    if (read(m->continued, &n, sizeof(n)) == sizeof(n) && !m->halted)
        vcpus_go(m);
}

static int continued_open(struct machine *m, struct err *err)
{
    m->continued = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (m->continued < 0 || !loop_fd_add(m->main, m->continued, EPOLLIN, process_continued, m))
        return err_errno(err, errno, "signals");
    tty_mode_tell_continue(m->continued);
    return 0;
}

static int signals_open(struct machine *m, struct err *err)
{
    sigset_t set;

    ends_choose(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN); /* a reader that goes away is an error of one write */
    signal(SIGXFSZ, SIG_IGN); /* so is a file that may not grow (H07) */
    m->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (m->signals < 0 || !loop_fd_add(m->main, m->signals, EPOLLIN, signal_ready, m))
        return err_errno(err, errno, "signals");
    return continued_open(m, err);
}

void machine_balloon_changed(void *arg)
{
    struct machine *m = (struct machine *)arg;

    loop_post(m->main, &m->ballooned);
}

static void balloon_tell_later(void *arg)
{
    struct machine *m = (struct machine *)arg;

    if (!m->balloon_waits)
        loop_timer_set(m->balloon_wait, BALLOON_TELL_NS);
    m->balloon_waits = true;
}

static void balloon_tell(void *arg)
{
    struct machine *m = (struct machine *)arg;
    const struct part *part = parts_find_type(&m->parts, &balloon_type);
    struct balloon_info info;

    m->balloon_waits = false;
    if (!part)
        return;
    loop_lock(part->loop);
    balloon_query(part->vpci->dev, &info);
    loop_unlock(part->loop);
    control_event(m->control, "BALLOON_CHANGE",
                  json_pack("{s:I}", "actual", (json_int_t)info.actual));
}

void machine_disk_held(void *arg)
{
    struct machine *m = (struct machine *)arg;

    vcpus_pause_ask(m->vcpus);
    loop_post(m->main, &m->refused);
}

static void held_tell(void *ctx, const struct part *part, int error)
{
    struct machine *m = (struct machine *)ctx;

    control_event(m->control, "BLOCK_IO_ERROR",
                  json_pack("{s:s,s:s,s:s,s:b,s:s}", "device", part->name, "operation", "write",
                            "action", "stop", "nospace", error == -ENOSPC, "reason",
                            strerror(-error)));
    log_msg(LOG_WARN,
            "%s: the machine is paused, nothing is lost; mend it (%s), then 'vmm ctl %s cont'",
            part->name, strerror(-error),
            m->config->name ? m->config->name : control_where(m->control));
}

/* A disk asked for a pause until its host is better; unless that has been dealt with already. */
static void disk_refused(void *arg)
{
    struct machine *m = (struct machine *)arg;
    const bool was = m->halted;

    if (!parts_held_each(&m->parts, held_tell, m)) {
        if (!was)
            machine_continue(m);
        return;
    }
    m->io_error = true;
    machine_halt(m);
    if (!was)
        control_event(m->control, "STOP", NULL);
}

int machine_wishes_open(struct machine *m, struct err *err)
{
    m->ballooned = (struct loop_work){.fn = balloon_tell_later, .arg = m};
    m->balloon_wait = loop_timer_new(m->main, balloon_tell, m);
    if (!m->balloon_wait)
        return err_errno(err, errno, "timer");
    m->wished = (struct loop_work){.fn = wish_seen, .arg = m};
    m->powered = (struct loop_work){.fn = power_tell, .arg = m};
    m->closing = (struct loop_work){.fn = window_closing, .arg = m};
    m->refused = (struct loop_work){.fn = disk_refused, .arg = m};
    return signals_open(m, err);
}

/* ---- running ---- */

int machine_boot_load(struct machine *m, struct load_entry *entry, struct err *err)
{
    struct bootfiles files;
    int ret = m->helper ? helper_bootfiles(m->helper, &files, err)
                        : bootfiles_open(m->config, &files, err);

    if (ret < 0)
        return ret;
    ret = bootfiles_load(&files, m->config, &m->board, &m->mem, entry, err);
    bootfiles_close(&files);
    return ret;
}

static int machine_load(struct machine *m, struct err *err)
{
    struct load_entry entry;
    const int ret = machine_boot_load(m, &entry, err);

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
    platform_reset(m->platform);
    loop_unlock(m->io);
    ret = irqchip_reset(m->irqchip, err);
    if (ret == 0)
        ret = vcpus_reset(m->vcpus, err);
    if (ret < 0)
        return ret;
    gmem_zero(&m->mem);
    panic_watch_reset(&m->panic);
    m->closed_once = m->io_error = false;
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

        if (!m->halted) {
            TRACE(START, TRACE_NONE, TRACE_NO_QUEUE);
            vcpus_resume(m->vcpus);
        }
        what = wish_wait(m);
        vcpus_pause(m->vcpus);
        what = (enum wish)atomic_exchange(&m->wish, WISH_NONE); /* paused: no more will come */
        wish_tell(m, what == WISH_RESET && m->config->no_reboot ? WISH_ENDS : what);
        switch (what) {
        case WISH_OFF:
            log_msg(LOG_INFO, "the guest switched the machine off");
            return MACHINE_OFF;
        case WISH_QUIT:
        case WISH_WINDOW:
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
        case WISH_ENDS:
            break;
        }
    }
}

static void title_set(struct machine *m, enum display_state state)
{
    if (m->parts.display)
        display_set_title(m->parts.display, NULL, state);
}

/* #syscalls:main exit_group lseek */
enum machine_end machine_run(struct machine *m, struct err *err)
{
    enum machine_end end;

    if (m->config->dump_dtb)
        return machine_load(m, err) < 0 ? MACHINE_FAILED : MACHINE_OFF;
    if (machine_load(m, err) < 0 || sandbox_enter(m->config, err) < 0 ||
        loop_start(m->io, err) < 0 || parts_start(&m->parts, err) < 0 ||
        vcpus_start(m->vcpus, err) < 0)
        return MACHINE_FAILED;
    sandbox_close();
    log_set_patience(0);
    end = machine_loop(m, err);
    log_set_patience(LAST_WORDS_MS);
    title_set(m, DISPLAY_ENDED);
    devices_reset(m);
    trace_run_exits(m->vcpus);
    trace_run_lint(&m->parts);
    parts_fault_tell(&m->parts);
    if (parts_lint_tell(&m->parts) && m->config->lint_error && end == MACHINE_OFF)
        end = MACHINE_LINT;
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

bool machine_io_error(const struct machine *m)
{
    return m->io_error;
}

bool machine_console_taken(struct machine *m)
{
    bool taken;

    loop_lock(m->io);
    taken = con_socket_taken(m->attached);
    loop_unlock(m->io);
    return taken;
}

void machine_console_give(struct machine *m, int fd)
{
    loop_lock(m->io);
    con_socket_take(m->attached, fd);
    loop_unlock(m->io);
}

void machine_halt(struct machine *m)
{
    m->halted = true;
    vcpus_pause(m->vcpus);
    title_set(m, DISPLAY_PAUSED);
}

void machine_continue(struct machine *m)
{
    m->halted = m->io_error = false;
    parts_held_retry(&m->parts);
    title_set(m, DISPLAY_RUNNING);
    vcpus_go(m);
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
