/* SPDX-License-Identifier: MIT */
/*
 * A bounded little-endian byte sink, and on top of it the AML terms that our DSDT needs.
 * A write that does not fit is dropped and sets overflow, which stays set: callers check it once,
 * at the end. Terms are ACPI 6.3, chapter 20; resource descriptors chapter 6.4. Any thread, one
 * at a time per sink.
 */
#ifndef FIRMWARE_AML_H
#define FIRMWARE_AML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct aml {
    uint8_t *buf;
    size_t size, len;
    bool overflow;
};

/* buf belongs to the caller and outlives a. */
void aml_init(struct aml *a, uint8_t *buf, size_t size);

void aml_u8(struct aml *a, uint8_t v);
void aml_u16(struct aml *a, uint16_t v);
void aml_u32(struct aml *a, uint32_t v);
void aml_u64(struct aml *a, uint64_t v);
void aml_bytes(struct aml *a, const void *data, size_t n);
void aml_zeros(struct aml *a, size_t n);

/* Zeros up to a multiple of align (a power of two). */
void aml_align(struct aml *a, size_t align);

/* Opcodes that are a byte by themselves; operands follow in the order of the specification. */
enum aml_op {
    AML_STORE = 0x70,
    AML_AND = 0x7b,
    AML_OR = 0x7d,
    AML_NOTIFY = 0x86,
    AML_SIZEOF = 0x87,
    AML_CREATE_DWORD_FIELD = 0x8a,
    AML_LNOT = 0x92,
    AML_LEQUAL = 0x93,
    AML_LLESS = 0x95,
    AML_RETURN = 0xa4,
    AML_LOCAL0 = 0x60,
    AML_ARG0 = 0x68,
    AML_ARG1 = 0x69,
    AML_ARG3 = 0x6b,
};

void aml_op(struct aml *a, enum aml_op op);

/*
 * A name or path: "_HID", "\\_SB.PCI0", "CDW1". Segments shorter than four characters are padded
 * with '_'; a longer one sets overflow (it is our own mistake, and must not pass unseen).
 */
void aml_path(struct aml *a, const char *path);

void aml_int(struct aml *a, uint64_t v);          /* the shortest constant */
void aml_string(struct aml *a, const char *text); /* ASCII */
void aml_eisaid(struct aml *a, const char *id);   /* "PNP0A08" */

/* One Buffer holding content's bytes; content's overflow becomes a's. */
void aml_buffer(struct aml *a, const struct aml *content);

/* Name (name, value) */
void aml_name_int(struct aml *a, const char *name, uint64_t v);
void aml_name_string(struct aml *a, const char *name, const char *text);
void aml_name_eisaid(struct aml *a, const char *name, const char *id);
void aml_name_buffer(struct aml *a, const char *name, const struct aml *content);
void aml_name(struct aml *a, const char *name); /* the value is what the caller emits next */

/*
 * Blocks: each returns a mark, to be handed to aml_end when its content is complete; blocks nest.
 * The block's length is put in at the end, in its shortest form, by moving the content.
 */
size_t aml_scope(struct aml *a, const char *path);
size_t aml_device(struct aml *a, const char *name);
size_t aml_method(struct aml *a, const char *name, unsigned args); /* serialized */
size_t aml_package(struct aml *a, uint8_t elements);
size_t aml_if(struct aml *a); /* the predicate is what the caller emits next */
void aml_end(struct aml *a, size_t mark);

/* Resource descriptors, into a sink of their own that becomes a Buffer; end with aml_res_end. */
void aml_res_io(struct aml *r, uint16_t port, uint8_t count);
void aml_res_irq_edge(struct aml *r, uint32_t gsi);
void aml_res_memory32(struct aml *r, uint32_t base, uint32_t size);

/* Windows that a bridge hands down (fixed, positive decode). size 0 adds nothing. */
void aml_res_bus_window(struct aml *r, uint8_t first, uint8_t last);
void aml_res_io_window(struct aml *r, uint16_t base, uint32_t size);
void aml_res_mem32_window(struct aml *r, uint32_t base, uint32_t size);
void aml_res_mem64_window(struct aml *r, uint64_t base, uint64_t size);
void aml_res_end(struct aml *r);

#endif
