// SPDX-License-Identifier: MIT
/* ELF kernels with a PVH note: what is refused (HOSTILE Z08, Z10, Z11) and what a guest is told. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "firmware/load.h"
#include "tests/unit/fake-guest.h"
#include "tests/unit/images/kernels.h"

static int image_load(struct fake_guest *g, const uint8_t *image, uint64_t size,
                      const struct load_file *initrd, struct load_result *out, struct err *err)
{
    const struct load_file kernel = {"vmlinux", image, size};

    *err = (struct err){""};
    return load_kernel(&kernel, initrd, "hello", &g->board, &g->mem, out, err);
}

static void start_info_check(const struct fake_guest *g, const struct load_result *r)
{
    const uint8_t *info = guest_at(g, r->entry.rbx, 56), *module, *map;
    const uint32_t n = le32_load(info + 48);

    assert_int_equal(le32_load(info), 0x336ec578);
    assert_int_equal(le32_load(info + 4), 1);
    assert_int_equal(le32_load(info + 12), 1);
    module = guest_at(g, le64_load(info + 16), 32);
    assert_int_equal(le64_load(module), r->initrd_gpa);
    assert_int_equal(le64_load(module + 8), r->initrd_size);
    assert_memory_equal(guest_at(g, r->initrd_gpa, 5), "start", 5);
    assert_string_equal((const char *)guest_at(g, le64_load(info + 24), 6), "hello");
    assert_memory_equal(guest_at(g, le64_load(info + 32), 8), "RSD PTR ", 8);
    map = guest_at(g, le64_load(info + 40), n * 24);
    assert_int_equal(n, 5);
    assert_int_equal(le64_load(map + 2 * 24), MIB);
    assert_int_equal(le64_load(map + 2 * 24 + 8), r->acpi_gpa - MIB);
    assert_int_equal(le32_load(map + 2 * 24 + 16), 1);
    assert_int_equal(le32_load(map + 3 * 24 + 16), 3);
}

static void loads(const struct elf_shape *s)
{
    const struct load_file initrd = {"initrd", (const uint8_t *)"start", 5};
    uint8_t image[ELF_SIZE];
    const uint8_t *gdt;
    struct fake_guest g;
    struct load_result r;
    struct err err;

    fake_guest_make(&g, 64 * MIB, 0);
    elf_make(s, image);
    if (image_load(&g, image, sizeof(image), &initrd, &r, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(r.entry.kind, ENTRY_PVH);
    assert_int_equal(r.entry.rip, ELF_TEXT_GPA + 0x10);
    assert_int_equal(r.entry.page_table_gpa, 0);
    assert_int_equal(r.kernel_gpa, ELF_TEXT_GPA);
    assert_int_equal(r.kernel_size, 0x9000);
    assert_memory_equal(guest_at(&g, ELF_TEXT_GPA, 0x800), image + ELF_TEXT_AT, 0x800);
    assert_int_equal(*guest_at(&g, ELF_TEXT_GPA + 0x800, 1), 0);
    assert_memory_equal(guest_at(&g, ELF_TEXT_GPA + 0x1000, 0x100), image + ELF_TEXT_AT + 0x800,
                        0x100);
    gdt = guest_at(&g, r.entry.gdt_gpa, r.entry.gdt_limit + 1u);
    assert_true(le64_load(gdt + r.entry.code_selector) == 0x00cf9b000000ffff);
    assert_true(le64_load(gdt + r.entry.tss_selector) == 0x00008b0000000067);
    start_info_check(&g, &r);
    fake_guest_free(&g);
}

static void test_elf32(void **state)
{
    (void)state;
    loads(&elf32);
}

static void test_elf64(void **state)
{
    (void)state;
    loads(&elf64);
}

/* One field changed in an ELF64 file, and the word that the refusal must have. */
enum { P0 = 64, P1 = 64 + 56, P2 = 64 + 112 };

