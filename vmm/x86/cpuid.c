// SPDX-License-Identifier: MIT
/*
 * Owns what CPUID tells a guest. Refuses to know how KVM is asked and told.
 * Leaf and bit names: Intel SDM volume 2 (CPUID), AMD APM volume 3 appendix E, Linux
 * Documentation/virt/kvm/x86/cpuid.rst.
 */
#include "vmm/x86/cpuid.h"

#include <errno.h>
#include <string.h>

#include "vmm/base/bits.h"

enum {
    LEAF_BASIC = 0,
    LEAF_FEATURES = 1,
    LEAF_CACHES = 4,
    LEAF_PERFMON = 0xa,
    LEAF_TOPOLOGY = 0xb,
    LEAF_TOPOLOGY_2 = 0x1f,
};

#define LEAF_KVM_FEATURES 0x40000001u
#define LEAF_EXT_FEATURES 0x80000001u
#define LEAF_ADDRESSES    0x80000008u
#define LEAF_SVM          0x8000000au
#define LEAF_AMD_CACHES   0x8000001du
#define LEAF_AMD_TOPOLOGY 0x8000001eu
#define LEAF_SEV          0x8000001fu
#define LEAF_AMD_PERFMON  0x80000022u
#define ANY_INDEX         UINT32_MAX
#define ALL               UINT32_MAX

/* When a row holds: all of its conditions. */
enum {
    ALWAYS = 0,
    SMP = 1 << 0,
    SINGLE = 1 << 1,
    DEADLINE = 1 << 2,
    NO_DEADLINE = 1 << 3,
    EXT_DEST = 1 << 4,
    NO_EXT_DEST = 1 << 5,
    AMD = 1 << 6,
    INTEL = 1 << 7,
};

struct row {
    unsigned when;
    uint32_t leaf, index;
    enum cpuid_reg reg;
    uint32_t clear, set;
    const char *why;
};

static const struct row rows[] = {
    {ALWAYS, LEAF_FEATURES, 0, CPUID_ECX, 0, BIT32(31), "hypervisor: kvmclock is looked for"},
    {ALWAYS, LEAF_FEATURES, 0, CPUID_ECX, 0, BIT32(21), "x2APIC: KVM's local APIC always has it"},
    {DEADLINE, LEAF_FEATURES, 0, CPUID_ECX, 0, BIT32(24), "TSC deadline timer: KVM has it"},
    {NO_DEADLINE, LEAF_FEATURES, 0, CPUID_ECX, BIT32(24), 0, "TSC deadline timer: KVM has none"},
    {ALWAYS, LEAF_FEATURES, 0, CPUID_ECX, BIT32(5), 0,
     "VMX: a restart could not leave nested mode"},
    {ALWAYS, LEAF_FEATURES, 0, CPUID_ECX, BIT32(3), 0, "MONITOR: an idle guest must exit"},
    {ALWAYS, LEAF_FEATURES, 0, CPUID_ECX, BIT32(15), 0, "PDCM: there are no counters"},
    {SMP, LEAF_FEATURES, 0, CPUID_EDX, 0, BIT32(28), "HTT: leaf 1 and 4 count processors"},
    {SINGLE, LEAF_FEATURES, 0, CPUID_EDX, BIT32(28), 0, "HTT: one processor"},
    {ALWAYS, 7, 0, CPUID_EDX, BIT32(22) | BIT32(24) | BIT32(25), 0,
     "AMX: its state needs a permission that vmm does not ask for"},
    {ALWAYS, LEAF_PERFMON, ANY_INDEX, CPUID_EAX, ALL, 0, "no performance counters"},
    {ALWAYS, LEAF_PERFMON, ANY_INDEX, CPUID_EBX, ALL, 0, "no performance counters"},
    {ALWAYS, LEAF_PERFMON, ANY_INDEX, CPUID_ECX, ALL, 0, "no performance counters"},
    {ALWAYS, LEAF_PERFMON, ANY_INDEX, CPUID_EDX, ALL, 0, "no performance counters"},
    {ALWAYS, LEAF_AMD_PERFMON, ANY_INDEX, CPUID_EAX, ALL, 0, "no performance counters"},
    {ALWAYS, LEAF_AMD_PERFMON, ANY_INDEX, CPUID_EBX, ALL, 0, "no performance counters"},
    {ALWAYS, LEAF_EXT_FEATURES, 0, CPUID_ECX, BIT32(23) | BIT32(24) | BIT32(28), 0,
     "AMD's counters: none either"},
    {ALWAYS, LEAF_EXT_FEATURES, 0, CPUID_ECX, BIT32(2), 0,
     "SVM: a restart could not leave nested mode"},
    {AMD | SMP, LEAF_EXT_FEATURES, 0, CPUID_ECX, 0, BIT32(1),
     "bit 1 of AMD: processors are cores, not threads"},
    {AMD | SINGLE, LEAF_EXT_FEATURES, 0, CPUID_ECX, BIT32(1), 0, "bit 1 of AMD: one processor"},
    {ALWAYS, LEAF_SVM, ANY_INDEX, CPUID_EAX, ALL, 0, "no SVM"},
    {ALWAYS, LEAF_SVM, ANY_INDEX, CPUID_EBX, ALL, 0, "no SVM"},
    {ALWAYS, LEAF_SVM, ANY_INDEX, CPUID_EDX, ALL, 0, "no SVM"},
    {ALWAYS, LEAF_SEV, ANY_INDEX, CPUID_EAX, ALL, 0, "no memory encryption"},
    {ALWAYS, LEAF_SEV, ANY_INDEX, CPUID_EBX, ALL, 0, "no memory encryption"},
    {EXT_DEST, LEAF_KVM_FEATURES, 0, CPUID_EAX, 0, BIT32(15),
     "MSI_EXT_DEST_ID: more than 255 processors"},
    {NO_EXT_DEST, LEAF_KVM_FEATURES, 0, CPUID_EAX, BIT32(15), 0,
     "MSI_EXT_DEST_ID: 8 bits are enough"},
    {ALWAYS, LEAF_KVM_FEATURES, 0, CPUID_EAX, BIT32(16) | BIT32(17), 0,
     "hypercalls that user space would have to serve"},
};

