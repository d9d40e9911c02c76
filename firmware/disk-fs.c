// SPDX-License-Identifier: MIT
/*
 * Owns the verbs over a volume's file system and their limits. Knows no file system and no
 * partition table.
 */
#include "firmware/disk-fs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DISK_WINDOW (256 * KIB) /* a power of two, not less than a block of any file system */

int disk_volume_ready(struct disk_volume *v)
{
    if (v->opened)
        return v->status;
    v->opened = true;
    v->status = v->ops ? v->ops->open(v) : -EOPNOTSUPP;
    return v->status;
}

void disk_volume_name(const struct disk_volume *v, char *name, size_t size)
{
    if (v->number)
        snprintf(name, size, "partition %u (%s)", v->number, v->type);
    else
        snprintf(name, size, "the whole disk (%s)", v->type);
}

int disk_stat(struct disk_volume *v, const char *path, struct disk_stat *st)
{
    int r = disk_volume_ready(v);
    return r ? r : v->ops->stat(v, path, st);
}

bool disk_is_file(struct disk_volume *v, const char *path)
{
    struct disk_stat st;
    return disk_stat(v, path, &st) == 0 && st.kind == DISK_FILE;
}

static int pour_file(struct disk_volume *v, const char *path, struct disk_sink *sink, uint64_t max)
{
    struct disk_stat st;
    int r = disk_stat(v, path, &st);
    if (r)
        return r;
    if (st.kind != DISK_FILE)
        return st.kind == DISK_DIR ? -EISDIR : -EINVAL;
    return st.size > max ? -EFBIG : v->ops->pour(v, path, sink);
}

struct memory_sink {
    struct disk_sink sink;
    struct disk_buf buf;
};

static int memory_put(struct disk_sink *sink, const void *data, size_t len)
{
    return disk_buf_put(&container_of(sink, struct memory_sink, sink)->buf, data, len);
}

int disk_read(struct disk_volume *v, const char *path, size_t max, struct disk_mem *mem,
              char **text, size_t *len)
{
    struct memory_sink m = {.sink.put = memory_put, .buf.max = max};
    int r = pour_file(v, path, &m.sink, max);
    if (r == 0) {
        *text = disk_mem_dup(mem, m.buf.data, m.buf.len);
        *len = m.buf.len;
        r = *text ? 0 : -ENOMEM;
    }
    disk_buf_free(&m.buf);
    return r;
}

struct fd_sink {
    struct disk_sink sink;
    int fd;
    uint64_t max, *size;
};

static int fd_put(struct disk_sink *sink, const void *data, size_t len)
{
    struct fd_sink *s = container_of(sink, struct fd_sink, sink);
    if (!range_ok(*s->size, len, s->max))
        return -EFBIG;
    for (size_t done = 0; done < len;) {
        ssize_t n = write(s->fd, (const char *)data + done, len - done);
        if (n < 0 && errno != EINTR)
            return -errno;
        done += n > 0 ? (size_t)n : 0;
    }
    *s->size += len;
    return 0;
}

int disk_copy(struct disk_volume *v, const char *path, int fd, uint64_t max, uint64_t *size)
{
    struct fd_sink s = {.sink.put = fd_put, .fd = fd, .max = max, .size = size};
    return pour_file(v, path, &s.sink, *size <= max ? max - *size : 0);
}

int disk_list(struct disk_volume *v, const char *path, struct disk_names *names)
{
    int r = disk_volume_ready(v);
    return r ? r : v->ops->list(v, path, names);
}

void disk_volumes_close(struct disk_volumes *d)
{
    for (unsigned i = 0; i < d->count; i++) {
        struct disk_volume *v = &d->v[i];
        if (v->opened && v->status == 0)
            v->ops->close(v);
        v->opened = false;
    }
}

int disk_volume_read(const struct disk_volume *v, uint64_t off, void *data, size_t len)
{
    if (!range_ok(off, len, v->size))
        return -EUCLEAN;
    for (size_t done = 0; done < len;) {
        ssize_t n = pread(v->fd, (char *)data + done, len - done, (off_t)(v->off + off + done));
        if (n == 0)
            return -EIO; /* the image became shorter */
        if (n < 0 && errno != EINTR)
            return -errno;
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

static int piece_load(const struct disk_volume *v, struct disk_piece *p, uint64_t at)
{
    int r;

    if (!p->data)
        p->data = malloc(DISK_WINDOW);
    p->at = at & ~(DISK_WINDOW - 1);
    p->len = at < v->size ? min_u64(DISK_WINDOW, v->size - p->at) : 0;
    r = p->data ? disk_volume_read(v, p->at, p->data, p->len) : -ENOMEM;
    if (r)
        p->len = 0;
    return r;
}

static bool piece_copy(const struct disk_piece *p, uint64_t off, void *data, uint64_t len)
{
    if (off < p->at || !range_ok(off - p->at, len, p->len))
        return false;
    memcpy(data, p->data + (off - p->at), len);
    return true;
}

int disk_window_read(struct disk_window *w, const struct disk_volume *v, uint64_t off, void *data,
                     uint64_t len)
{
    int r;

    if ((off & (DISK_WINDOW - 1)) + len > DISK_WINDOW)
        return disk_volume_read(v, off, data, len);
    for (unsigned i = 0; i < ARRAY_SIZE(w->piece); i++) {
        if (!piece_copy(&w->piece[i], off, data, len))
            continue;
        w->last = i;
        return 0;
    }
    w->last = !w->last;
    r = piece_load(v, &w->piece[w->last], off);
    if (r)
        return r;
    return piece_copy(&w->piece[w->last], off, data, len) ? 0 : -EUCLEAN;
}

void disk_window_free(struct disk_window *w)
{
    for (unsigned i = 0; i < ARRAY_SIZE(w->piece); i++)
        free(w->piece[i].data);
}
