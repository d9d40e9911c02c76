// SPDX-License-Identifier: MIT
/*
 * Owns how a fresh vCPU becomes a processor of the machine, the registers in which a kernel is
 * entered, the byte order of its data. Refuses to know what was loaded.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/arch.h"
#include "vmm/arm64/arm64.h"
#include "vmm/base/bits.h"

#define CORE_REG(member)                                   \
    (KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | \
     (offsetof(struct kvm_regs, member) / sizeof(uint32_t)))

#define SCTLR_EL1  ARM64_SYS_REG(3, 0, 1, 0, 0)
#define SCTLR_E0E  BIT64(24)
#define SCTLR_EE   BIT64(25)
#define PSTATE_EL  UINT64_C(0xc)
#define PSTATE_A32 UINT64_C(0x10)
#define A32_E      BIT64(9)

/* A vCPU is put back by initialising it again, the controllers by their registers. */
struct arch_state {
    struct kvm_vcpu_init init;
};

/* #ioctls:vcpu,main KVM_GET_ONE_REG
 * #ioctls:main KVM_SET_ONE_REG KVM_ARM_VCPU_INIT */
static int reg_get(struct vcpu *vcpu, uint64_t id, uint64_t *value)
{
    struct kvm_one_reg reg = {.id = id, .addr = (uintptr_t)value};

    *value = 0;
    return vcpu_ioctl(vcpu, KVM_GET_ONE_REG, &reg);
}

static int reg_set(struct vcpu *vcpu, uint64_t id, uint64_t value)
{
    struct kvm_one_reg reg = {.id = id, .addr = (uintptr_t)&value};

    return vcpu_ioctl(vcpu, KVM_SET_ONE_REG, &reg);
}

static void feature_set(struct kvm_vcpu_init *init, unsigned feature)
{
    init->features[feature / 32] |= BIT32(feature % 32);
}

/* The processor that this host is, PSCI 0.2 or later, pointer authentication where it can be had.
 * All but the first wait for it to start them. */
static int init_make(struct vcpu *vcpu, struct kvm_vcpu_init *init)
{
    const struct kvm *kvm = vcpu_kvm(vcpu);
    int got;

    *init = (struct kvm_vcpu_init){.target = 0};
    got = kvm_vm_ioctl(kvm, KVM_ARM_PREFERRED_TARGET, init);
    feature_set(init, KVM_ARM_VCPU_PSCI_0_2);
    if (vcpu_index(vcpu))
        feature_set(init, KVM_ARM_VCPU_POWER_OFF);
    if (kvm_cap(kvm, KVM_CAP_ARM_PTRAUTH_ADDRESS) > 0 &&
        kvm_cap(kvm, KVM_CAP_ARM_PTRAUTH_GENERIC) > 0) {
        feature_set(init, KVM_ARM_VCPU_PTRAUTH_ADDRESS);
        feature_set(init, KVM_ARM_VCPU_PTRAUTH_GENERIC);
    }
    return got;
}

static int vcpu_init(struct vcpu *vcpu, struct err *err)
{
    struct kvm_vcpu_init init;
    int got = init_make(vcpu, &init);

    if (got >= 0)
        got = vcpu_ioctl(vcpu, KVM_ARM_VCPU_INIT, &init);
    return got < 0 ? err_errno(err, -got, "KVM cannot initialise vCPU %u", vcpu_index(vcpu)) : 0;
}

int arch_vcpu_setup(struct vcpu *vcpu, unsigned cpus, struct err *err)
{
    const int got = vcpu_init(vcpu, err);

    if (got < 0 || vcpu_index(vcpu) != cpus - 1)
        return got;
    return arm64_gic_finish(vcpu_kvm(vcpu), err);
}

/* The rest is as KVM_ARM_VCPU_INIT left it: EL1, interrupts masked, MMU off, registers 0. */
int arch_vcpu_boot(struct vcpu *vcpu, const struct load_entry *entry, struct err *err)
{
    int got = reg_set(vcpu, CORE_REG(regs.pc), entry->pc);

    if (got >= 0)
        got = reg_set(vcpu, CORE_REG(regs.regs[0]), entry->x0);
    if (got < 0)
        return err_errno(err, -got, "KVM does not take the registers to start the kernel with");
    return 0;
}

