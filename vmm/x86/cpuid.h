/* SPDX-License-Identifier: MIT */
/*
 * What CPUID tells a guest: KVM's offer, corrected by rows of data and by the topology of the
 * machine (one socket, one thread per core). Plain data: KVM's structures stay outside.
 */
#ifndef VMM_X86_CPUID_H
#define VMM_X86_CPUID_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/base/err.h"

enum cpuid_reg { CPUID_EAX, CPUID_EBX, CPUID_ECX, CPUID_EDX, CPUID_REGS };

enum {
    CPUID_LEAVES = 256,
    CPUID_INDEXED = 1, /* flag: index counts; the number is KVM's */
    CPUID_MAX_XAPIC_CPUS = 255,
};

struct cpuid_leaf {
    uint32_t leaf, index, flags;
    uint32_t reg[CPUID_REGS];
};

struct cpuid_table {
    unsigned n;
    struct cpuid_leaf leaf[CPUID_LEAVES];
};

/* The vCPU that a table is for. */
struct cpuid_machine {
    unsigned cpus;
    uint32_t apic_id;
    bool tsc_deadline; /* KVM's local APIC has that timer mode */
    bool ext_dest;     /* messages carry 15 bits of destination */
};

/*
 * Turn KVM's offer into what the vCPU of machine shows. Idempotent. 0 or -ENOSPC with err filled
 * (a leaf that must exist finds no room).
 */
int cpuid_apply(struct cpuid_table *table, const struct cpuid_machine *machine, struct err *err);

/* NULL if there is none. index is ignored for leaves without indexes. */
struct cpuid_leaf *cpuid_find(struct cpuid_table *table, uint32_t leaf, uint32_t index);

/* Bits of guest-physical addresses, 32 at least. */
unsigned cpuid_phys_bits(struct cpuid_table *table);

#endif
