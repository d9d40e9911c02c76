/* SPDX-License-Identifier: MIT */
/*
 * Volumes of a disk (partitions, or the whole of it) and the few verbs that reading boot files
 * needs, whatever file system is on them. Runs in the reader child only.
 */
#ifndef FIRMWARE_DISK_FS_H
#define FIRMWARE_DISK_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "firmware/disk-mem.h"
#include "vmm/base/bits.h"

#define DISK_MAX_VOLUMES 128
#define DISK_MAX_LINKS   16                  /* symbolic links followed in one path */
#define DISK_MAX_PATH    4096                /* bytes, links put in place included */
#define DISK_MAX_CONFIG  ((size_t)(2 * MIB)) /* one configuration file */

enum disk_kind { DISK_FILE, DISK_DIR, DISK_OTHER };

struct disk_stat {
    enum disk_kind kind;
    uint64_t size; /* bytes */
};

/* Takes a file's bytes in order; non-zero ends the reading and becomes its result. */
struct disk_sink {
    int (*put)(struct disk_sink *sink, const void *data, size_t len);
};

/* Takes a directory's names; non-zero ends the listing and becomes its result. */
struct disk_names {
    int (*add)(struct disk_names *names, const char *name);
};

struct disk_volume;

/* All answer 0 or -errno; -EUCLEAN: what is on the disk contradicts itself. Paths are absolute. */
struct disk_fs_ops {
    int (*open)(struct disk_volume *v);
    void (*close)(struct disk_volume *v);
    int (*stat)(struct disk_volume *v, const char *path, struct disk_stat *st);
    int (*pour)(struct disk_volume *v, const char *path, struct disk_sink *sink);
    int (*list)(struct disk_volume *v, const char *path, struct disk_names *names);
};

extern const struct disk_fs_ops disk_ext4_ops, disk_fat_ops;

struct disk_volume {
    int fd;
    uint64_t off, size; /* bytes on the image; always inside of it */
    unsigned number;    /* of the partition; 0: the whole disk */
    bool esp, xbootldr; /* by their partition type */
    char type[16];      /* of the file system, libblkid's word; empty: none that it knows */
    char uuid[48], label[256], partuuid[48];
    const struct disk_fs_ops *ops; /* NULL: cannot be read */
    void *state;                   /* ops' own */
    bool opened;
    int status; /* of opening it */
};

struct disk_volumes {
    int fd;
    uint64_t size;   /* bytes */
    unsigned sector; /* bytes */
    char table[16];  /* "gpt", "dos"; empty: none */
    unsigned count;
    struct disk_volume v[DISK_MAX_VOLUMES];
};

/* Opens the file system at its first use. 0 or -errno; -EOPNOTSUPP: one that cannot be read. */
int disk_volume_ready(struct disk_volume *v);

/* "partition 2 (ext4)" or "the whole disk (ext4)" */
void disk_volume_name(const struct disk_volume *v, char *name, size_t size);

int disk_stat(struct disk_volume *v, const char *path, struct disk_stat *st);
bool disk_is_file(struct disk_volume *v, const char *path);

/* The whole file, at most max bytes, NUL-terminated; -EFBIG when there is more. */
int disk_read(struct disk_volume *v, const char *path, size_t max, struct disk_mem *mem,
              char **text, size_t *len);

/* Appends the file to fd; *size grows by what was written and must not pass max: -EFBIG. */
int disk_copy(struct disk_volume *v, const char *path, int fd, uint64_t max, uint64_t *size);

int disk_list(struct disk_volume *v, const char *path, struct disk_names *names);

void disk_volumes_close(struct disk_volumes *d);

/* pread until all len bytes at off of the volume are there; -EUCLEAN outside of it */
int disk_volume_read(const struct disk_volume *v, uint64_t off, void *data, size_t len);

/*
 * The same through two pieces of the volume that are kept: file systems read small pieces, turning
 * between a file and its map, and an image may lie far away. Zero at first; disk_window_free()
 * frees what it holds.
 */
struct disk_window {
    struct disk_piece {
        uint64_t at, len; /* bytes of the volume */
        char *data;
    } piece[2];
    unsigned last; /* used */
};

int disk_window_read(struct disk_window *w, const struct disk_volume *v, uint64_t off, void *data,
                     uint64_t len);
void disk_window_free(struct disk_window *w);

#endif
