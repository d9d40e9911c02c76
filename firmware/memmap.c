// SPDX-License-Identifier: MIT
/*
 * Owns the memory map that guests are told. Refuses to know what is put where it says.
 */
#include "firmware/memmap.h"

#include <errno.h>

#include "vmm/base/bits.h"

enum { PAGE = 4096, RAM_LEAST = 0x200000 };

static void put(struct memmap *map, uint64_t base, uint64_t size, enum memmap_type type)
{
    if (size && map->n < MEMMAP_MAX)
        map->entry[map->n++] = (struct memmap_entry){base, size, type};
}

static int ram_check(const struct board *board, uint64_t acpi_size, struct err *err)
{
    const struct board_ram *low = &board->ram[0], *high = &board->ram[1];

    if (board->n_ram < 1 || board->n_ram > BOARD_RAM_MAX || low->base || low->size > 4 * GIB)
        return err_set(err, EINVAL, "guest RAM must start at 0 and continue above 4 GiB only");
    if (low->size < RAM_LEAST || acpi_size > low->size - RAM_LEAST)
        return err_set(err, EINVAL, "%llu KiB of guest RAM are too little; raise --mem",
                       (unsigned long long)(low->size / KIB));
    if (board->n_ram == 2 && (high->base < 4 * GIB || high->size - 1 > UINT64_MAX - high->base))
        return err_set(err, EINVAL, "high guest RAM must lie above 4 GiB");
    return 0;
}

int memmap_make(const struct board *board, uint64_t acpi_size, struct memmap *out, struct err *err)
{
    const int ret = ram_check(board, acpi_size, err);
    struct memmap map = {.acpi_size = acpi_size};

    if (ret < 0)
        return ret;
    map.acpi_base = (board->ram[0].size - acpi_size) & ~(uint64_t)(PAGE - 1);
    map.kernel_end = map.acpi_base;
    put(&map, 0, LOW_RAM_END, MEMMAP_RAM);
    put(&map, LOW_RAM_END, KERNEL_LOWEST - LOW_RAM_END, MEMMAP_RESERVED);
    put(&map, KERNEL_LOWEST, map.acpi_base - KERNEL_LOWEST, MEMMAP_RAM);
    put(&map, map.acpi_base, board->ram[0].size - map.acpi_base, MEMMAP_ACPI);
    put(&map, board->pci.ecam_base, board->pci.ecam_size, MEMMAP_RESERVED);
    if (board->n_ram == 2)
        put(&map, board->ram[1].base, board->ram[1].size, MEMMAP_RAM);
    *out = map;
    return 0;
}

uint64_t memmap_highest(const struct memmap *map, uint64_t size, uint64_t above, uint64_t limit)
{
    const uint64_t end = min_u64(limit, map->kernel_end);
    uint64_t at;

    if (size > end)
        return 0;
    at = (end - size) & ~(uint64_t)(PAGE - 1);
    return at >= above ? at : 0;
}
