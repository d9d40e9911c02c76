/* SPDX-License-Identifier: MIT */
/*
 * Memory for what is parsed out of an image: many small pieces, one limit, freed all at once.
 */
#ifndef FIRMWARE_DISK_MEM_H
#define FIRMWARE_DISK_MEM_H

#include <stddef.h>

struct disk_mem_piece;

struct disk_mem {
    struct disk_mem_piece *pieces;
    size_t used, limit; /* bytes; limit is set by the owner */
};

/* Zeroed, or NULL past the limit. One thread. */
void *disk_mem_alloc(struct disk_mem *m, size_t size);

/* A copy of len bytes with a NUL behind, or NULL. */
char *disk_mem_dup(struct disk_mem *m, const char *s, size_t len);

/* As asprintf, or NULL. */
char *disk_mem_printf(struct disk_mem *m, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

void disk_mem_free(struct disk_mem *m);

/* A string or file that grows; max bytes at most. data is NUL-terminated once something was put. */
struct disk_buf {
    char *data;
    size_t len, room, max;
};

/* 0, -EFBIG past max, -ENOMEM */
int disk_buf_put(struct disk_buf *b, const void *data, size_t len);

void disk_buf_free(struct disk_buf *b);

#endif
