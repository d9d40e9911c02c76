/* SPDX-License-Identifier: MIT */
/*
 * Boot Loader Specification entries (UAPI.1, type 1). Runs in the reader child only.
 */
#ifndef FIRMWARE_DISK_BLS_H
#define FIRMWARE_DISK_BLS_H

#include "firmware/disk-choice.h"

#define BLS_MAX_ENTRIES 2048
#define BLS_MAX_ENTRY   ((size_t)(64 * KIB)) /* bytes of one entry's file */

struct bls_entry {
    struct disk_volume *volume;
    const char *id; /* file name without .conf and without the boot counter */
    const char *title, *version, *machine_id, *sort_key, *kernel, *options; /* never NULL */
    const char *architecture;
    const char *initrd[DISK_MAX_INITRDS];
    unsigned initrds;
    bool below_boot; /* found in /boot/loader: paths may be meant from /boot */
    bool bad;        /* its boot counter ran out */
};

struct bls_list {
    struct bls_entry *entry; /* best first once sorted */
    unsigned count, room;
};

/* Where $name in an entry comes from; NULL: unset. */
struct bls_vars {
    const char *(*get)(const struct bls_vars *vars, const char *name);
};

/*
 * Appends the volume's bootable entries from /loader/entries and /boot/loader/entries. 0 also when
 * there are none; -E2BIG past BLS_MAX_ENTRIES, or -errno.
 */
int bls_load(struct disk_volume *v, struct disk_mem *mem, struct bls_list *list);

void bls_sort(struct bls_list *list);

/* The entry that loader.conf's default (a pattern, may be NULL) or else the order wants; not NULL
 * for a list that is not empty. List must be sorted. */
const struct bls_entry *bls_default(const struct bls_list *list, const char *pattern);

/* 0, or -errno with a sentence: a file that is missing. vars NULL: $ has no meaning. Sets all of c
 * but source. */
int bls_choose(const struct bls_entry *e, const struct bls_vars *vars, struct disk_mem *mem,
               struct disk_choice *c, struct err *err);

/* Value of key in the volume's loader.conf, or NULL. */
const char *bls_conf(struct disk_volume *v, struct disk_mem *mem, const char *key);

#endif
