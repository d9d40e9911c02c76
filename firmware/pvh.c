// SPDX-License-Identifier: MIT
/*
 * Owns what a PVH guest is told. Refuses to know where its entry point was found.
 */
#include "firmware/pvh.h"

#include "firmware/cpu-x86.h"
#include "vmm/base/le.h"

#define START_MAGIC UINT32_C(0x336ec578)

/* xen/include/public/arch-x86/hvm/start_info.h, version 1 */
struct start_info {
    le32_t magic, version, flags, nr_modules;
    le64_t modlist_paddr, cmdline_paddr, rsdp_paddr, memmap_paddr;
    le32_t memmap_entries, reserved;
};

struct start_module {
    le64_t paddr, size, cmdline_paddr, reserved;
};

struct start_memory {
    le64_t addr, size;
    le32_t type, reserved;
};

/* One page holds all of it. */
struct start_page {
    struct start_info info;
    struct start_module module;
    struct start_memory memory[MEMMAP_MAX];
};

_Static_assert(sizeof(struct start_info) == 56, "start_info has no padding");
_Static_assert(sizeof(struct start_memory) == 24, "start_memory has no padding");
_Static_assert(sizeof(struct start_page) <= 4096, "one page for start info");

static uint64_t page_at(size_t offset)
{
    return LOW_START_INFO + offset;
}

int pvh_write(const struct load_job *job, uint64_t entry, struct load_result *out, struct err *err)
{
    struct start_page page = {
        .info = {.magic = le32_make(START_MAGIC),
                 .version = le32_make(1),
                 .nr_modules = le32_make(out->initrd_size ? 1 : 0),
                 .modlist_paddr = le64_make(page_at(offsetof(struct start_page, module))),
                 .cmdline_paddr = le64_make(LOW_CMDLINE),
                 .rsdp_paddr = le64_make(out->acpi_gpa),
                 .memmap_paddr = le64_make(page_at(offsetof(struct start_page, memory))),
                 .memmap_entries = le32_make(job->map->n)},
        .module = {.paddr = le64_make(out->initrd_gpa), .size = le64_make(out->initrd_size)},
    };

    for (unsigned i = 0; i < job->map->n; i++) {
        const struct memmap_entry *e = &job->map->entry[i];

        page.memory[i] = (struct start_memory){.addr = le64_make(e->base),
                                               .size = le64_make(e->size),
                                               .type = le32_make((uint32_t)e->type)};
    }
    if (cpu_x86_tables(job->mem, ENTRY_PVH, &out->entry) < 0)
        return load_refuse(job->kernel, err, "the boot CPU's tables do not lie in guest RAM");
    out->entry.rip = entry;
    out->entry.rbx = LOW_START_INFO;
    return load_write(job, LOW_START_INFO, &page, sizeof(page), "the start info", err);
}
