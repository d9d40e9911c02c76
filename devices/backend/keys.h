/* SPDX-License-Identifier: MIT */
/*
 * Keys by Linux's codes: their names, for people, and how a text is typed on a US keyboard. All
 * functions: any thread.
 */
#ifndef DEVICES_BACKEND_KEYS_H
#define DEVICES_BACKEND_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/base/err.h"

enum { KEYS_AT_ONCE = 8 };

/* Call fn for every key of a keyboard. */
void keys_each(void (*fn)(uint16_t code, void *ctx), void *ctx);

/*
 * "ctrl-alt-f2": names with - between, in the order in which they are pressed; a key that writes a
 * character may be named by it ("shift-/"). How many there are in code, or -EINVAL with err filled.
 */
int keys_parse(const char *text, uint16_t code[KEYS_AT_ONCE], struct err *err);

/* The key that writes c, and whether with shift; false: there is none. */
bool keys_char(char c, uint16_t *code, bool *shift);

#endif
