// SPDX-License-Identifier: MIT
/*
 * Booting from images that lie: each ends in a sentence, soon. Needs mke2fs.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <ext2fs/ext2fs.h>

#include "tests/unit/images/boot.h"

static void test_not_an_image(void **state)
{
    (void)state;
    snprintf(image, sizeof(image), "%s", make_path("fifo"));
    assert_int_equal(mkfifo(image, 0600), 0);
    refuses("neither a disk image file nor a block device");
    snprintf(image, sizeof(image), "%s", make_dir);
    refuses("neither a disk image file nor a block device");
    snprintf(image, sizeof(image), "/dev/zero");
    refuses("neither a disk image file nor a block device");
    name_image("none");
    refuses("No such file");
    put_at(image, 0, "", 0);
    refuses("is empty");
    put_at(image, 0, "x", 1);
    refuses("use --kernel");
    assert_int_equal(truncate(image, 64 << 20), 0);
    refuses("nothing known on the whole disk: no file system");
    name_image("swap");
    make_ext4(image, 0, EXT4_KIB, NULL, SMALL);
    refuses("ext4 on the whole disk: no /boot/grub/grub.cfg, no loader entries, no vmlinuz*");
}

/* W16 */
static void test_mbr_loop(void **state)
{
    (void)state;
    name_image("mbrloop");
    make_mbr(image, 0, 0, 0x05, 4096, 16384);
    make_mbr(image, 4096, 0, 0x83, 63, 100);
    make_mbr(image, 4096, 1, 0x05, 2048, 8000);
    make_mbr(image, 6144, 0, 0x83, 63, 100);
    make_mbr(image, 6144, 1, 0x05, 0, 8000); /* back to the first */
    assert_int_equal(truncate(image, 32768 * SECTOR), 0);
    refuses("no boot configuration");
    make_mbr(image, 6144, 1, 0x05, 2048, 8000); /* to itself */
    refuses("no boot configuration");
}

static void test_fat_many(void **state)
{
    (void)state;
    struct make_fat f;
    unsigned root = 0, one = 0, used = 0;
    const unsigned count = 100000, clusters = count * 2 * 32 / SECTOR + 1;
    unsigned char *slots = calloc(clusters, SECTOR);
    name_image("many");
    put_at(image, 0, "", 1);
    make_fat_start(&f, image, 0, 32);
    uint32_t dir = make_fat_entry(&f, 2, &root, "loader", NULL, 0);
    uint32_t entries = f.next + 1;
    uint32_t first = make_fat_entry(&f, dir, &one, "entries", NULL, 0);
    assert_int_equal(first, entries - 1);
    assert_int_equal(fat_take(&f, clusters - 1), entries);
    fat_set(&f, first, entries);
    for (unsigned i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof(name), "%u.conf", i);
        used += fat_slots(slots + used * 32, name, false, 0, 0);
    }
    put_at(image, fat_place(&f, first), slots, clusters * SECTOR);
    free(slots);
    refuses("loader entries are too many");
}

/* The inode of path, changed by what change does to it. */
static void change_inode(const char *path, void (*change)(ext2_filsys fs, struct ext2_inode *inode))
{
    ext2_filsys fs;
    ext2_ino_t ino;
    struct ext2_inode inode;
    assert_int_equal(
        ext2fs_open(image, EXT2_FLAG_RW | EXT2_FLAG_64BITS, 0, 0, unix_io_manager, &fs), 0);
    assert_int_equal(ext2fs_namei(fs, EXT2_ROOT_INO, EXT2_ROOT_INO, path, &ino), 0);
    assert_int_equal(ext2fs_read_inode(fs, ino, &inode), 0);
    change(fs, &inode);
    assert_int_equal(ext2fs_write_inode(fs, ino, &inode), 0);
    ext2fs_close_free(&fs);
}

static void make_deep(ext2_filsys fs, struct ext2_inode *inode)
{
    (void)fs;
    ((unsigned char *)inode->i_block)[6] = 9;
}

