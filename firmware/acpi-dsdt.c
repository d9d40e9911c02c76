// SPDX-License-Identifier: MIT
/*
 * Owns the name space: processors, PCI root, platform devices, power button, S5. Refuses to know
 * table headers and where tables are put.
 */
#include "firmware/acpi-dsdt.h"

#include <stdio.h>

enum {
    PCI_SLOTS = 32,
    CRS_MAX = 256, /* more than the largest set of resources below */
    NOTIFY_PRESSED = 0x80,
    /* _OSC status, first dword */
    OSC_FAILURE = 0x02,
    OSC_BAD_UUID = 0x04,
    OSC_BAD_REVISION = 0x08,
    OSC_MASKED = 0x10,
    /* _OSC control, third dword: what we hand over is the PCIe capability structure, no more */
    OSC_PCIE_CAPABILITY = 0x10,
};

/* 33DB4D5B-1FF7-401C-9657-7441C03DD766, PCI Firmware Specification 4.5.1 */
static const uint8_t pci_osc_uuid[16] = {0x5b, 0x4d, 0xdb, 0x33, 0xf7, 0x1f, 0x1c, 0x40,
                                         0x96, 0x57, 0x74, 0x41, 0xc0, 0x3d, 0xd7, 0x66};

static void put_cpus(struct aml *a, unsigned cpus)
{
    for (unsigned i = 0; i < cpus; i++) {
        char name[8];
        size_t dev;

        snprintf(name, sizeof(name), "C%03X", i & 0xfff);
        dev = aml_device(a, name);
        aml_name_string(a, "_HID", "ACPI0007");
        aml_name_int(a, "_UID", i);
        aml_end(a, dev);
    }
}

static void put_pci_windows(struct aml *a, const struct board_pci *pci)
{
    uint8_t bytes[CRS_MAX];
    struct aml crs;

    aml_init(&crs, bytes, sizeof(bytes));
    aml_res_bus_window(&crs, pci->bus_first, pci->bus_last);
    if (pci->config_port)
        aml_res_io(&crs, pci->config_port, 8);
    aml_res_io_window(&crs, (uint16_t)pci->io_base, pci->io_size);
    aml_res_mem32_window(&crs, (uint32_t)pci->mem32_base, (uint32_t)pci->mem32_size);
    aml_res_mem64_window(&crs, pci->mem64_base, pci->mem64_size);
    aml_res_end(&crs);
    aml_name_buffer(a, "_CRS", &crs);
}

/* Pins go straight to interrupt inputs: source 0, and the index is the GSI. */
static void put_pci_routes(struct aml *a, const struct board_pci *pci)
{
    size_t all, one;

    aml_name(a, "_PRT");
    all = aml_package(a, PCI_SLOTS * BOARD_INTX_LINES);
    for (uint32_t i = 0; i < PCI_SLOTS * BOARD_INTX_LINES; i++) {
        const uint32_t slot = i / BOARD_INTX_LINES, pin = i % BOARD_INTX_LINES;

        one = aml_package(a, 4);
        aml_int(a, slot << 16 | 0xffff);
        aml_int(a, pin);
        aml_int(a, 0);
        aml_int(a, pci->intx_gsi[(slot + pin) % BOARD_INTX_LINES]);
        aml_end(a, one);
    }
    aml_end(a, all);
}

static void put_or_status(struct aml *a, uint8_t bit)
{
    aml_op(a, AML_OR);
    aml_path(a, "CDW1");
    aml_int(a, bit);
    aml_path(a, "CDW1");
}

static void put_return_arg3(struct aml *a)
{
    aml_op(a, AML_RETURN);
    aml_op(a, AML_ARG3);
}

static void put_dword_of_arg3(struct aml *a, uint8_t at, const char *name)
{
    aml_op(a, AML_CREATE_DWORD_FIELD);
    aml_op(a, AML_ARG3);
    aml_int(a, at);
    aml_path(a, name);
}

static void put_osc_refusals(struct aml *a)
{
    uint8_t bytes[sizeof(pci_osc_uuid)];
    struct aml uuid;
    size_t block;

    aml_init(&uuid, bytes, sizeof(bytes));
    aml_bytes(&uuid, pci_osc_uuid, sizeof(pci_osc_uuid));
    block = aml_if(a);
    aml_op(a, AML_LNOT);
    aml_op(a, AML_LEQUAL);
    aml_op(a, AML_ARG0);
    aml_buffer(a, &uuid);
    put_or_status(a, OSC_BAD_UUID);
    put_return_arg3(a);
    aml_end(a, block);

    block = aml_if(a);
    aml_op(a, AML_LLESS);
    aml_op(a, AML_SIZEOF);
    aml_op(a, AML_ARG3);
    aml_int(a, 12);
    put_or_status(a, OSC_FAILURE);
    put_return_arg3(a);
    aml_end(a, block);

    block = aml_if(a);
    aml_op(a, AML_LNOT);
    aml_op(a, AML_LEQUAL);
    aml_op(a, AML_ARG1);
    aml_int(a, 1);
    put_or_status(a, OSC_BAD_REVISION);
    aml_end(a, block);
}

