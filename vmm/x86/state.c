// SPDX-License-Identifier: MIT
/*
 * Owns how the state of processors and interrupt controllers is remembered and put back. Refuses
 * to know when.
 *
 * The order of the rows is the order in which they are put back:
 * control registers first (they say what mode the rest is in, and where the local APIC is); the
 * local APIC before the MSRs, because one of those is the deadline of its timer; events last,
 * because setting registers forgets them.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/arch.h"
#include "vmm/base/bits.h"
#include "vmm/x86/x86.h"

struct part {
    const char *name;
    unsigned long get, set;
    size_t size;
    uint32_t selector; /* its first word when asking: which of several */
};

#define PART_MSRS      \
    {                  \
        .name = "MSRs" \
    }

/*
 * Saved at the start, set again when the machine restarts.
 * #ioctls:main KVM_SET_SREGS KVM_SET_REGS KVM_SET_XCRS KVM_SET_XSAVE KVM_SET_DEBUGREGS
 * #ioctls:main KVM_SET_LAPIC KVM_SET_MSRS KVM_SET_MP_STATE KVM_SET_VCPU_EVENTS KVM_SET_IRQCHIP
 * #ioctls:main KVM_SET_PIT2
 */
static const struct part vcpu_parts[] = {
    {"control registers", KVM_GET_SREGS, KVM_SET_SREGS, sizeof(struct kvm_sregs), 0},
    {"registers", KVM_GET_REGS, KVM_SET_REGS, sizeof(struct kvm_regs), 0},
    {"extended control registers", KVM_GET_XCRS, KVM_SET_XCRS, sizeof(struct kvm_xcrs), 0},
    {"vector registers", KVM_GET_XSAVE, KVM_SET_XSAVE, sizeof(struct kvm_xsave), 0},
    {"debug registers", KVM_GET_DEBUGREGS, KVM_SET_DEBUGREGS, sizeof(struct kvm_debugregs), 0},
    {"local APIC", KVM_GET_LAPIC, KVM_SET_LAPIC, sizeof(struct kvm_lapic_state), 0},
    PART_MSRS,
    {"run state", KVM_GET_MP_STATE, KVM_SET_MP_STATE, sizeof(struct kvm_mp_state), 0},
    {"events", KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS, sizeof(struct kvm_vcpu_events), 0},
};

static const struct part vm_parts[] = {
    {"first PIC", KVM_GET_IRQCHIP, KVM_SET_IRQCHIP, sizeof(struct kvm_irqchip),
     KVM_IRQCHIP_PIC_MASTER},
    {"second PIC", KVM_GET_IRQCHIP, KVM_SET_IRQCHIP, sizeof(struct kvm_irqchip),
     KVM_IRQCHIP_PIC_SLAVE},
    {"IOAPIC", KVM_GET_IRQCHIP, KVM_SET_IRQCHIP, sizeof(struct kvm_irqchip), KVM_IRQCHIP_IOAPIC},
    {"timer", KVM_GET_PIT2, KVM_SET_PIT2, sizeof(struct kvm_pit_state2), 0},
};

struct arch_state {
    struct kvm_msrs *msrs;
    size_t size;
    _Alignas(16) uint8_t data[]; /* the parts' structures, one after the other */
};

static size_t part_room(const struct part *part)
{
    return align_up(part->size, 16);
}

static struct arch_state *state_new(const struct part *parts, size_t n)
{
    struct arch_state *state;
    size_t size = 0;

    for (size_t i = 0; i < n; i++)
        size += part_room(&parts[i]);
    state = calloc(1, sizeof(*state) + size);
    if (state)
        state->size = size;
    return state;
}

void arch_state_free(struct arch_state *state)
{
    if (!state)
        return;
    free(state->msrs);
    free(state);
}

static int vcpu_part_get(struct vcpu *vcpu, struct arch_state *state, const struct part *part,
                         uint8_t *data, struct err *err)
{
    int got;

    if (!part->get) {
        state->msrs = x86_msr_save(vcpu, err);
        return state->msrs ? 0 : -EIO;
    }
    got = vcpu_ioctl(vcpu, part->get, data);
    if (got < 0)
        return err_errno(err, -got, "KVM does not tell the %s of vCPU %u", part->name,
                         vcpu_index(vcpu));
    return 0;
}

struct arch_state *arch_vcpu_save(struct vcpu *vcpu, struct err *err)
{
    struct arch_state *state = state_new(vcpu_parts, ARRAY_SIZE(vcpu_parts));
    uint8_t *data;

    if (!state) {
        err_set(err, ENOMEM, "no memory for the state of vCPU %u", vcpu_index(vcpu));
        return NULL;
    }
    data = state->data;
    for (size_t i = 0; i < ARRAY_SIZE(vcpu_parts); i++) {
        if (vcpu_part_get(vcpu, state, &vcpu_parts[i], data, err)) {
            arch_state_free(state);
            return NULL;
        }
        data += part_room(&vcpu_parts[i]);
    }
    return state;
}

int arch_vcpu_restore(struct vcpu *vcpu, const struct arch_state *state, struct err *err)
{
    const uint8_t *data = state->data;

    for (size_t i = 0; i < ARRAY_SIZE(vcpu_parts); i++) {
        const struct part *part = &vcpu_parts[i];
        const int got = part->set ? vcpu_ioctl(vcpu, part->set, (void *)(uintptr_t)data)
                                  : x86_msr_restore(vcpu, state->msrs);

        if (got < 0)
            return err_errno(err, -got, "KVM does not take the %s of vCPU %u back", part->name,
                             vcpu_index(vcpu));
        data += part_room(part);
    }
    return 0;
}

struct arch_state *arch_vm_save(struct kvm *kvm, struct err *err)
{
    struct arch_state *state = state_new(vm_parts, ARRAY_SIZE(vm_parts));
    uint8_t *data;
    int got = 0;

    if (!state) {
        err_set(err, ENOMEM, "no memory for the state of the interrupt controllers");
        return NULL;
    }
    data = state->data;
    for (size_t i = 0; got >= 0 && i < ARRAY_SIZE(vm_parts); i++) {
        memcpy(data, &vm_parts[i].selector, sizeof(vm_parts[i].selector));
        got = kvm_vm_ioctl(kvm, vm_parts[i].get, data);
        if (got < 0)
            err_errno(err, -got, "KVM does not tell the state of the %s", vm_parts[i].name);
        data += part_room(&vm_parts[i]);
    }
    if (got >= 0)
        return state;
    arch_state_free(state);
    return NULL;
}

int arch_vm_restore(struct kvm *kvm, const struct arch_state *state, struct err *err)
{
    const uint8_t *data = state->data;

    for (size_t i = 0; i < ARRAY_SIZE(vm_parts); i++) {
        const int got = kvm_vm_ioctl(kvm, vm_parts[i].set, (void *)(uintptr_t)data);

        if (got < 0)
            return err_errno(err, -got, "KVM does not take the state of the %s back",
                             vm_parts[i].name);
        data += part_room(&vm_parts[i]);
    }
    return 0;
}
