// SPDX-License-Identifier: MIT
/*
 * Owns what an x86 virtual machine needs from KVM besides processors: interrupt controllers,
 * timer, and the form of their lines and messages. Refuses to know who raises them.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/arch.h"
#include "vmm/base/bits.h"
#include "vmm/x86/x86.h"

enum { PIC_PINS = 8, PIC_LINES = 16, IOAPIC_PINS = 24 };

const struct kvm_need arch_needs[] = {
    {KVM_CAP_SET_TSS_ADDR, "KVM_CAP_SET_TSS_ADDR"},
    {KVM_CAP_SET_IDENTITY_MAP_ADDR, "KVM_CAP_SET_IDENTITY_MAP_ADDR"},
    {KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID"},
    {KVM_CAP_PIT2, "KVM_CAP_PIT2"},
    {KVM_CAP_PIT_STATE2, "KVM_CAP_PIT_STATE2"},
    {KVM_CAP_VCPU_EVENTS, "KVM_CAP_VCPU_EVENTS"},
    {KVM_CAP_DEBUGREGS, "KVM_CAP_DEBUGREGS"},
    {KVM_CAP_XSAVE, "KVM_CAP_XSAVE"},
    {KVM_CAP_XCRS, "KVM_CAP_XCRS"},
    {0, NULL},
};

const char *const arch_kvm_missing = "load the module kvm_intel or kvm_amd, and look whether the "
                                     "firmware set-up allows virtualisation";

/* Does a line of /proc/cpuinfo list the processor's virtualisation? */
static bool flags_show(const char *line)
{
    return !strncmp(line, "flags", 5) && (strstr(line, " vmx") || strstr(line, " svm"));
}

static bool host_virtualises(void)
{
    FILE *f = fopen("/proc/cpuinfo", "re");
    bool found = false, asked = false;
    size_t size = 0;
    char *line = NULL;

    while (f && !asked && getline(&line, &size, f) > 0) {
        asked = !strncmp(line, "flags", 5);
        found = flags_show(line);
    }
    free(line);
    if (f)
        fclose(f);
    return found || !asked;
}

void arch_host_check(void)
{
    static _Atomic bool told;

    if (!host_virtualises() && !atomic_exchange(&told, true))
        log_msg(LOG_WARN, "this host's processor shows neither vmx nor svm: its KVM emulates, "
                          "guests will be very slow and stock kernels may not start");
}

bool arch_msi_ext_dest(unsigned cpus)
{
    return cpus > CPUID_MAX_XAPIC_CPUS;
}

static int wide_ids_enable(struct kvm *kvm, struct err *err)
{
    struct kvm_enable_cap arg = {
        .cap = KVM_CAP_X2APIC_API,
        .args = {KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK},
    };

    if (kvm_vm_ioctl(kvm, KVM_ENABLE_CAP, &arg) < 0)
        return err_set(err, ENOSYS,
                       "more than %d cpus need KVM_CAP_X2APIC_API, which this "
                       "kernel's KVM lacks: use a newer kernel",
                       CPUID_MAX_XAPIC_CPUS);
    return 0;
}

/* CPUID shows no counters; without them KVM also saves their cost. Not every kernel can. */
static void counters_disable(struct kvm *kvm)
{
    struct kvm_enable_cap arg = {.cap = KVM_CAP_PMU_CAPABILITY, .args = {KVM_PMU_CAP_DISABLE}};

    if (kvm_cap(kvm, KVM_CAP_PMU_CAPABILITY) & KVM_PMU_CAP_DISABLE)
        kvm_vm_ioctl(kvm, KVM_ENABLE_CAP, &arg);
}

int arch_vm_setup(struct kvm *kvm, unsigned cpus, struct err *err)
{
    uint64_t identity = X86_IDENTITY_MAP;
    struct kvm_pit_config pit = {.flags = KVM_PIT_SPEAKER_DUMMY}; /* port 0x61 is KVM's too */
    const struct {
        const char *what;
        unsigned long request;
        void *arg;
    } steps[] = {
        {"its identity map", KVM_SET_IDENTITY_MAP_ADDR, &identity},
        {"its task segment", KVM_SET_TSS_ADDR, kvm_arg(X86_TSS)},
        {"the interrupt controllers", KVM_CREATE_IRQCHIP, NULL},
        {"the timer", KVM_CREATE_PIT2, &pit},
    };

    if (arch_msi_ext_dest(cpus) && wide_ids_enable(kvm, err))
        return -ENOSYS;
    counters_disable(kvm);
    for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
        const int got = kvm_vm_ioctl(kvm, steps[i].request, steps[i].arg);

        if (got < 0)
            return err_errno(err, -got, "KVM cannot set up %s", steps[i].what);
    }
    return 0;
}

static struct kvm_irq_routing_entry line_entry(unsigned gsi, unsigned chip, unsigned pin)
{
    return (struct kvm_irq_routing_entry){
        .gsi = gsi,
        .type = KVM_IRQ_ROUTING_IRQCHIP,
        .u.irqchip = {.irqchip = chip, .pin = pin},
    };
}

/* Line n is pin n of the IOAPIC, and the first 16 are the PICs' as well. */
unsigned arch_line_routes(struct kvm_irq_routing_entry *table, unsigned max)
{
    unsigned n = 0;

    for (unsigned i = 0; i < IOAPIC_PINS && n + 2 <= max; i++) {
        table[n++] = line_entry(i, KVM_IRQCHIP_IOAPIC, i);
        if (i < PIC_LINES)
            table[n++] = line_entry(
                i, i < PIC_PINS ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE, i % PIC_PINS);
    }
    return n;
}

uint32_t arch_line(uint32_t gsi)
{
    return gsi;
}

/*
 * Messages go to 0xfeexxxxx; anywhere else is a write to memory that is not there. With extended
 * destinations bits 5..11 of the address are bits 8..14 of the APIC id, which KVM wants in the
 * upper half.
 */
bool arch_msi_make(uint64_t addr, uint32_t data, bool ext_dest, struct arch_msi *msi)
{
    const uint32_t low = (uint32_t)addr, ext = low >> 5 & 0x7f;

    if (addr >> 20 != 0xfee)
        return false;
    *msi = (struct arch_msi){.address_lo = low, .data = data, .pin = -1};
    if (ext_dest) {
        msi->address_lo = low & ~UINT32_C(0xfe0);
        msi->address_hi = ext << 8;
    }
    return true;
}
