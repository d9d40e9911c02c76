// SPDX-License-Identifier: MIT
/* Owns the list of targets and what they share. Refuses to know who makes inputs. */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/fuzz/targets.h"
#include "vmm/base/err.h"

const struct fuzz_target *const fuzz_targets[] = {
    &fuzz_pci,     &fuzz_split,   &fuzz_packed,  &fuzz_blk,   &fuzz_net,
    &fuzz_console, &fuzz_balloon, &fuzz_gpu,     &fuzz_input, &fuzz_boot,
    &fuzz_kernel,  &fuzz_options, &fuzz_control, &fuzz_trace, NULL,
};

const struct fuzz_target *fuzz_target_find(const char *name)
{
    for (const struct fuzz_target *const *t = fuzz_targets; *t; t++)
        if (strcmp((*t)->name, name) == 0)
            return *t;
    return NULL;
}

void fuzz_quiet(void)
{
    log_set_level(LOG_ERROR);
    setenv("CMOCKA_TEST_ABORT", "1", 1); /* a check that fails says so */
}

void fuzz_fail(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    fputs("fuzz: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    abort();
}

void fuzz_put(struct fuzz_out *out, const void *data, size_t len)
{
    if (len > sizeof(out->data) - out->n)
        fuzz_fail("a seed is too large");
    memcpy(out->data + out->n, data, len);
    out->n += len;
}

void fuzz_put_num(struct fuzz_out *out, uint64_t v, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        fuzz_put(out, (const uint8_t[]){(uint8_t)(v >> (8 * i))}, 1);
}

void fuzz_seed(struct fuzz_seeds *to, const char *name, const void *data, size_t len)
{
    char path[1024];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", to->dir, name);
    f = fopen(path, "wb");
    if (!f || fwrite(data, 1, len, f) != len || fclose(f) != 0)
        fuzz_fail("%s: %s", path, strerror(errno));
}
