// SPDX-License-Identifier: MIT
/*
 * bzImage: what is refused (HOSTILE Z01..Z05) and what a guest finds in its memory. Headers are
 * made here; a real kernel is taken where the guest tests have put one.
 */
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
    const struct load_file kernel = {"vmlinuz", image, size};

    *err = (struct err){""};
    return load_kernel(&kernel, initrd, "console=ttyS0", &g->board, &g->mem, out, err);
}

static uint64_t e820_find(const uint8_t *params, uint64_t base, uint32_t *type)
{
    for (unsigned i = 0; i < params[0x1e8]; i++) {
        const uint8_t *e = params + 0x2d0 + i * 20;

        *type = le32_load(e + 16);
        if (le64_load(e) == base)
            return le64_load(e + 8);
    }
    return 0;
}

static void e820_check(const struct fake_guest *g, const uint8_t *params, uint64_t acpi_gpa)
{
    const uint64_t low = g->board.ram[0].size;
    uint32_t type = 0;
    uint64_t last = 0;

    assert_int_equal(e820_find(params, 0, &type), 0xa0000);
    assert_int_equal(type, 1);
    assert_int_equal(e820_find(params, 0xa0000, &type), 0x60000);
    assert_int_equal(type, 2);
    assert_int_equal(e820_find(params, 0x100000, &type), acpi_gpa - 0x100000);
    assert_int_equal(type, 1);
    assert_int_equal(e820_find(params, acpi_gpa, &type), low - acpi_gpa);
    assert_int_equal(type, 3);
    assert_int_equal(e820_find(params, 0xe8000000, &type), MIB);
    assert_int_equal(type, 2);
    assert_int_equal(e820_find(params, 4 * GIB, &type), g->board.ram[1].size);
    for (unsigned i = 0; i < params[0x1e8]; i++) {
        const uint8_t *e = params + 0x2d0 + i * 20;

        assert_true(le64_load(e) >= last);
        last = le64_load(e) + le64_load(e + 8);
    }
}

static void tables_check(const struct fake_guest *g, const struct load_entry *entry)
{
    const uint8_t *gdt = guest_at(g, entry->gdt_gpa, entry->gdt_limit + 1u);
    const uint8_t *pml4 = guest_at(g, entry->page_table_gpa, 4096), *pdpt, *pd;

    assert_int_equal(entry->code_selector, 0x10);
    assert_int_equal(entry->data_selector, 0x18);
    assert_true(le64_load(gdt + 0x10) == 0x00af9b000000ffff);
    assert_true(le64_load(gdt + 0x18) == 0x00cf93000000ffff);
    assert_int_equal(le64_load(pml4) & 0xfff, 3);
    assert_int_equal(le64_load(pml4 + 8), 0);
    pdpt = guest_at(g, le64_load(pml4) & ~UINT64_C(0xfff), 4096);
    for (uint64_t i = 0; i < 4; i++) {
        pd = guest_at(g, le64_load(pdpt + 8 * i) & ~UINT64_C(0xfff), 4096);
        for (uint64_t k = 0; k < 512; k++)
            assert_int_equal(le64_load(pd + 8 * k), (i << 30 | k << 21 | 0x83));
    }
    assert_int_equal(le64_load(pdpt + 32), 0);
}

