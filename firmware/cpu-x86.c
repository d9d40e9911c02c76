// SPDX-License-Identifier: MIT
/*
 * Owns descriptors and page tables for the first instruction. Refuses to know registers and KVM.
 */
#include "firmware/cpu-x86.h"

#include "firmware/memmap.h"
#include "vmm/base/bits.h"
#include "vmm/base/le.h"

/* Intel SDM volume 3, 3.4.5 and 7.2.2: flat segments, and a busy 32-bit TSS of the least size */
#define GDT_CODE64 UINT64_C(0x00af9b000000ffff)
#define GDT_CODE32 UINT64_C(0x00cf9b000000ffff)
#define GDT_DATA   UINT64_C(0x00cf93000000ffff)
#define GDT_TSS    UINT64_C(0x00008b0000000067)

enum {
    GDT_CODE_INDEX = 2, /* selectors 0x10 and 0x18 are part of Linux's boot protocol */
    GDT_DATA_INDEX = 3,
    GDT_TSS_INDEX = 4, /* two entries wide in long mode */
    GDT_ENTRIES = 6,
    PTE_PRESENT_WRITE = 0x003,
    PTE_LARGE = 0x080,
    PTES = 512,
    PAGE = 4096,
    DIRECTORIES = 4, /* 1 GiB each */
};

static int page_write(const struct gmem *mem, uint64_t at, const uint64_t entry[PTES])
{
    le64_t page[PTES];

    for (unsigned i = 0; i < PTES; i++)
        page[i] = le64_make(entry[i]);
    return gmem_write(mem, gpa(at), page, sizeof(page));
}

/* One top-level page, one page of pointers, then a directory of 2 MiB pages per GiB. */
static int page_tables_write(const struct gmem *mem)
{
    const uint64_t pointers = LOW_PAGE_TABLES + PAGE, first = pointers + PAGE;
    uint64_t entry[PTES] = {pointers | PTE_PRESENT_WRITE};
    int ret = page_write(mem, LOW_PAGE_TABLES, entry);

    for (unsigned i = 0; i < DIRECTORIES; i++)
        entry[i] = (first + i * PAGE) | PTE_PRESENT_WRITE;
    ret |= page_write(mem, pointers, entry);
    for (uint64_t i = 0; i < DIRECTORIES; i++) {
        for (uint64_t k = 0; k < PTES; k++)
            entry[k] = (i * GIB + k * 2 * MIB) | PTE_PRESENT_WRITE | PTE_LARGE;
        ret |= page_write(mem, first + i * PAGE, entry);
    }
    return ret;
}

int cpu_x86_tables(const struct gmem *mem, enum load_entry_kind kind, struct load_entry *entry)
{
    le64_t gdt[GDT_ENTRIES] = {
        [GDT_CODE_INDEX] = le64_make(kind == ENTRY_LINUX64 ? GDT_CODE64 : GDT_CODE32),
        [GDT_DATA_INDEX] = le64_make(GDT_DATA),
        [GDT_TSS_INDEX] = le64_make(GDT_TSS),
    };
    int ret = gmem_write(mem, gpa(LOW_GDT), gdt, sizeof(gdt));

    *entry = (struct load_entry){
        .kind = kind,
        .rsp = LOW_STACK_TOP,
        .page_table_gpa = kind == ENTRY_LINUX64 ? LOW_PAGE_TABLES : 0,
        .gdt_gpa = LOW_GDT,
        .gdt_limit = sizeof(gdt) - 1,
        .code_selector = GDT_CODE_INDEX * 8,
        .data_selector = GDT_DATA_INDEX * 8,
        .tss_selector = GDT_TSS_INDEX * 8,
    };
    if (kind == ENTRY_LINUX64)
        ret |= page_tables_write(mem);
    return ret;
}
