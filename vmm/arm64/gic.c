// SPDX-License-Identifier: MIT
/*
 * Owns KVM's interrupt controllers for arm64 (GICv3 with ITS, or what of it this host has), the
 * form of lines and messages, and how they are put back to power-on. Refuses to know who raises
 * them. Registers: Arm IHI 0069 (GICv3), IHI 0048 (GICv2); Linux Documentation/virt/kvm/devices/.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>

#include "vmm/arch.h"
#include "vmm/arm64/arm64.h"
#include "vmm/arm64/layout.h"
#include "vmm/base/bits.h"

enum {
    LINES = 32,          /* of platform devices and INTx */
    SPI_FIRST = 32,      /* as INTID */
    AFFINITY_SHIFT = 32, /* where KVM's attributes have it */
    ITS_TRANSLATER = 0x10040,
    V2M_SETSPI = 0x40,
};

const struct kvm_need arch_needs[] = {
    {KVM_CAP_DEVICE_CTRL, "KVM_CAP_DEVICE_CTRL"},
    {KVM_CAP_ONE_REG, "KVM_CAP_ONE_REG"},
    {KVM_CAP_ARM_PSCI_0_2, "KVM_CAP_ARM_PSCI_0_2"},
    {0, NULL},
};

const char *const arch_kvm_missing =
    "the kernel must have been started at EL2 (hypervisor mode) to have KVM";

/* There is no arm64 KVM that emulates. */
void arch_host_check(void)
{
}

/* ---- devices ---- */

/* #ioctls:main KVM_SET_DEVICE_ATTR */
static int attr_set(int fd, uint32_t group, uint64_t attr, const void *value)
{
    const struct kvm_device_attr arg = {.group = group, .attr = attr, .addr = (uintptr_t)value};

    return kvm_fd_ioctl(fd, KVM_SET_DEVICE_ATTR, (void *)(uintptr_t)&arg);
}

static int gic_fd(const struct kvm *kvm)
{
    const int fd = kvm_device(kvm, KVM_DEV_TYPE_ARM_VGIC_V3);

    return fd >= 0 ? fd : kvm_device(kvm, KVM_DEV_TYPE_ARM_VGIC_V2);
}

bool arm64_has_its(const struct kvm *kvm)
{
    return kvm_device_known(kvm, KVM_DEV_TYPE_ARM_VGIC_V3) &&
           kvm_device_known(kvm, KVM_DEV_TYPE_ARM_VGIC_ITS);
}

static int addresses_set(int fd, bool v3)
{
    const uint64_t dist = ARM64_GICD_BASE, cpu = v3 ? ARM64_GICR_BASE : ARM64_GICC_BASE;
    const uint32_t group = KVM_DEV_ARM_VGIC_GRP_ADDR;
    const int got =
        attr_set(fd, group, v3 ? KVM_VGIC_V3_ADDR_TYPE_DIST : KVM_VGIC_V2_ADDR_TYPE_DIST, &dist);

    return got < 0 || v3 ? got : attr_set(fd, group, KVM_VGIC_V2_ADDR_TYPE_CPU, &cpu);
}

/* Redistributors as one region of so many, for more than one region's worth of vCPUs too. */
static int redists_set(int fd, unsigned cpus)
{
    const uint64_t region = (uint64_t)cpus << 52 | ARM64_GICR_BASE;

    return attr_set(fd, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_V3_ADDR_TYPE_REDIST_REGION, &region);
}

static int its_make(struct kvm *kvm, struct err *err)
{
    const uint64_t base = ARM64_ITS_BASE;
    const int fd = kvm_device_create(kvm, KVM_DEV_TYPE_ARM_VGIC_ITS, err);
    int got;

    if (fd < 0)
        return fd;
    got = attr_set(fd, KVM_DEV_ARM_VGIC_GRP_ADDR, KVM_VGIC_ITS_ADDR_TYPE, &base);
    return got < 0 ? err_errno(err, -got, "KVM cannot set up the ITS") : 0;
}

/* Accesses that hardware does not describe come to us; else they would end KVM_RUN with an error.
 */
