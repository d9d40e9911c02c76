// SPDX-License-Identifier: MIT
/*
 * Owns telling an arm64 machine's formats apart, and where things go: the kernel at the start of
 * RAM, the device tree in the last 2 MiB of its first GiB, the initrd below that. Refuses to know a
 * format's fields.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "firmware/elf.h"
#include "firmware/fdt.h"
#include "firmware/linux-arm64.h"
#include "firmware/load.h"

enum { MACHINE_AARCH64 = 183, PAGE = 4096 };

/* Linux wants kernel and initrd within 32 GiB, and some loaders' kernels no more than 1. */
#define RAM_LEAST (16 * MIB)
#define BLOCK     (2 * MIB)

/* Where the device tree stands, and so all else ends; 0: too little RAM. */
static uint64_t fdt_place(const struct board *board)
{
    const struct board_ram *ram = &board->ram[0];

    return ram->size < RAM_LEAST
               ? 0
               : ((ram->base + min_u64(ram->size, GIB)) & ~(BLOCK - 1)) - FDT_SIZE_MAX;
}

/* ---- the kernel ---- */

static int elf_put(const struct load_job *job, uint64_t ram, uint64_t end, struct load_result *out,
                   struct err *err)
{
    const struct elf_want want = {
        .machine = MACHINE_AARCH64,
        .name = "AArch64",
        .ram = ram,
        .low = ram,
        .end = end,
        .low_is = "the start of RAM",
    };
    struct elf elf;
    int ret = elf_read(job->kernel, &want, &elf, err);

    if (ret < 0)
        return ret;
    if (!elf_has(&elf, elf.e_entry))
        return load_refuse(job->kernel, err,
                           "e_entry 0x%llx points outside the segments that are loaded",
                           (unsigned long long)elf.e_entry);
    out->kernel_gpa = elf.low;
    out->kernel_size = elf.high - elf.low;
    out->entry.pc = elf.e_entry;
    return elf_write(&elf, job, err);
}

/* Files that people hand us by mistake; the first row that fits tells them. */
static const struct load_mistake mistaken[] = {
    {0x202, 4, "HdrS", "an x86 kernel; this machine is arm64"},
    {0, 4, "\x28\xb5\x2f\xfd", "zstd-compressed; unpack it first"},
    {0, 6, "\3757zXZ", "xz-compressed; unpack it first"},
    {4, 4, "zimg", "an EFI program that unpacks itself; unpack it first"},
    {0, 6, "070701", "an initramfs archive, not a kernel"},
};

static int format_load(const struct load_job *job, uint64_t ram, uint64_t end,
                       struct load_result *out, struct err *err)
{
    int r = load_refuse_mistaken(job->kernel, mistaken, ARRAY_SIZE(mistaken), err);

    if (r != 0)
        return r;
    if (elf_is(job->kernel))
        return elf_put(job, ram, end, out, err);
    if (linux_arm64_is(job->kernel))
        return linux_arm64_load(job, ram, end, out, err);
    return load_refuse(job->kernel, err, "it is no arm64 Image (magic) and no ELF file");
}

static int kernel_load(const struct load_job *job, uint64_t ram, uint64_t end,
                       struct load_result *out, struct err *err)
{
    struct load_job inner = *job;
    struct load_file unzipped;
    int ret;

    if (!linux_arm64_is_gzip(job->kernel))
        return format_load(job, ram, end, out, err);
    ret = linux_arm64_unzip(job->kernel, &unzipped, err);
    if (ret < 0)
        return ret;
    inner.kernel = &unzipped;
    ret = format_load(&inner, ram, end, out, err);
    load_file_free(&unzipped);
    return ret;
}

/* ---- what it finds ---- */

static int initrd_load(const struct load_job *job, uint64_t end, struct load_result *out,
                       struct err *err)
{
    const struct load_file *initrd = job->initrd;
    const uint64_t above = out->kernel_gpa + out->kernel_size;
    uint64_t at;

    if (!initrd)
        return 0;
    if (!initrd->size)
        return load_refuse(initrd, err, "the initrd is empty");
    at = initrd->size > end ? 0 : (end - initrd->size) & ~(uint64_t)(PAGE - 1);
    if (at < above)
        return load_refuse(initrd, err,
                           "no room for the initrd (%llu KiB) between the end of the kernel "
                           "(0x%llx) and 0x%llx; raise --mem",
                           (unsigned long long)(initrd->size / KIB), (unsigned long long)above,
                           (unsigned long long)end);
    out->initrd_gpa = at;
    out->initrd_size = initrd->size;
    return load_write(job, at, initrd->data, initrd->size, "the initrd", err);
}

/* #syscalls:main getrandom */
static int fdt_load(const struct load_job *job, const struct board *board, uint64_t at,
                    struct load_result *out, struct err *err)
{
    struct fdt_boot boot = {
        .cmdline = job->cmdline, .initrd_gpa = out->initrd_gpa, .initrd_size = out->initrd_size};
    void *buf = calloc(1, FDT_SIZE_MAX);
    int ret;

    if (!buf || getrandom(boot.seed, sizeof(boot.seed), 0) != sizeof(boot.seed) ||
        getrandom(boot.kaslr_seed, sizeof(boot.kaslr_seed), 0) != sizeof(boot.kaslr_seed)) {
        free(buf);
        return err_set(err, ENOMEM, "no memory for the device tree, or no random numbers");
    }
    ret = fdt_make(board, &boot, buf, FDT_SIZE_MAX, err);
    if (ret >= 0) {
        out->fdt_gpa = out->entry.x0 = at;
        out->fdt_size = (uint64_t)ret;
        ret = load_write(job, at, buf, out->fdt_size, "the device tree", err);
    }
    free(buf);
    return ret < 0 ? ret : 0;
}

int load_kernel(const struct load_file *kernel, const struct load_file *initrd, const char *cmdline,
                const struct board *board, const struct gmem *mem, struct load_result *out,
                struct err *err)
{
    struct load_result result = {.entry = {.kind = ENTRY_ARM64}};
    const struct load_job job = {kernel, initrd, cmdline, mem, NULL, NULL};
    const uint64_t ram = board->ram[0].base, end = fdt_place(board);
    int ret;

    if (!end)
        return err_set(err, EINVAL, "less than %llu MiB of RAM: raise --mem",
                       (unsigned long long)(RAM_LEAST / MIB));
    ret = kernel_load(&job, ram, end, &result, err);
    if (!ret)
        ret = initrd_load(&job, end, &result, err);
    if (!ret)
        ret = fdt_load(&job, board, end, &result, err);
    if (!ret)
        *out = result;
    return ret;
}