static const struct {
    const char *id;
    unsigned at, width;
    uint64_t value;
    const char *word;
} lie[] = {
    {"Z11", 4, 1, 3, "class"},
    {"Z11", 4, 1, 0, "class"},
    {"Z11", 5, 1, 2, "little-endian"},
    {"Z11", 6, 1, 0, "version"},
    {"Z11", 16, 2, 3, "e_type"},
    {"Z11", 18, 2, 183, "e_machine"},
    {"Z11", 18, 2, 3, "e_machine"},
    {"Z08", 52, 2, 63, "e_ehsize"},
    {"Z08", 54, 2, 55, "e_phentsize"},
    {"Z08", 54, 2, 0, "e_phentsize"},
    {"Z08", 54, 2, 0xffff, "e_phentsize"},
    {"Z08", 56, 2, 0, "e_phnum"},
    {"Z08", 56, 2, 65, "e_phnum"},
    {"Z08", 56, 2, 0xffff, "e_phnum"},
    {"Z08", 32, 8, ELF_SIZE - 3 * 56 + 1, "e_phoff"},
    {"Z08", 32, 8, UINT64_MAX, "e_phoff"},
    {"Z08", 32, 8, UINT64_MAX - 3 * 56 + 1, "e_phoff"},
    {"Z10", P0 + 24, 8, 0, "p_paddr"},
    {"Z10", P0 + 24, 8, 0x7000, "p_paddr"},
    {"Z10", P0 + 24, 8, 0xfffff, "p_paddr"},
    {"Z10", P0 + 24, 8, UINT64_MAX, "p_paddr"},
    {"Z10", P0 + 24, 8, UINT64_MAX - 0xfff, "p_paddr"},
    {"Z10", P0 + 24, 8, 64 * MIB - 0x1000, "p_paddr"},
    {"Z10", P0 + 24, 8, 4 * GIB, "p_paddr"},
    {"Z10", P0 + 24, 8, ELF_TEXT_GPA + 0x1000, "overlap"},
    {"Z10", P0 + 24, 8, ELF_TEXT_GPA + 1, "overlap"},
    {"Z10", P0 + 40, 8, 0x1001, "overlap"},
    {"Z10", P0 + 40, 8, UINT64_MAX, "p_memsz"},
    {"Z10", P0 + 40, 8, 0x7ff, "p_filesz"},
    {"Z10", P0 + 40, 8, 0, "p_filesz"},
    {"Z10", P0 + 32, 8, UINT64_MAX, "p_filesz"},
    {"Z10", P0 + 8, 8, ELF_SIZE - 0x7ff, "p_offset"},
    {"Z10", P0 + 8, 8, UINT64_MAX, "p_offset"},
    {"Z10", P0 + 8, 8, UINT64_MAX - 0x7ff, "p_offset"},
    {"Z10", P2 + 8, 8, ELF_SIZE, "p_offset"},
    {"Z10", P2 + 32, 8, UINT64_MAX, "p_filesz"},
    {"Z11", P2, 4, 5, "PHYS32_ENTRY"},
    {"Z11", ELF_NOTE_AT + 36, 4, 17, "PHYS32_ENTRY"},
    {"Z11", ELF_NOTE_AT + 28, 4, 0xfffffffc, "PHYS32_ENTRY"},
    {"Z11", ELF_NOTE_AT + 28, 4, UINT32_MAX, "PHYS32_ENTRY"},
    {"Z11", ELF_NOTE_AT + 32, 4, 3, "PHYS32_ENTRY"},
    {"Z11", ELF_NOTE_AT + 32, 4, UINT32_MAX, "PHYS32_ENTRY"},
    {"Z11", ELF_NOTE_AT, 4, UINT32_MAX, "PHYS32_ENTRY"},
    {"Z11", ELF_NOTE_AT + 40, 1, 'x', "PHYS32_ENTRY"},
    {"Z11", ELF_NOTE_AT + 44, 4, 0, "points outside"},
    {"Z11", ELF_NOTE_AT + 44, 4, ELF_TEXT_GPA - 1, "points outside"},
    {"Z11", ELF_NOTE_AT + 44, 4, ELF_TEXT_GPA + 0x800, "points outside"},
    {"Z11", ELF_NOTE_AT + 44, 4, UINT32_MAX, "points outside"},
};