struct cpuid_leaf *cpuid_find(struct cpuid_table *table, uint32_t leaf, uint32_t index)
{
    for (unsigned i = 0; i < table->n; i++) {
        struct cpuid_leaf *l = &table->leaf[i];

        if (l->leaf == leaf && (!(l->flags & CPUID_INDEXED) || l->index == index))
            return l;
    }
    return NULL;
}

static struct cpuid_leaf *leaf_make(struct cpuid_table *table, uint32_t leaf, uint32_t index,
                                    uint32_t flags)
{
    struct cpuid_leaf *l = cpuid_find(table, leaf, index);

    if (!l && table->n < CPUID_LEAVES) {
        l = &table->leaf[table->n++];
        *l = (struct cpuid_leaf){.leaf = leaf, .index = index};
    }
    if (l)
        l->flags |= flags;
    return l;
}

static void leaf_drop(struct cpuid_table *table, uint32_t leaf)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < table->n; i++)
        if (table->leaf[i].leaf != leaf)
            table->leaf[kept++] = table->leaf[i];
    table->n = kept;
}

static bool vendor_is_amd(struct cpuid_table *table)
{
    const struct cpuid_leaf *l = cpuid_find(table, LEAF_BASIC, 0);
    char vendor[12];

    if (!l)
        return false;
    memcpy(vendor, &l->reg[CPUID_EBX], 4);
    memcpy(vendor + 4, &l->reg[CPUID_EDX], 4);
    memcpy(vendor + 8, &l->reg[CPUID_ECX], 4);
    return !memcmp(vendor, "AuthenticAMD", 12) || !memcmp(vendor, "HygonGenuine", 12);
}

static unsigned conditions(struct cpuid_table *table, const struct cpuid_machine *m)
{
    return (m->cpus > 1 ? (unsigned)SMP : (unsigned)SINGLE) |
           (m->tsc_deadline ? (unsigned)DEADLINE : (unsigned)NO_DEADLINE) |
           (m->ext_dest ? (unsigned)EXT_DEST : (unsigned)NO_EXT_DEST) |
           (vendor_is_amd(table) ? (unsigned)AMD : (unsigned)INTEL);
}

static void row_apply(struct cpuid_table *table, const struct row *row)
{
    for (unsigned i = 0; i < table->n; i++) {
        struct cpuid_leaf *l = &table->leaf[i];
        const bool all = row->index == ANY_INDEX || !(l->flags & CPUID_INDEXED);

        if (l->leaf == row->leaf && (all || l->index == row->index))
            l->reg[row->reg] = (l->reg[row->reg] & ~row->clear) | row->set;
    }
}

/* ---- topology ---- */

/* How many low bits of an APIC id number n processors? */
static unsigned id_bits(unsigned n)
{
    unsigned bits = 0;

    while ((UINT64_C(1) << bits) < n)
        bits++;
    return bits;
}

static uint32_t field(uint32_t reg, unsigned low, unsigned width, uint32_t v)
{
    const uint32_t mask = (uint32_t)((BIT64(width) - 1) << low);

    return (reg & ~mask) | ((v << low) & mask);
}

static void topo_features(struct cpuid_leaf *l, const struct cpuid_machine *m)
{
    l->reg[CPUID_EBX] = field(l->reg[CPUID_EBX], 24, 8, m->apic_id);
    l->reg[CPUID_EBX] = field(l->reg[CPUID_EBX], 16, 8, (uint32_t)min_u64(m->cpus, 255));
}

/* EAX as leaf 4 and 0x8000001D share it: level 3 is everybody's, the others a core's own. */
static uint32_t cache_sharers(uint32_t eax, const struct cpuid_machine *m)
{
    const unsigned level = (eax >> 5) & 7;
    const uint32_t ids = (uint32_t)min_u64(BIT64(id_bits(m->cpus)), 4096);

    return field(eax, 14, 12, level >= 3 ? ids - 1 : 0);
}