/* Its clock is the host's: time that passed meanwhile has passed. */
void arch_vcpu_resume(struct vcpu *vcpu)
{
    (void)vcpu;
}

/* SCTLR_EL1.EE is for EL1, .E0E for EL0; a 32-bit program has a bit of its own. */
enum byte_order arch_vcpu_order(struct vcpu *vcpu)
{
    uint64_t sctlr, pstate;
    bool big;

    if (reg_get(vcpu, SCTLR_EL1, &sctlr) < 0 || reg_get(vcpu, CORE_REG(regs.pstate), &pstate) < 0)
        return ORDER_LITTLE;
    if (pstate & PSTATE_A32)
        big = pstate & A32_E;
    else
        big = sctlr & (pstate & PSTATE_EL ? SCTLR_EE : SCTLR_E0E);
    return big ? ORDER_BIG : ORDER_LITTLE;
}

/* #ioctls:vcpu KVM_SET_VCPU_EVENTS */
int arch_vcpu_abort(struct vcpu *vcpu)
{
    struct kvm_vcpu_events events = {.exception.ext_dabt_pending = 1};

    return vcpu_ioctl(vcpu, KVM_SET_VCPU_EVENTS, &events);
}

void arch_vcpu_describe(struct vcpu *vcpu, char *text, size_t size)
{
    static const struct {
        const char *name;
        uint64_t id;
    } reg[] = {
        {"pc", CORE_REG(regs.pc)},
        {"pstate", CORE_REG(regs.pstate)},
        {"sp", CORE_REG(regs.sp)},
        {"sp_el1", CORE_REG(sp_el1)},
        {"elr_el1", CORE_REG(elr_el1)},
        {"x0", CORE_REG(regs.regs[0])},
        {"x1", CORE_REG(regs.regs[1])},
        {"x30", CORE_REG(regs.regs[30])},
        {"sctlr_el1", SCTLR_EL1},
        {"vbar_el1", ARM64_SYS_REG(3, 0, 12, 0, 0)},
        {"esr_el1", ARM64_SYS_REG(3, 0, 5, 2, 0)},
        {"far_el1", ARM64_SYS_REG(3, 0, 6, 0, 0)},
    };
    size_t len = 0;

    text[0] = '\0';
    for (size_t i = 0; i < ARRAY_SIZE(reg) && len + 32 < size; i++) {
        uint64_t value;

        reg_get(vcpu, reg[i].id, &value);
        len += (size_t)snprintf(text + len, size - len, "%s%s=%llx", i ? " " : "", reg[i].name,
                                (unsigned long long)value);
    }
}

/* ---- restart ---- */

static struct arch_state *state_new(struct err *err)
{
    struct arch_state *state = calloc(1, sizeof(*state));

    if (!state)
        err_set(err, ENOMEM, "no memory for the state of a processor");
    return state;
}

void arch_state_free(struct arch_state *state)
{
    free(state);
}

struct arch_state *arch_vcpu_save(struct vcpu *vcpu, struct err *err)
{
    struct arch_state *state = state_new(err);

    if (state && init_make(vcpu, &state->init) < 0) {
        err_set(err, EIO, "KVM does not tell what vCPU %u is", vcpu_index(vcpu));
        free(state);
        return NULL;
    }
    return state;
}

int arch_vcpu_restore(struct vcpu *vcpu, const struct arch_state *state, struct err *err)
{
    struct kvm_vcpu_init init = state->init;
    const int got = vcpu_ioctl(vcpu, KVM_ARM_VCPU_INIT, &init);

    if (got < 0)
        return err_errno(err, -got, "KVM does not reset vCPU %u", vcpu_index(vcpu));
    return arm64_gic_cpu_reset(vcpu_kvm(vcpu), vcpu_index(vcpu), err);
}

/* Nothing is remembered: power-on is the same for all. */
struct arch_state *arch_vm_save(struct kvm *kvm, struct err *err)
{
    (void)kvm;
    return state_new(err);
}

int arch_vm_restore(struct kvm *kvm, const struct arch_state *state, struct err *err)
{
    (void)state;
    return arm64_gic_reset(kvm, err);
}
