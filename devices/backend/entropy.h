/* SPDX-License-Identifier: MIT */
/* Random bytes of the host's: of its kernel, or of a device or pipe. */
#ifndef DEVICES_BACKEND_ENTROPY_H
#define DEVICES_BACKEND_ENTROPY_H

#include <stddef.h>

#include "vmm/base/err.h"
#include "vmm/base/loop.h"

struct entropy;

/* path NULL: getrandom(). Regular files are refused: they end. NULL with err filled. */
struct entropy *entropy_open(const char *path, struct loop *loop, struct err *err);
void entropy_close(struct entropy *e); /* NULL is fine */

/* ready is called on the loop when it is worth asking again. */
void entropy_on_ready(struct entropy *e, void (*ready)(void *arg), void *arg);

/* Up to len bytes now, without blocking: how many; 0: none yet, ready will be called. */
size_t entropy_get(struct entropy *e, void *to, size_t len);

#endif
