// SPDX-License-Identifier: MIT
/*
 * Owns a snapshot's temporary file and the map of the sectors in it. Refuses to know of requests
 * and of the image underneath; does no I/O.
 *
 * The map is cut in chunks of 4 KiB, each for 16 MiB of the disk, made when first written to; one
 * that is set all over stands for all that are.
 */
#include "devices/backend/blk-overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "devices/backend/blk.h"
#include "vmm/base/bits.h"

enum {
    CHUNK_WORDS = 512,
    CHUNK_SECTORS = CHUNK_WORDS * 64,
};

struct chunk {
    uint64_t word[CHUNK_WORDS];
};

struct blk_overlay {
    int fd;
    uint64_t size; /* of the temporary file, bytes */
    uint64_t n_chunks;
    struct chunk **chunk; /* NULL: nothing written there; &full: everything */
};

/* Nothing is ever unset in a chunk, so that nobody writes to this one. */
static struct chunk full = {{[0 ... CHUNK_WORDS - 1] = UINT64_MAX}};

/* A file that has no name, or has lost it before anybody could open it. */
static int temp_open(const char *dir)
{
    char path[4096];
    int fd = open(dir, O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);

    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
        return fd;
    if (snprintf(path, sizeof(path), "%s/vmm-snapshot-XXXXXX", dir) >= (int)sizeof(path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    return fd;
}

struct blk_overlay *blk_overlay_new(uint64_t size, struct err *err)
{
    const char *env = getenv("TMPDIR");
    const char *dir = env && *env ? env : "/var/tmp";
    struct blk_overlay *o = calloc(1, sizeof(*o));

    if (!o) {
        err_errno(err, ENOMEM, "snapshot");
        return NULL;
    }
    o->size = size;
    o->n_chunks = (size / BLK_SECTOR + CHUNK_SECTORS - 1) / CHUNK_SECTORS;
    o->chunk = calloc(o->n_chunks, sizeof(struct chunk *));
    o->fd = temp_open(dir);
    if (o->fd < 0)
        err_errno(err, errno,
                  "cannot make a temporary file for the snapshot in %s "
                  "(set TMPDIR to another folder)",
                  dir);
    else if (!o->chunk)
        err_errno(err, ENOMEM, "snapshot");
    else if (ftruncate(o->fd, (off_t)size) < 0)
        err_errno(err, errno,
                  "cannot make a temporary file of %llu bytes for the snapshot in %s "
                  "(set TMPDIR to another folder)",
                  (unsigned long long)size, dir);
    else
        return o;
    blk_overlay_free(o);
    return NULL;
}

static void chunk_free(struct chunk *c)
{
    if (c != &full)
        free(c);
}

void blk_overlay_free(struct blk_overlay *o)
{
    if (!o)
        return;
    for (uint64_t i = 0; o->chunk && i < o->n_chunks; i++)
        chunk_free(o->chunk[i]);
    free(o->chunk);
    if (o->fd >= 0)
        close(o->fd);
    free(o);
}

int blk_overlay_fd(const struct blk_overlay *o)
{
    return o->fd;
}

int blk_overlay_grow(struct blk_overlay *o, uint64_t size)
{
    const uint64_t n = (size / BLK_SECTOR + CHUNK_SECTORS - 1) / CHUNK_SECTORS;
    struct chunk **more;

    if (size > o->size && ftruncate(o->fd, (off_t)size) < 0) /* what is freed there reads as 0 */
        return -errno;
    o->size = max_u64(o->size, size);
    if (n <= o->n_chunks)
        return 0;
    more = realloc(o->chunk, n * sizeof(*more));
    if (!more)
        return -ENOMEM;
    for (uint64_t i = o->n_chunks; i < n; i++)
        more[i] = NULL;
    o->chunk = more;
    o->n_chunks = n;
    return 0;
}

/* The map's bits from sector on as far as they lie in one word, at bit 0; *n = how many. */
static uint64_t chunk_bits(const struct chunk *c, unsigned sector, unsigned *n)
{
    *n = 64 - sector % 64;
    return c->word[sector / 64] >> (sector % 64);
}

/* How many sectors from `from` on to `to` at most have the same state as the first. */
static unsigned chunk_run(const struct chunk *c, unsigned from, unsigned to, bool state)
{
    unsigned at = from;

    while (at < to) {
        unsigned n;
        uint64_t bits = chunk_bits(c, at, &n);
        uint64_t other = (state ? ~bits : bits) & (n == 64 ? UINT64_MAX : BIT64(n) - 1);

        if (other)
            return (unsigned)min_u64(at + (unsigned)__builtin_ctzll(other), to) - from;
        at += n;
    }
    return to - from;
}

bool blk_overlay_run(const struct blk_overlay *o, uint64_t offset, uint64_t len, uint64_t *bytes)
{
    uint64_t sector = offset / BLK_SECTOR;
    const struct chunk *c = o->chunk[sector / CHUNK_SECTORS];
    unsigned from = sector % CHUNK_SECTORS;
    unsigned to = (unsigned)min_u64(from + len / BLK_SECTOR, CHUNK_SECTORS);
    bool state = c && (c->word[from / 64] >> (from % 64) & 1);

    *bytes = (uint64_t)(c ? chunk_run(c, from, to, state) : to - from) * BLK_SECTOR;
    return state;
}

/* The part of [from, to), in sectors, that lies in chunk i: from *first on in it. */
static unsigned chunk_part(uint64_t from, uint64_t to, uint64_t i, unsigned *first)
{
    const uint64_t start = i * CHUNK_SECTORS;

    *first = from > start ? (unsigned)(from - start) : 0;
    return (unsigned)min_u64(to - start, CHUNK_SECTORS) - *first;
}

int blk_overlay_reserve(struct blk_overlay *o, uint64_t offset, uint64_t len, bool at_once)
{
    const uint64_t from = offset / BLK_SECTOR, to = (offset + len) / BLK_SECTOR;
    unsigned first;

    for (uint64_t i = from / CHUNK_SECTORS; i * CHUNK_SECTORS < to; i++) {
        if (o->chunk[i] || (at_once && chunk_part(from, to, i, &first) == CHUNK_SECTORS))
            continue;
        o->chunk[i] = calloc(1, sizeof(struct chunk));
        if (!o->chunk[i])
            return -ENOMEM;
    }
    return 0;
}

static void chunk_mark(struct chunk *c, unsigned first, unsigned n)
{
    for (unsigned s = first; s < first + n; s++)
        c->word[s / 64] |= BIT64(s % 64);
}

void blk_overlay_mark(struct blk_overlay *o, uint64_t offset, uint64_t len)
{
    const uint64_t from = offset / BLK_SECTOR, to = (offset + len) / BLK_SECTOR;
    unsigned first;

    for (uint64_t i = from / CHUNK_SECTORS; i * CHUNK_SECTORS < to; i++) {
        const unsigned n = chunk_part(from, to, i, &first);

        if (n == CHUNK_SECTORS) {
            chunk_free(o->chunk[i]);
            o->chunk[i] = &full;
        } else if (o->chunk[i] != &full) {
            chunk_mark(o->chunk[i], first, n);
        }
    }
}
