// SPDX-License-Identifier: MIT
/*
 * Owns the tables with fixed fields, headers, checksums and pointers. Refuses to know the name
 * space (acpi-dsdt.c) and guest memory.
 */
#include "firmware/acpi.h"

#include <errno.h>
#include <string.h>

#include "firmware/acpi-dsdt.h"
#include "firmware/aml.h"
#include "vmm/base/bits.h"
#include "vmm/base/le.h"

enum {
    TABLE_ALIGN = 64,
    HEADER_LENGTH_AT = 4,
    HEADER_CHECKSUM_AT = 9,
    RSDP_V1_SIZE = 20,
    RSDP_CHECKSUM_AT = 8,
    RSDP_V2_CHECKSUM_AT = 32,
    FADT_SIZE = 276,
    XSDT_TABLES = 4,
};

/* FADT, ACPI 6.3 table 5-34 and 5-35 */
enum {
    FADT_WBINVD = 1 << 0,
    FADT_PROC_C1 = 1 << 2,
    FADT_POWER_BUTTON_IS_DEVICE = 1 << 4,
    FADT_NO_SLEEP_BUTTON = 1 << 5,
    FADT_RTC_NO_FIXED_EVENT = 1 << 6,
    FADT_RESET_REG = 1 << 10,
    FADT_HW_REDUCED = 1 << 20,
    FADT_BOOT_NO_VGA = 1 << 2,
    FADT_BOOT_NO_RTC = 1 << 5,
    /* no bit set for an i8042: there is none */
};

enum {
    MADT_LAPIC = 0,
    MADT_IOAPIC = 1,
    MADT_LAPIC_NMI = 4,
    MADT_X2APIC = 9,
    MADT_X2APIC_NMI = 10,
    MADT_CPU_ENABLED = 1,
    MADT_ALL_CPUS8 = 0xff,
    X2APIC_FIRST_ID = 255, /* ids from here on have no room in a local APIC entry */
    GAS_IO = 1,
    GAS_BYTE = 1,
};

/* Where the table being written starts in the blob. */
struct table {
    struct aml *a;
    size_t at;
};

size_t acpi_size_bound(const struct board *board)
{
    return 16 * KIB + board->cpus * (size_t)64;
}

static uint8_t checksum_of(const uint8_t *p, size_t n)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < n; i++)
        sum = (uint8_t)(sum + p[i]);
    return (uint8_t)-sum;
}

static struct table table_begin(struct aml *a, const char *signature, uint8_t revision)
{
    struct table t = {.a = a};

    aml_align(a, TABLE_ALIGN);
    t.at = a->len;
    aml_bytes(a, signature, 4);
    aml_u32(a, 0); /* length and checksum: table_end */
    aml_u8(a, revision);
    aml_u8(a, 0);
    aml_bytes(a, "VMM   ", 6);
    aml_bytes(a, "VMMBOARD", 8);
    aml_u32(a, 1);
    aml_bytes(a, "VMM ", 4);
    aml_u32(a, 1);
    return t;
}

/* Returns the table's offset in the blob. */
static size_t table_end(const struct table *t)
{
    const struct aml *a = t->a;
    uint8_t *p = a->buf + t->at;

    if (!a->overflow) {
        le32_store(p + HEADER_LENGTH_AT, (uint32_t)(a->len - t->at));
        p[HEADER_CHECKSUM_AT] = checksum_of(p, a->len - t->at);
    }
    return t->at;
}

/* A generic address structure for a byte-wide port. */
static void put_port(struct aml *a, uint16_t port)
{
    aml_u8(a, GAS_IO);
    aml_u8(a, 8);
    aml_u8(a, 0);
    aml_u8(a, GAS_BYTE);
    aml_u64(a, port);
}

static size_t put_dsdt(const struct board *board, struct aml *a)
{
    const struct table t = table_begin(a, "DSDT", 2);

    acpi_dsdt_body(board, a);
    return table_end(&t);
}

static uint16_t fadt_boot_flags(const struct board *board)
{
    return (uint16_t)(FADT_BOOT_NO_VGA | (board->rtc.port ? 0 : FADT_BOOT_NO_RTC));
}

/*
 * Hardware-reduced: no SCI, no PM timer, no fixed events. Fields not written here are 0, which
 * for each of them means "not there".
 */
