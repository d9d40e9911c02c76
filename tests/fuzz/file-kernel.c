// SPDX-License-Identifier: MIT
/* Owns the target of kernels: bzImage and ELF, loaded into a guest's memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "firmware/load.h"
#include "tests/fuzz/targets.h"
#include "tests/unit/fake-guest.h"
#include "tests/unit/images/kernels.h"

enum { INITRD = 8192, KERNEL_MAX = 8192 };

/* What a vCPU would be started with lies in RAM. */
static void result_check(const struct fake_guest *g, const struct load_result *r)
{
    const uint64_t rsp_page = r->entry.rsp & ~UINT64_C(0xfff);

    if (!gmem_span(&g->mem, gpa(r->entry.rip), 1) ||
        (r->initrd_size && !gmem_span(&g->mem, gpa(r->initrd_gpa), r->initrd_size)) ||
        !gmem_span(&g->mem, gpa(r->kernel_gpa), r->kernel_size) ||
        !gmem_span(&g->mem, gpa(r->acpi_gpa), 36) || rsp_page > g->board.ram[0].size)
        fuzz_fail("loaded, but not into RAM");
    if (r->initrd_size && r->initrd_gpa < r->kernel_gpa + r->kernel_size &&
        r->kernel_gpa < r->initrd_gpa + r->initrd_size)
        fuzz_fail("the initrd overlaps the kernel");
}

/* The first byte: bit 0: there is an initrd, bits 1-7: its size; the second: RAM, in 16 MiB; then
 * the file. */
static void run(const uint8_t *data, size_t len)
{
    static const uint8_t archive[INITRD];
    struct fuzz_in in = {data, len};
    const uint8_t how = fuzz_u8(&in), ram = fuzz_u8(&in);
    const struct load_file initrd = {"initrd", archive, (uint64_t)(how >> 1) * 64 + 1};
    const struct load_file kernel = {"kernel", in.p, in.left};
    struct fake_guest g;
    struct load_result r;
    struct err err = {""};
    int ret;

    fake_guest_make(&g, (ram % 16 + 1) * 16 * MIB, ram & 16 ? 16 * MIB : 0);
    ret =
        load_kernel(&kernel, how & 1 ? &initrd : NULL, "console=ttyS0", &g.board, &g.mem, &r, &err);
    if (ret == 0)
        result_check(&g, &r);
    else if (!err.text[0])
        fuzz_fail("refused without a word");
    fake_guest_free(&g);
}

static void seed(struct fuzz_seeds *to, const char *name, uint8_t how, const uint8_t *image,
                 size_t len)
{
    struct fuzz_out out = {0};

    fuzz_put_num(&out, how, 1);
    fuzz_put_num(&out, 3, 1);
    fuzz_put(&out, image, len);
    fuzz_seed(to, name, out.data, out.n);
}

static void seeds(struct fuzz_seeds *to)
{
    uint8_t bz[BZ_SIZE], elf[ELF_SIZE];

    bzimage_make(bz);
    seed(to, "bzimage", 0, bz, sizeof(bz));
    seed(to, "bzimage-initrd", 0xff, bz, sizeof(bz));
    elf_make(&elf32, elf);
    seed(to, "elf32", 0, elf, ELF_TEXT_AT + 0x900);
    elf_make(&elf64, elf);
    seed(to, "elf64", 0, elf, ELF_TEXT_AT + 0x900);
    seed(to, "elf64-initrd", 0x81, elf, ELF_TEXT_AT + 0x900);
}

const struct fuzz_target fuzz_kernel = {"kernel", KERNEL_MAX, run, seeds};
