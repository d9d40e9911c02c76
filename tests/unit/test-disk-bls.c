// SPDX-License-Identifier: MIT
/*
 * Loader entries: fields, order, default, boot counters; and the order of versions, and the choice
 * between all kinds of configuration. Volumes are in memory.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "firmware/disk-bls.h"
#include "firmware/disk-choice.h"
#include "firmware/disk-version.h"
#include "tests/unit/images/fake.h"

static struct disk_mem mem;
static struct disk_volumes disks;
static struct disk_choice choice;
static struct err err;

static int setup(void **state)
{
    (void)state;
    mem = (struct disk_mem){.limit = (size_t)(160 * MIB)};
    memset(&disks, 0, sizeof(disks));
    memset(&choice, 0, sizeof(choice));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    disk_mem_free(&mem);
    return 0;
}

static void test_versions(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        int sign;
    } t[] = {
        {"6.1.0-9", "6.1.0-13", -1},
        {"6.9", "6.10", -1},
        {"1", "1", 0},
        {"01", "1", 0},
        {"6.1~rc1", "6.1", -1},
        {"6.1", "6.1-rc1", -1},
        {"", "1", -1},
        {"~", "", -1},
        {"a", "b", -1},
        {"A", "a", -1},
        {"1.2", "1-2", 1},
        {"1^p", "1", 1},
        {"1^p", "1.1", -1},
        {"123", "ab", 1},
        {"1_2", "1 2", 0},
        {"99999999999999999999999", "100000000000000000000000", -1},
        {"vmlinuz-6.1.0-13-amd64", "vmlinuz-6.1.0-9-amd64", 1},
    };
    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        int r = disk_version_cmp(t[i].a, t[i].b), back = disk_version_cmp(t[i].b, t[i].a);
        if ((r > 0) - (r < 0) != t[i].sign || (back > 0) - (back < 0) != -t[i].sign)
            fail_msg("%s against %s: %d and %d", t[i].a, t[i].b, r, back);
    }
}

static int choose(const struct fake_file *files)
{
    disks.count = 0;
    fake_volume(&disks, 1, "uuid-1", files)->esp = true;
    return disk_choose(&disks, &mem, &choice, &err);
}

static void test_entry(void **state)
{
    (void)state;
    const struct fake_file files[] = {
        {"/loader/entries/only.conf",
         "# comment\ntitle  A title \r\nversion 6.1\nmachine-id 0123\nlinux /m/6.1/linux\n"
         "initrd /m/microcode\ninitrd\t/m/6.1/initrd\noptions root=LABEL=x  ro\noptions quiet\n"
         "unknown thing\n\n"},
        {"/loader/entries/uki.conf", "title later\nsort-key a\nefi /EFI/Linux/l.efi\n"},
        {"/loader/entries/other.conf", "sort-key a\narchitecture riscv64\nlinux /m/6.1/linux\n"},
        {"/loader/entries/notes.txt", "sort-key a\nlinux /m/6.1/linux\n"},
        {"/m/6.1/linux", "k"},
        {"/m/6.1/initrd", "i"},
        {"/m/microcode", "u"},
        {NULL, NULL},
    };
    assert_int_equal(choose(files), 0);
    assert_string_equal(choice.title, "A title");
    assert_string_equal(choice.kernel.path, "/m/6.1/linux");
    assert_string_equal(choice.cmdline, "root=LABEL=x  ro quiet");
    assert_int_equal(choice.initrds, 2);
    assert_string_equal(choice.initrd[0].path, "/m/microcode");
    assert_string_equal(choice.initrd[1].path, "/m/6.1/initrd");
    assert_string_equal(choice.source, "loader entry only.conf on partition 1 (ext4)");
}

/* Which of the kernels a, b, c, d is taken */
static void order(const char *a, const char *b, const char *c, const char *conf, const char *name_a,
                  const char *expected)
{
    char text[3][256], name[3][64];
    const char *extra[] = {a, b, c};
    for (int i = 0; i < 3; i++) {
        snprintf(text[i], sizeof(text[i]), "linux /%c\n%s", 'a' + i, extra[i]);
        snprintf(name[i], sizeof(name[i]), "/loader/entries/%c.conf", 'a' + i);
    }
    if (name_a)
        snprintf(name[0], sizeof(name[0]), "/loader/entries/%s", name_a);
    const struct fake_file files[] = {
        {"/a", "k"},
        {"/b", "k"},
        {"/c", "k"},
        {name[0], text[0]},
        {name[1], text[1]},
        {name[2], text[2]},
        {conf ? "/loader/loader.conf" : "/nothing", conf ? conf : ""},
        {NULL, NULL},
    };
    assert_int_equal(choose(files), 0);
    assert_string_equal(choice.kernel.path, expected);
}

