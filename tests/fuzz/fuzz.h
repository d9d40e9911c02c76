/* SPDX-License-Identifier: MIT */
/*
 * Fuzz targets: one per surface that somebody else fills. A target runs one input from start to end
 * in a world of its own, without threads and without effects on the host, so that an input does
 * the same each time. Whatever is wrong ends the process: a sanitizer, or a check that failed.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where they go. */
struct fuzz_seeds {
    char dir[512];
};

struct fuzz_target {
    const char *name;
    unsigned max_len; /* bytes of an input */
    void (*run)(const uint8_t *data, size_t len);
    /* Give the inputs to begin with. Needs nothing but what the tests need. */
    void (*seeds)(struct fuzz_seeds *to);
};

/* Ends with NULL. */
extern const struct fuzz_target *const fuzz_targets[];
const struct fuzz_target *fuzz_target_find(const char *name);

/* Write one seed, DIR/TARGET/NAME. Ends the process if it cannot. */
void fuzz_seed(struct fuzz_seeds *to, const char *name, const void *data, size_t len);

/* Once, before the first input. */
void fuzz_quiet(void);

/* What a target was made to check does not hold. */
void fuzz_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

/* ---- taking an input apart: zeros behind its end ---- */

struct fuzz_in {
    const uint8_t *p;
    size_t left;
};

static inline uint8_t fuzz_u8(struct fuzz_in *in)
{
    if (!in->left)
        return 0;
    in->left--;
    return *in->p++;
}

/* n bytes, little-endian */
static inline uint64_t fuzz_num(struct fuzz_in *in, unsigned n)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < n; i++)
        v |= (uint64_t)fuzz_u8(in) << (8 * i);
    return v;
}

/* At most len bytes as they are; *n says how many. */
static inline const uint8_t *fuzz_bytes(struct fuzz_in *in, size_t len, size_t *n)
{
    const uint8_t *p = in->p;

    *n = len < in->left ? len : in->left;
    in->p += *n;
    in->left -= *n;
    return p;
}

/* ---- putting one together ---- */

enum { FUZZ_OUT = 65536 };

struct fuzz_out {
    size_t n;
    uint8_t data[FUZZ_OUT];
};

void fuzz_put(struct fuzz_out *out, const void *data, size_t len);
void fuzz_put_num(struct fuzz_out *out, uint64_t v, unsigned n);

#endif
