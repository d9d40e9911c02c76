// SPDX-License-Identifier: MIT
/* The map of all addresses to themselves, in blocks of 1 GiB, and memory for rings and buffers. */
#include "guest.h"

enum { BLOCKS = 512, GIB_SHIFT = 30, PAGE = 4096, POOL_PAGES = 512 };

/* A block's bits: valid, accessed, inner shareable; which kind by MAIR_EL1. */
#define BLOCK_BITS    (UINT64_C(1) | UINT64_C(3) << 8 | UINT64_C(1) << 10)
#define BLOCK_NO_EXEC (UINT64_C(3) << 53)
#define KIND(n)       ((uint64_t)(n) << 2)
#define MAIR          UINT64_C(0xff04) /* 0: device, nGnRE; 1: memory, write-back */
#define TCR_BITS \
    (UINT64_C(25) | UINT64_C(1) << 8 | UINT64_C(1) << 10 | UINT64_C(3) << 12 | UINT64_C(1) << 23)
#define SCTLR_ON (UINT64_C(1) | UINT64_C(1) << 2 | UINT64_C(1) << 12) /* MMU, caches */

static uint64_t table[BLOCKS] __attribute__((aligned(4096)));
static uint8_t pool[POOL_PAGES * PAGE] __attribute__((aligned(4096)));
static size_t pool_taken;

static bool is_memory(struct fdt_prop reg, uint64_t block)
{
    for (unsigned i = 0; i + 4 <= reg.len / 4; i += 4) {
        const uint64_t first = fdt_cell2(reg, i), last = first + fdt_cell2(reg, i + 2) - 1;

        if (block >= first >> GIB_SHIFT && block <= last >> GIB_SHIFT)
            return true;
    }
    return false;
}

void memory_map(const void *fdt)
{
    const uint32_t node = fdt_node(fdt, "device_type", "memory");
    const struct fdt_prop reg = fdt_prop(fdt, node, "reg");
    uint64_t range, tcr, sctlr;

    for (uint64_t i = 0; i < BLOCKS; i++)
        table[i] = i << GIB_SHIFT | BLOCK_BITS | (is_memory(reg, i) ? KIND(1) : BLOCK_NO_EXEC);
    __asm__("mrs %0, id_aa64mmfr0_el1" : "=r"(range));
    tcr = TCR_BITS | ((range & 15) > 5 ? 5 : range & 15) << 32;
    __asm__ volatile("dsb sy; msr mair_el1, %0; msr tcr_el1, %1; msr ttbr0_el1, %2" ::"r"(MAIR),
                     "r"(tcr), "r"(table)
                     : "memory");
    __asm__ volatile("isb; tlbi vmalle1; ic iallu; dsb sy; isb; mrs %0, sctlr_el1"
                     : "=r"(sctlr)::"memory");
    __asm__ volatile("msr sctlr_el1, %0; isb" ::"r"(sctlr | SCTLR_ON) : "memory");
}

void *memory_take(size_t size)
{
    uint8_t *at = pool + pool_taken;

    size = (size + PAGE - 1) & ~(size_t)(PAGE - 1);
    if (size > sizeof(pool) - pool_taken) {
        check(false, "memory is enough");
        guest_off();
    }
    pool_taken += size;
    __builtin_memset(at, 0, size);
    return at;
}

void memory_free_all(void)
{
    pool_taken = 0;
}
