/* SPDX-License-Identifier: MIT */
/* Between the files of this folder. */
#ifndef VMM_X86_X86_H
#define VMM_X86_X86_H

#include <stdint.h>

#include "vmm/base/err.h"
#include "vmm/kvm.h"
#include "vmm/vcpu.h"
#include "vmm/x86/cpuid.h"

struct kvm_msrs;

/* Where KVM keeps a page table and a task segment of its own: 4 pages below the firmware's place.
 */
enum { X86_IDENTITY_MAP = 0xfeffc000, X86_TSS = 0xfeffd000 };

/* What KVM could show a guest. 0 or -errno with err filled. */
int x86_cpuid_offer(const struct kvm *kvm, struct cpuid_table *table, struct err *err);

/* First values of registers that differ from KVM's. */
void x86_msr_init(struct vcpu *vcpu);

/*
 * All MSRs that a restart puts back, with their values; free() it. NULL with err filled.
 * x86_msr_restore: 0 or -errno.
 */
struct kvm_msrs *x86_msr_save(struct vcpu *vcpu, struct err *err);
int x86_msr_restore(struct vcpu *vcpu, const struct kvm_msrs *msrs);

#endif