static void undecoded_ask(const struct kvm *kvm)
{
    struct kvm_enable_cap cap = {.cap = KVM_CAP_ARM_NISV_TO_USER};

    if (kvm_cap(kvm, KVM_CAP_ARM_NISV_TO_USER) > 0)
        kvm_vm_ioctl(kvm, KVM_ENABLE_CAP, &cap);
}

int arch_vm_setup(struct kvm *kvm, unsigned cpus, struct err *err)
{
    const bool v3 = kvm_device_known(kvm, KVM_DEV_TYPE_ARM_VGIC_V3);
    const uint32_t intids = ARM64_INTIDS;
    const int fd =
        kvm_device_create(kvm, v3 ? KVM_DEV_TYPE_ARM_VGIC_V3 : KVM_DEV_TYPE_ARM_VGIC_V2, err);
    int got;

    if (fd < 0)
        return fd;
    undecoded_ask(kvm);
    got = addresses_set(fd, v3);
    if (got >= 0 && v3)
        got = redists_set(fd, cpus);
    if (got >= 0)
        got = attr_set(fd, KVM_DEV_ARM_VGIC_GRP_NR_IRQS, 0, &intids);
    if (got < 0)
        return err_errno(err, -got, "KVM cannot set up the interrupt controllers");
    return arm64_has_its(kvm) ? its_make(kvm, err) : 0;
}

int arm64_gic_finish(const struct kvm *kvm, struct err *err)
{
    const int its = kvm_device(kvm, KVM_DEV_TYPE_ARM_VGIC_ITS);
    int got = attr_set(gic_fd(kvm), KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, NULL);

    if (got >= 0 && its >= 0)
        got = attr_set(its, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_VGIC_CTRL_INIT, NULL);
    return got < 0 ? err_errno(err, -got, "KVM cannot start the interrupt controllers") : 0;
}

/* ---- lines and messages ---- */

uint32_t arch_line(uint32_t gsi)
{
    return KVM_ARM_IRQ_TYPE_SPI << KVM_ARM_IRQ_TYPE_SHIFT | (SPI_FIRST + gsi);
}

unsigned arch_line_routes(struct kvm_irq_routing_entry *rows, unsigned max)
{
    unsigned n;

    for (n = 0; n < LINES && n < max; n++)
        rows[n] = (struct kvm_irq_routing_entry){
            .gsi = n, .type = KVM_IRQ_ROUTING_IRQCHIP, .u.irqchip = {.irqchip = 0, .pin = n}};
    return n;
}

bool arch_msi_ext_dest(unsigned cpus)
{
    (void)cpus;
    return false;
}

/* To the ITS, which knows the device by its number; or to the v2m frame, whose data is an INTID. */
bool arch_msi_make(uint64_t addr, uint32_t data, bool ext_dest, struct arch_msi *msi)
{
    const uint32_t first = SPI_FIRST + ARM64_SPI_V2M;

    (void)ext_dest;
    *msi = (struct arch_msi){.address_lo = (uint32_t)addr,
                             .address_hi = (uint32_t)(addr >> 32),
                             .data = data,
                             .pin = -1};
    if (addr == ARM64_ITS_BASE + ITS_TRANSLATER) {
        msi->device = true;
        return true;
    }
    if (addr != ARM64_V2M_BASE + V2M_SETSPI || data < first || data >= first + ARM64_SPI_V2M_N)
        return false;
    msi->pin = (int)(data - SPI_FIRST);
    return true;
}

/* ---- power-on ---- */

/* Registers of one 32-bit word per count; values written by user space are taken as they are. */
struct gic_row {
    uint32_t offset, count, value;
};

enum { WORDS = ARM64_INTIDS / 32 };

static const struct gic_row dist_rows[] = {
    {0x000, 1, 0},                        /* CTLR */
    {0x184, WORDS - 1, UINT32_MAX},       /* ICENABLER */
    {0x204, WORDS - 1, 0},                /* ISPENDR */
    {0x384, WORDS - 1, UINT32_MAX},       /* ICACTIVER */
    {0x420, (ARM64_INTIDS - 32) / 4, 0},  /* IPRIORITYR */
    {0xc08, (ARM64_INTIDS - 32) / 16, 0}, /* ICFGR: level */
    {0x084, WORDS - 1, 0},                /* IGROUPR; KVM's GICv3 ignores it */
};