/* An index in the inode, to a block that is an index to itself */
static void make_cyclic(ext2_filsys fs, struct ext2_inode *inode)
{
    unsigned char block[1024] = {0x0a, 0xf3, 1, 0, 84, 0, 1, 0},
                  *root = (unsigned char *)inode->i_block;
    uint32_t at = fs->super->s_blocks_count - 3;
    put32(block + 16, at);
    put_at(image, at * UINT64_C(1024), block, sizeof(block));
    root[6] = 2;
    put32(root + 16, at);
    root[20] = root[21] = 0;
}

static void make_huge(ext2_filsys fs, struct ext2_inode *inode)
{
    (void)fs;
    inode->i_size_high = 0;
    inode->i_size = (600u << 20);
}

static void make_sparse(ext2_filsys fs, struct ext2_inode *inode)
{
    (void)fs;
    inode->i_size = 512u << 20;
}

static void make_dirless(ext2_filsys fs, struct ext2_inode *inode)
{
    unsigned char *root = (unsigned char *)inode->i_block;
    uint32_t at = root[20] | (uint32_t)root[21] << 8 | (uint32_t)root[22] << 16;
    (void)fs;
    put_le(image, at * UINT64_C(1024) + 4, 0, 2);      /* rec_len of "." */
    put_le(image, at * UINT64_C(1024) + 12 + 4, 3, 2); /* and of ".." */
}

static void fresh(const char *name)
{
    name_image(name);
    make_ext4(image, 0, EXT4_KIB, make_path("tree"), SMALL);
}

/* W17: blocks per group, inode size and block size among others */
static void test_ext4_super(void **state)
{
    (void)state;
    static const struct {
        unsigned off, len;
        uint64_t value;
    } t[] = {
        {88, 2, 0},          {88, 2, 3},          {88, 2, 0xffff},
        {32, 4, 0},          {32, 4, 0xffffffff}, {24, 4, 7},
        {24, 4, 0xffffffff}, {24, 4, 31},         {40, 4, 0},
        {40, 4, 0xffffffff}, {4, 4, 0xffffffff},  {0, 4, 0xffffffff},
        {20, 4, 0xffffffff}, {254, 2, 0xffff},    {254, 2, 1},
        {76, 4, 0xffffffff}, {96, 4, 0xffffffff}, {0x150, 4, 0xffffffff},
    };
    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        fresh("super");
        put_le(image, 1024 + t[i].off, t[i].value, t[i].len);
        int r = find();
        if (r && strstr(err.text, "signal"))
            fail_msg("%u at %u: %s", (unsigned)t[i].value, t[i].off, err.text);
    }
    for (size_t i = 0; i < 9; i++) {
        fresh("super");
        put_le(image, 1024 + t[i].off, t[i].value, t[i].len);
        assert_true(find() < 0);
    }
}

/* W17: depth, cycles, record lengths, sizes */
static void test_ext4_inode(void **state)
{
    (void)state;
    fresh("deep");
    change_inode("/boot/vmlinuz-6.1.0-13-amd64", make_deep);
    refuses("kernel /vmlinuz cannot be read");
    fresh("cyclic");
    change_inode("/boot/vmlinuz-6.1.0-13-amd64", make_cyclic);
    refuses("kernel /vmlinuz cannot be read");
    fresh("huge");
    change_inode("/boot/vmlinuz-6.1.0-13-amd64", make_huge);
    refuses("kernel /vmlinuz is larger than 512 MiB");
    fresh("reclen");
    change_inode("/boot", make_dirless);
    refuses("grub.cfg cannot be read");
    fresh("sparse");
    change_inode("/boot/initrd.img-6.1.0-13-amd64", make_sparse);
    refuses("is larger than 512 MiB"); /* together */
    fresh("config");
    change_inode("/boot/grub/grub.cfg", make_huge);
    refuses("grub.cfg is larger than");
}

