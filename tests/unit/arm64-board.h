/* SPDX-License-Identifier: MIT */
/* A board as the arm64 machine's, and its RAM, without a machine. */
#ifndef TESTS_UNIT_ARM64_BOARD_H
#define TESTS_UNIT_ARM64_BOARD_H

#include "firmware/board.h"
#include "vmm/arm64/layout.h"
#include "vmm/base/bits.h"
#include "vmm/base/gmem.h"

struct arm64_guest {
    struct board board;
    struct gmem mem;
    uint32_t cpu_id[20];
};

/* its: or else a v2m frame. No RAM is made if ram is 0. */
static inline void arm64_guest_make(struct arm64_guest *g, uint64_t ram, unsigned cpus,
                                    unsigned gic, bool its)
{
    struct err err = {""};
    struct board *b = &g->board;

    *g = (struct arm64_guest){
        .board = {.ram = {{ARM64_RAM_BASE, ram ? ram : GIB}},
                  .n_ram = 1,
                  .cpus = cpus,
                  .pci = {.ecam_base = ARM64_ECAM_BASE,
                          .ecam_size = ARM64_ECAM_SIZE,
                          .mem32_base = ARM64_MEM32_BASE,
                          .mem32_size = ARM64_MEM32_SIZE,
                          .mem64_base = 4 * GIB,
                          .mem64_size = 64 * GIB,
                          .io_base = ARM64_PIO_FIRST,
                          .io_size = ARM64_PIO_SIZE - ARM64_PIO_FIRST,
                          .io_cpu_base = ARM64_PIO_BASE,
                          .intx_gsi = {ARM64_SPI_INTX, ARM64_SPI_INTX + 1, ARM64_SPI_INTX + 2,
                                       ARM64_SPI_INTX + 3}},
                  .gic = {.version = gic, .dist = {ARM64_GICD_BASE, ARM64_GICD_SIZE}},
                  .uart = {ARM64_UART_BASE, ARM64_SPI_UART},
                  .clock = {ARM64_RTC_BASE, ARM64_SPI_RTC},
                  .gpio = {ARM64_GPIO_BASE, ARM64_SPI_GPIO},
                  .power_line = ARM64_POWER_LINE},
    };
    if (gic == 3)
        b->gic.cpu = (struct board_range){ARM64_GICR_BASE, (uint64_t)cpus * ARM64_GICR_SIZE};
    else
        b->gic.cpu = (struct board_range){ARM64_GICC_BASE, ARM64_GICC_SIZE};
    if (its)
        b->gic.its = (struct board_range){ARM64_ITS_BASE, ARM64_ITS_SIZE};
    else
        b->gic.v2m = (struct board_range){ARM64_V2M_BASE, ARM64_V2M_SIZE};
    for (unsigned i = 0; i < cpus; i++)
        g->cpu_id[i] = (i & 15) | (i >> 4) << 8;
    b->cpu_id = g->cpu_id;
    if (ram && gmem_alloc(&g->mem, ARM64_RAM_BASE, ram, &err) < 0)
        fail_msg("%s", err.text);
}

static inline void arm64_guest_free(struct arm64_guest *g)
{
    gmem_free(&g->mem);
}

#endif
