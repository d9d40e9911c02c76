/* SPDX-License-Identifier: MIT */
/*
 * The address map of the arm64 machine, as plain numbers: the machine, the device tree and guests
 * without a kernel (tests/guest/big-endian, C and assembly) read them here. A guest with a device
 * tree should read that instead.
 *
 *   0x08000000  GIC: distributor, CPU interface (GICv2 only), v2m frame (without ITS only), ITS
 *   0x09000000  PL011 UART, PL031 clock, PL061 GPIO with the power key on line 3
 *   0x0a000000  GICv3 redistributors, 128 KiB per CPU
 *   0x10000000  BARs below 4 GiB: CPU addresses are bus addresses
 *   0x3eff0000  ports: bus port n is at this address + n; BARs go from port 0x1000 on
 *   0x3f000000  ECAM of bus 0 (the only one): function devfn at + devfn * 4096
 *   0x40000000  RAM, all of it in one piece
 *   above RAM   from a whole GiB on, and not below 4 GiB, 64-bit BARs
 *
 * Interrupt numbers are those of shared peripheral interrupts: n here is INTID 32 + n. INTx pin p
 * (0 is A) of slot s is SPI_INTX + (s + p) % 4, level-triggered.
 *
 * How a guest starts: the boot CPU at EL1 (little-endian, MMU and caches off, interrupts masked),
 * x0 the address of the device tree, x1 to x3 zero, at the entry of an ELF file, or at the start of
 * an Image, which stands at RAM_BASE + its text_offset. Further CPUs wait for PSCI's CPU_ON (HVC).
 */
#ifndef VMM_ARM64_LAYOUT_H
#define VMM_ARM64_LAYOUT_H

#define ARM64_GICD_BASE 0x08000000
#define ARM64_GICD_SIZE 0x00010000
#define ARM64_GICC_BASE 0x08010000
#define ARM64_GICC_SIZE 0x00010000
#define ARM64_V2M_BASE  0x08020000
#define ARM64_V2M_SIZE  0x00001000
#define ARM64_ITS_BASE  0x08080000
#define ARM64_ITS_SIZE  0x00020000
#define ARM64_GICR_BASE 0x0a000000
#define ARM64_GICR_SIZE 0x00020000 /* per CPU */

#define ARM64_UART_BASE 0x09000000 /* each 4 KiB */
#define ARM64_RTC_BASE  0x09010000
#define ARM64_GPIO_BASE 0x09020000

#define ARM64_MEM32_BASE 0x10000000
#define ARM64_MEM32_SIZE 0x2e000000
#define ARM64_PIO_BASE   0x3eff0000 /* the CPU's address of port 0 */
#define ARM64_PIO_SIZE   0x00010000
#define ARM64_PIO_FIRST  0x1000 /* the first port for BARs */
#define ARM64_ECAM_BASE  0x3f000000
#define ARM64_ECAM_SIZE  0x00100000
#define ARM64_RAM_BASE   0x40000000

#define ARM64_SPI_UART   1
#define ARM64_SPI_RTC    2
#define ARM64_SPI_GPIO   3
#define ARM64_SPI_INTX   4  /* and the next three */
#define ARM64_SPI_V2M    32 /* the first of those for messages, where there is no ITS */
#define ARM64_SPI_V2M_N  128
#define ARM64_INTIDS     256 /* in all */
#define ARM64_POWER_LINE 3   /* of the GPIO */

#endif
