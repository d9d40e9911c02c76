// SPDX-License-Identifier: MIT
/*
 * Booting from whole images: tables, file systems, and what comes out. Needs mke2fs.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "tests/unit/images/boot.h"

static void finds(void)
{
    int r = find();
    if (r)
        fail_msg("%s", err.text);
}

static void holds(int fd, uint64_t size, const void *data, size_t len)
{
    char *copy = malloc(len + 1);
    assert_int_equal(size, len);
    assert_int_equal(pread(fd, copy, len + 1, 0), len);
    assert_memory_equal(copy, data, len);
    free(copy);
    assert_int_equal(write(fd, "x", 1), -1);
    assert_int_equal(ftruncate(fd, 1), -1);
}

static void check_tree(const char *source)
{
    static char both[sizeof(initrd) * 2 + 3];
    memcpy(both, initrd, sizeof(initrd));
    memcpy(both + (sizeof(initrd) + 3) / 4 * 4, initrd, sizeof(initrd));
    assert_string_equal(boot.cmdline, "root=UUID=" UUID " ro quiet");
    assert_string_equal(boot.title, "Deb?[31mian");
    assert_string_equal(boot.source, source);
    assert_string_equal(boot.kernel_path, "/vmlinuz");
    holds(boot.kernel_fd, boot.kernel_size, kernel, sizeof(kernel));
    holds(boot.initrd_fd, boot.initrd_size, both, (sizeof(initrd) + 3) / 4 * 4 + sizeof(initrd));
}

static void test_whole(void **state)
{
    (void)state;
    static const char *const options[] = {
        SMALL,
        "-t ext2 -U " UUID,
        "-t ext3 -U " UUID,
        "-t ext4 -b 4096 -U " UUID,
        "-t ext4 -O inline_data,metadata_csum,64bit -I 256 -U " UUID,
    };
    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        name_image("whole");
        make_ext4(image, 0, 8192, make_path("tree"), options[i]);
        finds();
        char source[64];
        snprintf(source, sizeof(source), "grub.cfg on the whole disk (%.4s)", options[i] + 3);
        check_tree(i ? source : "grub.cfg on the whole disk (ext4)");
    }
}

static void test_fd(void **state)
{
    (void)state;
    name_image("fd");
    make_ext4(image, 0, EXT4_KIB, make_path("tree"), SMALL);
    int fd = open(image, O_RDWR | O_CLOEXEC);
    assert_int_equal(lseek(fd, 77, SEEK_SET), 77);
    disk_boot_free(&boot);
    assert_int_equal(disk_boot_find("named", fd, &boot, &err), 0);
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 77);
    check_tree("grub.cfg on the whole disk (ext4)");
    close(fd);
}

static void test_gpt(void **state)
{
    (void)state;
    const struct make_part parts[] = {{PART_AT, 2048, false}, {4096, EXT4_KIB * 2, false}};
    name_image("gpt");
    make_ext4(image, PART_AT * SECTOR, 1024, NULL, "-t ext4 -b 1024 -O ^has_journal");
    make_ext4(image, 4096 * SECTOR, EXT4_KIB, make_path("tree"), SMALL);
    make_gpt(image, 12288, parts, 2);
    finds();
    check_tree("grub.cfg on partition 2 (ext4)");
    /* only the primary table's copy of the data says so: a torn one is no table */
    put_le(image, SECTOR + 16, 0, 4);
    assert_true(find() < 0);
}

static void test_mbr(void **state)
{
    (void)state;
    name_image("mbr");
    make_ext4(image, 8192 * SECTOR, EXT4_KIB, make_path("tree"), SMALL);
    make_mbr(image, 0, 0, 0x83, PART_AT, 2048);
    make_mbr(image, 0, 1, 0x05, 4096, 16384);
    make_mbr(image, 4096, 0, 0x83, 63, 100);
    make_mbr(image, 4096, 1, 0x05, 2048, 8000);
    make_mbr(image, 6144, 0, 0x83, 2048, EXT4_KIB * 2);
    finds();
    check_tree("grub.cfg on partition 6 (ext4)");
}

