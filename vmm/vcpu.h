/* SPDX-License-Identifier: MIT */
/*
 * The KVM border, part 3: vCPUs and their threads. A vCPU thread runs guest code and hands the
 * guest's port and memory accesses to the bus; it decides nothing. What ends a guest is reported
 * to the machine, whose main thread acts.
 *
 * Life: vcpus_new (all exist, nothing runs) - vcpus_boot_set - vcpus_start (threads, paused) -
 * vcpus_resume / vcpus_pause, any number of times - vcpus_free.
 * Restart in place, paused: reset devices, irqchip_reset, vcpus_reset, load, vcpus_boot_set,
 * vcpus_resume; by one thread, and no other may resume meanwhile.
 */
#ifndef VMM_VCPU_H
#define VMM_VCPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "firmware/load.h"
#include "vmm/base/err.h"
#include "vmm/bus/bus.h"
#include "vmm/kvm.h"

struct vcpus; /* all of a machine's */
struct vcpu;  /* one of them */

enum vcpu_event {
    VCPU_TRIPLE_FAULT, /* x86: the processor shut itself down; PCs restart then */
    VCPU_RESET,        /* the guest asked the hypervisor for a restart */
    VCPU_POWEROFF,     /* ... or for power-off */
    VCPU_CRASHED,      /* KVM cannot go on; registers have been logged */
    VCPU_EVENTS
};

/* "triple fault", "reset", "power-off", "crash" */
extern const char *const vcpu_event_name[VCPU_EVENTS];

/*
 * Called on a vCPU thread that will not run again before vcpus_reset. It must not wait for vCPUs:
 * wake the main thread and return. vcpus_pause_ask() is allowed.
 */
struct vcpu_events {
    void (*event)(void *ctx, enum vcpu_event event, unsigned cpu);
    void *ctx;
};

/*
 * Create cpus vCPUs and remember their initial state; no threads yet. irqchip_new comes first.
 * bus and what events names must outlive it. NULL with err filled.
 */
struct vcpus *vcpus_new(struct kvm *kvm, unsigned cpus, struct bus *bus,
                        const struct vcpu_events *events, struct err *err);

/* Ends and joins the threads if there are any. Not from a vCPU thread. NULL is fine. */
void vcpus_free(struct vcpus *set);

unsigned vcpus_count(const struct vcpus *set);
struct vcpu *vcpus_get(struct vcpus *set, unsigned index);

/* The vCPU whose thread this is; NULL: none's. */
struct vcpu *vcpus_self(void);

/* The first vCPU's registers as entry asks for. Paused, after vcpus_new or vcpus_reset. */
int vcpus_boot_set(struct vcpus *set, const struct load_entry *entry, struct err *err);

/* Start the threads, named vcpu0, vcpu1, ...; they wait for vcpus_resume. Once. */
int vcpus_start(struct vcpus *set, struct err *err);

/*
 * Stop all vCPUs between two instructions and wait until they are: accesses that were under way
 * have then reached the bus. Idempotent. Any thread but a vCPU's; hold no device's lock.
 */
void vcpus_pause(struct vcpus *set);

/* The same without waiting, for vCPU threads (inside bus handlers) too: nothing runs on for long.
 */
void vcpus_pause_ask(struct vcpus *set);

/* Run on. A vCPU that reported an event stays where it is. Same threads as vcpus_pause. */
void vcpus_resume(struct vcpus *set);

/* All vCPUs as after vcpus_new (their time-stamp counters run on). Paused. 0 or -errno, err. */
int vcpus_reset(struct vcpus *set, struct err *err);

/* Exits per kind: what a guest cost. Any thread; each number is exact, the set is not atomic. */
enum vcpu_exit {
    VCPU_EXIT_PIO_READ, /* one per exit, also for string instructions */
    VCPU_EXIT_PIO_WRITE,
    VCPU_EXIT_MMIO_READ,
    VCPU_EXIT_MMIO_WRITE,
    VCPU_EXIT_INTERRUPTED, /* by a signal: pause and resume */
    VCPU_EXIT_OTHER,
    VCPU_EXITS
};

extern const char *const vcpu_exit_name[VCPU_EXITS];

struct vcpu_counts {
    uint64_t exits[VCPU_EXITS];
};

void vcpu_counts(const struct vcpu *vcpu, struct vcpu_counts *counts);

/*
 * What KVM itself counts of this vCPU, also what never reaches vmm: each is called with every
 * number that only grows. Paused. 0, or -errno: this KVM does not tell.
 */
int vcpu_stats(const struct vcpu *vcpu, void (*each)(void *ctx, const char *name, uint64_t count),
               void *ctx);

/* ---- for the KVM border itself ---- */

unsigned vcpu_index(const struct vcpu *vcpu);
const struct kvm *vcpu_kvm(const struct vcpu *vcpu);

/* One ioctl on its descriptor: the result, or -errno. Not while it runs. */
int vcpu_ioctl(const struct vcpu *vcpu, unsigned long request, void *arg);

#endif
