// SPDX-License-Identifier: MIT
/*
 * Owns which model-specific registers start with other values than KVM's, and which are put back
 * when the machine restarts. Refuses to know what guests do with them.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/bits.h"
#include "vmm/x86/x86.h"

enum { MSR_MAX = 1024 };

#define MSR_TSC           0x10u
#define MSR_DEBUGCTL      0x1d9u
#define MSR_MISC_ENABLE   0x1a0u
#define MSR_MTRR_VARIABLE 0x200u
#define MSR_MTRR_DEF_TYPE 0x2ffu
#define MSR_HYPERV_FIRST  0x40000000u
#define MSR_HYPERV_LAST   0x4fffffffu
#define MSR_AMD_HWCR      0xc0010015u

static const struct {
    uint32_t msr;
    uint64_t clear, set;
    const char *why;
} first[] = {
    {MSR_MTRR_DEF_TYPE, 0xff, 0x806, "MTRRs on, RAM is write-back, as firmware leaves it"},
    {MSR_MISC_ENABLE, 0, 1, "fast string operations, as firmware leaves it"},
};

static const struct {
    uint32_t first, last;
    const char *why;
} never[] = {
    {MSR_TSC, MSR_TSC, "it runs on; a write would set the vCPUs apart"},
    {MSR_HYPERV_FIRST, MSR_HYPERV_LAST, "CPUID does not show them: guests cannot write them"},
};

/* What KVM's list lacks although guests write it. */
static const struct {
    uint32_t first, last;
} more[] = {
    {MSR_MTRR_VARIABLE, 0x20f},
    {0x250, 0x250},
    {0x258, 0x259},
    {0x268, 0x26f},
    {MSR_MTRR_DEF_TYPE, MSR_MTRR_DEF_TYPE},
    {MSR_DEBUGCTL, MSR_DEBUGCTL},
    {MSR_AMD_HWCR, MSR_AMD_HWCR},
};

static size_t msrs_size(uint32_t n)
{
    return sizeof(struct kvm_msrs) + n * sizeof(struct kvm_msr_entry);
}

void x86_msr_init(struct vcpu *vcpu)
{
    struct kvm_msrs *m = calloc(1, msrs_size(1));

    for (unsigned i = 0; m && i < ARRAY_SIZE(first); i++) {
        m->nmsrs = 1;
        m->entries[0] = (struct kvm_msr_entry){.index = first[i].msr};
        if (vcpu_ioctl(vcpu, KVM_GET_MSRS, m) == 1)
            m->entries[0].data = (m->entries[0].data & ~first[i].clear) | first[i].set;
        if (vcpu_ioctl(vcpu, KVM_SET_MSRS, m) != 1)
            log_msg(LOG_DEBUG, "KVM does not take MSR 0x%x: %s", first[i].msr, first[i].why);
    }
    free(m);
}

static bool msr_is_never(uint32_t msr)
{
    for (unsigned i = 0; i < ARRAY_SIZE(never); i++)
        if (msr >= never[i].first && msr <= never[i].last)
            return true;
    return false;
}

static void msr_add(struct kvm_msrs *msrs, uint32_t msr)
{
    for (uint32_t i = 0; i < msrs->nmsrs; i++)
        if (msrs->entries[i].index == msr)
            return;
    if (msrs->nmsrs < MSR_MAX && !msr_is_never(msr))
        msrs->entries[msrs->nmsrs++].index = msr;
}

static int msrs_list(struct vcpu *vcpu, struct kvm_msrs *msrs)
{
    struct kvm_msr_list *list = calloc(1, sizeof(*list) + MSR_MAX * sizeof(list->indices[0]));
    int got;

    if (!list)
        return -ENOMEM;
    list->nmsrs = MSR_MAX;
    got = kvm_sys_ioctl(vcpu_kvm(vcpu), KVM_GET_MSR_INDEX_LIST, list);
    for (uint32_t i = 0; got >= 0 && i < list->nmsrs; i++)
        msr_add(msrs, list->indices[i]);
    free(list);
    for (unsigned i = 0; i < ARRAY_SIZE(more); i++)
        for (uint32_t msr = more[i].first; msr <= more[i].last; msr++)
            msr_add(msrs, msr);
    return got < 0 ? got : 0;
}

/* Do request over all of msrs; those at which KVM stops are taken out. */
static int msrs_sieve(struct vcpu *vcpu, unsigned long request, struct kvm_msrs *msrs)
{
    for (;;) {
        const int done = vcpu_ioctl(vcpu, request, msrs);

        if (done < 0)
            return done;
        if ((uint32_t)done >= msrs->nmsrs)
            return 0;
        msrs->nmsrs--;
        memmove(&msrs->entries[done], &msrs->entries[done + 1],
                (msrs->nmsrs - (uint32_t)done) * sizeof(msrs->entries[0]));
    }
}

struct kvm_msrs *x86_msr_save(struct vcpu *vcpu, struct err *err)
{
    struct kvm_msrs *msrs = calloc(1, msrs_size(MSR_MAX)), *fit;
    int got = msrs ? msrs_list(vcpu, msrs) : -ENOMEM;

    if (!got)
        got = msrs_sieve(vcpu, KVM_GET_MSRS, msrs);
    if (!got)
        got = msrs_sieve(vcpu, KVM_SET_MSRS, msrs); /* the same values: which can be set at all? */
    if (got) {
        err_errno(err, -got, "KVM does not tell the MSRs of vCPU %u", vcpu_index(vcpu));
        free(msrs);
        return NULL;
    }
    fit = realloc(msrs, msrs_size(msrs->nmsrs));
    return fit ? fit : msrs; /* cppcheck-suppress memleak ; it goes to the caller either way */
}

int x86_msr_restore(struct vcpu *vcpu, const struct kvm_msrs *msrs)
{
    /* KVM only reads it */
    const int done = vcpu_ioctl(vcpu, KVM_SET_MSRS, (void *)(uintptr_t)msrs);

    if (done < 0)
        return done;
    if ((uint32_t)done < msrs->nmsrs) {
        log_msg(LOG_ERROR, "KVM does not take MSR 0x%x back", msrs->entries[done].index);
        return -EIO;
    }
    return 0;
}
