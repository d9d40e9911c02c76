// SPDX-License-Identifier: MIT
/*
 * Owns the target of boot images. The first byte says what the rest is: files on volumes in memory
 * (what configurations say), pieces of an image (partition tables and file systems), or the message
 * of a reader that has been taken over.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "firmware/disk-choice.h"
#include "firmware/disk-reader.h"
#include "firmware/disk-result.h"
#include "tests/fuzz/targets.h"
#include "tests/unit/images/fake.h"
#include "tests/unit/images/make.h"
#include "vmm/base/le.h"

enum { FILES = 24, IMAGE_SIZE = 4 << 20, ANSWER = 1 << 17, GPT_ENTRIES = 128 * 128, GAP = 8 };
enum { KIND_FILES, KIND_IMAGE, KIND_MESSAGE, KINDS };

#define MEMORY ((size_t)(160 * MIB))
#define UUID   "11111111-2222-3333-4444-555555555555"

/* ---- files ---- */

static const char *const paths[] = {
    "/boot/grub/grub.cfg",
    "/grub/grub.cfg",
    "/boot/grub2/grub.cfg",
    "/grub2/grub.cfg",
    "/EFI/debian/grub.cfg",
    "/loader/loader.conf",
    "/loader/entries/a.conf",
    "/loader/entries/b+3-1.conf",
    "/loader/entries/c+0.conf",
    "/boot/loader/entries/d.conf",
    "/boot/grub/grubenv",
    "/grub2/grubenv",
    "/vmlinuz-6.1.0",
    "/initrd.img-6.1.0",
    "/boot/vmlinuz-6.1.0",
    "/boot/initrd.img-6.1.0",
    "/more.cfg",
    "/boot/grub/custom.cfg",
};

/* A byte with the path's number, then text up to a zero byte. */
static unsigned files_take(struct fuzz_in *in, struct fake_file *file, char *text)
{
    unsigned n = 0;

    while (in->left > 1 && n < FILES) {
        file[n].path = paths[fuzz_u8(in) % ARRAY_SIZE(paths)];
        file[n++].text = text;
        while (in->left && (*text = (char)fuzz_u8(in)))
            text++;
        *text++ = '\0';
    }
    return n;
}

static void files_run(struct fuzz_in *in)
{
    static struct disk_volumes d;
    static struct fake_file file[FILES + 1];
    struct disk_mem mem = {.limit = MEMORY};
    struct disk_choice c = {0};
    struct err err = {""};
    char *text = (char *)malloc(in->left + 1);

    memset(&d, 0, sizeof(d));
    memset(file, 0, sizeof(file));
    files_take(in, file, text);
    fake_volume(&d, 1, UUID, file)->esp = true;
    fake_volume(&d, 2, "22222222-2222-3333-4444-555555555555", file);
    if (disk_choose(&d, &mem, &c, &err) == 0) {
        if (!c.kernel.volume || !c.kernel.path || !c.cmdline || !c.title || !c.source)
            fuzz_fail("chosen, but what?");
    } else if (!err.text[0]) {
        fuzz_fail("nothing chosen, and not a word why");
    }
    disk_mem_free(&mem);
    free(text);
}

/* ---- images: pieces of 3 bytes place, 2 bytes length, that many bytes ---- */

/* Checksums as they must be, so that what they guard is reached. */
static void gpt_seal(uint8_t *image)
{
    uint8_t *h = image + SECTOR;
    const uint32_t size = le32_load(h + 12);

    if (memcmp(h, "EFI PART", 8) != 0 || size < 92 || size > SECTOR)
        return;
    put32(h + 88, make_crc(image + 2 * SECTOR, GPT_ENTRIES));
    put32(h + 16, 0);
    put32(h + 16, make_crc(h, size));
}

