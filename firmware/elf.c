// SPDX-License-Identifier: MIT
/*
 * Owns ELF headers and segments. Refuses to know sections, symbols and relocation: what is loaded
 * are segments, at their physical addresses; and who may run the file.
 */
#include "firmware/elf.h"

#include <string.h>

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
    AT_TYPE = 16, /* up to e_entry both classes agree */
    AT_MACHINE = 18,
    AT_ENTRY = 24,
};

/* Where each class has its fields; word: the size of an address. */
struct elf_form {
    unsigned word, ehdr_size, phoff, ehsize, phentsize, phnum;
    unsigned phdr_size, p_offset, p_paddr, p_filesz, p_memsz, p_align;
};

static const struct elf_form form32 = {4, 52, 28, 40, 42, 44, 32, 4, 12, 16, 20, 28};
static const struct elf_form form64 = {8, 64, 32, 52, 54, 56, 56, 8, 24, 32, 40, 48};

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

static int machine_check(struct elf *elf, const struct elf_want *want, struct err *err)
{
    const uint16_t type = le16_load(elf->file->data + AT_TYPE);
    const uint16_t machine = le16_load(elf->file->data + AT_MACHINE);
    const bool old = want->machine32 && machine == want->machine32 && elf->form == &form32;

    if (type != TYPE_EXEC)
        return load_refuse(elf->file, err, "e_type is %u, not 2 (executable)", type);
    if (machine != want->machine && !old)
        return load_refuse(elf->file, err, "e_machine is %u, not %u (%s)", machine, want->machine,
                           want->name);
    elf->e_entry = word_load(elf->form, elf->file->data + AT_ENTRY);
    return 0;
}

static struct elf_segment segment_decode(const struct elf_form *form, const uint8_t *p)
{
    return (struct elf_segment){
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
    if (!phnum || phnum > ELF_SEGMENTS_MAX)
        return load_refuse(file, err, "e_phnum is %u; 1 to %u are accepted", phnum,
                           ELF_SEGMENTS_MAX);
    if (!range_ok(phoff, (uint64_t)phnum * phentsize, file->size))
        return load_refuse(file, err, "e_phoff (0x%llx) puts program headers outside the file",
                           (unsigned long long)phoff);
    for (; elf->n < phnum; elf->n++)
        elf->segment[elf->n] =
            segment_decode(form, file->data + phoff + (uint64_t)elf->n * phentsize);
    return 0;
}

/* --- segments --- */

static bool overlaps(const struct elf_segment *a, const struct elf_segment *b)
{
    return a->paddr < b->paddr ? b->paddr - a->paddr < a->memsz : a->paddr - b->paddr < b->memsz;
}

static int segment_check(const struct elf *elf, unsigned i, const struct elf_want *want,
                         struct err *err)
{
    const struct elf_segment *s = &elf->segment[i];

    if (s->filesz > s->memsz)
        return load_refuse(elf->file, err, "segment %u: p_filesz is more than p_memsz", i);
    if (s->paddr < want->low)
        return load_refuse(elf->file, err, "segment %u: p_paddr 0x%llx is below %s", i,
                           (unsigned long long)s->paddr, want->low_is);
    if (!range_ok(s->paddr, s->memsz, want->end))
        return load_refuse(elf->file, err,
                           "segment %u: p_paddr 0x%llx and p_memsz 0x%llx do not lie in the "
                           "%llu MiB of RAM; raise --mem, or the file is damaged",
                           i, (unsigned long long)s->paddr, (unsigned long long)s->memsz,
                           (unsigned long long)((want->end - want->ram) / MIB));
    for (unsigned k = 0; k < i; k++)
        if (elf->segment[k].type == ELF_PT_LOAD && elf->segment[k].memsz &&
            overlaps(s, &elf->segment[k]))
            return load_refuse(elf->file, err, "segments %u and %u overlap in memory (p_paddr)", k,
                               i);
    return 0;
}

static int segments_check(struct elf *elf, const struct elf_want *want, struct err *err)
{
    elf->low = UINT64_MAX;
    for (unsigned i = 0; i < elf->n; i++) {
        const struct elf_segment *s = &elf->segment[i];
        int ret;

        if (s->type != ELF_PT_LOAD && s->type != ELF_PT_NOTE)
            continue;
        if (!range_ok(s->offset, s->filesz, elf->file->size))
            return load_refuse(elf->file, err,
                               "segment %u: p_offset 0x%llx and p_filesz 0x%llx lie outside the "
                               "file",
                               i, (unsigned long long)s->offset, (unsigned long long)s->filesz);
        if (s->type != ELF_PT_LOAD || (!s->memsz && !s->filesz))
            continue;
        ret = segment_check(elf, i, want, err);
        if (ret < 0)
            return ret;
        elf->low = min_u64(elf->low, s->paddr);
        elf->high = max_u64(elf->high, s->paddr + s->memsz);
    }
    if (!elf->high)
        return load_refuse(elf->file, err, "no segment to load (PT_LOAD)");
    return 0;
}

/* --- for those who run it --- */

bool elf_has(const struct elf *elf, uint64_t at)
{
    for (unsigned i = 0; i < elf->n; i++) {
        const struct elf_segment *s = &elf->segment[i];

        if (s->type == ELF_PT_LOAD && at >= s->paddr && at - s->paddr < s->filesz)
            return true;
    }
    return false;
}

int elf_read(const struct load_file *file, const struct elf_want *want, struct elf *elf,
             struct err *err)
{
    int ret;

    *elf = (struct elf){.file = file};
    ret = ident_check(elf, err);
    if (!ret)
        ret = machine_check(elf, want, err);
    if (!ret)
        ret = table_read(elf, err);
    if (!ret)
        ret = segments_check(elf, want, err);
    return ret;
}

int elf_write(const struct elf *elf, const struct load_job *job, struct err *err)
{
    for (unsigned i = 0; i < elf->n; i++) {
        const struct elf_segment *s = &elf->segment[i];
        int ret;

        if (s->type != ELF_PT_LOAD)
            continue;
        ret = load_write(job, s->paddr, elf->file->data + s->offset, s->filesz, "a segment", err);
        if (ret < 0)
            return ret;
    }
    return 0;
}
