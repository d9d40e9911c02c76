// SPDX-License-Identifier: MIT
/*
 * Owns ELF headers, the PVH note and hvm_start_info. Refuses to know sections, symbols and
 * relocation: what is loaded are segments, at their physical addresses.
 */
#include "firmware/elf.h"

#include <string.h>

#include "firmware/pvh.h"
#include "vmm/base/le.h"

enum {
    IDENT_CLASS = 4,
    IDENT_DATA = 5,
    IDENT_VERSION = 6,
    CLASS_32 = 1,
    CLASS_64 = 2,
    DATA_LITTLE = 1,
    VERSION_CURRENT = 1,
    TYPE_EXEC = 2,
    MACHINE_386 = 3,
    MACHINE_X86_64 = 62,
    AT_TYPE = 16, /* up to e_entry both classes agree */
    AT_MACHINE = 18,
    PT_LOAD = 1,
    PT_NOTE = 4,
    SEGMENTS_MAX = 64,
    NOTE_HEADER = 12,
    NOTE_PHYS32_ENTRY = 18,
};

/* Where each class has its fields; word: the size of an address. */
struct elf_form {
    unsigned word, ehdr_size, phoff, ehsize, phentsize, phnum;
    unsigned phdr_size, p_offset, p_paddr, p_filesz, p_memsz, p_align;
};

static const struct elf_form form32 = {4, 52, 28, 40, 42, 44, 32, 4, 12, 16, 20, 28};
static const struct elf_form form64 = {8, 64, 32, 52, 54, 56, 56, 8, 24, 32, 40, 48};

struct segment {
    uint32_t type;
    uint64_t offset, paddr, filesz, memsz, align;
};

struct elf {
    const struct load_file *file;
    const struct elf_form *form;
    struct segment segment[SEGMENTS_MAX];
    unsigned n;
    uint64_t low, high; /* RAM taken by segments */
    uint64_t entry;
    bool has_entry;
};

bool elf_is(const struct load_file *file)
{
    return file->size >= 4 && memcmp(file->data, "\177ELF", 4) == 0;
}

static uint64_t word_load(const struct elf_form *form, const uint8_t *p)
{
    return order_load(ORDER_LITTLE, p, form->word);
}

/* --- headers --- */

static int ident_check(struct elf *elf, struct err *err)
{
    const struct load_file *file = elf->file;
    uint8_t class;

    if (file->size < form32.ehdr_size)
        return load_refuse(file, err, "%llu bytes are too short for an ELF header",
                           (unsigned long long)file->size);
    class = file->data[IDENT_CLASS];
    if (class != CLASS_32 && class != CLASS_64)
        return load_refuse(file, err, "ELF class %u is neither 32-bit nor 64-bit", class);
    if (file->data[IDENT_DATA] != DATA_LITTLE)
        return load_refuse(file, err, "ELF data encoding %u is not little-endian",
                           file->data[IDENT_DATA]);
    if (file->data[IDENT_VERSION] != VERSION_CURRENT)
        return load_refuse(file, err, "ELF version %u is unknown", file->data[IDENT_VERSION]);
    elf->form = class == CLASS_32 ? &form32 : &form64;
    if (file->size < elf->form->ehdr_size)
        return load_refuse(file, err, "%llu bytes are too short for an ELF64 header",
                           (unsigned long long)file->size);
    return 0;
}

static int machine_check(struct elf *elf, struct err *err)
{
    const uint16_t type = le16_load(elf->file->data + AT_TYPE);
    const uint16_t machine = le16_load(elf->file->data + AT_MACHINE);

    if (type != TYPE_EXEC)
        return load_refuse(elf->file, err, "e_type is %u, not 2 (executable)", type);
    if (machine != MACHINE_X86_64 && (machine != MACHINE_386 || elf->form != &form32))
        return load_refuse(elf->file, err, "e_machine is %u, not 62 (x86-64)", machine);
    return 0;
}

static struct segment segment_decode(const struct elf_form *form, const uint8_t *p)
{
    return (struct segment){
        .type = le32_load(p),
        .offset = word_load(form, p + form->p_offset),
        .paddr = word_load(form, p + form->p_paddr),
        .filesz = word_load(form, p + form->p_filesz),
        .memsz = word_load(form, p + form->p_memsz),
        .align = word_load(form, p + form->p_align),
    };
}

static int table_read(struct elf *elf, struct err *err)
{
    const struct load_file *file = elf->file;
    const struct elf_form *form = elf->form;
    const uint64_t phoff = word_load(form, file->data + form->phoff);
    const uint16_t ehsize = le16_load(file->data + form->ehsize);
    const uint16_t phentsize = le16_load(file->data + form->phentsize);
    const uint16_t phnum = le16_load(file->data + form->phnum);

    if (ehsize != form->ehdr_size)
        return load_refuse(file, err, "e_ehsize is %u, not %u", ehsize, form->ehdr_size);
    if (phentsize != form->phdr_size)
        return load_refuse(file, err, "e_phentsize is %u, not %u", phentsize, form->phdr_size);
    if (!phnum || phnum > SEGMENTS_MAX)
        return load_refuse(file, err, "e_phnum is %u; 1 to %u are accepted", phnum, SEGMENTS_MAX);
    if (!range_ok(phoff, (uint64_t)phnum * phentsize, file->size))
        return load_refuse(file, err, "e_phoff (0x%llx) puts program headers outside the file",
                           (unsigned long long)phoff);
    for (; elf->n < phnum; elf->n++)
        elf->segment[elf->n] =
            segment_decode(form, file->data + phoff + (uint64_t)elf->n * phentsize);
    return 0;
}

/* --- segments --- */