static void test_order(void **state)
{
    (void)state;
    order("", "", "", NULL, NULL, "/c");
    order("sort-key z", "", "", NULL, NULL, "/a");
    order("sort-key z", "sort-key d", "sort-key d\nversion 0", NULL, NULL, "/c");
    order("sort-key d\nversion 6.1.0-9", "sort-key d\nversion 6.1.0-13", "", NULL, NULL, "/b");
    order("sort-key d\nmachine-id 1", "sort-key d\nmachine-id 2\nversion 9", "", NULL, NULL, "/a");
    order("", "", "", "default b\n", NULL, "/b");
    order("", "", "", "#default b\ntimeout 3\ndefault a.conf\n", NULL, "/a");
    order("", "", "", "default [ab]*\n", NULL, "/b");
    order("", "", "", "default nothing-*\n", NULL, "/c");
    order("sort-key a", "", "", NULL, "x+3.conf", "/a");
    order("sort-key a", "", "", NULL, "x+0-3.conf", "/c");
    order("sort-key a", "", "", NULL, "x+1-2.conf", "/a");
    order("", "", "", "default x\n", "x+2-1.conf", "/a");
    order("", "", "", NULL, "d+not-a-counter.conf", "/a");
}

/* The system partition has loader.conf, its extension the entries. */
static void test_extended(void **state)
{
    (void)state;
    struct fake_file esp[] = {{"/loader/loader.conf", "timeout 3\ndefault old.conf\n"},
                              {NULL, NULL}};
    struct fake_file boot[] = {
        {"/loader/entries/old.conf", "sort-key d\nversion 1\nlinux /old\n"},
        {"/loader/entries/new.conf", "sort-key d\nversion 2\nlinux /new\n"},
        {"/nothing", "default new.conf\n"},
        {"/old", "k"},
        {"/new", "k"},
        {NULL, NULL},
    };
    fake_volume(&disks, 1, "uuid-1", esp)->esp = true;
    fake_volume(&disks, 2, "uuid-2", boot)->xbootldr = true;
    assert_int_equal(disk_choose(&disks, &mem, &choice, &err), 0);
    assert_string_equal(choice.kernel.path, "/old");
    boot[2].path = "/loader/loader.conf"; /* that of the system partition goes first */
    assert_int_equal(disk_choose(&disks, &mem, &choice, &err), 0);
    assert_string_equal(choice.kernel.path, "/old");
    esp[0].text = "timeout 3\n";
    assert_int_equal(disk_choose(&disks, &mem, &choice, &err), 0);
    assert_string_equal(choice.kernel.path, "/new");
}

static void test_variables(void **state)
{
    (void)state;
    const struct fake_file files[] = {
        {"/boot/loader/entries/f.conf", "linux /vmlinuz\ninitrd /i $tuned_initrd\n"
                                        "options $kernelopts ${more}x $unset-y\n"},
        {"/boot/grub2/grubenv", "# GRUB Environment Block\nkernelopts=root=A ro\nmore=m\n"
                                "tuned_initrd=/j\nsaved_entry=f\n"},
        {"/boot/vmlinuz", "k"},
        {"/boot/i", "i"},
        {"/boot/j", "j"},
        {NULL, NULL},
    };
    assert_int_equal(choose(files), 0);
    assert_string_equal(choice.cmdline, "root=A ro mx -y");
    assert_string_equal(choice.kernel.path, "/boot/vmlinuz");
    assert_int_equal(choice.initrds, 2);
    assert_string_equal(choice.initrd[1].path, "/boot/j");
}