static int image_make(struct fuzz_in *in)
{
    const int fd = memfd_create("fuzz", MFD_CLOEXEC);
    uint8_t *image;

    if (fd < 0 || ftruncate(fd, IMAGE_SIZE) < 0)
        make_die("memfd");
    image = (uint8_t *)mmap(NULL, IMAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (image == MAP_FAILED)
        make_die("mmap");
    while (in->left > 5) {
        const uint32_t at = (uint32_t)fuzz_num(in, 3) % IMAGE_SIZE;
        const size_t len = min_u64(fuzz_num(in, 2), IMAGE_SIZE - at);
        size_t n;
        const uint8_t *bytes = fuzz_bytes(in, len, &n);

        memcpy(image + at, bytes, n);
    }
    gpt_seal(image);
    munmap(image, IMAGE_SIZE);
    return fd;
}

static void message_take(const void *data, size_t len)
{
    struct disk_boot boot = {.kernel_fd = -1, .initrd_fd = -1};
    struct err err = {""};

    if (disk_result_take(data, len, "image", &boot, &err) == 0) {
        if (!boot.cmdline || !boot.title || !boot.source || !boot.kernel_path || !boot.initrd_path)
            fuzz_fail("a message without its strings was taken");
    } else if (!err.text[0]) {
        fuzz_fail("a message was refused without a word");
    }
    disk_boot_free(&boot);
}

static void image_run(struct fuzz_in *in)
{
    const int fd = image_make(in);
    const int out = memfd_create("answer", MFD_CLOEXEC);
    struct disk_reader reader = {.size = IMAGE_SIZE, .sector = SECTOR};
    struct jail j = {.arg = &reader, .read_fd = fd, .write_fd = {-1, -1}};
    static uint8_t answer[ANSWER];
    ssize_t n;

    for (unsigned i = 0; i < JAIL_MAX_WRITE; i++)
        j.write_fd[i] = memfd_create("file", MFD_CLOEXEC);
    if (disk_reader_work(&j, out) != 0)
        fuzz_fail("the reader has no answer");
    n = pread(out, answer, sizeof(answer), 0);
    if (n <= 0 || (size_t)n > disk_result_max())
        fuzz_fail("the reader's answer has %zd bytes", n);
    message_take(answer, (size_t)n);
    for (unsigned i = 0; i < JAIL_MAX_WRITE; i++)
        close(j.write_fd[i]);
    close(out);
    close(fd);
}

static void run(const uint8_t *data, size_t len)
{
    struct fuzz_in in = {data, len};
    const uint8_t kind = fuzz_u8(&in) % KINDS;

    if (kind == KIND_FILES)
        files_run(&in);
    else if (kind == KIND_IMAGE)
        image_run(&in);
    else
        message_take(in.p, in.left);
}

/* ---- seeds ---- */

static void file_put(struct fuzz_out *out, const char *path, const char *text)
{
    for (unsigned i = 0; i < ARRAY_SIZE(paths); i++)
        if (strcmp(paths[i], path) == 0)
            fuzz_put_num(out, i, 1);
    fuzz_put(out, text, strlen(text) + 1);
}

static void files_start(struct fuzz_out *out)
{
    out->n = 0;
    fuzz_put_num(out, KIND_FILES, 1);
    file_put(out, "/vmlinuz-6.1.0", "kernel");
    file_put(out, "/initrd.img-6.1.0", "initrd");
    file_put(out, "/boot/vmlinuz-6.1.0", "kernel");
}

static void config_seed(struct fuzz_seeds *to, const char *name)
{
    static struct fuzz_out out;
    char file[64], *text;

    snprintf(file, sizeof(file), "%s.cfg", name);
    text = fixture(file);
    files_start(&out);
    file_put(&out, "/boot/grub/grub.cfg", text);
    fuzz_seed(to, name, out.data, out.n);
    free(text);
}

static void texts_seed(struct fuzz_seeds *to)
{
    static struct fuzz_out out;

    files_start(&out);
    file_put(&out, "/boot/grub/grub.cfg",
             "set x=\"$a${b}\"\nfunction f { if [ \"$1\" = y -a -f /more.cfg ]; then source "
             "/more.cfg; else for i in 1 2; do echo $i; done; fi }\nf y\n"
             "submenu s { menuentry 'a b' --id q --class x { linux /vmlinuz-6.1.0 ro \\\n q\n"
             "initrd /initrd.img-6.1.0 } }\nsearch --fs-uuid --set=root " UUID "\n"
             "while false; do until true; do break; done; done\nset default=s>q\n");
    file_put(&out, "/more.cfg", "configfile /boot/grub/custom.cfg\n");
    file_put(&out, "/boot/grub/grubenv", "# GRUB Environment Block\nsaved_entry=0\n#####");
    fuzz_seed(to, "grub-words", out.data, out.n);
    files_start(&out);
    file_put(&out, "/loader/loader.conf", "default a*\ntimeout 3\n");
    file_put(&out, "/loader/entries/a.conf",
             "title A\nversion 6.1\nmachine-id 1234\nlinux /vmlinuz-6.1.0\n"
             "initrd /initrd.img-6.1.0\noptions root=UUID=1 $kernelopts\narchitecture x64\n");
    file_put(&out, "/loader/entries/b+3-1.conf", "sort-key z\nlinux /vmlinuz-6.1.0\n");
    file_put(&out, "/loader/entries/c+0.conf", "linux /none\n");
    fuzz_seed(to, "bls", out.data, out.n);
    files_start(&out);
    file_put(&out, "/grub2/grub.cfg", "load_env\nblscfg\nset kernelopts=ro\n");
    file_put(&out, "/boot/loader/entries/d.conf", "linux /vmlinuz-6.1.0\noptions $kernelopts $x\n");
    file_put(&out, "/grub2/grubenv", "# GRUB Environment Block\nkernelopts=quiet\n");
    fuzz_seed(to, "blscfg", out.data, out.n);
}

/* All that is not zero in an image, in pieces. */
static void image_seed(struct fuzz_seeds *to, const char *name, const char *path)
{
    static uint8_t data[IMAGE_SIZE + GAP];
    static struct fuzz_out out;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t size = read(fd, data, IMAGE_SIZE);

    close(fd);
    out.n = 0;
    fuzz_put_num(&out, KIND_IMAGE, 1);
    for (ssize_t at = 0, end, zeros; at < size; at = end) {
        end = at + 1;
        if (!data[at])
            continue;
        for (zeros = 0; end + zeros < size && zeros < GAP && end - at < UINT16_MAX - GAP;)
            if (data[end + zeros])
                end += zeros + 1, zeros = 0;
            else
                zeros++;
        fuzz_put_num(&out, (uint64_t)at, 3);
        fuzz_put_num(&out, (uint64_t)(end - at), 2);
        fuzz_put(&out, data + at, (size_t)(end - at));
    }
    fuzz_seed(to, name, out.data, out.n);
}

static void ext4_seeds(struct fuzz_seeds *to)
{
    static const char small[] = "-t ext4 -b 1024 -N 32 -O ^has_journal,^metadata_csum,^resize_inode"
                                " -U " UUID;

    make_text("tree/boot/vmlinuz-6.1.0", "kernel");
    make_text("tree/boot/grub/grub.cfg", "linux /vmlinuz ro\ninitrd /boot/initrd.img\n");
    make_text("tree/boot/initrd.img", "initrd");
    if (symlink("boot/vmlinuz-6.1.0", make_path("tree/vmlinuz")) < 0)
        make_die("symlink");
    make_ext4(make_path("ext4"), 0, 256, make_path("tree"), small);
    image_seed(to, "ext4", make_path("ext4"));
    make_mbr(make_path("mbr"), 0, 0, 0x05, 64, 4000);
    make_mbr(make_path("mbr"), 64, 0, 0x83, 64, 512);
    make_mbr(make_path("mbr"), 64, 1, 0x05, 0, 1000);
    make_ext4(make_path("mbr"), UINT64_C(128) * SECTOR, 256, make_path("tree"), small);
    image_seed(to, "mbr-ext4", make_path("mbr"));
}

static void fat_seeds(struct fuzz_seeds *to)
{
    const struct make_part part = {64, 8000, true};
    static const unsigned bits[] = {12, 16};

    for (unsigned i = 0; i < ARRAY_SIZE(bits); i++) {
        const char *image = make_path(bits[i] == 12 ? "fat12" : "fat16");
        unsigned root = 0, slot = 0, entries = 0;
        uint32_t dir;
        struct make_fat f;

        make_fat_start(&f, image, (bits[i] == 12 ? 64 : 0) * SECTOR, bits[i]);
        make_fat_entry(&f, 0, &root, "vmlinuz", "kernel", 6);
        dir = make_fat_entry(&f, 0, &root, "loader", NULL, 0);
        dir = make_fat_entry(&f, dir, &slot, "entries", NULL, 0);
        make_fat_entry(&f, dir, &entries, "a long name.conf", "linux /vmlinuz\n", 15);
        if (bits[i] == 12)
            make_gpt(image, IMAGE_SIZE / SECTOR, &part, 1);
        image_seed(to, bits[i] == 12 ? "gpt-fat12" : "fat16", image);
    }
}

static void seeds(struct fuzz_seeds *to)
{
    const struct disk_result good = {.kernel_size = 1, .string = {"ro", "t", "s", "/k", "/i", ""}};
    static const char *const fixtures[] = {"debian12", "ubuntu", "fedora", "opensuse"};
    uint8_t message[4096] = {KIND_MESSAGE};
    const int fd = memfd_create("message", MFD_CLOEXEC);

    for (unsigned i = 0; i < ARRAY_SIZE(fixtures); i++)
        config_seed(to, fixtures[i]);
    texts_seed(to);
    make_start();
    ext4_seeds(to);
    fat_seeds(to);
    make_end();
    if (disk_result_send(fd, &good) < 0)
        fuzz_fail("no message");
    fuzz_seed(to, "message", message, 1 + (size_t)pread(fd, message + 1, sizeof(message) - 1, 0));
    close(fd);
}

const struct fuzz_target fuzz_boot = {"boot", 32768, run, seeds};