static void test_Z08_Z10_Z11_lies(void **state)
{
    struct fake_guest g;

    (void)state;
    fake_guest_make(&g, 64 * MIB, 0);
    for (size_t i = 0; i < ARRAY_SIZE(lie); i++) {
        uint8_t image[ELF_SIZE];
        struct load_result r;
        struct err err;

        elf_make(&elf64, image);
        order_store(ORDER_LITTLE, image + lie[i].at, lie[i].width, lie[i].value);
        if (image_load(&g, image, sizeof(image), NULL, &r, &err) != -EINVAL ||
            !strstr(err.text, lie[i].word) || strncmp(err.text, "vmlinux: ", 9) != 0)
            fail_msg("row %zu (%s): \"%s\"", i, lie[i].id, err.text);
    }
    fake_guest_free(&g);
}

static void test_Z10_nothing_to_load(void **state)
{
    uint8_t image[ELF_SIZE];
    struct fake_guest g;
    struct load_result r;
    struct err err;

    (void)state;
    fake_guest_make(&g, 64 * MIB, 0);
    elf_make(&elf64, image);
    le32_store(image + P0, 0);
    le32_store(image + P1, 0);
    assert_int_equal(image_load(&g, image, sizeof(image), NULL, &r, &err), -EINVAL);
    assert_non_null(strstr(err.text, "PT_LOAD"));
    fake_guest_free(&g);
}

static void cut_short(const struct elf_shape *s, size_t end)
{
    uint8_t image[ELF_SIZE];
    struct fake_guest g;

    fake_guest_make(&g, 64 * MIB, 0);
    elf_make(s, image);
    for (size_t size = 0; size < end; size++) {
        uint8_t *cut = (uint8_t *)malloc(size ? size : 1);
        struct load_result r;
        struct err err;

        assert_non_null(cut);
        memcpy(cut, image, size);
        assert_int_equal(image_load(&g, cut, size, NULL, &r, &err), -EINVAL);
        free(cut);
    }
    fake_guest_free(&g);
}

/* Every length of file that lacks a byte of a segment, in memory of exactly that length. */
static void test_Z08_cut_short(void **state)
{
    (void)state;
    cut_short(&elf32, ELF_TEXT_AT + 0x900);
    cut_short(&elf64, ELF_TEXT_AT + 0x900);
}

static void test_random_headers(void **state)
{
    uint32_t seed = 0x12345678;
    struct fake_guest g;

    (void)state;
    fake_guest_make(&g, 64 * MIB, 0);
    for (unsigned i = 0; i < 6000; i++) {
        uint8_t *image = (uint8_t *)malloc(ELF_SIZE);
        struct load_result r;
        struct err err;

        assert_non_null(image);
        elf_make(i & 1 ? &elf64 : &elf32, image);
        for (unsigned k = fake_random(&seed) % 3 + 1; k; k--)
            image[fake_random(&seed) % (ELF_NOTE_AT + 48)] = (uint8_t)fake_random(&seed);
        if (image_load(&g, image, ELF_SIZE, NULL, &r, &err) == 0)
            assert_true(r.kernel_gpa >= MIB && range_ok(r.kernel_gpa, r.kernel_size, r.acpi_gpa));
        else
            assert_true(err.text[0]);
        free(image);
    }
    fake_guest_free(&g);
}

static void test_real_kernel(void **state)
{
    static const char *const name[] = {"build/guest/6.1/vmlinux", "build/guest/6.12/vmlinux"};
    unsigned seen = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(name); i++) {
        struct load_file kernel;
        struct fake_guest g;
        struct load_result r;
        struct err err;

        if (load_file_read(name[i], -1, LOAD_KERNEL_MAX, &kernel, &err) < 0)
            continue;
        seen++;
        fake_guest_make(&g, 128 * MIB, 0);
        if (image_load(&g, kernel.data, kernel.size, NULL, &r, &err) < 0)
            fail_msg("%s: %s", name[i], err.text);
        assert_int_equal(r.kernel_gpa, 0x1000000);
        assert_true(r.entry.rip > 0x1000000);
        fake_guest_free(&g);
        load_file_free(&kernel);
    }
    if (!seen)
        skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_elf32),
        cmocka_unit_test(test_elf64),
        cmocka_unit_test(test_Z08_Z10_Z11_lies),
        cmocka_unit_test(test_Z10_nothing_to_load),
        cmocka_unit_test(test_Z08_cut_short),
        cmocka_unit_test(test_random_headers),
        cmocka_unit_test(test_real_kernel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