/* The ESP's stub names one of two root file systems by its uuid: not the first. */
static void test_stub(void **state)
{
    (void)state;
    const struct make_part parts[] = {
        {PART_AT, 10240, true}, {16384, 4096, false}, {20480, EXT4_KIB * 2, false}};
    static const char stub[] = "search.fs_uuid " UUID " root\nset prefix=($root)'/boot/grub'\n"
                               "configfile $prefix/grub.cfg\n";
    struct make_fat f;
    unsigned root = 0, efi = 0, debian = 0;
    name_image("stub");
    make_text("tree0/boot/grub/grub.cfg", "menuentry wrong { linux /boot/k }\n");
    make_text("tree0/boot/k", "wrong");
    put_at(image, 0, "", 1);
    make_fat_start(&f, image, PART_AT * SECTOR, 16);
    uint32_t dir = make_fat_entry(&f, 0, &root, "EFI", NULL, 0);
    dir = make_fat_entry(&f, dir, &efi, "debian", NULL, 0);
    make_fat_entry(&f, dir, &debian, "grub.cfg", stub, sizeof(stub) - 1);
    make_ext4(image, 16384 * SECTOR, 2048, make_path("tree0"), "-t ext4 -b 1024 -O ^has_journal");
    make_ext4(image, 20480 * SECTOR, EXT4_KIB, make_path("tree"), SMALL);
    make_gpt(image, 32768, parts, 3);
    finds();
    check_tree("grub.cfg on partition 3 (ext4)");
}

static void test_fat(void **state)
{
    (void)state;
    static const struct {
        unsigned bits;
        uint32_t clusters;
    } kinds[] = {
        {12, 4000}, {16, 9000}, {32, 70000}, {32, 9000}, {32, 3000}, /* mkfs.fat -F 32 makes them */
    };
    static const char entry[] = "title T\nlinux /EFI/Linux/a long name of a kernel.EFI\n"
                                "initrd /initrd\noptions a=b\n";
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        struct make_fat f;
        unsigned root = 0, one = 0, two = 0;
        name_image("fat");
        put_at(image, 0, "", 1);
        make_fat_sized(&f, image, 0, kinds[i].bits, kinds[i].clusters);
        uint32_t top = kinds[i].bits == 32 ? 2 : 0;
        uint32_t dir = make_fat_entry(&f, top, &root, "loader", NULL, 0);
        dir = make_fat_entry(&f, dir, &one, "entries", NULL, 0);
        make_fat_entry(&f, dir, &two, "one+3.conf", entry, sizeof(entry) - 1);
        one = two = 0;
        dir = make_fat_entry(&f, top, &root, "efi", NULL, 0);
        dir = make_fat_entry(&f, dir, &one, "LINUX", NULL, 0);
        make_fat_entry(&f, dir, &two, "A long name of a kernel.efi", kernel, sizeof(kernel));
        uint32_t last = make_fat_entry(&f, top, &root, "initrd", initrd, sizeof(initrd));
        finds();
        assert_string_equal(boot.source, "loader entry one.conf on the whole disk (vfat)");
        assert_string_equal(boot.cmdline, "a=b");
        holds(boot.kernel_fd, boot.kernel_size, kernel, sizeof(kernel));
        holds(boot.initrd_fd, boot.initrd_size, initrd, sizeof(initrd));
        fat_set(&f, last + 2, last); /* chain in a circle: size ends it */
        finds();
        fat_set(&f, last + 2, 0);
        refuses("initrd /initrd cannot be read");
        fat_set(&f, dir, dir); /* a directory in a circle; full, so it has no end of its own */
        unsigned char full[SECTOR];
        memset(full, 0xe5, sizeof(full));
        put_at(image, fat_place(&f, dir), full, sizeof(full));
        refuses("which is not there");
    }
}

static void test_newest(void **state)
{
    (void)state;
    name_image("newest");
    make_file("tree2/boot/vmlinuz-6.1.0-9", "old", 3);
    make_file("tree2/boot/vmlinuz-6.1.0-13", "new", 3);
    make_file("tree2/boot/vmlinuz-6.1.0-13.old", "spare", 5);
    make_file("tree2/boot/initrd.img-6.1.0-13", "initrd", 6);
    make_text("tree2/etc/fstab", "x");
    make_ext4(image, PART_AT * SECTOR, EXT4_KIB, make_path("tree2"), SMALL);
    make_mbr(image, 0, 2, 0x83, PART_AT, EXT4_KIB * 2);
    finds();
    holds(boot.kernel_fd, boot.kernel_size, "new", 3);
    holds(boot.initrd_fd, boot.initrd_size, "initrd", 6);
    assert_string_equal(boot.cmdline, "root=UUID=" UUID " ro");
    assert_string_equal(boot.source, "newest kernel on partition 3 (ext4)");
    unlink(make_path("tree2/boot/initrd.img-6.1.0-13"));
    make_ext4(image, PART_AT * SECTOR, EXT4_KIB, make_path("tree2"), SMALL);
    finds();
    assert_string_equal(boot.cmdline, "root=PARTUUID=abcdef01-03 ro");
    assert_int_equal(boot.initrd_fd, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),  cmocka_unit_test(test_fd),   cmocka_unit_test(test_gpt),
        cmocka_unit_test(test_mbr),    cmocka_unit_test(test_stub), cmocka_unit_test(test_fat),
        cmocka_unit_test(test_newest),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
