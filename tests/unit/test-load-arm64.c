// SPDX-License-Identifier: MIT
/*
 * What an arm64 machine boots: Images, compressed ones, ELF files; where things stand in RAM; and
 * files that lie, each of which is refused with a sentence (Z08, Z11).
 */
#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#include "firmware/load.h"
#include "tests/unit/arm64-board.h"
#include "vmm/base/le.h"

enum { RAM_MIB = 64, IMAGE_BYTES = 8192 };
enum { TEXT_OFFSET = 8, IMAGE_SIZE = 16, FLAGS = 24, MAGIC = 56 };

#define RAM ((uint64_t)RAM_MIB * MIB)
#define END (ARM64_RAM_BASE + RAM - 2 * MIB) /* the device tree's place */

struct rig {
    struct arm64_guest g;
    uint8_t image[IMAGE_BYTES];
    struct load_result out;
    struct err err;
};

static void image_make(uint8_t *image, uint64_t offset, uint64_t size)
{
    memset(image, 0, IMAGE_BYTES);
    memcpy(image + 64, "the kernel", 10);
    le64_store(image + TEXT_OFFSET, offset);
    le64_store(image + IMAGE_SIZE, size);
    le64_store(image + FLAGS, 0xa);
    memcpy(image + MAGIC, "ARM\x64", 4);
}

static int setup(void **state)
{
    struct rig *r = calloc(1, sizeof(*r));

    arm64_guest_make(&r->g, RAM, 1, 3, true);
    image_make(r->image, 0, 2 * IMAGE_BYTES);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;

    arm64_guest_free(&r->g);
    free(r);
    return 0;
}

static int load(struct rig *r, const void *data, uint64_t size, const struct load_file *initrd)
{
    const struct load_file kernel = {"Image", data, size};

    memset(&r->out, 0, sizeof(r->out));
    r->err.text[0] = '\0';
    return load_kernel(&kernel, initrd, "hello", &r->g.board, &r->g.mem, &r->out, &r->err);
}

static void loads(struct rig *r, const void *data, uint64_t size, const struct load_file *initrd)
{
    if (load(r, data, size, initrd) < 0)
        fail_msg("%s", r->err.text);
    assert_int_equal(r->out.entry.kind, ENTRY_ARM64);
    assert_true(r->out.entry.x0 == r->out.fdt_gpa);
    assert_true(r->out.fdt_gpa % 8 == 0 && r->out.fdt_gpa == END);
}

static void refused(struct rig *r, const void *data, uint64_t size, const char *why)
{
    assert_int_equal(load(r, data, size, NULL), -EINVAL);
    if (!strstr(r->err.text, why) || strncmp(r->err.text, "Image: ", 7) != 0)
        fail_msg("'%s' does not say '%s'", r->err.text, why);
}

static const void *at(const struct rig *r, uint64_t gpa_at, uint64_t len)
{
    const void *p = gmem_span(&r->g.mem, gpa(gpa_at), len);

    assert_non_null(p);
    return p;
}

/* ---- what loads ---- */

static void test_image(void **state)
{
    struct rig *r = *state;
    const struct load_file initrd = {"initrd", (const uint8_t *)"start", 5};

    loads(r, r->image, IMAGE_BYTES, &initrd);
    assert_true(r->out.entry.pc == ARM64_RAM_BASE);
    assert_int_equal(r->out.kernel_size, 2 * IMAGE_BYTES);
    assert_memory_equal(at(r, ARM64_RAM_BASE + 64, 10), "the kernel", 10);
    assert_true(r->out.initrd_gpa == END - 4096);
    assert_memory_equal(at(r, r->out.initrd_gpa, 5), "start", 5);
    assert_memory_equal(at(r, r->out.fdt_gpa, 4), "\xd0\x0d\xfe\xed", 4);
    image_make(r->image, 0x80000, 2 * IMAGE_BYTES);
    le64_store(r->image + FLAGS, 0xb); /* a big-endian kernel turns the processor round itself */
    loads(r, r->image, IMAGE_BYTES, NULL);
    assert_true(r->out.entry.pc == ARM64_RAM_BASE + 0x80000);
}

