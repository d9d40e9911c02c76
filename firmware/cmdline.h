/* SPDX-License-Identifier: MIT */
/* The guest kernel's command line, put together from what several places say. */
#ifndef FIRMWARE_CMDLINE_H
#define FIRMWARE_CMDLINE_H

#include <stddef.h>

#include "vmm/base/err.h"

/* Longest command line, without its NUL. A kernel may say that it takes less (load.h). */
enum { CMDLINE_MAX = 4095 };

struct cmdline_part {
    const char *what; /* where the text comes from, for messages: "--append", "the boot entry" */
    const char *text; /* len bytes, not trusted, need not end in NUL; NULL with len 0: nothing */
    size_t len;
};

/*
 * Join n parts with a space between them into out, which holds size bytes. Blanks around a part
 * are dropped. A control character (NUL and newline among them) in any part is -EINVAL, too long
 * a result -E2BIG; both with err filled and out[0] = NUL. Returns the length.
 */
int cmdline_join(const struct cmdline_part *part, size_t n, char *out, size_t size,
                 struct err *err);

#endif
