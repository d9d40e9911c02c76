/* SPDX-License-Identifier: MIT */
/* A back end of character streams in memory, for tests of devices. */
#ifndef TESTS_DEVICE_FAKE_CHR_H
#define TESTS_DEVICE_FAKE_CHR_H

#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "devices/console.h"
#include "tests/driver/bench.h"
#include "vmm/base/bits.h"

enum { OUT_MAX = 4 * CHR_RING };

/* A back end in memory. What it does with output: see `blocked`. */
struct fake {
    struct chr chr;
    uint8_t out[OUT_MAX];
    size_t out_len;
    const uint8_t *in;
    size_t in_len;
    bool blocked, has_size;
    struct chr_size size;
};

static inline struct fake *fake_of(struct chr *chr)
{
    return container_of(chr, struct fake, chr);
}

static inline int64_t fake_put(struct chr *chr, const void *data, size_t len)
{
    struct fake *f = fake_of(chr);

    if (f->blocked)
        return -EAGAIN;
    if (len > OUT_MAX - f->out_len)
        return -ENOSPC;
    memcpy(f->out + f->out_len, data, len);
    f->out_len += len;
    return (int64_t)len;
}

static inline void fake_more(struct chr *chr)
{
    struct fake *f = fake_of(chr);

    while (f->in_len) {
        const size_t n = (size_t)min_u64(f->in_len, chr_room(chr));

        if (!n)
            return;
        chr_input(chr, f->in, n);
        f->in += n;
        f->in_len -= n;
    }
}

static inline bool fake_size(struct chr *chr, struct chr_size *size)
{
    *size = fake_of(chr)->size;
    return fake_of(chr)->has_size;
}

static const struct chr_ops fake_ops = {.put = fake_put, .more = fake_more, .size = fake_size};

static inline struct fake *fake_new(struct loop *loop)
{
    struct fake *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    assert_int_equal(chr_init(&f->chr, "fake", &fake_ops, loop, 0, NULL), 0);
    return f;
}

static inline void fake_free(struct chr *chr)
{
    chr_done(chr);
    free(fake_of(chr));
}

#endif