/* Before 3.17 the size is 0, and the offset may be in any byte order: 0x80000 is meant. */
static void test_old_image(void **state)
{
    struct rig *r = *state;

    image_make(r->image, UINT64_C(0x0000080000000000), 0);
    loads(r, r->image, IMAGE_BYTES, NULL);
    assert_true(r->out.entry.pc == ARM64_RAM_BASE + 0x80000);
    assert_true(r->out.kernel_size >= IMAGE_BYTES);
}

static size_t zip(const void *data, size_t size, uint8_t *out, size_t room)
{
    z_stream z = {.next_in = (uint8_t *)(uintptr_t)data,
                  .avail_in = (uInt)size,
                  .next_out = out,
                  .avail_out = (uInt)room};

    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return z.total_out;
}

static void test_gzip(void **state)
{
    struct rig *r = *state;
    uint8_t packed[IMAGE_BYTES];
    const size_t n = zip(r->image, IMAGE_BYTES, packed, sizeof(packed));

    loads(r, packed, n, NULL);
    assert_memory_equal(at(r, ARM64_RAM_BASE + 64, 10), "the kernel", 10);
    for (size_t cut = 2; cut < n; cut += 5)
        refused(r, packed, cut, "gzip data are damaged");
    packed[n - 6] ^= 1; /* the check sum */
    refused(r, packed, n, "gzip data are damaged");
    refused(r, "\x1f\x8b", 2, "gzip data are damaged");
}

/* What is packed has to be a kernel, too; twice packed is none. */
static void test_gzip_of_something(void **state)
{
    struct rig *r = *state;
    uint8_t once[IMAGE_BYTES], twice[2 * IMAGE_BYTES];
    size_t n = zip(r->image, IMAGE_BYTES, once, sizeof(once));

    n = zip(once, n, twice, sizeof(twice));
    refused(r, twice, n, "no arm64 Image");
    memset(r->image, 'x', IMAGE_BYTES);
    n = zip(r->image, IMAGE_BYTES, once, sizeof(once));
    refused(r, once, n, "no arm64 Image");
}

static size_t elf_file(uint8_t *out, uint64_t paddr, uint64_t filesz, uint64_t memsz,
                       uint64_t entry, uint16_t machine)
{
    Elf64_Ehdr head = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                       .e_type = ET_EXEC,
                       .e_machine = machine,
                       .e_version = EV_CURRENT,
                       .e_entry = entry,
                       .e_phoff = sizeof(head),
                       .e_ehsize = sizeof(head),
                       .e_phentsize = sizeof(Elf64_Phdr),
                       .e_phnum = 1};
    const Elf64_Phdr load = {.p_type = PT_LOAD,
                             .p_flags = PF_R | PF_X,
                             .p_offset = 4096,
                             .p_vaddr = paddr,
                             .p_paddr = paddr,
                             .p_filesz = filesz,
                             .p_memsz = memsz,
                             .p_align = 4096};

    memset(out, 0, IMAGE_BYTES);
    memcpy(out, &head, sizeof(head));
    memcpy(out + sizeof(head), &load, sizeof(load));
    memcpy(out + 4096, "an elf kernel", 13);
    return IMAGE_BYTES;
}

static void test_elf(void **state)
{
    struct rig *r = *state;
    const uint64_t where = ARM64_RAM_BASE + MIB;
    size_t n = elf_file(r->image, where, 4096, 8192, where + 64, EM_AARCH64);

    loads(r, r->image, n, NULL);
    assert_true(r->out.entry.pc == where + 64);
    assert_memory_equal(at(r, where, 13), "an elf kernel", 13);
    elf_file(r->image, where, 4096, 8192, where + 64, EM_X86_64);
    refused(r, r->image, n, "AArch64");
    elf_file(r->image, where, 4096, 8192, where - 4, EM_AARCH64);
    refused(r, r->image, n, "e_entry");
    elf_file(r->image, MIB, 4096, 8192, MIB, EM_AARCH64);
    refused(r, r->image, n, "start of RAM");
    elf_file(r->image, where, 4096, RAM, where, EM_AARCH64);
    assert_int_equal(load(r, r->image, n, NULL), -EINVAL);
    elf_file(r->image, END, 4096, 4096, END, EM_AARCH64); /* on the device tree */
    assert_int_equal(load(r, r->image, n, NULL), -EINVAL);
    elf_file(r->image, where, 8192, 8192, where, EM_AARCH64); /* beyond the file */
    assert_int_equal(load(r, r->image, n, NULL), -EINVAL);
    elf_file(r->image, UINT64_MAX - 4096, 4096, 8192, where, EM_AARCH64);
    assert_int_equal(load(r, r->image, n, NULL), -EINVAL);
}