/* W17: links that lead nowhere, or back */
static void test_links(void **state)
{
    (void)state;
    name_image("links");
    make_text("tree3/boot/grub/grub.cfg", "menuentry m { linux /a }\n");
    if (symlink("b", make_path("tree3/a")) || symlink("/a", make_path("tree3/b")) ||
        symlink("d/d/d/d", make_path("tree3/d")) || symlink("grub", make_path("tree3/boot/grub2")))
        fail();
    make_ext4(image, 0, EXT4_KIB, make_path("tree3"), SMALL);
    refuses("wants kernel /a");
    make_text("tree3/boot/grub/grub.cfg", "menuentry m { linux /d/x }             \n");
    make_ext4(image, 0, EXT4_KIB, make_path("tree3"), SMALL);
    refuses("wants kernel /d/x");
    /* as many as are followed, and one more */
    for (int i = 1; i <= 17; i++) {
        char from[32], to[16];
        snprintf(from, sizeof(from), "tree3/l%d", i);
        snprintf(to, sizeof(to), "l%d", i - 1);
        assert_int_equal(symlink(to, make_path(from)), 0);
    }
    make_text("tree3/l0", "k");
    make_text("tree3/boot/grub/grub.cfg", "menuentry m { linux /l16 }             \n");
    make_ext4(image, 0, EXT4_KIB, make_path("tree3"), SMALL);
    assert_int_equal(find(), 0);
    make_text("tree3/boot/grub/grub.cfg", "menuentry m { linux /l17 }             \n");
    make_ext4(image, 0, EXT4_KIB, make_path("tree3"), SMALL);
    refuses("wants kernel /l17");
}

static void test_script(void **state)
{
    (void)state;
    name_image("script");
    char *text = malloc(3 << 20);
    memset(text, '\n', 3 << 20);
    make_file("tree4/boot/grub/grub.cfg", text, 3 << 20);
    make_ext4(image, 0, 8192, make_path("tree4"), SMALL);
    refuses("is larger than");
    free(text);
    unlink(make_path("tree4/boot/grub/grub.cfg"));
    make_text("tree4/boot/grub/grub.cfg", "function f { f }\nf\n");
    make_ext4(image, 0, 8192, make_path("tree4"), SMALL);
    refuses("nested too deeply");
    make_text("tree4/boot/grub/grub.cfg", "while true; do true; done\n");
    make_ext4(image, 0, 8192, make_path("tree4"), SMALL);
    refuses("more steps");
}

/* Bits flipped anywhere: whatever comes of it, it comes soon, and from an honest end. */
static void test_mutation(void **state)
{
    (void)state;
    const char *turns = getenv("TEST_MUTATIONS");
    unsigned seed = 20240229, good = 0, count = turns ? (unsigned)atoi(turns) : 200;
    fresh("mutant");
    static unsigned char original[EXT4_KIB * 1024];
    int fd = open(image, O_RDWR | O_CLOEXEC);
    assert_int_equal(pread(fd, original, sizeof(original), 0), sizeof(original));
    uint64_t start = clock_ns();
    for (unsigned i = 0; i < count; i++) {
        for (unsigned k = 0; k < 1u << (i % 10); k++) {
            /* metadata more often than the rest */
            unsigned at = (unsigned)rand_r(&seed) % (i % 3 ? 65536u : EXT4_KIB * 1024u);
            unsigned char b = original[at] ^ (unsigned char)(1 << rand_r(&seed) % 8);
            assert_int_equal(pwrite(fd, &b, 1, at), 1);
        }
        int r = find();
        good += !r;
        if (r && strstr(err.text, "reader"))
            fail_msg("turn %u: %s", i, err.text);
        assert_int_equal(pwrite(fd, original, sizeof(original), 0), sizeof(original));
    }
    close(fd);
    print_message("%u of %u still boot, %u ms\n", good, count,
                  (unsigned)((clock_ns() - start) / 1000000));
    assert_true(count < 100 || (good > 0 && good < count));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_not_an_image), cmocka_unit_test(test_mbr_loop),
        cmocka_unit_test(test_fat_many),     cmocka_unit_test(test_ext4_super),
        cmocka_unit_test(test_ext4_inode),   cmocka_unit_test(test_links),
        cmocka_unit_test(test_script),       cmocka_unit_test(test_mutation),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
