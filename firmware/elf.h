/* SPDX-License-Identifier: MIT */
/* ELF executables (ELF32 and ELF64, little-endian): headers, and segments into guest memory. */
#ifndef FIRMWARE_ELF_H
#define FIRMWARE_ELF_H

#include <stdbool.h>

#include "firmware/load.h"

enum { ELF_PT_LOAD = 1, ELF_PT_NOTE = 4, ELF_SEGMENTS_MAX = 64 };

struct elf_form;

struct elf_segment {
    uint32_t type;
    uint64_t offset, paddr, filesz, memsz, align;
};

struct elf {
    const struct load_file *file;
    const struct elf_form *form;
    struct elf_segment segment[ELF_SEGMENTS_MAX];
    unsigned n;
    uint64_t low, high; /* RAM taken by segments */
    uint64_t e_entry;   /* as the file says; not checked */
};

/* What a machine takes. */
struct elf_want {
    uint16_t machine;   /* e_machine */
    uint16_t machine32; /* ... of ELF32 files that it takes as well; 0: none */
    const char *name;   /* of machine */
    uint64_t ram;       /* where RAM begins */
    uint64_t low, end;  /* segments lie between these */
    const char *low_is; /* "1 MiB, where boot data is" */
};

bool elf_is(const struct load_file *file);

/* Check headers and segments, which may not overlap. 0 or -EINVAL with err filled. */
int elf_read(const struct load_file *file, const struct elf_want *want, struct elf *elf,
             struct err *err);

/* Is there a byte of the file at guest-physical at? */
bool elf_has(const struct elf *elf, uint64_t at);

/* Load the segments of a file that was read. 0 or -EINVAL with err filled. */
int elf_write(const struct elf *elf, const struct load_job *job, struct err *err);

#endif
