// SPDX-License-Identifier: MIT
/*
 * Owns the memory accounting of the image parsers. Knows nothing of what is kept in it.
 */
#include "firmware/disk-mem.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct disk_mem_piece {
    struct disk_mem_piece *next;
    max_align_t data[];
};

void *disk_mem_alloc(struct disk_mem *m, size_t size)
{
    if (size > m->limit || m->used > m->limit - size)
        return NULL;
    struct disk_mem_piece *p = calloc(1, sizeof(*p) + size);
    if (!p)
        return NULL;
    /* pieces cost something even when empty: a million of them must meet the limit too */
    m->used += size + sizeof(*p);
    p->next = m->pieces;
    m->pieces = p;
    return p->data;
}

char *disk_mem_dup(struct disk_mem *m, const char *s, size_t len)
{
    char *copy = disk_mem_alloc(m, len + 1);
    if (copy && len)
        memcpy(copy, s, len);
    return copy;
}

char *disk_mem_printf(struct disk_mem *m, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int len = vsnprintf(NULL, 0, fmt, ap);
    char *s = len < 0 ? NULL : disk_mem_alloc(m, (size_t)len + 1);
    if (s)
        vsnprintf(s, (size_t)len + 1, fmt, again);
    va_end(again);
    va_end(ap);
    return s;
}

void disk_mem_free(struct disk_mem *m)
{
    while (m->pieces) {
        struct disk_mem_piece *p = m->pieces;
        m->pieces = p->next;
        free(p);
    }
    m->used = 0;
}

int disk_buf_put(struct disk_buf *b, const void *data, size_t len)
{
    if (len > b->max || b->len > b->max - len)
        return -EFBIG;
    if (b->len + len + 1 > b->room) {
        size_t room = (b->len + len + 1) * 2;
        char *more = realloc(b->data, room);
        if (!more)
            return -ENOMEM;
        b->data = more;
        b->room = room;
    }
    if (len)
        memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = '\0';
    return 0;
}

void disk_buf_free(struct disk_buf *b)
{
    free(b->data);
    *b = (struct disk_buf){.max = b->max};
}
