// SPDX-License-Identifier: MIT
/*
 * Owns telling an x86 machine's formats apart, and what all of them need: command line, initrd,
 * ACPI tables. Refuses to know a format's fields.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "firmware/acpi.h"
#include "firmware/elf-pvh.h"
#include "firmware/elf.h"
#include "firmware/linux-x86.h"
#include "firmware/load.h"

enum { PAGE = 4096 };

int load_cmdline(const struct load_job *job, uint64_t limit, struct err *err)
{
    const uint64_t size = strlen(job->cmdline), max = min_u64(limit, CMDLINE_MAX);

    if (size > max)
        return load_refuse(job->kernel, err,
                           "the command line has %llu bytes, and this kernel takes %llu "
                           "(cmdline_size); shorten --append",
                           (unsigned long long)size, (unsigned long long)max);
    return load_write(job, LOW_CMDLINE, job->cmdline, size + 1, "the command line", err);
}

int load_initrd(const struct load_job *job, uint64_t above, uint64_t limit, struct load_result *out,
                struct err *err)
{
    const struct load_file *initrd = job->initrd;
    uint64_t at;

    out->initrd_gpa = out->initrd_size = 0;
    if (!initrd)
        return 0;
    if (!initrd->size)
        return load_refuse(initrd, err, "the initrd is empty");
    at = memmap_highest(job->map, initrd->size, above, limit);
    if (!at)
        return load_refuse(initrd, err,
                           "no room for the initrd (%llu KiB) between the end of the kernel "
                           "(0x%llx) and 0x%llx; raise --mem",
                           (unsigned long long)(initrd->size / KIB), (unsigned long long)above,
                           (unsigned long long)min_u64(limit, job->map->kernel_end));
    out->initrd_gpa = at;
    out->initrd_size = initrd->size;
    return load_write(job, at, initrd->data, initrd->size, "the initrd", err);
}

/* --- kernels --- */

static int acpi_load(const struct load_job *job, const struct board *board, struct load_result *out,
                     struct err *err)
{
    const size_t size = (size_t)job->map->acpi_size;
    struct acpi_layout layout;
    uint8_t *buf = (uint8_t *)malloc(size);
    int ret;

    if (!buf)
        return err_set(err, ENOMEM, "no memory for the ACPI tables");
    ret = acpi_build(board, job->map->acpi_base, buf, size, &layout, err);
    if (!ret)
        ret = load_write(job, job->map->acpi_base, buf, layout.size, "the ACPI tables", err);
    if (!ret)
        ret = load_write(job, LOW_RSDP, buf, ACPI_RSDP_SIZE, "the RSDP", err);
    free(buf);
    if (!ret) {
        out->acpi_gpa = layout.rsdp_gpa;
        out->acpi_size = layout.size;
    }
    return ret;
}

/*
 * What a PC's firmware has at its reset vector, in the real mode of the processors' youth. Linux
 * goes there to restart a hardware-reduced machine that did not boot by EFI.
 */
static int reset_vector_put(const struct load_job *job, const struct board *board, struct err *err)
{
    const uint8_t code[] = {
        0xba,
        (uint8_t)board->reset_port,
        (uint8_t)(board->reset_port >> 8), /* mov dx, port */
        0xb0,
        board->reset_value, /* mov al, value */
        0xee,               /* out dx, al */
        0xf4,               /* hlt */
        0xeb,
        0xfd, /* jmp to the hlt */
    };

    return load_write(job, LOW_RESET_VECTOR, code, sizeof(code), "the reset vector", err);
}

/* Files that people hand us by mistake; the first row that fits tells them. */
static const struct load_mistake mistaken[] = {
    {0x38, 4, "ARM\x64", "an arm64 kernel; this machine is x86-64"},
    {0, 2, "\x1f\x8b", "gzip-compressed; unpack it first"},
    {0, 4, "\x28\xb5\x2f\xfd", "zstd-compressed; unpack it first"},
    {0, 6, "\3757zXZ", "xz-compressed; unpack it first"},
    {0, 6, "070701", "an initramfs archive, not a kernel"},
};

static int format_load(const struct load_job *job, struct load_result *out, struct err *err)
{
    int r = load_refuse_mistaken(job->kernel, mistaken, ARRAY_SIZE(mistaken), err);

    if (r != 0)
        return r;
    if (elf_is(job->kernel))
        return elf_pvh_load(job, out, err);
    return linux_x86_load(job, out, err);
}

int load_kernel(const struct load_file *kernel, const struct load_file *initrd, const char *cmdline,
                const struct board *board, const struct gmem *mem, struct load_result *out,
                struct err *err)
{
    struct load_result result = {.acpi_gpa = 0};
    struct memmap map;
    const struct load_job job = {kernel, initrd, cmdline, mem, &map, &board->screen};
    int ret = memmap_make(board, align_up(acpi_size_bound(board), PAGE), &map, err);

    if (ret < 0)
        return ret;
    ret = acpi_load(&job, board, &result, err);
    if (!ret)
        ret = reset_vector_put(&job, board, err);
    if (!ret)
        ret = format_load(&job, &result, err);
    if (!ret)
        *out = result;
    return ret;
}
