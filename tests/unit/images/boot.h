/* SPDX-License-Identifier: MIT */
/*
 * For tests of disk_boot_find(): one image at a time, looked at and judged. Included once, by a
 * test program, behind cmocka.h.
 */
#ifndef TESTS_UNIT_IMAGES_BOOT_H
#define TESTS_UNIT_IMAGES_BOOT_H

#include <errno.h>
#include <sys/wait.h>

#include "firmware/disk.h"
#include "tests/unit/images/make.h"

#define UUID     "11111111-2222-3333-4444-555555555555"
#define SMALL    "-t ext4 -b 1024 -N 64 -O ^has_journal,^metadata_csum -U " UUID
#define PART_AT  2048 /* sectors */
#define EXT4_KIB 2048

static struct disk_boot boot;
static struct err err;
static char image[512], kernel[70001], initrd[3001];

static int find(void)
{
    disk_boot_free(&boot);
    err.text[0] = '\0';
    int r = disk_boot_find(image, -1, &boot, &err);
    int status;
    assert_int_equal(waitpid(-1, &status, WNOHANG), -1); /* nobody is left behind */
    assert_int_equal(errno, ECHILD);
    return r;
}

static void refuses(const char *reason)
{
    uint64_t start = clock_ns();
    int r = find();
    if (r >= 0 || !strstr(err.text, reason))
        fail_msg("wanted \"%s\", got %d \"%s\" %s", reason, r, err.text, r ? "" : boot.kernel_path);
    assert_non_null(strstr(err.text, image));
    assert_null(strstr(err.text, "signal"));
    assert_true(clock_ns() - start < 20 * UINT64_C(1000000000));
    assert_int_equal(boot.kernel_fd, -1);
    assert_null(boot.cmdline);
}

static void name_image(const char *name)
{
    snprintf(image, sizeof(image), "%s", make_path(name));
    unlink(image);
}

static int setup(void **state)
{
    (void)state;
    make_start();
    for (size_t i = 0; i < sizeof(kernel); i++)
        kernel[i] = (char)(i * 7 + i / 251);
    for (size_t i = 0; i < sizeof(initrd); i++)
        initrd[i] = (char)(i * 11 + i / 253);
    make_file("tree/boot/vmlinuz-6.1.0-13-amd64", kernel, sizeof(kernel));
    make_file("tree/boot/initrd.img-6.1.0-13-amd64", initrd, sizeof(initrd));
    make_text("tree/boot/grub/grub.cfg",
              "search --no-floppy --fs-uuid --set=root " UUID "\n"
              "menuentry 'Deb\033[31mian' { linux /vmlinuz root=UUID=" UUID " ro quiet\n"
              "initrd /boot/initrd.img-6.1.0-13-amd64 /boot/initrd.img-6.1.0-13-amd64 }\n");
    make_text("tree/etc/fstab", "x\n");
    if (symlink("boot/vmlinuz", make_path("tree/vmlinuz")) ||
        symlink("/boot/../boot/./vmlinuz-6.1.0-13-amd64", make_path("tree/boot/vmlinuz")))
        return -1;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    disk_boot_free(&boot);
    make_end();
    return 0;
}

#endif
