// SPDX-License-Identifier: MIT
/*
 * Owns movement through scattered guest buffers. Refuses to know rings and devices.
 */
#include "vmm/base/giov.h"

#include <errno.h>
#include <string.h>

#include "vmm/base/bits.h"
#include "vmm/base/gmem.h"

enum { IO_PIECES = 64 }; /* pieces handed to one readv() or writev() */

struct gcur gcur_make(const struct iovec *v, uint32_t n, enum byte_order order)
{
    struct gcur c = {.v = v, .n = n, .order = order};

    for (uint32_t i = 0; i < n; i++)
        c.left += v[i].iov_len;
    return c;
}

/* The rest of the current piece, at most len; steps over empty pieces. c->left must not be 0. */
static struct iovec piece_now(struct gcur *c, uint64_t len)
{
    while (c->n && c->skip == c->v->iov_len) {
        c->v++;
        c->n--;
        c->skip = 0;
    }
    if (!c->n)
        return (struct iovec){NULL, 0};
    len = min_u64(min_u64(len, c->left), c->v->iov_len - c->skip);
    if (!c->v->iov_base)
        return (struct iovec){NULL, len};
    return (struct iovec){(uint8_t *)c->v->iov_base + c->skip, len};
}

static void piece_pass(struct gcur *c, size_t len)
{
    c->skip += len;
    c->left -= len;
}

/* Are the next len bytes there, and RAM? */
static bool span_ok(struct gcur c, uint64_t len)
{
    if (len > c.left)
        return false;
    while (len) {
        const struct iovec p = piece_now(&c, len);

        if (!p.iov_base)
            return false;
        piece_pass(&c, p.iov_len);
        len -= p.iov_len;
    }
    return true;
}

bool gcur_is_ram(const struct gcur *c)
{
    const struct iovec *v = c->v;
    uint64_t left = c->left;

    for (size_t skip = c->skip; left; v++, skip = 0) {
        const uint64_t len = min_u64(v->iov_len - skip, left);

        if (len && !v->iov_base)
            return false;
        left -= len;
    }
    return true;
}

bool gcur_get_pieces(struct gcur *c, void *to, size_t len)
{
    uint8_t *at = (uint8_t *)to;

    if (!span_ok(*c, len))
        return false;
    while (len) {
        const struct iovec p = piece_now(c, len);

        memcpy(at, p.iov_base, p.iov_len);
        piece_pass(c, p.iov_len);
        at += p.iov_len;
        len -= p.iov_len;
    }
    return true;
}

bool gcur_put_pieces(struct gcur *c, const void *from, size_t len)
{
    const uint8_t *at = (const uint8_t *)from;

    if (!span_ok(*c, len))
        return false;
    while (len) {
        const struct iovec p = piece_now(c, len);

        memcpy(p.iov_base, at, p.iov_len);
        piece_pass(c, p.iov_len);
        at += p.iov_len;
        len -= p.iov_len;
    }
    return true;
}

bool gcur_fill(struct gcur *c, uint8_t byte, uint64_t len)
{
    if (!span_ok(*c, len))
        return false;
    while (len) {
        const struct iovec p = piece_now(c, len);

        memset(p.iov_base, byte, p.iov_len);
        piece_pass(c, p.iov_len);
        len -= p.iov_len;
    }
    return true;
}

bool gcur_skip(struct gcur *c, uint64_t len)
{
    if (len > c->left)
        return false;
    if (!len)
        return true;
    c->left -= len;
    c->skip += len;
    /* It stands where the next bytes are, at the end behind the last piece. */
    while (c->skip > c->v->iov_len || (c->left && c->skip == c->v->iov_len)) {
        c->skip -= c->v->iov_len;
        c->v++;
        c->n--;
    }
    return true;
}

bool gcur_split(struct gcur *c, uint64_t len, struct gcur *head)
{
    struct gcur front = *c;

    if (!gcur_skip(c, len))
        return false;
    front.left = len;
    *head = front;
    return true;
}

uint64_t gcur_discard(struct gcur *c, uint64_t max)
{
    uint64_t sum = 0;

    max = min_u64(max, c->left);
    while (max) {
        const struct iovec p = piece_now(c, max);

        if (p.iov_base)
            sum += gmem_discard_host(p.iov_base, p.iov_len);
        piece_pass(c, p.iov_len);
        max -= p.iov_len;
    }
    return sum;
}

int gcur_iov(const struct gcur *c, uint64_t len, struct iovec *iov, unsigned max, uint64_t *bytes)
{
    struct gcur at = *c;
    unsigned n = 0;

    *bytes = 0;
    len = min_u64(len, at.left);
    while (len && n < max) {
        const struct iovec p = piece_now(&at, len);

        if (!p.iov_base)
            return -EFAULT;
        iov[n++] = p;
        piece_pass(&at, p.iov_len);
        len -= p.iov_len;
        *bytes += p.iov_len;
    }
    return (int)n;
}

int64_t gcur_from_fd(struct gcur *c, int fd, uint64_t len)
{
    struct iovec iov[IO_PIECES];
    uint64_t bytes;
    int n = gcur_iov(c, len, iov, IO_PIECES, &bytes);
    ssize_t got;

    if (n < 0)
        return n;
    got = readv(fd, iov, n);
    if (got < 0)
        return -errno;
    gcur_skip(c, (uint64_t)got);
    return got;
}

int64_t gcur_to_fd(struct gcur *c, int fd, uint64_t len)
{
    struct iovec iov[IO_PIECES];
    uint64_t bytes;
    int n = gcur_iov(c, len, iov, IO_PIECES, &bytes);
    ssize_t put;

    if (n < 0)
        return n;
    put = writev(fd, iov, n);
    if (put < 0)
        return -errno;
    gcur_skip(c, (uint64_t)put);
    return put;
}
