// SPDX-License-Identifier: MIT
/*
 * Owns the registers of an x86 vCPU as vmm itself touches them: the state in which a kernel is
 * entered, the line that tells where a guest crashed. Refuses to know what was loaded.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>

#include "vmm/arch.h"
#include "vmm/base/bits.h"

enum {
    CR0_PE = 1 << 0,
    CR0_ET = 1 << 4,
    CR4_PAE = 1 << 5,
    EFER_LME = 1 << 8,
    EFER_LMA = 1 << 10,
    TYPE_DATA = 3,  /* read, write, accessed */
    TYPE_CODE = 11, /* execute, read, accessed */
    TYPE_TSS = 11,  /* 32- or 64-bit, busy */
    TSS_LIMIT = 0x67,
    RFLAGS_FIXED = 2,
    CODE_BYTES = 15,
};

#define CR0_PG BIT32(31)

static struct kvm_segment segment_flat(uint16_t selector, uint8_t type)
{
    return (struct kvm_segment){
        .limit = UINT32_MAX, .selector = selector, .type = type, .present = 1, .s = 1, .g = 1};
}

static struct kvm_segment segment_tss(uint16_t selector)
{
    return (struct kvm_segment){
        .limit = TSS_LIMIT, .selector = selector, .type = TYPE_TSS, .present = 1};
}

static void sregs_enter(struct kvm_sregs *sregs, const struct load_entry *entry)
{
    const bool wide = entry->kind == ENTRY_LINUX64;
    const struct kvm_segment data = segment_flat(entry->data_selector, TYPE_DATA);
    struct kvm_segment *const all[] = {&sregs->ds, &sregs->es, &sregs->fs, &sregs->gs, &sregs->ss};

    for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
        *all[i] = data;
        all[i]->db = 1;
    }
    sregs->cs = segment_flat(entry->code_selector, TYPE_CODE);
    sregs->cs.l = wide;
    sregs->cs.db = !wide;
    sregs->tr = segment_tss(entry->tss_selector);
    sregs->ldt = (struct kvm_segment){.unusable = 1};
    sregs->gdt = (struct kvm_dtable){.base = entry->gdt_gpa, .limit = entry->gdt_limit};
    sregs->idt = (struct kvm_dtable){.base = 0, .limit = 0};
    sregs->cr0 = CR0_PE | CR0_ET | (wide ? CR0_PG : 0);
    sregs->cr3 = wide ? entry->page_table_gpa : 0;
    sregs->cr4 = wide ? CR4_PAE : 0;
    sregs->efer = wide ? EFER_LME | EFER_LMA : 0;
}

/* #ioctls:main KVM_GET_SREGS KVM_SET_SREGS KVM_SET_REGS */
int arch_vcpu_boot(struct vcpu *vcpu, const struct load_entry *entry, struct err *err)
{
    struct kvm_regs regs = {.rip = entry->rip,
                            .rsp = entry->rsp,
                            .rsi = entry->rsi,
                            .rbx = entry->rbx,
                            .rflags = RFLAGS_FIXED};
    struct kvm_sregs sregs;
    int got = vcpu_ioctl(vcpu, KVM_GET_SREGS, &sregs);

    if (got >= 0) {
        sregs_enter(&sregs, entry);
        got = vcpu_ioctl(vcpu, KVM_SET_SREGS, &sregs);
    }
    if (got >= 0)
        got = vcpu_ioctl(vcpu, KVM_SET_REGS, &regs);
    if (got < 0)
        return err_errno(err, -got, "KVM does not take the registers to start the kernel with");
    return 0;
}

/* Fails until the guest uses kvmclock, and then tells it that time was stopped, not stolen.
 * #ioctls:main,vcpu KVM_KVMCLOCK_CTRL */
void arch_vcpu_resume(struct vcpu *vcpu)
{
    vcpu_ioctl(vcpu, KVM_KVMCLOCK_CTRL, NULL);
}

/* x86 has one order only. */
enum byte_order arch_vcpu_order(struct vcpu *vcpu)
{
    (void)vcpu;
    return ORDER_LITTLE;
}

/* x86's KVM decodes itself. */
int arch_vcpu_abort(struct vcpu *vcpu)
{
    (void)vcpu;
    return -ENOSYS;
}

/* #ioctls:vcpu KVM_TRANSLATE KVM_GET_REGS KVM_GET_SREGS */
static size_t code_read(struct vcpu *vcpu, uint64_t linear, uint8_t *code)
{
    struct kvm_translation tr = {.linear_address = linear};

    if (vcpu_ioctl(vcpu, KVM_TRANSLATE, &tr) < 0 || !tr.valid)
        return 0;
    return kvm_peek(vcpu_kvm(vcpu), tr.physical_address, code, CODE_BYTES);
}

void arch_vcpu_describe(struct vcpu *vcpu, char *text, size_t size)
{
    struct kvm_regs r = {0};
    struct kvm_sregs s = {0};
    uint8_t code[CODE_BYTES];
    size_t len, n;

    vcpu_ioctl(vcpu, KVM_GET_REGS, &r);
    vcpu_ioctl(vcpu, KVM_GET_SREGS, &s);
    len = (size_t)snprintf(
        text, size,
        "rip=%llx rsp=%llx rax=%llx rbx=%llx rcx=%llx rdx=%llx rsi=%llx rdi=%llx rbp=%llx "
        "rflags=%llx cs=%x/%llx cr0=%llx cr2=%llx cr3=%llx cr4=%llx efer=%llx",
        r.rip, r.rsp, r.rax, r.rbx, r.rcx, r.rdx, r.rsi, r.rdi, r.rbp, r.rflags, s.cs.selector,
        s.cs.base, s.cr0, s.cr2, s.cr3, s.cr4, s.efer);
    n = code_read(vcpu, s.cs.base + r.rip, code);
    for (size_t i = 0; i < n && len + 9 < size; i++)
        len += (size_t)snprintf(text + len, size - len, "%s%02x", i ? "" : " code=", code[i]);
}
