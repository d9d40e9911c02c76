/* SPDX-License-Identifier: MIT */
/* Bytes as text that JSON can hold: base64 of RFC 4648. Any thread. */
#ifndef VMM_BASE_BASE64_H
#define VMM_BASE_BASE64_H

#include <stddef.h>
#include <stdint.h>

/* A string for free(); NULL: no memory. */
char *base64_encode(const void *data, size_t n);

/* Bytes for free(), *n of them. NULL: no base64, or no memory. */
void *base64_decode(const char *text, size_t *n);

#endif