static size_t put_fadt(const struct board *board, struct aml *a, uint64_t dsdt_gpa)
{
    const struct table t = table_begin(a, "FACP", 6);

    aml_zeros(a, t.at + 109 - a->len);
    aml_u16(a, fadt_boot_flags(board));
    aml_u8(a, 0);
    aml_u32(a, FADT_WBINVD | FADT_PROC_C1 | FADT_POWER_BUTTON_IS_DEVICE | FADT_NO_SLEEP_BUTTON |
                   FADT_RTC_NO_FIXED_EVENT | FADT_RESET_REG | FADT_HW_REDUCED);
    put_port(a, board->reset_port);
    aml_u8(a, board->reset_value);
    aml_u16(a, 0);
    aml_u8(a, 3); /* minor version: 6.3 */
    aml_u64(a, 0);
    aml_u64(a, dsdt_gpa);
    aml_zeros(a, t.at + 244 - a->len);
    put_port(a, board->sleep_control_port);
    put_port(a, board->sleep_status_port);
    aml_zeros(a, t.at + FADT_SIZE - a->len);
    return table_end(&t);
}

static bool fits_lapic_entry(uint32_t uid, uint32_t apic_id)
{
    return apic_id < X2APIC_FIRST_ID && uid < MADT_ALL_CPUS8;
}

static void put_madt_cpu(struct aml *a, uint32_t uid, uint32_t apic_id)
{
    if (fits_lapic_entry(uid, apic_id)) {
        aml_u8(a, MADT_LAPIC);
        aml_u8(a, 8);
        aml_u8(a, (uint8_t)uid);
        aml_u8(a, (uint8_t)apic_id);
        aml_u32(a, MADT_CPU_ENABLED);
        return;
    }
    aml_u8(a, MADT_X2APIC);
    aml_u8(a, 16);
    aml_u16(a, 0);
    aml_u32(a, apic_id);
    aml_u32(a, MADT_CPU_ENABLED);
    aml_u32(a, uid);
}

/* Line 1 of every local APIC is the NMI; polarity and trigger as the bus has them. */
static void put_madt_nmi(struct aml *a, bool with_x2apic)
{
    aml_u8(a, MADT_LAPIC_NMI);
    aml_u8(a, 6);
    aml_u8(a, MADT_ALL_CPUS8);
    aml_u16(a, 0);
    aml_u8(a, 1);
    if (!with_x2apic)
        return;
    aml_u8(a, MADT_X2APIC_NMI);
    aml_u8(a, 12);
    aml_u16(a, 0);
    aml_u32(a, UINT32_MAX);
    aml_u8(a, 1);
    aml_zeros(a, 3);
}

/*
 * No interrupt source overrides: every GSI is wired to the input of the same number, and each
 * device in the DSDT says itself that it is edge-triggered.
 */
static size_t put_madt(const struct board *board, struct aml *a)
{
    const struct table t = table_begin(a, "APIC", 5);
    bool with_x2apic = false;

    aml_u32(a, (uint32_t)board->lapic_base);
    aml_u32(a, 0); /* no pair of 8259 */
    for (uint32_t i = 0; i < board->cpus; i++) {
        put_madt_cpu(a, i, board->cpu_id[i]);
        with_x2apic |= !fits_lapic_entry(i, board->cpu_id[i]);
    }
    aml_u8(a, MADT_IOAPIC);
    aml_u8(a, 12);
    aml_u8(a, 0);
    aml_u8(a, 0);
    aml_u32(a, (uint32_t)board->ioapic_base);
    aml_u32(a, 0);
    put_madt_nmi(a, with_x2apic);
    return table_end(&t);
}

static size_t put_mcfg(const struct board_pci *pci, struct aml *a)
{
    const struct table t = table_begin(a, "MCFG", 1);

    aml_u64(a, 0);
    aml_u64(a, pci->ecam_base);
    aml_u16(a, 0);
    aml_u8(a, pci->bus_first);
    aml_u8(a, pci->bus_last);
    aml_u32(a, 0);
    return table_end(&t);
}

/* Serial Port Console Redirection, revision 2: a 16550 at 115200 8N1. */
static size_t put_spcr(const struct board_port_device *serial, struct aml *a)
{
    const struct table t = table_begin(a, "SPCR", 2);

    aml_u32(a, 0);
    put_port(a, serial->port);
    aml_u8(a, 2); /* interrupt type: I/O APIC */
    aml_u8(a, 0);
    aml_u32(a, serial->gsi);
    aml_u8(a, 7); /* 115200 baud */
    aml_u8(a, 0);
    aml_u8(a, 1); /* stop bits */
    aml_u8(a, 0);
    aml_u8(a, 3); /* terminal type: ANSI */
    aml_u8(a, 0);
    aml_u16(a, UINT16_MAX); /* not a PCI device */
    aml_u16(a, UINT16_MAX);
    aml_zeros(a, 12);
    return table_end(&t);
}

