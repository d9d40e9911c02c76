/* SPDX-License-Identifier: MIT */
/*
 * What differs between architectures, as machine.c and the KVM border see it. One folder
 * (vmm/x86, vmm/arm64) implements it.
 */
#ifndef VMM_ARCH_H
#define VMM_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "firmware/board.h"
#include "firmware/load.h"
#include "vmm/base/err.h"
#include "vmm/base/le.h"
#include "vmm/kvm.h"
#include "vmm/vcpu.h"

/* ---- for the machine ---- */

/*
 * Lay out a machine with ram_size bytes of RAM and cpus processors: all of *board is set, its
 * cpu_id to the given array of cpus entries, which is filled and must live as long as board.
 * kvm is asked for limits. 0, or -EINVAL with err filled: more than this host can do.
 */
int arch_board(const struct kvm *kvm, uint64_t ram_size, unsigned cpus, uint32_t *cpu_id,
               struct board *board, struct err *err);

/* The same for a host that has no KVM to ask: a machine on which nothing will run. */
void arch_board_alone(uint64_t ram_size, unsigned cpus, uint32_t *cpu_id, struct board *board);

/* The guest-physical address of port 0; 0: ports are an address space of their own. */
uint64_t arch_pio_base(void);

/* Can a kernel be told of a frame buffer in a BAR when it starts, and does the BAR stay there? */
bool arch_boot_screen(void);

/* The byte order that this vCPU's data accesses have now (0.9 devices speak it). Its own thread
 * inside a bus handler, or any while paused. */
enum byte_order arch_vcpu_order(struct vcpu *vcpu);

/* ---- for the KVM border ---- */

struct kvm_need {
    int cap;
    const char *name; /* NULL ends the table */
};

extern const struct kvm_need arch_needs[];

/* What to do on a host without /dev/kvm. */
extern const char *const arch_kvm_missing;

/* Tell, once, if this host will run guests slowly. */
void arch_host_check(void);

/* Create the interrupt controllers and what must precede vCPUs. */
int arch_vm_setup(struct kvm *kvm, unsigned cpus, struct err *err);

/* Processor identity and initial state of a vCPU out of cpus. */
int arch_vcpu_setup(struct vcpu *vcpu, unsigned cpus, struct err *err);

/* Registers for the boot processor. */
int arch_vcpu_boot(struct vcpu *vcpu, const struct load_entry *entry, struct err *err);

/* Before it runs on after a pause. Its own thread, or while it is parked. */
void arch_vcpu_resume(struct vcpu *vcpu);

/* The guest touched what is no RAM with an instruction that KVM does not decode: let it see an
 * external abort. The vCPU's own thread. 0 or -errno. */
int arch_vcpu_abort(struct vcpu *vcpu);

/* One line of registers, for a vCPU that does not run. */
void arch_vcpu_describe(struct vcpu *vcpu, char *text, size_t size);

/* A remembered state of a vCPU or of the interrupt controllers. save: NULL with err filled. */
struct arch_state;
struct arch_state *arch_vcpu_save(struct vcpu *vcpu, struct err *err);
int arch_vcpu_restore(struct vcpu *vcpu, const struct arch_state *state, struct err *err);
struct arch_state *arch_vm_save(struct kvm *kvm, struct err *err);
int arch_vm_restore(struct kvm *kvm, const struct arch_state *state, struct err *err);
void arch_state_free(struct arch_state *state);

/* Routes of the lines that exist without any message: at most max written, how many returned. */
struct kvm_irq_routing_entry;
unsigned arch_line_routes(struct kvm_irq_routing_entry *table, unsigned max);

/* What KVM_IRQ_LINE calls line gsi. */
uint32_t arch_line(uint32_t gsi);

/* A message as KVM wants it; false: it reaches no interrupt controller and is lost (P25). */
struct arch_msi {
    uint32_t address_lo, address_hi, data;
    int pin;     /* it is an edge on this pin of the interrupt controller; -1: a message */
    bool device; /* the number of the function that sends it belongs to it */
};

bool arch_msi_make(uint64_t addr, uint32_t data, bool ext_dest, struct arch_msi *msi);

/* Do messages carry wide destinations in a machine of so many processors? */
bool arch_msi_ext_dest(unsigned cpus);

#endif