static bool overlaps(const struct segment *a, const struct segment *b)
{
    return a->paddr < b->paddr ? b->paddr - a->paddr < a->memsz : a->paddr - b->paddr < b->memsz;
}

static int segment_check(const struct elf *elf, unsigned i, const struct memmap *map,
                         struct err *err)
{
    const struct segment *s = &elf->segment[i];

    if (s->filesz > s->memsz)
        return load_refuse(elf->file, err, "segment %u: p_filesz is more than p_memsz", i);
    if (s->paddr < KERNEL_LOWEST)
        return load_refuse(elf->file, err,
                           "segment %u: p_paddr 0x%llx is below 1 MiB, where boot data is", i,
                           (unsigned long long)s->paddr);
    if (!range_ok(s->paddr, s->memsz, map->kernel_end))
        return load_refuse(elf->file, err,
                           "segment %u: p_paddr 0x%llx and p_memsz 0x%llx do not lie in the "
                           "%llu MiB of RAM; raise --mem, or the file is damaged",
                           i, (unsigned long long)s->paddr, (unsigned long long)s->memsz,
                           (unsigned long long)(map->kernel_end / MIB));
    for (unsigned k = 0; k < i; k++)
        if (elf->segment[k].type == PT_LOAD && elf->segment[k].memsz &&
            overlaps(s, &elf->segment[k]))
            return load_refuse(elf->file, err, "segments %u and %u overlap in memory (p_paddr)", k,
                               i);
    return 0;
}

static int segments_check(struct elf *elf, const struct memmap *map, struct err *err)
{
    elf->low = UINT64_MAX;
    for (unsigned i = 0; i < elf->n; i++) {
        const struct segment *s = &elf->segment[i];
        int ret;

        if (s->type != PT_LOAD && s->type != PT_NOTE)
            continue;
        if (!range_ok(s->offset, s->filesz, elf->file->size))
            return load_refuse(elf->file, err,
                               "segment %u: p_offset 0x%llx and p_filesz 0x%llx lie outside the "
                               "file",
                               i, (unsigned long long)s->offset, (unsigned long long)s->filesz);
        if (s->type != PT_LOAD || (!s->memsz && !s->filesz))
            continue;
        ret = segment_check(elf, i, map, err);
        if (ret < 0)
            return ret;
        elf->low = min_u64(elf->low, s->paddr);
        elf->high = max_u64(elf->high, s->paddr + s->memsz);
    }
    if (!elf->high)
        return load_refuse(elf->file, err, "no segment to load (PT_LOAD)");
    return 0;
}

/* --- the PVH note --- */

/* One note at p, of which size bytes are left; returns its length, 0 at the end. */
static uint64_t note_read(struct elf *elf, const uint8_t *p, uint64_t size, uint64_t align)
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
        elf->entry = descsz >= 8 ? le64_load(p + desc_at) : le32_load(p + desc_at);
        elf->has_entry = true;
    }
    return min_u64(align_up(desc_at + descsz, align), size);
}

static void notes_read(struct elf *elf, const struct segment *s)
{
    const uint64_t align = s->align == 8 ? 8 : 4;
    const uint8_t *p = elf->file->data + s->offset;
    uint64_t left = s->filesz;

    while (left && !elf->has_entry) {
        const uint64_t n = note_read(elf, p, left, align);

        if (!n)
            return;
        p += n;
        left -= n;
    }
}

static bool in_loaded_file_part(const struct elf *elf, uint64_t at)
{
    for (unsigned i = 0; i < elf->n; i++) {
        const struct segment *s = &elf->segment[i];

        if (s->type == PT_LOAD && at >= s->paddr && at - s->paddr < s->filesz)
            return true;
    }
    return false;
}

static int entry_check(struct elf *elf, struct err *err)
{
    for (unsigned i = 0; i < elf->n && !elf->has_entry; i++)
        if (elf->segment[i].type == PT_NOTE)
            notes_read(elf, &elf->segment[i]);
    if (!elf->has_entry)
        return load_refuse(elf->file, err,
                           "no PVH entry point (note PHYS32_ENTRY); a Linux kernel has one with "
                           "CONFIG_PVH=y");
    if (!in_loaded_file_part(elf, elf->entry))
        return load_refuse(elf->file, err,
                           "PHYS32_ENTRY 0x%llx points outside the segments that are loaded",
                           (unsigned long long)elf->entry);
    return 0;
}

static int elf_check(struct elf *elf, const struct memmap *map, struct err *err)
{
    int ret = ident_check(elf, err);

    if (!ret)
        ret = machine_check(elf, err);
    if (!ret)
        ret = table_read(elf, err);
    if (!ret)
        ret = segments_check(elf, map, err);
    if (!ret)
        ret = entry_check(elf, err);
    return ret;
}

static int segments_write(const struct elf *elf, const struct load_job *job, struct err *err)
{
    for (unsigned i = 0; i < elf->n; i++) {
        const struct segment *s = &elf->segment[i];
        int ret;

        if (s->type != PT_LOAD)
            continue;
        ret = load_write(job, s->paddr, elf->file->data + s->offset, s->filesz, "a segment", err);
        if (ret < 0)
            return ret;
    }
    return 0;
}

int elf_load(const struct load_job *job, struct load_result *out, struct err *err)
{
    struct elf elf = {.file = job->kernel};
    int ret = elf_check(&elf, job->map, err);

    if (ret < 0)
        return ret;
    out->kernel_gpa = elf.low;
    out->kernel_size = elf.high - elf.low;
    ret = segments_write(&elf, job, err);
    if (!ret)
        ret = load_cmdline(job, CMDLINE_MAX, err);
    if (!ret)
        ret = load_initrd(job, elf.high, 4 * GIB, out, err);
    if (!ret)
        ret = pvh_write(job, elf.entry, out, err);
    return ret;
}