static void topo_caches(struct cpuid_leaf *l, const struct cpuid_machine *m)
{
    if (!(l->reg[CPUID_EAX] & 0x1f)) /* no cache: the end of the list */
        return;
    l->reg[CPUID_EAX] = cache_sharers(l->reg[CPUID_EAX], m);
    l->reg[CPUID_EAX] =
        field(l->reg[CPUID_EAX], 26, 6, (uint32_t)min_u64(BIT64(id_bits(m->cpus)), 64) - 1);
}

static void topo_amd_caches(struct cpuid_leaf *l, const struct cpuid_machine *m)
{
    if (l->reg[CPUID_EAX] & 0x1f)
        l->reg[CPUID_EAX] = cache_sharers(l->reg[CPUID_EAX], m);
}

static void topo_addresses(struct cpuid_leaf *l, const struct cpuid_machine *m)
{
    l->reg[CPUID_ECX] = field(l->reg[CPUID_ECX], 0, 8, (uint32_t)min_u64(m->cpus - 1, 255));
    l->reg[CPUID_ECX] = field(l->reg[CPUID_ECX], 12, 4, id_bits(m->cpus));
}

static void topo_amd_core(struct cpuid_leaf *l, const struct cpuid_machine *m)
{
    l->reg[CPUID_EAX] = m->apic_id;
    l->reg[CPUID_EBX] = m->apic_id & 0xff; /* core; one thread each */
    l->reg[CPUID_ECX] = 0;                 /* node 0 of 1 */
    l->reg[CPUID_EDX] = 0;
}

/* Leaves of which every index that KVM offers is corrected. */
static const struct {
    unsigned when;
    uint32_t leaf;
    void (*fix)(struct cpuid_leaf *l, const struct cpuid_machine *m);
} topology[] = {
    {ALWAYS, LEAF_FEATURES, topo_features},  {INTEL, LEAF_CACHES, topo_caches},
    {AMD, LEAF_AMD_CACHES, topo_amd_caches}, {AMD, LEAF_ADDRESSES, topo_addresses},
    {AMD, LEAF_AMD_TOPOLOGY, topo_amd_core},
};

/* Levels: thread (one), core (all). Linux stops at a level of type 0. */
static int topo_extended(struct cpuid_table *table, uint32_t leaf, const struct cpuid_machine *m)
{
    const uint32_t level[][3] = {
        {0, 1, 1},                      /* EAX: bits of the id below the next level, */
        {id_bits(m->cpus), m->cpus, 2}, /* EBX: processors in it, ECX: its type */
        {0, 0, 0},
    };

    leaf_drop(table, leaf);
    for (uint32_t i = 0; i < ARRAY_SIZE(level); i++) {
        struct cpuid_leaf *l = leaf_make(table, leaf, i, CPUID_INDEXED);

        if (!l)
            return -ENOSPC;
        l->reg[CPUID_EAX] = level[i][0];
        l->reg[CPUID_EBX] = level[i][1];
        l->reg[CPUID_ECX] = level[i][2] << 8 | i;
        l->reg[CPUID_EDX] = m->apic_id;
    }
    return 0;
}

static int topo_all(struct cpuid_table *table, const struct cpuid_machine *m, unsigned when)
{
    struct cpuid_leaf *basic = leaf_make(table, LEAF_BASIC, 0, 0);
    int got;

    if (!basic)
        return -ENOSPC;
    basic->reg[CPUID_EAX] = (uint32_t)max_u64(basic->reg[CPUID_EAX], LEAF_TOPOLOGY);
    for (unsigned i = 0; i < table->n; i++)
        for (unsigned t = 0; t < ARRAY_SIZE(topology); t++)
            if (topology[t].leaf == table->leaf[i].leaf && !(topology[t].when & ~when))
                topology[t].fix(&table->leaf[i], m);
    got = topo_extended(table, LEAF_TOPOLOGY, m);
    basic = cpuid_find(table, LEAF_BASIC, 0);
    if (!got && basic && basic->reg[CPUID_EAX] >= LEAF_TOPOLOGY_2)
        got = topo_extended(table, LEAF_TOPOLOGY_2, m);
    return got;
}

int cpuid_apply(struct cpuid_table *table, const struct cpuid_machine *machine, struct err *err)
{
    const unsigned when = conditions(table, machine);
    const bool ok = leaf_make(table, LEAF_FEATURES, 0, 0);

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        if (!(rows[i].when & ~when))
            row_apply(table, &rows[i]);
    if (!ok || topo_all(table, machine, when))
        return err_set(err, ENOSPC,
                       "KVM reports so many CPUID leaves that there is no room for "
                       "the topology of the machine");
    return 0;
}

unsigned cpuid_phys_bits(struct cpuid_table *table)
{
    const struct cpuid_leaf *l = cpuid_find(table, LEAF_ADDRESSES, 0);
    uint32_t host, guest;

    if (!l)
        return 36; /* what processors without that leaf have */
    host = l->reg[CPUID_EAX] & 0xff;
    guest = l->reg[CPUID_EAX] >> 16 & 0xff; /* 0, or less than the host's where paging is nested */
    if (guest && guest < host)
        host = guest;
    return host < 32 ? 32 : host;
}
