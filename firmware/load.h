/* SPDX-License-Identifier: MIT */
/*
 * Putting a kernel, its initrd, its command line and the tables that describe the machine into
 * guest memory. The files are hostile until proven otherwise: every field is checked before it is
 * used, and each refusal is one sentence that names the file and the field.
 */
#ifndef FIRMWARE_LOAD_H
#define FIRMWARE_LOAD_H

#include <stddef.h>
#include <stdint.h>

#include "firmware/board.h"
#include "firmware/memmap.h"
#include "vmm/base/bits.h"
#include "vmm/base/err.h"
#include "vmm/base/gmem.h"

#define LOAD_KERNEL_MAX GIB /* limits for load_file_read; far above any real file */
#define LOAD_INITRD_MAX (2 * GIB)

/* A file in memory. name is for messages and stays the caller's, as does data not read by us. */
struct load_file {
    const char *name;
    const uint8_t *data;
    uint64_t size;
};

/*
 * Read all of a regular file of 1..limit bytes. fd >= 0: the open file (it stays open, its offset
 * unchanged) and path only names it; fd < 0: open path. Anything but a regular file, a file above
 * limit, and one whose size changes meanwhile, is refused. 0 or -errno, err filled, out untouched.
 */
int load_file_read(const char *path, int fd, uint64_t limit, struct load_file *out,
                   struct err *err);

/* Give back what load_file_read read; out of use afterwards. NULL data is fine. */
void load_file_free(struct load_file *file);

enum load_entry_kind {
    ENTRY_LINUX64, /* long mode, paging on, rsi = boot_params (Linux boot.rst, 64-bit protocol) */
    ENTRY_ARM64, /* EL1, MMU off: pc, x0 = device tree (Linux arm64 booting.rst); no other field */
    ENTRY_PVH,   /* protected mode, paging off, ebx = hvm_start_info (Xen pvh.pandoc) */
};

/*
 * The state in which the boot CPU starts; everything else is as after a reset, interrupts off.
 * cs = code_selector, ds = es = ss = data_selector, tr = tss_selector; all bases 0, limits 4 GiB,
 * tr's limit 0x67. LINUX64: cs has L set, cr0 PE and PG, cr4 PAE, efer LME and LMA, cr3 =
 * page_table_gpa. PVH: cs has D set, cr0 PE only, cr4 0.
 */
struct load_entry {
    enum load_entry_kind kind;
    uint64_t rip, rsp, rsi, rbx;
    uint64_t page_table_gpa;
    uint64_t gdt_gpa;
    uint16_t gdt_limit;
    uint16_t code_selector, data_selector, tss_selector;
    uint64_t pc, x0;
};

struct load_result {
    struct load_entry entry;
    uint64_t kernel_gpa, kernel_size; /* all that the kernel takes while it starts */
    uint64_t initrd_gpa, initrd_size; /* 0, 0: none */
    uint64_t acpi_gpa, acpi_size;     /* x86: the RSDP stands at acpi_gpa */
    uint64_t fdt_gpa, fdt_size;       /* arm64: the device tree */
};

/*
 * Load a kernel: x86: a bzImage or a PVH ELF file; arm64: an Image, or one compressed by gzip, or
 * an ELF file. mem must hold board's RAM and read as zero (a fresh machine, or after gmem_zero):
 * what a kernel wants zeroed is not written. initrd may be NULL. cmdline is from cmdline_join. 0,
 * or -errno with err filled; guest memory is then in no defined state. Before vCPUs run.
 */
int load_kernel(const struct load_file *kernel, const struct load_file *initrd, const char *cmdline,
                const struct board *board, const struct gmem *mem, struct load_result *out,
                struct err *err);

/* --- between load.c and the formats --- */

struct load_job {
    const struct load_file *kernel, *initrd;
    const char *cmdline;
    const struct gmem *mem;
    const struct memmap *map;          /* x86 */
    const struct board_screen *screen; /* x86 */
};

/* -EINVAL, with "FILE: " in front of the sentence. */
int load_refuse(const struct load_file *file, struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* What a file is that is no kernel: n bytes at an offset tell it. what: for "it is ...". */
struct load_mistake {
    uint16_t at, n;
    const char *magic, *what;
};

/* Refuse a file in which one of n mistakes is seen: -EINVAL with err filled, else 0. */
int load_refuse_mistaken(const struct load_file *file, const struct load_mistake *mistakes,
                         size_t n, struct err *err);

/* x86: write the command line to LOW_CMDLINE; limit: what the kernel takes, without NUL. */
int load_cmdline(const struct load_job *job, uint64_t limit, struct err *err);

/* x86: place and write the initrd, if any, in [above, limit); fills out->initrd_*. */
int load_initrd(const struct load_job *job, uint64_t above, uint64_t limit, struct load_result *out,
                struct err *err);

/* Write bytes that have been checked to lie in RAM. what: for the message if they do not. */
int load_write(const struct load_job *job, uint64_t at, const void *data, uint64_t size,
               const char *what, struct err *err);

#endif
