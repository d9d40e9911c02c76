// SPDX-License-Identifier: MIT
/*
 * Owns which machine is laid out of the numbers in layout.h: how much RAM, how many processors,
 * which interrupt controllers this host's KVM has. Refuses to know what answers there.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <string.h>

#include "vmm/arch.h"
#include "vmm/arm64/arm64.h"
#include "vmm/arm64/layout.h"
#include "vmm/base/bits.h"

/* What a virtual machine has without asking for more: KVM_VM_TYPE_ARM_IPA_SIZE. */
#define ADDRESS_LIMIT BIT64(40)
#define MEM64_LEAST   (4 * GIB)
#define MEM64_MOST    (64 * GIB) /* far more than our devices need */

enum { GICV2_CPUS = 8 };

static const struct board board_model = {
    .pci = {.ecam_base = ARM64_ECAM_BASE,
            .ecam_size = ARM64_ECAM_SIZE,
            .bus_first = 0,
            .bus_last = 0,
            .mem32_base = ARM64_MEM32_BASE,
            .mem32_size = ARM64_MEM32_SIZE,
            .io_base = ARM64_PIO_FIRST,
            .io_size = ARM64_PIO_SIZE - ARM64_PIO_FIRST,
            .io_cpu_base = ARM64_PIO_BASE,
            .intx_gsi = {ARM64_SPI_INTX, ARM64_SPI_INTX + 1, ARM64_SPI_INTX + 2,
                         ARM64_SPI_INTX + 3}},
    .gic = {.dist = {ARM64_GICD_BASE, ARM64_GICD_SIZE}},
    .uart = {ARM64_UART_BASE, ARM64_SPI_UART},
    .clock = {ARM64_RTC_BASE, ARM64_SPI_RTC},
    .gpio = {ARM64_GPIO_BASE, ARM64_SPI_GPIO},
    .power_line = ARM64_POWER_LINE,
};

static void gic_place(const struct kvm *kvm, unsigned cpus, struct board_gic *gic)
{
    gic->version = kvm_device_known(kvm, KVM_DEV_TYPE_ARM_VGIC_V3) ? 3 : 2;
    if (gic->version == 3)
        gic->cpu = (struct board_range){ARM64_GICR_BASE, (uint64_t)cpus * ARM64_GICR_SIZE};
    else
        gic->cpu = (struct board_range){ARM64_GICC_BASE, ARM64_GICC_SIZE};
    if (arm64_has_its(kvm)) {
        gic->its = (struct board_range){ARM64_ITS_BASE, ARM64_ITS_SIZE};
        return;
    }
    gic->v2m = (struct board_range){ARM64_V2M_BASE, ARM64_V2M_SIZE};
    gic->v2m_first = ARM64_SPI_V2M;
    gic->v2m_count = ARM64_SPI_V2M_N;
}

static unsigned cpus_most(const struct kvm *kvm, unsigned gic_version)
{
    const unsigned room = (ARM64_MEM32_BASE - ARM64_GICR_BASE) / ARM64_GICR_SIZE;

    return (unsigned)min_u64(kvm_max_vcpus(kvm), gic_version == 2 ? GICV2_CPUS : room);
}

/* KVM numbers vCPUs in clusters of 16. */
static uint32_t cpu_affinity(unsigned i)
{
    return (i & 15) | (i >> 4 & 0xff) << 8 | i >> 12 << 16;
}

/* What does not depend on the host; board has its interrupt controllers. */
static void board_fill(struct board *board, uint64_t ram_size, unsigned cpus, uint32_t *cpu_id)
{
    board->ram[0] = (struct board_ram){ARM64_RAM_BASE, ram_size};
    board->n_ram = 1;
    board->pci.mem64_base = align_up(max_u64(ARM64_RAM_BASE + ram_size, MEM64_LEAST), GIB);
    if (board->pci.mem64_base < ADDRESS_LIMIT)
        board->pci.mem64_size = min_u64(ADDRESS_LIMIT - board->pci.mem64_base, MEM64_MOST);
    for (unsigned i = 0; i < cpus; i++)
        cpu_id[i] = cpu_affinity(i);
    board->cpus = cpus;
    board->cpu_id = cpu_id;
}

void arch_board_alone(uint64_t ram_size, unsigned cpus, uint32_t *cpu_id, struct board *board)
{
    *board = board_model;
    board->gic.version = 3;
    board->gic.cpu = (struct board_range){ARM64_GICR_BASE, (uint64_t)cpus * ARM64_GICR_SIZE};
    board->gic.its = (struct board_range){ARM64_ITS_BASE, ARM64_ITS_SIZE};
    board_fill(board, ram_size, cpus, cpu_id);
}

int arch_board(const struct kvm *kvm, uint64_t ram_size, unsigned cpus, uint32_t *cpu_id,
               struct board *board, struct err *err)
{
    const uint64_t ram_max = ADDRESS_LIMIT - ARM64_RAM_BASE;
    unsigned most;

    *board = board_model;
    gic_place(kvm, cpus, &board->gic);
    most = cpus_most(kvm, board->gic.version);
    if (!cpus || cpus > most)
        return err_set(err, EINVAL, "%u cpus are not possible: this host's KVM allows 1 to %u",
                       cpus, most);
    if (!ram_size || ram_size % (4 * KIB) || ram_size > ram_max)
        return err_set(err, EINVAL,
                       "%llu bytes of RAM are not possible: whole pages up to %llu MiB are",
                       (unsigned long long)ram_size, (unsigned long long)(ram_max / MIB));
    board_fill(board, ram_size, cpus, cpu_id);
    return 0;
}

uint64_t arch_pio_base(void)
{
    return ARM64_PIO_BASE;
}

/* Linux gives BARs new places here. */
bool arch_boot_screen(void)
{
    return false;
}