static void test_bzimage(void **state)
{
    static const uint8_t initrd_bytes[5000] = {'i', 'n', 'i', 't'};
    const struct load_file initrd = {"initrd.img", initrd_bytes, sizeof(initrd_bytes)};
    uint8_t image[BZ_SIZE];
    struct fake_guest g;
    struct load_result r;
    struct err err;
    const uint8_t *params;

    (void)state;
    fake_guest_make(&g, 64 * MIB, 16 * MIB);
    bzimage_make(image);
    if (image_load(&g, image, sizeof(image), &initrd, &r, &err) < 0)
        fail_msg("%s", err.text);

    assert_int_equal(r.kernel_gpa, 0x1000000);
    assert_int_equal(r.entry.kind, ENTRY_LINUX64);
    assert_int_equal(r.entry.rip, 0x1000200);
    assert_memory_equal(guest_at(&g, 0x1000000, BZ_CODE_SIZE), image + BZ_CODE_AT, BZ_CODE_SIZE);
    assert_int_equal(*guest_at(&g, 0x1000000 + BZ_CODE_SIZE, 1), 0);

    params = guest_at(&g, r.entry.rsi, 4096);
    assert_memory_equal(params + 0x202, image + 0x202, 0x210 - 0x202);
    assert_int_equal(params[0x1ef], 0);
    assert_int_equal(params[0x210], 0xff);
    assert_int_equal(params[0x211], 0x01);
    assert_int_equal(le64_load(params + 0x250), 0);
    assert_int_equal(le32_load(params + 0x214), 0x1000000);
    assert_int_equal(le32_load(params + 0x26c), 0);
    assert_string_equal((const char *)guest_at(&g, le32_load(params + 0x228), 14), "console=ttyS0");
    assert_int_equal(le32_load(params + 0x218), r.initrd_gpa);
    assert_int_equal(le32_load(params + 0x21c), 5000);
    assert_memory_equal(guest_at(&g, r.initrd_gpa, 5000), initrd_bytes, 5000);
    assert_int_equal(r.initrd_gpa, (r.acpi_gpa - 5000) & ~UINT64_C(0xfff));
    assert_int_equal(le64_load(params + 0x70), r.acpi_gpa);
    assert_memory_equal(guest_at(&g, r.acpi_gpa, 8), "RSD PTR ", 8);
    assert_memory_equal(guest_at(&g, 0xe0000, 36), guest_at(&g, r.acpi_gpa, 36), 36);
    /* the reset vector: mov dx, 0xcf9; mov al, 6; out dx, al; hlt */
    assert_memory_equal(guest_at(&g, 0xffff0, 9), "\xba\xf9\x0c\xb0\x06\xee\xf4\xeb\xfd", 9);
    e820_check(&g, params, r.acpi_gpa);
    tables_check(&g, &r.entry);
    fake_guest_free(&g);
}

/* screen_info: a frame buffer of firmware's, field by field; nothing of it without a screen. */
static void test_screen(void **state)
{
    static const uint8_t nothing[0x40];
    uint8_t image[BZ_SIZE];
    struct fake_guest g;
    struct load_result r;
    struct err err;
    const uint8_t *params;

    (void)state;
    fake_guest_make(&g, 64 * MIB, 0);
    bzimage_make(image);
    assert_int_equal(image_load(&g, image, sizeof(image), NULL, &r, &err), 0);
    assert_memory_equal(guest_at(&g, r.entry.rsi, 0x40), nothing, 0x40);
    g.board.screen = (struct board_screen){
        .base = 0xc0400000, .size = 4 * MIB, .width = 1280, .height = 800, .stride = 5120};
    assert_int_equal(image_load(&g, image, sizeof(image), NULL, &r, &err), 0);
    params = guest_at(&g, r.entry.rsi, 4096);
    assert_int_equal(params[0x0f], 0x70);             /* orig_video_isVGA: VIDEO_TYPE_EFI */
    assert_int_equal(params[0x07] | params[0x0e], 0); /* no columns, no lines: no text mode */
    assert_int_equal(le16_load(params + 0x12), 1280);
    assert_int_equal(le16_load(params + 0x14), 800);
    assert_int_equal(le16_load(params + 0x16), 32);
    assert_int_equal(le32_load(params + 0x18), 0xc0400000);
    assert_int_equal(le32_load(params + 0x1c), 4 * MIB); /* bytes for this type */
    assert_int_equal(le16_load(params + 0x24), 5120);
    assert_memory_equal(params + 0x26, "\x08\x10\x08\x08\x08\x00\x08\x18", 8);
    assert_int_equal(le16_load(params + 0x32), 1);
    assert_int_equal(le32_load(params + 0x36), 0); /* capabilities: lfb_base has 32 bits */
    assert_int_equal(params[0x1ef], 0);
    fake_guest_free(&g);
}

static void test_initrd_obeys_its_limit(void **state)
{
    static const uint8_t bytes[8192];
    const struct load_file initrd = {"initrd.img", bytes, sizeof(bytes)};
    uint8_t image[BZ_SIZE];
    struct fake_guest g;
    struct load_result r;
    struct err err;

    (void)state;
    fake_guest_make(&g, 64 * MIB, 0);
    bzimage_make(image);
    le32_store(image + 0x22c, 0x1ffffff);
    assert_int_equal(image_load(&g, image, sizeof(image), &initrd, &r, &err), 0);
    assert_int_equal(r.initrd_gpa, 0x2000000 - 8192);
    le32_store(image + 0x22c, 0xffffffff);
    assert_int_equal(image_load(&g, image, sizeof(image), &initrd, &r, &err), 0);
    assert_int_equal(r.initrd_gpa, r.acpi_gpa - 8192);
    le32_store(image + 0x22c, 0x1000000 + 0x800000 + 8191);
    assert_int_equal(image_load(&g, image, sizeof(image), &initrd, &r, &err), 0);
    assert_int_equal(r.initrd_gpa, 0x1800000);
    le32_store(image + 0x22c, 0x1000000 + 0x800000 + 8190);
    assert_int_equal(image_load(&g, image, sizeof(image), &initrd, &r, &err), -EINVAL);
    assert_non_null(strstr(err.text, "initrd.img"));
    le32_store(image + 0x22c, 0);
    assert_int_equal(image_load(&g, image, sizeof(image), &initrd, &r, &err), -EINVAL);
    fake_guest_free(&g);
}

