/* SPDX-License-Identifier: MIT */
/*
 * Cursors over a buffer that lies in pieces in guest memory. Devices read and write requests with
 * these only, so that how a driver cuts its buffers never matters (2.7.4 message framing).
 *
 * A piece whose guest address was not RAM has iov_base NULL: it counts in the length, and every
 * access to it fails. Nothing is ever copied partly: get and put do all of it or nothing.
 */
#ifndef VMM_BASE_GIOV_H
#define VMM_BASE_GIOV_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

#include "vmm/base/le.h"

struct gcur {
    const struct iovec *v; /* the piece that the cursor is in */
    uint32_t n;            /* pieces from v on */
    enum byte_order order; /* of the numbers on this path */
    size_t skip;           /* bytes of v[0] already behind the cursor */
    uint64_t left;         /* bytes from the cursor to the end */
};

/* A cursor at the start of n pieces. The array must outlive it. */
struct gcur gcur_make(const struct iovec *v, uint32_t n, enum byte_order order);

static inline uint64_t gcur_left(const struct gcur *c)
{
    return c->left;
}

/* Is all that is left RAM? Before host I/O on it starts. */
bool gcur_is_ram(const struct gcur *c);

/* gcur_get() and gcur_put() over more than one piece. */
bool gcur_get_pieces(struct gcur *c, void *to, size_t len);
bool gcur_put_pieces(struct gcur *c, const void *from, size_t len);

/* Where the next len bytes are, moving on, if they are RAM and in one piece, as headers and status
 * bytes nearly always are; else NULL, nothing moved. */
static inline void *gcur_one_piece(struct gcur *c, size_t len)
{
    void *at;

    if (len > c->left || !c->n || len > c->v->iov_len - c->skip || !c->v->iov_base)
        return NULL;
    at = (uint8_t *)c->v->iov_base + c->skip;
    c->skip += len;
    c->left -= len;
    return at;
}

/* Copy len bytes and move on; false, nothing moved, if there are fewer or one is not RAM. */
static inline bool gcur_get(struct gcur *c, void *to, size_t len)
{
    const void *at = gcur_one_piece(c, len);

    if (!at)
        return gcur_get_pieces(c, to, len);
    memcpy(to, at, len);
    return true;
}

static inline bool gcur_put(struct gcur *c, const void *from, size_t len)
{
    void *at = gcur_one_piece(c, len);

    if (!at)
        return gcur_put_pieces(c, from, len);
    memcpy(at, from, len);
    return true;
}

/* As gcur_put with len bytes of value byte. */
bool gcur_fill(struct gcur *c, uint8_t byte, uint64_t len);

/* Move on by len bytes without touching them; false if there are fewer. */
bool gcur_skip(struct gcur *c, uint64_t len);

/* *head = the next len bytes; c moves behind them. false if there are fewer. */
bool gcur_split(struct gcur *c, uint64_t len, struct gcur *head);

/* Numbers in the order of the path. */
static inline bool gcur_get16(struct gcur *c, uint16_t *v)
{
    if (!gcur_get(c, v, sizeof(*v)))
        return false;
    *v = order16(c->order, *v);
    return true;
}

static inline bool gcur_get32(struct gcur *c, uint32_t *v)
{
    if (!gcur_get(c, v, sizeof(*v)))
        return false;
    *v = order32(c->order, *v);
    return true;
}

static inline bool gcur_get64(struct gcur *c, uint64_t *v)
{
    if (!gcur_get(c, v, sizeof(*v)))
        return false;
    *v = order64(c->order, *v);
    return true;
}

static inline bool gcur_put16(struct gcur *c, uint16_t v)
{
    v = order16(c->order, v);
    return gcur_put(c, &v, sizeof(v));
}

static inline bool gcur_put32(struct gcur *c, uint32_t v)
{
    v = order32(c->order, v);
    return gcur_put(c, &v, sizeof(v));
}

static inline bool gcur_put64(struct gcur *c, uint64_t v)
{
    v = order64(c->order, v);
    return gcur_put(c, &v, sizeof(v));
}

/* Move on by at most max bytes, and give the whole host pages among them back to the host. Returns
 * the bytes given back. */
uint64_t gcur_discard(struct gcur *c, uint64_t max);

/*
 * Describe the next bytes, at most len and at most max pieces, for readv() and friends, without
 * moving. *bytes = how many that are. Returns the number of pieces, -EFAULT if one is not RAM.
 */
int gcur_iov(const struct gcur *c, uint64_t len, struct iovec *iov, unsigned max, uint64_t *bytes);

/*
 * One readv()/writev() of at most len bytes between a descriptor and the cursor, which moves by
 * what was transferred. Returns that, 0 at end of file, or -errno. Not for blocking descriptors.
 */
int64_t gcur_from_fd(struct gcur *c, int fd, uint64_t len);
int64_t gcur_to_fd(struct gcur *c, int fd, uint64_t len);

#endif
