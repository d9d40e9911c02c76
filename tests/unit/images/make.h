/* SPDX-License-Identifier: MIT */
/*
 * For tests: disk images of a few MiB, made where they are used. ext4 comes from mke2fs, tables
 * and FAT from here.
 */
#ifndef TESTS_UNIT_IMAGES_MAKE_H
#define TESTS_UNIT_IMAGES_MAKE_H

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/base/bits.h"

#define SECTOR 512

static char make_dir[256]; /* everything is in here */

static inline void make_die(const char *what)
{
    perror(what);
    exit(1);
}

__attribute__((format(printf, 1, 2))) static inline int make_run(const char *fmt, ...)
{
    char cmd[2048] = "PATH=$PATH:/sbin:/usr/sbin; ";
    size_t len = strlen(cmd);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(cmd + len, sizeof(cmd) - len, fmt, ap);
    va_end(ap);
    int r = system(cmd);
    if (r)
        fprintf(stderr, "failed: %s\n", cmd);
    return r;
}

static inline void make_start(void)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(make_dir, sizeof(make_dir), "%s/test-disk-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(make_dir))
        make_die(make_dir);
}

static inline void make_end(void)
{
    make_run("rm -rf '%s'", make_dir);
}

/* Path of name in the working directory; a few are valid at once. */
static inline const char *make_path(const char *name)
{
    static char path[8][512];
    static unsigned next;
    char *p = path[next++ % 8];
    snprintf(p, sizeof(path[0]), "%s/%s", make_dir, name);
    return p;
}

static inline void put_at(const char *image, uint64_t off, const void *data, size_t len)
{
    int fd = open(image, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || pwrite(fd, data, len, (off_t)off) != (ssize_t)len || close(fd))
        make_die(image);
}

static inline void put32(unsigned char *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (unsigned char)(v >> 8 * i);
}

static inline void put_le(const char *image, uint64_t off, uint64_t v, size_t len)
{
    unsigned char b[8];
    put32(b, (uint32_t)v);
    put32(b + 4, (uint32_t)(v >> 32));
    put_at(image, off, b, len);
}

/* A file of the tree that becomes an image: "tree/..."; directories on its way are made. */
static inline void make_file(const char *path, const void *data, size_t len)
{
    char full[512];
    snprintf(full, sizeof(full), "%s", make_path(path));
    for (char *s = strchr(full + strlen(make_dir) + 1, '/'); s; s = strchr(s + 1, '/')) {
        *s = '\0';
        mkdir(full, 0700);
        *s = '/';
    }
    put_at(full, 0, data, len);
}

static inline void make_text(const char *path, const char *text)
{
    make_file(path, text, strlen(text));
}

