// SPDX-License-Identifier: MIT
/*
 * Owns the address map of the x86 machine: RAM around the hole below 4 GiB, windows, interrupt
 * controllers, ports and line numbers. Refuses to know what answers there.
 *
 *   0 .. 3 GiB            RAM
 *   3 GiB .. 0xe7ffffff   BARs below 4 GiB
 *   0xe8000000            ECAM of bus 0
 *   0xfec00000            IOAPIC; local APIC at 0xfee00000; KVM's own pages from 0xfeffc000
 *   4 GiB ..              the rest of RAM, then, from a whole GiB on, 64-bit BARs
 */
#include <errno.h>
#include <string.h>

#include "vmm/arch.h"
#include "vmm/base/bits.h"
#include "vmm/x86/x86.h"

#define HOLE_BASE   UINT64_C(0xc0000000)
#define ECAM_BASE   UINT64_C(0xe8000000)
#define HIGH_BASE   (4 * GIB)
#define MEM64_LIMIT (64 * GIB) /* far more than our devices need */

enum { ADDRESS_BITS_MAX = 52 };

static const struct board board_model = {
    .ioapic_base = 0xfec00000,
    .lapic_base = 0xfee00000,
    .pci = {.ecam_base = ECAM_BASE,
            .ecam_size = MIB,
            .bus_first = 0,
            .bus_last = 0,
            .mem32_base = HOLE_BASE,
            .mem32_size = ECAM_BASE - HOLE_BASE,
            .io_base = 0x1000,
            .io_size = 0xf000,
            .config_port = 0xcf8,
            .intx_gsi = {16, 17, 18, 19}},
    .serial = {.port = 0x3f8, .gsi = 4},
    .rtc = {.port = 0x70, .gsi = 8},
    .sleep_control_port = 0x600,
    .sleep_status_port = 0x601,
    .s5_type = 5,
    .reset_port = 0xcf9,
    .reset_value = 6, /* reset the CPU, and hard */
    .power_gsi = 9,
};

static void ram_place(struct board *board, uint64_t ram_size)
{
    board->ram[0] = (struct board_ram){0, min_u64(ram_size, HOLE_BASE)};
    board->n_ram = 1;
    if (ram_size > HOLE_BASE)
        board->ram[board->n_ram++] = (struct board_ram){HIGH_BASE, ram_size - HOLE_BASE};
}

static void mem64_place(struct board_pci *pci, uint64_t ram_end, uint64_t limit)
{
    const uint64_t base = align_up(max_u64(ram_end, HIGH_BASE), GIB);

    if (base >= limit)
        return;
    pci->mem64_base = base;
    pci->mem64_size = min_u64(limit - base, MEM64_LIMIT);
}

uint64_t arch_pio_base(void)
{
    return 0;
}

bool arch_boot_screen(void)
{
    return true;
}

/* limit: the first address that processors do not have. */
static void board_fill(struct board *board, uint64_t ram_size, uint64_t limit, unsigned cpus,
                       uint32_t *cpu_id)
{
    *board = board_model;
    ram_place(board, ram_size);
    mem64_place(&board->pci, board->ram[board->n_ram - 1].base + board->ram[board->n_ram - 1].size,
                limit);
    for (unsigned i = 0; i < cpus; i++)
        cpu_id[i] = i;
    board->cpus = cpus;
    board->cpu_id = cpu_id;
}

void arch_board_alone(uint64_t ram_size, unsigned cpus, uint32_t *cpu_id, struct board *board)
{
    board_fill(board, ram_size, BIT64(ADDRESS_BITS_MAX), cpus, cpu_id);
}

int arch_board(const struct kvm *kvm, uint64_t ram_size, unsigned cpus, uint32_t *cpu_id,
               struct board *board, struct err *err)
{
    const unsigned cpus_max = (unsigned)min_u64(kvm_max_vcpus(kvm), BOARD_CPUS_MAX);
    struct cpuid_table table;
    uint64_t limit, ram_max;
    int got;

    if (!cpus || cpus > cpus_max)
        return err_set(err, EINVAL, "%u cpus are not possible: this host's KVM allows 1 to %u",
                       cpus, cpus_max);
    got = x86_cpuid_offer(kvm, &table, err);
    if (got)
        return got;
    limit = BIT64(min_u64(cpuid_phys_bits(&table), ADDRESS_BITS_MAX));
    ram_max = limit > HIGH_BASE ? limit - (HIGH_BASE - HOLE_BASE) : HOLE_BASE;
    if (!ram_size || ram_size % (4 * KIB) || ram_size > ram_max)
        return err_set(err, EINVAL,
                       "%llu bytes of RAM are not possible: whole pages up to %llu MiB are, which "
                       "is what this host's processor can address",
                       (unsigned long long)ram_size, (unsigned long long)(ram_max / MIB));
    board_fill(board, ram_size, limit, cpus, cpu_id);
    return 0;
}