/* ---- headers that lie ---- */

static void test_hostile_images(void **state)
{
    static const struct {
        uint64_t offset, size, flags;
        const char *why;
    } row[] = {
        {0, IMAGE_BYTES - 1, 0xa, "less than the file's"},
        {0, RAM, 0xa, "raise --mem"},
        {0, UINT64_MAX, 0xa, "raise --mem"},
        {UINT64_MAX - 3, 2 * IMAGE_BYTES, 0xa, "raise --mem"},
        {RAM, 2 * IMAGE_BYTES, 0xa, "raise --mem"},
        {RAM - 2 * MIB - 2 * IMAGE_BYTES + 4, 2 * IMAGE_BYTES, 0xa, "raise --mem"},
        {2, 2 * IMAGE_BYTES, 0xa, "text_offset 0x2"},
        {UINT64_MAX, 1, 0xa, "less than the file's"},
    };
    struct rig *r = *state;

    for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
        image_make(r->image, row[i].offset, row[i].size);
        le64_store(r->image + FLAGS, row[i].flags);
        refused(r, r->image, IMAGE_BYTES, row[i].why);
    }
    image_make(r->image, RAM - 2 * MIB - 2 * IMAGE_BYTES, 2 * IMAGE_BYTES); /* just fits */
    loads(r, r->image, IMAGE_BYTES, NULL);
}

/* Every length of a file, and every byte of the header turned over: loaded or refused. */
static void test_damage(void **state)
{
    struct rig *r = *state;

    for (uint64_t n = 1; n < 64; n++)
        refused(r, r->image, n, "no arm64 Image");
    for (unsigned i = 0; i < 64; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            r->image[i] ^= (uint8_t)(1 << bit);
            if (load(r, r->image, IMAGE_BYTES, NULL) < 0)
                assert_memory_equal(r->err.text, "Image: ", 7);
            r->image[i] ^= (uint8_t)(1 << bit);
        }
}

static void test_mistaken(void **state)
{
    static const struct {
        unsigned where;
        const char *magic, *why;
    } row[] = {
        {0x202, "HdrS", "x86 kernel"},
        {0, "\x28\xb5\x2f\xfd", "zstd-compressed"},
        {0,
         "\xfd"
         "7zXZ",
         "xz-compressed"},
        {4, "zimg", "EFI program"},
        {0, "070701", "initramfs archive"},
        {0, "MZ", "no arm64 Image"},
    };
    struct rig *r = *state;

    for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
        memset(r->image, 0, IMAGE_BYTES);
        memcpy(r->image + row[i].where, row[i].magic, strlen(row[i].magic));
        refused(r, r->image, IMAGE_BYTES, row[i].why);
    }
}

static void test_initrd(void **state)
{
    struct rig *r = *state;
    const uint64_t most = RAM - 2 * MIB - 2 * IMAGE_BYTES;
    uint8_t *data = calloc(1, RAM);
    struct load_file initrd = {"initrd", data, most};

    loads(r, r->image, IMAGE_BYTES, &initrd);
    initrd.size = most + 1;
    assert_int_equal(load(r, r->image, IMAGE_BYTES, &initrd), -EINVAL);
    assert_non_null(strstr(r->err.text, "no room for the initrd"));
    initrd.size = 0;
    assert_int_equal(load(r, r->image, IMAGE_BYTES, &initrd), -EINVAL);
    assert_non_null(strstr(r->err.text, "empty"));
    free(data);
}

static void test_little_ram(void **state)
{
    struct rig *r = *state;

    r->g.board.ram[0].size = 15 * MIB;
    assert_int_equal(load(r, r->image, IMAGE_BYTES, NULL), -EINVAL);
    assert_non_null(strstr(r->err.text, "raise --mem"));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_image),  T(test_old_image),      T(test_gzip),   T(test_gzip_of_something),
        T(test_elf),    T(test_hostile_images), T(test_damage), T(test_mistaken),
        T(test_initrd), T(test_little_ram),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