/* mke2fs of tree (NULL: empty) at off bytes into image; size in KiB */
static inline void make_ext4(const char *image, uint64_t off, unsigned kib, const char *tree,
                             const char *options)
{
    int fd = open(image, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct stat st;
    if (fd < 0 || fstat(fd, &st))
        make_die(image);
    uint64_t end = off + kib * KIB;
    if ((uint64_t)st.st_size < end && ftruncate(fd, (off_t)end))
        make_die(image);
    close(fd);
    if (make_run("mke2fs -q -F -E offset=%llu %s%s%s %s '%s' %uk >/dev/null",
                 (unsigned long long)off, tree ? "-d '" : "", tree ? tree : "", tree ? "'" : "",
                 options, image, kib))
        exit(1);
}

/* One entry of an MBR or EBR at sector at; positions in sectors */
static inline void make_mbr(const char *image, uint64_t at, unsigned slot, unsigned type,
                            uint32_t start, uint32_t count)
{
    unsigned char e[16] = {0}, sign[2] = {0x55, 0xaa};
    e[4] = (unsigned char)type;
    put32(e + 8, start);
    put32(e + 12, count);
    put_at(image, at * SECTOR + 446 + slot * 16u, e, sizeof(e));
    put_at(image, at * SECTOR + 510, sign, 2);
    if (!at)
        put_le(image, 440, 0xabcdef01, 4);
}

static inline uint32_t make_crc(const unsigned char *p, size_t len)
{
    uint32_t c = ~0u;
    while (len--) {
        c ^= *p++;
        for (int i = 0; i < 8; i++)
            c = c & 1 ? c >> 1 ^ 0xedb88320u : c >> 1;
    }
    return ~c;
}

struct make_part {
    uint32_t start, count; /* sectors */
    bool esp;
};

/* A primary GPT alone: readers that want the backup's place find it said to be at the end. */
static inline void make_gpt(const char *image, uint32_t sectors, const struct make_part *p,
                            unsigned n)
{
    static const unsigned char esp[16] = {0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11,
                                          0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b};
    static const unsigned char data[16] = {0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47,
                                           0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4};
    static unsigned char entries[128 * 128], h[92] = "EFI PART";
    memset(entries, 0, sizeof(entries));
    for (unsigned i = 0; i < n; i++) {
        unsigned char *e = entries + i * 128;
        memcpy(e, p[i].esp ? esp : data, 16);
        memset(e + 16, 0x11 * (int)(i + 1), 16);
        put32(e + 32, p[i].start);
        put32(e + 40, p[i].start + p[i].count - 1);
    }
    const uint32_t fields[][2] = {{8, 0x10000},
                                  {12, 92},
                                  {16, 0},
                                  {24, 1},
                                  {32, sectors - 1},
                                  {40, 34},
                                  {48, sectors - 34},
                                  {72, 2},
                                  {80, 128},
                                  {84, 128},
                                  {88, make_crc(entries, sizeof(entries))}};
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        put32(h + fields[i][0], fields[i][1]);
    memset(h + 56, 0x77, 16);
    put32(h + 16, make_crc(h, 92));
    if (truncate(image, (off_t)sectors * SECTOR))
        make_die(image);
    make_mbr(image, 0, 0, 0xee, 1, sectors - 1);
    put_at(image, SECTOR, h, sizeof(h));
    put_at(image, 2 * SECTOR, entries, sizeof(entries));
}

/* A FAT volume in the making: clusters of one sector, given out in order */
struct make_fat {
    const char *image;
    uint64_t off;
    unsigned bits;
    uint32_t clusters, next, fat_sectors;
    uint64_t data; /* bytes from off */
};

static inline void fat_set(struct make_fat *f, uint32_t cluster, uint32_t value)
{
    uint64_t fat = f->off + (f->bits == 32 ? 32 : 1) * SECTOR;
    if (f->bits != 12) {
        put_le(f->image, fat + (uint64_t)cluster * f->bits / 8, value, f->bits / 8);
        return;
    }
    unsigned char b[2];
    int fd = open(f->image, O_RDONLY | O_CLOEXEC);
    if (pread(fd, b, 2, (off_t)(fat + cluster * 3 / 2)) != 2)
        make_die("pread");
    close(fd);
    value &= 0xfff;
    uint32_t old = b[0] | (uint32_t)b[1] << 8;
    old = cluster & 1 ? (old & 0x000f) | value << 4 : (old & 0xf000) | value;
    put_le(f->image, fat + cluster * 3 / 2, old, 2);
}

/* Takes count clusters in a row: the first */
static inline uint32_t fat_take(struct make_fat *f, uint32_t count)
{
    uint32_t first = f->next;
    f->next += count;
    for (uint32_t i = 0; i < count; i++)
        fat_set(f, first + i, i + 1 < count ? first + i + 1 : 0x0fffffff);
    return first;
}

static inline uint64_t fat_place(const struct make_fat *f, uint32_t cluster)
{
    return cluster ? f->off + f->data + (uint64_t)(cluster - 2) * SECTOR
                   : f->off + f->data - 32 * SECTOR;
}

static inline void make_fat_sized(struct make_fat *f, const char *image, uint64_t off,
                                  unsigned bits, uint32_t clusters)
{
    unsigned char b[SECTOR] = {0xeb, 0x3c, 0x90};
    *f = (struct make_fat){
        .image = image, .off = off, .bits = bits, .clusters = clusters, .next = 2};
    f->fat_sectors = (f->clusters + 2) * bits / 8 / SECTOR + 1;
    uint32_t reserved = bits == 32 ? 32 : 1, roots = bits == 32 ? 0 : 512;
    f->data = (reserved + f->fat_sectors) * SECTOR + roots * 32;
    uint32_t sectors = (uint32_t)(f->data / SECTOR) + f->clusters;
    memcpy(b + 3, "mkfs.fat", 8);
    b[12] = SECTOR >> 8;
    b[13] = 1;
    b[14] = (unsigned char)reserved;
    b[16] = 1;
    b[18] = (unsigned char)(roots >> 8);
    b[21] = 0xf8;
    put32(b + 32, sectors);
    if (bits == 32) {
        put32(b + 36, f->fat_sectors);
        put32(b + 44, 2);
        b[66] = 0x29;
        memcpy(b + 71, "NO NAME    FAT32   ", 19);
    } else {
        b[22] = (unsigned char)f->fat_sectors;
        b[38] = 0x29;
        memcpy(b + 43, bits == 12 ? "NO NAME    FAT12   " : "NO NAME    FAT16   ", 19);
    }
    put32(b + (bits == 32 ? 67 : 39), 0xcafe1234);
    b[510] = 0x55;
    b[511] = 0xaa;
    put_at(image, off, b, sizeof(b));
    if (truncate(image, (off_t)(off + (uint64_t)sectors * SECTOR)))
        make_die(image);
    if (bits == 32)
        fat_take(f, 1); /* the root directory */
}

static inline void make_fat_start(struct make_fat *f, const char *image, uint64_t off,
                                  unsigned bits)
{
    make_fat_sized(f, image, off, bits, bits == 12 ? 4000 : bits == 16 ? 9000 : 70000);
}

/* Slots of a long name and its entry, at slots; the count used */
static inline unsigned fat_slots(unsigned char *slots, const char *name, bool dir, uint32_t cluster,
                                 uint32_t size)
{
    static const unsigned char place[13] = {1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30};
    static unsigned serial;
    unsigned len = (unsigned)strlen(name), longs = (len + 12) / 13;
    for (unsigned k = 0; k < longs; k++) {
        unsigned index = longs - k;
        unsigned char *s = slots + k * 32;
        memset(s, 0, 32);
        s[0] = (unsigned char)(index | (k ? 0 : 0x40));
        s[11] = 0x0f;
        for (unsigned i = 0; i < 13; i++) {
            unsigned at = (index - 1) * 13 + i;
            s[place[i]] = (unsigned char)(at < len ? name[at] : at == len ? 0 : 0xff);
            s[place[i] + 1] = at > len ? 0xff : 0;
        }
    }
    unsigned char *s = slots + longs * 32;
    char alias[16];
    memset(s, 0, 32);
    snprintf(alias, sizeof(alias), "F%07uDAT", serial++ % 10000000);
    memcpy(s, alias, 11);
    s[11] = dir ? 0x10 : 0x20;
    put32(s + 28, size);
    s[20] = (unsigned char)(cluster >> 16);
    s[21] = (unsigned char)(cluster >> 24);
    s[26] = (unsigned char)cluster;
    s[27] = (unsigned char)(cluster >> 8);
    return longs + 1;
}

/* A file (data) or directory (data NULL, one cluster) in directory dir (0: the fixed root), at its
 * slot number *slot, which moves on: its first cluster. */
static inline uint32_t make_fat_entry(struct make_fat *f, uint32_t dir, unsigned *slot,
                                      const char *name, const void *data, uint32_t len)
{
    unsigned char slots[32 * 24];
    uint32_t cluster = fat_take(f, data ? (len + SECTOR - 1) / SECTOR : 1);
    unsigned n = fat_slots(slots, name, !data, cluster, data ? len : 0);
    put_at(f->image, fat_place(f, dir) + *slot * 32, slots, n * 32);
    *slot += n;
    if (data)
        put_at(f->image, fat_place(f, cluster), data, len);
    return cluster;
}

#endif