/* One field changed, and the word that the refusal must have. */
static const struct {
    const char *id;
    unsigned at, width;
    uint64_t value;
    const char *word;
} lie[] = {
    {"Z01", 0x1fe, 2, 0x1234, "boot_flag"},
    {"Z01", 0x202, 4, 0x12345678, "HdrS"},
    {"Z01", 0x206, 2, 0x020b, "version 2.11"},
    {"Z01", 0x206, 2, 0, "version"},
    {"Z01", 0x200, 1, 0xe9, "jump"},
    {"Z01", 0x201, 1, 0x10, "jump"},
    {"Z01", 0x201, 1, 0xff, "jump"},
    {"Z01", 0x236, 2, 0, "xloadflags"},
    {"Z01", 0x211, 1, 0, "loadflags"},
    {"Z02", 0x1f1, 1, 255, "setup_sects"},
    {"Z02", 0x1f1, 1, 9, "setup_sects"},
    {"Z02", 0x1f4, 4, BZ_CODE_SIZE / 16 + 1, "syssize"},
    {"Z02", 0x1f4, 4, 0xffffffff, "syssize"},
    {"Z02", 0x1f4, 4, 0, "syssize"},
    {"Z02", 0x1f4, 4, 32, "syssize"},
    {"Z04", 0x260, 4, 0xffffffff, "init_size"},
    {"Z04", 0x260, 4, 48 * MIB, "--mem"},
    {"Z04", 0x260, 4, BZ_CODE_SIZE - 1, "init_size"},
    {"Z04", 0x260, 4, 0, "init_size"},
    {"Z04", 0x258, 8, 64 * MIB, "--mem"},
    {"Z05", 0x230, 4, 0, "kernel_alignment"},
    {"Z05", 0x230, 4, 0x200001, "kernel_alignment"},
    {"Z05", 0x258, 8, 0, "pref_address"},
    {"Z05", 0x258, 8, 0x90000, "pref_address"},
    {"Z05", 0x258, 8, 0x1000001, "pref_address"},
    {"Z05", 0x258, 8, UINT64_MAX, "pref_address"},
    {"Z05", 0x258, 8, UINT64_MAX - 0x1fffff, "pref_address"},
    {"Z05", 0x258, 8, 4 * GIB, "between 1 MiB and 4 GiB"},
    {"Z05", 0x258, 8, 0xffe00000, "pref_address"},
    {"Z16", 0x238, 4, 12, "cmdline_size"},
    {"Z16", 0x238, 4, 0, "cmdline_size"},
};

static void test_Z01_to_Z05_lies(void **state)
{
    struct fake_guest g;

    (void)state;
    fake_guest_make(&g, 64 * MIB, 0);
    for (size_t i = 0; i < ARRAY_SIZE(lie); i++) {
        uint8_t image[BZ_SIZE];
        struct load_result r;
        struct err err;

        bzimage_make(image);
        order_store(ORDER_LITTLE, image + lie[i].at, lie[i].width, lie[i].value);
        if (image_load(&g, image, sizeof(image), NULL, &r, &err) != -EINVAL ||
            !strstr(err.text, lie[i].word) || strncmp(err.text, "vmlinuz: ", 9) != 0)
            fail_msg("row %zu (%s): \"%s\"", i, lie[i].id, err.text);
    }
    fake_guest_free(&g);
}