static size_t put_xsdt(struct aml *a, const uint64_t *gpa, unsigned n)
{
    const struct table t = table_begin(a, "XSDT", 1);

    for (unsigned i = 0; i < n; i++)
        aml_u64(a, gpa[i]);
    return table_end(&t);
}

static void put_rsdp(uint8_t *buf, uint64_t xsdt_gpa)
{
    struct aml a;

    aml_init(&a, buf, ACPI_RSDP_SIZE);
    aml_bytes(&a, "RSD PTR ", 8);
    aml_u8(&a, 0);
    aml_bytes(&a, "VMM   ", 6);
    aml_u8(&a, 2);
    aml_u32(&a, 0); /* no RSDT */
    aml_u32(&a, ACPI_RSDP_SIZE);
    aml_u64(&a, xsdt_gpa);
    aml_zeros(&a, 4);
    buf[RSDP_CHECKSUM_AT] = checksum_of(buf, RSDP_V1_SIZE);
    buf[RSDP_V2_CHECKSUM_AT] = checksum_of(buf, ACPI_RSDP_SIZE);
}

/* What the tables have no room for, or what would make them contradict each other. */
static const char *board_fault(const struct board *b)
{
    const struct board_pci *pci = &b->pci;

    if (!b->cpus || b->cpus > BOARD_CPUS_MAX || !b->cpu_id)
        return "the number of CPUs";
    if (pci->bus_first > pci->bus_last || pci->ecam_size < (uint64_t)(pci->bus_last + 1) * MIB)
        return "the PCI bus range";
    if (!range_ok(pci->ecam_base, pci->ecam_size, 4 * GIB))
        return "the PCI configuration window";
    if (!range_ok(pci->mem32_base, pci->mem32_size, 4 * GIB))
        return "the 32-bit PCI memory window";
    if (pci->mem64_size - 1 > UINT64_MAX - pci->mem64_base && pci->mem64_size)
        return "the 64-bit PCI memory window";
    if (!range_ok(pci->io_base, pci->io_size, 64 * KIB) || pci->io_size > UINT16_MAX)
        return "the PCI port window";
    if (b->lapic_base >= 4 * GIB || b->ioapic_base >= 4 * GIB)
        return "the address of an interrupt controller";
    if (b->s5_type > 7)
        return "the S5 sleep type";
    return NULL;
}

static void put_tables(const struct board *board, uint64_t load_gpa, struct aml *a)
{
    uint64_t gpa[XSDT_TABLES];
    unsigned n = 0;

    aml_zeros(a, ACPI_RSDP_SIZE);
    const uint64_t dsdt = load_gpa + put_dsdt(board, a);
    gpa[n++] = load_gpa + put_fadt(board, a, dsdt);
    gpa[n++] = load_gpa + put_madt(board, a);
    gpa[n++] = load_gpa + put_mcfg(&board->pci, a);
    if (board->serial.port)
        gpa[n++] = load_gpa + put_spcr(&board->serial, a);
    const uint64_t xsdt = load_gpa + put_xsdt(a, gpa, n);
    if (!a->overflow)
        put_rsdp(a->buf, xsdt);
}

int acpi_build(const struct board *board, uint64_t load_gpa, uint8_t *buf, size_t size,
               struct acpi_layout *out, struct err *err)
{
    const char *fault = board_fault(board);
    struct aml a;

    if (fault)
        return err_set(err, EINVAL, "ACPI tables cannot describe this machine: %s is out of range",
                       fault);
    if (load_gpa % TABLE_ALIGN)
        return err_set(err, EINVAL, "ACPI tables cannot start at 0x%llx: not a multiple of %d",
                       (unsigned long long)load_gpa, TABLE_ALIGN);
    aml_init(&a, buf, size);
    put_tables(board, load_gpa, &a);
    if (a.overflow)
        return err_set(err, ENOSPC, "ACPI tables for %u CPUs do not fit into %zu bytes",
                       board->cpus, size);
    *out = (struct acpi_layout){.rsdp_gpa = load_gpa, .size = a.len};
    return 0;
}
