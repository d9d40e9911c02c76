/* SPDX-License-Identifier: MIT */
/* An image in a temporary file, a loop turned by hand, and requests that are waited for. */
#ifndef TESTS_UNIT_BLK_IMAGE_H
#define TESTS_UNIT_BLK_IMAGE_H

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/backend/blk-engine.h"
#include "devices/backend/blk.h"
#include "vmm/base/bits.h"

struct image {
    char path[256];
    struct loop *loop;
    struct blk_backend *be;
    struct err err;
    unsigned batches;
};

/* One request and what became of it. */
struct ask {
    struct blk_io io;
    struct iovec iov[8];
    bool ended;
    int result;
};

static inline uint8_t image_byte(uint64_t at)
{
    return (uint8_t)(at * 7 + at / 512 * 13 + at / 65536);
}

/* A file of size bytes with a pattern. */
static inline void image_make(struct image *m, size_t size)
{
    const char *dir = getenv("TMPDIR");
    uint8_t *data = (uint8_t *)malloc(size + 1);
    int fd;

    memset(m, 0, sizeof(*m));
    snprintf(m->path, sizeof(m->path), "%s/test-blk-XXXXXX", dir ? dir : "/tmp");
    fd = mkstemp(m->path);
    assert_true(fd >= 0);
    for (size_t i = 0; i < size; i++)
        data[i] = image_byte(i);
    assert_int_equal(write(fd, data, size), (ssize_t)size);
    close(fd);
    free(data);
    m->loop = loop_new("test", &m->err);
    assert_non_null(m->loop);
}

static inline void image_batch(void *arg)
{
    ((struct image *)arg)->batches++;
}

static inline int image_try(struct image *m, struct blk_open o)
{
    int ret;

    o.path = m->path;
    m->err.text[0] = 0;
    ret = blk_backend_open(&o, m->loop, &m->be, &m->err);
    if (!ret)
        blk_on_batch(m->be, image_batch, m);
    return ret;
}

static inline void image_open(struct image *m, struct blk_open o)
{
    if (image_try(m, o))
        fail_msg("%s", m->err.text);
}

static inline void image_close(struct image *m)
{
    loop_lock(m->loop);
    blk_backend_close(m->be);
    loop_unlock(m->loop);
    m->be = NULL;
}

static inline void image_done(struct image *m)
{
    image_close(m);
    loop_free(m->loop);
    unlink(m->path);
}

static inline void ask_done(struct blk_io *io, int result)
{
    struct ask *a = container_of(io, struct ask, io);

    assert_false(a->ended);
    a->ended = true;
    a->result = result;
}

static inline void ask_submit(struct image *m, struct ask *a)
{
    a->io.done = ask_done;
    if (!a->io.iov)
        a->io.iov = a->iov;
    loop_lock(m->loop);
    blk_submit(m->be, &a->io);
    blk_commit(m->be);
    assert_false(a->ended); /* never from within */
    loop_unlock(m->loop);
}

static inline int ask_wait(struct image *m, const struct ask *a)
{
    const uint64_t end = clock_ns() + UINT64_C(10000000000);

    while (!a->ended) {
        assert_true(clock_ns() < end);
        loop_turn(m->loop, 100);
    }
    return a->result;
}

static inline int ask_io(struct image *m, enum blk_op op, bool stable, uint64_t offset, void *data,
                         size_t len)
{
    struct ask a = {.io = {.op = op, .stable = stable, .offset = offset, .n_iov = 1},
                    .iov = {{data, len}}};

    ask_submit(m, &a);
    return ask_wait(m, &a);
}

static inline int ask_read(struct image *m, uint64_t offset, void *data, size_t len)
{
    return ask_io(m, BLK_READ, false, offset, data, len);
}

static inline int ask_write(struct image *m, uint64_t offset, void *data, size_t len)
{
    return ask_io(m, BLK_WRITE, false, offset, data, len);
}

static inline int ask_flush(struct image *m)
{
    return ask_io(m, BLK_FLUSH, false, 0, NULL, 0);
}

/* What the file itself holds. */
static inline void image_peek(const struct image *m, uint64_t offset, void *data, size_t len)
{
    int fd = open(m->path, O_RDONLY);

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, data, len, (off_t)offset), (ssize_t)len);
    close(fd);
}

#endif
