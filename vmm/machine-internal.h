/* SPDX-License-Identifier: MIT */
/* Between the two files of the machine: machine.c makes and frees it, machine-run.c runs it. */
#ifndef VMM_MACHINE_INTERNAL_H
#define VMM_MACHINE_INTERNAL_H

#include <stdatomic.h>

#include "devices/backend/con-tty.h"
#include "vmm/arch.h"
#include "vmm/base/gmem.h"
#include "vmm/base/loop.h"
#include "vmm/bus/bus.h"
#include "vmm/bus/irq.h"
#include "vmm/bus/pci.h"
#include "vmm/bus/pcihost.h"
#include "vmm/control.h"
#include "vmm/helper.h"
#include "vmm/irqchip.h"
#include "vmm/kvm.h"
#include "vmm/machine.h"
#include "vmm/panic.h"
#include "vmm/platform.h"
#include "vmm/vcpu.h"

struct machine {
    const struct config *config;
    struct board board;
    uint32_t *cpu_id;
    struct gmem mem;

    struct loop *main, *io;
    struct loop_work wished;
    struct loop_work powered;   /* the button was pressed: to be told */
    struct loop_work closing;   /* the user closes the window */
    struct loop_work refused;   /* a disk holds what the host refuses */
    bool closed_once;           /* ... did so before, in this run of the guest */
    struct loop_work ballooned; /* the balloon's size changed: to be told, not too often */
    struct loop_timer *balloon_wait;
    bool balloon_waits;
    _Atomic int wish;
    int signals;
    int continued; /* eventfd: the process had been stopped */

    struct kvm *kvm;
    struct irqchip *irqchip;
    struct bus *bus;
    struct irqs *irqs;
    struct pci_root *root;
    struct pcihost *host;
    struct chr *chr, *attached; /* the console, and who comes to it through the control socket */
    struct panic_watch panic;
    struct platform *platform;
    struct parts parts;
    struct vcpus *vcpus;
    struct control *control; /* NULL: none */
    struct helper *helper;   /* NULL: there is no sandbox */
    bool halted;             /* the user stopped it, or a disk did: */
    bool io_error;           /* and what it holds has not been tried again */
    bool stuck;              /* host I/O did not end: guest memory must stay mapped */
};

/* What the user's keys mean; what power management and vCPUs call, on their threads; arg and ctx
 * are the struct machine. */
extern const struct con_tty_key machine_keys[];
void machine_pm_off(void *arg);
void machine_pm_restart(void *arg);
void machine_balloon_changed(void *arg);
void machine_window_closing(void *arg);
void machine_disk_held(void *arg);
void machine_vcpu_ended(void *ctx, enum vcpu_event event, unsigned cpu);

/* The ways to tell the main loop something, signals included. 0 or -errno with err filled. */
int machine_wishes_open(struct machine *machine, struct err *err);

/* Find what to boot and bring it into guest memory, which reads as zero: all but telling vCPUs. 0
 * or -errno with err filled. */
int machine_boot_load(struct machine *machine, struct load_entry *entry, struct err *err);

#endif
