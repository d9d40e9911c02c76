/* SPDX-License-Identifier: MIT */
/* Small kernels that load: a bzImage and ELF files with a PVH note. Their code means nothing. */
#ifndef TESTS_UNIT_IMAGES_KERNELS_H
#define TESTS_UNIT_IMAGES_KERNELS_H

#include <stdint.h>
#include <string.h>

#include "vmm/base/le.h"

enum { BZ_CODE_AT = 1024, BZ_CODE_SIZE = 4096, BZ_SIZE = BZ_CODE_AT + BZ_CODE_SIZE };

static inline void bzimage_make(uint8_t image[BZ_SIZE])
{
    for (size_t i = 0; i < BZ_SIZE; i++)
        image[i] = (uint8_t)(i * 7 + (i >> 8));
    memset(image + 0x1f1, 0, 0x26c - 0x1f1);
    image[0x1ef] = 0xff; /* the sentinel: a loader that copies too much takes it along */
    image[0x1f1] = 1;
    le32_store(image + 0x1f4, BZ_CODE_SIZE / 16);
    le16_store(image + 0x1fe, 0xaa55);
    memcpy(image + 0x200, "\xeb\x6aHdrS", 6);
    le16_store(image + 0x206, 0x020f);
    image[0x211] = 0x83;
    le64_store(image + 0x250, 0x1234567);
    le32_store(image + 0x22c, 0x7fffffff);
    le32_store(image + 0x230, 0x200000);
    image[0x234] = 1;
    le16_store(image + 0x236, 1);
    le32_store(image + 0x238, 2047);
    le64_store(image + 0x258, 0x1000000);
    le32_store(image + 0x260, 0x800000);
}

enum { ELF_SIZE = 4096, ELF_TEXT_AT = 0x400, ELF_NOTE_AT = 0x200, ELF_TEXT_GPA = 0x200000 };

/* The two classes: where a test puts its fingers. */
struct elf_shape {
    unsigned bits, word, ehdr, phdr;
    unsigned entry, phoff, ehsize, phentsize, phnum;
    unsigned offset, paddr, filesz, memsz, align;
};

static const struct elf_shape elf32 = {32, 4, 52, 32, 24, 28, 40, 42, 44, 4, 12, 16, 20, 28};
static const struct elf_shape elf64 = {64, 8, 64, 56, 24, 32, 52, 54, 56, 8, 24, 32, 40, 48};

static inline void elf_put(const struct elf_shape *s, uint8_t *p, uint64_t v)
{
    order_store(ORDER_LITTLE, p, s->word, v);
}

static inline void elf_phdr_put(const struct elf_shape *s, uint8_t *p, uint32_t type,
                                uint64_t offset, uint64_t paddr, uint64_t filesz, uint64_t memsz)
{
    le32_store(p, type);
    elf_put(s, p + s->offset, offset);
    elf_put(s, p + s->paddr, paddr);
    elf_put(s, p + s->filesz, filesz);
    elf_put(s, p + s->memsz, memsz);
    elf_put(s, p + s->align, 4);
}

/* Segments 0: text, 1: data with bss, 2: notes (another owner's first). */
static inline void elf_make(const struct elf_shape *s, uint8_t image[ELF_SIZE])
{
    uint8_t *ph = image + s->ehdr, *note = image + ELF_NOTE_AT;

    memset(image, 0, ELF_SIZE);
    memcpy(image, "\177ELF", 4);
    image[4] = s->bits == 64 ? 2 : 1;
    image[5] = image[6] = 1;
    le16_store(image + 16, 2);
    le16_store(image + 18, s->bits == 64 ? 62 : 3);
    le32_store(image + 20, 1);
    elf_put(s, image + s->phoff, s->ehdr);
    le16_store(image + s->ehsize, (uint16_t)s->ehdr);
    le16_store(image + s->phentsize, (uint16_t)s->phdr);
    le16_store(image + s->phnum, 3);
    elf_phdr_put(s, ph, 1, ELF_TEXT_AT, ELF_TEXT_GPA, 0x800, 0x1000);
    elf_phdr_put(s, ph + s->phdr, 1, ELF_TEXT_AT + 0x800, ELF_TEXT_GPA + 0x1000, 0x100, 0x8000);
    elf_phdr_put(s, ph + 2 * s->phdr, 4, ELF_NOTE_AT, 0, 48, 48);
    memcpy(note, "\x06\0\0\0\x05\0\0\0\x12\0\0\0Other\0\0\0xxxxx\0\0\0", 28);
    le32_store(note + 28, 4);
    le32_store(note + 32, 4);
    le32_store(note + 36, 18);
    memcpy(note + 40, "Xen", 4);
    le32_store(note + 44, ELF_TEXT_GPA + 0x10);
    for (size_t i = ELF_TEXT_AT; i < ELF_SIZE; i++)
        image[i] = (uint8_t)(i * 5 + 1);
}

#endif
