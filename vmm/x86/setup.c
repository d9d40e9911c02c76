// SPDX-License-Identifier: MIT
/*
 * Owns how a fresh vCPU becomes a processor of the machine: KVM's CPUID offer in, the corrected
 * table out, first MSRs. Refuses to know what the corrections are (cpuid.c, msr.c).
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/arch.h"
#include "vmm/base/bits.h"
#include "vmm/x86/x86.h"

_Static_assert(CPUID_INDEXED == KVM_CPUID_FLAG_SIGNIFCANT_INDEX, "the flag is KVM's");

static struct kvm_cpuid2 *raw_new(struct err *err)
{
    struct kvm_cpuid2 *raw =
        calloc(1, sizeof(*raw) + CPUID_LEAVES * sizeof(struct kvm_cpuid_entry2));

    if (!raw)
        err_set(err, ENOMEM, "no memory for CPUID leaves");
    return raw;
}

static void table_from(struct cpuid_table *table, const struct kvm_cpuid2 *raw)
{
    table->n = (unsigned)min_u64(raw->nent, CPUID_LEAVES);
    for (unsigned i = 0; i < table->n; i++) {
        const struct kvm_cpuid_entry2 *e = &raw->entries[i];

        table->leaf[i] = (struct cpuid_leaf){.leaf = e->function,
                                             .index = e->index,
                                             .flags = e->flags,
                                             .reg = {e->eax, e->ebx, e->ecx, e->edx}};
    }
}

static void table_to(const struct cpuid_table *table, struct kvm_cpuid2 *raw)
{
    raw->nent = table->n;
    for (unsigned i = 0; i < table->n; i++) {
        const struct cpuid_leaf *l = &table->leaf[i];

        raw->entries[i] = (struct kvm_cpuid_entry2){.function = l->leaf,
                                                    .index = l->index,
                                                    .flags = l->flags,
                                                    .eax = l->reg[CPUID_EAX],
                                                    .ebx = l->reg[CPUID_EBX],
                                                    .ecx = l->reg[CPUID_ECX],
                                                    .edx = l->reg[CPUID_EDX]};
    }
}

int x86_cpuid_offer(const struct kvm *kvm, struct cpuid_table *table, struct err *err)
{
    struct kvm_cpuid2 *raw = raw_new(err);
    int got;

    if (!raw)
        return -ENOMEM;
    raw->nent = CPUID_LEAVES;
    got = kvm_sys_ioctl(kvm, KVM_GET_SUPPORTED_CPUID, raw);
    if (got < 0)
        err_errno(err, -got, "KVM does not tell what CPUID may show");
    else
        table_from(table, raw);
    free(raw);
    return got < 0 ? got : 0;
}

static int cpuid_give(struct vcpu *vcpu, const struct cpuid_table *table, struct err *err)
{
    struct kvm_cpuid2 *raw = raw_new(err);
    int got;

    if (!raw)
        return -ENOMEM;
    table_to(table, raw);
    got = vcpu_ioctl(vcpu, KVM_SET_CPUID2, raw);
    if (got < 0)
        err_errno(err, -got, "KVM does not take the CPUID table of vCPU %u", vcpu_index(vcpu));
    free(raw);
    return got < 0 ? got : 0;
}

int arch_vcpu_setup(struct vcpu *vcpu, unsigned cpus, struct err *err)
{
    const struct kvm *kvm = vcpu_kvm(vcpu);
    const struct cpuid_machine machine = {
        .cpus = cpus,
        .apic_id = vcpu_index(vcpu),
        .tsc_deadline = kvm_cap(kvm, KVM_CAP_TSC_DEADLINE_TIMER) > 0,
        .ext_dest = arch_msi_ext_dest(cpus),
    };
    struct cpuid_table table;
    int got = x86_cpuid_offer(kvm, &table, err);

    if (!got)
        got = cpuid_apply(&table, &machine, err);
    if (!got)
        got = cpuid_give(vcpu, &table, err);
    if (!got)
        x86_msr_init(vcpu);
    return got;
}