/* GICv3: behind each redistributor's first page, the registers of the CPU's own interrupts. */
static const struct gic_row redist_rows[] = {
    {0x00000, 1, 0},          /* CTLR: no LPIs */
    {0x10180, 1, UINT32_MAX}, /* ICENABLER0 */
    {0x10200, 1, 0},          /* ISPENDR0 */
    {0x10380, 1, UINT32_MAX}, /* ICACTIVER0 */
    {0x10400, 8, 0},          /* IPRIORITYR */
};

#define ICC(op1, crm, op2) (3 << 14 | (op1) << 11 | 12 << 7 | (crm) << 3 | (op2))

static const uint32_t cpu_rows[] = {
    3 << 14 | 0 << 11 | 4 << 7 | 6 << 3 | 0, /* ICC_PMR_EL1 */
    ICC(0, 12, 7),                           /* ICC_IGRPEN1_EL1 */
    ICC(0, 12, 6),                           /* ICC_IGRPEN0_EL1 */
    ICC(0, 9, 0),                            /* ICC_AP1R0_EL1 */
    ICC(0, 8, 4),                            /* ICC_AP0R0_EL1 */
};

static int rows_put(int fd, uint32_t group, const struct gic_row *row, size_t n, uint64_t who)
{
    int got = 0;

    for (size_t i = 0; got >= 0 && i < n; i++)
        for (uint32_t k = 0; got >= 0 && k < row[i].count; k++)
            got =
                attr_set(fd, group, who << AFFINITY_SHIFT | (row[i].offset + 4 * k), &row[i].value);
    return got;
}

static int cpu_put(int fd, uint64_t affinity)
{
    static const uint64_t nothing;
    int got = rows_put(fd, KVM_DEV_ARM_VGIC_GRP_REDIST_REGS, redist_rows, ARRAY_SIZE(redist_rows),
                       affinity);

    for (size_t i = 0; got >= 0 && i < ARRAY_SIZE(cpu_rows); i++)
        got = attr_set(fd, KVM_DEV_ARM_VGIC_GRP_CPU_SYSREGS,
                       affinity << AFFINITY_SHIFT | cpu_rows[i], &nothing);
    return got;
}

/* The affinity as KVM's attributes have it: Aff3.Aff2.Aff1.Aff0 */
static uint64_t cpu_who(unsigned i)
{
    return (i & 15) | (uint64_t)(i >> 4 & 0xff) << 8 | (uint64_t)(i >> 12) << 16;
}

int arm64_gic_cpu_reset(const struct kvm *kvm, unsigned cpu, struct err *err)
{
    const int fd = kvm_device(kvm, KVM_DEV_TYPE_ARM_VGIC_V3);
    const int got = fd < 0 ? 0 : cpu_put(fd, cpu_who(cpu));

    return got < 0 ? err_errno(err, -got, "KVM does not reset the interrupts of vCPU %u", cpu) : 0;
}

int arm64_gic_reset(const struct kvm *kvm, struct err *err)
{
    const int fd = gic_fd(kvm), its = kvm_device(kvm, KVM_DEV_TYPE_ARM_VGIC_ITS);
    const bool v3 = kvm_device(kvm, KVM_DEV_TYPE_ARM_VGIC_V3) >= 0;
    int got = 0;

    if (its >= 0) /* before the LPIs go: it has them mapped */
        got = attr_set(its, KVM_DEV_ARM_VGIC_GRP_CTRL, KVM_DEV_ARM_ITS_CTRL_RESET, NULL);
    if (got >= 0)
        got = rows_put(fd, KVM_DEV_ARM_VGIC_GRP_DIST_REGS, dist_rows,
                       ARRAY_SIZE(dist_rows) - (v3 ? 1 : 0), 0);
    return got < 0 ? err_errno(err, -got, "KVM does not reset the interrupt controllers") : 0;
}
