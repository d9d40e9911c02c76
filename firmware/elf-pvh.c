// SPDX-License-Identifier: MIT
/*
 * Owns the note by which an ELF file has a PVH entry point. Refuses to know headers and segments.
 */
#include "firmware/elf-pvh.h"

#include <string.h>

#include "firmware/elf.h"
#include "firmware/pvh.h"
#include "vmm/base/le.h"

enum {
    MACHINE_386 = 3,
    MACHINE_X86_64 = 62,
    NOTE_HEADER = 12,
    NOTE_PHYS32_ENTRY = 18,
};

struct pvh {
    struct elf elf;
    uint64_t entry;
    bool has_entry;
};

/* One note at p, of which size bytes are left; returns its length, 0 at the end. */
static uint64_t note_read(struct pvh *pvh, const uint8_t *p, uint64_t size, uint64_t align)
{
    uint64_t namesz, descsz, desc_at;

    if (size < NOTE_HEADER)
        return 0;
    namesz = le32_load(p);
    descsz = le32_load(p + 4);
    desc_at = align_up(NOTE_HEADER + namesz, align);
    if (!range_ok(desc_at, descsz, size))
        return 0;
    if (le32_load(p + 8) == NOTE_PHYS32_ENTRY && namesz == 4 && descsz >= 4 &&
        memcmp(p + NOTE_HEADER, "Xen", 4) == 0) {
        pvh->entry = descsz >= 8 ? le64_load(p + desc_at) : le32_load(p + desc_at);
        pvh->has_entry = true;
    }
    return min_u64(align_up(desc_at + descsz, align), size);
}

static void notes_read(struct pvh *pvh, const struct elf_segment *s)
{
    const uint64_t align = s->align == 8 ? 8 : 4;
    const uint8_t *p = pvh->elf.file->data + s->offset;
    uint64_t left = s->filesz;

    while (left && !pvh->has_entry) {
        const uint64_t n = note_read(pvh, p, left, align);

        if (!n)
            return;
        p += n;
        left -= n;
    }
}

static int entry_check(struct pvh *pvh, struct err *err)
{
    for (unsigned i = 0; i < pvh->elf.n && !pvh->has_entry; i++)
        if (pvh->elf.segment[i].type == ELF_PT_NOTE)
            notes_read(pvh, &pvh->elf.segment[i]);
    if (!pvh->has_entry)
        return load_refuse(pvh->elf.file, err,
                           "no PVH entry point (note PHYS32_ENTRY); a Linux kernel has one with "
                           "CONFIG_PVH=y");
    if (!elf_has(&pvh->elf, pvh->entry))
        return load_refuse(pvh->elf.file, err,
                           "PHYS32_ENTRY 0x%llx points outside the segments that are loaded",
                           (unsigned long long)pvh->entry);
    return 0;
}

int elf_pvh_load(const struct load_job *job, struct load_result *out, struct err *err)
{
    const struct elf_want want = {
        .machine = MACHINE_X86_64,
        .machine32 = MACHINE_386,
        .name = "x86-64",
        .low = KERNEL_LOWEST,
        .end = job->map->kernel_end,
        .low_is = "1 MiB, where boot data is",
    };
    struct pvh pvh = {.entry = 0};
    int ret = elf_read(job->kernel, &want, &pvh.elf, err);

    if (!ret)
        ret = entry_check(&pvh, err);
    if (ret < 0)
        return ret;
    out->kernel_gpa = pvh.elf.low;
    out->kernel_size = pvh.elf.high - pvh.elf.low;
    ret = elf_write(&pvh.elf, job, err);
    if (!ret)
        ret = load_cmdline(job, CMDLINE_MAX, err);
    if (!ret)
        ret = load_initrd(job, pvh.elf.high, 4 * GIB, out, err);
    if (!ret)
        ret = pvh_write(job, pvh.entry, out, err);
    return ret;
}