/* Without _OSC a guest must not use what MCFG describes; with it, it asks and is told. */
static void put_pci_osc(struct aml *a)
{
    const size_t method = aml_method(a, "_OSC", 4);
    size_t block;

    put_dword_of_arg3(a, 0, "CDW1");
    put_osc_refusals(a);
    put_dword_of_arg3(a, 8, "CDW3");
    aml_op(a, AML_AND);
    aml_path(a, "CDW3");
    aml_int(a, OSC_PCIE_CAPABILITY);
    aml_op(a, AML_LOCAL0);

    block = aml_if(a);
    aml_op(a, AML_LNOT);
    aml_op(a, AML_LEQUAL);
    aml_path(a, "CDW3");
    aml_op(a, AML_LOCAL0);
    put_or_status(a, OSC_MASKED);
    aml_op(a, AML_STORE);
    aml_op(a, AML_LOCAL0);
    aml_path(a, "CDW3");
    aml_end(a, block);

    put_return_arg3(a);
    aml_end(a, method);
}

static void put_pci_root(struct aml *a, const struct board_pci *pci)
{
    const size_t dev = aml_device(a, "PCI0");

    aml_name_eisaid(a, "_HID", "PNP0A08");
    aml_name_eisaid(a, "_CID", "PNP0A03");
    aml_name_int(a, "_UID", 0);
    aml_name_int(a, "_SEG", 0);
    aml_name_int(a, "_BBN", pci->bus_first);
    put_pci_windows(a, pci);
    put_pci_routes(a, pci);
    put_pci_osc(a);
    aml_end(a, dev);
}

/* What belongs to the board: a guest accepts MCFG only if ECAM is claimed here, not by PCI0. */
static void put_board_resources(struct aml *a, const struct board *board)
{
    const size_t dev = aml_device(a, "MBRD");
    uint8_t bytes[CRS_MAX];
    struct aml crs;

    aml_init(&crs, bytes, sizeof(bytes));
    aml_res_memory32(&crs, (uint32_t)board->pci.ecam_base, (uint32_t)board->pci.ecam_size);
    aml_res_io(&crs, board->sleep_control_port, 1);
    aml_res_io(&crs, board->sleep_status_port, 1);
    aml_res_end(&crs);
    aml_name_eisaid(a, "_HID", "PNP0C02");
    aml_name_int(a, "_UID", 0);
    aml_name_buffer(a, "_CRS", &crs);
    aml_end(a, dev);
}

static void put_port_device(struct aml *a, const char *name, const char *id,
                            const struct board_port_device *d, uint8_t ports)
{
    uint8_t bytes[CRS_MAX];
    struct aml crs;
    size_t dev;

    if (!d->port)
        return;
    aml_init(&crs, bytes, sizeof(bytes));
    aml_res_io(&crs, d->port, ports);
    aml_res_irq_edge(&crs, d->gsi);
    aml_res_end(&crs);
    dev = aml_device(a, name);
    aml_name_eisaid(a, "_HID", id);
    aml_name_int(a, "_UID", 0);
    aml_name_buffer(a, "_CRS", &crs);
    aml_end(a, dev);
}

static void put_event_method(struct aml *a, uint32_t gsi)
{
    const size_t method = aml_method(a, "_EVT", 1);
    const size_t block = aml_if(a);

    aml_op(a, AML_LEQUAL);
    aml_op(a, AML_ARG0);
    aml_int(a, gsi);
    aml_op(a, AML_NOTIFY);
    aml_path(a, "\\_SB.PWRB");
    aml_int(a, NOTIFY_PRESSED);
    aml_end(a, block);
    aml_end(a, method);
}

/* The power button, and the generic event device that turns its interrupt into a notification. */
static void put_power_button(struct aml *a, uint32_t gsi)
{
    uint8_t bytes[CRS_MAX];
    struct aml crs;
    size_t dev = aml_device(a, "PWRB");

    aml_name_eisaid(a, "_HID", "PNP0C0C");
    aml_name_int(a, "_UID", 0);
    aml_end(a, dev);

    aml_init(&crs, bytes, sizeof(bytes));
    aml_res_irq_edge(&crs, gsi);
    aml_res_end(&crs);
    dev = aml_device(a, "GED");
    aml_name_string(a, "_HID", "ACPI0013");
    aml_name_int(a, "_UID", 0);
    aml_name_buffer(a, "_CRS", &crs);
    put_event_method(a, gsi);
    aml_end(a, dev);
}

static void put_power_off(struct aml *a, uint8_t s5_type)
{
    size_t package;

    aml_name(a, "\\_S5");
    package = aml_package(a, 4);
    aml_int(a, s5_type);
    aml_int(a, s5_type);
    aml_int(a, 0);
    aml_int(a, 0);
    aml_end(a, package);
}

void acpi_dsdt_body(const struct board *board, struct aml *a)
{
    const size_t scope = aml_scope(a, "\\_SB");

    put_cpus(a, board->cpus);
    put_board_resources(a, board);
    put_pci_root(a, &board->pci);
    put_port_device(a, "COM1", "PNP0501", &board->serial, 8);
    put_port_device(a, "RTC", "PNP0B00", &board->rtc, 2);
    put_power_button(a, board->power_gsi);
    aml_end(a, scope);
    put_power_off(a, board->s5_type);
}