static void test_missing(void **state)
{
    (void)state;
    const struct fake_file files[] = {
        {"/loader/entries/f.conf", "linux /gone\n"}, {"/vmlinuz-9", "k"}, {NULL, NULL}};
    assert_int_equal(choose(files), -ENOENT);
    assert_non_null(strstr(err.text, "loader entry f.conf wants /gone"));
    const struct fake_file initrd[] = {
        {"/loader/entries/f.conf", "linux /k\ninitrd /gone\n"}, {"/k", "k"}, {NULL, NULL}};
    assert_int_equal(choose(initrd), -ENOENT);
    assert_non_null(strstr(err.text, "wants /gone"));
}

static void test_many(void **state)
{
    (void)state;
    unsigned count = 100000;
    struct fake_file *files = calloc(count + 2, sizeof(*files));
    char *names = calloc(count, 40);
    assert_true(files && names);
    for (unsigned i = 0; i < count; i++) {
        char *name = names + (size_t)i * 40;
        snprintf(name, 40, "/loader/entries/%u.conf", i);
        files[i] = (struct fake_file){name, "linux /k\n"};
    }
    assert_true(choose(files) < 0);
    assert_non_null(strstr(err.text, "too many"));
    files[BLS_MAX_ENTRIES - 1] = (struct fake_file){"/k", "k"};
    files[BLS_MAX_ENTRIES] = (struct fake_file){NULL, NULL};
    assert_int_equal(choose(files), 0);
    assert_string_equal(choice.kernel.path, "/k");
    free(files);
    free(names);
}

/* Loader entries go before grub.cfg, unless grub.cfg is what reads them; then kernels by name. */
static void test_choice(void **state)
{
    (void)state;
    struct fake_file files[] = {
        {"/loader/entries/e.conf", "linux /k\noptions by-entry\n"},
        {"/grub/grub.cfg", "menuentry g { linux /k by-grub }\n"},
        {"/vmlinuz-6.1.0-13", "k"},
        {"/vmlinuz-6.1.0-9", "k"},
        {"/vmlinuz-9.old", "k"},
        {"/initramfs-6.1.0-13.img", "i"},
        {"/k", "k"},
        {NULL, NULL},
    };
    assert_int_equal(choose(files), 0);
    assert_string_equal(choice.cmdline, "by-entry");
    files[1].text = "set more=1\nblscfg\n";
    assert_int_equal(choose(files), 0);
    assert_string_equal(choice.source, "grub.cfg with loader entries on partition 1 (ext4)");
    files[0].path = "/elsewhere";
    files[1].text = "menuentry g { linux /k by-grub }\n";
    assert_int_equal(choose(files), 0);
    assert_string_equal(choice.cmdline, "by-grub");
    assert_string_equal(choice.source, "grub.cfg on partition 1 (ext4)");
    files[1].text = "set timeout=1\n";
    assert_int_equal(choose(files), 0);
    assert_string_equal(choice.kernel.path, "/vmlinuz-6.1.0-13");
    assert_string_equal(choice.initrd[0].path, "/initramfs-6.1.0-13.img");
    assert_string_equal(choice.cmdline, "root=UUID=uuid-1 ro");
    assert_string_equal(choice.source, "newest kernel on partition 1 (ext4)");
    files[5].path = "/none";
    snprintf(disks.v[0].partuuid, sizeof(disks.v[0].partuuid), "pu");
    assert_int_equal(disk_choose_newest(&disks, &mem, &choice), 0);
    assert_string_equal(choice.cmdline, "root=PARTUUID=pu ro");
    files[2].path = files[3].path = "/none";
    assert_int_equal(choose(files), -ENOENT);
    assert_non_null(strstr(err.text, "ext4 on 1: no /boot/grub/grub.cfg, no loader entries"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_versions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_entry, setup, teardown),
        cmocka_unit_test_setup_teardown(test_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_extended, setup, teardown),
        cmocka_unit_test_setup_teardown(test_variables, setup, teardown),
        cmocka_unit_test_setup_teardown(test_missing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many, setup, teardown),
        cmocka_unit_test_setup_teardown(test_choice, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
