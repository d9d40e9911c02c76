/* SPDX-License-Identifier: MIT */
/*
 * The machine as plain data: where RAM, interrupt controllers, buses and platform devices are.
 * machine.c fills one; ACPI tables (and later a device tree) and the kernel loaders are made from
 * it and from nothing else. No pointers into the machine, no behaviour.
 */
#ifndef FIRMWARE_BOARD_H
#define FIRMWARE_BOARD_H

#include <stdint.h>

enum { BOARD_INTX_LINES = 4, BOARD_RAM_MAX = 2, BOARD_CPUS_MAX = 4096 };

struct board_ram {
    uint64_t base, size; /* bytes, multiples of 4 KiB */
};

/* A port-mapped platform device. Its interrupt is edge-triggered, active high. gsi: see board. */
struct board_port_device {
    uint16_t port;
    uint32_t gsi;
};

/* A memory-mapped platform device: a page at base (0: none), its interrupt level, active high. */
struct board_mem_device {
    uint64_t base;
    uint32_t gsi;
};

struct board_range {
    uint64_t base, size; /* size 0: there is none */
};

/* Arm's interrupt controllers; gsi n is the shared peripheral interrupt n. */
struct board_gic {
    unsigned version;        /* 2 or 3; 0: none */
    struct board_range dist; /* distributor */
    struct board_range cpu;  /* version 2: CPU interface; 3: redistributors */
    struct board_range its;  /* takes messages; or else */
    struct board_range v2m;  /* ... makes them interrupts v2m_first .. + v2m_count - 1 */
    uint32_t v2m_first, v2m_count;
};

/* Memory whose pixels a screen shows: XRGB8888, little-endian, rows stride bytes apart. */
struct board_screen {
    uint64_t base, size;            /* bytes; below 4 GiB; size 0: none */
    uint16_t width, height, stride; /* pixels, pixels, bytes */
};

struct board_pci {
    uint64_t ecam_base, ecam_size; /* base is that of bus 0; 1 MiB per bus; below 4 GiB */
    uint8_t bus_first, bus_last;
    uint64_t mem32_base, mem32_size;     /* windows for BARs; below 4 GiB */
    uint64_t mem64_base, mem64_size;     /* above all RAM; size 0: none */
    uint32_t io_base, io_size;           /* below 64 KiB; size 0: none */
    uint64_t io_cpu_base;                /* where in memory port 0 is; 0: ports are apart */
    uint16_t config_port;                /* mechanism #1: 8 ports from here; 0: none */
    uint32_t intx_gsi[BOARD_INTX_LINES]; /* pin p of slot s drives intx_gsi[(s + p) % 4], level */
};

struct board {
    /* x86: ram[0] starts at 0 and ends at or below 4 GiB; ram[1], if any, starts at or above 4 GiB.
     * arm64: one */
    struct board_ram ram[BOARD_RAM_MAX];
    unsigned n_ram;

    unsigned cpus;          /* 1..BOARD_CPUS_MAX */
    const uint32_t *cpu_id; /* cpus entries, all different; [0] is the boot CPU's.
                             * x86: APIC ids; arm64: affinity fields of MPIDR_EL1 */

    uint64_t ioapic_base, lapic_base;
    struct board_pci pci;

    struct board_port_device serial; /* 16550, 8 ports; port 0: none */
    struct board_port_device rtc;    /* MC146818, 2 ports; port 0: none */

    uint16_t sleep_control_port, sleep_status_port; /* ACPI hardware-reduced sleep registers */
    uint8_t s5_type;                                /* SLP_TYP for power-off, 0..7 */
    uint16_t reset_port;
    uint8_t reset_value;
    uint32_t power_gsi; /* edge; a pulse is one press of the power button */

    struct board_screen screen; /* x86 */

    /* arm64 */
    struct board_gic gic;
    struct board_mem_device uart, clock, gpio; /* PL011, PL031, PL061 */
    unsigned power_line;                       /* of gpio: the power key */
};

#endif