/* What is just allowed. */
static void test_edges_accepted(void **state)
{
    static const struct {
        unsigned at, width;
        uint64_t value;
    } row[] = {{0x206, 2, 0x020c}, {0x201, 1, 0x66},   {0x201, 1, 0x8e}, {0x238, 4, 13},
               {0x234, 1, 0},      {0x230, 4, 0x1000}, {0x1f4, 4, 33},   {0x260, 4, BZ_CODE_SIZE}};
    struct fake_guest g;

    (void)state;
    fake_guest_make(&g, 64 * MIB, 0);
    for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
        uint8_t image[BZ_SIZE];
        struct load_result r;
        struct err err;

        bzimage_make(image);
        order_store(ORDER_LITTLE, image + row[i].at, row[i].width, row[i].value);
        if (image_load(&g, image, sizeof(image), NULL, &r, &err) < 0)
            fail_msg("row %zu: \"%s\"", i, err.text);
    }
    fake_guest_free(&g);
}

static void test_Z02_no_setup_sects_means_four(void **state)
{
    uint8_t image[BZ_SIZE];
    struct fake_guest g;
    struct load_result r;
    struct err err;

    (void)state;
    fake_guest_make(&g, 64 * MIB, 0);
    bzimage_make(image);
    image[0x1f1] = 0;
    le32_store(image + 0x1f4, (BZ_SIZE - 2560) / 16);
    assert_int_equal(image_load(&g, image, sizeof(image), NULL, &r, &err), 0);
    assert_memory_equal(guest_at(&g, 0x1000000, BZ_SIZE - 2560), image + 2560, BZ_SIZE - 2560);
    fake_guest_free(&g);
}

static void test_Z04_small_ram(void **state)
{
    static const uint64_t size[] = {4096, 0x80000, MIB, 2 * MIB, 0x210000, 16 * MIB, 24 * MIB};
    uint8_t image[BZ_SIZE];

    (void)state;
    bzimage_make(image);
    for (size_t i = 0; i < ARRAY_SIZE(size); i++) {
        struct fake_guest g;
        struct load_result r;
        struct err err;

        fake_guest_make(&g, size[i], 0);
        assert_int_equal(image_load(&g, image, sizeof(image), NULL, &r, &err), -EINVAL);
        assert_non_null(strstr(err.text, "--mem"));
        fake_guest_free(&g);
    }
}

/* Every length of file, each in memory of exactly that length. */
static void test_Z01_cut_short(void **state)
{
    uint8_t image[BZ_SIZE];
    struct fake_guest g;

    (void)state;
    fake_guest_make(&g, 64 * MIB, 0);
    bzimage_make(image);
    for (size_t size = 0; size < BZ_SIZE; size++) {
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

/* Any header at all: refused or loaded, and nothing outside RAM or the file is touched. */
static void test_random_headers(void **state)
{
    uint32_t seed = 0x76543210;
    struct fake_guest g;

    (void)state;
    fake_guest_make(&g, 64 * MIB, 0);
    for (unsigned i = 0; i < 3000; i++) {
        uint8_t *image = (uint8_t *)malloc(BZ_SIZE);
        struct load_result r;
        struct err err;

        assert_non_null(image);
        bzimage_make(image);
        for (unsigned k = fake_random(&seed) % 4 + 1; k; k--)
            image[0x1f1 + fake_random(&seed) % (0x268 - 0x1f1)] = (uint8_t)fake_random(&seed);
        if (image_load(&g, image, BZ_SIZE, NULL, &r, &err) == 0)
            assert_true(r.kernel_gpa >= MIB && range_ok(r.kernel_gpa, r.kernel_size, r.acpi_gpa));
        else
            assert_true(err.text[0]);
        free(image);
    }
    fake_guest_free(&g);
}

static void test_real_kernel(void **state)
{
    static const char *const name[] = {"build/guest/6.1/vmlinuz", "build/guest/6.12/vmlinuz"};
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
        if (image_load(&g, kernel.data, kernel.size, &kernel, &r, &err) < 0)
            fail_msg("%s: %s", name[i], err.text);
        assert_int_equal(r.entry.rip, 0x1000200);
        fake_guest_free(&g);
        load_file_free(&kernel);
    }
    if (!seen)
        skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bzimage),
        cmocka_unit_test(test_screen),
        cmocka_unit_test(test_initrd_obeys_its_limit),
        cmocka_unit_test(test_Z01_to_Z05_lies),
        cmocka_unit_test(test_edges_accepted),
        cmocka_unit_test(test_Z02_no_setup_sects_means_four),
        cmocka_unit_test(test_Z04_small_ram),
        cmocka_unit_test(test_Z01_cut_short),
        cmocka_unit_test(test_random_headers),
        cmocka_unit_test(test_real_kernel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
